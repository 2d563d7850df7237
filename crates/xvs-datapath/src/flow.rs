//! A packet's flow: what the parser found.

use crate::{Env, abi::Tuple, answer::Message, memory::opaque};

/// A TCP, UDP or SCTP packet over IPv4 or IPv6, as far as the datapath reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Addresses and ports.
    pub tuple: Tuple,
    /// IANA protocol number.
    pub protocol: u8,
    /// TCP flags; of SCTP what its first chunk means ([`state::sctp::event`](crate::state::sctp::event)); 0
    /// for UDP.
    pub flags: u8,
    /// Whether it is IPv6.
    pub ipv6: bool,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Length of the L4 header in bytes.
    pub l4_header: u32,
    /// Length of the IP packet in bytes, header included.
    pub length: u32,
    /// Offset of the L4 header behind the begin of the IP header.
    pub l4: u32,
    /// Identification of a fragment, as in the packet.
    pub identification: u32,
    /// 0 when it is whole, 1 for the first fragment, 2 for another.
    pub fragment: u32,
    /// Index of the entry that *open* found or made for the packet, plus one; 0 where *carry* has to look.
    /// For *open* itself `READ`, or anything else where it has to read the packet.
    pub opened: u32,
    /// What its sender is to be told.
    pub message: Message,
    /// Index of the real server on whose account the message goes, plus one; else 0.
    pub account: u32,
    /// Not 0 once [`ftp`](crate::ftp) has heard it.
    pub heard: u32,
    /// Not 0 where *open* made the entry for the packet, in the table, whose state is then the one after it.
    pub is_new: u32,
}

impl Flow {
    /// The fast path has read the packet into the room, and found no connection in the table.
    pub(crate) const READ: u32 = u32::MAX;

    /// The room for the flow of this CPU's packet, in which each stage finds what the one before it left;
    /// `None` without one.
    ///
    /// # Safety
    /// No other reference into the room may be in use. It is this CPU's alone while the program runs.
    #[inline(always)]
    pub(crate) unsafe fn of<'a, E: Env>(env: &E) -> Option<&'a mut Self> {
        let room = env.flow();
        if room.is_null() {
            return None;
        }
        // SAFETY: the caller vouches for it.
        Some(unsafe { &mut *opaque(room) })
    }
}
