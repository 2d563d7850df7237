//! Configurations that LVS users published, unchanged, with real nginx as real servers.

use std::{
    fs,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    bed::Bed,
    mail::MailServer,
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

/// A published file with two real servers.
struct Published {
    text: &'static str,
    addresses: [&'static str; 2],
    pool: [&'static str; 2],
    /// Where it sends its mail.
    mail: &'static str,
    /// Its address, as it is put on the interface.
    vip: &'static str,
    persistent: bool,
    sorry_server: Option<&'static str>,
    /// It has a script that cannot run: its check is left out, and the log says why and what to do.
    script: bool,
}

impl Published {
    /// What keepalived does with it: the virtual server, the address, the death of the first real server and
    /// of both, their return, a mail for each.
    fn does_what_keepalived_does(&self) {
        if !can_run() || !has("nginx") {
            return;
        }
        let bed = bed_with_links(self.text);
        for address in self.addresses.iter().chain([&self.mail_address()]) {
            bed.place.ip(&format!("addr replace {address}/32 dev lo"));
        }
        let mail = MailServer::start(&bed.place, self.mail);
        let start = |number: usize| Nginx::start(&bed, self.addresses[number]);
        let (first, second) = (start(0), start(1));
        let mut daemon = bed.foreground(&[]);
        wait_until("it runs", || bed.place.xvs(&["status"]).status.success());
        assert_eq!(bed.real_servers(), self.pool);
        let rules = bed.place.done(&["ipvsadm-save", "-n"]);
        assert_eq!(rules.contains(" -p "), self.persistent, "{rules}");
        wait_until("it is master", || {
            bed.place.ip("-4 addr show").contains(self.vip)
        });
        // Dead before its first success it would leave by its first check.
        wait_until("a check of each", || {
            bed.status("/checks/runs").as_u64() >= Some(2)
        });
        drop(first);
        wait_long(&bed, &self.pool[1..]);
        let mut first = start(0);
        wait_long(&bed, &self.pool);
        let mut changes = vec![(0, "DOWN"), (0, "UP")];
        if let Some(sorry) = self.sorry_server {
            drop((first, second));
            wait_long(&bed, &[sorry]);
            first = start(0);
            wait_long(&bed, &self.pool[..1]);
            changes.extend([(0, "DOWN"), (1, "DOWN"), (0, "UP")]);
        }
        drop(first);
        let mut wanted: Vec<String> = changes.iter().map(|change| self.subject(*change)).collect();
        // Which of two that die at once is seen first is chance.
        wanted.sort();
        wait_until("the mails", || {
            let mut told = mail.subjects();
            told.sort();
            told == wanted
        });
        daemon.signal(Signal::SIGTERM);
        let (status, log) = daemon.wait();
        assert_eq!(status, Some(0), "{log}");
        if self.script {
            says_what_is_wrong_with_the_script(&log);
        }
    }

    fn mail_address(&self) -> &'static str {
        self.mail.split(':').next().unwrap()
    }

    fn subject(&self, (number, change): (usize, &str)) -> String {
        let (vip, _) = self.vip.split_once('/').unwrap();
        let address = self.addresses[number];
        format!(
            "[LVS_DEVEL] Realserver [{address}]:tcp:80 of virtual server [{vip}]:tcp:80 - {change}"
        )
    }
}

/// `[[ -f FILE ]] && ...` is shell, and no program: keepalived leaves the check out.
fn says_what_is_wrong_with_the_script(log: &str) {
    for words in ["finds no program `[[`", "it is disabled", "sh -c"] {
        assert!(log.contains(words), "no {words:?} in\n{log}");
    }
}

#[test]
fn root_the_published_tcp_check_of_a_wrr_pair() {
    Published {
        text: seed!("dr_wrr_master.conf"),
        addresses: ["192.168.80.102", "192.168.80.103"],
        pool: ["192.168.80.102:80 3", "192.168.80.103:80 3"],
        mail: "192.168.80.1:25",
        vip: "192.168.80.200/32",
        persistent: false,
        sorry_server: None,
        script: false,
    }
    .does_what_keepalived_does();
}

#[test]
fn root_the_published_http_get_with_persistence() {
    Published {
        text: seed!("lvs_http_get.conf"),
        addresses: ["172.16.100.11", "172.16.100.12"],
        pool: ["172.16.100.11:80 1", "172.16.100.12:80 1"],
        mail: "127.0.0.1:25",
        vip: "172.16.100.1/16",
        persistent: true,
        sorry_server: None,
        script: true,
    }
    .does_what_keepalived_does();
}

#[test]
fn root_the_published_tcp_check_with_persistence_and_a_sorry_server() {
    Published {
        text: seed!("lvs_tcp_check.conf"),
        addresses: ["172.16.100.11", "172.16.100.12"],
        pool: ["172.16.100.11:80 1", "172.16.100.12:80 1"],
        mail: "127.0.0.1:25",
        vip: "172.16.100.1/16",
        persistent: true,
        sorry_server: Some("127.0.0.1:80 1"),
        script: true,
    }
    .does_what_keepalived_does();
}

/// A bed with the interfaces that the files name, each with an address of its network.
fn bed_with_links(text: &str) -> Bed {
    let bed = Bed::new(text);
    for (name, address) in [("eth0", "172.16.100.10/16"), ("eth1", "192.168.80.10/24")] {
        bed.place
            .ip(&format!("link add {name} type veth peer name {name}p"));
        bed.place.ip(&format!("link set {name}p up"));
        bed.place.ip(&format!("link set {name} up"));
        bed.place.ip(&format!("addr add {address} dev {name}"));
    }
    bed
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
        let bed = bed_with_links(text);
        let mut daemon = bed.foreground(&[]);
        wait_until("it runs", || bed.place.xvs(&["status"]).status.success());
        daemon.signal(Signal::SIGTERM);
        let (status, log) = daemon.wait();
        assert_eq!(status, Some(0), "{log}");
        assert!(log.contains("Startup complete"), "{log}");
    }
}
