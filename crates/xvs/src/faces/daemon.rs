//! The daemon behind `ipvsadm`: its socket as the backend.

use xvs_control::{
    Client, ClientError, Instance,
    wire::{Batch, ConnectionQuery},
};
use xvs_ipvsadm::{Backend, BackendError};
use xvs_types::{
    ConnectionListing, Op, OpError, ServerScope, SyncDaemon, Timeouts, VirtualServerId,
    VirtualServerListing,
};

/// A connection to a daemon, once opened.
#[derive(Debug, Default)]
pub(super) struct Daemon {
    client: Option<Client>,
}

impl Daemon {
    fn client(&mut self) -> Result<&mut Client, BackendError> {
        self.client
            .as_mut()
            .ok_or_else(|| BackendError::Unavailable {
                reason: "no xvs daemon was reached".to_owned(),
            })
    }
}

impl Backend for Daemon {
    fn open(&mut self, instance: Option<&str>) -> Result<(), BackendError> {
        let instance =
            Instance::from_environment(instance).map_err(|error| BackendError::Unavailable {
                reason: error.to_string(),
            })?;
        self.client = Some(Client::connect(&instance).map_err(out_of_reach)?);
        Ok(())
    }

    fn apply_each(&mut self, ops: &[Op]) -> Result<Vec<Result<(), OpError>>, BackendError> {
        let batch = Batch::one_by_one(ops.to_vec());
        let outcome = self.client()?.apply(&batch).map_err(failed)?;
        Ok(outcome.into_results())
    }

    fn apply_all(&mut self, ops: &[Op]) -> Result<Result<(), (usize, OpError)>, BackendError> {
        let batch = Batch::atomic(ops.to_vec());
        let outcome = self.client()?.apply(&batch).map_err(failed)?;
        Ok(match outcome.first_error() {
            Some((place, error)) => Err((place, error.clone())),
            None => Ok(()),
        })
    }

    fn virtual_servers(
        &mut self,
        counters: bool,
    ) -> Result<Vec<VirtualServerListing>, BackendError> {
        let scope = ServerScope {
            counters,
            ..ServerScope::default()
        };
        self.client()?.list(&scope).map_err(failed)
    }

    fn virtual_server(
        &mut self,
        id: &VirtualServerId,
    ) -> Result<Option<VirtualServerListing>, BackendError> {
        self.client()?.virtual_server(id).map_err(failed)
    }

    fn connections(
        &mut self,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Result<(), BackendError> {
        self.client()?
            .connections(&ConnectionQuery::default(), visit)
            .map_err(failed)
    }

    fn timeouts(&mut self) -> Result<Timeouts, BackendError> {
        self.client()?.timeouts().map_err(failed)
    }

    fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, BackendError> {
        self.client()?.sync_daemons().map_err(failed)
    }
}

fn out_of_reach(error: ClientError) -> BackendError {
    match error {
        ClientError::NotAllowed { .. } => BackendError::PermissionDenied,
        other => BackendError::Unavailable {
            reason: other.to_string(),
        },
    }
}

fn failed(error: ClientError) -> BackendError {
    BackendError::Failed {
        reason: error.to_string(),
    }
}
