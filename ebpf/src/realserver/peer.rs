//! Tells a server who its client is when it asks the kernel for its peer.
//!
//! The kernel runs these hooks for `getpeername` and for `accept` with an address, on every socket
//! below the cgroup; only those of our own network namespace are answered.

use aya_ebpf::{
    EbpfContext, bindings::bpf_sock, btf_maps::SkStorage, helpers::bpf_get_netns_cookie,
    macros::btf_map, programs::SockAddrContext,
};
use xvs_wire::toa::{Client, mapped, unmapped};

use crate::{
    client::{CLIENTS, Connection},
    ip::{PROTOCOL_TCP, words},
};

/// What the hook answers: go on. The kernel takes no other answer here.
pub const PROCEED: i32 = 1;

/// The network namespace whose sockets are ours; user space sets it.
#[unsafe(no_mangle)]
static NETNS_COOKIE: u64 = 0;

/// The client of each socket, for as long as the socket lives.
#[btf_map]
static SOCKETS: SkStorage<Client> = SkStorage::new();

/// Answers for an IPv4 socket, unless its client has an IPv6 address.
#[inline(always)]
pub fn name_v4(context: &SockAddrContext) -> Option<()> {
    let client = client(context)?;
    let address = unmapped(client.address)?;
    // SAFETY: the kernel hands every program a valid context, and these fields may be written.
    unsafe {
        (*context.sock_addr).user_ip4 = u32::from_ne_bytes(address);
        (*context.sock_addr).user_port = u32::from(u16::from_ne_bytes(client.port));
    }
    Some(())
}

/// Answers for an IPv6 socket, which can name IPv4 clients too.
#[inline(always)]
pub fn name_v6(context: &SockAddrContext) -> Option<()> {
    let client = client(context)?;
    let words = words(&client.address);
    // SAFETY: as in `name_v4`.
    unsafe {
        (*context.sock_addr).user_ip6[0] = words[0];
        (*context.sock_addr).user_ip6[1] = words[1];
        (*context.sock_addr).user_ip6[2] = words[2];
        (*context.sock_addr).user_ip6[3] = words[3];
        (*context.sock_addr).user_port = u32::from(u16::from_ne_bytes(client.port));
    }
    Some(())
}

/// The client of the socket that is asked about.
#[inline(always)]
fn client(context: &SockAddrContext) -> Option<Client> {
    // SAFETY: the kernel hands every program a valid context.
    let (protocol, socket) = unsafe {
        (
            (*context.sock_addr).protocol,
            (*context.sock_addr).__bindgen_anon_1.sk,
        )
    };
    // SAFETY: the static is initialised; user space may have replaced it before the program loaded.
    let ours = unsafe { core::ptr::read_volatile(&raw const NETNS_COOKIE) };
    if protocol != u32::from(PROTOCOL_TCP) {
        return None;
    }
    // SAFETY: the context is the kernel's own.
    let asked = unsafe { bpf_get_netns_cookie(context.as_ptr()) };
    if asked != ours {
        return None;
    }
    // SAFETY: the map hands out null or a value that lives as long as the socket.
    if let Some(known) = unsafe { SOCKETS.get_ptr_mut(context).as_ref() } {
        return Some(*known);
    }
    let connection = connection(socket)?;
    // SAFETY: the value is copied at once; a concurrent SYN between the same ends can at worst
    // name that other client.
    let mut client = *unsafe { CLIENTS.get(connection) }?;
    // SAFETY: the map copies the value.
    let kept = unsafe { SOCKETS.get_or_insert_ptr_mut(context, Some(&mut client)) };
    if !kept.is_null() {
        // another thread may have removed it already
        let _absent = CLIENTS.remove(connection);
    }
    Some(client)
}

/// The two ends of a socket's connection.
#[inline(always)]
fn connection(socket: *mut bpf_sock) -> Option<Connection> {
    const AF_INET: u32 = 2;
    const AF_INET6: u32 = 10;
    // SAFETY: the kernel's hook never has a null socket, and its fields may be read.
    unsafe {
        let (local, peer) = match (*socket).family {
            AF_INET => (
                mapped((*socket).src_ip4.to_ne_bytes()),
                mapped((*socket).dst_ip4.to_ne_bytes()),
            ),
            AF_INET6 => (
                bytes(&raw const (*socket).src_ip6),
                bytes(&raw const (*socket).dst_ip6),
            ),
            _ => return None,
        };
        Some(Connection {
            local,
            peer,
            // the kernel gives the local port in host order and the peer's in network order
            local_port: ((*socket).src_port as u16).to_be_bytes(),
            peer_port: (*socket).dst_port.to_ne_bytes(),
        })
    }
}

/// The bytes of an address that the kernel lets be read by the word.
///
/// # Safety
///
/// `address` must be a field of a valid kernel structure.
#[inline(always)]
unsafe fn bytes(address: *const [u32; 4]) -> [u8; 16] {
    // SAFETY: the caller's; volatile keeps the compiler from merging words, which the verifier
    // would reject.
    let [a, b, c, d] = unsafe {
        let word = address.cast::<u32>();
        [
            word.read_volatile(),
            word.add(1).read_volatile(),
            word.add(2).read_volatile(),
            word.add(3).read_volatile(),
        ]
    };
    let mut bytes = [0; 16];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip([a, b, c, d]) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}
