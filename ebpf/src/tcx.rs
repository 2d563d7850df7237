//! A packet at tcx ingress, or in a clsact filter.

use core::{arch::asm, mem::offset_of};

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::{
        bpf_clone_redirect, bpf_l4_csum_replace, bpf_redirect, bpf_redirect_neigh,
        bpf_skb_adjust_room, bpf_skb_change_tail, bpf_skb_load_bytes, bpf_skb_pull_data,
        bpf_skb_store_bytes, bpf_skb_vlan_pop,
    },
};
use xvs_datapath::{
    Fib, FibAnswer, Packet, Verdict,
    abi::{ANSWER, Address, HELD, Held, Text, index},
    memory::{opaque, opaque_number},
};

use xvs_wire::ipv4;

use crate::{
    fib,
    load::{self, Load},
    maps,
    xdp::LOOPBACK,
};

/// `BPF_ADJ_ROOM_MAC`.
const ROOM_MAC: u32 = 1;
/// `BPF_F_ADJ_ROOM_ENCAP_L3_IPV4`.
const ENCAP_IPV4: u64 = 1 << 1;
/// `BPF_F_ADJ_ROOM_ENCAP_L3_IPV6`.
const ENCAP_IPV6: u64 = 1 << 2;
/// `BPF_F_ADJ_ROOM_ENCAP_L4_GRE`.
const ENCAP_GRE: u64 = 1 << 3;
/// `BPF_F_ADJ_ROOM_ENCAP_L4_UDP`.
const ENCAP_UDP: u64 = 1 << 4;
/// `BPF_F_PSEUDO_HDR`.
const PSEUDO_HEADER: u64 = 1 << 4;
/// `BPF_F_MARK_MANGLED_0`.
const KEEP_ZERO: u64 = 1 << 5;

/// `BPF_F_INGRESS`.
const INGRESS: u64 = 1;
/// Mark of a packet that was sent inward, which only these programs know.
const DONE: u32 = 0x7876;

/// `TC_ACT_UNSPEC`, `TCX_NEXT`: the next program, then the stack.
const NEXT: i32 = -1;
/// `TC_ACT_SHOT`.
const SHOT: i32 = 2;
/// `TC_ACT_REDIRECT`.
const REDIRECT: i32 = 7;

/// The packet of a classifier.
pub struct Buffer {
    /// Its context.
    pub context: *mut __sk_buff,
}

/// `struct bpf_redir_neigh`.
#[repr(C)]
struct Neighbour {
    family: u32,
    address: Address,
}

impl Buffer {
    /// Whether the packet is the link's own. That of a VLAN comes by once more at the VLAN's link; a tag
    /// of VLAN 0 says but a priority (IEEE 802.1Q) and is taken off, as by the kernel.
    #[inline(always)]
    pub fn is_links_own(&mut self) -> bool {
        // SAFETY: the context is the program's.
        unsafe {
            (*self.context).vlan_present == 0
                || (*self.context).vlan_tci & 0xfff == 0 && bpf_skb_vlan_pop(self.context) == 0
        }
    }

    /// What tcx answers for a verdict. [`Verdict::OPEN`] and [`Verdict::CARRY`] pass where
    /// no program took them.
    #[inline(always)]
    pub fn action(&self, verdict: Verdict) -> i32 {
        if let Some(ifindex) = verdict.redirected() {
            // SAFETY: the helper has no precondition.
            return unsafe { bpf_redirect(ifindex.get(), 0) } as i32;
        }
        match verdict {
            Verdict::DROP | Verdict::HELD => SHOT,
            Verdict::INWARD => self.go_inward(),
            Verdict::REPLY if self.ingress() == LOOPBACK => self.go_inward(),
            // SAFETY: the helper has no precondition.
            Verdict::REPLY => unsafe { bpf_redirect(self.ingress(), 0) as i32 },
            Verdict::NEIGHBOUR => REDIRECT,
            _ => NEXT,
        }
    }
}

impl Buffer {
    /// Whether this host's own stack sends it: no link received it.
    #[inline(always)]
    pub fn is_hosts_own(&self) -> bool {
        // SAFETY: the context is the program's.
        unsafe { (*self.context).ingress_ifindex == 0 && (*self.context).vlan_present == 0 }
    }

    /// Whether it is as the host shall have it, sent inward by one of these programs. It says so once.
    #[inline(always)]
    pub fn is_done(&mut self) -> bool {
        // SAFETY: the context is the program's.
        unsafe {
            let done = (*self.context).tc_index == DONE;
            if done {
                (*self.context).tc_index = 0;
            }
            done
        }
    }

