//! The JSON of the API for machines: a schema for each type that a route takes or answers.
//!
//! They say what the types of [`crate::wire`] and `xvs-types` serialise to; a test holds them against
//! values of those types.

mod configuration;

use serde_json::{Map, Value, json};
use xvs_types::Setting;

/// Every schema by the name of its type.
pub(super) fn all() -> Value {
    let number = || json!({ "type": "integer", "minimum": 0 });
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean" });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let names = |all: &[&str]| json!({ "enum": all });
    let counts = || {
        let fields = [
            "connections",
            "packets_in",
            "packets_out",
            "bytes_in",
            "bytes_out",
        ];
        object(&fields.map(|field| (field, number())))
    };
    let mut all = json!({
        "Address": { "type": "string", "description": "an IPv4 or IPv6 address" },
        "Batch": {
            "type": "object",
            "required": ["ops"],
            "properties": { "ops": list(of("Op")), "atomic": { "type": "boolean", "default": true } },
        },
        "BatchOutcome": object(&[
            ("applied", number()),
            ("outcomes", list(json!({
                "type": "object",
                "required": ["error"],
                "properties": {
                    "error": { "description": "why the op was refused, by its kind; null when it was not" },
                    "message": text(),
                },
            }))),
        ]),
        "ConnectionCount": object(&[("connections", number())]),
        "ConnectionListing": object(&[
            ("protocol", nullable(of("Protocol"))),
            ("client", of("Endpoint")),
            ("virtual_endpoint", of("Endpoint")),
            ("virtual_server", nullable(of("VirtualServerId"))),
            ("real_endpoint", of("Endpoint")),
            ("method", of("EffectiveMethod")),
            ("local", nullable(of("Endpoint"))),
            ("state", text()),
            ("expires", of("Duration")),
            ("template", flag()),
            ("engine_data", nullable(text())),
            ("packets_in", number()),
            ("packets_out", number()),
            ("bytes_in", number()),
            ("bytes_out", number()),
        ]),
        "Counters": counts(),
        "Duration": object(&[("secs", number()), ("nanos", number())]),
        "EffectiveMethod": {
            "oneOf": [names(&["local"]), object(&[("configured", of("ForwardingMethod"))])],
        },
        "Endpoint": object(&[("address", of("Address")), ("port", number())]),
        "ForwardingMethod": { "oneOf": [
            names(&["direct", "fullnat", "nat"]),
            object(&[("tunnel", object(&[
                ("kind", json!({ "oneOf": [
                    names(&["gre", "ipip"]),
                    object(&[("gue", object(&[("port", number())]))]),
                ] })),
                ("checksum", names(&["none", "outer", "remote"])),
            ]))]),
        ] },
        "HookSetting": object(&[("hook", names(&["auto", "tcx", "xdp", "xdp-generic"]))]),
        "InterfaceSetting": object(&[("interfaces", nullable(list(text())))]),
        "Op": { "oneOf": [
            names(&["flush"]),
            op("add_real_server", &[("virtual_server", of("VirtualServerId")), ("real_server", of("RealServer"))]),
            op("add_virtual_server", &[("virtual_server", of("VirtualServer"))]),
            op("delete_real_server", &[("virtual_server", of("VirtualServerId")), ("endpoint", of("Endpoint"))]),
            op("delete_virtual_server", &[("id", of("VirtualServerId"))]),
            op("edit_real_server", &[("virtual_server", of("VirtualServerId")), ("real_server", of("RealServer"))]),
            op("edit_virtual_server", &[("virtual_server", of("VirtualServer"))]),
            op("set_setting", &[("setting", of("Setting")), ("value", json!({ "type": "integer" }))]),
            op("set_timeouts", &[("timeouts", of("Timeouts"))]),
            op("start_sync_daemon", &[("daemon", of("SyncDaemon"))]),
            op("stop_sync_daemon", &[("role", of("SyncRole"))]),
            op("zero", &[("id", nullable(of("VirtualServerId")))]),
        ] },
        "Problem": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": { "type": "string", "description": "stable; programs decide by it" },
                "message": { "type": "string", "description": "what failed, on what" },
                "hint": { "type": "string", "description": "what to do about it" },
            },
        },
        "Protocol": names(&["tcp", "udp", "sctp"]),
        "Rates": counts(),
        "RealServer": {
            "type": "object",
            "required": ["endpoint"],
            "properties": {
                "endpoint": of("Endpoint"),
                "method": of("ForwardingMethod"),
                "weight": number(),
                "thresholds": object(&[("upper", number()), ("lower", number())]),
            },
        },
        "Setting": { "enum": Setting::ALL.iter().map(|one| one.name()).collect::<Vec<_>>() },
        "SettingChanges": {
            "type": "object",
            "description": "new values by the name of the setting",
            "additionalProperties": { "type": "integer" },
        },
        "SettingListing": object(&[
            ("name", of("Setting")),
            ("value", text()),
            ("default", text()),
            ("minimum", nullable(json!({ "type": "integer" }))),
            ("maximum", nullable(json!({ "type": "integer" }))),
            ("fixed", nullable(text())),
        ]),
        "Status": { "type": "object", "properties": {
            "instance": text(), "version": text(), "pid": number(), "netns": nullable(text()),
            "uptime_seconds": number(), "keep": flag(), "hook": text(),
            "interfaces": nullable(list(text())),
            "links": list(json!({ "type": "object", "properties": {
                "ifindex": number(), "name": text(), "hook": nullable(text()),
                "attached_by": nullable(text()), "reason": text(),
            } })),
            "virtual_servers": number(), "real_servers": number(),
            "table_v4": of("TableFill"), "table_v6": of("TableFill"),
            "drops": { "type": "object", "additionalProperties": number() },
            "events": { "type": "object", "additionalProperties": number() },
            "added_addresses": list(text()), "warnings": list(text()),
        } },
        "StopRequest": { "type": "object", "properties": { "keep": nullable(flag()) } },
        "SyncDaemon": object(&[
            ("role", of("SyncRole")),
            ("interface", text()),
            ("sync_id", number()),
            ("max_length", nullable(number())),
            ("group", nullable(of("Address"))),
            ("port", nullable(number())),
            ("ttl", nullable(number())),
        ]),
        "SyncRole": names(&["master", "backup"]),
        "TableFill": object(&[("capacity", number()), ("used", number()), ("overflow", number())]),
        "Timeouts": object(&[("tcp", of("Duration")), ("tcp_fin", of("Duration")), ("udp", of("Duration"))]),
        "Version": object(&[("version", text()), ("api", number())]),
        "VirtualServer": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": of("VirtualServerId"),
                "scheduler": text(),
                "scheduler_flags": number(),
                "persistence": nullable(object(&[
                    ("timeout", of("Duration")),
                    ("mask", json!({ "oneOf": [object(&[("v4", text())]), object(&[("v6", number())])] })),
                ])),
                "engine": nullable(text()),
                "one_packet": flag(),
                "local_addresses": list(of("Address")),
                "anywhere": flag(),
            },
        },
        "VirtualServerId": { "oneOf": [
            object(&[("address", object(&[("protocol", of("Protocol")), ("endpoint", of("Endpoint"))]))]),
            object(&[("mark", object(&[("family", names(&["v4", "v6"])), ("mark", number())]))]),
        ] },
        "VirtualServerListing": object(&[
            ("config", of("VirtualServer")),
            ("counters", of("Counters")),
            ("rates", of("Rates")),
            ("real_servers", list(object(&[
                ("config", of("RealServer")),
                ("effective", of("EffectiveMethod")),
                ("active", number()),
                ("inactive", number()),
                ("persistent", number()),
                ("counters", of("Counters")),
                ("rates", of("Rates")),
            ]))),
        ]),
    });
    if let Some(all) = all.as_object_mut() {
        all.extend(super::vrrp::schemas());
        let more = configuration::all().into_iter();
        all.extend(more.map(|(name, schema)| (name.to_owned(), schema)));
    }
    all
}

