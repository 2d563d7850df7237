//! The table of virtual servers with their real servers, in its six sets of columns.

use std::fmt::Write;

use xvs_types::{
    Counters, ForwardingMethod, PersistenceEngine, Rates, RealServerListing, Tunnel,
    TunnelChecksum, TunnelKind, VirtualServer, VirtualServerId, VirtualServerListing,
};

use super::{
    numbers::{large, left},
    text,
};
use crate::{
    command::{Columns, Style},
    names::Names,
};

/// Where an IPv4 virtual server and real server are cut off.
const VIRTUAL_SERVER_WIDTH: usize = 33;
const REAL_SERVER_WIDTH: usize = 28;

/// The two lines over the table.
pub(super) fn title(columns: Columns, out: &mut String) {
    out.push_str(match columns {
        Columns::Stats => {
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  -> RemoteAddress:Port\n"
        }
        Columns::Rate => {
            "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  -> RemoteAddress:Port\n"
        }
        Columns::Thresholds => {
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  -> RemoteAddress:Port\n"
        }
        Columns::PersistentConnections => {
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  -> RemoteAddress:Port\n"
        }
        Columns::TunnelInfo => {
            "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
        }
        Columns::Plain => {
            "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        }
    });
}

/// A virtual server and its real servers, in the order given.
pub(super) fn entry(
    virtual_server: &VirtualServerListing,
    style: Style,
    names: &dyn Names,
    out: &mut String,
) {
    let name = virtual_server_name(&virtual_server.config.id, style.numeric, names);
    // Writing to a string cannot fail; the results below say nothing.
    let _infallible = match style.columns {
        Columns::Stats => write!(out, "{name:<VIRTUAL_SERVER_WIDTH$}")
            .map(|()| counters(&virtual_server.counters, style.exact, out)),
        Columns::Rate => write!(out, "{name:<VIRTUAL_SERVER_WIDTH$}")
            .map(|()| rates(&virtual_server.rates, style.exact, out)),
        _ => write!(out, "{name} {}", virtual_server.config.scheduler)
            .map(|()| settings(&virtual_server.config, out)),
    };
    out.push('\n');
    let protocol = text::protocol(&virtual_server.config.id);
    for real_server in &virtual_server.real_servers {
        let endpoint = real_server.config.endpoint;
        let mut name = text::endpoint(endpoint, protocol, style.numeric, names);
        if !text::is_v6(endpoint.family()) {
            name = text::cut(name, REAL_SERVER_WIDTH);
        }
        out.push_str("  -> ");
        text::left(&name, REAL_SERVER_WIDTH, out);
        real_server_columns(real_server, style, out);
        out.push('\n');
    }
}

fn virtual_server_name(id: &VirtualServerId, numeric: bool, names: &dyn Names) -> String {
    match id {
        VirtualServerId::Mark { family, mark } => {
            let suffix = if text::is_v6(*family) { " IPv6" } else { "" };
            format!("FWM  {}{suffix}", text::signed_mark(*mark))
        }
        VirtualServerId::Address { protocol, endpoint } => {
            let address = text::endpoint(*endpoint, Some(*protocol), numeric, names);
            let name = format!("{:<4} {address}", protocol.to_string());
            if text::is_v6(endpoint.family()) {
                name
            } else {
                text::cut(name, VIRTUAL_SERVER_WIDTH)
            }
        }
    }
}

fn settings(virtual_server: &VirtualServer, out: &mut String) {
    let flags = virtual_server.scheduler_flags;
    if flags.bits() != 0 {
        let _infallible = write!(out, " ({})", text::flags(virtual_server.scheduler, flags));
    }
    if let Some(persistence) = &virtual_server.persistence {
        let _infallible = write!(out, " persistent {}", persistence.timeout.as_secs());
        if let Some(mask) = text::mask(persistence) {
            let _infallible = write!(out, " mask {mask}");
        }
        // ipvsadm lists an engine beside persistence only, though it may be set without.
        if virtual_server.engine == Some(PersistenceEngine::Sip) {
            out.push_str(" pe sip");
        }
    }
    if virtual_server.one_packet {
        out.push_str(" ops");
    }
}

fn real_server_columns(real_server: &RealServerListing, style: Style, out: &mut String) {
    let config = &real_server.config;
    let weight = config.weight.get();
    let (active, inactive) = (real_server.active, real_server.inactive);
    let _infallible = match style.columns {
        Columns::Stats => {
            counters(&real_server.counters, style.exact, out);
            Ok(())
        }
        Columns::Rate => {
            let rate = &real_server.rates;
            // The first three are never scaled here, unlike those of the virtual server.
            let (connections, packets_in, packets_out) =
                (rate.connections, rate.packets_in, rate.packets_out);
            write!(out, " {connections:>8} {packets_in:>8} {packets_out:>8}").map(|()| {
                large(rate.bytes_in, style.exact, out);
                large(rate.bytes_out, style.exact, out);
            })
        }
        Columns::Thresholds => write!(
            out,
            " {:<10} {:<10} {active:<10} {inactive:<10}",
            config.thresholds.upper, config.thresholds.lower,
        ),
        Columns::PersistentConnections => write!(
            out,
            " {weight:<9} {:<11} {active:<10} {inactive:<10}",
            real_server.persistent,
        ),
        Columns::TunnelInfo => write!(
            out,
            " {:<7} {:<13} {weight:<6} {active:<10} {inactive:<10}",
            method(config.method),
            tunnel_info(config.method),
        ),
        Columns::Plain => {
            out.push(' ');
            text::left(method(config.method), 7, out);
            for (number, width) in [(weight, 6), (active, 10), (inactive, 10)] {
                out.push(' ');
                left(number, width, out);
            }
            Ok(())
        }
    };
}

/// The method of the rule; a real server that is the director itself shows it too.
fn method(method: ForwardingMethod) -> &'static str {
    match method {
        ForwardingMethod::Direct => "Route",
        ForwardingMethod::FullNat => "FullNat",
        ForwardingMethod::Nat => "Masq",
        ForwardingMethod::Tunnel(_) => "Tunnel",
    }
}

fn tunnel_info(method: ForwardingMethod) -> String {
    let ForwardingMethod::Tunnel(Tunnel { kind, checksum }) = method else {
        return "n/a".to_owned();
    };
    let checksum = match checksum {
        TunnelChecksum::None => "-c",
        TunnelChecksum::Outer => "+c",
        TunnelChecksum::Remote => "r+c",
    };
    match kind {
        TunnelKind::Gre => format!("gre:{checksum}"),
        TunnelKind::Gue { port } => format!("gue:{port}:{checksum}"),
        TunnelKind::Ipip => "ipip".to_owned(),
    }
}

fn counters(counters: &Counters, exact: bool, out: &mut String) {
    large(counters.connections, exact, out);
    large(counters.packets_in, exact, out);
    large(counters.packets_out, exact, out);
    large(counters.bytes_in, exact, out);
    large(counters.bytes_out, exact, out);
}

fn rates(rates: &Rates, exact: bool, out: &mut String) {
    large(rates.connections, exact, out);
    large(rates.packets_in, exact, out);
    large(rates.packets_out, exact, out);
    large(rates.bytes_in, exact, out);
    large(rates.bytes_out, exact, out);
}
