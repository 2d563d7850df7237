//! `-S`: rules as the command lines that would make them.

use std::fmt::Write;

use xvs_types::{
    ForwardingMethod, PersistenceEngine, Protocol, RealServer, Tunnel, TunnelChecksum, TunnelKind,
    VirtualServer, VirtualServerId, VirtualServerListing,
};

use super::{order, text};
use crate::names::Names;

/// The rules, sorted. ipvsadm loses thresholds, prints marks signed and flag-3 of sh and mh not at
/// all; `full` keeps them.
pub(crate) fn save(
    mut virtual_servers: Vec<VirtualServerListing>,
    numeric: bool,
    full: bool,
    names: &dyn Names,
) -> String {
    order::sort(&mut virtual_servers);
    let mut out = String::new();
    for virtual_server in &virtual_servers {
        let config = &virtual_server.config;
        let name = name(&config.id, numeric, full, names);
        virtual_server_line(config, &name, full, &mut out);
        let protocol = text::protocol(&config.id);
        for real_server in &virtual_server.real_servers {
            let config = &real_server.config;
            let endpoint = text::endpoint(config.endpoint, protocol, numeric, names);
            let _infallible = write!(out, "-a {name} -r {endpoint}");
            real_server_settings(config, full, &mut out);
            out.push('\n');
        }
    }
    out
}

fn name(id: &VirtualServerId, numeric: bool, full: bool, names: &dyn Names) -> String {
    match id {
        VirtualServerId::Mark { family, mark } => {
            let suffix = if text::is_v6(*family) { " -6" } else { "" };
            if full {
                format!("-f {mark}{suffix}")
            } else {
                format!("-f {}{suffix}", text::signed_mark(*mark))
            }
        }
        VirtualServerId::Address { protocol, endpoint } => {
            let switch = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            let address = text::endpoint(*endpoint, Some(*protocol), numeric, names);
            format!("{switch} {address}")
        }
    }
}

fn virtual_server_line(virtual_server: &VirtualServer, name: &str, full: bool, out: &mut String) {
    let _infallible = write!(out, "-A {name} -s {}", virtual_server.scheduler);
    if let Some(persistence) = &virtual_server.persistence {
        let _infallible = write!(out, " -p {}", persistence.timeout.as_secs());
        if let Some(mask) = text::mask(persistence) {
            let _infallible = write!(out, " -M {mask}");
        }
    }
    if virtual_server.engine == Some(PersistenceEngine::Sip) {
        out.push_str(" --pe sip");
    }
    if virtual_server.one_packet {
        out.push_str(" -o");
    }
    let flags = virtual_server.scheduler_flags;
    if flags.bits() != 0 {
        let flags = if full {
            text::plain_flags(flags)
        } else {
            text::flags(virtual_server.scheduler, flags)
        };
        let _infallible = write!(out, " -b {flags}");
    }
    for address in &virtual_server.local_addresses {
        let _infallible = write!(out, " --laddr {address}");
    }
    if virtual_server.anywhere {
        out.push_str(" --anywhere");
    }
    out.push('\n');
}

fn real_server_settings(real_server: &RealServer, full: bool, out: &mut String) {
    let method = match real_server.method {
        ForwardingMethod::Direct => "-g",
        ForwardingMethod::FullNat => "--fullnat",
        ForwardingMethod::Nat => "-m",
        ForwardingMethod::Tunnel(_) => "-i",
    };
    let _infallible = write!(out, " {method} -w {}", real_server.weight.get());
    if let ForwardingMethod::Tunnel(tunnel) = real_server.method {
        tunnel_settings(tunnel, out);
    }
    let thresholds = real_server.thresholds;
    if full && thresholds.upper != 0 {
        let _infallible = write!(out, " -x {} -y {}", thresholds.upper, thresholds.lower);
    }
}

fn tunnel_settings(tunnel: Tunnel, out: &mut String) {
    let checksum = match tunnel.checksum {
        TunnelChecksum::None => "--tun-nocsum",
        TunnelChecksum::Outer => "--tun-csum",
        TunnelChecksum::Remote => "--tun-remcsum",
    };
    let _infallible = match tunnel.kind {
        TunnelKind::Gre => write!(out, " --tun-type gre {checksum}"),
        TunnelKind::Gue { port } => {
            write!(out, " --tun-type gue --tun-port {port} {checksum}")
        }
        TunnelKind::Ipip => write!(out, " --tun-type ipip"),
    };
}
