//! One health check of each kind.
//!
//! A [`Probe`] holds all that a check needs; [`run`] performs it once and says what came of it, how long
//! it took and, if it failed, why. When it runs and what follows is not decided here.
//!
//! Whatever a peer sends, a check ends in bounded time and memory: connecting and every wait for data
//! take at most the probe's timeout, all together [`WHOLE`] times as much; what is kept of an answer is
//! bounded by a constant beside its reader. A check whose future is dropped is given up: its socket is
//! closed, its program and all that it started are killed.
//!
//! Needed: a tokio runtime with time and IO. `fwmark` and `bind_if` need CAP_NET_ADMIN or CAP_NET_RAW,
//! PING_CHECK a group in `net.ipv4.ping_group_range` or CAP_NET_RAW, a MISC_CHECK as another user root.

mod connect;
mod dns;
mod failure;
mod file;
mod http;
mod misc;
mod ping;
mod probe;
mod smtp;
mod udp;

use std::time::{Duration, Instant};

pub use failure::Failure;
pub use http::{Fetch, Fetched, fetch};
pub use probe::Probe;
use xvs_conf::config::CheckKind;

/// How many timeouts a whole check may take when a peer answers again and again in time.
pub const WHOLE: u32 = 4;

/// What came of one check.
#[derive(Debug)]
pub struct Report {
    /// What a success says, or why the check failed.
    pub result: Result<Success, Failure>,
    /// From its start to its end.
    pub latency: Duration,
}

/// What a successful check says of the weight of its real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// Nothing: it is as configured.
    Plain,
    /// So much more, or less, than configured (FILE_CHECK).
    WeightAdded(i64),
    /// This much (MISC_CHECK with `misc_dynamic`).
    WeightSet(u32),
}

/// Performs one check; `url` says which URL of an HTTP check, from 0, and is ignored by the others.
pub async fn run(probe: &Probe, url: usize) -> Report {
    let start = Instant::now();
    let result = match &probe.kind {
        // A program has a timeout of its own and needs time to end.
        CheckKind::Misc(check) => misc::run(check).await,
        // The most frequent check waits but once.
        CheckKind::Tcp => connect::tcp(probe).await.map(|_stream| Success::Plain),
        _ => {
            let whole = probe.timeout.saturating_mul(WHOLE);
            match tokio::time::timeout(whole, answer(probe, url)).await {
                Ok(result) => result,
                Err(_elapsed) => Err(Failure::Timeout {
                    what: "the whole check",
                    after: whole,
                }),
            }
        }
    };
    Report {
        result,
        latency: start.elapsed(),
    }
}

/// Performs a check that waits for an answer.
async fn answer(probe: &Probe, url: usize) -> Result<Success, Failure> {
    match &probe.kind {
        CheckKind::Dns(check) => dns::run(check, probe).await,
        CheckKind::File(check) => file::run(check).await,
        CheckKind::Http(check) => http::run(check, url, probe).await,
        CheckKind::Ping => ping::run(probe).await,
        CheckKind::Smtp(check) => smtp::run(check, probe).await,
        CheckKind::Udp(check) => udp::run(check, probe).await,
        // A BFD session lives on its own; the others were dealt with above.
        _ => Err(Failure::NotAProbe),
    }
}
