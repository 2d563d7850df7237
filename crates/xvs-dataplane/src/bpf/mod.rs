//! The real dataplane: eBPF programs on pinned maps.
//!
//! ```text
//!   ops --Rules--> servers (slots, lists, filter) --+
//!   routes, neighbours --> ways, hops --------------+--> maps  <==  programs on links
//!   clock, sweep: expiry, counts, free next hops ---+
//! ```

mod address;
mod adoption;
mod attach;
mod batch;
mod bits;
mod change;
mod clock;
#[cfg(test)]
mod effort;
mod error;
mod fragments;
mod hops;
mod kernel_link;
mod listing;
mod load;
mod localities;
mod machine;
mod macs;
mod memory;
mod pairs;
mod pins;
mod plain;
mod portless;
#[cfg(feature = "testing")]
mod process;
mod programs;
mod rates;
mod routes;
mod servers;
mod settings;
mod slots;
mod stages;
mod table;
#[cfg(feature = "testing")]
mod test_run;
#[cfg(feature = "testing")]
mod testing;
mod timeouts;
mod upkeep;
mod ways;

use std::{collections::BTreeSet, net::IpAddr, os::fd::AsFd, path::PathBuf, time::Instant};

use aya::{Ebpf, maps::Map};
use xvs_datapath::{
    abi::{
        self, AddressFilter, Block, CallId, Cold, Counter, DROPS, Entry4, Entry6, HopKey,
        LocalAddress, Locality, LocalityKey, NextHop, OverflowKey, Rate, ServiceKey, Settings,
        WAYS,
    },
    table::{V4, V6},
};
use xvs_types::{
    ConnectionListing, Op, OpError, RealServer, Rules, ServerScope, SyncDaemon, Timeouts,
    VirtualServer, VirtualServerListing,
};

pub use self::error::OpenError;
use self::{
    attach::Links,
    bits::Bits,
    hops::Hops,
    load::{Loaded, Sizes},
    localities::Localities,
    machine::{Kernel, Machine},
    macs::Macs,
    memory::{Mapped, wait_for_programs},
    pairs::{Indexes, Pairs},
    pins::Pins,
    plain::Plain,
    rates::Estimators,
    servers::{Parts, Servers},
    table::{Overflow, Table, Tally, Thinning},
    timeouts::{default_timeouts, timeouts_of},
    ways::Ways,
};
use crate::{
    Atomicity, Attachment, ConnectionFilter, Dataplane, DataplaneStatus, Mac, NeighbourKey, Prefix,
    Route, TableStatus,
};

/// Seconds without a sign of life after which the programs ask the kernel for next hops themselves.
const PATIENCE: u32 = 2;
/// The same while links are attached.
const PATIENCE_ATTACHING: u32 = 30;
/// How to open the dataplane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpfOptions {
    /// Where the BPF file system of this instance is, or shall be, mounted.
    pub pins: PathBuf,
    /// Room for so many connections over IPv4, and a quarter of that over IPv6; default 1/32 of
    /// memory at 256 bytes each, between 65,536 and 4,194,304. Pinned tables keep their size.
    pub connections: Option<u32>,
}

/// The maps that this side reads and writes, by the names that they have in `ebpf/`.
struct Maps {
    settings: Mapped<Settings>,
    virtual_servers: Mapped<abi::VirtualServer>,
    real_servers: Mapped<abi::RealServer>,
    blocks: Mapped<Block>,
    locals: Mapped<LocalAddress>,
    localities: Pairs<LocalityKey, Locality>,
    services: Pairs<ServiceKey, u32>,
    filter: Mapped<AddressFilter>,
    next_hops: Mapped<NextHop>,
    hop_index: Pairs<HopKey, u32>,
    hops_free: Indexes,
    rates: Pairs<u32, Rate>,
    call_ids: Pairs<OverflowKey, CallId>,
    flows4: Mapped<[Entry4; WAYS]>,
    cold4: Mapped<[Cold; WAYS]>,
    overflow4: Overflow<Entry4>,
    flows6: Mapped<[Entry6; WAYS]>,
    cold6: Mapped<[Cold; WAYS]>,
    overflow6: Overflow<Entry6>,
}

