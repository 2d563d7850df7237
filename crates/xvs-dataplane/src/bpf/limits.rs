//! What the datapath cannot do yet: refused when it is asked for, not forwarded wrongly.

use xvs_types::{Op, OpError, VirtualServer};

/// Refuses what the rule base takes but the programs cannot do.
pub(super) fn check(op: &Op) -> Result<(), OpError> {
    match op {
        Op::AddVirtualServer { virtual_server } | Op::EditVirtualServer { virtual_server } => {
            virtual_server_limits(virtual_server)
        }
        _ => Ok(()),
    }
}

fn virtual_server_limits(server: &VirtualServer) -> Result<(), OpError> {
    if server.engine.is_some() {
        return refuse("persistence engines (`--pe`)");
    }
    Ok(())
}

fn refuse<T>(what: &str) -> Result<T, OpError> {
    Err(OpError::Invalid {
        reason: format!("the datapath does not have {what} yet"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use xvs_types::{Endpoint, VirtualServerId};

    #[test]
    fn what_would_be_forwarded_wrongly_is_refused() {
        let vip: Endpoint = "192.0.2.1:80".parse().unwrap();
        let mut server = VirtualServer::new(VirtualServerId::udp(vip));
        assert_eq!(virtual_server_limits(&server), Ok(()));
        server.engine = Some(xvs_types::PersistenceEngine::Sip);
        assert!(virtual_server_limits(&server).is_err());
    }
}
