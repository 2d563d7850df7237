//! States of connections: one file a protocol.

pub mod sctp;
pub mod tcp;
pub mod template;
pub mod udp;

use xvs_wire::ipv4;

use crate::{
    Env,
    abi::{Tag, index, setting_flag},
    memory::opaque,
};

/// Whether a connection in this state counts as active (kernel `tcp_state_active_table`; of SCTP those
/// that are established).
#[inline(always)]
#[must_use]
pub const fn is_active(tag: Tag) -> bool {
    match tag.protocol() {
        ipv4::PROTOCOL_TCP => tcp::is_active(tag.state()),
        ipv4::PROTOCOL_SCTP => tag.state() == sctp::ESTABLISHED,
        _ => false,
    }
}

/// Whether a setting of [`setting_flag`] is on.
#[inline(always)]
#[must_use]
pub fn is_set<E: Env>(env: &E, flag: u32) -> bool {
    let settings = env.settings();
    // SAFETY: the settings are a valid map value.
    !settings.is_null() && unsafe { (*opaque(settings)).flags } & flag != 0
}

/// The state of a TCP connection after a segment, by the table that is in force.
#[inline(always)]
#[must_use]
pub fn next_tcp<E: Env>(env: &E, direction: u32, flags: u8, state: u8) -> u8 {
    let table = if is_set(env, setting_flag::SECURE_TCP) {
        tcp::SECURE
    } else {
        0
    };
    tcp::next(direction | table, flags, state)
}

/// The timeout in jiffies of a connection in this state; 0 for none.
#[inline(always)]
#[must_use]
pub fn timeout<E: Env>(env: &E, tag: Tag) -> u32 {
    let settings = env.settings();
    if settings.is_null() {
        return 0;
    }
    let settings = opaque(settings);
    let state = u32::from(tag.state());
    // SAFETY: the settings are a valid map value; indexes are masked to the arrays' lengths.
    unsafe {
        match tag.protocol() {
            ipv4::PROTOCOL_TCP => (*settings).tcp_timeouts[index(state & 15)],
            ipv4::PROTOCOL_UDP => (*settings).udp_timeouts[index(state & 3)],
            _ => (*settings).sctp_timeouts[index(state & 15)],
        }
    }
}
