//! Mail, seen by a real mail server.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use xvs_conf::config;
use xvs_notify::{
    Event, MailCredentials, MailSettings, MailTls, MailTlsStart, Notifier, Retries, Settings,
};
use xvs_types::Endpoint;
use xvs_vrrp::{Name, NotifyKind, Reason, Subject};

use crate::{
    sink::{self, Manners, NAME, Sink, Tls},
    support::{eventually, lines, names, program, router, script, virtual_server},
};

fn settings(sink: &Sink) -> MailSettings {
    MailSettings {
        server: Endpoint::new(sink.address.ip(), sink.address.port()),
        timeout: Duration::from_secs(5),
        helo: "vm".to_owned(),
        from: "ka@example.com".to_owned(),
        to: vec!["ops@example.com".to_owned()],
        router_id: "KAD".to_owned(),
        faults: true,
        tls: None,
        credentials: None,
        retries: Retries {
            pause: Duration::from_millis(20),
            ..Retries::default()
        },
    }
}

fn start(mail: MailSettings) -> Notifier {
    let settings = Settings {
        mail: Some(mail),
        ..Settings::default()
    };
    Notifier::start(settings, &Handle::current())
}

fn alerting() -> config::Notification {
    config::Notification {
        smtp_alert: true,
        ..config::Notification::default()
    }
}

fn group(kind: NotifyKind) -> Event {
    let told = xvs_vrrp::Notification {
        subject: Subject::Group(Name::from("SG")),
        kind,
        priority: 0,
        reason: Reason::Startup,
    };
    Event::vrrp(&told, &alerting())
}

