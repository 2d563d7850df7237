//! The API over a real socket: server and client of this crate, and requests by hand.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use support::Served;
use xvs_control::{
    BindError, Client, ClientError, Instance, bind,
    wire::{
        Batch, Code, ConfigurationRequest, ConnectionQuery, Event, EventKind, HookChoice,
        HookSetting, InterfaceSetting, SettingChanges, SettingListing, StopRequest,
    },
};
use xvs_types::{
    Op, OpError, ServerScope, Setting, SyncRole, Timeouts, VirtualServer, VirtualServerId,
};

fn some_ops() -> Vec<Op> {
    let id = VirtualServerId::tcp("192.0.2.1:80".parse().unwrap());
    vec![
        Op::AddVirtualServer {
            virtual_server: VirtualServer::new(id),
        },
        Op::StopSyncDaemon {
            role: SyncRole::Master,
        },
        Op::Zero { id: None },
    ]
}

#[test]
fn a_batch_arrives_as_it_was_sent_and_each_op_has_its_outcome() {
    let served = Served::start();
    let mut client = Client::connect(&served.instance).unwrap();
    let batch = Batch::one_by_one(some_ops());
    let outcome = client.apply(&batch).unwrap();
    assert_eq!(outcome.applied, 2);
    assert_eq!(
        outcome.first_error(),
        Some((1, &OpError::SyncDaemonMissing))
    );
    assert_eq!(outcome.outcomes.len(), 3);
    assert_eq!(served.fake.0.lock().unwrap().batches, [batch]);
}

#[test]
fn a_refused_op_is_the_inner_error_of_a_single_one() {
    let served = Served::start();
    let mut client = Client::connect(&served.instance).unwrap();
    let [_, refused, taken] = <[Op; 3]>::try_from(some_ops()).unwrap();
    assert_eq!(
        client.apply_one(refused).unwrap(),
        Err(OpError::SyncDaemonMissing)
    );
    assert_eq!(client.apply_one(taken).unwrap(), Ok(()));
}

#[test]
fn a_long_listing_arrives_whole_and_in_order() {
    let served = Served::start();
    served.fake.0.lock().unwrap().connections = 10_000;
    let mut client = Client::connect(&served.instance).unwrap();
    let mut next = 0;
    client
        .connections(&ConnectionQuery::default(), |connection| {
            assert_eq!(connection.packets_in, next);
            next += 1;
            true
        })
        .unwrap();
    assert_eq!(next, 10_000);
    assert_eq!(
        client
            .count_connections(&ConnectionQuery::default())
            .unwrap(),
        10_000
    );
}

#[test]
fn a_listing_is_made_no_faster_than_it_is_read() {
    let served = Served::start();
    served.fake.0.lock().unwrap().connections = 10_000_000;
    let mut client = Client::connect(&served.instance).unwrap();
    let mut seen = 0;
    client
        .connections(&ConnectionQuery::default(), |_connection| {
            seen += 1;
            seen < 10
        })
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let pages = served.fake.0.lock().unwrap().pages;
    assert!(pages < 50, "{pages} pages were made for 10 connections");
}

#[test]
fn a_limit_ends_a_listing() {
    let served = Served::start();
    served.fake.0.lock().unwrap().connections = 10_000;
    let mut client = Client::connect(&served.instance).unwrap();
    for limit in [0, 1, 2048, 2049] {
        let query = ConnectionQuery {
            limit: Some(limit),
            ..ConnectionQuery::default()
        };
        let mut seen = 0;
        client
            .connections(&query, |_connection| {
                seen += 1;
                true
            })
            .unwrap();
        assert_eq!(seen, limit);
    }
}

#[test]
fn ending_every_connection_must_be_said() {
    let served = Served::start();
    served.fake.0.lock().unwrap().connections = 7;
    let mut client = Client::connect(&served.instance).unwrap();
    let refused = client.kill_connections(&ConnectionQuery::default());
    assert_eq!(refused.unwrap_err().code(), Some(Code::BadRequest));
    assert_eq!(served.fake.0.lock().unwrap().connections, 7);
    let all = ConnectionQuery {
        all: true,
        ..ConnectionQuery::default()
    };
    assert_eq!(client.kill_connections(&all).unwrap(), 7);
}

