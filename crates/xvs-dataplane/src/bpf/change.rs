//! Ops: judged by the rule base, then brought into the maps.

use std::collections::HashSet;

use xvs_datapath::abi::setting_flag;
use xvs_types::{Op, OpError, VirtualServerId};

use super::{Bpf, table::Record, upkeep::SMALL};
use crate::Atomicity;

impl Bpf {
    /// Applies ops as [`crate::Dataplane::apply`] says.
    pub(super) fn change(&mut self, ops: &[Op], atomicity: Atomicity) -> Vec<Result<(), OpError>> {
        let mut results = Vec::with_capacity(ops.len());
        let mut done = Vec::with_capacity(ops.len());
        let mut touched = Vec::new();
        let mut known = HashSet::new();
        for op in ops {
            let ids = self.ids_of(op);
            let result = self.rules.change(op);
            let refused = result.is_err();
            results.push(result.map(|undo| done.push(undo)));
            if refused {
                if atomicity == Atomicity::AllOrNothing {
                    self.rules.take_back(done);
                    return results;
                }
                continue;
            }
            touched.extend(ids.into_iter().filter(|id| known.insert(*id)));
            match op {
                Op::SetSetting { .. } => self.apply_settings(),
                Op::SetTimeouts { .. } => self.apply_timeouts(),
                Op::Zero { id } => self.zero(id.as_ref()),
                _ => {}
            }
        }
        self.ways.rules_changed();
        if let Err(error) = self.bring(&touched) {
            // A limit was met half-way: back to what was there.
            self.rules.take_back(done);
            if let Err(second) = self.bring(&touched) {
                tracing::error!(%second, "the maps are not what the rules say");
            }
            return match atomicity {
                Atomicity::AllOrNothing => vec![Err(error)],
                Atomicity::OneByOne => self.one_by_one(ops),
            };
        }
        if self.unsettled {
            self.settle();
        }
        results
    }

    /// Brings the maps to the rules of these virtual servers.
    pub(super) fn bring(&mut self, ids: &[VirtualServerId]) -> Result<(), OpError> {
        let mut gone = HashSet::new();
        for id in ids {
            let rule = self.rules.rule(id).cloned();
            gone.extend(self.servers.bring(id, rule.as_ref(), &mut self.ways)?);
        }
        self.forget_ways(&gone);
        self.expire_orphans(&gone);
        self.restart_counters();
        self.forget_destinations();
        Ok(())
    }

    /// With `expire_nodest_conn`, ends the connections of real servers that are no longer in the rules.
    fn expire_orphans(&mut self, gone: &HashSet<u32>) {
        let expires = self
            .settings
            .read(0)
            .is_some_and(|settings| settings.flags & setting_flag::EXPIRE_NODEST_CONN != 0);
        if !expires || gone.is_empty() {
            return;
        }
        let now = self.now();
        let reals = &self.servers.real_servers;
        let mut doomed = |record: &Record| gone.contains(&record.real_server);
        self.table4.end(now, reals, &mut doomed);
        self.table6.end(now, reals, &mut doomed);
    }

    /// Lets real servers that were added again go on counting without a burst, and virtual servers that
    /// were, while real servers of theirs still had connections, count from nought.
    fn restart_counters(&mut self) {
        for (slot, counted) in self.servers.take_returned() {
            self.estimators.rest(slot, &counted);
        }
        let restarted = self.servers.take_restarted();
        if restarted.is_empty() {
            return;
        }
        let live = self.live();
        for slot in restarted {
            self.restart_virtual(slot, &live);
        }
    }

    /// Whether the tables are small enough to be gone over for one change.
    pub(super) fn is_scanned(&self) -> bool {
        self.table4.capacity() <= SMALL
    }

    /// Makes packets of these real servers' connections ask for their way. In large tables the sweep
    /// does it for those that are gone, within the time of a pass.
    pub(super) fn forget_ways(&self, servers: &HashSet<u32>) {
        if !self.is_scanned() {
            return;
        }
        let mut servers = servers.clone();
        servers.retain(|slot| self.servers.has_connections(*slot));
        if !servers.is_empty() {
            self.table4.forget_way(&servers);
            self.table6.forget_way(&servers);
        }
    }

    /// The virtual servers that an op will touch.
    fn ids_of(&self, op: &Op) -> Vec<VirtualServerId> {
        match op {
            Op::AddRealServer { virtual_server, .. }
            | Op::DeleteRealServer { virtual_server, .. }
            | Op::EditRealServer { virtual_server, .. } => vec![*virtual_server],
            Op::AddVirtualServer { virtual_server } | Op::EditVirtualServer { virtual_server } => {
                vec![virtual_server.id]
            }
            Op::DeleteVirtualServer { id } => vec![*id],
            Op::Flush => {
                let rules = self.rules.rules().iter();
                rules.map(|(server, _)| server.id).collect()
            }
            Op::SetSetting { .. }
            | Op::SetTimeouts { .. }
            | Op::StartSyncDaemon { .. }
            | Op::StopSyncDaemon { .. }
            | Op::Zero { .. } => Vec::new(),
        }
    }

    /// Applies ops that do not all fit, each for itself.
    fn one_by_one(&mut self, ops: &[Op]) -> Vec<Result<(), OpError>> {
        ops.iter()
            .map(|op| {
                self.change(std::slice::from_ref(op), Atomicity::AllOrNothing)
                    .pop()
                    .unwrap_or(Ok(()))
            })
            .collect()
    }
}
