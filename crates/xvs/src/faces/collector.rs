//! A rule base that remembers how it came about: saved rules as ops.

use xvs_ipvsadm::{Backend, BackendError};
use xvs_types::{
    ConnectionListing, Op, OpError, Rules, SyncDaemon, Timeouts, VirtualServerId,
    VirtualServerListing,
};

/// Takes ops as a dataplane would, and keeps those it took.
#[derive(Debug, Default)]
pub(super) struct Collector {
    rules: Rules,
    ops: Vec<Op>,
}

impl Collector {
    /// The ops, without those that clear everything: who collects begins with nothing.
    pub(super) fn into_ops(self) -> Vec<Op> {
        let mut ops = self.ops;
        ops.retain(|op| *op != Op::Flush);
        ops
    }
}

impl Backend for Collector {
    fn open(&mut self, _instance: Option<&str>) -> Result<(), BackendError> {
        Ok(())
    }

    fn apply_each(&mut self, ops: &[Op]) -> Result<Vec<Result<(), OpError>>, BackendError> {
        Ok(ops
            .iter()
            .map(|op| {
                self.rules.apply(op)?;
                self.ops.push(op.clone());
                Ok(())
            })
            .collect())
    }

    fn apply_all(&mut self, ops: &[Op]) -> Result<Result<(), (usize, OpError)>, BackendError> {
        let result = self.rules.apply_all(ops);
        if result.is_ok() {
            self.ops.extend_from_slice(ops);
        }
        Ok(result)
    }

    fn virtual_servers(
        &mut self,
        _counters: bool,
    ) -> Result<Vec<VirtualServerListing>, BackendError> {
        Err(nothing_to_list())
    }

    fn virtual_server(
        &mut self,
        _id: &VirtualServerId,
    ) -> Result<Option<VirtualServerListing>, BackendError> {
        Err(nothing_to_list())
    }

    fn connections(
        &mut self,
        _visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Result<(), BackendError> {
        Err(nothing_to_list())
    }

    fn timeouts(&mut self) -> Result<Timeouts, BackendError> {
        Ok(self.rules.timeouts())
    }

    fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, BackendError> {
        Ok(self.rules.sync_daemons().to_vec())
    }
}

fn nothing_to_list() -> BackendError {
    BackendError::Failed {
        reason: "saved rules cannot be listed".to_owned(),
    }
}
