//! A dataplane in memory and a resolver from files.

use std::{net::Ipv4Addr, str::FromStr};

use xvs_ipvsadm::{Backend, BackendError, Face, Names, Streams, run};
use xvs_types::{
    ConnectionListing, Counters, EffectiveMethod, Op, OpError, Rates, RealServer,
    RealServerListing, Rule, Rules, SyncDaemon, Timeouts, VirtualServerId, VirtualServerListing,
};

/// A host: its rules, its links, and whether the caller is root.
pub(crate) struct Host {
    pub(crate) rules: Rules,
    pub(crate) links: Vec<String>,
    pub(crate) connections: Vec<ConnectionListing>,
    /// What is listed in place of the rules, with counts.
    pub(crate) listing: Option<Vec<VirtualServerListing>>,
    pub(crate) open: Result<(), BackendError>,
    /// The instance that was asked for last.
    pub(crate) instance: Option<String>,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            rules: Rules::new(),
            links: vec!["lo".to_owned()],
            connections: Vec::new(),
            listing: None,
            open: Ok(()),
            instance: None,
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), OpError> {
        if let Op::StartSyncDaemon { daemon } = op
            && !self.links.contains(&daemon.interface)
        {
            return Err(OpError::InterfaceMissing {
                interface: daemon.interface.clone(),
            });
        }
        self.rules.apply(op)
    }
}

impl Backend for Host {
    fn open(&mut self, instance: Option<&str>) -> Result<(), BackendError> {
        self.instance = instance.map(str::to_owned);
        self.open.clone()
    }

    fn apply_each(&mut self, ops: &[Op]) -> Result<Vec<Result<(), OpError>>, BackendError> {
        Ok(ops.iter().map(|op| self.apply(op)).collect())
    }

    fn apply_all(&mut self, ops: &[Op]) -> Result<Result<(), (usize, OpError)>, BackendError> {
        Ok(self.rules.apply_all(ops))
    }

    fn virtual_servers(
        &mut self,
        counters: bool,
    ) -> Result<Vec<VirtualServerListing>, BackendError> {
        let mut found = match &self.listing {
            Some(listing) => listing.clone(),
            None => self.rules.rules().iter().map(idle).collect(),
        };
        if !counters {
            found.iter_mut().for_each(forget_counters);
        }
        Ok(found)
    }

    fn virtual_server(
        &mut self,
        id: &VirtualServerId,
    ) -> Result<Option<VirtualServerListing>, BackendError> {
        let mut all = self.virtual_servers(true)?.into_iter();
        Ok(all.find(|listing| listing.config.id == *id))
    }

    fn connections(
        &mut self,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Result<(), BackendError> {
        for connection in &self.connections {
            if !visit(connection.clone()) {
                break;
            }
        }
        Ok(())
    }

    fn timeouts(&mut self) -> Result<Timeouts, BackendError> {
        Ok(self.rules.timeouts())
    }

    fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, BackendError> {
        Ok(self.rules.sync_daemons().to_vec())
    }
}

/// Leaves out of a listing what was not asked for, as a daemon may.
fn forget_counters(listing: &mut VirtualServerListing) {
    (listing.counters, listing.rates) = Default::default();
    for real_server in &mut listing.real_servers {
        (real_server.counters, real_server.rates) = Default::default();
    }
}

/// A virtual server that no packet has met, with its real servers in the kernel's order.
fn idle((virtual_server, real_servers): &Rule) -> VirtualServerListing {
    VirtualServerListing {
        config: virtual_server.clone(),
        counters: Counters::default(),
        rates: Rates::default(),
        real_servers: real_servers.iter().rev().map(idle_real_server).collect(),
    }
}

pub(crate) fn idle_real_server(real_server: &RealServer) -> RealServerListing {
    RealServerListing {
        config: *real_server,
        effective: EffectiveMethod::Configured(real_server.method),
        active: 0,
        inactive: 0,
        persistent: 0,
        counters: Counters::default(),
        rates: Rates::default(),
    }
}

/// What a command gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program on a host.
pub(crate) fn call(host: &mut Host, names: &dyn Names, argv: &[&str], stdin: &str) -> Answer {
    let face = match argv[0] {
        "ipvsadm-restore" => Face::Restore,
        "ipvsadm-save" => Face::Save,
        _ => Face::Ipvsadm,
    };
    let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = run(
        face,
        &argv,
        host,
        names,
        &mut Streams {
            stdin: &mut stdin.as_bytes(),
            stdout: &mut stdout,
            stderr: &mut stderr,
        },
    );
    Answer {
        status,
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Names from the recordings' `/etc/hosts` and `/etc/services`.
pub(crate) struct Files {
    hosts: Vec<(Ipv4Addr, Vec<String>)>,
    services: Vec<(Vec<String>, u16, String)>,
}

impl Files {
    pub(crate) fn new() -> Self {
        let hosts = include_str!("../fixtures/hosts")
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let address = Ipv4Addr::from_str(words.next()?).ok()?;
                Some((address, words.map(str::to_owned).collect()))
            });
        let services = include_str!("../fixtures/services")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let mut words = line.split_whitespace();
                let name = words.next().unwrap();
                let (port, protocol) = words.next().unwrap().split_once('/').unwrap();
                let all = std::iter::once(name).chain(words).map(str::to_owned);
                (all.collect(), port.parse().unwrap(), protocol.to_owned())
            });
        Self {
            hosts: hosts.collect(),
            services: services.collect(),
        }
    }
}

impl Names for Files {
    fn host_address(&self, name: &str) -> Option<Ipv4Addr> {
        let found = self
            .hosts
            .iter()
            .find(|(_, names)| names.iter().any(|n| n == name));
        found.map(|(address, _)| *address)
    }

    fn host_name(&self, address: Ipv4Addr) -> Option<String> {
        let found = self.hosts.iter().find(|(host, _)| *host == address);
        found.map(|(_, names)| names[0].clone())
    }

    fn service_port(&self, name: &str, protocol: xvs_types::Protocol) -> Option<u16> {
        let protocol = protocol.to_string().to_lowercase();
        let found = self
            .services
            .iter()
            .find(|(names, _, of)| *of == protocol && names.iter().any(|n| n == name));
        found.map(|(_, port, _)| *port)
    }

    fn service_name(&self, port: u16, protocol: xvs_types::Protocol) -> Option<String> {
        let protocol = protocol.to_string().to_lowercase();
        let found = self
            .services
            .iter()
            .find(|(_, of_port, of)| *of == protocol && *of_port == port);
        found.map(|(names, _, _)| names[0].clone())
    }
}
