//! A CPU that runs the programs.

use std::{
    cell::{Cell, UnsafeCell},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use crate::{
    Env, Flow, Rounds, Visitor,
    abi::{
        AddressFilter, Block, CallId, Cold, Counter, DROPS, Early, Entry4, Entry6, Fragment,
        FragmentKey, Held, HeldKey, HopKey, LinkMac, LocalAddress, Locality, LocalityKey, NONE,
        NextHop, OverflowKey, RealServer, Seed, Sequence, ServiceKey, Settings, Text,
        VirtualServer, WAYS, high32, index, low16, low32,
    },
    native::Tables,
    open, scheduler,
    table::{self, Scratch, V4, V6},
};

/// Real servers that the walk of `ebpf/` looks at, at the most.
const WALK_MOST: u32 = 511 * 16;

/// One CPU: what is its own, a clock that the test sets, and the maps.
#[derive(Debug)]
pub struct Cpu {
    tables: Arc<Tables>,
    scratch: Box<UnsafeCell<Scratch>>,
    flow: Box<UnsafeCell<Flow>>,
    held: Box<UnsafeCell<Held>>,
    text: Box<UnsafeCell<Text>>,
    now: Cell<u32>,
    random: Cell<u64>,
    counters: Box<[Cell<u64>; 64]>,
}

impl Cpu {
    /// A CPU on these maps, at `now` jiffies; `random` seeds its random numbers.
    #[must_use]
    pub fn new(tables: &Arc<Tables>, now: u32, random: u64) -> Self {
        Self {
            tables: Arc::clone(tables),
            scratch: Box::default(),
            flow: Box::default(),
            held: Box::default(),
            text: Box::default(),
            now: Cell::new(now),
            random: Cell::new(random | 1),
            counters: Box::new([const { Cell::new(0) }; 64]),
        }
    }

    /// The maps.
    #[must_use]
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Lets `jiffies` pass.
    pub fn wait(&self, jiffies: u32) {
        self.now.set(self.now.get().wrapping_add(jiffies));
    }

    /// How often this CPU counted an event.
    #[must_use]
    pub fn counted(&self, counter: Counter) -> u64 {
        self.counters[index(counter.index())].get()
    }

    /// How many drops this CPU counted, for whatever reason.
    #[must_use]
    pub fn drops(&self) -> u64 {
        self.counters.iter().take(index(DROPS)).map(Cell::get).sum()
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        for (total, own) in self.tables.counters.iter().zip(self.counters.iter()) {
            total.fetch_add(own.get(), Ordering::Relaxed);
        }
    }
}

macro_rules! by_family {
    ($ipv6:expr, $path:path, $($argument:expr),+) => {{
        use $path as function;
        if $ipv6 {
            function::<V6, Self>($($argument),+)
        } else {
            function::<V4, Self>($($argument),+)
        }
    }};
}

impl Env for Cpu {
    fn now(&self) -> u32 {
        self.now.get()
    }

    fn random(&self) -> u32 {
        // xorshift64*, which is enough to spread.
        let mut word = self.random.get();
        word ^= word >> 12;
        word ^= word << 25;
        word ^= word >> 27;
        self.random.set(word);
        high32(word.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn seed(&self) -> &Seed {
        &self.tables.seed
    }

    fn shift4(&self) -> u32 {
        self.tables.shift4
    }

    fn shift6(&self) -> u32 {
        self.tables.shift6
    }

    fn settings(&self) -> *mut Settings {
        self.tables.settings.pointer(0)
    }

    fn filter(&self) -> *const AddressFilter {
        self.tables.filter.pointer(0)
    }

    fn scratch(&self) -> *mut Scratch {
        self.scratch.get()
    }

    fn flow(&self) -> *mut Flow {
        self.flow.get()
    }

    fn set4(&self, set: u32) -> *mut [Entry4; WAYS] {
        self.tables.flows4.pointer(set)
    }

    fn set6(&self, set: u32) -> *mut [Entry6; WAYS] {
        self.tables.flows6.pointer(set)
    }

    fn cold4(&self, set: u32) -> *mut [Cold; WAYS] {
        self.tables.cold4.pointer(set)
    }

    fn cold6(&self, set: u32) -> *mut [Cold; WAYS] {
        self.tables.cold6.pointer(set)
    }

    fn overflow4(&self, key: &OverflowKey) -> *mut Entry4 {
        self.tables.overflow4.pointer(key)
    }

    fn overflow6(&self, key: &OverflowKey) -> *mut Entry6 {
        self.tables.overflow6.pointer(key)
    }

    #[expect(
        clippy::not_unsafe_ptr_arg_deref,
        reason = "the trait vouches for the entry"
    )]
    fn overflow4_insert(&self, key: &OverflowKey, entry: *const Entry4) -> bool {
        // SAFETY: the entry is the scratch's.
        self.tables.overflow4.insert_new(*key, unsafe { *entry })
    }

    #[expect(
        clippy::not_unsafe_ptr_arg_deref,
        reason = "the trait vouches for the entry"
    )]
    fn overflow6_insert(&self, key: &OverflowKey, entry: *const Entry6) -> bool {
        // SAFETY: the entry is the scratch's.
        self.tables.overflow6.insert_new(*key, unsafe { *entry })
    }

    fn overflow4_remove(&self, key: &OverflowKey) -> bool {
        self.tables.overflow4.remove(key)
    }

    fn overflow6_remove(&self, key: &OverflowKey) -> bool {
        self.tables.overflow6.remove(key)
    }

    fn overflown(&self, ipv6: bool) -> *mut u64 {
        self.tables.overflown.pointer(u32::from(ipv6))
    }

    fn virtual_server_index(&self, key: &ServiceKey) -> u32 {
        self.tables.services.get(key).unwrap_or(NONE)
    }

    fn virtual_server(&self, index: u32) -> *mut VirtualServer {
        self.tables.virtual_servers.pointer(index)
    }

    fn real_server(&self, index: u32) -> *mut RealServer {
        self.tables.real_servers.pointer(index)
    }

    fn block(&self, index: u32) -> *mut Block {
        self.tables.blocks.pointer(index)
    }

    fn locality(&self, key: &LocalityKey) -> *mut Locality {
        self.tables.localities.pointer(key)
    }

    fn locality_insert(&self, key: &LocalityKey, locality: &Locality) {
        self.tables.localities.insert_new(*key, *locality);
    }

    fn fragment(&self, key: &FragmentKey) -> *const Fragment {
        self.tables.fragments.pointer(key)
    }

    fn fragment_insert(&self, key: &FragmentKey, fragment: &Fragment) {
        self.tables.fragments.remove(key);
        self.tables.fragments.insert_new(*key, *fragment);
    }

    fn early(&self, key: &FragmentKey) -> *mut Early {
        self.tables.early.pointer(key)
    }

    fn early_insert(&self, key: &FragmentKey, early: &Early) {
        self.tables.early.remove(key);
        self.tables.early.insert_new(*key, *early);
    }

    fn early_remove(&self, key: &FragmentKey) {
        self.tables.early.remove(key);
    }

    fn held_room(&self) -> *mut Held {
        self.held.get()
    }

    fn held(&self, key: &HeldKey) -> *const Held {
        self.tables.held.pointer(key)
    }

    #[expect(
        clippy::not_unsafe_ptr_arg_deref,
        reason = "the trait vouches for the frame"
    )]
    fn held_insert(&self, key: &HeldKey, held: *const Held) -> bool {
        // SAFETY: the frame is this CPU's room.
        self.tables.held.insert_new(*key, unsafe { *held })
    }

    fn held_remove(&self, key: &HeldKey) {
        self.tables.held.remove(key);
    }

    fn text(&self) -> *mut Text {
        self.text.get()
    }

    #[expect(
        clippy::not_unsafe_ptr_arg_deref,
        reason = "the trait vouches for the Call-ID"
    )]
    fn call_id_insert(&self, template: &OverflowKey, call_id: *const CallId) {
        self.tables.call_ids.remove(template);
        // SAFETY: the Call-ID is in this CPU's room.
        self.tables
            .call_ids
            .insert_new(*template, unsafe { *call_id });
    }

    fn sequence(&self, key: &OverflowKey) -> *mut Sequence {
        self.tables.sequences.pointer(key)
    }

    fn sequence_insert(&self, key: &OverflowKey, sequence: &Sequence) {
        self.tables.sequences.insert_new(*key, *sequence);
    }

    fn sequence_remove(&self, key: &OverflowKey) {
        self.tables.sequences.remove(key);
    }

    fn local_address(&self, index: u32) -> *mut LocalAddress {
        self.tables.locals.pointer(index)
    }

    fn link_mac(&self, key: &LinkMac) -> u32 {
        self.tables.link_macs.get(key).unwrap_or(0)
    }

    fn link(&self, ifindex: u32) -> u64 {
        let noted = self.tables.links.pointer(ifindex);
        if noted.is_null() {
            return 0;
        }
        // SAFETY: the element lives as long as the array.
        unsafe { noted.read() }
    }

    fn next_hop(&self, index: u32) -> *const NextHop {
        self.tables.next_hops.pointer(index)
    }

    fn next_hop_index(&self, key: &HopKey) -> u16 {
        self.tables.hop_index.get(key).map_or(0, low16)
    }

    fn next_hop_learn(&self, key: &HopKey) -> u16 {
        let free = self
            .tables
            .hops_free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some(free) = free else {
            return 0;
        };
        self.tables.next_hops.edit(free, |hop| {
            *hop = NextHop {
                ifindex: key.ifindex,
                ..NextHop::default()
            };
        });
        if self.tables.hop_index.insert_new(*key, free) {
            low16(free)
        } else {
            self.next_hop_index(key)
        }
    }

    unsafe fn compare_exchange(&self, word: *mut u64, old: u64, new: u64) -> u64 {
        // SAFETY: the caller vouches for the word.
        let word = unsafe { AtomicU64::from_ptr(word) };
        match word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(seen) | Err(seen) => seen,
        }
    }

    unsafe fn compare_exchange32(&self, word: *mut u32, old: u32, new: u32) -> u32 {
        // SAFETY: the caller vouches for the word.
        let word = unsafe { AtomicU32::from_ptr(word) };
        match word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(seen) | Err(seen) => seen,
        }
    }

    unsafe fn exchange(&self, word: *mut u64, new: u64) {
        // SAFETY: the caller vouches for the word.
        unsafe { AtomicU64::from_ptr(word) }.swap(new, Ordering::AcqRel);
    }

    unsafe fn add32(&self, word: *mut u32, amount: u32) -> u32 {
        // SAFETY: the caller vouches for the word.
        unsafe { AtomicU32::from_ptr(word) }.fetch_add(amount, Ordering::AcqRel)
    }

    unsafe fn add64(&self, word: *mut u64, amount: u64) {
        // SAFETY: the caller vouches for the word.
        unsafe { AtomicU64::from_ptr(word) }.fetch_add(amount, Ordering::AcqRel);
    }

    fn count(&self, counter: Counter) {
        let value = &self.counters[index(counter.index())];
        value.set(value.get() + 1);
    }

    fn walk<V: Visitor>(&self, members: u64, start: u32, visitor: &mut V) {
        let (first, total) = (low32(members), high32(members));
        for step in 0..total.min(WALK_MOST) {
            let position = start + step;
            let position = if position >= total {
                position - total
            } else {
                position
            };
            let block = self.block(first + (position >> 6));
            if block.is_null() {
                return;
            }
            // SAFETY: the block is a valid map value.
            let member = unsafe { (*block).members[index(position & 63)] };
            let server = self.real_server(member);
            if server.is_null() {
                return;
            }
            // SAFETY: the server is a valid map value.
            if visitor.visit(position, member, unsafe { &*server }) {
                return;
            }
        }
    }

    fn repeat<R: Rounds>(&self, count: u32, rounds: &mut R) {
        for _ in 0..count {
            if rounds.round() {
                return;
            }
        }
    }

    fn claim_call(&self, ipv6: bool, set: u32, way: u32, identity: u64, evict: bool) -> i64 {
        by_family!(ipv6, table::claim, self, set, way, identity, evict)
    }

    fn conflict_call(&self, ipv6: bool, set: u32, mine: u32, which: u32) -> u32 {
        by_family!(ipv6, table::conflict, self, set, mine, which)
    }

    fn end_call(&self, ipv6: bool, place: u32) -> bool {
        by_family!(ipv6, table::end, self, place)
    }

    fn find_call(&self, ipv6: bool, which: u32) -> i64 {
        by_family!(ipv6, table::find, self, which)
    }

    fn insert_call(&self, ipv6: bool, two_way: bool) -> i64 {
        by_family!(ipv6, table::insert, self, two_way)
    }

    fn choose_call(&self, ipv6: bool, virtual_server: u32, protocol: u32) -> u64 {
        by_family!(ipv6, open::choose, self, virtual_server, protocol)
    }

    fn connect_call(&self, ipv6: bool, virtual_server: u32, real_server: u32, how: u32) -> i64 {
        by_family!(ipv6, open::connect, self, virtual_server, real_server, how)
    }

    fn crc32c_call(&self, change: u32, length: u32) -> u32 {
        xvs_wire::crc32c::change(change, length)
    }

    fn pick_call(&self, virtual_server: u32) -> u32 {
        scheduler::pick(self, virtual_server)
    }
}
