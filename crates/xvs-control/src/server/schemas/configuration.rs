//! The schemas of configuration, checks and events.

use serde_json::{Value, json};

use super::{nullable, object, of};

/// Each schema by the name of its type.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let number = || json!({ "type": "integer", "minimum": 0 });
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean" });
    let list = |of: Value| json!({ "type": "array", "items": of });
    vec![
        (
            "CheckedRealServer",
            object(&[
                ("name", text()),
                ("alive", flag()),
                ("weight", number()),
                ("checkers", list(of("CheckerReport"))),
            ]),
        ),
        (
            "CheckedVirtualServer",
            object(&[
                ("name", text()),
                ("has_quorum", flag()),
                ("alive_weight", number()),
                ("quorum", number()),
                ("hysteresis", number()),
                ("sorry", flag()),
                ("real_servers", list(of("CheckedRealServer"))),
            ]),
        ),
        (
            "CheckerReport",
            object(&[
                ("kind", text()),
                ("up", flag()),
                (
                    "state",
                    json!({ "enum": ["running", "suspended", "waiting"] }),
                ),
                ("failures", number()),
                ("next_run_ms", nullable(number())),
                (
                    "last",
                    nullable(object(&[
                        ("ago_ms", number()),
                        ("latency_us", number()),
                        ("failure", nullable(text())),
                    ])),
                ),
            ]),
        ),
        (
            "ChecksStatus",
            object(&[
                ("virtual_servers", list(of("CheckedVirtualServer"))),
                ("running", number()),
                ("runs", number()),
                ("latest_start_ms", number()),
                (
                    "bfd_sessions",
                    list(object(&[
                        ("name", text()),
                        ("state", text()),
                        ("neighbour_state", text()),
                        ("interval_ms", number()),
                        ("detection_ms", nullable(number())),
                    ])),
                ),
            ]),
        ),
        (
            "ConfigurationPlan",
            object(&[
                ("ops", list(of("Op"))),
                ("new_checkers", number()),
                ("gone_checkers", number()),
                ("findings", text()),
            ]),
        ),
        (
            "ConfigurationRequest",
            json!({
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": { "type": "string", "description": "an absolute path; the daemon reads it" },
                    "strict": { "type": "boolean", "default": false },
                    "config_id": nullable(text()),
                    "confirm_seconds": nullable(number()),
                },
            }),
        ),
        (
            "ConfigurationStatus",
            object(&[
                ("file", nullable(text())),
                ("strict", flag()),
                ("counted", text()),
                ("findings", text()),
                ("confirm_within_seconds", nullable(number())),
                ("warnings", list(text())),
            ]),
        ),
        (
            "Event",
            json!({
                "type": "object",
                "required": ["at_ms", "kind", "text"],
                "properties": {
                    "at_ms": number(),
                    "kind": { "enum": [
                        "check", "configuration", "lost", "quorum", "real-server", "vrrp",
                    ] },
                    "virtual_server": text(),
                    "real_server": text(),
                    "up": flag(),
                    "text": text(),
                },
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use crate::wire::{
        BfdSessionStatus, CheckedRealServer, CheckedVirtualServer, CheckerReport, ChecksStatus,
        ConfigurationPlan, ConfigurationRequest, ConfigurationStatus, Event, EventKind, LastCheck,
    };

    #[test]
    fn values_fit_the_schemas_of_their_types() {
        let checker = CheckerReport {
            next_run_ms: Some(1),
            last: Some(LastCheck::default()),
            ..CheckerReport::default()
        };
        let real_server = CheckedRealServer {
            checkers: vec![CheckerReport::default(), checker],
            ..CheckedRealServer::default()
        };
        let virtual_server = CheckedVirtualServer {
            real_servers: vec![real_server],
            ..CheckedVirtualServer::default()
        };
        let checks = ChecksStatus {
            virtual_servers: vec![virtual_server],
            bfd_sessions: vec![BfdSessionStatus::default()],
            ..ChecksStatus::default()
        };
        check("ChecksStatus", &checks);
        check("ConfigurationPlan", &ConfigurationPlan::default());
        check("ConfigurationRequest", &ConfigurationRequest::default());
        check("ConfigurationStatus", &ConfigurationStatus::default());
        for kind in [
            EventKind::Check,
            EventKind::Configuration,
            EventKind::Lost,
            EventKind::Quorum,
            EventKind::RealServer,
            EventKind::Vrrp,
        ] {
            let event = Event {
                at_ms: 1,
                kind,
                virtual_server: Some("v".to_owned()),
                real_server: None,
                up: Some(true),
                text: "t".to_owned(),
            };
            check("Event", &event);
        }
    }
}
