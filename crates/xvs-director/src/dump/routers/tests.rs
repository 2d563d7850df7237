//! Against what keepalived 2.2.7 wrote of the same configuration.

use serde_json::Value;
use xvs_conf::{MemoryFiles, Stance, StaticHost, parse};
use xvs_control::wire::VirtualRouterCounters;

use super::*;

const CONFIG: &str = include_str!("../../../tests/fixtures/dump/routers.conf");
const JSON: &str = include_str!("../../../tests/fixtures/dump/routers.json");
const STATISTICS: &str = include_str!("../../../tests/fixtures/dump/routers.stats");

fn config() -> Config {
    let files = MemoryFiles::new().with("k.conf", CONFIG);
    let host = StaticHost::default();
    let outcome = parse("k.conf", &files, &host, Stance::Compatible);
    let findings = outcome.render_text(false);
    outcome.config.expect(&findings)
}

/// The status that a recorded virtual router was in.
fn status(recorded: &Value) -> VirtualRouterStatus {
    let (data, stats) = (&recorded["data"], &recorded["stats"]);
    let seconds = data["last_transition"].as_f64().unwrap();
    VirtualRouterStatus {
        name: data["iname"].as_str().unwrap().to_owned(),
        state: "MASTER".to_owned(),
        since_ms: Some(format!("{:.0}", seconds * 1e3).parse().unwrap()),
        priority: u8::try_from(data["effective_priority"].as_u64().unwrap()).unwrap(),
        master_interval_ms: format!("{:.0}", data["adver_int"].as_f64().unwrap() * 1e3)
            .parse()
            .unwrap(),
        counters: VirtualRouterCounters {
            sent: stats["advert_sent"].as_u64().unwrap(),
            became_master: 1,
            ..VirtualRouterCounters::default()
        },
        ..VirtualRouterStatus::default()
    }
}

/// Takes out what differs as docs/compat.md says: microseconds, and routes and rules in other words.
fn leave_out_what_differs(routers: &mut Value) {
    for router in routers.as_array_mut().unwrap() {
        let data = router["data"].as_object_mut().unwrap();
        let at = data["last_transition"].as_f64().unwrap();
        data["last_transition"] = format!("{at:.3}").into();
        for name in ["vroutes", "vrules"] {
            if let Some(list) = data.get_mut(name) {
                *list = list.as_array().unwrap().len().into();
            }
        }
    }
}

#[test]
fn the_json_is_that_of_keepalived() {
    let mut recorded: Value = serde_json::from_str(JSON).unwrap();
    let config = config();
    let status = VrrpStatus {
        routers: recorded.as_array().unwrap().iter().map(status).collect(),
        ..VrrpStatus::default()
    };
    let mut ours = Routers::new(Some(&config), &status).json();
    leave_out_what_differs(&mut recorded);
    leave_out_what_differs(&mut ours);
    let pretty = |value| serde_json::to_string_pretty(value).unwrap();
    assert_eq!(pretty(&ours), pretty(&recorded));
}

#[test]
fn the_statistics_are_those_of_keepalived() {
    let sent: Vec<u64> = STATISTICS
        .lines()
        .filter_map(|line| line.strip_prefix("    Sent: ")?.parse().ok())
        .collect();
    let config = config();
    let instances = config.instances.iter().zip(sent.chunks(2));
    let routers = instances.map(|(instance, sent)| VirtualRouterStatus {
        name: instance.name.clone(),
        counters: VirtualRouterCounters {
            sent: sent[0],
            releases_sent: sent[1],
            became_master: 1,
            ..VirtualRouterCounters::default()
        },
        ..VirtualRouterStatus::default()
    });
    let status = VrrpStatus {
        routers: routers.collect(),
        ..VrrpStatus::default()
    };
    let ours = Routers::new(Some(&config), &status).statistics();
    assert_eq!(ours, STATISTICS);
}

#[test]
fn what_is_rejected_is_counted_under_keepalived_s_names() {
    let counters = VirtualRouterCounters {
        rejected: [("Password", 2), ("Replayed", 3), ("Ttl", 5), ("Type", 7)]
            .map(|(name, count)| (name.to_owned(), count))
            .into(),
        ..VirtualRouterCounters::default()
    };
    let counted = counted::json(&counters);
    assert_eq!(counted["auth_failure"], 5);
    assert_eq!(counted["ip_ttl_err"], 5);
    assert_eq!(counted["invalid_type_rcvd"], 7);
    assert_eq!(counted["packet_len_err"], 0);
}
