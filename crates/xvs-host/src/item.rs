//! One thing on a host that xvs wants so and not otherwise.
//!
//! An [`Item`] names the thing and what is wanted of it; a [`Value`] is what it is, was or shall be.
//! Items know nothing of how they are read or written.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use xvs_net::{Prefix, Sysctl};

/// One thing that a host needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Item {
    /// An address on a link.
    Address {
        /// The link's name.
        link: String,
        /// The address with its length.
        prefix: Prefix,
    },
    /// A VIP whose tunnelled packets our own program takes out of the tunnel.
    DecapsulatedVip {
        /// The VIP.
        vip: IpAddr,
    },
    /// A link that is switched on.
    LinkUp {
        /// The link's name.
        link: String,
    },
    /// Servers are told their clients' true addresses.
    PeerNames,
    /// A program at a link's ingress.
    Program {
        /// Which program.
        program: Ingress,
        /// The link's name.
        link: String,
    },
    /// A kernel setting.
    Sysctl {
        /// Which setting.
        sysctl: Sysctl,
        /// The value wanted, as the kernel prints it.
        value: String,
        /// Settings that the kernel changes along with this one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<Sysctl>,
    },
}

/// A program that runs where packets come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ingress {
    /// Reads the client's true address from SYNs (FULLNAT).
    Client,
    /// Takes the outer header off tunnelled packets (TUN).
    Decapsulation,
}

/// What an item is, was, or shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Not there; for a link: switched off.
    Absent,
    /// There; for a link: switched on.
    Present,
    /// A setting's value, as the kernel prints it.
    Text(String),
}

impl Item {
    /// A setting that nothing else changes along with.
    #[must_use]
    pub fn sysctl(sysctl: Sysctl, value: impl Into<String>) -> Self {
        Self::Sysctl {
            sysctl,
            value: value.into(),
            also: Vec::new(),
        }
    }

    /// What is wanted.
    #[must_use]
    pub fn wanted(&self) -> Value {
        match self {
            Self::Sysctl { value, .. } => Value::Text(value.clone()),
            _ => Value::Present,
        }
    }

    /// Whether both are about the same thing, whatever is wanted of it.
    #[must_use]
    pub fn same_thing(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sysctl { sysctl: a, .. }, Self::Sysctl { sysctl: b, .. }) => a == b,
            (a, b) => a == b,
        }
    }

    /// The address that the item exists for; none for what serves every VIP.
    #[must_use]
    pub fn vip(&self) -> Option<IpAddr> {
        match self {
            Self::Address { prefix, .. } => Some(prefix.address),
            Self::DecapsulatedVip { vip } => Some(*vip),
            _ => None,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { link, prefix } => write!(f, "address {prefix} on {link}"),
            Self::DecapsulatedVip { vip } => write!(f, "decapsulation for {vip}"),
            Self::LinkUp { link } => write!(f, "link {link}"),
            Self::PeerNames => f.write_str("clients' addresses for servers"),
            Self::Program { program, link } => write!(f, "{program} program on {link}"),
            Self::Sysctl { sysctl, .. } => sysctl.fmt(f),
        }
    }
}

impl fmt::Display for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client address",
            Self::Decapsulation => "decapsulation",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "absent",
            Self::Present => "present",
            Self::Text(text) => text,
        })
    }
}

/// IPv4 settings of a link, or of `all` or `default`, with the values wanted.
pub(crate) fn link_sysctls(link: &str, settings: &[(&str, &str)]) -> Vec<Item> {
    settings
        .iter()
        .filter_map(|(setting, value)| {
            // the name of a link that exists is always part of a setting's name
            Sysctl::ipv4_link(link, setting).map(|sysctl| Item::sysctl(sysctl, *value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_the_same_thing_whatever_value_is_wanted() {
        let forward = Item::sysctl(Sysctl::ip_forward(), "1");
        assert!(forward.same_thing(&Item::sysctl(Sysctl::ip_forward(), "0")));
        assert!(!forward.same_thing(&Item::sysctl(Sysctl::ipv6_forwarding(), "1")));
    }

    #[test]
    fn items_survive_the_record() {
        let items = vec![
            Item::PeerNames,
            Item::Program {
                program: Ingress::Decapsulation,
                link: "eth0".to_owned(),
            },
            Item::Sysctl {
                sysctl: Sysctl::ip_forward(),
                value: "1".to_owned(),
                also: vec![Sysctl::ipv4_link("eth0", "forwarding").unwrap()],
            },
        ];
        let text = serde_json::to_string(&items).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Item>>(&text).unwrap(), items);
    }
}
