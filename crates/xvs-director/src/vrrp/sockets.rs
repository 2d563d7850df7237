//! The sockets of all virtual routers: opened when an interface appears, shared by those on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::{AsFd, BorrowedFd},
};

use xvs_net::{VrrpProtocol, VrrpSocket, VrrpSocketError};
use xvs_types::Family;
use xvs_vrrp::{AuthenticationConfig, Ingress, Name, RouterConfig, Transmit, Vrid};

use super::plan::Plan;

/// Which socket: interface, family, protocol.
type Place = (Name, Family, VrrpProtocol);

/// The sockets that the plan needs, as far as their interfaces are there.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// Those that hear, and send for every virtual router without a virtual MAC address.
    open: BTreeMap<Place, VrrpSocket>,
    /// Those that send for one virtual router, on its virtual MAC interface.
    senders: BTreeMap<Name, VrrpSocket>,
    /// The interfaces that are there, with their indexes; one that was made anew has another.
    links: BTreeMap<Name, u32>,
}

impl Sockets {
    /// Notes that an interface came, was made anew, or went; its sockets are those of before no more.
    /// True when that is news.
    pub(super) fn set_link(&mut self, link: &Name, ifindex: Option<u32>, plan: &Plan) -> bool {
        if self.links.get(link).copied() == ifindex {
            return false;
        }
        match ifindex {
            Some(ifindex) => self.links.insert(link.clone(), ifindex),
            None => self.links.remove(link),
        };
        self.open.retain(|(on, ..), _socket| on != link);
        self.senders.retain(|router, _socket| {
            plan.vmac(router)
                .is_none_or(|vmac| vmac.transmits && vmac.link != *link)
        });
        true
    }

    /// Opens what `plan` needs and closes what it does not. Answers what cannot be opened; everything
    /// else is open then.
    pub(super) fn follow(&mut self, plan: &Plan) -> Vec<VrrpSocketError> {
        let mut failures = Vec::new();
        let mut wanted: BTreeMap<Place, BTreeSet<Vrid>> = BTreeMap::new();
        for router in plan.config.routers() {
            for protocol in protocols(router) {
                let place = (router.interface.clone(), family(router), *protocol);
                wanted.entry(place).or_default().insert(router.vrid);
            }
        }
        self.open
            .retain(|place, _socket| wanted.contains_key(place));
        for (place, vrids) in wanted {
            let (link, family, protocol) = &place;
            let Some(&ifindex) = self.links.get(link) else {
                continue;
            };
            if !self.open.contains_key(&place) {
                match VrrpSocket::open(link.as_str(), ifindex, *family, *protocol) {
                    Ok(socket) => {
                        self.open.insert(place.clone(), socket);
                    }
                    Err(error) => failures.push(error),
                }
            }
            if let Some(socket) = self.open.get(&place)
                && !plan.hear_strangers
            {
                let vrids: Vec<Vrid> = vrids.into_iter().collect();
                if let Err(source) = socket.hear_only(&vrids) {
                    failures.push(VrrpSocketError {
                        link: link.as_str().to_owned(),
                        action: "attach a filter",
                        source,
                    });
                }
            }
        }
        failures.extend(self.follow_senders(plan));
        failures
    }

    fn follow_senders(&mut self, plan: &Plan) -> Vec<VrrpSocketError> {
        let mut failures = Vec::new();
        let transmits = |router: &Name| plan.vmac(router).is_some_and(|vmac| vmac.transmits);
        self.senders.retain(|router, _socket| transmits(router));
        for router in plan.config.routers() {
            let Some(vmac) = plan.vmac(&router.name).filter(|vmac| vmac.transmits) else {
                continue;
            };
            let Some(&ifindex) = self.links.get(&vmac.link) else {
                continue;
            };
            if !self.senders.contains_key(&router.name) {
                let link = vmac.link.as_str();
                match VrrpSocket::open_sender(link, ifindex, family(router)) {
                    Ok(socket) => {
                        self.senders.insert(router.name.clone(), socket);
                    }
                    Err(error) => failures.push(error),
                }
            }
        }
        failures
    }

    /// Sends an advertisement of `router`, which is on `interface`.
    pub(super) fn send(
        &self,
        router: &Name,
        interface: &Name,
        transmit: &Transmit,
    ) -> io::Result<()> {
        let family = match transmit {
            Transmit::V4 { .. } => Family::V4,
            Transmit::V6 { .. } => Family::V6,
        };
        let shared = || {
            let ours = |(on, of, _): &&Place| on == interface && *of == family;
            let place = self.open.keys().find(ours)?;
            self.open.get(place)
        };
        self.senders
            .get(router)
            .or_else(shared)
            .ok_or(io::ErrorKind::NotConnected)?
            .send(transmit)
    }

    /// Hands `each` the packets that wait, at most `most` of a socket, so that a flood delays little of
    /// what is due.
    pub(super) fn receive(&mut self, most: usize, mut each: impl FnMut(&Name, Ingress<'_>)) {
        for ((link, ..), socket) in &mut self.open {
            for _packet in 0..most {
                // An interface that goes down says so once instead of a packet; its report tells.
                let Ok(Some(packet)) = socket.receive() else {
                    break;
                };
                each(link, packet);
            }
        }
    }

    /// What to wait on.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.open.values().map(AsFd::as_fd)
    }
}

/// What a virtual router's advertisements come in by.
fn protocols(router: &RouterConfig) -> &'static [VrrpProtocol] {
    match router.authentication {
        AuthenticationConfig::Header(_) => &[
            // Those without a header must be heard to be rejected and told.
            VrrpProtocol::Advertisement,
            VrrpProtocol::AuthenticationHeader,
        ],
        AuthenticationConfig::None | AuthenticationConfig::Password(_) => {
            &[VrrpProtocol::Advertisement]
        }
    }
}

fn family(router: &RouterConfig) -> Family {
    if router.addresses.is_v4() {
        Family::V4
    } else {
        Family::V6
    }
}
