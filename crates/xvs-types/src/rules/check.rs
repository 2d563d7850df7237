//! Whether settings make sense by themselves, whatever else is configured.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use crate::{
    ForwardingMethod, OpError, Persistence, PersistenceMask, Protocol, RealServer, Timeouts,
    Tunnel, TunnelChecksum, TunnelKind, VirtualServer, VirtualServerId,
};

/// Local addresses of one virtual server; as many port ranges as a FULLNAT pool may hold.
const MAX_LOCAL_ADDRESSES: usize = 64;

/// ipvsadm's `MAX_TIMEOUT`: 31 days.
const MAX_TIMEOUT: Duration = Duration::from_secs(31 * 86_400);

pub(super) fn virtual_server(virtual_server: &VirtualServer) -> Result<(), OpError> {
    let id = virtual_server.id;
    match id {
        VirtualServerId::Address { protocol, endpoint } => {
            if endpoint.port == 0 && virtual_server.persistence.is_none() {
                return Err(OpError::PortZeroNeedsPersistence { id });
            }
            if virtual_server.one_packet && protocol != Protocol::Udp {
                return Err(invalid(format!(
                    "virtual server `{id}` cannot have one-packet scheduling, which is for UDP and firewall marks"
                )));
            }
        }
        VirtualServerId::Mark { mark: 0, .. } => {
            return Err(invalid(
                "firewall mark 0 means no mark; use 1 to 4294967295".to_owned(),
            ));
        }
        VirtualServerId::Mark { .. } => {}
    }
    if let Some(persistence) = &virtual_server.persistence {
        check_persistence(virtual_server, persistence)?;
    }
    local_addresses(virtual_server)
}

pub(super) fn real_server(real_server: &RealServer) -> Result<(), OpError> {
    let thresholds = real_server.thresholds;
    if thresholds.lower > thresholds.upper {
        return Err(OpError::ThresholdsReversed {
            endpoint: real_server.endpoint,
            thresholds,
        });
    }
    let ForwardingMethod::Tunnel(tunnel) = real_server.method else {
        return Ok(());
    };
    match tunnel {
        Tunnel {
            kind: TunnelKind::Gue { port: 0 },
            ..
        } => Err(invalid(format!(
            "the GUE tunnel to `{}` needs a destination port, 1 to 65535",
            real_server.endpoint
        ))),
        Tunnel {
            kind: TunnelKind::Ipip,
            checksum: TunnelChecksum::Outer | TunnelChecksum::Remote,
        } => Err(invalid(format!(
            "the IPIP tunnel to `{}` has no header that could carry a checksum",
            real_server.endpoint
        ))),
        Tunnel {
            kind: TunnelKind::Gre,
            checksum: TunnelChecksum::Remote,
        } => Err(invalid(format!(
            "the GRE tunnel to `{}` cannot have remote checksum offload, which is GUE's",
            real_server.endpoint
        ))),
        Tunnel { .. } => Ok(()),
    }
}

/// Refuses an address that can be no host's, as `ip_vs_new_dest` does.
///
/// What only routes tell, such as the broadcast address of a subnet, is the caller's to check.
pub(super) fn unicast(address: IpAddr) -> Result<(), OpError> {
    let fine = match address {
        IpAddr::V4(address) => {
            let zero_network = address.octets()[0] == 0;
            !(zero_network || address.is_multicast() || address == Ipv4Addr::BROADCAST)
        }
        IpAddr::V6(address) => {
            !(address == Ipv6Addr::UNSPECIFIED
                || address.is_multicast()
                || address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some())
        }
    };
    if fine {
        Ok(())
    } else {
        Err(OpError::NotUnicast { address })
    }
}

pub(super) fn timeouts(timeouts: Timeouts) -> Result<(), OpError> {
    let all = [
        ("TCP", timeouts.tcp),
        ("TCP FIN", timeouts.tcp_fin),
        ("UDP", timeouts.udp),
    ];
    for (name, timeout) in all {
        seconds(&format!("the {name} timeout"), timeout)?;
    }
    Ok(())
}

fn check_persistence(
    virtual_server: &VirtualServer,
    persistence: &Persistence,
) -> Result<(), OpError> {
    let id = virtual_server.id;
    seconds(
        &format!("the persistence timeout of `{id}`"),
        persistence.timeout,
    )?;
    let fits = match persistence.mask {
        PersistenceMask::V4(_) => id.family().bits() == 32,
        PersistenceMask::V6(prefix) => id.family().bits() == 128 && (1..=128).contains(&prefix),
    };
    if fits {
        Ok(())
    } else {
        Err(invalid(format!(
            "the persistence mask of `{id}` does not fit; use a netmask for IPv4 and a prefix length of 1 to 128 for IPv6"
        )))
    }
}

fn local_addresses(virtual_server: &VirtualServer) -> Result<(), OpError> {
    let addresses = &virtual_server.local_addresses;
    if addresses.len() > MAX_LOCAL_ADDRESSES {
        return Err(OpError::Full {
            what: format!("local address of `{}`", virtual_server.id),
            limit: 64,
        });
    }
    for (place, address) in addresses.iter().enumerate() {
        if crate::Family::of(*address) != virtual_server.id.family() {
            return Err(invalid(format!(
                "local address `{address}` has another address family than virtual server `{}`",
                virtual_server.id
            )));
        }
        if addresses[..place].contains(address) {
            return Err(invalid(format!("local address `{address}` is given twice")));
        }
        unicast(*address)?;
    }
    Ok(())
}

fn seconds(what: &str, timeout: Duration) -> Result<(), OpError> {
    if timeout.subsec_nanos() == 0 && !timeout.is_zero() && timeout <= MAX_TIMEOUT {
        Ok(())
    } else {
        Err(invalid(format!(
            "{what} must be whole seconds from 1 to {}",
            MAX_TIMEOUT.as_secs()
        )))
    }
}

fn invalid(reason: String) -> OpError {
    OpError::Invalid { reason }
}
