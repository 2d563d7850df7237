//! The two entry layouts behind one trait, so that each protocol is written once.

use xvs_wire::{checksum, ipv4, ipv6};

use crate::{
    Env,
    abi::{Cold, Entry4, Entry6, Key4, Key6, OverflowKey, Seed, Tuple, WAYS, high32, join, low32},
    hash::{hash4, hash6},
    memory::{load32, load64},
    table::Draft,
};

/// An address family's table.
pub trait Family: Copy {
    /// Its entries. The tag is the first word.
    type Entry: Copy + Default;
    /// Its keys.
    type Key: Copy + for<'a> From<&'a Tuple>;
    /// Whether it is IPv6.
    const V6: bool;
    /// Length of its IP header.
    const IP_HEADER: usize;
    /// Offset of the source address in it.
    const SOURCE: usize;
    /// Offset of the destination address in it.
    const DESTINATION: usize;

    /// The key of the packet whose IP header is at `ip`.
    ///
    /// # Safety
    /// The IP header and four more bytes must be readable.
    unsafe fn key(ip: usize) -> Self::Key;
    /// The hash of a key.
    fn hash(key: &Self::Key, identity: u32, seed: &Seed) -> (u64, u32);
    /// Whether the entry has this key.
    ///
    /// # Safety
    /// `entry` must be readable.
    unsafe fn matches(entry: *const Self::Entry, key: &Self::Key) -> bool;
    /// A set.
    fn set<E: Env>(env: &E, set: u32) -> *mut [Self::Entry; WAYS];
    /// The cold side of a set.
    fn cold<E: Env>(env: &E, set: u32) -> *mut [Cold; WAYS];
    /// 64 less the binary logarithm of the number of sets.
    fn shift<E: Env>(env: &E) -> u32;
    /// An entry of the overflow hash.
    fn overflow<E: Env>(env: &E, key: &OverflowKey) -> *mut Self::Entry;
    /// Adds to the overflow hash.
    fn overflow_insert<E: Env>(env: &E, key: &OverflowKey, entry: *const Self::Entry) -> bool;
    /// Removes from the overflow hash; false where it was not there.
    fn overflow_remove<E: Env>(env: &E, key: &OverflowKey) -> bool;
    /// Writes everything but the tag.
    ///
    /// # Safety
    /// `entry` must be writable and claimed by the caller.
    unsafe fn fill(entry: *mut Self::Entry, draft: &Draft, peer: u32, now: u32);

    /// The fields that the protocols read and write.
    ///
    /// # Safety
    /// `entry` must be a valid entry.
    unsafe fn fields(entry: *mut Self::Entry) -> Fields;
    /// The key as a tuple.
    ///
    /// # Safety
    /// `entry` must be readable.
    unsafe fn tuple(entry: *const Self::Entry) -> Tuple;
    /// The recipe's addresses and ports as a tuple.
    ///
    /// # Safety
    /// `entry` must be readable.
    unsafe fn recipe(entry: *const Self::Entry) -> Tuple;
    /// Whether packets of `answer` are the replies to what packets of `entry` become.
    ///
    /// # Safety
    /// Both must be readable.
    unsafe fn answers(answer: *const Self::Entry, entry: *const Self::Entry) -> bool;
    /// Writes the tuple of replies to what packets of `entry` become.
    ///
    /// # Safety
    /// `entry` must be readable.
    unsafe fn answer_tuple(entry: *const Self::Entry, tuple: &mut Tuple);
    /// Deltas of addresses and of L4.
    ///
    /// # Safety
    /// `entry` must be readable.
    unsafe fn entry_deltas(entry: *const Self::Entry) -> (u16, u16);
}

/// Pointers to the fields that both layouts have.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of the entries' fields")]
pub struct Fields {
    pub tag: *mut u64,
    pub peer: *mut u32,
    pub next_hop: *mut u16,
    pub virtual_server: *mut u16,
    pub real_server: *mut u32,
    pub stamp: *mut u32,
    pub packets: *mut u32,
    pub bytes: *mut u64,
}

