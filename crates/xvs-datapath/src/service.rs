//! From what a packet is addressed to, to its virtual server.

use crate::{
    Env, Flow,
    abi::{NONE, ServiceKey},
};

/// Index of the virtual server of a flow with this firewall mark, or [`NONE`]: that of the mark, else
/// of its address and port, else of its address and every port (kernel `ip_vs_service_find`).
#[inline(always)]
pub(crate) fn of<E: Env>(env: &E, flow: &Flow, mark: u32) -> u32 {
    if mark != 0 {
        let marked = env.virtual_server_index(&ServiceKey {
            mark,
            family: if flow.ipv6 { 6 } else { 4 },
            ..ServiceKey::default()
        });
        if marked != NONE {
            return marked;
        }
    }
    let mut key = ServiceKey {
        address: flow.tuple.destination,
        mark: 0,
        port: flow.tuple.destination_port(),
        protocol: flow.protocol,
        family: if flow.ipv6 { 6 } else { 4 },
    };
    let exact = env.virtual_server_index(&key);
    if exact != NONE {
        return exact;
    }
    key.port = 0;
    env.virtual_server_index(&key)
}