/// What keepalived 2.2.7 was recorded to send for a real server that goes, but for the date.
const RECORDED: &str = "HELO vm\r\n\
    MAIL FROM:<ka@example.com>\r\n\
    RCPT TO:<ops@example.com>\r\n\
    DATA\r\n\
    Date: Fri, 20 Nov 2026 18:26:40 +0000\r\n\
    From: ka@example.com\r\n\
    Subject: [KAD] Realserver [127.0.0.1]:tcp:9001 of virtual server [10.98.0.100]:tcp:80 - DOWN\r\n\
    X-Mailer: Keepalived\r\n\
    To: ops@example.com\r\n\
    \r\n\
    => TCP CHECK failed on service <=\r\n\
    \r\n\
    .\r\n\
    QUIT\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_server_hears_what_it_hears_from_keepalived() {
    let sink = sink::mail(Manners::default()).await;
    let notifier = start(settings(&sink));
    let (name, vs) = names();
    let rs = &virtual_server().real_servers[0];
    let reason = "TCP CHECK failed on service";
    notifier.send(Event::real_server(&name, &vs, false, reason, rs));
    notifier.shutdown(Duration::from_secs(10)).await;
    let without_date = |text: &str| -> Vec<String> {
        text.split_inclusive('\n')
            .map(|line| match line.strip_prefix("Date: ") {
                Some(date) => format!("Date: of {} bytes\r\n", date.len()),
                None => line.to_owned(),
            })
            .collect()
    };
    assert_eq!(without_date(&sink.heard()[0]), without_date(RECORDED));
    assert_eq!(notifier.counts().mails.done, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_and_bodies_are_those_recorded_and_only_who_asked_gets_mail() {
    let sink = sink::mail(Manners::default()).await;
    let notifier = start(settings(&sink));
    let plain = config::Notification::default();
    let (_name, vs) = names();
    let mut server = virtual_server();
    notifier.send(router("VI_1", NotifyKind::Master, 150, &alerting()));
    notifier.send(router("VI_1", NotifyKind::MasterPriority, 90, &alerting()));
    notifier.send(router("VI_1", NotifyKind::Fault, 150, &alerting()));
    notifier.send(router("VI_2", NotifyKind::Master, 150, &plain));
    notifier.send(group(NotifyKind::Backup));
    notifier.send(Event::quorum(&vs, false, "Lost", &server));
    server.smtp_alert = true;
    notifier.send(Event::quorum(&vs, false, "Lost quorum 2+0=2 <= 1", &server));
    notifier.shutdown(Duration::from_secs(10)).await;
    assert_eq!(
        sink.subjects(),
        [
            "[KAD] VRRP Instance VI_1 - Entering MASTER state",
            "[KAD] VRRP Instance VI_1 - Entering FAULT state",
            "[KAD] VRRP Group SG - Entering BACKUP state",
            "[KAD] Virtualserver [10.98.0.100]:tcp:80 - DOWN",
        ]
    );
    let heard = sink.heard();
    for (mail, body) in [
        (0, "=> VRRP Instance is now owning VRRP VIPs <=\r\n"),
        (1, "=> VRRP Instance is no longer owning VRRP VIPs <=\r\n"),
        (
            2,
            "=> All VRRP group instances are now in BACKUP state <=\r\n",
        ),
        (3, "=> Lost quorum 2+0=2 <= 1 <=\r\n"),
    ] {
        assert!(heard[mail].contains(body), "{}", heard[mail]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_email_faults_keeps_faults_back() {
    let sink = sink::mail(Manners::default()).await;
    let notifier = start(MailSettings {
        faults: false,
        ..settings(&sink)
    });
    notifier.send(router("VI_1", NotifyKind::Fault, 150, &alerting()));
    notifier.send(router("VI_1", NotifyKind::Backup, 150, &alerting()));
    notifier.shutdown(Duration::from_secs(10)).await;
    assert_eq!(
        sink.subjects(),
        ["[KAD] VRRP Instance VI_1 - Entering BACKUP state"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_not_now_gets_the_mail_again_and_one_that_refuses_does_not() {
    let sink = sink::mail(Manners {
        not_now: 2,
        refuses: Some("nobody"),
        ..Manners::default()
    })
    .await;
    let notifier = start(settings(&sink));
    notifier.send(router("VI_1", NotifyKind::Master, 150, &alerting()));
    eventually("the third try", || notifier.counts().mails.done == 1).await;
    assert_eq!(sink.heard().len(), 3);
    let refused = MailSettings {
        to: vec!["nobody@example.com".to_owned()],
        ..settings(&sink)
    };
    notifier
        .reload(Settings {
            mail: Some(refused),
            ..Settings::default()
        })
        .await;
    notifier.send(router("VI_1", NotifyKind::Backup, 150, &alerting()));
    notifier.shutdown(Duration::from_secs(10)).await;
    assert_eq!(sink.heard().len(), 4, "it was refused for good");
    assert_eq!(notifier.counts().mails.failed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_mails_to_a_silent_server_take_bounded_room_and_hold_up_no_script() {
    let sink = sink::mail(Manners {
        silent: true,
        ..Manners::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let record = program(
        folder.path(),
        "record",
        &format!("echo ran >> {}", log.display()),
    );
    let config = config::Notification {
        master: Some(script(&record, &[])),
        smtp_alert: true,
        ..config::Notification::default()
    };
    let notifier = start(settings(&sink));
    let begin = Instant::now();
    for _ in 0..10_000 {
        notifier.send(router("VI_1", NotifyKind::Backup, 150, &config));
    }
    notifier.send(router("VI_1", NotifyKind::Master, 150, &config));
    assert!(begin.elapsed() < Duration::from_secs(2), "sending waited");
    eventually("the script", || lines(&log) == ["ran"]).await;
    // One is on its way, 1024 wait.
    eventually("the rest is counted as lost", || {
        notifier.counts().mails.lost == 10_001 - 1_025
    })
    .await;
    let begin = Instant::now();
    notifier.shutdown(Duration::from_millis(200)).await;
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_starttls_and_a_login_gets_the_same_mail_and_only_over_tls() {
    let tls = Tls::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &tls.pem).unwrap();
    let sink = sink::mail(Manners {
        tls: Some(tls),
        ..Manners::default()
    })
    .await;
    let secure = |name: &str| MailSettings {
        tls: Some(MailTls {
            start: MailTlsStart::StartTls,
            name: name.to_owned(),
            ca: Some(ca.clone()),
        }),
        credentials: Some(MailCredentials {
            user: "ka".to_owned(),
            password: "secret".to_owned(),
        }),
        retries: Retries {
            tries: 1,
            ..Retries::default()
        },
        ..settings(&sink)
    };
    let notifier = start(secure(NAME));
    notifier.send(router("VI_1", NotifyKind::Master, 150, &alerting()));
    notifier.shutdown(Duration::from_secs(10)).await;
    assert_eq!(notifier.counts().mails.done, 1, "{:?}", sink.heard());
    let heard = &sink.heard()[0];
    let (before, after) = heard.split_once("(TLS)\n").unwrap();
    assert!(before.starts_with("EHLO vm\r\n") && !before.contains("AUTH"));
    assert!(after.contains("AUTH PLAIN AGthAHNlY3JldA=="), "{after}");
    assert!(after.contains("X-Mailer: Keepalived\r\nTo: ops@example.com\r\n\r\n=> VRRP"));

    let notifier = start(secure("other.example.com"));
    notifier.send(router("VI_1", NotifyKind::Master, 150, &alerting()));
    notifier.shutdown(Duration::from_secs(10)).await;
    assert_eq!(notifier.counts().mails.failed, 1);
    assert_eq!(
        sink.subjects().len(),
        1,
        "nothing to a server of another name"
    );
}
