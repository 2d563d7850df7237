//! The programs on small maps that are filled from a world.

use aya::{
    Ebpf, EbpfLoader, GlobalData,
    maps::{Array, HashMap, MapData, MapError, PerCpuArray, ProgramArray, Queue},
    programs::{Program, ProgramError, SchedClassifier, TestRun, TestRunOptions, Xdp},
};
use xvs_datapath::{
    abi::{
        Block, Cold, Counter, Entry4, Entry6, LocalAddress, NextHop, RealServer, Seed, Settings,
        VirtualServer, WAYS,
    },
    native::World,
};

/// Elements of each map that holds what a world has.
const ROOM: u32 = 128;
/// The programs behind the fast path, by their place in the stages.
const STAGES: [&str; 14] = [
    "open4", "open6", "carry4", "carry6", "answer", "related4", "related6", "relay", "reply",
    "cut", "hold", "release", "hear4", "hear6",
];
/// How many of them XDP has.
const STAGES_OF_XDP: usize = 8;
/// More than any frame of the tables becomes.
const LARGEST: usize = 4096;

/// Where programs run; the tables run at the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// XDP.
    Xdp,
    /// tcx ingress.
    Tcx,
    /// tcx egress.
    Egress,
}

impl Hook {
    /// `XDP_PASS`, `TCX_NEXT`.
    pub(crate) fn pass(self) -> u32 {
        self.either(2, u32::MAX)
    }

    /// `XDP_DROP`, `TC_ACT_SHOT`.
    pub(crate) fn drop(self) -> u32 {
        self.either(1, 2)
    }

    /// `XDP_REDIRECT`, `TC_ACT_REDIRECT`.
    pub(crate) fn redirect(self) -> u32 {
        self.either(4, 7)
    }

    fn either(self, xdp: u32, tcx: u32) -> u32 {
        match self {
            Self::Xdp => xdp,
            Self::Tcx | Self::Egress => tcx,
        }
    }
}

/// What became of a frame.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The action.
    pub(crate) code: u32,
    /// The bytes.
    pub(crate) frame: Vec<u8>,
}

/// A value of the ABI as aya wants it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Plain<T>(T);

// SAFETY: used with types of the ABI alone, which are `repr(C)`, have no padding, and of which any
// bytes are a value.
unsafe impl<T: Copy + 'static> aya::Pod for Plain<T> {}

/// The loaded programs.
pub(crate) struct Programs {
    object: Ebpf,
    /// The program arrays: the programs are gone with them.
    _stages: [ProgramArray<MapData>; 2],
    sets: u32,
}

impl Programs {
    /// Loads all programs; the sizes of the tables are those of `world`.
    pub(crate) fn load(world: &World) -> Self {
        let sets = 1 << world.set_bits;
        let overflow = u32::try_from(world.overflow).expect("a small number");
        let shift = 64 - world.set_bits;
        let seed = Plain(World::SEED);
        // SAFETY: a plain value is its bytes.
        let seed: &[u8; size_of::<Seed>()] = unsafe { &*(&raw const seed).cast() };
        let mut loader = EbpfLoader::new();
        loader
            .override_global("SEED", GlobalData::from(&seed[..]), true)
            .override_global("SHIFT4", &shift, true)
            .override_global("SHIFT6", &shift, true);
        for map in ["FLOWS4", "FLOWS6", "COLD4", "COLD6"] {
            loader.map_max_entries(map, sets);
        }
        for map in ["OVERFLOW4", "OVERFLOW6"] {
            loader.map_max_entries(map, overflow);
        }
        for map in [
            "SERVICES",
            "VIRTUAL",
            "REAL",
            "BLOCKS",
            "LOCALS",
            "LINK_MACS",
            "NEXT_HOPS",
            "HOP_INDEX",
            "HOPS_FREE",
        ] {
            loader.map_max_entries(map, ROOM);
        }
        let mut object = loader.load(xvs_objects::DIRECTOR).expect("create the maps");
        for (name, program) in object.programs_mut() {
            let loaded = match program {
                Program::Xdp(program) => program.load(),
                Program::SchedClassifier(program) => program.load(),
                _ => Ok(()),
            };
            loaded.unwrap_or_else(|error| panic!("load program `{name}`: {error}"));
        }
        let stages = [("STAGES_XDP", "xvs_xdp"), ("STAGES_TCX", "xvs_tcx")]
            .map(|(map, prefix)| stages(&mut object, map, prefix));
        Self {
            object,
            _stages: stages,
            sets,
        }
    }

