//! Scripts and events for tests.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use xvs_conf::{
    Span,
    config::{self, Script, ScriptUser},
};
use xvs_notify::Event;
use xvs_vrrp::{Name, NotifyKind, Reason, Subject};

/// An executable file with this text behind `#!/bin/sh`.
pub(crate) fn program(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A script as the configuration gives it, run by whoever runs the test.
pub(crate) fn script(path: &Path, arguments: &[&str]) -> Script {
    let mut all = vec![path.display().to_string()];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    Script {
        arguments: all,
        user: ScriptUser {
            user: nix::unistd::geteuid().to_string(),
            group: None,
        },
        span: Span::default(),
    }
}

/// A transition of a virtual router.
pub(crate) fn router(
    name: &str,
    kind: NotifyKind,
    priority: u8,
    config: &config::Notification,
) -> Event {
    let told = xvs_vrrp::Notification {
        subject: Subject::Router(Name::from(name)),
        kind,
        priority,
        reason: Reason::Startup,
    };
    Event::vrrp(&told, config)
}

/// Names of a real server and its virtual server.
pub(crate) fn names() -> (Arc<str>, Arc<str>) {
    (
        Arc::from("[127.0.0.1]:tcp:9001"),
        Arc::from("[10.98.0.100]:tcp:80"),
    )
}

/// Waits until `done`, at most ten seconds.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}

/// The lines of a file, none if it is not there.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A real server with these scripts and mail.
pub(crate) fn real_server(up: Option<Script>, down: Option<Script>) -> config::RealServer {
    let mut server = virtual_server().real_servers.remove(0);
    server.notify_up = up;
    server.notify_down = down;
    server
}

/// A virtual server with one real server, as the parser makes it.
pub(crate) fn virtual_server() -> config::VirtualServer {
    let text = "virtual_server 10.98.0.100 80 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n \
                real_server 127.0.0.1 9001 {\n }\n}\n";
    let files = xvs_conf::MemoryFiles::new().with("k.conf", text);
    let outcome = xvs_conf::parse(
        "k.conf",
        &files,
        &xvs_conf::StaticHost::default(),
        xvs_conf::Stance::Compatible,
    );
    outcome.config.unwrap().virtual_servers.remove(0)
}