/// The IPv4 table.
#[derive(Clone, Copy, Debug)]
pub struct V4;

/// The IPv6 table.
#[derive(Clone, Copy, Debug)]
pub struct V6;

impl Family for V4 {
    type Entry = Entry4;
    type Key = Key4;
    const V6: bool = false;
    const IP_HEADER: usize = ipv4::HEADER;
    const SOURCE: usize = ipv4::SOURCE;
    const DESTINATION: usize = ipv4::DESTINATION;

    #[inline(always)]
    unsafe fn key(ip: usize) -> Key4 {
        // SAFETY: the caller vouches for the header and the ports behind it.
        unsafe {
            Key4 {
                addresses: load64(ip + ipv4::SOURCE),
                ports: load32(ip + ipv4::HEADER),
                zero: 0,
            }
        }
    }

    #[inline(always)]
    fn hash(key: &Key4, identity: u32, seed: &Seed) -> (u64, u32) {
        hash4(key, identity, seed)
    }

    #[inline(always)]
    unsafe fn matches(entry: *const Entry4, key: &Key4) -> bool {
        // SAFETY: the caller vouches for the entry.
        unsafe { (*entry).addresses == key.addresses && (*entry).ports == key.ports }
    }

    #[inline(always)]
    fn set<E: Env>(env: &E, set: u32) -> *mut [Entry4; WAYS] {
        env.set4(set)
    }

    #[inline(always)]
    fn cold<E: Env>(env: &E, set: u32) -> *mut [Cold; WAYS] {
        env.cold4(set)
    }

    #[inline(always)]
    fn shift<E: Env>(env: &E) -> u32 {
        env.shift4()
    }

    #[inline(always)]
    fn overflow<E: Env>(env: &E, key: &OverflowKey) -> *mut Entry4 {
        env.overflow4(key)
    }

    #[inline(always)]
    fn overflow_insert<E: Env>(env: &E, key: &OverflowKey, entry: *const Entry4) -> bool {
        env.overflow4_insert(key, entry)
    }

    #[inline(always)]
    fn overflow_remove<E: Env>(env: &E, key: &OverflowKey) -> bool {
        env.overflow4_remove(key)
    }

    #[inline(always)]
    unsafe fn fill(entry: *mut Entry4, draft: &Draft, peer: u32, now: u32) {
        // SAFETY: the caller vouches for the entry, which only it writes now.
        unsafe {
            (*entry).addresses = join(draft.tuple.source[0], draft.tuple.destination[0]);
            (*entry).ports = draft.tuple.ports;
            (*entry).peer = peer;
            (*entry).new_addresses = join(draft.recipe.source[0], draft.recipe.destination[0]);
            (*entry).new_ports = draft.recipe.ports;
            (*entry).ip_delta = draft.ip_delta;
            (*entry).l4_delta = draft.l4_delta;
            (*entry).next_hop = draft.next_hop;
            (*entry).virtual_server = draft.virtual_server;
            (*entry).real_server = draft.real_server;
            (*entry).stamp = now;
            (*entry).packets = 0;
            (*entry).bytes = 0;
        }
    }

    #[inline(always)]
    unsafe fn fields(entry: *mut Entry4) -> Fields {
        // SAFETY: the caller vouches for the entry; no reference is made.
        unsafe {
            Fields {
                tag: &raw mut (*entry).tag,
                peer: &raw mut (*entry).peer,
                next_hop: &raw mut (*entry).next_hop,
                virtual_server: &raw mut (*entry).virtual_server,
                real_server: &raw mut (*entry).real_server,
                stamp: &raw mut (*entry).stamp,
                packets: &raw mut (*entry).packets,
                bytes: &raw mut (*entry).bytes,
            }
        }
    }

    #[inline(always)]
    unsafe fn tuple(entry: *const Entry4) -> Tuple {
        // SAFETY: the caller vouches for the entry.
        unsafe { narrow((*entry).addresses, (*entry).ports) }
    }