/// The dataplane of the kernel.
pub struct Bpf {
    machine: Box<dyn Machine>,
    rules: Rules,
    servers: Servers,
    ways: Ways,
    localities: Localities,
    settings: Mapped<Settings>,
    table4: Table<V4>,
    table6: Table<V6>,
    tally4: Tally,
    tally6: Tally,
    estimators: Estimators,
    virtual_estimators: Estimators,
    /// The estimators that move, for the next daemon.
    rates: Pairs<u32, Rate>,
    /// Call-IDs of templates.
    call_ids: Pairs<OverflowKey, CallId>,
    /// Slots of virtual servers that counted something at the last sample, or still have a rate.
    moving: BTreeSet<u32>,
    last_sample: Option<Instant>,
    thinning: Thinning,
    told: portless::Told,
    /// The maps are those of a daemon that may have died between two writes: at the first change
    /// everything is brought to the rules.
    unsettled: bool,
    hz: u32,
}

impl Bpf {
    /// Loads the programs, on maps that a daemon before left pinned or on new ones. Programs that
    /// are attached already are swapped for the new ones without losing a packet.
    ///
    /// # Errors
    ///
    /// When the pins cannot be where they should, were made by another version, or the kernel refuses
    /// a map or a program.
    ///
    /// # Minimum kernel version
    ///
    /// 6.1.
    pub fn open(options: &BpfOptions) -> Result<Self, OpenError> {
        let pins = Pins::open(&options.pins)?;
        let connections = options
            .connections
            .unwrap_or_else(load::default_connections);
        let loaded = load::load(&pins, Sizes::for_connections(connections))?;
        if loaded.adopted {
            let wanted = Sizes::for_connections(connections);
            if options.connections.is_some() && wanted != loaded.sizes {
                tracing::warn!(
                    "the pinned tables keep their size; a stop without `--keep` gives them up"
                );
            }
        }
        Self::assemble(pins, loaded)
    }

    fn assemble(pins: Pins, loaded: Loaded) -> Result<Self, OpenError> {
        let Loaded {
            mut object,
            sizes,
            adopted,
            generation,
        } = loaded;
        let maps = Maps {
            settings: load::mapped(&object, "SETTINGS", 1)?,
            virtual_servers: load::mapped(&object, "VIRTUAL", 16_384)?,
            real_servers: load::mapped(&object, "REAL", 131_072)?,
            blocks: load::mapped(&object, "BLOCKS", 32_768)?,
            locals: load::mapped(&object, "LOCALS", 4_096)?,
            localities: hash(&mut object, "LOCALITIES")?,
            services: hash(&mut object, "SERVICES")?,
            filter: load::mapped(&object, "FILTER", 1)?,
            next_hops: load::mapped(&object, "NEXT_HOPS", 65_536)?,
            hop_index: hash(&mut object, "HOP_INDEX")?,
            hops_free: queue(&mut object, "HOPS_FREE")?,
            rates: hash(&mut object, "RATES")?,
            call_ids: hash(&mut object, "CALL_IDS")?,
            flows4: load::mapped(&object, "FLOWS4", sizes.sets4)?,
            cold4: load::mapped(&object, "COLD4", sizes.sets4)?,
            overflow4: Overflow::new(
                hash(&mut object, "OVERFLOW4")?,
                load::mapped(&object, "OVERFLOWN", 2)?,
                0,
            ),
            flows6: load::mapped(&object, "FLOWS6", sizes.sets6)?,
            cold6: load::mapped(&object, "COLD6", sizes.sets6)?,
            overflow6: Overflow::new(
                hash(&mut object, "OVERFLOW6")?,
                load::mapped(&object, "OVERFLOWN", 2)?,
                1,
            ),
        };
        let links = Links::new(Macs::new(
            hash(&mut object, "LINK_MACS")?,
            load::mapped(&object, "FIRST_MACS", abi::LINKS)?,
        ));
        Self::on(
            Box::new(Kernel::new(object, generation, pins, links)),
            maps,
            adopted,
        )
    }

