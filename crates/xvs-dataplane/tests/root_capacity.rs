//! A table for N connections holds N connections of NAT, which have two entries each.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail and say why"
)]

#[path = "root_packets/network.rs"]
mod network;
mod support;

use std::{env, ffi::CString, fs, os::unix::ffi::OsStrExt, path::PathBuf, process};

use xvs_datapath::native::{Datagram, World};
use xvs_dataplane::{
    Atomicity, Bpf, BpfOptions, ConnectionFilter, Dataplane, Hook, testing::Action,
};
use xvs_types::{Endpoint, ForwardingMethod, Op, RealServer, VirtualServer, VirtualServerId};
use xvs_wire::tcp::{ACK, SYN};

/// The worst there is: twice as many entries are three quarters of a power of two.
const CONNECTIONS: u32 = 6_144;
/// Connections between two signs of life.
const BATCH: u32 = 256;
const VIP: &str = "192.0.2.10:80";
const REAL: &str = "10.0.0.1:8080";

/// A folder for pins that goes with this.
struct Pins(PathBuf);

impl Drop for Pins {
    fn drop(&mut self) {
        if let Ok(path) = CString::new(self.0.join("bpf").as_os_str().as_bytes()) {
            // SAFETY: the path is a C string.
            unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
        }
        let _gone = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn root_a_table_for_so_many_connections_of_nat_refuses_none_of_them() {
    // SAFETY: the call has no precondition.
    if unsafe { libc::geteuid() } != 0 {
        assert_ne!(
            env::var("CI").as_deref(),
            Ok("true"),
            "under CI this test must run as root"
        );
        eprintln!("skipped: loading programs needs root");
        return;
    }
    network::enter(std::iter::empty());
    let pins = Pins(PathBuf::from(format!(
        "/run/xvs-capacity-{}",
        process::id()
    )));
    let options = BpfOptions {
        pins: pins.0.join("bpf"),
        connections: Some(CONNECTIONS),
    };
    let mut bpf = Bpf::open(&options).unwrap();
    configure(&mut bpf);
    for number in 0..CONNECTIONS {
        if number % BATCH == 0 {
            bpf.housekeep();
        }
        let (high, low) = (number / 60_000, number % 60_000);
        let client = format!("198.51.100.{}:{}", 1 + high, 1024 + low);
        // Established, so that none takes the place of another.
        for flags in [SYN, ACK] {
            let packet = Datagram::tcp(&client, VIP, flags);
            let ran = bpf.run(Hook::Tcx, World::CLIENTS, &packet.bytes()).unwrap();
            assert_eq!(ran.action, Action::Send, "connection {number}");
        }
    }
    // What is listed of the tables is what the last look at them found.
    bpf.housekeep();
    let status = bpf.status();
    let refused: Vec<_> = status
        .drops
        .iter()
        .filter(|(_, count)| **count > 0)
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    let table = &status.table_v4;
    assert_eq!(status.events.get("evicted").copied().unwrap_or(0), 0);
    assert_eq!(
        table.used + table.overflow,
        u64::from(CONNECTIONS) * 2,
        "{table:?}"
    );
    // The overflow hash has room for a sixteenth of the table.
    assert!(table.overflow < table.capacity / 16 * 3 / 4, "{table:?}");
    let mut listed = 0;
    bpf.connections(&ConnectionFilter::default(), &mut |_connection| {
        listed += 1;
        true
    });
    assert_eq!(listed, CONNECTIONS);
    assert!(bpf.finish(false).is_empty());
}

/// A virtual server with a real server that is reached.
fn configure(bpf: &mut Bpf) {
    let id = VirtualServerId::tcp(VIP.parse().unwrap());
    let mut real_server = RealServer::new(REAL.parse::<Endpoint>().unwrap());
    real_server.method = ForwardingMethod::Nat;
    let ops = [
        Op::AddVirtualServer {
            virtual_server: VirtualServer::new(id),
        },
        Op::AddRealServer {
            virtual_server: id,
            real_server,
        },
    ];
    for result in bpf.apply(&ops, Atomicity::AllOrNothing) {
        result.unwrap();
    }
    support::tell(bpf, "192.0.2.10");
}