/// The schema of the type of this name; an array of it for `array of NAME`, none for other words.
pub(super) fn named(name: &str) -> Option<Value> {
    if let Some(item) = name.strip_prefix("array of ") {
        return Some(json!({ "type": "array", "items": named(item)? }));
    }
    all().get(name).map(|_schema| of(name))
}

pub(super) fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn nullable(schema: Value) -> Value {
    json!({ "oneOf": [schema, { "type": "null" }] })
}

fn op(name: &str, fields: &[(&str, Value)]) -> Value {
    object(&[(name, object(fields))])
}

/// An object with these fields, all of them required.
pub(super) fn object(fields: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = fields
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Serialize;
    use xvs_types::{
        Op, Persistence, PersistenceMask, RealServer, Settings, SyncDaemon, SyncRole, Timeouts,
        Tunnel, TunnelChecksum, TunnelKind, VirtualServer, VirtualServerId,
    };

    use super::*;
    use crate::wire::{
        Batch, BatchOutcome, HookChoice, HookSetting, InterfaceSetting, Problem, SettingChanges,
        SettingListing, Status, StopRequest, Version, VirtualRouterStatus, VrrpFailover,
        VrrpPriority, VrrpStatus, VrrpTransition,
    };

    /// Whether `value` fits `schema`, and has no field that the schema does not name.
    fn fits(value: &Value, schema: &Value, all: &Value) -> bool {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            return fits(value, &all[name], all);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            return choices.iter().filter(|one| fits(value, one, all)).count() == 1;
        }
        if let Some(names) = schema["enum"].as_array() {
            return names.contains(value);
        }
        match schema["type"].as_str() {
            Some("object") => value.as_object().is_some_and(|object| {
                let required = schema["required"].as_array();
                let has = |name: &Value| object.contains_key(name.as_str().unwrap());
                let open = &schema["additionalProperties"];
                required.is_none_or(|names| names.iter().all(has))
                    && object.iter().all(|(name, field)| {
                        let own = &schema["properties"][name];
                        fits(field, if own.is_null() { open } else { own }, all)
                    })
            }),
            Some("array") => value
                .as_array()
                .is_some_and(|items| items.iter().all(|item| fits(item, &schema["items"], all))),
            Some("integer") => value.is_u64(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("null") => value.is_null(),
            // Any value, where the schema only describes; nothing where there is no schema.
            _ => schema["description"].is_string(),
        }
    }

    pub(super) fn check(name: &str, value: &impl Serialize) {
        let all = all();
        let value = serde_json::to_value(value).unwrap();
        assert!(fits(&value, &all[name], &all), "{name}: {value}");
    }

    fn every_op() -> Vec<Op> {
        let id = VirtualServerId::tcp("192.0.2.1:80".parse().unwrap());
        let mut virtual_server = VirtualServer::new(id);
        virtual_server.persistence = Some(Persistence {
            timeout: Duration::from_secs(60),
            mask: PersistenceMask::V6(64),
        });
        virtual_server.local_addresses = vec!["10.0.0.7".parse().unwrap()];
        let mut real_server = RealServer::new("[2001:db8::1]:80".parse().unwrap());
        let endpoint = real_server.endpoint;
        real_server.method = xvs_types::ForwardingMethod::Tunnel(Tunnel {
            kind: TunnelKind::Gue { port: 6080 },
            checksum: TunnelChecksum::Remote,
        });
        let daemon = SyncDaemon {
            role: SyncRole::Backup,
            interface: "lo".to_owned(),
            sync_id: 1,
            max_length: Some(1400),
            group: None,
            port: None,
            ttl: None,
        };
        vec![
            Op::AddVirtualServer {
                virtual_server: virtual_server.clone(),
            },
            Op::EditVirtualServer { virtual_server },
            Op::AddRealServer {
                virtual_server: id,
                real_server,
            },
            Op::EditRealServer {
                virtual_server: id,
                real_server: RealServer::new(endpoint),
            },
            Op::DeleteRealServer {
                virtual_server: id,
                endpoint,
            },
            Op::DeleteVirtualServer {
                id: VirtualServerId::Mark {
                    family: xvs_types::Family::V6,
                    mark: 7,
                },
            },
            Op::Flush,
            Op::SetSetting {
                setting: Setting::ConnReuseMode,
                value: 0,
            },
            Op::SetTimeouts {
                timeouts: Timeouts::default(),
            },
            Op::StartSyncDaemon { daemon },
            Op::StopSyncDaemon {
                role: SyncRole::Master,
            },
            Op::Zero { id: None },
        ]
    }

    #[test]
    fn values_fit_the_schemas_of_their_types() {
        let ops = every_op();
        for op in &ops {
            check("Op", op);
        }
        check("Batch", &Batch::atomic(ops));
        let refused = Err(xvs_types::OpError::SyncDaemonMissing);
        check(
            "BatchOutcome",
            &BatchOutcome::new(vec![Ok(()), refused], false),
        );
        for hook in HookChoice::ALL {
            check("HookSetting", &HookSetting { hook });
        }
        check("InterfaceSetting", &InterfaceSetting::default());
        check("Problem", &Problem::new(crate::wire::Code::Timeout, "no"));
        for listing in SettingListing::all(&Settings::default()) {
            check("SettingListing", &listing);
        }
        check(
            "SettingChanges",
            &SettingChanges([(Setting::DropEntry, 3)].into()),
        );
        check("Status", &Status::default());
        check("StopRequest", &StopRequest::default());
        check("Timeouts", &Timeouts::default());
        let version = Version {
            version: "0.1.0".to_owned(),
            api: 1,
        };
        check("Version", &version);
        let router = VirtualRouterStatus {
            source: Some("10.99.0.1".parse().unwrap()),
            transitions: vec![VrrpTransition::default()],
            ..VirtualRouterStatus::default()
        };
        let mut vrrp = VrrpStatus {
            routers: vec![router, VirtualRouterStatus::default()],
            ..VrrpStatus::default()
        };
        vrrp.stray.insert("Vrid".to_owned(), 3);
        check("VrrpStatus", &vrrp);
        let router = "VI_1".to_owned();
        let priority = Some(100);
        check(
            "VrrpFailover",
            &VrrpFailover {
                router: router.clone(),
            },
        );
        check("VrrpPriority", &VrrpPriority { router, priority });
    }

    #[test]
    fn what_is_no_op_fits_no_schema() {
        let all = all();
        for value in [
            json!("flush!"),
            json!({ "zero": {} }),
            json!({ "flush": {} }),
        ] {
            assert!(!fits(&value, &all["Op"], &all), "{value}");
        }
    }
}
