//! Which packets may open a connection.
//!
//! IPVS sits where packets for this host arrive; the hooks here see flooded frames, frames of a
//! promiscuous link and transit traffic as well. So a packet opens a connection only if its frame is
//! addressed to the link's own address (or that of a VMAC on it) and its destination is an address
//! of this host, or the virtual server takes packets from anywhere.

use crate::{
    Env, Packet,
    abi::{Counter, LinkMac, VirtualServer, link_mac_flag, low32, virtual_server_flag},
    memory::{load16, load32},
};

/// Whether the packet may open a connection to this virtual server.
///
/// # Safety
/// `service` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn admits<P: Packet, E: Env>(
    packet: &P,
    env: &E,
    service: *const VirtualServer,
) -> bool {
    // SAFETY: the caller vouches for the virtual server.
    if unsafe { (*service).flags } & virtual_server_flag::OPEN == 0 {
        env.count(Counter::NotLocal);
        return false;
    }
    let ours = flags(packet, env) & link_mac_flag::OURS != 0;
    if !ours {
        env.count(Counter::NotOurMac);
    }
    ours
}

/// Whether no tcx entry sees what XDP passes on this packet's link.
#[inline(always)]
pub(crate) fn is_alone<P: Packet, E: Env>(packet: &P, env: &E) -> bool {
    flags(packet, env) & link_mac_flag::ALONE != 0
}

/// The bits of [`LinkMac::noted`] that are the address.
const ADDRESS: u64 = (1 << 48) - 1;

/// Flags of the link's address that the frame is addressed to.
#[inline(always)]
fn flags<P: Packet, E: Env>(packet: &P, env: &E) -> u32 {
    let (start, end) = packet.bounds();
    if start + 14 > end {
        return 0;
    }
    // SAFETY: the Ethernet header was compared with the end.
    let (first, last) = unsafe { (load32(start), load16(start + 4)) };
    let [a, b, c, d] = first.to_ne_bytes();
    let [e, f] = last.to_ne_bytes();
    let noted = env.link(packet.ingress());
    if noted != 0 && noted & ADDRESS == u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) {
        return low32(noted >> 48);
    }
    env.link_mac(&LinkMac {
        ifindex: packet.ingress(),
        mac: [a, b, c, d, e, f],
        zero: 0,
    })
}
