//! The flow table's entries.
//!
//! An entry is one direction of a connection. IPv4 entries are one cache line, IPv6 entries two.
//!
//! ```text
//!  IPv4 entry                              IPv6 entry
//!   0 tag u64                               0 tag u64
//!   8 addresses (source, destination)       8 source         24 destination
//!  16 ports                                40 ports
//!  20 peer                                 44 peer
//!  24 new addresses                        48 l4 delta       50 next hop
//!  32 new ports                            52 real server    56 virtual server  58 IP delta
//!  36 IP delta     38 l4 delta             64 new source     80 new destination
//!  40 next hop     42 virtual server       96 new ports     100 stamp
//!  44 real server  48 stamp               104 packets       108 spare
//!  52 packets      56 bytes               112 bytes         120 spare
//! ```

use super::{Address, high32, join, low8, low32, wide};

/// Entries of a set: one probe reads the tags of all.
pub const WAYS: usize = 4;

/// No index.
pub const NONE: u32 = u32::MAX;

/// The first word of an entry. Bits:
///
/// ```text
/// 0-1 slot | 2-4 method | 5 direction | 6 template | 7 crossing | 8-15 protocol | 16-19 state |
/// 20-31 generation | 32-63 hash fragment
/// ```
///
/// *Crossing* marks a tunnel whose outer family is not the inner one, or that is no plain IPIP: its
/// recipe is in the real server. Of NAT it marks a control connection of FTP, whose packets are read.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag(pub u64);

/// Slot states of a [`Tag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot;

impl Slot {
    /// Nothing there.
    pub const FREE: u64 = 0;
    /// Claimed, not yet complete.
    pub const BUSY: u64 = 1;
    /// Complete.
    pub const LIVE: u64 = 2;
    /// Marked for deletion by the sweeper.
    pub const DYING: u64 = 3;
    /// The bits.
    pub const MASK: u64 = 3;
}

/// Forwarding methods, by the kernel's numbers (`IP_VS_CONN_F_*`, `include/uapi/linux/ip_vs.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method;

impl Method {
    /// NAT.
    pub const NAT: u8 = 0;
    /// The real server is this host.
    pub const LOCAL: u8 = 1;
    /// Tunnelling.
    pub const TUNNEL: u8 = 2;
    /// Direct routing.
    pub const DIRECT: u8 = 3;
    /// Cache bypass.
    pub const BYPASS: u8 = 4;
    /// FULLNAT, which the kernel does not have.
    pub const FULLNAT: u8 = 5;

    /// Whether packets of both directions pass the director.
    #[inline(always)]
    #[must_use]
    pub const fn two_way(method: u8) -> bool {
        method == Self::NAT || method == Self::FULLNAT
    }
}

/// Directions of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction;

impl Direction {
    /// From the client.
    pub const FORWARD: u64 = 0;
    /// To the client.
    pub const REVERSE: u64 = 1 << 5;
}

impl Tag {
    const METHOD_SHIFT: u32 = 2;
    /// The direction bit.
    pub const DIRECTION: u64 = 1 << 5;
    /// The template bit.
    pub const TEMPLATE: u64 = 1 << 6;
    /// The crossing bit.
    pub const CROSSING: u64 = 1 << 7;
    const PROTOCOL_SHIFT: u32 = 8;
    const STATE_SHIFT: u32 = 16;
    /// The state bits.
    pub const STATE: u64 = 15 << Self::STATE_SHIFT;
    /// One generation.
    pub const GENERATION_STEP: u64 = 1 << 20;
    /// The generation bits.
    pub const GENERATION: u64 = 0xfff << 20;
    /// What names a flow besides its key: fragment, protocol, template.
    pub const IDENTITY: u64 = 0xffff_ffff_0000_ff40;
    /// What a reader compares: identity and slot.
    pub const COMPARE: u64 = Self::IDENTITY | Slot::MASK;

    /// The identity bits of a flow.
    #[inline(always)]
    #[must_use]
    pub const fn identity(fragment: u32, protocol: u8, template: u64) -> u64 {
        wide(fragment) << 32 | (protocol as u64) << Self::PROTOCOL_SHIFT | template
    }

    /// The bits of a method and a state.
    #[inline(always)]
    #[must_use]
    pub const fn of(method: u8, state: u8) -> u64 {
        (method as u64) << Self::METHOD_SHIFT | (state as u64) << Self::STATE_SHIFT
    }

