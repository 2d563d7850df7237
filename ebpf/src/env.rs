//! The environment of the datapath: maps, atomics, time.

use core::{
    intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd, atomic_xchg},
    ptr::{null_mut, read_volatile},
};

use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_jiffies64};
use xvs_datapath::{
    Env, Flow, Rounds, Visitor,
    abi::{
        AddressFilter, Block, CallId, Cold, Counter, Early, Entry4, Entry6, Fragment, FragmentKey,
        Held, HeldKey, HopKey, LinkMac, LocalAddress, Locality, LocalityKey, NONE, NextHop,
        OverflowKey, RealServer, Seed, Sequence, ServiceKey, Settings, Text, VirtualServer, WAYS,
        low16, low32,
    },
    memory::opaque,
    scheduler,
    table::Scratch,
};

use crate::{calls, maps, walk};

/// `BPF_NOEXIST`.
const NOEXIST: u64 = 1;

/// The maps of this object.
#[derive(Clone, Copy)]
pub struct Maps;

/// A pointer or null: `Option` of a raw pointer has an undefined payload, which the verifier sees.
#[inline(always)]
fn or_null<T>(pointer: Option<*mut T>) -> *mut T {
    match pointer {
        Some(pointer) => pointer,
        None => null_mut(),
    }
}

