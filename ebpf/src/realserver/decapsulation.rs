//! Takes the outer header off packets that a director tunnelled to this host.
//!
//! It stands in for the kernel's `ipip`, `sit`, `ip6_tunnel`, `gre` and `fou` devices. Only packets are touched
//! whose frame and outer destination are this host's own and whose inner destination is a VIP.
//! An outer packet in fragments passes: the hook sits before reassembly.

use aya_ebpf::{
    bindings::{
        BPF_F_ADJ_ROOM_DECAP_L3_IPV4, BPF_F_ADJ_ROOM_DECAP_L3_IPV6, BPF_F_ADJ_ROOM_FIXED_GSO,
        BPF_F_ADJ_ROOM_NO_CSUM_RESET, BPF_F_RECOMPUTE_CSUM, BPF_FIB_LKUP_RET_FWD_DISABLED,
        BPF_FIB_LKUP_RET_NOT_FWDED,
        bpf_adj_room_mode::BPF_ADJ_ROOM_MAC,
        bpf_fib_lookup as FibLookup,
        tcx_action_base::{TCX_DROP, TCX_NEXT},
    },
    helpers::bpf_fib_lookup,
    macros::map,
    maps::HashMap,
    programs::TcContext,
};
use xvs_wire::{ecn, toa::unmapped};

use crate::{
    counters::{Counter, count},
    ip::{
        self, ETHERNET, ETHERTYPE_AT, ETHERTYPE_V4, ETHERTYPE_V6, Header, header_v4, header_v6,
        words,
    },
};

/// The VIPs whose tunnelled packets are ours, in their IPv6 form; the value means nothing.
#[map]
static VIPS: HashMap<[u8; 16], u8> = HashMap::with_max_entries(4096, 0);

/// `PACKET_HOST` of `linux/if_packet.h`: the frame was sent to this link's own address.
const PACKET_HOST: u32 = 0;

/// Segmentation and checksums are the inner packet's and stay as they are.
const ROOM_FLAGS: u64 = (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET) as u64;

/// The verdict on a packet that comes in.
#[inline(always)]
pub fn ingress(context: &TcContext) -> i32 {
    let Some((outer, inner)) = ours(context) else {
        return TCX_NEXT;
    };
    let codepoint = ecn::decapsulate(outer.traffic_class, inner.traffic_class);
    if codepoint == ecn::DROP {
        count(Counter::DroppedCongestion);
        return TCX_DROP;
    }
    let taken_off =
        mark(context, &outer, &inner, codepoint).and_then(|()| take_off(context, &outer, &inner));
    if taken_off.is_none() {
        count(Counter::DroppedUnable);
        return TCX_DROP;
    }
    count(Counter::Decapsulated);
    TCX_NEXT
}

/// Both headers of a tunnelled packet for one of our VIPs.
#[inline(always)]
fn ours(context: &TcContext) -> Option<(Header, Header)> {
    if ip::skb(context).pkt_type != PACKET_HOST {
        return None;
    }
    let mut outer = ip::outermost(context)?;
    if outer.fragment {
        return None;
    }
    let shim = shim(context, &outer)?;
    // All that is taken off counts as the outer header.
    outer.length += shim.length;
    let at = ETHERNET + outer.length;
    let inner = match shim.protocol {
        ip::PROTOCOL_IPV4 => header_v4(context, at)?,
        ip::PROTOCOL_IPV6 => header_v6(context, at)?,
        _ => return None,
    };
    // SAFETY: only the presence of the key matters; the value is never read.
    unsafe { VIPS.get(inner.destination) }?;
    is_local(context, &outer).then_some((outer, inner))
}

/// What stands between the outer header and the packet inside.
struct Shim {
    length: usize,
    /// What follows: an IANA protocol number.
    protocol: u8,
}

/// Nothing for IPIP; GRE without key and sequence number (RFC 2784); UDP and GUE of variant 0 without
/// private fields, to any port: what is inside and whom it is for says enough. The checksums of both
/// cover what the packet inside has a checksum for itself.
#[inline(always)]
fn shim(context: &TcContext, outer: &Header) -> Option<Shim> {
    let at = ETHERNET + outer.length;
    let (length, protocol) = match outer.protocol {
        ip::PROTOCOL_GRE => {
            let head: [u8; 4] = context.load(at).ok()?;
            let length = match [head[0], head[1]] {
                [0, 0] => 4,
                [0x80, 0] => 8,
                _ => return None,
            };
            match u16::from_ne_bytes([head[2], head[3]]) {
                ETHERTYPE_V4 => (length, ip::PROTOCOL_IPV4),
                ETHERTYPE_V6 => (length, ip::PROTOCOL_IPV6),
                _ => return None,
            }
        }
        ip::PROTOCOL_UDP => {
            let gue: [u8; 4] = context.load(at + 8).ok()?;
            if gue[0] != 0 || gue[2] != 0 || gue[3] != 0 {
                return None;
            }
            (12, gue[1])
        }
        protocol => (0, protocol),
    };
    Some(Shim { length, protocol })
}

