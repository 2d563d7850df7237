//! What the datapath needs around it: maps, atomics, time.

use crate::{
    Flow,
    abi::{
        AddressFilter, Block, CallId, Cold, Counter, Early, Entry4, Entry6, Fragment, FragmentKey,
        Held, HeldKey, HopKey, LinkMac, LocalAddress, Locality, LocalityKey, NextHop, OverflowKey,
        RealServer, Seed, Sequence, ServiceKey, Settings, Text, VirtualServer, WAYS,
    },
    table::Scratch,
};

/// A walk over the real servers of a virtual server. Implementations hold plain integers only.
pub trait Visitor {
    /// Looks at the server at `position` in the list; `true` ends the walk.
    fn visit(&mut self, position: u32, index: u32, server: &RealServer) -> bool;
}

/// A loop whose rounds the verifier looks at once. Implementations hold plain integers and what they
/// were given by reference.
pub trait Rounds {
    /// Does one round; `true` ends the loop.
    fn round(&mut self) -> bool;
}

/// The maps and helpers of the programs, or their like in a process.
///
/// Pointers are null where there is nothing. The functions that end in `_call` run their namesakes
/// in [`crate::table`] and [`crate::scheduler`]; in BPF each is a global function that the verifier
/// checks once.
pub trait Env {
    /// Jiffies, the low 32 bits.
    fn now(&self) -> u32;
    /// A random number.
    fn random(&self) -> u32;
    /// The secret of the hash.
    fn seed(&self) -> &Seed;
    /// 64 less the binary logarithm of the number of IPv4 sets.
    fn shift4(&self) -> u32;
    /// 64 less the binary logarithm of the number of IPv6 sets.
    fn shift6(&self) -> u32;

    /// The settings.
    fn settings(&self) -> *mut Settings;
    /// The address filter.
    fn filter(&self) -> *const AddressFilter;
    /// Space of this CPU.
    fn scratch(&self) -> *mut Scratch;
    /// Room of this CPU for the flow of the packet that a program behind the fast path has.
    fn flow(&self) -> *mut Flow;
    /// A set of the IPv4 table.
    fn set4(&self, set: u32) -> *mut [Entry4; WAYS];
    /// A set of the IPv6 table.
    fn set6(&self, set: u32) -> *mut [Entry6; WAYS];
    /// The cold side of a set of the IPv4 table.
    fn cold4(&self, set: u32) -> *mut [Cold; WAYS];
    /// The cold side of a set of the IPv6 table.
    fn cold6(&self, set: u32) -> *mut [Cold; WAYS];
    /// An entry of the IPv4 overflow hash.
    fn overflow4(&self, key: &OverflowKey) -> *mut Entry4;
    /// An entry of the IPv6 overflow hash.
    fn overflow6(&self, key: &OverflowKey) -> *mut Entry6;
    /// Adds to the IPv4 overflow hash what is not there yet; false when it is there or full.
    fn overflow4_insert(&self, key: &OverflowKey, entry: *const Entry4) -> bool;
    /// Adds to the IPv6 overflow hash what is not there yet; false when it is there or full.
    fn overflow6_insert(&self, key: &OverflowKey, entry: *const Entry6) -> bool;
    /// Removes from the IPv4 overflow hash; false where it was not there.
    fn overflow4_remove(&self, key: &OverflowKey) -> bool;
    /// Removes from the IPv6 overflow hash; false where it was not there.
    fn overflow6_remove(&self, key: &OverflowKey) -> bool;
    /// How many entries the overflow hash of a family has, or is about to have.
    fn overflown(&self, ipv6: bool) -> *mut u64;

