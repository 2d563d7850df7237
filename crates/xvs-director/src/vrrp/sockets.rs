//! The sockets of all virtual routers: opened when an interface appears, shared by those on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    os::fd::{AsFd, BorrowedFd},
};

use xvs_net::{VrrpProtocol, VrrpSocket, VrrpSocketError};
use xvs_types::Family;
use xvs_vrrp::{AuthenticationConfig, Ingress, Name, RouterConfig, Transmit, Vrid};

use super::plan::Plan;

/// Which socket: interface, family, protocol.
type Place = (Name, Family, VrrpProtocol);

/// The sockets that the plan needs, as far as their interfaces are there.
///
/// A virtual router with a virtual MAC address has that interface's sockets to itself: the kernel hands
/// a private macvlan alone what comes from its own MAC address, which is what every master sends from.
/// The identifier decides which of both sockets hears it, so that nothing is heard twice.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: BTreeMap<Place, Open>,
    /// By which interface each virtual router sends.
    leaves_by: BTreeMap<Name, Name>,
    /// The interfaces that are there, with their indexes; one that was made anew has another.
    links: BTreeMap<Name, u32>,
}

#[derive(Debug)]
struct Open {
    socket: VrrpSocket,
    /// What the election calls the interface: that below, if it is a virtual MAC's.
    interface: Name,
}

/// What a socket is needed for.
#[derive(Debug, Default)]
struct Need {
    interface: Option<Name>,
    vrids: BTreeSet<Vrid>,
    groups: BTreeSet<IpAddr>,
}

impl Sockets {
    /// Notes that an interface came, was made anew, or went; its sockets are those of before no more.
    /// True when that is news.
    pub(super) fn set_link(&mut self, link: &Name, ifindex: Option<u32>) -> bool {
        if self.links.get(link).copied() == ifindex {
            return false;
        }
        match ifindex {
            Some(ifindex) => self.links.insert(link.clone(), ifindex),
            None => self.links.remove(link),
        };
        self.open.retain(|(on, ..), _open| on != link);
        true
    }

    /// Closes what `plan` does not need: to be called when the virtual routers that it does not have
    /// any more have sent their last.
    pub(super) fn close_unneeded(&mut self, plan: &Plan) {
        let routers = plan.config.routers();
        let needs = |place: &Place| {
            routers.iter().any(|router| {
                (plan.listens_on(router), family(router)) == (&place.0, place.1)
                    && protocols(router).contains(&place.2)
            })
        };
        self.open.retain(|place, _open| needs(place));
        self.leaves_by
            .retain(|name, _link| routers.iter().any(|router| router.name == *name));
    }

    /// Opens what `plan` needs. Answers what cannot be opened; everything else is open then.
    pub(super) fn open(&mut self, plan: &Plan) -> Vec<VrrpSocketError> {
        let mut failures = Vec::new();
        let mut needs: BTreeMap<Place, Need> = BTreeMap::new();
        for router in plan.config.routers() {
            let link = plan.listens_on(router);
            self.leaves_by.insert(router.name.clone(), link.clone());
            for protocol in protocols(router) {
                let place = (link.clone(), family(router), *protocol);
                let need = needs.entry(place).or_default();
                need.interface = Some(router.interface.clone());
                need.vrids.insert(router.vrid);
                need.groups.insert(router.group());
            }
        }
        for (place, need) in needs {
            let (link, family, protocol) = &place;
            let (Some(&ifindex), Some(interface)) = (self.links.get(link), need.interface) else {
                continue;
            };
            if !self.open.contains_key(&place) {
                match VrrpSocket::open(link.as_str(), ifindex, *family, *protocol) {
                    Ok(socket) => {
                        let open = Open { socket, interface };
                        self.open.insert(place.clone(), open);
                    }
                    Err(error) => failures.push(error),
                }
            }
            let Some(open) = self.open.get_mut(&place) else {
                continue;
            };
            let joined = open.socket.hear_groups(&need.groups);
            let chosen = choose(&open.socket, plan, &place, need.vrids);
            for (done, action) in [(joined, "join its groups"), (chosen, "attach a filter")] {
                if let Err(source) = done {
                    failures.push(VrrpSocketError {
                        link: link.as_str().to_owned(),
                        action,
                        source,
                    });
                }
            }
        }
        failures
    }

    /// Sends an advertisement of `router`.
    pub(super) fn send(&self, router: &Name, transmit: &Transmit) -> io::Result<()> {
        let family = match transmit {
            Transmit::V4 { .. } => Family::V4,
            Transmit::V6 { .. } => Family::V6,
        };
        let link = self.leaves_by.get(router).ok_or(io::ErrorKind::NotFound)?;
        // This one is open for every virtual router, also where a header of its own authenticates.
        let place = (link.clone(), family, VrrpProtocol::Advertisement);
        let open = self.open.get(&place).ok_or(io::ErrorKind::NotConnected)?;
        open.socket.send(transmit)
    }

    /// Hands `each` the packets that wait, at most `most` of a socket, so that a flood delays little of
    /// what is due.
    pub(super) fn receive(&mut self, most: usize, mut each: impl FnMut(&Name, Ingress<'_>)) {
        for open in self.open.values_mut() {
            for _packet in 0..most {
                // An interface that goes down says so once instead of a packet; its report tells.
                let Ok(Some(packet)) = open.socket.receive() else {
                    break;
                };
                each(&open.interface, packet);
            }
        }
    }

    /// What to wait on.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.open.values().map(|open| open.socket.as_fd())
    }
}

/// Lets through what is for the virtual routers that listen at `place`, and strangers where they are to
/// be told of.
fn choose(
    socket: &VrrpSocket,
    plan: &Plan,
    place: &Place,
    vrids: BTreeSet<Vrid>,
) -> io::Result<()> {
    let (link, of, _protocol) = place;
    let is_virtual = plan.vmacs().any(|vmac| vmac.link == *link);
    if plan.hear_strangers && !is_virtual {
        let routers = plan.config.routers().iter();
        let elsewhere: Vec<Vrid> = routers
            .filter(|router| router.interface == *link && family(router) == *of)
            .filter(|router| plan.listens_on(router) != link)
            .map(|router| router.vrid)
            .collect();
        return socket.hear_all_but(&elsewhere);
    }
    socket.hear_only(&vrids.into_iter().collect::<Vec<_>>())
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
