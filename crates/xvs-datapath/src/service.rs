//! From what a packet is addressed to, to its virtual server.

use crate::{
    Env, Flow,
    abi::{NONE, ServiceKey},
};

/// Index of the virtual server of a flow, or [`NONE`]: its address and port, else its address and
/// every port (kernel `ip_vs_service_find`).
#[inline(always)]
pub(crate) fn of<E: Env>(env: &E, flow: &Flow) -> u32 {
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