    /// Makes the maps those of `world`, without connections.
    pub(crate) fn fill(&mut self, world: &World) {
        let sets = 0..self.sets;
        self.store("FLOWS4", sets.clone().map(|_| [Entry4::default(); WAYS]));
        self.store("FLOWS6", sets.clone().map(|_| [Entry6::default(); WAYS]));
        self.store("COLD4", sets.clone().map(|_| [Cold::default(); WAYS]));
        self.store("COLD6", sets.map(|_| [Cold::default(); WAYS]));
        self.store("SETTINGS", [world.settings]);
        self.store("FILTER", [*world.filter]);
        self.store("VIRTUAL", padded::<VirtualServer>(&world.virtual_servers));
        self.store("REAL", padded::<RealServer>(&world.real_servers));
        self.store::<Block>("BLOCKS", world.blocks.iter().copied());
        self.store("LOCALS", padded::<LocalAddress>(&world.locals));
        self.store("NEXT_HOPS", padded::<NextHop>(&world.next_hops));
        let hops = world.hop_index.iter();
        self.replace("SERVICES", world.services.iter().copied());
        self.replace("LINK_MACS", world.link_macs.iter().map(|mac| (*mac, 1_u32)));
        self.replace("HOP_INDEX", hops.map(|(key, hop)| (*key, u32::from(*hop))));
        self.replace::<xvs_datapath::abi::OverflowKey, Entry4>("OVERFLOW4", std::iter::empty());
        self.replace::<xvs_datapath::abi::OverflowKey, Entry6>("OVERFLOW6", std::iter::empty());
        let mut free: Queue<_, u32> = typed(self.object.map_mut("HOPS_FREE"));
        while free.pop(0).is_ok() {}
        let taken = u32::try_from(world.next_hops.len()).expect("a small number");
        for hop in taken..taken + 32 {
            free.push(hop, 0).expect("there is room for 32 next hops");
        }
    }

    /// Gives a sign of life as old as that of `world` is at its begin.
    pub(crate) fn beat(&mut self, world: &World) {
        let clock: &mut SchedClassifier = program(&mut self.object, "xvs_clock");
        let options = TestRunOptions {
            data_in: Some(&[1; 64]),
            ..TestRunOptions::new()
        };
        clock.test_run(options).expect("run the clock");
        let mut settings: Settings = self.read("SETTINGS", 0);
        let age = World::START.wrapping_sub(world.settings.heartbeat);
        settings.heartbeat = settings.heartbeat.wrapping_sub(age);
        self.store("SETTINGS", [settings]);
    }

    /// Changes a real server.
    pub(crate) fn edit_server(&mut self, server: u32, change: fn(&mut RealServer)) {
        let mut value: RealServer = self.read("REAL", server);
        change(&mut value);
        let mut servers: Array<_, Plain<RealServer>> = typed(self.object.map_mut("REAL"));
        servers
            .set(server, Plain(value), 0)
            .expect("write a real server");
    }

    /// Every counter's sum over the CPUs.
    pub(crate) fn counters(&self) -> Vec<u64> {
        let counters: PerCpuArray<_, u64> = typed(self.object.map("COUNTERS"));
        Counter::ALL
            .iter()
            .map(|(counter, _)| {
                let values = counters.get(&counter.index(), 0).expect("read a counter");
                values.iter().sum()
            })
            .collect()
    }

