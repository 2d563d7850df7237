//! The few fields of IP headers that the real server's programs read.

use aya_ebpf::{bindings::__sk_buff, programs::TcContext};
use xvs_wire::toa::mapped;

/// Bytes of the Ethernet header; a VLAN tag is in the packet's metadata at this hook.
pub const ETHERNET: usize = 14;

/// Where the Ethernet header holds the type of its payload.
pub const ETHERTYPE_AT: usize = 12;

/// Ethernet types, in network order as the kernel stores them.
pub const ETHERTYPE_V4: u16 = 0x0800_u16.to_be();
/// See [`ETHERTYPE_V4`].
pub const ETHERTYPE_V6: u16 = 0x86dd_u16.to_be();

/// IANA protocol numbers.
pub const PROTOCOL_IPV4: u8 = 4;
/// See [`PROTOCOL_IPV4`].
pub const PROTOCOL_TCP: u8 = 6;
/// See [`PROTOCOL_IPV4`].
pub const PROTOCOL_UDP: u8 = 17;
/// See [`PROTOCOL_IPV4`].
pub const PROTOCOL_IPV6: u8 = 41;
/// See [`PROTOCOL_IPV4`].
pub const PROTOCOL_GRE: u8 = 47;

/// What the programs need of an IP header; addresses in their IPv6 form.
pub struct Header {
    /// IPv4, else IPv6.
    pub v4: bool,
    /// Bytes up to the payload.
    pub length: usize,
    /// A fragment of a packet; always false for IPv6, whose fragments show as a protocol.
    pub fragment: bool,
    /// What follows: an IANA protocol number.
    pub protocol: u8,
    /// Type of service, or traffic class.
    pub traffic_class: u8,
    /// Sender.
    pub source: [u8; 16],
    /// Receiver.
    pub destination: [u8; 16],
    /// The first two bytes as they are in memory.
    pub head: [u8; 2],
}

/// The kernel's view of a packet.
#[inline(always)]
pub fn skb(context: &TcContext) -> &__sk_buff {
    // SAFETY: the kernel hands every program a valid context that lives as long as the call.
    unsafe { &*context.skb.skb }
}

/// The header that follows the Ethernet header.
#[inline(always)]
pub fn outermost(context: &TcContext) -> Option<Header> {
    let ethertype = skb(context).protocol;
    if ethertype == u32::from(ETHERTYPE_V4) {
        header_v4(context, ETHERNET)
    } else if ethertype == u32::from(ETHERTYPE_V6) {
        header_v6(context, ETHERNET)
    } else {
        None
    }
}

/// The IPv4 header at `at`; none when it is cut off or wrong.
#[inline(always)]
pub fn header_v4(context: &TcContext, at: usize) -> Option<Header> {
    let bytes: [u8; 20] = context.load(at).ok()?;
    let length = usize::from(bytes[0] & 0x0f) * 4;
    if bytes[0] >> 4 != 4 || length < bytes.len() {
        return None;
    }
    Some(Header {
        v4: true,
        length,
        fragment: u16::from_be_bytes([bytes[6], bytes[7]]) & 0x3fff != 0,
        protocol: bytes[9],
        traffic_class: bytes[1],
        source: mapped([bytes[12], bytes[13], bytes[14], bytes[15]]),
        destination: mapped([bytes[16], bytes[17], bytes[18], bytes[19]]),
        head: [bytes[0], bytes[1]],
    })
}

/// The IPv6 header at `at`, without extension headers; none when it is cut off or wrong.
#[inline(always)]
pub fn header_v6(context: &TcContext, at: usize) -> Option<Header> {
    let bytes: [u8; 40] = context.load(at).ok()?;
    if bytes[0] >> 4 != 6 {
        return None;
    }
    Some(Header {
        v4: false,
        length: bytes.len(),
        fragment: false,
        protocol: bytes[6],
        traffic_class: bytes[0] << 4 | bytes[1] >> 4,
        source: *bytes.get(8..)?.first_chunk()?,
        destination: *bytes.get(24..)?.first_chunk()?,
        head: [bytes[0], bytes[1]],
    })
}

/// An address as the four words that the kernel's structures hold.
#[inline(always)]
pub fn words(address: &[u8; 16]) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *address;
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
        u32::from_ne_bytes([i, j, k, l]),
        u32::from_ne_bytes([m, n, o, p]),
    ]
}
