//! When a packet of a known connection begins a new one (kernel `ip_vs_in`, `is_new_conn_expected`).

use xvs_wire::{ipv4, tcp};

use crate::{
    Env, Flow,
    abi::{Method, NONE, RealServer, Tag, low32, setting_flag},
    memory::opaque,
    persistence,
    state::{sctp, tcp as tcp_state},
    table::{Family, available},
};

/// Bit of `conn_reuse_mode`: a SYN on FIN_WAIT begins anew too, where replies are never seen.
const REUSE_FIN_WAIT: u32 = 2;

/// Whether a packet from the client ends the connection at `place` and begins another: a SYN on one
/// that is closed, by `conn_reuse_mode`; with `expire_nodest_conn` a SYN to a server of weight 0, and
/// any packet to one that is gone.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn begins_anew<F: Family, E: Env>(
    env: &E,
    flow: &Flow,
    place: i64,
    tag: u64,
    server: *const RealServer,
) -> bool {
    let settings = env.settings();
    if settings.is_null() {
        return false;
    }
    let settings = opaque(settings);
    // SAFETY: the settings are a valid map value; the caller vouches for the server.
    let (mode, expires, gone, weight) = unsafe {
        (
            (*settings).reuse_mode,
            (*settings).flags & setting_flag::EXPIRE_NODEST_CONN != 0,
            !available(server),
            (*server).weight,
        )
    };
    if expires && gone {
        return true;
    }
    let is_sctp = flow.protocol == ipv4::PROTOCOL_SCTP;
    let begins = match flow.protocol {
        ipv4::PROTOCOL_TCP => flow.flags & tcp::SYN != 0,
        ipv4::PROTOCOL_SCTP => flow.flags == sctp::INIT_CHUNK,
        _ => false,
    };
    if !begins {
        return false;
    }
    if expires && weight == 0 {
        return true;
    }
    let tag = Tag(tag);
    let closed = match tag.state() {
        state if is_sctp => state == sctp::CLOSED,
        tcp_state::TIME_WAIT | tcp_state::CLOSE => true,
        tcp_state::FIN_WAIT => mode & REUSE_FIN_WAIT != 0 && !Method::two_way(tag.method()),
        _ => false,
    };
    // One that a template controls goes on.
    mode != 0
        && closed
        && place >= 0
        && persistence::controller::<F, E>(env, low32(place.unsigned_abs())) == NONE
}
