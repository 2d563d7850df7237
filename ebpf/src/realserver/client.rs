//! Reads the client's true address from the SYNs that a FULLNAT director sends.
//!
//! What a SYN names waits in a map, least recently used out first, until the server asks for its
//! peer; from then on it lives and dies with the socket (see `peer`). A SYN that names nobody
//! clears what an earlier connection between the same ends left.

use aya_ebpf::{
    macros::map,
    maps::{LruHashMap, PerCpuArray},
    programs::TcContext,
};
use xvs_wire::toa::{self, Client, OPTIONS_MAX, Options};

use crate::{
    counters::{Counter, count},
    ip::{self, ETHERNET, PROTOCOL_TCP},
};

/// Clients of connections that the server has not asked about yet; user space sets the size.
#[map]
pub static CLIENTS: LruHashMap<Connection, Client> = LruHashMap::with_max_entries(65_536, 0);

/// The two ends of a connection as the real server sees them, IPv4 addresses in their IPv6 form.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Connection {
    /// The real server's address.
    pub local: [u8; 16],
    /// The director's address.
    pub peer: [u8; 16],
    /// The real server's port, in network order.
    pub local_port: [u8; 2],
    /// The director's port, in network order.
    pub peer_port: [u8; 2],
}

/// Where a search stands; see `SynOptions::conceal`.
#[map]
static PLACE: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Bytes of a TCP header without options.
const TCP: usize = 20;

/// Flags of a TCP header, RFC 9293 section 3.1.
const SYN: u8 = 0x02;
/// See [`SYN`].
const ACK: u8 = 0x10;

/// Learns from a packet that comes in; what is no SYN teaches nothing.
#[inline(always)]
pub fn ingress(context: &TcContext) -> Option<()> {
    let ip = ip::outermost(context)?;
    if ip.protocol != PROTOCOL_TCP || ip.fragment {
        return None;
    }
    let at = ETHERNET + ip.length;
    let tcp: [u8; TCP] = context.load(at).ok()?;
    if tcp[13] & (SYN | ACK) != SYN {
        return None;
    }
    let connection = Connection {
        local: ip.destination,
        peer: ip.source,
        local_port: [tcp[2], tcp[3]],
        peer_port: [tcp[0], tcp[1]],
    };
    let options = SynOptions {
        context,
        at: at + TCP,
        length: options_length(tcp[12] >> 4)?,
        place: PLACE.get_ptr_mut(0)?,
    };
    match toa::find(&options) {
        Some(client) => {
            CLIENTS.insert(connection, client, 0).ok()?;
            count(Counter::Clients);
        }
        None => {
            // most often there is nothing to remove
            let _absent = CLIENTS.remove(connection);
        }
    }
    Some(())
}

/// Bytes of options in a header of so many 32-bit words; none when it is too short to be one.
///
/// The mask, which changes no valid length, keeps the range in the verifier's sight.
#[inline(always)]
fn options_length(words: u8) -> Option<usize> {
    let length = usize::from(words.wrapping_sub(5) & 0x0f) * 4;
    (length <= OPTIONS_MAX).then_some(length)
}

/// The options of a SYN in a packet.
struct SynOptions<'a> {
    context: &'a TcContext,
    at: usize,
    length: usize,
    place: *mut u64,
}

impl Options for SynOptions<'_> {
    #[inline(always)]
    fn length(&self) -> usize {
        self.length
    }

    #[inline(always)]
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.context.load(self.at + at).ok()
    }

    /// What comes out of a map's value is unknown to every verifier.
    #[inline(always)]
    fn conceal(&self, at: usize) -> usize {
        // SAFETY: the map's value is ours on this CPU, and programs of a hook do not nest.
        unsafe {
            self.place.write_volatile(at as u64);
            self.place.read_volatile() as usize
        }
    }
}
