//! When entries end, and what is settled then.

use xvs_wire::ipv4;

use crate::{
    Env,
    abi::{Counter, Method, NONE, RealServer, Slot, Tag, real_server_flag, wide},
    memory::{opaque, read_shared},
    state::{is_active, sctp, tcp, timeout, udp},
    table::{FOUND_OVERFLOW, Family, REVERSE, at},
};

/// Whether a new connection may evict this entry: embryonic or closing, never established.
#[inline(always)]
#[must_use]
pub fn evictable(tag: u64) -> bool {
    let tag = Tag(tag);
    if tag.slot() != Slot::LIVE || tag.template() {
        return false;
    }
    match tag.protocol() {
        ipv4::PROTOCOL_TCP => tcp::is_embryonic(tag.state()),
        ipv4::PROTOCOL_UDP => tag.state() == udp::ONE_WAY,
        ipv4::PROTOCOL_SCTP => sctp::is_embryonic(tag.state()),
        _ => false,
    }
}

/// Whether an entry of this age in jiffies is past its timeout. Templates are the sweeper's alone.
#[inline(always)]
#[must_use]
pub fn expired<E: Env>(env: &E, tag: u64, age: u32) -> bool {
    if Tag(tag).template() {
        return false;
    }
    let timeout = timeout(env, Tag(tag));
    timeout != 0 && age > timeout
}

/// Settles the counts of an entry that ends: its packets go to the real server's totals, and a
/// forward entry gives its place among the real server's connections back.
///
/// # Safety
/// `entry` must be claimed by the caller, and `tag` its tag before.
#[inline(always)]
pub unsafe fn retire<F: Family, E: Env>(env: &E, entry: *mut F::Entry, tag: u64) {
    // SAFETY: the caller vouches for the entry.
    let fields = unsafe { F::fields(entry) };
    // SAFETY: as above.
    let server = env.real_server(unsafe { *fields.real_server });
    if server.is_null() {
        env.count(Counter::DropInternal);
        return;
    }
    let server = opaque(server);
    // SAFETY: the server is a valid map value, its counters are shared by atomics alone.
    unsafe {
        let account = account(server, Tag(tag));
        env.add64(account.packets, wide(*fields.packets));
        env.add64(account.bytes, *fields.bytes);
        if !Tag(tag).reverse() {
            env.add32(account.place, u32::MAX);
            relieve(server);
        }
    }
}

/// Where a real server keeps what an entry counts.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Packets of retired entries.
    pub packets: *mut u64,
    /// Bytes of retired entries.
    pub bytes: *mut u64,
    /// The count of connections that a forward entry is among; for a reverse entry none of its own.
    pub place: *mut u32,
}

/// Where `server` keeps what an entry with this tag counts.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
#[must_use]
pub unsafe fn account(server: *mut RealServer, tag: Tag) -> Account {
    // SAFETY: the caller vouches for the server; nothing is read.
    unsafe {
        let (packets, bytes) = if tag.reverse() {
            (&raw mut (*server).packets_out, &raw mut (*server).bytes_out)
        } else {
            (&raw mut (*server).packets_in, &raw mut (*server).bytes_in)
        };
        let place = if tag.template() {
            &raw mut (*server).persistent
        } else if is_active(tag) {
            &raw mut (*server).active
        } else {
            &raw mut (*server).inactive
        };
        Account {
            packets,
            bytes,
            place,
        }
    }
}

/// Lifts the overload of a real server whose connections fell below its lower threshold.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub unsafe fn relieve(server: *mut RealServer) {
    // SAFETY: the caller vouches for the server. The flag is a hint that both sides only ever set to
    // what the counts say; a lost race is mended by the next connection.
    unsafe {
        if (&raw const (*server).overloaded).read_volatile() == 0 {
            return;
        }
        let active = (&raw const (*server).active).read_volatile();
        let total = active.wrapping_add((&raw const (*server).inactive).read_volatile());
        let upper = (*server).upper;
        let lower = (*server).lower;
        let below = if lower != 0 {
            total < lower
        } else {
            // Three quarters, as kernel `ip_vs_dest_totalconns` does without dividing.
            u64::from(total) * 4 < u64::from(upper) * 3
        };
        if upper == 0 || below {
            (&raw mut (*server).overloaded).write_volatile(0);
        }
    }
}

/// Sets the overload of a real server whose connections reached its upper threshold.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn burden(server: *mut RealServer) {
    // SAFETY: as in [`relieve`].
    unsafe {
        let upper = (*server).upper;
        if upper != 0 && (*server).active.wrapping_add((*server).inactive) >= upper {
            (*server).overloaded = 1;
        }
    }
}

/// Whether the real server is in the rules.
///
/// # Safety
/// `server` must be a valid map value.
#[inline(always)]
pub(crate) unsafe fn available(server: *const RealServer) -> bool {
    // SAFETY: the caller vouches for the server.
    unsafe { (*server).flags & real_server_flag::AVAILABLE != 0 }
}

/// The other direction's entry of a NAT or FULLNAT connection; null when there is none.
///
/// The index in the entry is believed only if both name each other; else the entry is looked up,
/// which also finds those in the overflow hash. The scratch's reverse draft is overwritten then.
///
/// # Safety
/// `entry` must be valid.
#[inline(always)]
#[must_use]
pub unsafe fn partner<F: Family, E: Env>(env: &E, entry: *mut F::Entry, tag: u64) -> *mut F::Entry {
    if !Method::two_way(Tag(tag).method()) {
        return core::ptr::null_mut();
    }
    // SAFETY: the caller vouches for the entry.
    let peer = unsafe { *F::fields(entry).peer };
    if peer != NONE {
        let other = at::<F, E>(env, peer);
        if !other.is_null() {
            // SAFETY: entries in the table are valid for ever.
            let (other_tag, same) =
                unsafe { (read_shared(F::fields(other).tag), F::answers(other, entry)) };
            if same
                && Tag(other_tag).slot() >= Slot::LIVE
                && Tag(other_tag).reverse() != Tag(tag).reverse()
            {
                return other;
            }
        }
    }
    let scratch = env.scratch();
    if scratch.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: the scratch is this CPU's alone while the program runs.
    let scratch = unsafe { &mut *opaque(scratch) };
    let draft = &mut scratch.reverse;
    // SAFETY: the caller vouches for the entry.
    unsafe { F::answer_tuple(entry, &mut draft.tuple) };
    draft.identity = u32::from(Tag(tag).protocol()) << 8;
    let place = env.find_call(F::V6, REVERSE);
    if place >= 0 {
        return at::<F, E>(env, crate::abi::low32(place.unsigned_abs()));
    }
    if place == FOUND_OVERFLOW {
        return super::probe::overflow_entry::<F, E>(env, scratch, REVERSE);
    }
    core::ptr::null_mut()
}
