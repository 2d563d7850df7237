//! Which rules changed: what lets those who follow the rules do work for the change and not for the
//! table.

use std::collections::HashSet;

use xvs_types::{Op, Rule, Rules, VirtualServerId};

/// Rules that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleChanges {
    /// These are all there are now.
    All(Vec<Rule>),
    /// These virtual servers have these rules now; none when they are gone.
    Some(Vec<(VirtualServerId, Option<Rule>)>),
}

/// The virtual servers that ops touched.
#[derive(Debug)]
pub(crate) enum Changed {
    All,
    Some(HashSet<VirtualServerId>),
}

impl Changed {
    /// Everything is new to who asks first.
    pub(crate) fn everything() -> Self {
        Self::All
    }

    /// Remembers what `ops` touched.
    pub(crate) fn note(&mut self, ops: &[Op]) {
        for op in ops {
            let Self::Some(ids) = self else { return };
            match op {
                Op::AddRealServer { virtual_server, .. }
                | Op::DeleteRealServer { virtual_server, .. }
                | Op::EditRealServer { virtual_server, .. } => {
                    ids.insert(*virtual_server);
                }
                Op::AddVirtualServer { virtual_server }
                | Op::EditVirtualServer { virtual_server } => {
                    ids.insert(virtual_server.id);
                }
                Op::DeleteVirtualServer { id } => {
                    ids.insert(*id);
                }
                Op::Flush => *self = Self::All,
                Op::SetSetting { .. }
                | Op::SetTimeouts { .. }
                | Op::StartSyncDaemon { .. }
                | Op::StopSyncDaemon { .. }
                | Op::Zero { .. } => {}
            }
        }
    }

    /// What changed, as it is in `rules` now; from here on nothing has.
    pub(crate) fn take(&mut self, rules: &Rules) -> RuleChanges {
        match std::mem::replace(self, Self::Some(HashSet::new())) {
            Self::All => RuleChanges::All(rules.rules().to_vec()),
            Self::Some(ids) => RuleChanges::Some(
                ids.into_iter()
                    .map(|id| (id, rules.rule(&id).cloned()))
                    .collect(),
            ),
        }
    }
}
