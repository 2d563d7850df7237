//! What stands behind the commands: a daemon, or in tests a rule base.

use xvs_types::{
    ConnectionListing, Op, OpError, SyncDaemon, Timeouts, VirtualServerId, VirtualServerListing,
};

/// A dataplane as ipvsadm needs it.
///
/// [`open`](Self::open) is called once, before anything else.
pub trait Backend {
    /// Reaches the dataplane of `instance`; none means the caller's default.
    ///
    /// # Errors
    ///
    /// [`BackendError::PermissionDenied`] ends every command, also `-h`, as the kernel's ipvsadm
    /// does; the others end the commands that need the dataplane.
    fn open(&mut self, instance: Option<&str>) -> Result<(), BackendError>;

    /// Applies ops one by one, a result each; a refused op does not keep back those after it.
    ///
    /// # Errors
    ///
    /// When the dataplane cannot be asked.
    fn apply_each(&mut self, ops: &[Op]) -> Result<Vec<Result<(), OpError>>, BackendError>;

    /// Applies all ops or none; the inner error has the place of the op that was refused.
    ///
    /// # Errors
    ///
    /// When the dataplane cannot be asked.
    fn apply_all(&mut self, ops: &[Op]) -> Result<Result<(), (usize, OpError)>, BackendError>;

    /// All virtual servers, in the order of adding, real servers in the kernel's order (the one
    /// added last first). Totals and rates may be left out unless `counters` are wanted.
    ///
    /// # Errors
    ///
    /// When the dataplane cannot be asked.
    fn virtual_servers(
        &mut self,
        counters: bool,
    ) -> Result<Vec<VirtualServerListing>, BackendError>;

    /// One virtual server, if it exists.
    ///
    /// # Errors
    ///
    /// When the dataplane cannot be asked.
    fn virtual_server(
        &mut self,
        id: &VirtualServerId,
    ) -> Result<Option<VirtualServerListing>, BackendError>;

    /// Calls `visit` for each connection until it answers `false`.
    ///
    /// # Errors
    ///
    /// When the dataplane cannot be asked.
    fn connections(
        &mut self,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Result<(), BackendError>;

    /// The timeouts in force.
    ///
    /// # Errors
    ///
    /// When the dataplane cannot be asked.
    fn timeouts(&mut self) -> Result<Timeouts, BackendError>;

    /// The sync daemons that are wanted.
    ///
    /// # Errors
    ///
    /// When the dataplane cannot be asked.
    fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, BackendError>;
}

/// Why a dataplane could not be asked; not a refusal, which is an [`OpError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// It was reached and failed in the middle.
    #[error("{reason}")]
    Failed {
        /// What failed, on what.
        reason: String,
    },
    /// The caller may not ask it.
    #[error("Permission denied (you must be root)")]
    PermissionDenied,
    /// Nothing answers.
    #[error("{reason}")]
    Unavailable {
        /// What was tried, and how to start it; one line.
        reason: String,
    },
}