    /// A dataplane on these maps, which were another daemon's when they are `adopted`.
    fn on(mut machine: Box<dyn Machine>, maps: Maps, adopted: bool) -> Result<Self, OpenError> {
        let settings = maps.settings;
        let hz = machine.rate(&settings)?;
        let mut timeouts = Timeouts::default();
        if let Some(mut value) = settings.read(0) {
            // A daemon that was killed while it started has left maps without settings.
            if adopted && value.hz != 0 {
                timeouts = timeouts_of(&value);
            } else {
                default_timeouts(&mut value, hz);
            }
            value.hz = hz;
            value.patience = hz * PATIENCE;
            settings.write(0, value);
            load::finish(&settings);
        }
        let servers = Servers::new(Parts {
            virtual_servers: maps.virtual_servers,
            real_servers: maps.real_servers,
            blocks: maps.blocks,
            locals: maps.locals,
            services: maps.services,
            bits: Bits::new(maps.filter),
            hz,
        });
        let hops = Hops::new(maps.next_hops, maps.hop_index, maps.hops_free);
        let table4 = Table::new(maps.flows4, maps.cold4, maps.overflow4);
        let table6 = Table::new(maps.flows6, maps.cold6, maps.overflow6);
        let mut rules = Rules::new();
        if let Err(error) = rules.apply(&Op::SetTimeouts { timeouts }) {
            tracing::debug!(%error, "the timeouts in the maps");
        }
        for (virtual_server, real_servers) in servers.rules() {
            let id = virtual_server.id;
            let ops = std::iter::once(Op::AddVirtualServer { virtual_server }).chain(
                real_servers
                    .into_iter()
                    .map(|real_server| Op::AddRealServer {
                        virtual_server: id,
                        real_server,
                    }),
            );
            for op in ops {
                if let Err(error) = rules.apply(&op) {
                    // The daemon brings the maps to its file; this was only where it begins from.
                    tracing::debug!(%error, "a rule in the maps");
                }
            }
        }
        let mut bpf = Self {
            machine,
            rules,
            servers,
            ways: Ways::new(hops),
            localities: Localities(maps.localities),
            settings,
            table4,
            table6,
            tally4: Tally::default(),
            tally6: Tally::default(),
            estimators: Estimators::default(),
            virtual_estimators: Estimators::default(),
            rates: maps.rates,
            call_ids: maps.call_ids,
            moving: BTreeSet::new(),
            last_sample: None,
            thinning: Thinning::default(),
            told: portless::Told::default(),
            unsettled: adopted,
            hz,
        };
        if adopted {
            bpf.adopt();
        } else {
            bpf.apply_settings();
        }
        bpf.beat();
        Ok(bpf)
    }

    /// A sign of life, and the time.
    fn beat(&mut self) {
        if let Err(error) = self.machine.tick(true) {
            tracing::error!(%error, "the datapath goes on without the daemon's next hops");
        }
    }

    /// How long the programs believe what was written before the last sign of life, in seconds.
    fn set_patience(&self, seconds: u32) {
        let settings = self.settings.at(0);
        if !settings.is_null() {
            // SAFETY: the settings are mapped; the field is this side's, and written whole.
            unsafe { (&raw mut (*settings).patience).write_volatile(self.hz * seconds) };
        }
    }

    fn now(&mut self) -> u32 {
        if let Err(error) = self.machine.tick(false) {
            tracing::error!(%error, "expiry stands still");
        }
        self.settings
            .read(0)
            .map_or(0, |settings| abi::low32(settings.jiffies))
    }
}

impl Dataplane for Bpf {
    fn apply(&mut self, ops: &[Op], atomicity: Atomicity) -> Vec<Result<(), OpError>> {
        self.change(ops, atomicity)
    }

    fn rules(&self) -> Vec<(VirtualServer, Vec<RealServer>)> {
        self.rules.rules().to_vec()
    }

    fn list(&mut self, scope: &ServerScope) -> Vec<VirtualServerListing> {
        self.list_virtual_servers(scope)
    }

    fn connections(
        &mut self,
        filter: &ConnectionFilter,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) {
        let _end = self.connections_from(filter, 0, visit);
    }