    /// Runs a frame that came in by [`World::CLIENTS`].
    pub(crate) fn run(&mut self, hook: Hook, frame: &[u8]) -> Answer {
        let mut out = [0; LARGEST];
        let length = u32::try_from(frame.len()).expect("a frame");
        // The members of `struct xdp_md` and of `struct __sk_buff` up to the link.
        let context: Vec<u32> = match hook {
            Hook::Xdp => vec![0, length, 0, World::CLIENTS, 0, 0],
            Hook::Tcx => vec![0, 0, 0, 0, 0, 0, 0, 0, 0, World::CLIENTS, World::CLIENTS],
            // What no link received.
            Hook::Egress => vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, World::CLIENTS],
        };
        let context: Vec<u8> = context.into_iter().flat_map(u32::to_ne_bytes).collect();
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ctx_in: Some(&context),
            ..TestRunOptions::new()
        };
        let object = &mut self.object;
        let result = match hook {
            Hook::Xdp => program::<Xdp>(object, "xvs_xdp").test_run(options),
            Hook::Tcx => program::<SchedClassifier>(object, "xvs_tcx").test_run(options),
            Hook::Egress => program::<SchedClassifier>(object, "xvs_leave").test_run(options),
        };
        let result = result.unwrap_or_else(|error| panic!("run {frame:02x?}: {error}"));
        let length = usize::try_from(result.data_size_out).expect("a frame");
        Answer {
            code: result.return_value,
            frame: out[..length].to_vec(),
        }
    }

    fn store<T: Copy + 'static>(&mut self, map: &str, values: impl IntoIterator<Item = T>) {
        let mut array: Array<_, Plain<T>> = typed(self.object.map_mut(map));
        for (index, value) in (0..).zip(values) {
            array
                .set(index, Plain(value), 0)
                .unwrap_or_else(|error| panic!("write `{map}`: {error}"));
        }
    }

    fn read<T: Copy + 'static>(&self, map: &str, index: u32) -> T {
        let array: Array<_, Plain<T>> = typed(self.object.map(map));
        let value = array.get(&index, 0);
        value
            .unwrap_or_else(|error| panic!("read `{map}`: {error}"))
            .0
    }

    fn replace<K, V>(&mut self, map: &str, entries: impl IntoIterator<Item = (K, V)>)
    where
        K: Copy + 'static,
        V: Copy + 'static,
    {
        let mut hash: HashMap<_, Plain<K>, Plain<V>> = typed(self.object.map_mut(map));
        let keys: Vec<_> = hash.keys().flatten().collect();
        for key in keys {
            hash.remove(&key).expect("remove a key");
        }
        for (key, value) in entries {
            hash.insert(Plain(key), Plain(value), 0)
                .unwrap_or_else(|error| panic!("write `{map}`: {error}"));
        }
    }
}

/// Fills a program array.
fn stages(object: &mut Ebpf, map: &str, prefix: &str) -> ProgramArray<MapData> {
    let mut array: ProgramArray<MapData> = typed(object.take_map(map));
    let most = if prefix == "xvs_xdp" {
        STAGES_OF_XDP
    } else {
        STAGES.len()
    };
    for (index, stage) in (0..).zip(&STAGES[..most]) {
        let name = format!("{prefix}_{stage}");
        let program = object.program(&name).expect("the object has the program");
        let fd = program.fd().expect("the program is loaded");
        array.set(index, fd, 0).expect("write a stage");
    }
    array
}

fn typed<M, T: TryFrom<M, Error = MapError>>(map: Option<M>) -> T {
    map.expect("the object has the map")
        .try_into()
        .unwrap_or_else(|error| panic!("the map has another type: {error}"))
}

fn program<'a, P>(object: &'a mut Ebpf, name: &str) -> &'a mut P
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    object
        .program_mut(name)
        .expect("the object has the program")
        .try_into()
        .unwrap_or_else(|error| panic!("the program has another type: {error}"))
}

/// The values, then defaults up to the room of the map.
fn padded<T: Copy + Default>(values: &[T]) -> impl Iterator<Item = T> {
    let room = usize::try_from(ROOM).expect("a small number");
    let blank = std::iter::repeat_n(T::default(), room - values.len());
    values.iter().copied().chain(blank)
}