    /// Into this host by the loopback link, at whose entry it passes.
    #[inline(always)]
    fn go_inward(&self) -> i32 {
        // SAFETY: the context is the program's.
        unsafe {
            (*self.context).tc_index = DONE;
            bpf_redirect(LOOPBACK, INGRESS) as i32
        }
    }
}

impl Load for Buffer {
    #[inline(always)]
    unsafe fn load(&mut self, offset: u32, bytes: *mut u8, length: u32) -> bool {
        // SAFETY: the context is the program's, and the caller vouches for the bytes.
        unsafe { bpf_skb_load_bytes(self.context.cast(), offset, bytes.cast(), length) == 0 }
    }
}

impl Packet for Buffer {
    const DIRECT: bool = false;
    const RESOLVES: bool = true;

    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        let (start, end): (u64, u64);
        // Loads of 32 bits, after which the compiler would now and then move 32 bits of a pointer.
        // SAFETY: the context is the program's; the verifier makes pointers of both.
        unsafe {
            asm!(
                "{start} = *(u32 *)({context} + {data})",
                "{end} = *(u32 *)({context} + {data_end})",
                start = out(reg) start,
                end = lateout(reg) end,
                context = in(reg) self.context,
                data = const offset_of!(__sk_buff, data),
                data_end = const offset_of!(__sk_buff, data_end),
                options(nostack, readonly, preserves_flags)
            );
        }
        (start as usize, end as usize)
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        // SAFETY: the context is the program's.
        unsafe { (*self.context).ifindex }
    }

    #[inline(always)]
    fn mark(&self) -> u32 {
        // SAFETY: the context is the program's.
        unsafe { (*self.context).mark }
    }

    #[inline(always)]
    fn segment_payload(&self) -> u32 {
        // SAFETY: the context is the program's.
        unsafe { (*self.context).gso_size }
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        // SAFETY: the context is the program's.
        let segments = unsafe { (*self.context).gso_segs };
        if segments == 0 { 1 } else { segments }
    }

    #[inline(always)]
    fn adjust_l4(&mut self, offset: u32, delta: u16, pseudo_header: bool, udp: bool) {
        let kind = if pseudo_header { PSEUDO_HEADER } else { 0 };
        let zero = if udp { KEEP_ZERO } else { 0 };
        // SAFETY: the context is the program's.
        unsafe { bpf_l4_csum_replace(self.context, offset, 0, u64::from(delta), kind | zero) };
    }

    #[inline(always)]
    fn push_outer(&mut self, length: u32, ipv6: bool, protocol: u8) -> bool {
        let outer = if ipv6 { ENCAP_IPV6 } else { ENCAP_IPV4 };
        let flags = match protocol {
            ipv4::PROTOCOL_UDP => outer | ENCAP_UDP,
            ipv4::PROTOCOL_GRE => outer | ENCAP_GRE,
            _ => outer,
        };
        // SAFETY: the context is the program's.
        unsafe { bpf_skb_adjust_room(self.context, length as i32, ROOM_MAC, flags) == 0 }
    }

    #[inline(always)]
    fn resize(&mut self, length: u32) -> bool {
        // SAFETY: the context is the program's.
        self.length() == length || unsafe { bpf_skb_change_tail(self.context, length, 0) == 0 }
    }

    #[inline(always)]
    fn push_front(&mut self, length: u32, _ipv6: bool) -> bool {
        // SAFETY: the context is the program's.
        unsafe { bpf_skb_adjust_room(self.context, length as i32, ROOM_MAC, 0) == 0 }
    }

    #[inline(always)]
    fn pop_front(&mut self, length: u32) -> bool {
        // SAFETY: the context is the program's.
        unsafe { bpf_skb_adjust_room(self.context, -(length as i32), ROOM_MAC, 0) == 0 }
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: the context is the program's.
        unsafe { (*self.context).len }
    }

    #[inline(always)]
    fn pull(&mut self, length: u32) {
        let (start, end) = self.bounds();
        let all = self.length();
        let wanted = if length < all { length } else { all };
        if end - start < wanted as usize {
            // A failure shows in the bounds.
            // SAFETY: the context is the program's.
            unsafe { bpf_skb_pull_data(self.context, wanted) };
        }
    }

    #[inline(always)]
    unsafe fn read(&mut self, offset: u32, room: *mut Text, length: u32) -> bool {
        // SAFETY: the caller vouches for the room.
        unsafe { load::text(self, offset, room, length) }
    }

    #[inline(always)]
    unsafe fn copy_to(&mut self, room: *mut Held, length: u32) -> bool {
        // Of a number below the room's size every verifier sees that one more is not above it.
        let last = opaque_number(length.wrapping_sub(1));
        if last >= HELD as u32 {
            return false;
        }
        // SAFETY: the caller vouches for the room, which is as large.
        unsafe {
            (*room).length = length;
            let bytes = (&raw mut (*room).bytes).cast();
            bpf_skb_load_bytes(self.context.cast(), 0, bytes, last + 1) == 0
        }
    }

    #[inline(always)]
    unsafe fn become_held(&mut self, held: *const Held) -> bool {
        // SAFETY: the caller vouches for the frame.
        let length = unsafe { (*held).length };
        let last = opaque_number(length.wrapping_sub(1));
        if last >= HELD as u32 || !self.resize(length) {
            return false;
        }
        // SAFETY: as above; no more is read than it holds.
        unsafe {
            let bytes = (&raw const (*held).bytes).cast();
            bpf_skb_store_bytes(self.context, 0, bytes, last + 1, 0) == 0
        }
    }

    #[inline(always)]
    fn again(&mut self) -> bool {
        // SAFETY: the context is the program's.
        unsafe { bpf_clone_redirect(self.context, self.ingress(), INGRESS) == 0 }
    }

    #[inline(always)]
    fn sum(&mut self, offset: u32, length: u32) -> u32 {
        load::sum(self, offset, length)
    }

    #[inline(always)]
    fn save(&mut self, offset: u32, length: u32) -> bool {
        let Some(saved) = maps::SAVED.get_ptr_mut(0) else {
            return false;
        };
        let last = opaque_number(length.wrapping_sub(1));
        if last > maps::MOST_SAVED - 1 {
            return false;
        }
        // SAFETY: the room has twice as many bytes.
        unsafe {
            bpf_skb_load_bytes(self.context.cast(), offset, opaque(saved).cast(), last + 1) == 0
        }
    }

    #[inline(always)]
    fn restore(&mut self, offset: u32, from: u32, length: u32) -> bool {
        let Some(saved) = maps::SAVED.get_ptr_mut(0) else {
            return false;
        };
        let (from, last) = (opaque_number(from), opaque_number(length.wrapping_sub(1)));
        if from > maps::MOST_SAVED - 1 || last > maps::MOST_SAVED - 1 {
            return false;
        }
        // SAFETY: the room has twice as many bytes as either number can say.
        unsafe {
            let bytes = opaque(saved).cast::<u8>().add(from as usize);
            bpf_skb_store_bytes(self.context, offset, bytes.cast(), last + 1, 0) == 0
        }
    }

    #[inline(always)]
    unsafe fn write(
        &mut self,
        offset: u32,
        bytes: *const [u8; index(ANSWER)],
        length: u32,
    ) -> bool {
        let last = opaque_number(length.wrapping_sub(1));
        if last >= ANSWER {
            return false;
        }
        // SAFETY: the caller vouches for the bytes, of which there are as many.
        unsafe { bpf_skb_store_bytes(self.context, offset, bytes.cast(), last + 1, 0) == 0 }
    }

    #[inline(always)]
    fn send_copy(&mut self, ifindex: u32) -> bool {
        // SAFETY: the context is the program's.
        unsafe { bpf_clone_redirect(self.context, ifindex, 0) == 0 }
    }

    #[inline(always)]
    fn fib(&mut self, query: &mut Fib) -> FibAnswer {
        fib::lookup(self.context.cast(), self.ingress(), query)
    }

    #[inline(always)]
    fn send_to_neighbour(&mut self, ifindex: u32, ipv6: bool, neighbour: &Address) -> Verdict {
        let Some(room) = maps::QUESTION.get_ptr_mut(0) else {
            return Verdict::DROP;
        };
        // SAFETY: the room is this CPU's, larger than the parameters, and any bytes are valid ones.
        let parameters = unsafe { &mut *opaque(room).cast::<Neighbour>() };
        parameters.family = if ipv6 { 10 } else { 2 };
        parameters.address = *neighbour;
        // SAFETY: the helper reads the parameters alone.
        let answer = unsafe {
            bpf_redirect_neigh(
                ifindex,
                (&raw mut *parameters).cast(),
                size_of::<Neighbour>() as i32,
                0,
            )
        } as i32;
        if answer == REDIRECT {
            Verdict::NEIGHBOUR
        } else {
            Verdict::DROP
        }
    }
}