    /// The slot state.
    #[inline(always)]
    #[must_use]
    pub const fn slot(self) -> u64 {
        self.0 & Slot::MASK
    }

    /// Whether a slot that is LIVE or DYING is the latter.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn dying(self) -> bool {
        self.0 & (Slot::LIVE ^ Slot::DYING) != 0
    }

    /// The forwarding method.
    #[inline(always)]
    #[must_use]
    pub const fn method(self) -> u8 {
        low8(self.0 >> Self::METHOD_SHIFT) & 7
    }

    /// Where in a word of two bits for each method and direction its own are.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn rows(self) -> u32 {
        low32(self.0 >> 1 & 0x1e)
    }

    /// Whether the entry is of the direction to the client.
    #[inline(always)]
    #[must_use]
    pub const fn reverse(self) -> bool {
        self.0 & Self::DIRECTION != 0
    }

    /// Whether the entry is a persistence template.
    #[inline(always)]
    #[must_use]
    pub const fn template(self) -> bool {
        self.0 & Self::TEMPLATE != 0
    }

    /// Whether the entry is a tunnel across families, or of NAT a control connection of FTP.
    #[inline(always)]
    #[must_use]
    pub const fn crossing(self) -> bool {
        self.0 & Self::CROSSING != 0
    }

    /// 1 for a control connection of FTP, else 0.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn is_heard(self) -> u32 {
        // NAT is method 0, which alone wraps. Without a branch, for the verifier's sake.
        let method = low32(self.0 >> Self::METHOD_SHIFT) & 7;
        let crossing = low32(self.0 >> 7) & 1;
        crossing & (method.wrapping_sub(1) >> 31)
    }

    /// The IANA protocol number.
    #[inline(always)]
    #[must_use]
    pub const fn protocol(self) -> u8 {
        low8(self.0 >> Self::PROTOCOL_SHIFT)
    }

    /// The state, whose meaning is the protocol's.
    #[inline(always)]
    #[must_use]
    pub const fn state(self) -> u8 {
        low8(self.0 >> Self::STATE_SHIFT) & 15
    }

    /// The tag with another state.
    #[inline(always)]
    #[must_use]
    pub const fn with_state(self, state: u8) -> Self {
        Self(self.0 & !Self::STATE | (state as u64) << Self::STATE_SHIFT)
    }

    /// The tag with another slot state.
    #[inline(always)]
    #[must_use]
    pub const fn with_slot(self, slot: u64) -> Self {
        Self(self.0 & !Slot::MASK | slot)
    }

    /// Whether a tag read later is of the same use of the slot: only state and slot may differ.
    #[inline(always)]
    #[must_use]
    pub const fn same_use(self, other: Self) -> bool {
        (self.0 ^ other.0) & !(Self::STATE | Slot::MASK) == 0
    }

    /// The generation bits of the slot's next use.
    #[inline(always)]
    #[must_use]
    pub const fn next_generation(self) -> u64 {
        self.0.wrapping_add(Self::GENERATION_STEP) & Self::GENERATION
    }

    /// The hash fragment.
    #[inline(always)]
    #[must_use]
    pub const fn fragment(self) -> u32 {
        high32(self.0)
    }
}

/// The key of an IPv4 flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Key4 {
    /// Source in the low half, destination in the high half.
    pub addresses: u64,
    /// Source port in the low half, destination port in the high half.
    pub ports: u32,
    /// Zero.
    pub zero: u32,
}

/// The key of an IPv6 flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Key6 {
    /// The source address.
    pub source: [u64; 2],
    /// The destination address.
    pub destination: [u64; 2],
    /// Source port in the low half, destination port in the high half.
    pub ports: u32,
    /// Zero.
    pub zero: u32,
}

/// Addresses and ports of either family.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// The source address.
    pub source: Address,
    /// The destination address.
    pub destination: Address,
    /// Source port in the low half, destination port in the high half.
    pub ports: u32,
}

const _: () = assert!(size_of::<Tuple>() == 36);

impl Tuple {
    /// The tuple of packets the other way.
    #[inline(always)]
    #[must_use]
    pub const fn swapped(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            ports: self.ports.rotate_left(16),
        }
    }

    /// The source port as in a packet.
    #[inline(always)]
    #[must_use]
    pub const fn source_port(&self) -> u16 {
        super::low16(self.ports)
    }

    /// The destination port as in a packet.
    #[inline(always)]
    #[must_use]
    pub const fn destination_port(&self) -> u16 {
        super::upper16(self.ports)
    }
}

