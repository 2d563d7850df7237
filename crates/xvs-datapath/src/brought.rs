//! Packets that a routing rule of ours brings, when the firewall has marked them.
//!
//! Firewall marks do not exist yet where the hooks are: the daemon has the kernel route marked packets
//! into a link of ours, and its tcx entry reads the mark. On the way they were forwarded once, which is
//! undone here; and what answers them cannot go back by the link that they came in by.

use xvs_wire::{ethernet, ipv4, ipv6};

use crate::{
    Env, Packet, Verdict,
    abi::Address,
    memory::{load16, load32, opaque},
    next_hop::{self, HOP_NONE, Hop},
    parse::address,
    rewrite,
    table::{Family, V4, V6},
};

/// The link that packets are brought by; 0 while there is none.
#[inline(always)]
fn link<E: Env>(env: &E) -> u32 {
    let settings = env.settings();
    if settings.is_null() {
        return 0;
    }
    // SAFETY: the settings are a valid map value.
    unsafe { (*opaque(settings)).brought_by }
}

/// Whether the packet may come once more, by the link that marked packets are brought by: the firewall
/// has not seen it yet.
#[inline(always)]
pub(crate) fn is_awaited<P: Packet, E: Env>(packet: &P, env: &E) -> bool {
    let link = link(env);
    link != 0 && link != packet.ingress()
}

/// Whether the packet was brought.
#[inline(always)]
pub fn is_brought<P: Packet, E: Env>(packet: &P, env: &E) -> bool {
    // XDP is not attached to that link.
    P::RESOLVES && link(env) == packet.ingress()
}

/// Makes a packet that was brought what it was when it came.
#[inline(always)]
pub(crate) fn restore<P: Packet, E: Env>(packet: &P, env: &E) {
    if !is_brought(packet, env) {
        return;
    }
    match kind(packet) {
        ethernet::TYPE_IPV4 => rewrite::renew::<V4, P>(packet),
        ethernet::TYPE_IPV6 => rewrite::renew::<V6, P>(packet),
        _ => {}
    }
}

/// Sends an answer to a packet that was brought the way that the kernel's routes say.
#[inline(always)]
pub fn reply<P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    match kind(packet) {
        ethernet::TYPE_IPV4 => answer::<V4, P, E>(packet, env),
        ethernet::TYPE_IPV6 => answer::<V6, P, E>(packet, env),
        _ => Verdict::DROP,
    }
}

#[inline(always)]
fn answer<F: Family, P: Packet, E: Env>(packet: &mut P, env: &E) -> Verdict {
    let Some(client) = destination::<F, P>(packet) else {
        return Verdict::DROP;
    };
    let mut hop = Hop::default();
    let family = if F::V6 { 6 } else { 4 };
    next_hop::towards_client(packet, env, &client, family, &mut hop);
    if hop.code == HOP_NONE {
        // Counted there.
        return Verdict::DROP;
    }
    let settled = next_hop::settle(packet, env, &mut hop);
    if settled != Verdict::ONWARD {
        return settled;
    }
    let (start, end) = packet.bounds();
    if start + ethernet::HEADER > end {
        return Verdict::DROP;
    }
    // SAFETY: the Ethernet header was compared with the end.
    unsafe { rewrite::address(start, &hop) };
    next_hop::send(packet, env, &hop)
}

#[inline(always)]
fn destination<F: Family, P: Packet>(packet: &P) -> Option<Address> {
    let (start, end) = packet.bounds();
    let ip = start + ethernet::HEADER;
    if ip + F::IP_HEADER > end {
        return None;
    }
    // SAFETY: Ethernet and IP header were compared with the end.
    Some(unsafe {
        if F::V6 {
            address(ip + ipv6::DESTINATION)
        } else {
            [load32(ip + ipv4::DESTINATION), 0, 0, 0]
        }
    })
}

/// The type of the frame; 0 where there is none.
#[inline(always)]
fn kind<P: Packet>(packet: &P) -> u16 {
    let (start, end) = packet.bounds();
    if start + ethernet::HEADER > end {
        return 0;
    }
    // SAFETY: the Ethernet header was compared with the end.
    u16::from_be(unsafe { load16(start + ethernet::TYPE) })
}
