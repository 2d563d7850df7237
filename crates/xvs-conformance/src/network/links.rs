//! What commands change of links, and the tags of VLANs (IEEE 802.1Q): the kernel takes a tag off and
//! hands the frame to the VLAN's link, and puts one on what that link sends.

use std::net::IpAddr;

use xvs_dataplane::{Mac, Prefix};

use super::{Link, Network, host, mac};

/// The tag protocol identifier, as in a frame.
const TAGGED: [u8; 2] = [0x81, 0x00];

/// A link for the frames of one VLAN on another link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vlan {
    /// The link below.
    parent: String,
    id: u16,
}

/// Where a frame goes when the kernel has looked at its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is the link's own: no tag, or one of VLAN 0, which says but a priority.
    Own {
        /// The frame without a tag.
        frame: Vec<u8>,
        /// Whether there was one.
        tagged: bool,
    },
    /// It is that of a VLAN's link.
    Vlan {
        /// The link.
        ifindex: u32,
        /// The frame without its tag.
        frame: Vec<u8>,
    },
    /// Nobody takes it.
    Lost,
}

impl Network {
    /// Takes a command of `ip` about links, addresses or neighbours, and answers the commands that do
    /// the same in a namespace whose kernel may have no VLANs: each VLAN's link is a wire of its own.
    ///
    /// # Errors
    ///
    /// When it is another command than the recordings have.
    pub fn ip_link(&mut self, words: &[&str]) -> Result<String, String> {
        match words {
            ["link", "set", name, "mtu", mtu] => {
                let mtu = mtu.parse().map_err(|error| format!("`{mtu}`: {error}"))?;
                self.link_mut(name)?.mtu = mtu;
                Ok(format!("link set {name} mtu {mtu}\n"))
            }
            ["link", "set", name, "up"] => {
                self.link_mut(name)?;
                Ok(format!("link set {name} up\n"))
            }
            [
                "link",
                "add",
                "link",
                parent,
                "name",
                name,
                "type",
                "vlan",
                "id",
                id,
            ] => self.add_vlan(parent, name, id),
            ["addr", "add", prefix, "dev", name, flags @ ..] => {
                let Prefix { address, length } = prefix.parse()?;
                self.link_mut(name)?.addresses.push((address, length));
                self.local.push(host(address));
                let flags = flags.join(" ");
                Ok(format!("addr add {address}/{length} dev {name} {flags}\n"))
            }
            ["neigh", "add", address, "lladdr", hardware, "dev", name, ..] => {
                let ip: IpAddr = address
                    .parse()
                    .map_err(|error| format!("`{address}`: {error}"))?;
                let index = self.index_of(name)?;
                self.neighbours.push((ip, mac(hardware)?, index));
                Ok(format!(
                    "neigh add {ip} lladdr {hardware} dev {name} nud permanent\n"
                ))
            }
            _ => Err(format!("there is no `ip {}`", words.join(" "))),
        }
    }

    /// A link of a VLAN, with an address of its own by which what it sends is told apart here.
    fn add_vlan(&mut self, parent: &str, name: &str, id: &str) -> Result<String, String> {
        let below = self.link_mut(parent)?;
        let (mut own, mtu) = (below.mac, below.mtu);
        let id: u16 = id.parse().map_err(|error| format!("`{id}`: {error}"))?;
        let [_, first, second, ..] = &mut own.0;
        [*first, *second] = id.to_be_bytes();
        let index = Self::FIRST + u32::try_from(self.legs.len()).unwrap_or(u32::MAX);
        self.legs.push(Link {
            name: name.to_owned(),
            mac: own,
            mtu,
            addresses: Vec::new(),
            vlan: Some(Vlan {
                parent: parent.to_owned(),
                id,
            }),
        });
        Ok(format!(
            "link add name {name} index {index} address {own} mtu {mtu} type veth peer name far-{name} index {}\n\
             link set far-{name} up\n",
            index + 100
        ))
    }

