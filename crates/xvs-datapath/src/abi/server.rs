//! Virtual and real servers.

use super::{Address, ServiceKey};

/// Real servers in one [`Block`].
pub const BLOCK: usize = 64;

/// Flags of a [`VirtualServer`].
pub mod virtual_server_flag {
    /// The slot holds a virtual server.
    pub const IN_USE: u32 = 1;
    /// It is in the rules; without this flag it only waits for its connections to end.
    pub const AVAILABLE: u32 = 1 << 1;
    /// Its VIP is an address of this host, or it is `anywhere`: packets may open connections.
    pub const OPEN: u32 = 1 << 2;
    /// Persistent.
    pub const PERSISTENT: u32 = 1 << 3;
    /// One-packet scheduling.
    pub const ONE_PACKET: u32 = 1 << 4;
    /// Persistent by the Call-ID of SIP as well.
    pub const SIP: u32 = 1 << 5;
}

/// Flags of a [`RealServer`].
pub mod real_server_flag {
    /// The slot holds a real server.
    pub const IN_USE: u32 = 1;
    /// It is in the rules; without this flag its connections are dropped.
    pub const AVAILABLE: u32 = 1 << 1;
    /// It is this host.
    pub const HERE: u32 = 1 << 2;
}

/// A virtual server.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct VirtualServer {
    /// What packets are addressed to.
    pub key: ServiceKey,
    /// Flags of [`virtual_server_flag`].
    pub flags: u32,
    /// Number of the scheduler, see [`crate::scheduler`].
    pub scheduler: u32,
    /// First block of the list of real servers (low half) and their number (high half).
    pub members: u64,
    /// Round robin: position after the last choice. One word for the schedulers that need one.
    pub cursor: u32,
    /// Flags of the scheduler, see [`crate::scheduler::flag`].
    pub scheduler_flags: u32,
    /// Weighted round robin: position + 1 (low half) and current weight (high half).
    pub weighted: u64,
    /// Weighted round robin: the greatest weight less (divisor - 1).
    pub greatest: u32,
    /// Weighted round robin: greatest common divisor of the weights.
    pub divisor: u32,
    /// Connections scheduled.
    pub connections: u64,
    /// Persistence: which bits of the client's address count.
    pub mask: Address,
    /// Persistence: lifetime of a template in jiffies.
    pub persistence: u32,
    /// First of its local addresses.
    pub local_first: u32,
    /// How many local addresses it has.
    pub local_count: u32,
    /// Rotor over the local addresses.
    pub local_cursor: u32,
    /// First block of the table of a hashing scheduler (low half) and its buckets (high half).
    pub buckets: u64,
    /// Packets from clients to its real servers that are gone.
    pub bygone_packets_in: u64,
    /// Packets to clients from its real servers that are gone.
    pub bygone_packets_out: u64,
    /// Bytes from clients to its real servers that are gone.
    pub bygone_bytes_in: u64,
    /// Bytes to clients from its real servers that are gone.
    pub bygone_bytes_out: u64,
    /// New connections of FULLNAT that found no free local port.
    pub portless: u64,
    /// Zero.
    pub spare: [u64; 4],
}

const _: () = assert!(size_of::<VirtualServer>() == 192);

/// A part of the list of real servers: their indexes in the kernel's order, last added first. Or a part
/// of the table of a hashing scheduler: the index of each bucket's server, or [`NONE`](super::NONE).
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Indexes of real servers.
    pub members: [u32; BLOCK],
}

const _: () = assert!(size_of::<Block>() == 256);

/// A real server; the first cache line is all that schedulers read.
#[repr(C, align(128))]
#[derive(Clone, Copy, Debug, Default)]
pub struct RealServer {
    /// Its weight, 0 to 2^31 - 1.
    pub weight: u32,
    /// Flags of [`real_server_flag`].
    pub flags: u32,
    /// Connections in an active state.
    pub active: u32,
    /// Other connections.
    pub inactive: u32,
    /// Not 0 while a threshold keeps new connections away.
    pub overloaded: u32,
    /// Upper threshold, 0 for none.
    pub upper: u32,
    /// Lower threshold, 0 for three quarters of the upper.
    pub lower: u32,
    /// Templates.
    pub persistent: u32,
    /// Its address.
    pub address: Address,
    /// Its port as in a packet; 0 keeps the packet's.
    pub port: u16,
    /// 4 or 6.
    pub family: u8,
    /// One of [`Method`](super::Method).
    pub method: u8,
    /// Index of its next hop, 0 while unknown.
    pub next_hop: u16,
    /// Destination port of a GUE tunnel, as in a packet.
    pub tunnel_port: u16,
    /// 0 IPIP, 1 GUE, 2 GRE (`IP_VS_CONN_F_TUNNEL_TYPE_*`).
    pub tunnel_kind: u8,
    /// 0 none, 1 checksum, 2 remote checksum (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
    pub tunnel_checksum: u8,
    /// Bytes of the largest IP packet on the way to it, as a router said of a tunnel packet; 0 for what
    /// the first link can carry. The programs write it.
    pub path_mtu: u16,
    /// Index of its virtual server.
    pub virtual_server: u32,
    /// Outer source address of a tunnel, of the family of `address`.
    pub tunnel_source: Address,
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients in retired entries.
    pub packets_in: u64,
    /// Packets to clients in retired entries.
    pub packets_out: u64,
    /// Bytes from clients in retired entries.
    pub bytes_in: u64,
    /// Bytes to clients in retired entries.
    pub bytes_out: u64,
    /// Latest weight that was not 0.
    pub last_weight: u32,
    /// Jiffies when the router said so.
    pub path_mtu_stamp: u32,
}

const _: () = assert!(size_of::<RealServer>() == 128);
const _: () = assert!(core::mem::offset_of!(RealServer, port) < 64);

/// A local address of a FULLNAT virtual server with the ports that it may use.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub address: Address,
    /// First port, in the host's order.
    pub first: u16,
    /// Last port.
    pub last: u16,
    /// First port of a range within that the host keeps for itself; 0 for none.
    pub kept_first: u16,
    /// Last port of that range.
    pub kept_last: u16,
    /// Rotor over the ports.
    pub cursor: u32,
    /// 4 or 6.
    pub family: u32,
}

const _: () = assert!(size_of::<LocalAddress>() == 32);
