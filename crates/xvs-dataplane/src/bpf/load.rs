//! Loading the programs, on maps that are new or were pinned by a daemon before.

use std::{
    fs, io,
    path::Path,
    sync::atomic::{Ordering, fence},
};

use aya::{
    Ebpf, EbpfLoader, GlobalData,
    maps::{Map, MapData},
};
use xvs_datapath::abi::{
    self, AddressFilter, Block, CallId, Cold, Entry4, Entry6, HopKey, LinkMac, LocalAddress,
    Locality, LocalityKey, NextHop, OverflowKey, Rate, RealServer, Seed, Sequence, ServiceKey,
    Settings, VirtualServer, WAYS,
};

use super::{
    OpenError, attach,
    memory::Mapped,
    pins::Pins,
    programs,
    stages::{Generation, Side},
};

/// What a pinned map must be; maps of which the loader decides the size have 0 entries here.
struct Shape {
    name: &'static str,
    key: u32,
    value: u32,
    entries: u32,
}

const fn shape<K, V>(name: &'static str, entries: u32) -> Shape {
    Shape {
        name,
        key: bytes::<K>(),
        value: bytes::<V>(),
        entries,
    }
}

/// The size of a key or value, of which the kernel allows 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::as_conversions,
    reason = "`try_from` is not const, and the types are some hundred bytes"
)]
const fn bytes<T>() -> u32 {
    size_of::<T>() as u32
}

/// The maps that are pinned for the next daemon. Room of a CPU for itself is not, and the arrays of
/// stages are pinned by generation.
const PINNED: [Shape; 24] = [
    shape::<u32, [Entry4; WAYS]>("FLOWS4", 0),
    shape::<u32, [Entry6; WAYS]>("FLOWS6", 0),
    shape::<u32, [Cold; WAYS]>("COLD4", 0),
    shape::<u32, [Cold; WAYS]>("COLD6", 0),
    shape::<OverflowKey, Entry4>("OVERFLOW4", 0),
    shape::<OverflowKey, Entry6>("OVERFLOW6", 0),
    shape::<u32, u64>("OVERFLOWN", 2),
    shape::<ServiceKey, u32>("SERVICES", 32_768),
    shape::<u32, VirtualServer>("VIRTUAL", 16_384),
    shape::<u32, RealServer>("REAL", 131_072),
    shape::<u32, Block>("BLOCKS", 32_768),
    shape::<u32, LocalAddress>("LOCALS", 4_096),
    shape::<LocalityKey, Locality>("LOCALITIES", 16_384),
    shape::<OverflowKey, CallId>("CALL_IDS", 16_384),
    shape::<OverflowKey, Sequence>("SEQUENCES", 16_384),
    shape::<LinkMac, u32>("LINK_MACS", 4_096),
    shape::<u32, u64>("FIRST_MACS", abi::LINKS),
    shape::<u32, AddressFilter>("FILTER", 1),
    shape::<u32, NextHop>("NEXT_HOPS", 65_536),
    shape::<HopKey, u32>("HOP_INDEX", 65_536),
    shape::<(), u32>("HOPS_FREE", 65_536),
    shape::<u32, Settings>("SETTINGS", 1),
    shape::<u32, u64>("COUNTERS", 64),
    shape::<u32, Rate>("RATES", 147_456),
];

/// Sizes of the maps that the loader decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Sets of the IPv4 table, a power of two.
    pub(super) sets4: u32,
    /// Sets of the IPv6 table, a power of two.
    pub(super) sets6: u32,
}

impl Sizes {
    /// Room for `connections` of NAT over IPv4, which have two entries each, and for a quarter of
    /// that over IPv6, whose entries are twice as large. They fill three quarters of the table at the
    /// most: then one entry in 25 finds both of its sets full, and the overflow hash has room for twice
    /// as many.
    pub(super) fn for_connections(connections: u32) -> Self {
        let entries = u64::from(connections.max(1024)) * 2;
        let slots = entries.div_ceil(3) * 4;
        let sets = slots.div_ceil(4).next_power_of_two();
        let sets4 = u32::try_from(sets).unwrap_or(1 << 31);
        Self {
            sets4,
            sets6: (sets4 / 4).max(256),
        }
    }

    fn overflow4(self) -> u32 {
        (self.sets4 / 4).max(1024)
    }

    fn overflow6(self) -> u32 {
        (self.sets6 / 4).max(1024)
    }
}

/// The default number of connections: 1/32 of memory at 512 bytes each, 64 K to 4 M.
pub(super) fn default_connections() -> u32 {
    const LEAST: u64 = 1 << 16;
    const MOST: u64 = 1 << 22;
    let memory = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(0, |kibibytes| kibibytes * 1024);
    u32::try_from((memory / 32 / 512).clamp(LEAST, MOST)).unwrap_or(1 << 16)
}