    #[inline(always)]
    unsafe fn answers(answer: *const Entry4, entry: *const Entry4) -> bool {
        // SAFETY: the caller vouches for both.
        unsafe {
            (*answer).addresses == (*entry).new_addresses.rotate_left(32)
                && (*answer).ports == (*entry).new_ports.rotate_left(16)
        }
    }

    #[inline(always)]
    unsafe fn answer_tuple(entry: *const Entry4, tuple: &mut Tuple) {
        // SAFETY: the caller vouches for the entry.
        *tuple = unsafe {
            narrow(
                (*entry).new_addresses.rotate_left(32),
                (*entry).new_ports.rotate_left(16),
            )
        };
    }

    #[inline(always)]
    unsafe fn entry_deltas(entry: *const Entry4) -> (u16, u16) {
        // SAFETY: the caller vouches for the entry.
        unsafe { ((*entry).ip_delta, (*entry).l4_delta) }
    }

    #[inline(always)]
    unsafe fn recipe(entry: *const Entry4) -> Tuple {
        // SAFETY: the caller vouches for the entry.
        unsafe { narrow((*entry).new_addresses, (*entry).new_ports) }
    }
}

#[inline(always)]
fn narrow(addresses: u64, ports: u32) -> Tuple {
    Tuple {
        source: [low32(addresses), 0, 0, 0],
        destination: [high32(addresses), 0, 0, 0],
        ports,
    }
}

impl Family for V6 {
    type Entry = Entry6;
    type Key = Key6;
    const V6: bool = true;
    const IP_HEADER: usize = ipv6::HEADER;
    const SOURCE: usize = ipv6::SOURCE;
    const DESTINATION: usize = ipv6::DESTINATION;

    #[inline(always)]
    unsafe fn key(ip: usize) -> Key6 {
        // SAFETY: the caller vouches for the header and the ports behind it.
        unsafe {
            Key6 {
                source: [load64(ip + ipv6::SOURCE), load64(ip + ipv6::SOURCE + 8)],
                destination: [
                    load64(ip + ipv6::DESTINATION),
                    load64(ip + ipv6::DESTINATION + 8),
                ],
                ports: load32(ip + ipv6::HEADER),
                zero: 0,
            }
        }
    }

    #[inline(always)]
    fn hash(key: &Key6, identity: u32, seed: &Seed) -> (u64, u32) {
        hash6(key, identity, seed)
    }

    #[inline(always)]
    unsafe fn matches(entry: *const Entry6, key: &Key6) -> bool {
        // SAFETY: the caller vouches for the entry.
        unsafe {
            (*entry).source[0] == key.source[0]
                && (*entry).source[1] == key.source[1]
                && (*entry).destination[0] == key.destination[0]
                && (*entry).destination[1] == key.destination[1]
                && (*entry).ports == key.ports
        }
    }

    #[inline(always)]
    fn set<E: Env>(env: &E, set: u32) -> *mut [Entry6; WAYS] {
        env.set6(set)
    }

    #[inline(always)]
    fn cold<E: Env>(env: &E, set: u32) -> *mut [Cold; WAYS] {
        env.cold6(set)
    }

    #[inline(always)]
    fn shift<E: Env>(env: &E) -> u32 {
        env.shift6()
    }

    #[inline(always)]
    fn overflow<E: Env>(env: &E, key: &OverflowKey) -> *mut Entry6 {
        env.overflow6(key)
    }

    #[inline(always)]
    fn overflow_insert<E: Env>(env: &E, key: &OverflowKey, entry: *const Entry6) -> bool {
        env.overflow6_insert(key, entry)
    }

    #[inline(always)]
    fn overflow_remove<E: Env>(env: &E, key: &OverflowKey) -> bool {
        env.overflow6_remove(key)
    }

