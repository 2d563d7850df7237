//! The packet to make, and of which flow.

use aya_ebpf::{macros::map, maps::Array};
use xvs_datapath::memory::{opaque, store16, store32, store64};
use xvs_wire::checksum;

/// Words of a frame that are written each time: the headers of TCP over IPv6, and some payload.
pub const WORDS: usize = 10;
/// Bytes of a frame that are written each time.
pub const BYTES: usize = WORDS * 8;

/// Which flow comes next: the one after the last.
const IN_ORDER: u32 = 0;
/// The kinds of frame: where the part that differs by flow stands. Frames of other kinds are all alike.
const FROM_CLIENT_V4: u32 = 0;
const FROM_CLIENT_V6: u32 = 1;
/// Of these the source address alone differs.
const FROM_ADDRESS_V4: u32 = 3;

/// What user space asks for; its twin is `xvs-bench`'s.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct Plan {
    /// The frame of flow 0.
    pub frame: [u64; WORDS],
    /// State of the random numbers, not 0.
    pub random: u64,
    /// Flows less one: the number of flows is a power of two.
    pub mask: u32,
    /// 0 takes the flows in order, 1 by chance.
    pub order: u32,
    /// 0 and 1 change the client of TCP over IPv4 and IPv6, 2 nothing, 3 the source address of IPv4.
    pub kind: u32,
    /// The next flow in order.
    pub next: u32,
    /// The low 32 bits of the address of flow 0.
    pub address: u32,
    /// Bytes of the whole frame.
    pub length: u32,
    /// Where the generator and the floors that redirect send to.
    pub ifindex: u32,
    /// Sum of the IPv4 header without checksum and changing address.
    pub ip_sum: u32,
    /// Sum of TCP and pseudo-header without checksum, changing address and changing port.
    pub tcp_sum: u32,
    /// Where [`crate::sinks`]' plain redirects send to.
    pub through: u32,
}

#[map]
pub static PLAN: Array<Plan> = Array::with_max_entries(1, 1 << 10);

/// The plan; null never happens, but the verifier wants it compared.
#[inline(always)]
pub fn get() -> *mut Plan {
    match PLAN.get_ptr_mut(0) {
        Some(plan) => opaque(plan),
        None => core::ptr::null_mut(),
    }
}

/// Writes the frame of the next flow.
///
/// # Safety
/// `start` must be the first of [`BYTES`] writable bytes, and `plan` valid.
#[inline(always)]
pub unsafe fn write(plan: *mut Plan, start: usize) {
    // SAFETY: the caller vouches for both.
    unsafe {
        let flow = next(plan) & (*plan).mask;
        let mut word = 0;
        while word < WORDS {
            store64(start + word * 8, (*plan).frame[word]);
            word += 1;
        }
        let address = (*plan).address.wrapping_add(flow).to_be();
        // Every client has another port too, above those that are well known.
        let port = ((flow & 0x7fff) as u16).wrapping_add(0x4000).to_be();
        let change = (address & 0xffff) + (address >> 16);
        let tcp_sum = checksum::fold((*plan).tcp_sum + change + u32::from(port));
        if (*plan).kind == FROM_ADDRESS_V4 {
            store32(start + 26, address);
            store16(start + 24, !checksum::fold((*plan).ip_sum + change));
            return;
        }
        let (address_at, port_at, sum_at) = match (*plan).kind {
            FROM_CLIENT_V4 => (26, 34, 50),
            FROM_CLIENT_V6 => (34, 54, 70),
            _ => return,
        };
        store32(start + address_at, address);
        store16(start + port_at, port);
        store16(start + sum_at, !tcp_sum);
        if (*plan).kind == FROM_CLIENT_V4 {
            store16(start + 24, !checksum::fold((*plan).ip_sum + change));
        }
    }
}

/// # Safety
/// `plan` must be valid.
#[inline(always)]
unsafe fn next(plan: *mut Plan) -> u32 {
    // SAFETY: the caller vouches for the plan.
    unsafe {
        if (*plan).order == IN_ORDER {
            let flow = (*plan).next;
            (*plan).next = flow.wrapping_add(1);
            return flow;
        }
        // xorshift64 (Marsaglia 2003)
        let mut random = (*plan).random;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (*plan).random = random;
        (random >> 32) as u32
    }
}
