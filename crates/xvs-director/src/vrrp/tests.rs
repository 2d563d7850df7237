//! A daemon whose VRRP breaks, and what the next one finds.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, unshare};
use xvs_conf::Stance;
use xvs_control::Instance;
use xvs_dataplane::Simulated;

use super::elector::BROKEN;
use crate::{Options, Parts, RunError, Source, run};

const VIP: &str = "10.99.0.100/24";

fn can_run() -> bool {
    if nix::unistd::Uid::effective().is_root() {
        return true;
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has root");
    eprintln!("skipped: needs root");
    false
}

/// Runs `ip` in the namespace of the calling thread.
fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn has_vip() -> bool {
    ip("-o addr show dev near").contains(VIP)
}

/// A thread's own network namespace with the ends `near` and `far` of a wire.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let ended = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip("link add near type veth peer name far");
        ip("link set near up");
        ip("link set far up");
        ip("addr add 10.99.0.1/24 dev near");
        test();
    });
    ended.join().unwrap();
}

fn options(folder: &Path, configuration: &str) -> Options {
    let file = folder.join("keepalived.conf");
    fs::write(&file, configuration).unwrap();
    let mut options = Options::new(Instance::new(folder, "default").unwrap());
    options.sysctl = folder.join("none");
    options.writers_group = "root".to_owned();
    options.configuration = Some(Source {
        file: file.to_str().unwrap().to_owned(),
        config_id: None,
        stance: Stance::Compatible,
        parts: Parts::default(),
    });
    options
}

/// An owner of the address: master at once.
fn owner(priority: u8) -> String {
    format!(
        "vrrp_instance VI {{\n interface near\n virtual_router_id 51\n version 3\n advert_int 0.1\n \
         priority {priority}\n virtual_ipaddress {{\n {VIP}\n }}\n}}\n"
    )
}

#[test]
fn root_a_daemon_whose_vrrp_thread_dies_ends_with_a_failure_and_the_address_stays() {
    if !can_run() {
        return;
    }
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut with_vrrp = options(folder.path(), &owner(255));
        with_vrrp.keep = true;
        let broken = thread::spawn(|| {
            // The namespace is that of the thread that runs the daemon, so it is looked at from there.
            let deadline = Instant::now() + Duration::from_secs(10);
            while !has_vip() {
                assert!(Instant::now() < deadline, "no master in time");
                thread::sleep(Duration::from_millis(5));
            }
            BROKEN.store(true, Ordering::Relaxed);
            Instant::now()
        });
        let ended = run(with_vrrp, |_instance| Ok(Box::new(Simulated::new())));
        let broken = broken.join().unwrap();
        BROKEN.store(false, Ordering::Relaxed);
        // Noticed by the next advert at the latest, and the rest of the daemon ended in good order.
        assert!(broken.elapsed() < Duration::from_secs(8), "{broken:?}");
        match ended {
            Err(RunError::DiedVrrp(died)) => assert_eq!(died.thread, "vrrp"),
            other => panic!("{other:?}"),
        }
        assert!(has_vip(), "{}", ip("-o addr show"));

        // A daemon without that virtual router takes the address off, and ends well.
        let mut without = options(folder.path(), "global_defs {\n}\n");
        let (ran, runs) = std::sync::mpsc::channel();
        without.started = Some(Box::new(move || ran.send(has_vip()).unwrap()));
        let stopper = thread::spawn(move || {
            let had = runs.recv_timeout(Duration::from_secs(10)).unwrap();
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM).unwrap();
            had
        });
        let ended = run(without, |_instance| Ok(Box::new(Simulated::new())));
        assert!(ended.is_ok(), "{ended:?}");
        assert!(!stopper.join().unwrap(), "the address is gone before READY");
        assert!(!folder.path().join("default/vrrp.held.json").exists());
    });
}