    /// Index of the virtual server with `key`, or [`NONE`](crate::abi::NONE).
    fn virtual_server_index(&self, key: &ServiceKey) -> u32;
    /// A virtual server.
    fn virtual_server(&self, index: u32) -> *mut VirtualServer;
    /// A real server.
    fn real_server(&self, index: u32) -> *mut RealServer;
    /// A block of a list of real servers.
    fn block(&self, index: u32) -> *mut Block;
    /// What lblc and lblcr remember of a destination.
    fn locality(&self, key: &LocalityKey) -> *mut Locality;
    /// Remembers a destination; what was used longest ago may be forgotten for it.
    fn locality_insert(&self, key: &LocalityKey, locality: &Locality);
    /// What is remembered of a fragmented packet.
    fn fragment(&self, key: &FragmentKey) -> *const Fragment;
    /// Remembers a fragmented packet; what was used longest ago may be forgotten for it.
    fn fragment_insert(&self, key: &FragmentKey, fragment: &Fragment);
    /// How many fragments of a packet are held.
    fn early(&self, key: &FragmentKey) -> *mut Early;
    /// Notes that fragments of a packet are held; what was used longest ago may be forgotten for it.
    fn early_insert(&self, key: &FragmentKey, early: &Early);
    /// Forgets that fragments of a packet are held.
    fn early_remove(&self, key: &FragmentKey);
    /// Room of this CPU for a frame.
    fn held_room(&self) -> *mut Held;
    /// A frame that is held.
    fn held(&self, key: &HeldKey) -> *const Held;
    /// Holds a frame; what was used longest ago may be forgotten for it.
    fn held_insert(&self, key: &HeldKey, held: *const Held) -> bool;
    /// Holds a frame no more.
    fn held_remove(&self, key: &HeldKey);
    /// Room of this CPU for the text of its packet.
    fn text(&self) -> *mut Text;
    /// Remembers the Call-ID of a template, for those who list it; what was used longest ago may be
    /// forgotten for it.
    fn call_id_insert(&self, template: &OverflowKey, call_id: *const CallId);
    /// How the two ends of a connection count differently.
    fn sequence(&self, key: &OverflowKey) -> *mut Sequence;
    /// Remembers how they do; what was used longest ago may be forgotten for it.
    fn sequence_insert(&self, key: &OverflowKey, sequence: &Sequence);
    /// Forgets that they do.
    fn sequence_remove(&self, key: &OverflowKey);
    /// A local address.
    fn local_address(&self, index: u32) -> *mut LocalAddress;
    /// Flags of [`link_mac_flag`](crate::abi::link_mac_flag) of a link's address; 0 for another's.
    fn link_mac(&self, key: &LinkMac) -> u32;

    /// What is noted of a link's first address ([`LinkMac::noted`]); 0 where nothing is, and
    /// [`Env::link_mac`] has to be asked.
    fn link(&self, ifindex: u32) -> u64;

    /// A next hop.
    fn next_hop(&self, index: u32) -> *const NextHop;
    /// Index of the next hop of a neighbour, 0 for none.
    fn next_hop_index(&self, key: &HopKey) -> u16;
    /// Makes a next hop for a neighbour, unresolved; 0 when there is no room.
    fn next_hop_learn(&self, key: &HopKey) -> u16;

    /// Replaces `old` by `new`; answers what was there.
    ///
    /// # Safety
    /// `word` must be valid, aligned and shared through this function and its like alone.
    unsafe fn compare_exchange(&self, word: *mut u64, old: u64, new: u64) -> u64;
    /// As [`Env::compare_exchange`], for half a word.
    ///
    /// # Safety
    /// As there.
    unsafe fn compare_exchange32(&self, word: *mut u32, old: u32, new: u32) -> u32;
    /// Stores `new`, ordered after all before it.
    ///
    /// # Safety
    /// As for [`Env::compare_exchange`].
    unsafe fn exchange(&self, word: *mut u64, new: u64);
    /// Adds; answers what was there.
    ///
    /// # Safety
    /// As for [`Env::compare_exchange`].
    unsafe fn add32(&self, word: *mut u32, amount: u32) -> u32;
    /// Adds.
    ///
    /// # Safety
    /// As for [`Env::compare_exchange`].
    unsafe fn add64(&self, word: *mut u64, amount: u64);

    /// Counts an event.
    fn count(&self, counter: Counter);

    /// Walks the list `members` once from position `start` on, round its end, until the visitor ends
    /// it.
    fn walk<V: Visitor>(&self, members: u64, start: u32, visitor: &mut V);

    /// Runs at most `count` rounds.
    fn repeat<R: Rounds>(&self, count: u32, rounds: &mut R);

    /// [`crate::table::claim`].
    fn claim_call(&self, ipv6: bool, set: u32, way: u32, identity: u64, evict: bool) -> i64;
    /// [`crate::table::conflict`].
    fn conflict_call(&self, ipv6: bool, set: u32, mine: u32, which: u32) -> u32;
    /// [`crate::table::end`].
    fn end_call(&self, ipv6: bool, place: u32) -> bool;
    /// [`crate::table::find`].
    fn find_call(&self, ipv6: bool, which: u32) -> i64;
    /// [`crate::table::insert`].
    fn insert_call(&self, ipv6: bool, two_way: bool) -> i64;
    /// [`crate::open::choose`].
    fn choose_call(&self, ipv6: bool, virtual_server: u32, protocol: u32) -> u64;
    /// [`crate::open::connect`].
    fn connect_call(&self, ipv6: bool, virtual_server: u32, real_server: u32, how: u32) -> i64;
    /// [`xvs_wire::crc32c::change`].
    fn crc32c_call(&self, change: u32, length: u32) -> u32;
    /// [`crate::scheduler::pick`].
    fn pick_call(&self, virtual_server: u32) -> u32;
}
