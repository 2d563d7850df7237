//! The maps, by the names under which they are pinned. Sizes of the tables are set by the loader.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray, Queue},
};
use xvs_datapath::{
    Flow,
    abi::{
        self, AddressFilter, Block, CallId, Cold, Early, Entry4, Entry6, Fragment, FragmentKey,
        Held, HeldKey, HopKey, LinkMac, LocalAddress, Locality, LocalityKey, NextHop, OverflowKey,
        Rate, RealServer, Seed, Sequence, ServiceKey, Settings, Text, VirtualServer, WAYS,
    },
    table::Scratch,
};

use crate::walk::WALK_ROOM;

/// `BPF_F_MMAPABLE`.
const MMAPABLE: u32 = 1 << 10;
/// `BPF_F_NO_PREALLOC`.
const NO_PREALLOC: u32 = 1;

#[map]
pub static FLOWS4: Array<[Entry4; WAYS]> = Array::with_max_entries(1024, MMAPABLE);
#[map]
pub static FLOWS6: Array<[Entry6; WAYS]> = Array::with_max_entries(1024, MMAPABLE);
#[map]
pub static COLD4: Array<[Cold; WAYS]> = Array::with_max_entries(1024, MMAPABLE);
#[map]
pub static COLD6: Array<[Cold; WAYS]> = Array::with_max_entries(1024, MMAPABLE);
#[map]
pub static OVERFLOW4: HashMap<OverflowKey, Entry4> = HashMap::with_max_entries(1024, 0);
#[map]
pub static OVERFLOW6: HashMap<OverflowKey, Entry6> = HashMap::with_max_entries(1024, 0);
/// Entries of each overflow hash: IPv4, IPv6.
#[map]
pub static OVERFLOWN: Array<u64> = Array::with_max_entries(2, MMAPABLE);
#[map]
pub static SERVICES: HashMap<ServiceKey, u32> = HashMap::with_max_entries(32_768, NO_PREALLOC);
#[map]
pub static VIRTUAL: Array<VirtualServer> = Array::with_max_entries(16_384, MMAPABLE);
#[map]
pub static REAL: Array<RealServer> = Array::with_max_entries(131_072, MMAPABLE);
#[map]
pub static BLOCKS: Array<Block> = Array::with_max_entries(32_768, MMAPABLE);
#[map]
pub static LOCALITIES: LruHashMap<LocalityKey, Locality> = LruHashMap::with_max_entries(16_384, 0);
#[map]
pub static FRAGMENTS: LruHashMap<FragmentKey, Fragment> = LruHashMap::with_max_entries(16_384, 0);
#[map]
pub static EARLY: LruHashMap<FragmentKey, Early> = LruHashMap::with_max_entries(1024, 0);
#[map]
pub static HELD: LruHashMap<HeldKey, Held> = LruHashMap::with_max_entries(2048, 0);
/// Room for a frame.
#[map]
pub static HELD_ROOM: PerCpuArray<Held> = PerCpuArray::with_max_entries(1, 0);
/// Call-IDs of templates.
#[map]
pub static CALL_IDS: LruHashMap<OverflowKey, CallId> = LruHashMap::with_max_entries(16_384, 0);
/// How the two ends of a connection count differently.
#[map]
pub static SEQUENCES: LruHashMap<OverflowKey, Sequence> = LruHashMap::with_max_entries(16_384, 0);
/// Room for the text of a packet.
#[map]
pub static TEXT: PerCpuArray<Text> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub static LOCALS: Array<LocalAddress> = Array::with_max_entries(4_096, MMAPABLE);
#[map]
pub static LINK_MACS: HashMap<LinkMac, u32> = HashMap::with_max_entries(4_096, NO_PREALLOC);
/// What is noted of the first address of each link, by the link's index.
#[map]
pub static FIRST_MACS: Array<u64> = Array::with_max_entries(abi::LINKS, MMAPABLE);
#[map]
pub static FILTER: Array<AddressFilter> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static NEXT_HOPS: Array<NextHop> = Array::with_max_entries(65_536, MMAPABLE);
#[map]
pub static HOP_INDEX: HashMap<HopKey, u32> = HashMap::with_max_entries(65_536, NO_PREALLOC);
#[map]
pub static HOPS_FREE: Queue<u32> = Queue::with_max_entries(65_536, 0);
#[map]
pub static SETTINGS: Array<Settings> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(64, 0);
/// The daemon's alone: it stands here to outlive it.
#[map]
pub static RATES: HashMap<u32, Rate> = HashMap::with_max_entries(147_456, NO_PREALLOC);
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub static FLOW: PerCpuArray<Flow> = PerCpuArray::with_max_entries(1, 0);
/// Room for a walk over real servers.
#[map]
pub static WALK: PerCpuArray<[u64; WALK_ROOM / 8]> = PerCpuArray::with_max_entries(1, 0);
/// 512 bytes to sum packet bytes in.
#[map]
pub static SUM_SPACE: PerCpuArray<[u8; 512]> = PerCpuArray::with_max_entries(1, 0);
/// Bytes that are saved of a packet at the most.
pub const MOST_SAVED: u32 = 8_192;
/// Bytes of a packet while it is cut, with room behind them for the verifier's sake.
#[map]
pub static SAVED: PerCpuArray<[u8; 2 * MOST_SAVED as usize]> = PerCpuArray::with_max_entries(1, 0);
/// Room for what helpers are asked with: the stack is needed otherwise.
#[map]
pub static QUESTION: PerCpuArray<[u32; 16]> = PerCpuArray::with_max_entries(1, 0);
/// Programs behind the fast path, by [`Stage`](crate::Stage).
#[map]
pub static STAGES_XDP: ProgramArray = ProgramArray::with_max_entries(16, 0);
/// Programs behind the fast path, by [`Stage`](crate::Stage).
#[map]
pub static STAGES_TCX: ProgramArray = ProgramArray::with_max_entries(16, 0);

/// The secret of the hash.
#[unsafe(no_mangle)]
pub static SEED: Seed = Seed {
    words: [0; 10],
    multiplier1: 0,
    multiplier2: 0,
};
/// 64 less the binary logarithm of the number of IPv4 sets.
#[unsafe(no_mangle)]
pub static SHIFT4: u32 = 0;
/// 64 less the binary logarithm of the number of IPv6 sets.
#[unsafe(no_mangle)]
pub static SHIFT6: u32 = 0;
