//! The dataplane as the daemon opens it, in the network namespace of this thread: two links, virtual
//! servers that take packets from anywhere, and next hops that are known.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use aya::{
    maps::{MapData, MapInfo},
    programs::loaded_programs,
};
use xvs_datapath::abi;
use xvs_dataplane::{
    Atomicity, Attachment, Bpf, BpfOptions, ConnectionFilter, Dataplane, Hook, Mac, NeighbourKey,
    Route,
};
use xvs_types::{
    ConnectionState, Endpoint, ForwardingMethod, Op, RealServer, Scheduler, Tunnel, VirtualServer,
    VirtualServerId, Weight,
};

use crate::{
    kernel,
    program::{
        frame::{Segment, WHOLE},
        tester::Target,
    },
};

/// The link that clients are behind, as the director has it.
pub(crate) const CLIENTS: &str = "clients";
/// The link that real servers are behind.
pub(crate) const SERVERS: &str = "servers";
/// The port of every virtual server.
pub(crate) const PORT: u16 = 80;
/// The port of FTP.
pub(crate) const FTP: u16 = 21;
/// The link-layer address of every neighbour.
pub(crate) const NEIGHBOUR: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// How packets reach the real servers of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Direct routing.
    Dr,
    /// FULLNAT.
    Fullnat,
    /// NAT.
    Nat,
    /// Tunnelling, IPIP.
    Tun,
}

impl Method {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 4] = [Self::Nat, Self::Dr, Self::Tun, Self::Fullnat];

    /// As it stands in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dr => "DR",
            Self::Fullnat => "FULLNAT",
            Self::Nat => "NAT",
            Self::Tun => "TUN",
        }
    }

    fn forwarding(self) -> ForwardingMethod {
        match self {
            Self::Dr => ForwardingMethod::Direct,
            Self::Fullnat => ForwardingMethod::FullNat,
            Self::Nat => ForwardingMethod::Nat,
            Self::Tun => ForwardingMethod::Tunnel(Tunnel::default()),
        }
    }
}

/// The address family of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The VIP.
    pub(crate) fn vip(self) -> IpAddr {
        self.address(10, 200, 0, 1)
    }

    /// The first client; flow n is client n after it.
    pub(crate) fn client(self) -> IpAddr {
        self.address(10, 64, 0, 0)
    }

    /// A real server.
    pub(crate) fn server(self, number: u32) -> IpAddr {
        let [.., high, low] = number.to_be_bytes();
        self.address(10, 128, high, low)
    }

    /// The director's address towards the real servers.
    pub(crate) fn director(self) -> IpAddr {
        self.address(10, 129, 0, 1)
    }

    /// The router between the director and the real servers.
    pub(crate) fn gateway(self) -> IpAddr {
        self.address(10, 129, 0, 2)
    }

    /// The director's address towards the clients.
    pub(crate) fn clients_address(self) -> IpAddr {
        self.address(10, 131, 0, 1)
    }

    /// The router between the director and the clients.
    pub(crate) fn clients_gateway(self) -> IpAddr {
        self.address(10, 131, 0, 2)
    }

    fn address(self, a: u8, b: u8, c: u8, d: u8) -> IpAddr {
        let bytes = [a, b, c, d];
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::from(bytes)),
            Self::V6 => {
                let low = u128::from(u32::from_be_bytes(bytes));
                IpAddr::V6(Ipv6Addr::from(0xfd00_u128 << 112 | low))
            }
        }
    }
}

/// The dataplane with its two links.
pub(crate) struct Director {
    bpf: Bpf,
    pins: PathBuf,
    clients: (u32, [u8; 6]),
    servers: (u32, [u8; 6]),
    /// When the daemon's work was done last.
    beaten: Instant,
}

impl Director {
    /// Opens a dataplane with room for so many connections over IPv4; the links must be there.
    pub(crate) fn open(connections: u32, hook: Hook) -> anyhow::Result<Self> {
        let pins = std::env::temp_dir().join(format!(
            "xvs-bench-{}-{connections}-{hook}",
            std::process::id()
        ));
        let bpf = Bpf::open(&BpfOptions {
            pins: pins.clone(),
            connections: Some(connections),
        })
        .context("open the dataplane (are you root?)")?;
        let mut director = Self {
            bpf,
            pins,
            clients: kernel::link(CLIENTS)?,
            servers: kernel::link(SERVERS)?,
            beaten: Instant::now(),
        };
        let attachment = |name: &str, (ifindex, mac): (u32, [u8; 6])| Attachment {
            ifindex,
            name: name.to_owned(),
            macs: vec![Mac(mac)],
            hook,
            answers: false,
        };
        let wanted = [
            attachment(CLIENTS, director.clients),
            attachment(SERVERS, director.servers),
        ];
        let failures = director.bpf.attach(&wanted);
        ensure!(failures.is_empty(), "{}", failures.join("; "));
        Ok(director)
    }