/// Whether the outer destination is an address of this host.
///
/// The kernel's answer for a local destination is "not forwarded". A link that does not forward at
/// all answers so before it looks; then a frame sent to its own address can only be meant for it.
#[inline(always)]
fn is_local(context: &TcContext, outer: &Header) -> bool {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    // SAFETY: the structure is plain numbers, for which zeros are valid.
    let mut lookup: FibLookup = unsafe { core::mem::zeroed() };
    lookup.ifindex = ip::skb(context).ifindex;
    if let (true, Some(source), Some(destination)) = (
        outer.v4,
        unmapped(outer.source),
        unmapped(outer.destination),
    ) {
        lookup.family = AF_INET;
        lookup.__bindgen_anon_3.ipv4_src = u32::from_ne_bytes(source);
        lookup.__bindgen_anon_4.ipv4_dst = u32::from_ne_bytes(destination);
    } else {
        lookup.family = AF_INET6;
        lookup.__bindgen_anon_3.ipv6_src = words(&outer.source);
        lookup.__bindgen_anon_4.ipv6_dst = words(&outer.destination);
    }
    // SAFETY: the context is the kernel's own, the structure is initialised and its size is given.
    let answer = unsafe {
        bpf_fib_lookup(
            context.skb.skb.cast(),
            &raw mut lookup,
            size_of::<FibLookup>() as i32,
            0,
        )
    };
    answer == i64::from(BPF_FIB_LKUP_RET_NOT_FWDED)
        || answer == i64::from(BPF_FIB_LKUP_RET_FWD_DISABLED)
}

/// Writes the congestion codepoint into the inner header.
#[inline(always)]
fn mark(context: &TcContext, outer: &Header, inner: &Header, codepoint: u8) -> Option<()> {
    if inner.traffic_class & ecn::CE == codepoint {
        return Some(());
    }
    let at = ETHERNET + outer.length;
    let [first, second] = inner.head;
    if inner.v4 {
        let marked = second & !ecn::CE | codepoint;
        let (old, new) = (
            u16::from_ne_bytes([first, second]),
            u16::from_ne_bytes([first, marked]),
        );
        // the header's sum stays what it was, so a sum over the packet stays right too
        context
            .l3_csum_replace(at + 10, u64::from(old), u64::from(new), 2)
            .ok()?;
        context.store(at + 1, &marked, 0).ok()
    } else {
        let marked = second & !(ecn::CE << 4) | codepoint << 4;
        context
            .store(at + 1, &marked, u64::from(BPF_F_RECOMPUTE_CSUM))
            .ok()
    }
}

/// Removes the outer header and tells the Ethernet header and the kernel what is left.
#[inline(always)]
fn take_off(context: &TcContext, outer: &Header, inner: &Header) -> Option<()> {
    if outer.v4 == inner.v4 {
        return shrink(context, outer.length, 0);
    }
    let (ethertype, decapsulation) = if inner.v4 {
        (ETHERTYPE_V4, BPF_F_ADJ_ROOM_DECAP_L3_IPV4)
    } else {
        (ETHERTYPE_V6, BPF_F_ADJ_ROOM_DECAP_L3_IPV6)
    };
    if shrink(context, outer.length, u64::from(decapsulation)).is_none() {
        // Linux before 6.3 knows no flag for it, but it can make the outer header one of the inner
        // family, which is 20 bytes longer or shorter
        context.change_proto(ethertype, 0).ok()?;
        let left = if inner.v4 {
            outer.length - 20
        } else {
            outer.length + 20
        };
        shrink(context, left, 0)?;
    }
    context.store(ETHERTYPE_AT, &ethertype, 0).ok()
}

/// Takes `length` bytes out behind the Ethernet header.
#[inline(always)]
fn shrink(context: &TcContext, length: usize, flags: u64) -> Option<()> {
    context
        .adjust_room(-(length as i32), BPF_ADJ_ROOM_MAC, ROOM_FLAGS | flags)
        .ok()
}
