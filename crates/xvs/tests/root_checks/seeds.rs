//! Configurations that LVS users published, unchanged, with real nginx as real servers.

use std::{
    fs,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    bed::Bed,
    support::{can_run, has, wait_until},
};

macro_rules! seed {
    ($name:literal) => {
        include_str!(concat!("../../../xvs-conf/tests/fixtures/seeds/", $name))
    };
}

/// nginx in the place; killed with this.
struct Nginx(Child);

impl Nginx {
    fn start(bed: &Bed, address: &str) -> Self {
        let folder = bed.folder(&format!("www-{address}"));
        fs::write(folder.join("index.html"), "hello\n").unwrap();
        let config = format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;
             events {{ worker_connections 64; }}
             http {{ access_log off; client_body_temp_path {0}; proxy_temp_path {0};
               fastcgi_temp_path {0}; uwsgi_temp_path {0}; scgi_temp_path {0};
               server {{ listen {address}:80; root {0}; }} }}",
            folder.display()
        );
        fs::write(folder.join("nginx.conf"), config).unwrap();
        let mut command = bed.place.tool("setpriv");
        command.args(["--pdeathsig", "KILL", "nginx", "-c"]);
        command.arg(folder.join("nginx.conf"));
        let nginx = Self(command.stderr(Stdio::null()).spawn().unwrap());
        wait_until("nginx", || folder.join("pid").exists());
        // The next one at this address makes it anew.
        fs::remove_file(folder.join("pid")).unwrap();
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Waits longer than others do: these files have delays of people in no hurry.
fn wait_long(bed: &Bed, real_servers: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while bed.real_servers() != real_servers {
        assert!(
            Instant::now() < deadline,
            "waited for {real_servers:?}, there is {:?}",
            bed.real_servers()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A file with two real servers: the first dies and comes back.
fn dies_and_comes_back(text: &str, addresses: [&str; 2], pool: [&str; 2], persistence: bool) {
    if !can_run() || !has("nginx") {
        return;
    }
    let bed = Bed::new(text);
    for name in ["eth0", "eth1"] {
        bed.place
            .ip(&format!("link add {name} type veth peer name {name}p"));
        bed.place.ip(&format!("link set {name} up"));
    }
    for address in addresses {
        bed.place.ip(&format!("addr add {address}/32 dev lo"));
    }
    let first = Nginx::start(&bed, addresses[0]);
    let _second = Nginx::start(&bed, addresses[1]);
    let mut daemon = bed.foreground(&[]);
    wait_until("it runs", || bed.place.xvs(&["status"]).status.success());
    assert_eq!(bed.real_servers(), pool);
    let rules = bed.place.done(&["ipvsadm-save", "-n"]);
    assert_eq!(rules.contains(" -p "), persistence, "{rules}");
    // Dead before its first success it would leave by its first check.
    let deadline = Instant::now() + Duration::from_secs(20);
    while bed.status("/checks/runs").as_u64() < Some(2) {
        assert!(Instant::now() < deadline, "no check in time");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(first);
    wait_long(&bed, &pool[1..]);
    let first = Nginx::start(&bed, addresses[0]);
    wait_long(&bed, &pool);
    drop(first);
    daemon.signal(Signal::SIGTERM);
    let (status, log) = daemon.wait();
    assert_eq!(status, Some(0), "{log}");
}

#[test]
fn root_the_published_tcp_check_of_a_wrr_pair() {
    dies_and_comes_back(
        seed!("dr_wrr_master.conf"),
        ["192.168.80.102", "192.168.80.103"],
        ["192.168.80.102:80 3", "192.168.80.103:80 3"],
        false,
    );
}

#[test]
fn root_the_published_http_get_with_persistence() {
    dies_and_comes_back(
        seed!("lvs_http_get.conf"),
        ["172.16.100.11", "172.16.100.12"],
        ["172.16.100.11:80 1", "172.16.100.12:80 1"],
        true,
    );
}

#[test]
fn root_the_published_tcp_check_with_persistence() {
    dies_and_comes_back(
        seed!("lvs_tcp_check.conf"),
        ["172.16.100.11", "172.16.100.12"],
        ["172.16.100.11:80 1", "172.16.100.12:80 1"],
        true,
    );
}

#[test]
fn root_published_files_without_virtual_servers_start_too() {
    if !can_run() {
        return;
    }
    for text in [
        seed!("dr_wrr_backup.conf"),
        seed!("haproxy_master_backup.conf"),
        seed!("haproxy_two_masters.conf"),
    ] {
        let bed = Bed::new(text);
        for name in ["eth0", "eth1"] {
            bed.place
                .ip(&format!("link add {name} type veth peer name {name}p"));
            bed.place.ip(&format!("link set {name} up"));
        }
        let mut daemon = bed.foreground(&[]);
        wait_until("it runs", || bed.place.xvs(&["status"]).status.success());
        daemon.signal(Signal::SIGTERM);
        let (status, log) = daemon.wait();
        assert_eq!(status, Some(0), "{log}");
        assert!(log.contains("Startup complete"), "{log}");
    }
}