    /// What the kernel makes of a frame that came in by a leg.
    pub(crate) fn arrive(&self, leg: &str, frame: &[u8]) -> Arrival {
        if frame.get(12..14) != Some(&TAGGED) {
            let frame = frame.to_vec();
            return Arrival::Own {
                frame,
                tagged: false,
            };
        }
        let (Some(tag), Some(rest)) = (frame.get(14..16), frame.get(16..)) else {
            return Arrival::Lost;
        };
        let id = u16::from_be_bytes([tag[0], tag[1]]) & 0xfff;
        let mut frame = [frame.get(..12).unwrap_or_default(), rest].concat();
        if id == 0 {
            return Arrival::Own {
                frame,
                tagged: true,
            };
        }
        let found = (Self::FIRST..).zip(&self.legs).find(|(_, link)| {
            let vlan = link.vlan.as_ref();
            vlan.is_some_and(|vlan| vlan.parent == leg && vlan.id == id)
        });
        let Some((ifindex, link)) = found else {
            return Arrival::Lost;
        };
        if self.leg_of(&frame[..6]) == Some(leg) {
            frame[..6].copy_from_slice(&link.mac.0);
        }
        Arrival::Vlan { ifindex, frame }
    }

    /// What a wire carries of a frame with the source address of a link: the leg, and the frame with
    /// its tag.
    pub(crate) fn depart(&self, mut frame: Vec<u8>) -> Option<(String, Vec<u8>)> {
        let from = frame.get(6..12)?;
        let link = self.legs.iter().find(|link| link.mac.0 == *from)?;
        let Some(vlan) = &link.vlan else {
            return Some((link.name.clone(), frame));
        };
        let Mac(own) = self.link(&vlan.parent)?.mac;
        frame[6..12].copy_from_slice(&own);
        let [high, low] = vlan.id.to_be_bytes();
        frame.splice(12..12, [TAGGED[0], TAGGED[1], high, low]);
        Some((vlan.parent.clone(), frame))
    }

    fn link(&self, name: &str) -> Option<&Link> {
        self.legs.iter().find(|link| link.name == name)
    }

    fn link_mut(&mut self, name: &str) -> Result<&mut Link, String> {
        let found = self.legs.iter_mut().find(|link| link.name == name);
        found.ok_or_else(|| format!("there is no link `{name}`"))
    }

    fn index_of(&self, name: &str) -> Result<u32, String> {
        self.ifindex(name)
            .ok_or_else(|| format!("there is no link `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [u8; 16] = [2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2, 8, 0, 0x45, 0];

    fn tagged(id: u8) -> Vec<u8> {
        let mut frame = FRAME.to_vec();
        frame.splice(12..12, [0x81, 0, 0, id]);
        frame
    }

    fn network() -> Network {
        let mut network = Network::default();
        network.legs.push(Link {
            name: "cl".to_owned(),
            mac: Mac([2, 0, 0, 0, 1, 1]),
            mtu: 1500,
            addresses: Vec::new(),
            vlan: None,
        });
        let words = "link add link cl name cl.10 type vlan id 10";
        let words: Vec<&str> = words.split(' ').collect();
        network.ip_link(&words).unwrap();
        network
    }

    #[test]
    fn a_tag_names_the_link_that_gets_the_frame() {
        let network = network();
        assert!(matches!(
            network.arrive("cl", &tagged(10)),
            Arrival::Vlan { ifindex: 3, .. }
        ));
        assert_eq!(network.arrive("cl", &tagged(11)), Arrival::Lost);
        let own = network.arrive("cl", &tagged(0));
        let (frame, tagged) = (FRAME.to_vec(), true);
        assert_eq!(own, Arrival::Own { frame, tagged });
    }

    #[test]
    fn what_a_vlans_link_sends_has_its_tag_and_the_address_of_the_link_below() {
        let network = network();
        let Arrival::Vlan { mut frame, .. } = network.arrive("cl", &tagged(10)) else {
            panic!("not the VLAN's");
        };
        frame.copy_within(..6, 6);
        let (leg, sent) = network.depart(frame).unwrap();
        assert_eq!(leg, "cl");
        assert_eq!(sent[6..18], [2, 0, 0, 0, 1, 1, 0x81, 0, 0, 10, 8, 0]);
    }
}