/// What was loaded.
pub(super) struct Loaded {
    /// The object, its programs for tcx loaded, and those for XDP where a daemon before had them.
    pub(super) object: Ebpf,
    /// The sizes in force.
    pub(super) sizes: Sizes,
    /// Whether the maps were there before.
    pub(super) adopted: bool,
    /// The arrays of its stages.
    pub(super) generation: Generation,
}

/// Loads the programs on the pinned maps, or on new ones of these sizes, which it pins.
pub(super) fn load(pins: &Pins, sizes: Sizes) -> Result<Loaded, OpenError> {
    let found = find(pins)?;
    let adopted = found.is_some();
    let sizes = found.unwrap_or(sizes);
    let seed = match pinned_seed(pins)? {
        Some(seed) => seed,
        None => new_seed()?,
    };
    let seed_bytes = bytes_of(&seed);
    let shift4 = shift(sizes.sets4);
    let shift6 = shift(sizes.sets6);
    let mut loader = EbpfLoader::new();
    loader
        .override_global("SEED", GlobalData::from(&seed_bytes[..]), true)
        .override_global("SHIFT4", &shift4, true)
        .override_global("SHIFT6", &shift6, true)
        .map_max_entries("FLOWS4", sizes.sets4)
        .map_max_entries("COLD4", sizes.sets4)
        .map_max_entries("FLOWS6", sizes.sets6)
        .map_max_entries("COLD6", sizes.sets6)
        .map_max_entries("OVERFLOW4", sizes.overflow4())
        .map_max_entries("OVERFLOW6", sizes.overflow6());
    for Shape { name, .. } in &PINNED {
        loader.map_pin_path(name, pins.map(name));
    }
    let generation = Generation::next(pins)
        .map_err(|error| OpenError::load("looking at what is pinned", &error))?;
    for (name, pin) in generation.names() {
        loader.map_pin_path(name, pins.map(&pin));
    }
    let mut object = loader
        .load(xvs_objects::DIRECTOR)
        .map_err(|error| OpenError::load("maps", &error))?;
    programs::load(&mut object, Side::Tcx)?;
    // What a daemon before has at XDP is taken over by what is known to load, or not at all.
    let links = pins
        .links()
        .map_err(|error| OpenError::load("the pinned links", &error))?;
    if links.iter().any(|(_, kind)| attach::is_xdp(kind)) {
        programs::load(&mut object, Side::Xdp)?;
    }
    let settings = settings_of(&object)?;
    if let Some(mut value) = settings.read(0) {
        value.seed = seed;
        settings.write(0, value);
    }
    Ok(Loaded {
        object,
        sizes,
        adopted,
        generation,
    })
}

/// A map of the object.
pub(super) fn map<'a>(object: &'a Ebpf, name: &'static str) -> Result<&'a MapData, OpenError> {
    match object.map(name).ok_or_else(|| missing(name))? {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::Queue(data)
        | Map::Unsupported(data) => Ok(data),
        _ => Err(missing(name)),
    }
}

/// A mapped array of the object.
pub(super) fn mapped<T>(
    object: &Ebpf,
    name: &'static str,
    len: u32,
) -> Result<Mapped<T>, OpenError> {
    Mapped::new(map(object, name)?.fd(), len).map_err(|reason| OpenError::Map { map: name, reason })
}

fn settings_of(object: &Ebpf) -> Result<Mapped<Settings>, OpenError> {
    mapped(object, "SETTINGS", 1)
}

/// What the object should have and has not.
pub(super) fn missing(name: &str) -> OpenError {
    OpenError::load(
        format!("`{name}`"),
        &io::Error::new(io::ErrorKind::NotFound, "the object does not have it"),
    )
}

/// Marks the maps as complete: from now on a daemon that finds them takes them up.
pub(super) fn finish(settings: &Mapped<Settings>) {
    if let Some(mut value) = settings.read(0) {
        fence(Ordering::Release);
        value.version = abi::VERSION;
        settings.write(0, value);
    }
}

/// Sizes of the tables that are pinned, when all is there and as it should be; none when nothing is
/// pinned, or what a daemon left that died while it made the maps: that is removed.
fn find(pins: &Pins) -> Result<Option<Sizes>, OpenError> {
    if !is_finished(pins)? {
        if PINNED.iter().any(|shape| pins.map(shape.name).exists()) {
            tracing::warn!("a daemon died before its datapath was whole; it is made anew");
            pins.empty()
                .map_err(|error| OpenError::load("removing unfinished pins", &error))?;
        }
        return Ok(None);
    }
    let mut entries = [0; PINNED.len()];
    for (entries, shape) in entries.iter_mut().zip(&PINNED) {
        *entries = check(pins, shape)?;
    }
    let [sets4, sets6, ..] = entries;
    Ok(Some(Sizes { sets4, sets6 }))
}