    /// Makes one virtual server with `servers` real servers the only one of its family.
    pub(crate) fn serve(
        &mut self,
        family: Family,
        method: Method,
        scheduler: Scheduler,
        servers: u32,
    ) -> anyhow::Result<()> {
        let id = VirtualServerId::tcp(Endpoint::new(family.vip(), PORT));
        let mut virtual_server = VirtualServer::new(id);
        virtual_server.scheduler = scheduler;
        virtual_server.anywhere = true;
        if method == Method::Fullnat {
            // 62 local addresses: a million connections to a few real servers need as many ports.
            virtual_server.local_addresses =
                (1..=62).map(|n| family.address(10, 130, 0, n)).collect();
        }
        let mut ops = Vec::new();
        if self.bpf.rules().iter().any(|(server, _)| server.id == id) {
            ops.push(Op::DeleteVirtualServer { id });
        }
        ops.push(Op::AddVirtualServer { virtual_server });
        let port = match method {
            Method::Nat | Method::Fullnat => 8080,
            Method::Dr | Method::Tun => PORT,
        };
        for number in 0..servers {
            let mut real_server = RealServer::new(Endpoint::new(family.server(number), port));
            real_server.method = method.forwarding();
            if scheduler == Scheduler::Ovf {
                // It refuses when every server has more connections than its weight.
                real_server.weight = Weight::MAX;
            }
            ops.push(Op::AddRealServer {
                virtual_server: id,
                real_server,
            });
        }
        self.apply(&ops)?;
        for number in 0..servers {
            self.route(family.server(number), family)?;
        }
        Ok(())
    }

    /// Serves FTP by NAT to one real server of IPv4.
    pub(crate) fn serve_ftp(&mut self) -> anyhow::Result<()> {
        let id = VirtualServerId::tcp(Endpoint::new(Family::V4.vip(), FTP));
        let server = Family::V4.server(0);
        let mut virtual_server = VirtualServer::new(id);
        virtual_server.anywhere = true;
        let real_server = RealServer::new(Endpoint::new(server, FTP));
        self.apply(&[
            Op::AddVirtualServer { virtual_server },
            Op::AddRealServer {
                virtual_server: id,
                real_server: RealServer {
                    method: Method::Nat.forwarding(),
                    ..real_server
                },
            },
        ])?;
        self.route(server, Family::V4)
    }

    /// Applies ops, all or nothing.
    pub(crate) fn apply(&mut self, ops: &[Op]) -> anyhow::Result<()> {
        let results = self.bpf.apply(ops, Atomicity::AllOrNothing);
        results
            .into_iter()
            .collect::<Result<(), _>>()
            .context("apply the rules")
    }

    fn route(&mut self, destination: IpAddr, family: Family) -> anyhow::Result<()> {
        let (ifindex, mac) = self.servers;
        // One gateway for all: as many next hops as a director behind a router has.
        let gateway = family.gateway();
        self.bpf.set_route(
            destination,
            Some(Route {
                ifindex,
                gateway: Some(gateway),
                source: Some(family.director()),
                mtu: 1500,
                local: false,
            }),
        );
        let key = NeighbourKey {
            ifindex,
            address: gateway,
        };
        self.bpf
            .set_neighbour(key, Some((Mac(mac), Mac(NEIGHBOUR))));
        Ok(())
    }

    /// A segment of the client's to the virtual server of a family, by a number of clients.
    pub(crate) fn segment(&self, family: Family, flags: u8) -> Segment {
        Segment {
            macs: [self.clients.1, NEIGHBOUR],
            source: (family.client(), 0),
            destination: (family.vip(), PORT),
            flags,
            fragment: WHOLE,
        }
    }

    /// Ends every connection; answers how many.
    pub(crate) fn clear(&mut self) -> u64 {
        self.bpf.kill(&ConnectionFilter::default())
    }

    /// Established connections of clients in the network of sixteen bits that an address is of.
    pub(crate) fn established(&mut self, client: Ipv4Addr) -> u32 {
        let filter = ConnectionFilter {
            state: Some(ConnectionState::Established),
            ..ConnectionFilter::default()
        };
        let mut found = 0;
        self.bpf.connections(&filter, &mut |connection| {
            if let IpAddr::V4(address) = connection.client.address {
                found += u32::from(address.octets()[..2] == client.octets()[..2]);
            }
            true
        });
        found
    }

    /// The dataplane.
    pub(crate) fn dataplane(&mut self) -> &mut Bpf {
        &mut self.bpf
    }

    /// Index and address of the link to the clients.
    pub(crate) fn clients(&self) -> (u32, [u8; 6]) {
        self.clients
    }

    /// Where a map is pinned.
    pub(crate) fn pin(&self, map: &str) -> PathBuf {
        self.pins.join(format!("v{}", abi::VERSION)).join(map)
    }

