//! Routes to real servers, brought into their slots.

use std::net::IpAddr;

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
        let slots = self.servers.at_address(destination);
        // Only one that became local or ceased to be must be written anew, by its rule.
        for id in self.servers.lead(&slots, way) {
            if let Err(error) = self.bring(&[id]) {
                tracing::error!(%destination, %error, "a route could not be noted");
            }
        }
        if before.is_some_and(|before| before.hop != 0 && before.hop != way.hop) {
            self.forget_ways(&slots);
        }
    }
}
