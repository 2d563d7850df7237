//! The maps.

use std::{
    cell::UnsafeCell,
    collections::VecDeque,
    sync::{Mutex, atomic::AtomicU64},
};

use crate::{
    abi::{
        AddressFilter, BLOCK, Block, CallId, Cold, Early, Entry4, Entry6, FILTER_WORDS, Fragment,
        FragmentKey, Held, HeldKey, HopKey, LINKS, LinkMac, LocalAddress, Locality, LocalityKey,
        NextHop, OverflowKey, Rate, RealServer, Seed, Sequence, ServiceKey, Settings,
        VirtualServer, WAYS, index,
    },
    native::HashMap,
};

/// A map that is an array.
#[derive(Debug)]
pub struct Array<T>(Box<[UnsafeCell<T>]>);

// SAFETY: elements are handed out as raw pointers alone; who follows them answers for races, as in a
// program that runs on several CPUs.
unsafe impl<T: Send> Sync for Array<T> {}

impl<T> Array<T> {
    /// An array of these elements.
    pub fn new(elements: impl IntoIterator<Item = T>) -> Self {
        Self(elements.into_iter().map(UnsafeCell::new).collect())
    }

    /// The element at `at`; null beyond the end.
    #[must_use]
    pub fn pointer(&self, at: u32) -> *mut T {
        self.0
            .get(index(at))
            .map_or(core::ptr::null_mut(), UnsafeCell::get)
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Copy> Array<T> {
    /// An array of as many copies of an element.
    pub fn of(element: T, count: usize) -> Self {
        Self::new(std::iter::repeat_n(element, count))
    }

    /// A copy of the element at `at`.
    ///
    /// # Panics
    /// Beyond the end.
    #[must_use]
    pub fn get(&self, at: u32) -> T {
        // SAFETY: the element lives as long as the array.
        unsafe { *self.0[index(at)].get() }
    }

    /// Changes the element at `at`, while no program runs.
    ///
    /// # Panics
    /// Beyond the end.
    pub fn edit(&self, at: u32, change: impl FnOnce(&mut T)) {
        // SAFETY: the element lives as long as the array; the caller runs no program meanwhile.
        change(unsafe { &mut *self.0[index(at)].get() });
    }

    /// Copies of all elements.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        self.0
            .iter()
            // SAFETY: as above.
            .map(|element| unsafe { *element.get() })
            .collect()
    }
}

/// How large maps are that are made empty.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of the maps")]
pub struct Sizes {
    /// Binary logarithm of the number of sets of either table, 1 to 20.
    pub set_bits: u32,
    pub overflow: usize,
    pub virtual_servers: usize,
    pub real_servers: usize,
    pub blocks: usize,
    pub locals: usize,
    pub next_hops: usize,
}

/// All maps that CPUs share, by the names that they have in `ebpf/`. One is made from a
/// [`World`](crate::native::World).
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are those of the maps in `ebpf/`")]
pub struct Tables {
    pub seed: Seed,
    pub shift4: u32,
    pub shift6: u32,
    pub flows4: Array<[Entry4; WAYS]>,
    pub flows6: Array<[Entry6; WAYS]>,
    pub cold4: Array<[Cold; WAYS]>,
    pub cold6: Array<[Cold; WAYS]>,
    pub overflow4: HashMap<OverflowKey, Entry4>,
    pub overflow6: HashMap<OverflowKey, Entry6>,
    pub overflown: Array<u64>,
    pub services: HashMap<ServiceKey, u32>,
    pub virtual_servers: Array<VirtualServer>,
    pub real_servers: Array<RealServer>,
    pub blocks: Array<Block>,
    pub localities: HashMap<LocalityKey, Locality>,
    pub fragments: HashMap<FragmentKey, Fragment>,
    /// Packets of which fragments are held.
    pub early: HashMap<FragmentKey, Early>,
    /// Held fragments.
    pub held: HashMap<HeldKey, Held>,
    /// Call-IDs of templates.
    pub call_ids: HashMap<OverflowKey, CallId>,
    /// Deltas of sequence numbers.
    pub sequences: HashMap<OverflowKey, Sequence>,
    pub locals: Array<LocalAddress>,
    pub link_macs: HashMap<LinkMac, u32>,
    pub links: Array<u64>,
    pub filter: Array<AddressFilter>,
    pub next_hops: Array<NextHop>,
    pub hop_index: HashMap<HopKey, u32>,
    pub hops_free: Mutex<VecDeque<u32>>,
    pub rates: HashMap<u32, Rate>,
    pub settings: Array<Settings>,
    /// What CPUs that were dropped had counted.
    pub counters: [AtomicU64; 64],
}

impl Tables {
    /// Empty maps, as the programs find them before a daemon has written the first value.
    ///
    /// # Panics
    /// Where the number of sets is out of its range.
    #[must_use]
    pub fn empty(seed: Seed, sizes: &Sizes) -> Self {
        let set_bits = sizes.set_bits;
        assert!((1..=20).contains(&set_bits), "sets: 2^1 to 2^20");
        let sets = 1 << set_bits;
        let blank = Block {
            members: [0; BLOCK],
        };
        Self {
            seed,
            shift4: 64 - set_bits,
            shift6: 64 - set_bits,
            flows4: Array::of([Entry4::default(); WAYS], sets),
            flows6: Array::of([Entry6::default(); WAYS], sets),
            cold4: Array::of([Cold::default(); WAYS], sets),
            cold6: Array::of([Cold::default(); WAYS], sets),
            overflow4: HashMap::new(sizes.overflow),
            overflow6: HashMap::new(sizes.overflow),
            overflown: Array::of(0, 2),
            // Beside the virtual servers stand the host's own addresses.
            services: HashMap::new(sizes.virtual_servers + 1024),
            virtual_servers: Array::of(VirtualServer::default(), sizes.virtual_servers),
            real_servers: Array::of(RealServer::default(), sizes.real_servers),
            blocks: Array::of(blank, sizes.blocks),
            localities: HashMap::new(16_384),
            fragments: HashMap::new(16_384),
            early: HashMap::new(1024),
            held: HashMap::new(2048),
            call_ids: HashMap::new(16_384),
            sequences: HashMap::new(16_384),
            locals: Array::of(LocalAddress::default(), sizes.locals),
            link_macs: HashMap::new(4096),
            links: Array::of(0, index(LINKS)),
            filter: Array::new([AddressFilter {
                words: [0; FILTER_WORDS],
            }]),
            next_hops: Array::of(NextHop::default(), sizes.next_hops),
            hop_index: HashMap::new(sizes.next_hops),
            hops_free: Mutex::default(),
            rates: HashMap::new(sizes.virtual_servers + sizes.real_servers),
            settings: Array::new([Settings {
                seed,
                ..Settings::default()
            }]),
            counters: [const { AtomicU64::new(0) }; 64],
        }
    }

    /// All entries of both directions and the templates, IPv4, with their indexes; not those in the
    /// overflow hash.
    #[must_use]
    pub fn entries4(&self) -> Vec<(u32, Entry4)> {
        numbered(self.flows4.to_vec())
    }

    /// As [`Tables::entries4`], IPv6.
    #[must_use]
    pub fn entries6(&self) -> Vec<(u32, Entry6)> {
        numbered(self.flows6.to_vec())
    }
}

/// The entries that are complete.
fn numbered<T: Tagged>(sets: Vec<[T; WAYS]>) -> Vec<(u32, T)> {
    (0..)
        .zip(sets.into_iter().flatten())
        .filter(|(_, entry)| crate::abi::Tag(entry.tag()).slot() >= crate::abi::Slot::LIVE)
        .collect()
}

trait Tagged {
    fn tag(&self) -> u64;
}

impl Tagged for Entry4 {
    fn tag(&self) -> u64 {
        self.tag
    }
}

impl Tagged for Entry6 {
    fn tag(&self) -> u64 {
        self.tag
    }
}