#[test]
fn settings_travel_both_ways() {
    let served = Served::start();
    let mut client = Client::connect(&served.instance).unwrap();
    assert_eq!(client.status().unwrap().instance, "test");
    assert_eq!(client.version().unwrap().api, 1);
    assert_eq!(client.hook().unwrap(), HookSetting::default());
    let setting = InterfaceSetting {
        interfaces: Some(vec!["eth0".to_owned()]),
    };
    assert_eq!(client.set_interfaces(&setting).unwrap(), setting);
    client.stop(StopRequest { keep: Some(true) }).unwrap();
    assert_eq!(
        served.fake.0.lock().unwrap().stops,
        [StopRequest { keep: Some(true) }]
    );
    assert_eq!(client.timeouts().unwrap(), Timeouts::default());
    assert_eq!(client.sync_daemons().unwrap(), []);
    assert_eq!(client.virtual_servers().unwrap(), []);
}

#[test]
fn a_listing_is_asked_for_as_far_as_it_is_wanted() {
    let served = Served::start();
    let mut client = Client::connect(&served.instance).unwrap();
    let id = VirtualServerId::tcp("192.0.2.1:80".parse().unwrap());
    let plain = ServerScope {
        only: None,
        counters: false,
    };
    assert_eq!(client.virtual_servers().unwrap(), []);
    assert_eq!(client.virtual_server(&id).unwrap(), None);
    assert_eq!(client.list(&plain).unwrap(), []);
    let one = ServerScope {
        only: Some(id),
        counters: true,
    };
    assert_eq!(
        served.fake.0.lock().unwrap().scopes,
        [ServerScope::default(), one, plain]
    );
}

#[test]
fn settings_are_listed_with_their_ranges_and_changed_all_or_none() {
    let served = Served::start();
    let mut client = Client::connect(&served.instance).unwrap();
    let drop_entry = |listings: &[SettingListing]| {
        let mut found = listings.iter();
        found
            .find(|listing| listing.name == Setting::DropEntry)
            .unwrap()
            .clone()
    };
    let before = drop_entry(&client.settings().unwrap());
    assert_eq!((before.value.as_str(), before.maximum), ("0", Some(3)));
    let changes = SettingChanges([(Setting::DropEntry, 3)].into());
    let after = drop_entry(&client.change_settings(&changes).unwrap());
    assert_eq!((after.value.as_str(), after.default.as_str()), ("3", "0"));
    let error = client
        .change_settings(&SettingChanges([(Setting::Conntrack, 1)].into()))
        .unwrap_err();
    assert_eq!(error.code(), Some(Code::BadRequest));
    assert!(error.to_string().contains("netfilter"), "{error}");
}

#[test]
fn a_problem_keeps_its_code_message_and_hint() {
    let served = Served::start();
    let mut client = Client::connect(&served.instance).unwrap();
    let error = client
        .set_hook(HookSetting {
            hook: HookChoice::Xdp,
        })
        .unwrap_err();
    assert_eq!(error.code(), Some(Code::HookUnsupported));
    assert_eq!(error.to_string(), "`lo` cannot do xdp; use `tcx`");
}

