//! Facts about the host that decide what a configuration means.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What matters of a network interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// It is a loopback interface; VRRP refuses it.
    pub loopback: bool,
    /// It can multicast.
    pub multicast: bool,
    /// Greatest packet in bytes; bounds the addresses of one advertisement.
    pub mtu: u32,
}

impl Default for Interface {
    /// An Ethernet interface.
    fn default() -> Self {
        Self {
            loopback: false,
            multicast: true,
            mtu: 1500,
        }
    }
}

/// What a script is for the user that would run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptFact {
    /// Someone other than root can change it or a directory above it, and root would run it.
    Insecure,
    /// It is there but not executable.
    NotExecutable,
    /// It is not there, or the user cannot reach it.
    NotFound,
    /// It can run.
    Runs,
}

/// Facts about the host, answered by the caller.
pub trait HostFacts {
    /// What `@ID` lines are compared with: the `-i` option, else the short host name.
    fn config_id(&self) -> String;
    /// The host name, default of `router_id`.
    fn host_name(&self) -> String;
    /// `${_INSTANCE}`: the name of this instance, if it has one.
    fn instance(&self) -> Option<String>;
    /// `${_ENV NAME}`: an environment variable.
    fn environment(&self, name: &str) -> Option<String>;
    /// `${_RANDOM}`: any number; the crate brings it into its range.
    fn random(&self) -> u32;
    /// An interface, if it exists.
    fn interface(&self, name: &str) -> Option<Interface>;
    /// Whether a user exists, by name or number.
    fn has_user(&self, name: &str) -> bool;
    /// Whether a group exists, by name or number.
    fn has_group(&self, name: &str) -> bool;
    /// What the program `path` (searched in PATH when it has no `/`) is for `user`.
    fn script(&self, path: &str, user: &str) -> ScriptFact;
    /// The first address of a host name, for `smtp_server`.
    fn resolve(&self, name: &str) -> Option<IpAddr>;
}

/// A host described by its fields.
#[derive(Clone, Debug)]
pub struct StaticHost {
    /// See [`HostFacts::config_id`].
    pub config_id: String,
    /// See [`HostFacts::host_name`].
    pub host_name: String,
    /// See [`HostFacts::instance`].
    pub instance: Option<String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Interfaces by name; none for "every name exists", as when a file is checked away from its host.
    pub interfaces: Option<BTreeMap<String, Interface>>,
    /// Users and groups that exist.
    pub users: BTreeSet<String>,
    /// What scripts are; those not named run.
    pub scripts: BTreeMap<String, ScriptFact>,
}

impl Default for StaticHost {
    /// A host named `localhost` where every interface exists, with the user root alone.
    fn default() -> Self {
        Self {
            config_id: "localhost".to_owned(),
            host_name: "localhost".to_owned(),
            instance: None,
            environment: BTreeMap::new(),
            interfaces: None,
            users: BTreeSet::from(["root".to_owned()]),
            scripts: BTreeMap::new(),
        }
    }
}

impl StaticHost {
    /// With `lo` and these Ethernet interfaces, and no other.
    #[must_use]
    pub fn with_interfaces(mut self, names: &[&str]) -> Self {
        let loopback = Interface {
            loopback: true,
            multicast: false,
            mtu: 65_536,
        };
        let mut interfaces = BTreeMap::from([("lo".to_owned(), loopback)]);
        interfaces.extend(
            names
                .iter()
                .map(|name| ((*name).to_owned(), Interface::default())),
        );
        self.interfaces = Some(interfaces);
        self
    }
}

impl HostFacts for StaticHost {
    fn config_id(&self) -> String {
        self.config_id.clone()
    }

    fn host_name(&self) -> String {
        self.host_name.clone()
    }

    fn instance(&self) -> Option<String> {
        self.instance.clone()
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    fn random(&self) -> u32 {
        4
    }

    fn interface(&self, name: &str) -> Option<Interface> {
        match &self.interfaces {
            Some(interfaces) => interfaces.get(name).copied(),
            None => Some(Interface {
                loopback: name == "lo",
                ..Interface::default()
            }),
        }
    }

    fn has_user(&self, name: &str) -> bool {
        self.users.contains(name) || name.parse::<u32>().is_ok()
    }

    fn has_group(&self, name: &str) -> bool {
        self.has_user(name)
    }

    fn script(&self, path: &str, _user: &str) -> ScriptFact {
        self.scripts.get(path).copied().unwrap_or(ScriptFact::Runs)
    }

    fn resolve(&self, name: &str) -> Option<IpAddr> {
        (name == "localhost").then_some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
    }
}
