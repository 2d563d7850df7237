//! The maps and the programs in this process, with a clock that the test sets.

use std::{
    collections::{HashMap as StdMap, VecDeque},
    sync::{
        Arc, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use xvs_datapath::{
    Verdict,
    abi::{Counter, LinkMac, Settings, index, link_mac_flag, wide},
    native::{self, Buffer, Cpu, Frame, HashMap, Routes, Tables, World},
};

use super::{
    Bpf, Maps, OpenError,
    machine::Machine,
    memory::Mapped,
    pairs::{Indexes, Pairs},
    table::Overflow,
};
use crate::{
    Attachment, AttachmentStatus, Hook,
    testing::{Action, Clock, Ran},
};

/// A hash map of this process, one of [`Tables`].
pub(super) struct Map<K, V> {
    tables: Arc<Tables>,
    which: fn(&Tables) -> &HashMap<K, V>,
}

impl<K, V> Map<K, V> {
    /// The map.
    pub(super) fn get(&self) -> &HashMap<K, V> {
        (self.which)(&self.tables)
    }
}

/// The queue of free next hops.
pub(super) fn queue(tables: &Tables) -> MutexGuard<'_, VecDeque<u32>> {
    tables
        .hops_free
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// This process as what runs the programs.
struct Process {
    tables: Arc<Tables>,
    clock: Clock,
    routes: Arc<Routes>,
    attached: Vec<Attachment>,
    /// How many packets ran: the seed of each one's random numbers.
    ran: u64,
}

impl Bpf {
    /// A dataplane whose maps and programs are in this process, with a clock that the caller sets
    /// and a routing table for what it was not told.
    ///
    /// # Errors
    ///
    /// As [`Bpf::open`]; none is known.
    pub fn in_process(
        tables: &Arc<Tables>,
        clock: &Clock,
        routes: Routes,
    ) -> Result<Self, OpenError> {
        fn array<T>(tables: &Arc<Tables>, array: &native::Array<T>) -> Mapped<T> {
            Mapped::of_process(tables, array)
        }
        fn pairs<K, V>(tables: &Arc<Tables>, which: fn(&Tables) -> &HashMap<K, V>) -> Pairs<K, V> {
            Pairs::Process(Map {
                tables: Arc::clone(tables),
                which,
            })
        }
        let maps = Maps {
            settings: array(tables, &tables.settings),
            virtual_servers: array(tables, &tables.virtual_servers),
            real_servers: array(tables, &tables.real_servers),
            blocks: array(tables, &tables.blocks),
            locals: array(tables, &tables.locals),
            localities: pairs(tables, |tables| &tables.localities),
            services: pairs(tables, |tables| &tables.services),
            filter: array(tables, &tables.filter),
            next_hops: array(tables, &tables.next_hops),
            hop_index: pairs(tables, |tables| &tables.hop_index),
            hops_free: Indexes::Process(Arc::clone(tables)),
            rates: pairs(tables, |tables| &tables.rates),
            call_ids: pairs(tables, |tables| &tables.call_ids),
            flows4: array(tables, &tables.flows4),
            cold4: array(tables, &tables.cold4),
            overflow4: Overflow::new(
                pairs(tables, |tables| &tables.overflow4),
                array(tables, &tables.overflown),
                0,
            ),
            flows6: array(tables, &tables.flows6),
            cold6: array(tables, &tables.cold6),
            overflow6: Overflow::new(
                pairs(tables, |tables| &tables.overflow6),
                array(tables, &tables.overflown),
                1,
            ),
        };
        let process = Process {
            tables: Arc::clone(tables),
            clock: clock.clone(),
            routes: Arc::new(routes),
            attached: Vec::new(),
            ran: 0,
        };
        Self::on(Box::new(process), maps, false)
    }
}

impl Machine for Process {
    fn tick(&mut self, beat: bool) -> Result<(), OpenError> {
        let now = self.clock.now();
        self.tables.settings.edit(0, |settings| {
            settings.jiffies = wide(now);
            if beat {
                settings.heartbeat = now;
            }
        });
        Ok(())
    }

    fn rate(&mut self, _settings: &Mapped<Settings>) -> Result<u32, OpenError> {
        Ok(World::HZ)
    }

    fn attach(&mut self, wanted: &[Attachment]) -> Vec<String> {
        for (key, _flags) in self.tables.link_macs.entries() {
            self.tables.link_macs.remove(&key);
            self.tables.links.edit(key.ifindex, |word| *word = 0);
        }
        for attachment in wanted {
            for mac in &attachment.macs {
                let key = LinkMac {
                    ifindex: attachment.ifindex,
                    mac: mac.0,
                    zero: 0,
                };
                self.tables.link_macs.insert_new(key, link_mac_flag::OURS);
                let noted = key.noted(link_mac_flag::OURS);
                self.tables.links.edit(key.ifindex, |word| *word = noted);
            }
        }
        self.attached = wanted.to_vec();
        Vec::new()
    }

    fn attachments(&self) -> Vec<AttachmentStatus> {
        self.attached
            .iter()
            .map(|attachment| AttachmentStatus {
                ifindex: attachment.ifindex,
                name: attachment.name.clone(),
                hook: attachment.hook,
                attached_by: "this process".to_owned(),
            })
            .collect()
    }

    fn counts(&self) -> StdMap<u32, u64> {
        Counter::ALL
            .iter()
            .map(|(counter, _name)| {
                let count = &self.tables.counters[index(counter.index())];
                (counter.index(), count.load(Ordering::Relaxed))
            })
            .collect()
    }

    fn remove(&mut self) -> Vec<String> {
        self.attach(&[])
    }

    fn know_links(&mut self, links: &[Attachment]) {
        self.attach(links);
    }

    fn forget_fragments(&mut self) {
        for (key, _fragment) in self.tables.fragments.entries() {
            self.tables.fragments.remove(&key);
        }
        for (key, _early) in self.tables.early.entries() {
            self.tables.early.remove(&key);
        }
    }

    fn set_routes(&mut self, routes: Routes) {
        self.routes = Arc::new(routes);
    }

    fn run(&mut self, hook: Hook, ifindex: u32, mark: u32, frame: &[u8]) -> Result<Ran, OpenError> {
        self.ran += 1;
        // One for each packet, so that what it counted is in the tables when it is gone.
        let cpu = Cpu::new(&self.tables, self.clock.now(), self.ran);
        let mut copies = Vec::new();
        let (verdict, frame, again) = if hook == Hook::Tcx {
            let mut buffer = Buffer::new(frame, ifindex, &self.routes).marked(mark);
            let verdict = native::run(&mut buffer, &cpu);
            copies.extend(buffer.copies().iter().map(|(_, copy)| copy.clone()));
            (verdict, buffer.bytes(), buffer.returning())
        } else {
            let mut packet = Frame::new(frame, ifindex, &self.routes);
            let verdict = native::run(&mut packet, &cpu);
            (verdict, packet.bytes(), Vec::new())
        };
        let action = match verdict {
            Verdict::PASS => Action::Pass,
            Verdict::DROP | Verdict::HELD => Action::Drop,
            _ => Action::Send,
        };
        Ok(Ran {
            action,
            frame,
            again,
            copies,
        })
    }

    fn leave(&mut self, ifindex: u32, frame: &[u8]) -> Result<Ran, OpenError> {
        self.ran += 1;
        let cpu = Cpu::new(&self.tables, self.clock.now(), self.ran);
        let mut buffer = Buffer::new(frame, ifindex, &self.routes);
        let action = match native::leave(&mut buffer, &cpu) {
            Verdict::DROP => Action::Drop,
            _ => Action::Pass,
        };
        Ok(Ran {
            action,
            frame: buffer.bytes(),
            again: Vec::new(),
            copies: Vec::new(),
        })
    }
}

impl Clock {
    /// A clock at `now` jiffies.
    #[must_use]
    pub fn new(now: u32) -> Self {
        Self(Arc::new(AtomicU32::new(now)))
    }

    /// Jiffies.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Lets jiffies pass.
    pub fn advance(&self, jiffies: u32) {
        self.0.fetch_add(jiffies, Ordering::Relaxed);
    }
}