#[test]
fn requests_by_hand_get_problems_with_stable_codes() {
    let served = Served::start();
    for (request, status, code) in [
        ("GET /v1/nothing", "404", "not-found"),
        ("GET /", "404", "not-found"),
        ("PATCH /v1/status", "405", "method-not-allowed"),
        ("GET /v1/connections?clinet=1.2.3.4", "400", "bad-request"),
        ("GET /v1/connections?all=true", "400", "bad-request"),
        ("GET /v1/connections/count?limit=1", "400", "bad-request"),
    ] {
        let answer = served.raw(&format!(
            "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        ));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains(&format!(r#""code":"{code}""#)), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}

#[test]
fn a_body_is_understood_or_refused_and_never_half_read() {
    let served = Served::start();
    for body in [
        "",
        "{",
        "[]",
        r#"{"ops":[],"atomc":false}"#,
        r#"{"ops":["explode"]}"#,
    ] {
        let answer = served.raw(&format!(
            "POST /v1/ops HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body}: {answer}");
    }
    assert_eq!(served.fake.0.lock().unwrap().batches, []);
}

#[test]
fn a_body_above_the_limit_is_refused_by_its_announced_length() {
    let served = Served::start();
    let answer = served.raw(
        "POST /v1/ops HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#""code":"too-large""#), "{answer}");
}

#[test]
fn the_document_names_every_route_that_is_served() {
    let served = Served::start();
    let answer =
        served.raw("GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let (_head, body) = answer.split_once("\r\n\r\n").unwrap();
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations += 1;
            if path == "/v1/events" {
                // It has no end; the next test reads it.
                continue;
            }
            // An empty body is refused where one is needed, which shows that the route is there.
            let answer = served.raw(&format!(
                "{} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                method.to_uppercase()
            ));
            assert!(!answer.contains("not-found"), "{method} {path}");
            assert!(!answer.contains("method-not-allowed"), "{method} {path}");
        }
    }
    assert_eq!(operations, 28);
    let schema = |path: &str, method: &str| {
        document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
            .clone()
    };
    assert_eq!(
        schema("/v1/virtual-servers", "get")["items"]["$ref"],
        "#/components/schemas/VirtualServerListing"
    );
    // Every schema that is referred to is there.
    for rest in body.split("#/components/schemas/").skip(1) {
        let (name, _) = rest.split_once('"').unwrap();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
}

#[test]
fn events_come_one_by_one_and_who_is_slow_hears_how_many_are_lost() {
    let served = Served::start();
    let mut client = Client::connect(&served.instance).unwrap();
    // Nobody listens before the request is there.
    let sender = served.fake.events_sender();
    let teller = std::thread::spawn(move || {
        while sender.receiver_count() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        for number in 0..20 {
            sender
                .send(Event {
                    at_ms: number,
                    kind: EventKind::Check,
                    virtual_server: None,
                    real_server: None,
                    up: None,
                    text: format!("event {number}"),
                })
                .unwrap();
        }
    });
    let mut heard = Vec::new();
    client
        .events(|event| {
            heard.push(event);
            heard.last().unwrap().text != "event 19"
        })
        .unwrap();
    teller.join().unwrap();
    // The fake keeps four: what is not read in time is counted, and never silently gone.
    let lost: usize = heard
        .iter()
        .filter(|event| event.kind == EventKind::Lost)
        .map(|event| {
            let count = event.text.split(' ').next().unwrap();
            count.parse::<usize>().unwrap()
        })
        .sum();
    let told = heard
        .iter()
        .filter(|event| event.kind == EventKind::Check)
        .count();
    assert_eq!(told + lost, 20, "{heard:?}");
}

#[test]
fn a_configuration_is_planned_applied_and_refused_over_the_socket() {
    let served = Served::start();
    let mut client = Client::connect(&served.instance).unwrap();
    assert_eq!(client.configuration().unwrap().file, None);
    let request = ConfigurationRequest {
        file: "/etc/k.conf".to_owned(),
        confirm_seconds: Some(60),
        ..ConfigurationRequest::default()
    };
    assert_eq!(client.plan_configuration(&request).unwrap().new_checkers, 3);
    let status = client.apply_configuration(&request).unwrap();
    assert_eq!(status.file.as_deref(), Some("/etc/k.conf"));
    assert_eq!(served.fake.0.lock().unwrap().configurations, [request]);
    let refused = client.confirm_configuration().unwrap_err();
    assert_eq!(refused.code(), Some(Code::Conflict));
    assert!(client.reload_configuration().is_ok());
    assert_eq!(client.checks().unwrap().runs, 7);
}

#[test]
fn the_socket_is_never_open_to_others() {
    let served = Served::start();
    let mode = fs::metadata(served.instance.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_dead_daemons_socket_is_replaced_and_a_file_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    drop(bind(&path, "no-such-group-here").unwrap());
    assert!(path.exists(), "a socket file outlives its socket");
    drop(bind(&path, "no-such-group-here").unwrap());
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let refused = bind(&path, "no-such-group-here").map(drop);
    assert!(matches!(refused, Err(BindError::InTheWay { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn without_a_daemon_the_error_says_how_to_start_one() {
    let directory = tempfile::tempdir().unwrap();
    let instance = Instance::new(directory.path(), "blue").unwrap();
    let error = Client::connect(&instance).unwrap_err();
    assert!(matches!(error, ClientError::NoDaemon { .. }));
    assert!(
        error
            .to_string()
            .ends_with("start one with `xvs run --instance blue`")
    );
    // A socket file that nobody serves any more says the same.
    fs::create_dir(instance.directory()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(instance.socket()).unwrap());
    let error = Client::connect(&instance).unwrap_err();
    assert!(matches!(error, ClientError::NoDaemon { .. }));
}
