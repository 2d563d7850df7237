//! ICMP errors to the sender of a packet (RFC 792, RFC 1191, RFC 4443), as the kernel builds them:
//! from the address that the packet was sent to, type of service 0xc0.

use xvs_wire::{checksum, ethernet, icmp, ipv4, ipv6, tcp, udp};

use crate::{
    Env, Flow, Packet, Verdict,
    abi::{Counter, index, low16, wide},
    memory::{load16, load32, opaque, store16, store32, store64},
    sum,
    table::{Family, V4, V6},
    unusual,
};

/// What an ICMP error says.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    kind_v4: u8,
    code_v4: u8,
    kind_v6: u8,
    code_v6: u8,
    /// The MTU, else 0.
    value: u32,
}

impl Message {
    /// An error of ICMP by type, code and second word.
    #[inline(always)]
    pub(crate) const fn v4((kind, code): (u8, u8), value: u32) -> Self {
        Self {
            kind_v4: kind,
            code_v4: code,
            kind_v6: 0,
            code_v6: 0,
            value,
        }
    }
}

/// The port is unreachable.
pub(crate) const PORT_UNREACHABLE: Message = Message {
    kind_v4: icmp::V4_UNREACHABLE,
    code_v4: icmp::V4_PORT,
    kind_v6: icmp::V6_UNREACHABLE,
    code_v6: icmp::V6_PORT,
    value: 0,
};

/// No host answers behind the address.
pub(crate) const HOST_UNREACHABLE: Message = Message {
    kind_v4: icmp::V4_UNREACHABLE,
    code_v4: icmp::V4_HOST,
    kind_v6: icmp::V6_UNREACHABLE,
    code_v6: icmp::V6_ADDRESS,
    value: 0,
};

/// The time to live was exceeded.
pub(crate) const TIME_EXCEEDED: Message = Message {
    kind_v4: icmp::V4_TIME_EXCEEDED,
    code_v4: 0,
    kind_v6: icmp::V6_TIME_EXCEEDED,
    code_v6: 0,
    value: 0,
};

/// The packet is larger than `mtu`.
pub(crate) const fn too_big(mtu: u32) -> Message {
    Message {
        kind_v4: icmp::V4_UNREACHABLE,
        code_v4: icmp::V4_FRAGMENTATION_NEEDED,
        kind_v6: icmp::V6_PACKET_TOO_BIG,
        code_v6: 0,
        value: mtu,
    }
}

const TOS: u32 = 0xc0;

/// Tells the sender of a packet what the flow says.
#[inline(always)]
pub fn run<P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    // The stage before this one has read the packet.
    // SAFETY: nothing else took it.
    let Some(flow) = (unsafe { Flow::of(env) }) else {
        return Verdict::PASS;
    };
    let (verdict, told) = if flow.ipv6 {
        (send::<V6, P, E>(packet, env, flow), length::<V6>(flow))
    } else {
        (send::<V4, P, E>(packet, env, flow), length::<V4>(flow))
    };
    if verdict == Verdict::REPLY && flow.account != 0 {
        let server = env.real_server(flow.account - 1);
        if !server.is_null() {
            let server = opaque(server);
            // SAFETY: the server is a valid map value; counters are shared by atomics alone.
            unsafe {
                env.add64(&raw mut (*server).packets_out, 1);
                env.add64(&raw mut (*server).bytes_out, wide(told));
            }
        }
    }
    verdict
}

/// Turns the packet of the family into an ICMP error about itself and sends it back; drops it where
/// that cannot be done (a packet that stands for several).
#[inline(always)]
fn send<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E, flow: &Flow) -> Verdict {
    if packet.segment_payload() != 0
        || flow.fragment == unusual::LATER
        || !build::<F, P, E>(packet, env, flow, flow.message)
    {
        return Verdict::DROP;
    }
    env.count(Counter::IcmpSent);
    Verdict::REPLY
}

