//! What the datapath cannot do yet: refused when it is asked for, not forwarded wrongly.

use xvs_types::{ForwardingMethod, Op, OpError, Protocol, RealServer, VirtualServerId};

/// Refuses what the rule base takes but the programs cannot do.
pub(super) fn check(op: &Op) -> Result<(), OpError> {
    match op {
        Op::AddRealServer {
            virtual_server,
            real_server,
        }
        | Op::EditRealServer {
            virtual_server,
            real_server,
        } => real_server_limits(virtual_server, real_server),
        _ => Ok(()),
    }
}

/// The checksum of SCTP covers the ports, and every byte besides.
fn real_server_limits(id: &VirtualServerId, server: &RealServer) -> Result<(), OpError> {
    let VirtualServerId::Address {
        protocol: Protocol::Sctp,
        endpoint,
    } = id
    else {
        return Ok(());
    };
    let ported = server.endpoint.port != 0 && server.endpoint.port != endpoint.port;
    match server.method {
        ForwardingMethod::FullNat => refuse("SCTP by FULLNAT"),
        ForwardingMethod::Nat if ported => refuse("SCTP to another port"),
        _ => Ok(()),
    }
}

fn refuse<T>(what: &str) -> Result<T, OpError> {
    Err(OpError::Invalid {
        reason: format!("the datapath does not have {what} yet"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use xvs_types::Endpoint;

    #[test]
    fn what_would_be_forwarded_wrongly_is_refused() {
        let vip: Endpoint = "192.0.2.1:80".parse().unwrap();
        let id = VirtualServerId::Address {
            protocol: Protocol::Sctp,
            endpoint: vip,
        };
        let mut real = RealServer::new("10.0.0.1:80".parse().unwrap());
        real.method = ForwardingMethod::Nat;
        assert_eq!(real_server_limits(&id, &real), Ok(()));
        real.endpoint.port = 81;
        assert!(real_server_limits(&id, &real).is_err());
    }
}
