//! The routes for machines: an OpenAPI 3.1 document.
//!
//! It names every route, method, parameter and problem; the schemas of bodies are in `schemas.rs`.

use serde_json::{Value, json};

use super::schemas;

/// The document.
pub(super) fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "xvs control API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "HTTP/JSON on a Unix socket. Everyone who can open the socket may read; \
                            root and the group `xvs` may write. On TCP, where it is asked for, \
                            writes need the daemon's bearer token.",
        },
        "paths": {
            "/v1/checks": { "get": operation("What health checks have found", "ChecksStatus", &[]) },
            "/v1/configuration": {
                "get": operation("The configuration in force", "ConfigurationStatus", &[]),
                "post": with_body("Puts a file into force, for good or until it is not confirmed in time", "ConfigurationRequest", "ConfigurationStatus"),
            },
            "/v1/configuration/confirm": {
                "post": operation("Keeps the configuration that waits for it", "ConfigurationStatus", &[]),
            },
            "/v1/configuration/plan": {
                "post": with_body("What a file would change", "ConfigurationRequest", "ConfigurationPlan"),
            },
            "/v1/configuration/reload": {
                "post": operation("Reads the file in force again", "ConfigurationStatus", &[]),
            },
            "/v1/connections": {
                "get": operation("Lists connections, one JSON object a line", "ConnectionListing", &filters(true)),
                "delete": operation("Ends connections; without a condition `all=true` is needed", "ConnectionCount", &kill_filters()),
            },
            "/v1/connections/count": {
                "get": operation("Counts connections", "ConnectionCount", &filters(false)),
            },
            "/v1/events": {
                "get": operation("What happens, one JSON object a line, without an end", "Event", &[]),
            },
            "/v1/hook": {
                "get": operation("Where on its links the datapath runs", "HookSetting", &[]),
                "put": with_body("Changes where on its links the datapath runs", "HookSetting", "HookSetting"),
            },
            "/v1/interfaces": {
                "get": operation("The links that carry the datapath; null when xvs chooses", "InterfaceSetting", &[]),
                "put": with_body("Changes the links that carry the datapath", "InterfaceSetting", "InterfaceSetting"),
            },
            "/v1/openapi.json": { "get": operation("This document", "object", &[]) },
            "/v1/ops": {
                "post": with_body("Applies ops in order; the outcomes say which were refused", "Batch", "BatchOutcome"),
            },
            "/v1/settings": {
                "get": operation("The settings of `net.ipv4.vs`, with the kernel's defaults", "array of SettingListing", &[]),
                "put": with_body("Changes settings, all or none", "SettingChanges", "array of SettingListing"),
            },
            "/v1/status": { "get": operation("What the daemon says of itself", "Status", &[]) },
            "/v1/stop": { "post": with_body("Ends the daemon", "StopRequest", "null") },
            "/v1/sync-daemons": {
                "get": operation("The sync daemons that were asked for", "array of SyncDaemon", &[]),
            },
            "/v1/timeouts": {
                "get": operation("Connection timeouts", "Timeouts", &[]),
                "put": with_body("Changes connection timeouts", "Timeouts", "Timeouts"),
            },
            "/v1/version": { "get": operation("Versions of the daemon and the API", "Version", &[]) },
            "/v1/vrrp": { "get": operation("Virtual routers: states, reasons, counters", "VrrpStatus", &[]) },
            "/v1/vrrp/failover": {
                "post": with_body("Makes a virtual router that is master hand over", "VrrpFailover", "null"),
            },
            "/v1/vrrp/priority": {
                "post": with_body("Sets a priority, or with null takes it back", "VrrpPriority", "null"),
            },
            "/v1/virtual-servers": {
                "get": operation("Virtual and real servers with counts", "array of VirtualServerListing", &servers()),
            },
        },
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(summary: &str, answer: &str, parameters: &[Value]) -> Value {
    let mut done = json!({ "description": answer });
    if let Some(schema) = schemas::named(answer) {
        done["content"] = json!({ "application/json": { "schema": schema } });
    }
    json!({
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": done,
            "default": {
                "description": "Problem",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            },
        },
    })
}

fn with_body(summary: &str, body: &str, answer: &str) -> Value {
    let mut operation = operation(summary, answer, &[]);
    operation["requestBody"] = json!({
        "required": true,
        "description": body,
        "content": { "application/json": { "schema": schemas::named(body) } },
    });
    operation
}

fn servers() -> Vec<Value> {
    vec![
        parameter(
            "counters",
            "boolean",
            "false leaves out `counters` and `rates`, half of the answer",
        ),
        parameter("family", "string", "with `mark`: `ipv4` or `ipv6`"),
        parameter(
            "mark",
            "integer",
            "only the virtual server of this firewall mark",
        ),
        parameter("proto", "string", "with `vip`: `tcp`, `udp` or `sctp`"),
        parameter(
            "vip",
            "string",
            "only the virtual server with this address and port",
        ),
    ]
}

fn filters(with_limit: bool) -> Vec<Value> {
    let mut parameters = vec![
        parameter("client", "string", "the client's address"),
        parameter("proto", "string", "`tcp`, `udp` or `sctp`"),
        parameter("rs", "string", "the real server, with or without a port"),
        parameter(
            "state",
            "string",
            "the state by its name, such as `ESTABLISHED`",
        ),
        parameter(
            "vip",
            "string",
            "what the client talks to, with or without a port",
        ),
    ];
    if with_limit {
        parameters.push(parameter("limit", "integer", "list at most so many"));
    }
    parameters
}

fn kill_filters() -> Vec<Value> {
    let mut parameters = filters(false);
    parameters.push(parameter("all", "boolean", "end every connection"));
    parameters
}

fn parameter(name: &str, kind: &str, description: &str) -> Value {
    json!({
        "name": name,
        "in": "query",
        "description": description,
        "schema": { "type": kind },
    })
}