/// Bytes of an error about a packet: it quotes as much as fits 576 or 1,280 bytes.
#[inline(always)]
pub(crate) fn length<F: Family>(flow: &Flow) -> u32 {
    let (headers, most) = if F::V6 { (48, 1232) } else { (28, 548) };
    if flow.length < most {
        headers + flow.length
    } else {
        headers + most
    }
}

#[inline(always)]
fn build<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
    message: Message,
) -> bool {
    let ip_header: u32 = if F::V6 { 40 } else { 20 };
    let embedded = length::<F>(flow) - ip_header - 8;
    let sum = sum_of::<F, P, E>(packet, env, flow, embedded);
    if !packet.resize(14 + embedded) {
        return false;
    }
    let (start, end) = packet.bounds();
    if start + ethernet::HEADER > end {
        return false;
    }
    // SAFETY: the Ethernet header was compared with the end.
    let (destination, source) = unsafe {
        (
            (load32(start), load16(start + 4)),
            (load16(start + 6), load32(start + 8)),
        )
    };
    if !packet.push_front(ip_header + 8, F::V6) {
        return false;
    }
    let (start, end) = packet.bounds();
    if start + ethernet::HEADER > end {
        return false;
    }
    let kind = if F::V6 {
        ethernet::TYPE_IPV6
    } else {
        ethernet::TYPE_IPV4
    };
    // SAFETY: the Ethernet header was compared with the end.
    unsafe {
        store16(start, source.0);
        store32(start + 2, source.1);
        store32(start + 6, destination.0);
        store16(start + 10, destination.1);
        store16(start + ethernet::TYPE, kind.to_be());
    }
    write::<F, P>(packet, flow, message, ip_header + 8 + embedded, sum)
}

/// Writes IP header and the error's own, in front of a quoted packet whose bytes sum to `sum`, from
/// whom a packet was sent to, to its sender. `length` is that of it all.
#[inline(always)]
pub(crate) fn write<F: Family, P: Packet>(
    packet: &P,
    flow: &Flow,
    message: Message,
    length: u32,
    mut sum: u32,
) -> bool {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    let error = ip + F::IP_HEADER;
    if error + icmp::HEADER > end {
        return false;
    }
    let (kind, code) = if F::V6 {
        (message.kind_v6, message.code_v6)
    } else {
        (message.kind_v4, message.code_v4)
    };
    let head = u32::from_ne_bytes([kind, code, 0, 0]);
    let value = message.value.to_be();
    // SAFETY: both headers were compared with the end.
    unsafe {
        if F::V6 {
            write_v6(ip, flow, length - 40);
            sum += pseudo_v6(flow, length - 40);
        } else {
            write_v4(ip, flow, length);
        }
        store32(error, head);
        store32(error + 4, value);
        let sum = checksum::fold(sum + checksum::sum32(head) + checksum::sum32(value));
        store16(error + icmp::CHECKSUM, !sum);
    }
    true
}

/// The sum of the first `length` bytes of the packet, its L4 checksum as it will be on the wire.
#[inline(always)]
pub(crate) fn sum_of<F: Family, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
    length: u32,
) -> u32 {
    let partial = partial_checksum::<F, P>(packet, flow);
    if partial.left {
        // The device will complete the checksum over the rest of the packet, which then sums to the
        // complement of what the field holds now.
        return sum::over(packet, env, 14, flow.l4) + u32::from(!partial.field);
    }
    sum::over(packet, env, 14, length)
}

/// Whether the device will complete the L4 checksum, as far as it can be told.
#[inline(always)]
pub(crate) fn is_left_to_device<F: Family, P: Packet>(packet: &P, flow: &Flow) -> bool {
    partial_checksum::<F, P>(packet, flow).left
}

/// Whether the L4 checksum was left to the device, and what its field holds.
struct Partial {
    left: bool,
    field: u16,
}

