//! The routes of virtual routers, and their schemas.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};

use serde_json::{Map, Value, json as value};

use super::{
    routes::{Answer, BodyResult, json, parsed},
    schemas::{nullable, object, of},
};
use crate::Director;

/// The routes, driving a director.
pub(super) fn router<D: Director>() -> Router<D> {
    Router::new()
        .route("/v1/vrrp", get(status::<D>))
        .route("/v1/vrrp/failover", post(failover::<D>))
        .route("/v1/vrrp/priority", post(priority::<D>))
}

async fn status<D: Director>(State(director): State<D>) -> Answer {
    json(director.vrrp()).await
}

async fn failover<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    json(director.vrrp_failover(parsed(body)?)).await
}

async fn priority<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    json(director.vrrp_priority(parsed(body)?)).await
}

/// The schemas of what the routes take and answer.
pub(super) fn schemas() -> Map<String, Value> {
    let number = || value!({ "type": "integer", "minimum": 0 });
    let text = || value!({ "type": "string" });
    let flag = || value!({ "type": "boolean" });
    let list = |of: Value| value!({ "type": "array", "items": of });
    let counts = || value!({ "type": "object", "additionalProperties": number() });
    let numbers = |names: &[&'static str]| names.iter().map(|name| (*name, number())).collect();
    let mut counters: Vec<(&str, Value)> = numbers(&[
        "sent",
        "not_sent",
        "received",
        "releases_received",
        "addresses_differ",
        "became_master",
        "released_master",
        "releases_sent",
        "conflicts_won",
        "addresses_lost",
        "late_adverts",
        "greatest_lateness_us",
    ]);
    counters.push(("rejected", counts()));
    let transition = [("at_ms", number()), ("state", text()), ("reason", text())];
    let router = [
        ("name", text()),
        (
            "state",
            value!({ "enum": ["BACKUP", "FAULT", "INIT", "MASTER", "STOP", ""] }),
        ),
        ("reason", text()),
        ("since_ms", nullable(number())),
        ("interface", text()),
        ("vrid", number()),
        ("version", number()),
        ("configured_priority", number()),
        ("priority", number()),
        ("addresses", list(of("Address"))),
        ("source", nullable(of("Address"))),
        ("master", nullable(of("Address"))),
        ("master_priority", nullable(number())),
        ("interval_ms", number()),
        ("master_interval_ms", number()),
        ("master_down_ms", number()),
        ("group", nullable(text())),
        ("waits_for_group", flag()),
        ("yielded", flag()),
        ("counters", object(&counters)),
        ("transitions", list(object(&transition))),
    ];
    let status = [
        ("routers", list(object(&router))),
        ("stray", counts()),
        ("not_taken", number()),
    ];
    let all = [
        ("VrrpStatus", object(&status)),
        ("VrrpFailover", object(&[("router", text())])),
        (
            "VrrpPriority",
            object(&[("router", text()), ("priority", nullable(number()))]),
        ),
    ];
    all.map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}
