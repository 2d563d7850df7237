//! A packet at XDP.

use aya_ebpf::{
    bindings::{xdp_action, xdp_md},
    helpers::{
        bpf_redirect, bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len,
        bpf_xdp_load_bytes,
    },
};
use xvs_datapath::{
    Fib, FibAnswer, Packet, Verdict,
    abi::{ANSWER, Address, Held, Text, index},
};

use crate::{
    fib,
    load::{self, Load},
};

/// The loopback link's index in every network namespace (kernel `LOOPBACK_IFINDEX`).
pub const LOOPBACK: u32 = 1;

/// The packet of an XDP program.
pub struct Frame {
    /// Its context.
    pub context: *mut xdp_md,
}

impl Frame {
    /// What XDP answers for a verdict. [`Verdict::OPEN`] and [`Verdict::CARRY`] pass where
    /// no program took them.
    #[inline(always)]
    pub fn action(&self, verdict: Verdict) -> u32 {
        if let Some(ifindex) = verdict.redirected() {
            // SAFETY: the helper has no precondition.
            return unsafe { bpf_redirect(ifindex.get(), 0) } as u32;
        }
        match verdict {
            Verdict::DROP => xdp_action::XDP_DROP,
            // By the way of all redirected frames: a veth that is told to transmit what it received
            // does not wake its far end unless a program runs there.
            // SAFETY: the helper has no precondition.
            Verdict::REPLY => unsafe { bpf_redirect(self.ingress(), 0) as u32 },
            // SAFETY: the helper has no precondition.
            Verdict::INWARD => unsafe { bpf_redirect(LOOPBACK, 0) as u32 },
            _ => xdp_action::XDP_PASS,
        }
    }
}

impl Load for Frame {
    #[inline(always)]
    unsafe fn load(&mut self, offset: u32, bytes: *mut u8, length: u32) -> bool {
        // SAFETY: the context is the program's, and the caller vouches for the bytes.
        unsafe { bpf_xdp_load_bytes(self.context, offset, bytes.cast(), length) == 0 }
    }
}

impl Packet for Frame {
    const DIRECT: bool = true;
    const RESOLVES: bool = false;

    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        // SAFETY: the context is the program's.
        unsafe {
            (
                (*self.context).data as usize,
                (*self.context).data_end as usize,
            )
        }
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        // SAFETY: the context is the program's.
        unsafe { (*self.context).ingress_ifindex }
    }

    #[inline(always)]
    fn mark(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn segment_payload(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        1
    }

    #[inline(always)]
    fn adjust_l4(&mut self, _offset: u32, _delta: u16, _pseudo_header: bool, _udp: bool) {}

    #[inline(always)]
    fn push_outer(&mut self, length: u32, _ipv6: bool, _protocol: u8) -> bool {
        // SAFETY: the context is the program's.
        unsafe { bpf_xdp_adjust_head(self.context, -(length as i32)) == 0 }
    }

    #[inline(always)]
    fn resize(&mut self, length: u32) -> bool {
        let by = length.wrapping_sub(self.length()) as i32;
        // SAFETY: the context is the program's.
        by == 0 || unsafe { bpf_xdp_adjust_tail(self.context, by) == 0 }
    }

    #[inline(always)]
    fn push_front(&mut self, length: u32, ipv6: bool) -> bool {
        self.push_outer(length, ipv6, 0)
    }

    #[inline(always)]
    fn pop_front(&mut self, length: u32) -> bool {
        // SAFETY: the context is the program's.
        unsafe { bpf_xdp_adjust_head(self.context, length as i32) == 0 }
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: the context is the program's.
        unsafe { bpf_xdp_get_buff_len(self.context) as u32 }
    }

    #[inline(always)]
    fn pull(&mut self, _length: u32) {}

    #[inline(always)]
    unsafe fn read(&mut self, offset: u32, room: *mut Text, length: u32) -> bool {
        // SAFETY: the caller vouches for the room.
        unsafe { load::text(self, offset, room, length) }
    }

    #[inline(always)]
    unsafe fn copy_to(&mut self, _room: *mut Held, _length: u32) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn become_held(&mut self, _held: *const Held) -> bool {
        false
    }

    #[inline(always)]
    fn again(&mut self) -> bool {
        false
    }

    #[inline(always)]
    fn sum(&mut self, offset: u32, length: u32) -> u32 {
        load::sum(self, offset, length)
    }

    #[inline(always)]
    fn save(&mut self, _offset: u32, _length: u32) -> bool {
        false
    }

    #[inline(always)]
    fn restore(&mut self, _offset: u32, _from: u32, _length: u32) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn write(&mut self, _: u32, _: *const [u8; index(ANSWER)], _: u32) -> bool {
        false
    }

    #[inline(always)]
    fn send_copy(&mut self, _ifindex: u32) -> bool {
        false
    }

    #[inline(always)]
    fn fib(&mut self, query: &mut Fib) -> FibAnswer {
        fib::lookup(self.context.cast(), self.ingress(), query)
    }

    #[inline(always)]
    fn send_to_neighbour(&mut self, _: u32, _: bool, _: &Address) -> Verdict {
        Verdict::PASS
    }
}