    fn connections_from(
        &mut self,
        filter: &ConnectionFilter,
        cursor: u64,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Option<u64> {
        let now = self.now();
        self.list_connections(filter, cursor, now, visit)
    }

    fn kill(&mut self, filter: &ConnectionFilter) -> u64 {
        if *filter == ConnectionFilter::default() {
            self.machine.forget_fragments();
        }
        let now = self.now();
        self.end_connections(filter, now)
    }

    fn settings(&self) -> xvs_types::Settings {
        self.rules.settings().clone()
    }

    fn timeouts(&self) -> Timeouts {
        self.rules.timeouts()
    }

    fn sync_daemons(&self) -> Vec<SyncDaemon> {
        self.rules.sync_daemons().to_vec()
    }

    fn attach(&mut self, wanted: &[Attachment]) -> Vec<String> {
        // It may have the kernel verify the programs for XDP, and no sign of life comes meanwhile.
        self.set_patience(PATIENCE_ATTACHING);
        let failures = self.machine.attach(wanted);
        self.beat();
        self.set_patience(PATIENCE);
        failures
    }

    fn set_local_prefixes(&mut self, prefixes: &[Prefix]) {
        let anywhere = self
            .rules
            .rules()
            .iter()
            .filter(|(server, _)| server.anywhere)
            .map(|(server, _)| server.id)
            .collect();
        self.servers.set_prefixes(prefixes, &anywhere);
    }

    fn set_kept_ports(&mut self, local_address: IpAddr, kept: Option<(u16, u16)>) {
        self.servers.set_kept_ports(local_address, kept);
    }

    fn set_brought_by(&mut self, link: Option<u32>) {
        if let Some(mut value) = self.settings.read(0) {
            value.brought_by = link.unwrap_or(0);
            self.settings.write(0, value);
        }
    }

    fn destinations(&self) -> Vec<IpAddr> {
        let mut destinations: Vec<IpAddr> = self
            .rules
            .rules()
            .iter()
            .flat_map(|(_, real_servers)| real_servers)
            .map(|server| server.endpoint.address)
            .collect();
        destinations.sort_unstable();
        destinations.dedup();
        destinations
    }

    fn set_route(&mut self, destination: IpAddr, route: Option<Route>) {
        self.follow_route(destination, route);
    }

    fn routes_are_told(&mut self) {
        self.turn_away();
    }

    fn neighbours(&mut self) -> Vec<NeighbourKey> {
        self.ways.hops.neighbours()
    }

    fn neighbours_changed(&mut self) -> bool {
        self.ways.hops.have_changed()
    }

    fn set_neighbour(&mut self, neighbour: NeighbourKey, resolved: Option<(Mac, Mac)>) {
        let mtu = self.ways.mtu(&neighbour);
        self.ways.hops.resolve(neighbour, resolved, mtu);
    }

    fn forget_client_routes(&mut self) {
        self.ways.hops.forget_learned();
    }

    fn housekeep(&mut self) {
        self.beat();
        if self.unsettled {
            self.settle();
        }
        self.defend();
        self.sweep();
        self.tell_of_ports();
        let due = self
            .last_sample
            .is_none_or(|last| last.elapsed().as_secs() >= rates::PERIOD);
        if due {
            self.last_sample = Some(Instant::now());
            self.sample();
        }
        let now = self.now();
        self.servers.forget_bygone(now);
        if self.servers.has_waste() {
            wait_for_programs();
            let recycled = self.servers.recycle(now);
            self.note_bygone(&recycled);
            self.forget_destinations();
        }
    }

    fn finish(&mut self, keep: bool) -> Vec<String> {
        if keep {
            return Vec::new();
        }
        self.machine.remove()
    }

    fn status(&mut self) -> DataplaneStatus {
        let counts = self.machine.counts();
        let mut status = DataplaneStatus {
            attachments: self.machine.attachments(),
            table_v4: TableStatus {
                capacity: u64::from(self.table4.capacity()),
                used: self.tally4.used,
                overflow: self.tally4.overflow,
            },
            table_v6: TableStatus {
                capacity: u64::from(self.table6.capacity()),
                used: self.tally6.used,
                overflow: self.tally6.overflow,
            },
            ..DataplaneStatus::default()
        };
        for (counter, name) in Counter::ALL {
            let value = counts.get(&counter.index()).copied().unwrap_or(0);
            let list = if counter.index() < DROPS {
                &mut status.drops
            } else {
                &mut status.events
            };
            list.insert((*name).to_owned(), value);
        }
        status
    }
}

/// Takes a map out of the object. It must live as long: [`programs::load`].
fn take(object: &mut Ebpf, name: &'static str) -> Result<Map, OpenError> {
    object.take_map(name).ok_or_else(|| {
        OpenError::load(
            format!("`{name}`"),
            &std::io::Error::new(std::io::ErrorKind::NotFound, "the object does not have it"),
        )
    })
}

fn hash<K, V>(object: &mut Ebpf, name: &'static str) -> Result<Pairs<K, V>, OpenError>
where
    Plain<K>: aya::Pod,
    Plain<V>: aya::Pod,
{
    let whole = load::map(object, name)?.fd().as_fd().try_clone_to_owned();
    let whole = whole.map_err(|reason| OpenError::Map { map: name, reason })?;
    let map = take(object, name)?.try_into();
    map.map(|map| Pairs::Kernel(map, whole))
        .map_err(|error: aya::maps::MapError| OpenError::load(name, &error))
}

fn queue(object: &mut Ebpf, name: &'static str) -> Result<Indexes, OpenError> {
    let map = take(object, name)?.try_into();
    map.map(Indexes::Kernel)
        .map_err(|error: aya::maps::MapError| OpenError::load(name, &error))
}
