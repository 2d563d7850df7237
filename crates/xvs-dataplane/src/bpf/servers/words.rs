//! Rules in the words of xvs, and the same in those of the maps.

use std::net::IpAddr;

use xvs_datapath::{
    abi::{Method, RealServer as RealSlot, wide},
    scheduler::number,
};
use xvs_types::{
    Endpoint, ForwardingMethod, OpError, PersistenceMask, RealServer, Scheduler, Tunnel,
    TunnelChecksum, TunnelKind, VirtualServerId, Weight,
};

use super::super::address::{endpoint, to_abi};

/// The endpoint under which a real server stands in the maps: port 0 where packets keep theirs.
pub(super) fn abi_endpoint(id: &VirtualServerId, server: &RealServer) -> Endpoint {
    let keeps_port = id.port() == 0
        && (server.endpoint.port == 0
            || !matches!(
                server.method,
                ForwardingMethod::Nat | ForwardingMethod::FullNat
            ));
    Endpoint::new(
        server.endpoint.address,
        if keeps_port { 0 } else { server.endpoint.port },
    )
}

/// The tunnel of a real server's slot.
pub(in crate::bpf) fn tunnel_of(server: &RealSlot) -> Tunnel {
    Tunnel {
        kind: match server.tunnel_kind {
            1 => TunnelKind::Gue {
                port: u16::from_be(server.tunnel_port),
            },
            2 => TunnelKind::Gre,
            _ => TunnelKind::Ipip,
        },
        checksum: match server.tunnel_checksum {
            1 => TunnelChecksum::Outer,
            2 => TunnelChecksum::Remote,
            _ => TunnelChecksum::None,
        },
    }
}

/// Method, kind, checksum and port of a forwarding method.
pub(super) fn method_of(method: &ForwardingMethod) -> (u8, u8, u8, u16) {
    match method {
        ForwardingMethod::Nat => (Method::NAT, 0, 0, 0),
        ForwardingMethod::FullNat => (Method::FULLNAT, 0, 0, 0),
        ForwardingMethod::Tunnel(tunnel) => {
            let (kind, port) = match tunnel.kind {
                TunnelKind::Ipip => (0, 0),
                TunnelKind::Gue { port } => (1, port),
                TunnelKind::Gre => (2, 0),
            };
            let checksum = match tunnel.checksum {
                TunnelChecksum::None => 0,
                TunnelChecksum::Outer => 1,
                TunnelChecksum::Remote => 2,
            };
            (Method::TUNNEL, kind, checksum, port)
        }
        ForwardingMethod::Direct => (Method::DIRECT, 0, 0, 0),
    }
}

/// What becomes of a method (its number) where the real server is this host. Packets go to its own stack:
/// as they are, or with another address and port. Replies leave by this host anyway, so that FULLNAT
/// needs no local address.
pub(super) const fn method_here(method: u8) -> u8 {
    if Method::two_way(method) {
        Method::NAT
    } else {
        Method::LOCAL
    }
}

/// Which bits of a client's address count.
pub(super) fn mask_of(mask: PersistenceMask) -> [u32; 4] {
    match mask {
        PersistenceMask::V4(mask) => [u32::from_ne_bytes(mask.octets()), 0, 0, 0],
        PersistenceMask::V6(_) => {
            let all = IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::MAX));
            to_abi(mask.apply(all))
        }
    }
}

/// The rule of a real server, as far as its slot has it.
pub(super) fn rule_of(id: &VirtualServerId, real: &RealSlot) -> RealServer {
    let mut server = RealServer::new(endpoint(&real.address, real.port, real.family == 6));
    if server.endpoint.port == 0 {
        server.endpoint.port = id.port();
    }
    server.weight = Weight::new(real.weight).unwrap_or_default();
    server.thresholds.upper = real.upper;
    server.thresholds.lower = real.lower;
    server.method = match real.method {
        Method::NAT => ForwardingMethod::Nat,
        Method::FULLNAT => ForwardingMethod::FullNat,
        Method::TUNNEL => ForwardingMethod::Tunnel(tunnel_of(real)),
        _ => ForwardingMethod::Direct,
    };
    server
}

/// The number of a scheduler.
pub(super) fn scheduler_number(scheduler: Scheduler) -> u32 {
    match scheduler {
        Scheduler::Dh => number::DH,
        Scheduler::Fo => number::FO,
        Scheduler::Lblc => number::LBLC,
        Scheduler::Lblcr => number::LBLCR,
        Scheduler::Lc => number::LC,
        Scheduler::Mh => number::MH,
        Scheduler::Nq => number::NQ,
        Scheduler::Ovf => number::OVF,
        Scheduler::Rr => number::RR,
        Scheduler::Sed => number::SED,
        Scheduler::Sh => number::SH,
        Scheduler::Twos => number::TWOS,
        Scheduler::Wlc => number::WLC,
        Scheduler::Wrr => number::WRR,
    }
}

/// The scheduler of a number.
pub(super) fn scheduler_of(number: u32) -> Option<Scheduler> {
    Scheduler::ALL
        .into_iter()
        .find(|scheduler| scheduler_number(*scheduler) == number)
}

/// There is no room.
pub(super) fn full(what: &str, limit: u32) -> OpError {
    OpError::Full {
        what: what.to_owned(),
        limit: wide(limit),
    }
}

/// The kernel refused.
pub(super) fn system(what: &str, error: &dyn std::error::Error) -> OpError {
    OpError::System {
        reason: format!("cannot {what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheduler_has_a_number_of_its_own() {
        for scheduler in Scheduler::ALL {
            assert_eq!(scheduler_of(scheduler_number(scheduler)), Some(scheduler));
        }
    }
}
