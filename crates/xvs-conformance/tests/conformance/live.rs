//! A sample of the recordings on a real director.

use std::env;

use xvs_conformance::Balancer;

use crate::{HOOKS, expect, is_root, known, suite};

/// One of each: a connection by every method, of either family, persistence, an edit, no route,
/// refusal, schedulers.
const SAMPLE: [&str; 10] = [
    "A/tcp/tcp-full-nat",
    "A/tcp/tcp-full-dr-v6",
    "A/tcp/tcp-mixed-family-ipip-4in6",
    "A/udp/udp-request-reply-nat-v6",
    "A/persist/persistent-nat-port0",
    "A/life/edit-live-dr",
    "A/life/no-route-dr-none",
    "A/nosvc/no-destination-w0",
    "schedulers/wlc-edit/udp/4-3-2",
    "schedulers/wrr/tcp-short/4-3-2",
];

#[test]
fn root_a_sample_of_the_recordings_is_as_known_on_a_real_director() {
    if !is_root() {
        return;
    }
    let suite = suite().only(|name| SAMPLE.contains(&name));
    assert_eq!(
        suite.iter().count(),
        SAMPLE.len(),
        "a name is no recording's"
    );
    for hook in HOOKS {
        let by = format!("live {hook}");
        let tally = suite.live(&known(), Balancer::Xvs(hook), 2);
        match tally {
            Ok(tally) => expect(&by, &tally),
            Err(error) if error.contains("build `xvs` first") => {
                // `cargo test` of this crate alone builds no binary of another.
                assert_ne!(env::var("CI").as_deref(), Ok("true"), "{error}");
                eprintln!("skipped: {error}");
                return;
            }
            Err(error) => panic!("{by}: {error}"),
        }
    }
}