impl Env for Maps {
    #[inline(always)]
    fn now(&self) -> u32 {
        // SAFETY: the helper has no precondition.
        low32(unsafe { bpf_jiffies64() })
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: the helper has no precondition.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn seed(&self) -> &Seed {
        // SAFETY: the static lives for ever. The loader replaces its bytes: through an opaque pointer
        // the compiler cannot assume zero.
        unsafe { &*opaque((&raw const maps::SEED).cast_mut()) }
    }

    #[inline(always)]
    fn shift4(&self) -> u32 {
        // SAFETY: as for the seed.
        unsafe { read_volatile(&raw const maps::SHIFT4) }
    }

    #[inline(always)]
    fn shift6(&self) -> u32 {
        // SAFETY: as for the seed.
        unsafe { read_volatile(&raw const maps::SHIFT6) }
    }

    #[inline(always)]
    fn settings(&self) -> *mut Settings {
        or_null(maps::SETTINGS.get_ptr_mut(0))
    }

    #[inline(always)]
    fn filter(&self) -> *const AddressFilter {
        or_null(maps::FILTER.get_ptr_mut(0))
    }

    #[inline(always)]
    fn scratch(&self) -> *mut Scratch {
        or_null(maps::SCRATCH.get_ptr_mut(0))
    }

    #[inline(always)]
    fn flow(&self) -> *mut Flow {
        or_null(maps::FLOW.get_ptr_mut(0))
    }

    #[inline(always)]
    fn set4(&self, set: u32) -> *mut [Entry4; WAYS] {
        or_null(maps::FLOWS4.get_ptr_mut(set))
    }

    #[inline(always)]
    fn set6(&self, set: u32) -> *mut [Entry6; WAYS] {
        or_null(maps::FLOWS6.get_ptr_mut(set))
    }

    #[inline(always)]
    fn cold4(&self, set: u32) -> *mut [Cold; WAYS] {
        or_null(maps::COLD4.get_ptr_mut(set))
    }

    #[inline(always)]
    fn cold6(&self, set: u32) -> *mut [Cold; WAYS] {
        or_null(maps::COLD6.get_ptr_mut(set))
    }

    #[inline(always)]
    fn overflow4(&self, key: &OverflowKey) -> *mut Entry4 {
        or_null(maps::OVERFLOW4.get_ptr_mut(key))
    }

    #[inline(always)]
    fn overflow6(&self, key: &OverflowKey) -> *mut Entry6 {
        or_null(maps::OVERFLOW6.get_ptr_mut(key))
    }

    #[inline(always)]
    fn overflow4_insert(&self, key: &OverflowKey, entry: *const Entry4) -> bool {
        // By reference: a copy would take an entry's size of the stack.
        // SAFETY: the entry is the scratch's.
        let entry: &Entry4 = unsafe { &*entry };
        maps::OVERFLOW4.insert(key, entry, NOEXIST).is_ok()
    }

    #[inline(always)]
    fn overflow6_insert(&self, key: &OverflowKey, entry: *const Entry6) -> bool {
        // By reference: a copy would take an entry's size of the stack.
        // SAFETY: the entry is the scratch's.
        let entry: &Entry6 = unsafe { &*entry };
        maps::OVERFLOW6.insert(key, entry, NOEXIST).is_ok()
    }

    #[inline(always)]
    fn overflow4_remove(&self, key: &OverflowKey) -> bool {
        maps::OVERFLOW4.remove(key).is_ok()
    }

    #[inline(always)]
    fn overflow6_remove(&self, key: &OverflowKey) -> bool {
        maps::OVERFLOW6.remove(key).is_ok()
    }

    #[inline(always)]
    fn overflown(&self, ipv6: bool) -> *mut u64 {
        or_null(maps::OVERFLOWN.get_ptr_mut(u32::from(ipv6)))
    }

    #[inline(always)]
    fn virtual_server_index(&self, key: &ServiceKey) -> u32 {
        match maps::SERVICES.get_ptr(key) {
            // SAFETY: the value is a valid map value.
            Some(found) => unsafe { *found },
            None => NONE,
        }
    }

    #[inline(always)]
    fn virtual_server(&self, index: u32) -> *mut VirtualServer {
        or_null(maps::VIRTUAL.get_ptr_mut(index))
    }

    #[inline(always)]
    fn real_server(&self, index: u32) -> *mut RealServer {
        or_null(maps::REAL.get_ptr_mut(index))
    }

    #[inline(always)]
    fn block(&self, index: u32) -> *mut Block {
        or_null(maps::BLOCKS.get_ptr_mut(index))
    }

    #[inline(always)]
    fn locality(&self, key: &LocalityKey) -> *mut Locality {
        or_null(maps::LOCALITIES.get_ptr_mut(key))
    }

    #[inline(always)]
    fn locality_insert(&self, key: &LocalityKey, locality: &Locality) {
        // Without room the destination is scheduled anew next time.
        let _ = maps::LOCALITIES.insert(key, locality, 0);
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> *const Fragment {
        or_null(maps::FRAGMENTS.get_ptr_mut(key))
    }

    #[inline(always)]
    fn fragment_insert(&self, key: &FragmentKey, fragment: &Fragment) {
        // Without room the other fragments are not known.
        let _ = maps::FRAGMENTS.insert(key, fragment, 0);
    }

    #[inline(always)]
    fn early(&self, key: &FragmentKey) -> *mut Early {
        or_null(maps::EARLY.get_ptr_mut(key))
    }

    #[inline(always)]
    fn early_insert(&self, key: &FragmentKey, early: &Early) {
        // Without room the fragment is held in vain.
        let _ = maps::EARLY.insert(key, early, 0);
    }

    #[inline(always)]
    fn early_remove(&self, key: &FragmentKey) {
        // What is not there need not be removed.
        let _ = maps::EARLY.remove(key);
    }

    #[inline(always)]
    fn held_room(&self) -> *mut Held {
        or_null(maps::HELD_ROOM.get_ptr_mut(0))
    }

    #[inline(always)]
    fn held(&self, key: &HeldKey) -> *const Held {
        or_null(maps::HELD.get_ptr_mut(key))
    }

    #[inline(always)]
    fn held_insert(&self, key: &HeldKey, held: *const Held) -> bool {
        // By reference: the stack has no room for a frame.
        // SAFETY: the frame is this CPU's room.
        let held: &Held = unsafe { &*held };
        maps::HELD.insert(key, held, 0).is_ok()
    }

    #[inline(always)]
    fn held_remove(&self, key: &HeldKey) {
        // What is not there need not be removed.
        let _ = maps::HELD.remove(key);
    }

    #[inline(always)]
    fn text(&self) -> *mut Text {
        or_null(maps::TEXT.get_ptr_mut(0))
    }

    #[inline(always)]
    fn call_id_insert(&self, template: &OverflowKey, call_id: *const CallId) {
        // By reference: a copy would take half of the stack.
        // SAFETY: the Call-ID is in this CPU's room.
        let call_id: &CallId = unsafe { &*call_id };
        // Without room the template is listed without it.
        let _ = maps::CALL_IDS.insert(template, call_id, 0);
    }

    #[inline(always)]
    fn sequence(&self, key: &OverflowKey) -> *mut Sequence {
        or_null(maps::SEQUENCES.get_ptr_mut(key))
    }

    #[inline(always)]
    fn sequence_insert(&self, key: &OverflowKey, sequence: &Sequence) {
        // Without room what follows is taken for sent again, and the connection ends.
        let _ = maps::SEQUENCES.insert(key, sequence, 0);
    }

    #[inline(always)]
    fn sequence_remove(&self, key: &OverflowKey) {
        // Most connections have none.
        let _ = maps::SEQUENCES.remove(key);
    }

    #[inline(always)]
    fn local_address(&self, index: u32) -> *mut LocalAddress {
        or_null(maps::LOCALS.get_ptr_mut(index))
    }

    #[inline(always)]
    fn link_mac(&self, key: &LinkMac) -> u32 {
        match maps::LINK_MACS.get_ptr(key) {
            // SAFETY: the value is a valid map value.
            Some(found) => unsafe { *found },
            None => 0,
        }
    }

    #[inline(always)]
    fn link(&self, ifindex: u32) -> u64 {
        match maps::FIRST_MACS.get_ptr(ifindex) {
            // SAFETY: the value is a valid map value, written whole.
            Some(noted) => unsafe { *noted },
            None => 0,
        }
    }

    #[inline(always)]
    fn next_hop(&self, index: u32) -> *const NextHop {
        or_null(maps::NEXT_HOPS.get_ptr_mut(index))
    }

    #[inline(always)]
    fn next_hop_index(&self, key: &HopKey) -> u16 {
        match maps::HOP_INDEX.get_ptr(key) {
            // SAFETY: the value is a valid map value.
            Some(found) => low16(unsafe { *found }),
            None => 0,
        }
    }

    #[inline(always)]
    fn next_hop_learn(&self, key: &HopKey) -> u16 {
        let Ok(Some(free)) = maps::HOPS_FREE.pop() else {
            return 0;
        };
        let slot = or_null(maps::NEXT_HOPS.get_ptr_mut(free));
        if slot.is_null() {
            return 0;
        }
        // SAFETY: the slot was free; nobody else has its index yet.
        unsafe {
            *opaque(slot) = NextHop {
                ifindex: key.ifindex,
                ..NextHop::default()
            };
        }
        if maps::HOP_INDEX.insert(key, free, NOEXIST).is_err() {
            // Another CPU learned it meanwhile; the daemon finds the index that nobody has.
            return self.next_hop_index(key);
        }
        low16(free)
    }

    #[inline(always)]
    unsafe fn compare_exchange(&self, word: *mut u64, old: u64, new: u64) -> u64 {
        // SAFETY: the caller vouches for the word.
        unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::AcqRel }, { AtomicOrdering::Acquire }>(
                word, old, new,
            )
            .0
        }
    }