/// Whether the pinned maps were completed.
fn is_finished(pins: &Pins) -> Result<bool, OpenError> {
    let Some(found) = pinned(&pins.map("SETTINGS"))? else {
        return Ok(false);
    };
    let settings: Mapped<Settings> =
        Mapped::new(found.fd(), 1).map_err(|reason| OpenError::Map {
            map: "SETTINGS",
            reason,
        })?;
    Ok(settings
        .read(0)
        .is_some_and(|settings| settings.version == abi::VERSION))
}

/// How many entries a pinned map has, if it is what its name promises.
fn check(pins: &Pins, shape: &Shape) -> Result<u32, OpenError> {
    let map = shape.name;
    let Some(found) = pinned(&pins.map(map))? else {
        return Err(OpenError::Missing {
            map,
            path: pins.mount().to_owned(),
        });
    };
    let info = found
        .info()
        .map_err(|error| OpenError::load(format!("pinned map `{map}`"), &error))?;
    let entries = match shape.entries {
        0 => info.max_entries(),
        entries => entries,
    };
    for (what, found, wanted) in [
        ("keys of size", info.key_size(), shape.key),
        ("values of size", info.value_size(), shape.value),
        ("a number of entries of", info.max_entries(), entries),
    ] {
        if found != wanted {
            return Err(OpenError::Shape {
                map,
                path: pins.mount().to_owned(),
                what,
                found,
                wanted,
            });
        }
    }
    Ok(info.max_entries())
}

fn pinned_seed(pins: &Pins) -> Result<Option<Seed>, OpenError> {
    let Some(found) = pinned(&pins.map("SETTINGS"))? else {
        return Ok(None);
    };
    let settings: Mapped<Settings> =
        Mapped::new(found.fd(), 1).map_err(|reason| OpenError::Map {
            map: "SETTINGS",
            reason,
        })?;
    Ok(settings
        .read(0)
        .map(|settings| settings.seed)
        .filter(|seed| seed.multiplier1 != 0))
}

fn pinned(path: &Path) -> Result<Option<MapData>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    MapData::from_pin(path)
        .map(Some)
        .map_err(|error| OpenError::load(format!("pin `{}`", path.display()), &error))
}

fn new_seed() -> Result<Seed, OpenError> {
    let mut words = [0_u64; 7];
    // SAFETY: the room is 56 writable bytes.
    let got = unsafe { libc::getrandom(words.as_mut_ptr().cast(), size_of_val(&words), 0) };
    if usize::try_from(got).ok() != Some(size_of_val(&words)) {
        return Err(OpenError::load("seed", &io::Error::last_os_error()));
    }
    let [a, b, c, d, e, first, second] = words;
    let mut seed = Seed {
        multiplier1: first | 1,
        multiplier2: second | 1,
        ..Seed::default()
    };
    for (pair, word) in seed.words.chunks_exact_mut(2).zip([a, b, c, d, e]) {
        if let [low, high] = pair {
            (*low, *high) = (abi::low32(word), abi::high32(word));
        }
    }
    Ok(seed)
}

fn shift(sets: u32) -> u32 {
    64 - sets.trailing_zeros()
}

fn bytes_of(seed: &Seed) -> [u8; size_of::<Seed>()] {
    let mut bytes = [0; size_of::<Seed>()];
    let (words, rest) = bytes.split_at_mut(40);
    for (four, word) in words.chunks_exact_mut(4).zip(seed.words) {
        four.copy_from_slice(&word.to_ne_bytes());
    }
    let (first, second) = rest.split_at_mut(8);
    first.copy_from_slice(&seed.multiplier1.to_ne_bytes());
    second.copy_from_slice(&seed.multiplier2.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_entries_for_each_connection_leave_a_quarter_of_the_table_free() {
        for connections in [1, 1024, 6144, 6145, 65_536, 1_000_000, 1 << 22] {
            let sizes = Sizes::for_connections(connections);
            let slots = u64::from(sizes.sets4) * 4;
            let entries = u64::from(connections.max(1024)) * 2;
            assert!(entries * 4 <= slots * 3, "{connections}: {slots} slots");
            assert!(
                entries * 8 > slots * 3,
                "{connections}: {slots} slots, twice as many as needed"
            );
            assert_eq!(sizes.sets6 * 4, sizes.sets4.max(1024), "{connections}");
        }
        assert_eq!(Sizes::for_connections(u32::MAX).sets4, 1 << 31);
    }

    #[test]
    fn the_default_is_within_its_bounds() {
        assert!((65_536..=4_194_304).contains(&default_connections()));
    }
}
