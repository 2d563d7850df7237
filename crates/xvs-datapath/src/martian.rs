//! Sources that no packet from the wire may have (RFC 1812 section 5.3.7): the kernel drops such packets
//! before IPVS sees them (`ip_route_input_slow`, `ip6_rcv_core`).

use crate::{
    Env, Flow, Packet,
    abi::{NONE, ServiceKey},
    fast,
    hash::own_bit,
    memory::opaque,
    table::Family,
};

/// The loopback link's index in every network namespace (kernel `LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

/// Whether the source is "this network", a loopback address, a group or reserved; of IPv4 also whether
/// it is an address of this host, unless the packet is this host's own.
#[inline(always)]
pub(crate) fn is_martian<F: Family, P: Packet, E: Env>(packet: &P, env: &E, flow: &Flow) -> bool {
    let source = &flow.tuple.source;
    let [first, ..] = source[0].to_ne_bytes();
    if F::V6 {
        let loopback = source[0] | source[1] | source[2] == 0 && source[3] == 1_u32.to_be();
        return first == 0xff || loopback;
    }
    first == 0
        || first == 127
        || first >= 224
        || packet.ingress() != LOOPBACK
            && may_be_own(env, source[0])
            && env.virtual_server_index(&ServiceKey::host(*source)) != NONE
}

/// Whether an IPv4 address may be one of this host.
#[inline(always)]
fn may_be_own<E: Env>(env: &E, address: u32) -> bool {
    let filter = env.filter();
    filter.is_null() || fast::is_set(opaque(filter.cast_mut()), own_bit(address))
}
