//! From what a packet is addressed to, to its virtual server.

use xvs_wire::ipv4;

use crate::{
    Env, Flow,
    abi::{NONE, ServiceKey},
    ftp,
};

/// The first port that needs no right (kernel `ip_unprivileged_port_start`, as it is by default).
const FIRST_FREE: u16 = 1024;

/// Index of the virtual server of a flow with this firewall mark, or [`NONE`]: that of the mark, else
/// of its address and port, else the one for FTP whose data it may be, else of its address and every
/// port (kernel `ip_vs_service_find`).
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
    let port = u16::from_be(key.port);
    if flow.protocol == ipv4::PROTOCOL_TCP && (port == ftp::DATA_PORT || port >= FIRST_FREE) {
        key.port = ftp::PORT.to_be();
        let control = env.virtual_server_index(&key);
        if control != NONE {
            return control;
        }
    }
    key.port = 0;
    env.virtual_server_index(&key)
}
