//! A director under test: a world, a CPU, and packets through either hook.

use std::sync::Arc;

use crate::{
    Verdict,
    abi::{Counter, RealServer, Slot, Tag},
    native::{Buffer, Cpu, Datagram, Frame, Routes, World, audit, run},
};

/// A world with one CPU.
pub(super) struct Director {
    pub(super) cpu: Cpu,
    pub(super) routes: Arc<Routes>,
}

impl Director {
    pub(super) fn new(world: &World) -> Self {
        Self {
            cpu: world.cpu(),
            routes: world.routes(),
        }
    }

    /// Sends a packet in at XDP.
    pub(super) fn send(&self, datagram: &Datagram) -> Verdict {
        let mut frame = Frame::new(&datagram.bytes(), World::CLIENTS, &self.routes);
        run(&mut frame, &self.cpu)
    }

    /// Sends a packet in at tcx.
    pub(super) fn buffer(&self, datagram: &Datagram) -> Buffer {
        Buffer::new(&datagram.bytes(), World::CLIENTS, &self.routes)
    }

    /// Sends a packet that must be forwarded to a real server.
    pub(super) fn forward(&self, datagram: &Datagram) {
        let verdict = self.send(datagram);
        assert_eq!(verdict, Verdict::redirect(World::SERVERS), "{datagram:?}");
    }

    /// Active and inactive connections of a real server.
    pub(super) fn counts(&self, server: u32) -> (u32, u32) {
        let server = self.server(server);
        (server.active, server.inactive)
    }

    pub(super) fn server(&self, server: u32) -> RealServer {
        self.cpu.tables().real_servers.get(server)
    }

    pub(super) fn counted(&self, counter: Counter) -> u64 {
        self.cpu.counted(counter)
    }

    /// States of the IPv4 entries: forward, then reverse.
    pub(super) fn states(&self) -> (Vec<u8>, Vec<u8>) {
        let states = |reverse: bool| {
            self.cpu
                .tables()
                .entries4()
                .iter()
                .map(|(_, entry)| Tag(entry.tag))
                .filter(|tag| tag.reverse() == reverse)
                .map(Tag::state)
                .collect()
        };
        (states(false), states(true))
    }

    /// Marks all IPv4 entries for deletion, as the sweeper does.
    pub(super) fn mark_dying(&self) {
        let flows = &self.cpu.tables().flows4;
        for set in 0..u32::try_from(flows.len()).unwrap_or(u32::MAX) {
            flows.edit(set, |entries| {
                for entry in entries {
                    if Tag(entry.tag).slot() == Slot::LIVE {
                        entry.tag = Tag(entry.tag).with_slot(Slot::DYING).0;
                    }
                }
            });
        }
    }

    /// Fails where an invariant of the tables is broken.
    pub(super) fn audit(&self) {
        let found = audit(self.cpu.tables());
        assert!(found.is_empty(), "{found:#?}");
    }
}