    #[inline(always)]
    unsafe fn fill(entry: *mut Entry6, draft: &Draft, peer: u32, now: u32) {
        // SAFETY: the caller vouches for the entry, which only it writes now.
        unsafe {
            (*entry).source = crate::abi::halves(&draft.tuple.source);
            (*entry).destination = crate::abi::halves(&draft.tuple.destination);
            (*entry).ports = draft.tuple.ports;
            (*entry).peer = peer;
            (*entry).ip_delta = draft.ip_delta;
            (*entry).l4_delta = draft.l4_delta;
            (*entry).next_hop = draft.next_hop;
            (*entry).real_server = draft.real_server;
            (*entry).virtual_server = draft.virtual_server;
            (*entry).new_source = crate::abi::halves(&draft.recipe.source);
            (*entry).new_destination = crate::abi::halves(&draft.recipe.destination);
            (*entry).new_ports = draft.recipe.ports;
            (*entry).stamp = now;
            (*entry).packets = 0;
            (*entry).bytes = 0;
        }
    }

    #[inline(always)]
    unsafe fn fields(entry: *mut Entry6) -> Fields {
        // SAFETY: the caller vouches for the entry; no reference is made.
        unsafe {
            Fields {
                tag: &raw mut (*entry).tag,
                peer: &raw mut (*entry).peer,
                next_hop: &raw mut (*entry).next_hop,
                virtual_server: &raw mut (*entry).virtual_server,
                real_server: &raw mut (*entry).real_server,
                stamp: &raw mut (*entry).stamp,
                packets: &raw mut (*entry).packets,
                bytes: &raw mut (*entry).bytes,
            }
        }
    }

    #[inline(always)]
    unsafe fn tuple(entry: *const Entry6) -> Tuple {
        // SAFETY: the caller vouches for the entry.
        unsafe {
            Tuple {
                source: crate::abi::whole(&(*entry).source),
                destination: crate::abi::whole(&(*entry).destination),
                ports: (*entry).ports,
            }
        }
    }

    #[inline(always)]
    unsafe fn answers(answer: *const Entry6, entry: *const Entry6) -> bool {
        // SAFETY: the caller vouches for both.
        unsafe {
            (*answer).source[0] == (*entry).new_destination[0]
                && (*answer).source[1] == (*entry).new_destination[1]
                && (*answer).destination[0] == (*entry).new_source[0]
                && (*answer).destination[1] == (*entry).new_source[1]
                && (*answer).ports == (*entry).new_ports.rotate_left(16)
        }
    }

    #[inline(always)]
    unsafe fn answer_tuple(entry: *const Entry6, tuple: &mut Tuple) {
        // SAFETY: the caller vouches for the entry.
        unsafe {
            tuple.source = crate::abi::whole(&(*entry).new_destination);
            tuple.destination = crate::abi::whole(&(*entry).new_source);
            tuple.ports = (*entry).new_ports.rotate_left(16);
        }
    }

    #[inline(always)]
    unsafe fn entry_deltas(entry: *const Entry6) -> (u16, u16) {
        // SAFETY: the caller vouches for the entry.
        unsafe { ((*entry).ip_delta, (*entry).l4_delta) }
    }

    #[inline(always)]
    unsafe fn recipe(entry: *const Entry6) -> Tuple {
        // SAFETY: the caller vouches for the entry.
        unsafe {
            Tuple {
                source: crate::abi::whole(&(*entry).new_source),
                destination: crate::abi::whole(&(*entry).new_destination),
                ports: (*entry).new_ports,
            }
        }
    }
}

/// Deltas of a rewrite from `old` to `new`: (of the addresses, of addresses and ports).
#[inline(always)]
#[must_use]
pub(crate) fn deltas(old: &Tuple, new: &Tuple, ipv6: bool) -> (u16, u16) {
    let mut sum = checksum::delta32(old.source[0], new.source[0])
        + checksum::delta32(old.destination[0], new.destination[0]);
    if ipv6 {
        sum += checksum::delta32(old.source[1], new.source[1])
            + checksum::delta32(old.source[2], new.source[2])
            + checksum::delta32(old.source[3], new.source[3])
            + checksum::delta32(old.destination[1], new.destination[1])
            + checksum::delta32(old.destination[2], new.destination[2])
            + checksum::delta32(old.destination[3], new.destination[3]);
    }
    (
        checksum::fold(sum),
        checksum::fold(sum + checksum::delta32(old.ports, new.ports)),
    )
}
