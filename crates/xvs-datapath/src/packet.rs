//! What the datapath needs of a packet.

use crate::{
    Verdict,
    abi::{ANSWER, Address, Held, Text, index},
};

/// A question to the kernel's routing table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fib {
    /// Where it goes; in the answer the neighbour's address.
    pub destination: Address,
    /// Where it comes from, for rules of routing by source; zeros where none shall match.
    pub source: Address,
    /// 4 or 6; in the answer the neighbour's family.
    pub family: u8,
    /// IANA protocol number.
    pub protocol: u8,
}

/// The kernel's answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct FibAnswer {
    /// 0 when addresses are known, else one of `BPF_FIB_LKUP_RET_*`.
    pub code: u32,
    /// The link.
    pub ifindex: u32,
    /// Destination address, then the first two bytes of the source address, as in a frame.
    pub mac0: u64,
    /// The last four bytes of the source address.
    pub mac1: u32,
    /// Bytes of the largest IP packet; 0 when the kernel did not say.
    pub mtu: u32,
}

impl FibAnswer {
    /// Addresses are known.
    pub const KNOWN: u32 = 0;
    /// `BPF_FIB_LKUP_RET_NOT_FWDED`: the destination is this host.
    pub const LOCAL: u32 = 4;
    /// `BPF_FIB_LKUP_RET_NO_NEIGH`: route known, neighbour not resolved.
    pub const NO_NEIGHBOUR: u32 = 7;
}

/// A packet under one of the hooks.
///
/// Every method that changes the packet invalidates addresses got from [`Packet::bounds`] before.
pub trait Packet {
    /// Whether L4 checksums are in the packet (XDP) or may be left to the device (tcx), where
    /// [`Packet::adjust_l4`] must be used.
    const DIRECT: bool;

    /// Address of the first byte and past the last byte that can be read directly.
    fn bounds(&self) -> (usize, usize);

    /// The link that the packet came in by.
    fn ingress(&self) -> u32;

    /// The firewall's mark; 0 for none, and at XDP, which the firewall comes behind.
    fn mark(&self) -> u32;

    /// Bytes of L4 payload a segment when the packet stands for several; 0 when it is one.
    fn segment_payload(&self) -> u32;

    /// How many packets it stands for, at least 1.
    fn segments(&self) -> u32;

    /// Adjusts the L4 checksum at `offset` by `delta`. One that the device completes is the sum of the
    /// pseudo-header alone: it changes only where the delta is one of the pseudo-header. Only called
    /// where [`Packet::DIRECT`] is false.
    fn adjust_l4(&mut self, offset: u32, delta: u16, pseudo_header: bool, udp: bool);

    /// Makes room of `length` bytes between Ethernet and IP header for an outer IP header.
    /// `protocol` is what the header names.
    fn push_outer(&mut self, length: u32, ipv6: bool, protocol: u8) -> bool;

    /// Makes the packet `length` bytes long in all, longer or shorter.
    fn resize(&mut self, length: u32) -> bool;

    /// Makes room of `length` bytes at the front: a new Ethernet header, then bytes to be written.
    fn push_front(&mut self, length: u32, ipv6: bool) -> bool;

    /// Takes `length` bytes out behind the Ethernet header, which then must be written anew.
    fn pop_front(&mut self, length: u32) -> bool;

    /// Bytes of the whole packet.
    fn length(&self) -> u32;

    /// Makes the first `length` bytes directly readable, as far as the packet is that long.
    fn pull(&mut self, length: u32);

    /// Copies the `length` bytes at `offset`, 1 to [`TEXT`](crate::abi::TEXT), to `room`; `false` where
    /// there are not as many.
    ///
    /// # Safety
    ///
    /// The room must be valid.
    unsafe fn read(&mut self, offset: u32, room: *mut Text, length: u32) -> bool;

    /// Copies the packet's first `length` bytes, 1 to [`HELD`](crate::abi::HELD), to `room`; `false`
    /// where the hook cannot.
    ///
    /// # Safety
    ///
    /// The room must be valid.
    unsafe fn copy_to(&mut self, room: *mut Held, length: u32) -> bool;

    /// Makes the packet the kept one, whose length is 1 to [`HELD`](crate::abi::HELD); `false` where the
    /// hook cannot.
    ///
    /// # Safety
    ///
    /// The frame must be valid.
    unsafe fn become_held(&mut self, held: *const Held) -> bool;

    /// Lets a copy of the packet come in once more, after this one; `false` where the hook cannot.
    fn again(&mut self) -> bool;

    /// The partial sum (32 bits, not folded) of the `length` bytes at `offset`, 1 to 512; the rest of
    /// the last word counts as zero. 0 where there are not as many.
    fn sum(&mut self, offset: u32, length: u32) -> u32;

    /// Saves the `length` bytes at `offset`, 8,192 at the most; false where that cannot be done.
    fn save(&mut self, offset: u32, length: u32) -> bool;

    /// Writes `length` of the saved bytes, from the one at `from` on, to `offset`.
    fn restore(&mut self, offset: u32, from: u32, length: u32) -> bool;

    /// Writes the first `length` of the bytes, 1 to [`ANSWER`], to `offset`; false where that cannot be
    /// done.
    ///
    /// # Safety
    ///
    /// The bytes must be valid.
    unsafe fn write(&mut self, offset: u32, bytes: *const [u8; index(ANSWER)], length: u32)
    -> bool;

    /// Sends a copy of the packet as it is by a link; false where the hook cannot.
    fn send_copy(&mut self, ifindex: u32) -> bool;

    /// Asks the kernel's routing table; the answer's neighbour replaces `query.destination`.
    fn fib(&mut self, query: &mut Fib) -> FibAnswer;

    /// Lets the kernel resolve the neighbour and send the packet; [`Verdict::PASS`] where the hook
    /// cannot (the packet then must be as it came).
    fn send_to_neighbour(&mut self, ifindex: u32, ipv6: bool, neighbour: &Address) -> Verdict;

    /// Whether [`Packet::send_to_neighbour`] works at this hook.
    const RESOLVES: bool;
}
