//! Routes to real servers, and who uses them.

use std::{
    collections::{HashMap as StdMap, HashSet},
    net::IpAddr,
};

use xvs_types::VirtualServerId;

use super::Bpf;
use crate::Route;

impl Bpf {
    /// Notes the route to a real server, as [`crate::Dataplane::set_route`] says.
    pub(super) fn follow_route(&mut self, destination: IpAddr, route: Option<Route>) {
        let before = self.ways.of(destination);
        let way = self.ways.set(destination, route);
        if before == Some(way) {
            return;
        }
        let ids = self.users_of(destination);
        if let Err(error) = self.bring(&ids) {
            tracing::error!(%destination, %error, "a route could not be noted");
        }
        if before.is_some_and(|before| before.hop != 0 && before.hop != way.hop) {
            let moved: HashSet<u32> = self
                .servers
                .real_slots()
                .filter(|slot| self.servers.is_at(*slot, destination))
                .collect();
            self.forget_ways(&moved);
        }
    }

    /// The virtual servers with a real server at this address.
    fn users_of(&mut self, address: IpAddr) -> Vec<VirtualServerId> {
        self.users().get(&address).cloned().unwrap_or_default()
    }

    /// Virtual servers by the address of a real server.
    pub(super) fn users(&mut self) -> &StdMap<IpAddr, Vec<VirtualServerId>> {
        let rules = &self.rules;
        self.users.get_or_insert_with(|| {
            let mut users: StdMap<IpAddr, Vec<VirtualServerId>> = StdMap::new();
            for (server, real_servers) in rules.rules() {
                for real_server in real_servers {
                    let list = users.entry(real_server.endpoint.address).or_default();
                    if list.last() != Some(&server.id) {
                        list.push(server.id);
                    }
                }
            }
            users
        })
    }
}