/// A checksum left to the device holds the sum of the pseudo-header alone; there is no other sign of
/// it. One packet in 65,536 holds this by chance.
#[inline(always)]
fn partial_checksum<F: Family, P: Packet>(packet: &P, flow: &Flow) -> Partial {
    let complete = Partial {
        left: false,
        field: 0,
    };
    if P::DIRECT || flow.fragment != unusual::WHOLE {
        return complete;
    }
    let (start, end) = packet.bounds();
    let is_tcp = flow.protocol == ipv4::PROTOCOL_TCP;
    let field = if is_tcp { tcp::CHECKSUM } else { udp::CHECKSUM };
    let at = start + ethernet::HEADER + index(flow.l4 & 0x1fc) + field;
    if at + 2 > end {
        return complete;
    }
    // SAFETY: the field was compared with the end.
    let field = unsafe { load16(at) };
    let length = flow.length.wrapping_sub(flow.l4);
    let tuple = &flow.tuple;
    let mut sum = u32::from(u16::from(flow.protocol).to_be())
        + u32::from(low16(length).to_be())
        + checksum::sum32(tuple.source[0])
        + checksum::sum32(tuple.destination[0]);
    if F::V6 {
        sum += checksum::sum32(tuple.source[1])
            + checksum::sum32(tuple.source[2])
            + checksum::sum32(tuple.source[3])
            + checksum::sum32(tuple.destination[1])
            + checksum::sum32(tuple.destination[2])
            + checksum::sum32(tuple.destination[3]);
    }
    Partial {
        left: checksum::fold(sum) == field,
        field,
    }
}

/// # Safety
/// An IPv4 header at `ip` must be writable.
#[inline(always)]
unsafe fn write_v4(ip: usize, flow: &Flow, length: u32) {
    let first = (0x4500_0000 | TOS << 16 | length).to_be();
    let third = (64 << 24 | u32::from(ipv4::PROTOCOL_ICMP) << 16).to_be();
    let (from, to) = (flow.tuple.destination[0], flow.tuple.source[0]);
    let sum = checksum::sum32(first)
        + checksum::sum32(third)
        + checksum::sum32(from)
        + checksum::sum32(to);
    // SAFETY: the caller vouches for the header.
    unsafe {
        store32(ip, first);
        store32(ip + 4, 0);
        store32(ip + 8, third);
        store16(ip + ipv4::CHECKSUM, !checksum::fold(sum));
        store32(ip + ipv4::SOURCE, from);
        store32(ip + ipv4::DESTINATION, to);
    }
}

/// # Safety
/// An IPv6 header at `ip` must be writable.
#[inline(always)]
unsafe fn write_v6(ip: usize, flow: &Flow, payload: u32) {
    let rest = payload << 16 | u32::from(ipv4::PROTOCOL_ICMPV6) << 8 | 64;
    let (from, to) = (&flow.tuple.destination, &flow.tuple.source);
    // SAFETY: the caller vouches for the header.
    unsafe {
        store32(ip, (6_u32 << 28).to_be());
        store32(ip + ipv6::PAYLOAD_LENGTH, rest.to_be());
        store64(ip + 8, crate::abi::join(from[0], from[1]));
        store64(ip + 16, crate::abi::join(from[2], from[3]));
        store64(ip + 24, crate::abi::join(to[0], to[1]));
        store64(ip + 32, crate::abi::join(to[2], to[3]));
    }
}

/// The pseudo-header of ICMPv6 (RFC 8200 section 8.1).
#[inline(always)]
fn pseudo_v6(flow: &Flow, payload: u32) -> u32 {
    let mut sum = checksum::sum32(payload.to_be())
        + checksum::sum32(u32::from(ipv4::PROTOCOL_ICMPV6).to_be());
    let tuple = &flow.tuple;
    sum += checksum::sum32(tuple.source[0])
        + checksum::sum32(tuple.source[1])
        + checksum::sum32(tuple.source[2])
        + checksum::sum32(tuple.source[3]);
    sum + checksum::sum32(tuple.destination[0])
        + checksum::sum32(tuple.destination[1])
        + checksum::sum32(tuple.destination[2])
        + checksum::sum32(tuple.destination[3])
}
