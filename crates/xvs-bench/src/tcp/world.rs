//! Three hosts in a row: a client, the director, which is this thread's network namespace, and a host that
//! has the addresses of all real servers.

use super::{FAMILY, SERVED, contender, host::Host, traffic};
use crate::{
    director::{CLIENTS, NEIGHBOUR, SERVERS, make_links},
    kernel,
};

/// The client's link.
const CLIENT: &str = "client";
/// The servers' link.
const SERVER: &str = "server";

/// The hosts.
pub(super) struct World {
    /// Who connects.
    pub(super) client: Host,
    server: Host,
}

impl World {
    /// Makes them, and has the server serve.
    pub(super) fn new() -> anyhow::Result<Self> {
        kernel::own_network()?;
        make_links()?;
        let (client, server) = (Host::new()?, Host::new()?);
        let mac = NEIGHBOUR.map(|byte| format!("{byte:02x}")).join(":");
        let (own, gateway, vip) = (FAMILY.director(), FAMILY.gateway(), FAMILY.vip());
        for (link, host) in [(CLIENT, &client), (SERVER, &server)] {
            kernel::ip(&format!("link set {link} address {mac}"))?;
            kernel::ip(&format!("link set {link} netns {}", host.number))?;
        }
        kernel::ip(&format!("addr add {own}/24 dev {SERVERS}"))?;
        kernel::ip(&format!(
            "neigh replace {gateway} lladdr {mac} dev {SERVERS} nud permanent"
        ))?;
        kernel::ip(&format!(
            "route add 10.128.0.0/16 via {gateway} dev {SERVERS}"
        ))?;
        // The proxies' address; what comes for it by a link xvs takes before.
        kernel::ip(&format!("addr add {vip}/32 dev lo"))?;
        let far = FAMILY.clients_gateway();
        let near = FAMILY.clients_address();
        let [first, second] = traffic::CLIENTS_NETWORK;
        client.run(move || {
            kernel::ip(&format!("route add local {first}.{second}.0.0/16 dev lo"))?;
            kernel::ip(&format!("addr add {far}/24 dev {CLIENT}"))?;
            kernel::ip(&format!("link set {CLIENT} up"))?;
            kernel::ip(&format!("route add default via {near} dev {CLIENT}"))
        })?;
        server.run(move || {
            kernel::ip(&format!("addr add {gateway}/24 dev {SERVER}"))?;
            for number in 0..contender::SERVERS {
                kernel::ip(&format!("addr add {}/32 dev lo", FAMILY.server(number)))?;
            }
            kernel::ip(&format!("link set {SERVER} up"))?;
            kernel::ip(&format!("route add default via {own} dev {SERVER}"))?;
            traffic::serve(SERVED)
        })?;
        Ok(Self { client, server })
    }

    /// Default offloads at the client and the server, or what XDP on a veth needs of them: checksums made
    /// by the sender, and links that take redirected frames.
    pub(super) fn offload(&self, default: bool) -> anyhow::Result<()> {
        let (transmit, receive) = if default {
            ("on", "off")
        } else {
            ("off", "on")
        };
        for (link, host) in [(CLIENT, &self.client), (SERVER, &self.server)] {
            host.run(move || {
                kernel::command("ethtool", &format!("-K {link} tx {transmit} gro {receive}"))
            })?;
        }
        // What the director's links are left with after XDP decides how large the segments are.
        for link in [CLIENTS, SERVERS] {
            kernel::command("ethtool", &format!("-K {link} tx {transmit} gro {receive}"))?;
        }
        Ok(())
    }
}
