//! The webhook, seen by a real web server.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use xvs_conf::config;
use xvs_notify::{Event, Notifier, Retries, Settings, WebhookSettings};
use xvs_vrrp::NotifyKind;

use crate::{
    sink::{self, Sink, Tls},
    support::{names, router, virtual_server},
};

fn settings(scheme: &str, sink: &Sink) -> WebhookSettings {
    WebhookSettings {
        token: Some("t0ken".to_owned()),
        retries: Retries {
            pause: Duration::from_millis(20),
            ..Retries::default()
        },
        ..WebhookSettings::new(format!("{scheme}://{}/hook?x=1", sink.address), "KAD")
    }
}

fn start(webhook: WebhookSettings) -> Notifier {
    let settings = Settings {
        webhook: Some(webhook),
        ..Settings::default()
    };
    Notifier::start(settings, &Handle::current())
}

fn body(request: &str) -> Value {
    let (_head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut body: Value = serde_json::from_str(body).unwrap();
    let time = body.as_object_mut().unwrap().remove("time_ms").unwrap();
    assert!(time.as_u64().unwrap() > 1_600_000_000_000);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_posted_once_in_order() {
    let sink = sink::web(&[200], None).await;
    let notifier = start(settings("http", &sink));
    let (name, vs) = names();
    let rs = &virtual_server().real_servers[0];
    let plain = config::Notification::default();
    notifier.send(Event::real_server(
        &name,
        &vs,
        false,
        "TCP CHECK failed",
        rs,
    ));
    notifier.send(router("VI_1", NotifyKind::Master, 150, &plain));
    notifier.shutdown(Duration::from_secs(10)).await;
    let heard = sink.heard();
    let head = heard[0].to_lowercase();
    assert!(head.starts_with("post /hook?x=1 http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer t0ken\r\n"));
    assert!(head.contains(&format!("host: {}\r\n", sink.address)));
    let bodies: Vec<Value> = heard.iter().map(|request| body(request)).collect();
    assert_eq!(
        bodies,
        [
            json!({"router_id": "KAD", "kind": "real_server", "name": &*name,
                   "virtual_server": &*vs, "up": false, "reason": "TCP CHECK failed"}),
            json!({"router_id": "KAD", "kind": "instance", "name": "VI_1",
                   "state": "MASTER", "priority": 150, "reason": "start"}),
        ]
    );
    assert_eq!(notifier.counts().webhook.done, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_in_trouble_is_asked_again_and_one_that_refuses_is_not() {
    let sink = sink::web(&[503, 429, 204, 403], None).await;
    let notifier = start(settings("http", &sink));
    let plain = config::Notification::default();
    notifier.send(router("VI_1", NotifyKind::Master, 150, &plain));
    notifier.send(router("VI_1", NotifyKind::Backup, 150, &plain));
    notifier.shutdown(Duration::from_secs(10)).await;
    assert_eq!(sink.heard().len(), 4);
    let counts = notifier.counts().webhook;
    assert_eq!((counts.done, counts.failed), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_goes_to_a_server_with_a_known_certificate_only() {
    let tls = Tls::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &tls.pem).unwrap();
    let sink = sink::web(&[200], Some(tls)).await;
    let plain = config::Notification::default();
    for (ca, posted) in [(None, 0), (Some(ca), 1)] {
        let notifier = start(WebhookSettings {
            ca,
            ..settings("https", &sink)
        });
        notifier.send(router("VI_1", NotifyKind::Master, 150, &plain));
        notifier.shutdown(Duration::from_secs(10)).await;
        assert_eq!(notifier.counts().webhook.done, posted);
        assert_eq!(sink.heard().concat().contains("VI_1"), posted == 1);
    }
}
