//! What a lab consists of, as data: hosts, wires, and the commands that make the director and the
//! real servers what they are.

use serde::{Deserialize, Serialize};

/// The name of the host that runs xvs, in every lab.
pub(crate) const DIRECTOR: &str = "director";
/// The name of the host that sends requests, in every lab.
pub(crate) const CLIENT: &str = "client";

/// A forwarding method that has a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Direct routing.
    Dr,
    /// NAT of both addresses.
    Fullnat,
    /// NAT (masquerading).
    Nat,
    /// IP in IP tunnelling.
    Tun,
}

impl Method {
    /// All of them, from the simplest on.
    pub const ALL: [Self; 4] = [Self::Nat, Self::Dr, Self::Tun, Self::Fullnat];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dr => "dr",
            Self::Fullnat => "fullnat",
            Self::Nat => "nat",
            Self::Tun => "tun",
        }
    }

    /// The name of its lab: that of its topology and of the instance of its daemon.
    #[must_use]
    pub fn lab(self) -> String {
        format!("lab-{}", self.name())
    }

    /// Whether replies pass the director.
    pub(crate) fn replies_pass_the_director(self) -> bool {
        matches!(self, Self::Nat | Self::Fullnat)
    }
}

/// IPv4, or IPv6 with addresses of the lab's own under `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Family {
    #[serde(rename = "ipv4")]
    V4,
    #[serde(rename = "ipv6")]
    V6,
}

impl Family {
    /// The one of two texts that is for this family.
    pub(crate) fn pick(self, v4: &'static str, v6: &'static str) -> &'static str {
        match self {
            Self::V4 => v4,
            Self::V6 => v6,
        }
    }

    /// `address` with the length of its network: every network of a lab is a /24 or a /64.
    pub(crate) fn on_link(self, address: &str) -> String {
        format!("{address}{}", self.pick("/24", "/64"))
    }
}

/// A whole lab.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) method: Method,
    pub(crate) family: Family,
    /// One line that says what the lab shows.
    pub(crate) title: &'static str,
    /// In the order in which a request passes them.
    pub(crate) hosts: Vec<HostPlan>,
    /// Pairs of `host.link`.
    pub(crate) wires: Vec<(&'static str, &'static str)>,
    /// The address that clients reach, at port 80; written as `IpAddr` writes it.
    pub(crate) vip: &'static str,
    /// The address that requests come from; written as `IpAddr` writes it.
    pub(crate) client: &'static str,
    /// The port of nginx on the real servers.
    pub(crate) web_port: u16,
    /// In the order in which they are run.
    pub(crate) steps: Vec<Step>,
}

impl Plan {
    /// The real servers.
    pub(crate) fn real_servers(&self) -> impl Iterator<Item = &HostPlan> {
        self.hosts
            .iter()
            .filter(|host| host.role == Role::RealServer)
    }
}

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Director,
    RealServer,
    Router,
    Switch,
}

/// One host.
#[derive(Clone, Debug)]
pub(crate) struct HostPlan {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// Links in the order of their numbers: name, and address with length.
    pub(crate) addresses: Vec<(&'static str, String)>,
    /// Destination and next router.
    pub(crate) routes: Vec<(String, String)>,
}

impl HostPlan {
    pub(crate) fn new(name: &'static str, role: Role) -> Self {
        Self {
            name,
            role,
            addresses: Vec::new(),
            routes: Vec::new(),
        }
    }

    pub(crate) fn address(mut self, link: &'static str, address: String) -> Self {
        self.addresses.push((link, address));
        self
    }

    pub(crate) fn gateway(self, gateway: &str) -> Self {
        self.route("default", gateway)
    }

    pub(crate) fn route(mut self, destination: &str, gateway: &str) -> Self {
        self.routes
            .push((destination.to_owned(), gateway.to_owned()));
        self
    }
}

/// One command, as the lab shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Where it is typed.
    pub(crate) host: &'static str,
    /// What is run.
    pub(crate) action: Action,
    /// The lines of the seeds that it stands for, where it differs from them.
    pub(crate) seed: Option<String>,
    /// Why it differs, or what it is for.
    pub(crate) note: Option<&'static str>,
}

/// What a step runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// `ipvsadm ARGUMENTS`.
    Ipvsadm(String),
    /// `xvs ARGUMENTS --netns NAMESPACE`, and what undoes it.
    Xvs { up: String, down: String },
    /// What the topology did already; shown as it would be typed.
    Done(String),
}

impl Step {
    pub(crate) fn ipvsadm(arguments: String) -> Self {
        Self::new(DIRECTOR, Action::Ipvsadm(arguments))
    }

    pub(crate) fn realserver(host: &'static str, method: Method, vip: &str) -> Self {
        let method = method.name();
        let action = Action::Xvs {
            up: format!("realserver up --vip {vip} --method {method}"),
            down: format!("realserver down --vip {vip} --method {method}"),
        };
        Self::new(host, action)
    }

    /// Gives the director its VIP, with a length where that is not a host's, and lets it forward.
    pub(crate) fn director(vip: &str) -> Self {
        let action = Action::Xvs {
            up: format!("director up --vip {vip} --interface eth0"),
            down: format!("director down --vip {vip} --interface eth0"),
        };
        Self::new(DIRECTOR, action)
    }

    pub(crate) fn done(host: &'static str, line: String) -> Self {
        Self::new(host, Action::Done(line))
    }

    /// Says how the seed has it.
    pub(crate) fn seed(mut self, line: impl Into<String>) -> Self {
        self.seed = Some(line.into());
        self
    }

    pub(crate) fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    fn new(host: &'static str, action: Action) -> Self {
        Self {
            host,
            action,
            seed: None,
            note: None,
        }
    }
}