    /// How many lines of 64 bytes the flow table of a family has.
    pub(crate) fn lines(&self, family: Family) -> anyhow::Result<u32> {
        let (map, lines) = match family {
            Family::V4 => ("flows4", 4),
            Family::V6 => ("flows6", 8),
        };
        let pin = self.pin(map);
        let sets = MapInfo::from_pin(&pin)
            .with_context(|| format!("read the pin {}", pin.display()))?
            .max_entries();
        Ok(sets * lines)
    }

    /// A map of the programs' own, which is not pinned, by its name in the object: one that stages use beside
    /// those that *open* does.
    pub(crate) fn map(&self, name: &str) -> anyhow::Result<MapData> {
        let open = self.program("xvs_tcx_open4")?.id;
        let mut found = Vec::new();
        for program in loaded_programs().flatten() {
            if program.id() == open {
                found = program.map_ids()?.unwrap_or_default();
            }
        }
        // Somebody else's programs may use a pinned map too, yet none of those that are of this load alone.
        let shared = id_of("EARLY", &found)?.context("no map `EARLY`")?;
        for program in loaded_programs().flatten() {
            let ids = program.map_ids().ok().flatten().unwrap_or_default();
            if !ids.contains(&shared) {
                continue;
            }
            if let Some(id) = id_of(name, &ids)? {
                return MapData::from_id(id).with_context(|| format!("open map `{name}`"));
            }
        }
        bail!("the kernel has no map `{name}` of this dataplane")
    }

    /// Does what the daemon does about every second, if it was not done of late.
    pub(crate) fn keep_alive(&mut self) {
        if self.beaten.elapsed() > Duration::from_millis(500) {
            self.bpf.housekeep();
            self.beaten = Instant::now();
        }
    }

    /// The count of an event or a reason of drops.
    pub(crate) fn count(&mut self, name: &str) -> u64 {
        let status = self.bpf.status();
        let found = status.events.get(name).or_else(|| status.drops.get(name));
        found.copied().unwrap_or(0)
    }

    /// Packets that were dropped, for whatever reason.
    pub(crate) fn drops(&mut self) -> u64 {
        self.bpf.status().drops.values().sum()
    }

    /// A program of this dataplane, and not of another one on this host: it uses these pinned maps.
    pub(crate) fn program(&self, name: &str) -> anyhow::Result<Target> {
        let pin = self.pin("flows4");
        let flows = MapInfo::from_pin(&pin)
            .with_context(|| format!("read the pin {}", pin.display()))?
            .id();
        for program in loaded_programs() {
            // A program of somebody else may end while the list is read.
            let Ok(program) = program else { continue };
            let ours = || {
                program
                    .map_ids()
                    .ok()
                    .flatten()
                    .is_some_and(|ids| ids.contains(&flows))
            };
            if program.name_as_str() == Some(name) && ours() {
                return Ok(Target {
                    fd: program.fd().context("open the program")?,
                    id: program.id(),
                });
            }
        }
        bail!("the kernel has no program `{name}` of this dataplane")
    }
}

/// The map of a name among those of these numbers.
fn id_of(name: &str, ids: &[u32]) -> anyhow::Result<Option<u32>> {
    for id in ids {
        let info = MapInfo::from_id(*id).with_context(|| format!("read map {id}"))?;
        if info.name_as_str() == Some(name) {
            return Ok(Some(*id));
        }
    }
    Ok(None)
}

impl Drop for Director {
    fn drop(&mut self) {
        for failure in self.bpf.finish(false) {
            crate::say(&failure);
        }
        let removed = kernel::unmount(&self.pins).and_then(|()| fs::remove_dir(&self.pins));
        if let Err(error) = removed {
            crate::say(&format!("cannot remove {}: {error}", self.pins.display()));
        }
    }
}

/// Makes the two links and their far ends, in the network namespace of this thread.
pub(crate) fn make_links() -> anyhow::Result<()> {
    for (name, far) in [(CLIENTS, "client"), (SERVERS, "server")] {
        kernel::ip(&format!("link add {name} type veth peer name {far}"))?;
        kernel::ip(&format!("link set {name} up"))?;
        kernel::ip(&format!("link set {far} up"))?;
    }
    for family in [Family::V4, Family::V6] {
        let (length, gateway) = match family {
            Family::V4 => (24, family.clients_gateway()),
            Family::V6 => (120, family.clients_gateway()),
        };
        let own = family.clients_address();
        kernel::ip(&format!("addr add {own}/{length} dev {CLIENTS}"))?;
        kernel::ip(&format!(
            "neigh replace {gateway} lladdr 02:00:00:00:00:09 dev {CLIENTS} nud permanent"
        ))?;
        kernel::ip(&format!("route add default via {gateway} dev {CLIENTS}"))?;
    }
    Ok(())
}
