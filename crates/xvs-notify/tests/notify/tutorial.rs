//! The notify scripts of a tutorial that many people have started from, called as it configures them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use tokio::runtime::Handle;
use xvs_conf::{
    MemoryFiles, Stance, StaticHost,
    config::{Notification, Script},
};
use xvs_notify::{Notifier, Settings};
use xvs_vrrp::NotifyKind;

use crate::support::{lines, program, router};

const SIMPLE: &str = include_str!("../fixtures/notify-simple.sh");
const OPTIONS: &str = include_str!("../fixtures/notify-options.sh");

/// What an instance with these three scripts tells whom.
fn configured(script: &Path, before: &str, after: &str) -> Notification {
    let path = script.display();
    let text = format!(
        "vrrp_instance VI_1 {{\n state MASTER\n interface eth0\n virtual_router_id 51\n \
         priority 101\n virtual_ipaddress {{\n  172.16.100.1\n }}\n \
         notify_master \"{path} {before}master{after}\"\n \
         notify_backup \"{path} {before}backup{after}\"\n \
         notify_fault \"{path} {before}fault{after}\"\n}}\n"
    );
    let files = MemoryFiles::new().with("k.conf", text);
    let host = StaticHost::default().with_interfaces(&["eth0"]);
    let outcome = xvs_conf::parse("k.conf", &files, &host, Stance::Compatible);
    outcome.config.unwrap().instances.remove(0).notification
}

/// The script with `folder` first in its PATH, run by whoever runs the test.
fn here(script: &mut Option<Script>, folder: &Path) {
    let script = script.as_mut().unwrap();
    let path = format!("PATH={}:/usr/bin:/bin", folder.display());
    let with_path = ["/usr/bin/env".to_owned(), path];
    script.arguments.splice(0..0, with_path);
    script.user.user = nix::unistd::geteuid().to_string();
}

/// Runs a script of the tutorial through three states; what its helpers saw.
async fn run(text: &str, before: &str, after: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("notify.sh");
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let log = folder.path().join("log");
    let record = |name: &str, what: &str| {
        let text = format!("echo \"{name} {what}\" >> {}", log.display());
        program(folder.path(), name, &text);
    };
    record("notify", "$*");
    record("mail", "$2 ($3)");
    program(folder.path(), "hostname", "echo director");
    let mut config = configured(&script, before, after);
    for script in [&mut config.master, &mut config.backup, &mut config.fault] {
        here(script, folder.path());
    }
    let notifier = Notifier::start(Settings::default(), &Handle::current());
    for kind in [NotifyKind::Backup, NotifyKind::Master, NotifyKind::Fault] {
        notifier.send(router("VI_1", kind, 101, &config));
    }
    notifier.shutdown(Duration::from_secs(20)).await;
    assert_eq!(notifier.counts().scripts.done, 3, "each ends with status 0");
    lines(&log)
}

#[tokio::test]
async fn the_simple_script_is_told_each_state() {
    assert_eq!(
        run(SIMPLE, "", "").await,
        ["notify backup", "notify master", "notify fault"]
    );
}

#[tokio::test]
async fn the_script_with_options_mails_each_state() {
    assert_eq!(
        run(OPTIONS, "-n ", " -a 172.16.100.1").await,
        ["backup", "master", "fault"].map(|state| format!(
            "mail director to be {state}: 172.16.100.1 floating (root@localhost)"
        ))
    );
}