    #[inline(always)]
    unsafe fn compare_exchange32(&self, word: *mut u32, old: u32, new: u32) -> u32 {
        // SAFETY: the caller vouches for the word.
        unsafe {
            atomic_cxchg::<u32, { AtomicOrdering::AcqRel }, { AtomicOrdering::Acquire }>(
                word, old, new,
            )
            .0
        }
    }

    #[inline(always)]
    unsafe fn exchange(&self, word: *mut u64, new: u64) {
        // SAFETY: the caller vouches for the word.
        unsafe { atomic_xchg::<u64, { AtomicOrdering::AcqRel }>(word, new) };
    }

    #[inline(always)]
    unsafe fn add32(&self, word: *mut u32, amount: u32) -> u32 {
        // SAFETY: the caller vouches for the word.
        unsafe { atomic_xadd::<u32, u32, { AtomicOrdering::AcqRel }>(word, amount) }
    }

    #[inline(always)]
    unsafe fn add64(&self, word: *mut u64, amount: u64) {
        // SAFETY: the caller vouches for the word.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::AcqRel }>(word, amount) };
    }

    #[inline(always)]
    fn count(&self, counter: Counter) {
        if let Some(value) = maps::COUNTERS.get_ptr_mut(counter.index()) {
            // SAFETY: the value is this CPU's.
            unsafe { *value += 1 };
        }
    }

    #[inline(always)]
    fn walk<V: Visitor>(&self, members: u64, start: u32, visitor: &mut V) {
        walk::servers(members, start, visitor);
    }

    #[inline(always)]
    fn repeat<R: Rounds>(&self, count: u32, rounds: &mut R) {
        walk::repeat(count, rounds);
    }

    #[inline(always)]
    fn claim_call(&self, ipv6: bool, set: u32, way: u32, identity: u64, evict: bool) -> i64 {
        if ipv6 {
            calls::claim6(set, way, identity, u32::from(evict))
        } else {
            calls::claim4(set, way, identity, u32::from(evict))
        }
    }

    #[inline(always)]
    fn conflict_call(&self, ipv6: bool, set: u32, mine: u32, which: u32) -> u32 {
        if ipv6 {
            calls::conflict6(set, mine, which)
        } else {
            calls::conflict4(set, mine, which)
        }
    }

    #[inline(always)]
    fn end_call(&self, ipv6: bool, place: u32) -> bool {
        let ended = if ipv6 {
            calls::end6(place)
        } else {
            calls::end4(place)
        };
        ended != 0
    }

    #[inline(always)]
    fn find_call(&self, ipv6: bool, which: u32) -> i64 {
        if ipv6 {
            calls::find6(which)
        } else {
            calls::find4(which)
        }
    }

    #[inline(always)]
    fn insert_call(&self, ipv6: bool, two_way: bool) -> i64 {
        if ipv6 {
            calls::insert6(u32::from(two_way))
        } else {
            calls::insert4(u32::from(two_way))
        }
    }

    #[inline(always)]
    fn choose_call(&self, ipv6: bool, virtual_server: u32, protocol: u32) -> u64 {
        if ipv6 {
            calls::choose6(virtual_server, protocol)
        } else {
            calls::choose4(virtual_server, protocol)
        }
    }

    #[inline(always)]
    fn connect_call(&self, ipv6: bool, virtual_server: u32, real_server: u32, how: u32) -> i64 {
        if ipv6 {
            calls::connect6(virtual_server, real_server, how)
        } else {
            calls::connect4(virtual_server, real_server, how)
        }
    }

    #[inline(always)]
    fn crc32c_call(&self, change: u32, length: u32) -> u32 {
        calls::crc32c(change, length)
    }

    #[inline(always)]
    fn pick_call(&self, virtual_server: u32) -> u32 {
        let picked = calls::pick(virtual_server, 0);
        if picked == scheduler::RACED {
            calls::pick(virtual_server, 1)
        } else {
            picked
        }
    }
}
