//! What ipvsadm says when the kernel refuses, by the op that was refused.

use xvs_types::{Op, OpError};

/// The words of libipvs' `ipvs_strerror` where the kernel has such an error, ours where it has not.
pub(crate) fn refusal(op: &Op, error: &OpError) -> String {
    let is_server = matches!(
        op,
        Op::AddRealServer { .. } | Op::DeleteRealServer { .. } | Op::EditRealServer { .. }
    );
    match error {
        OpError::VirtualServerMissing { .. } if is_server => "Service not defined",
        OpError::VirtualServerMissing { .. } => "No such service",
        OpError::VirtualServerExists { .. } => "Service already exists",
        OpError::RealServerExists { .. } => "Destination already exists",
        OpError::RealServerMissing { .. } => "No such destination",
        OpError::NotUnicast { .. } => {
            "Invalid operation.  Possibly wrong module version, address not unicast, ..."
        }
        OpError::ThresholdsReversed { .. } => "Numerical result out of range",
        OpError::InterfaceMissing { .. } => "No such device",
        OpError::SyncDaemonExists => "Daemon has already run",
        OpError::SyncDaemonMissing => "No daemon is running",
        other => return other.to_string(),
    }
    .to_owned()
}

/// An unknown scheduler or persistence engine.
pub(crate) const NAME_UNKNOWN: &str = "Scheduler or persistence engine not found";

/// `-L` of a virtual server that does not exist.
pub(crate) const NO_SUCH_SERVICE: &str = "No such service";