/// An IPv4 entry: one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry4 {
    /// Slot, method, state, identity.
    pub tag: u64,
    /// Key: source and destination address.
    pub addresses: u64,
    /// Key: source and destination port.
    pub ports: u32,
    /// Index of the other direction's entry, or [`NONE`].
    pub peer: u32,
    /// Recipe: new addresses (tunnel: outer addresses).
    pub new_addresses: u64,
    /// Recipe: new ports.
    pub new_ports: u32,
    /// Recipe: delta of the IP header's checksum (tunnel: sum of the outer header without length
    /// and type of service).
    pub ip_delta: u16,
    /// Recipe: delta of the L4 checksum.
    pub l4_delta: u16,
    /// Index of the next hop; 0 asks the slow path.
    pub next_hop: u16,
    /// Index of the virtual server.
    pub virtual_server: u16,
    /// Index of the real server.
    pub real_server: u32,
    /// Jiffies of the last packet.
    pub stamp: u32,
    /// Packets since last folded.
    pub packets: u32,
    /// Bytes since last folded.
    pub bytes: u64,
}

const _: () = assert!(size_of::<Entry4>() == 64);

/// An IPv6 entry: key in one cache line, recipe and counters in the other.
#[repr(C, align(128))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry6 {
    /// Slot, method, state, identity.
    pub tag: u64,
    /// Key: source address.
    pub source: [u64; 2],
    /// Key: destination address.
    pub destination: [u64; 2],
    /// Key: source and destination port.
    pub ports: u32,
    /// Index of the other direction's entry, or [`NONE`].
    pub peer: u32,
    /// Recipe: delta of the L4 checksum.
    pub l4_delta: u16,
    /// Index of the next hop; 0 asks the slow path.
    pub next_hop: u16,
    /// Index of the real server.
    pub real_server: u32,
    /// Index of the virtual server.
    pub virtual_server: u16,
    /// Recipe: delta of the addresses.
    pub ip_delta: u16,
    /// Zero.
    pub spare32: u32,
    /// Recipe: new source (tunnel: outer source).
    pub new_source: [u64; 2],
    /// Recipe: new destination (tunnel: outer destination).
    pub new_destination: [u64; 2],
    /// Recipe: new ports.
    pub new_ports: u32,
    /// Jiffies of the last packet.
    pub stamp: u32,
    /// Packets since last folded.
    pub packets: u32,
    /// Zero.
    pub spare_packets: u32,
    /// Bytes since last folded.
    pub bytes: u64,
    /// Zero.
    pub spare64: u64,
}

const _: () = assert!(size_of::<Entry6>() == 128);
const _: () = assert!(core::mem::offset_of!(Entry6, new_source) == 64);

/// The cold side of a slot, under the same index: what only slow functions need. It is clear while the slot
/// is free.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cold {
    /// Index of the controlling template plus one; 0 for none. In a template: its children.
    pub control: u32,
    /// Flags, `IP_VS_CONN_F_*` where the kernel has them.
    pub flags: u16,
    /// Zero.
    pub spare: u16,
}

const _: () = assert!(size_of::<Cold>() == 8);

/// Key of an entry in the overflow hashes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OverflowKey {
    /// The source address.
    pub source: Address,
    /// The destination address.
    pub destination: Address,
    /// Source port in the low half, destination port in the high half.
    pub ports: u32,
    /// Protocol and template bit, as in [`Tag`].
    pub identity: u32,
}

const _: () = assert!(size_of::<OverflowKey>() == 40);

impl From<&Tuple> for Key4 {
    #[inline(always)]
    fn from(tuple: &Tuple) -> Self {
        Self {
            addresses: join(tuple.source[0], tuple.destination[0]),
            ports: tuple.ports,
            zero: 0,
        }
    }
}

impl From<&Tuple> for Key6 {
    #[inline(always)]
    fn from(tuple: &Tuple) -> Self {
        Self {
            source: halves(&tuple.source),
            destination: halves(&tuple.destination),
            ports: tuple.ports,
            zero: 0,
        }
    }
}

/// Two halves of an address.
#[inline(always)]
#[must_use]
pub(crate) const fn halves(address: &Address) -> [u64; 2] {
    [join(address[0], address[1]), join(address[2], address[3])]
}

/// An address of two halves.
#[inline(always)]
#[must_use]
pub(crate) const fn whole(halves: &[u64; 2]) -> Address {
    [
        low32(halves[0]),
        high32(halves[0]),
        low32(halves[1]),
        high32(halves[1]),
    ]
}
