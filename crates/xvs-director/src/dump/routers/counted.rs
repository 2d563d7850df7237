//! What a virtual router counted, under keepalived's names and headings.

use std::fmt::Write;

use serde_json::Value;
use xvs_control::wire::VirtualRouterCounters;

/// A heading, if there is one, and its lines with their names in the JSON.
type Section = (
    Option<&'static str>,
    &'static [(&'static str, &'static str)],
);

/// The order of the text, which is not that of the JSON.
const SECTIONS: [Section; 5] = [
    (
        Some("Advertisements"),
        &[("Received", "advert_rcvd"), ("Sent", "advert_sent")],
    ),
    (
        None,
        &[
            ("Became master", "become_master"),
            ("Released master", "release_master"),
        ],
    ),
    (
        Some("Packet Errors"),
        &[
            ("Length", "packet_len_err"),
            ("TTL", "ip_ttl_err"),
            ("Invalid Type", "invalid_type_rcvd"),
            ("Advertisement Interval", "advert_interval_err"),
            ("Address List", "addr_list_err"),
        ],
    ),
    (
        Some("Authentication Errors"),
        &[
            ("Invalid Type", "invalid_authtype"),
            ("Type Mismatch", "authtype_mismatch"),
            ("Failure", "auth_failure"),
        ],
    ),
    (
        Some("Priority Zero"),
        &[("Received", "pri_zero_rcvd"), ("Sent", "pri_zero_sent")],
    ),
];

/// The `stats` of the JSON.
pub(super) fn json(counters: &VirtualRouterCounters) -> Value {
    let rejected = |names: &[&str]| -> u64 {
        let counts = names.iter().filter_map(|name| counters.rejected.get(*name));
        counts.sum()
    };
    serde_json::json!({
        "advert_rcvd": counters.received,
        "advert_sent": counters.sent,
        "become_master": counters.became_master,
        "release_master": counters.released_master,
        "packet_len_err": rejected(&["Length"]),
        "advert_interval_err": rejected(&["Interval"]),
        "ip_ttl_err": rejected(&["Ttl"]),
        "invalid_type_rcvd": rejected(&["Type"]),
        // Accepted here, where keepalived rejects.
        "addr_list_err": counters.addresses_differ,
        // A type that nobody knows is counted with those that are not ours.
        "invalid_authtype": 0,
        "authtype_mismatch": rejected(&["AuthenticationType"]),
        "auth_failure": rejected(&["AuthenticationHeader", "CheckValue", "Password", "Replayed"]),
        "pri_zero_rcvd": counters.releases_received,
        "pri_zero_sent": counters.releases_sent,
    })
}

/// The lines of the statistics.
pub(super) fn lines(counters: &VirtualRouterCounters) -> String {
    let counted = json(counters);
    let mut text = String::new();
    for (heading, lines) in SECTIONS {
        // Writing to a string does not fail.
        let indent = match heading {
            Some(heading) => {
                let _written = writeln!(text, "  {heading}:");
                4
            }
            None => 2,
        };
        for (words, name) in lines {
            let number = counted
                .get(name)
                .and_then(Value::as_u64)
                .unwrap_or_default();
            let _written = writeln!(text, "{:indent$}{words}: {number}", "");
        }
    }
    text
}
