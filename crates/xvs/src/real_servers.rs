//! `xvs rs`: real servers behind a virtual server.

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use xvs_control::wire::Target as Address;
use xvs_types::{
    EffectiveMethod, Endpoint, ForwardingMethod, Op, RealServer, Tunnel, TunnelChecksum,
    TunnelKind, VirtualServerId, VirtualServerListing, Weight,
};

use crate::{
    drain,
    output::{self, Align, Table, short},
    spec::{VirtualServerName, name, real_endpoint},
    target::Target,
    virtual_servers::{Which, apply, find},
};

/// The commands of `xvs rs`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add a real server to a virtual server
    Add {
        #[command(flatten)]
        which: Which,
        /// Its address, with a port or the virtual server's
        #[arg(value_name = "RS")]
        real_server: Address,
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete a real server; its connections go on
    Del {
        #[command(flatten)]
        which: Which,
        /// Its address, with a port or the virtual server's
        #[arg(value_name = "RS")]
        real_server: Address,
    },
    /// Give a real server no new connections, and wait until it has none
    Drain(drain::Arguments),
    /// Change what is said of a real server; the rest stays
    Edit {
        #[command(flatten)]
        which: Which,
        /// Its address, with a port or the virtual server's
        #[arg(value_name = "RS")]
        real_server: Address,
        #[command(flatten)]
        settings: Settings,
    },
    /// List real servers
    List {
        /// Only those of this virtual server
        #[arg(value_name = "VS")]
        virtual_server: Option<VirtualServerName>,
        #[command(flatten)]
        target: Target,
    },
}

/// How packets reach a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// Direct routing: only the frame's address changes
    Dr,
    /// Both addresses and ports change
    Fullnat,
    /// GRE tunnel
    Gre,
    /// GUE tunnel
    Gue,
    /// IPIP tunnel
    Ipip,
    /// Masquerading: the destination changes
    Nat,
}

/// The settings of a real server.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// How packets reach it [default: dr]
    #[arg(long, short, value_enum)]
    method: Option<Method>,
    /// The port of a GUE tunnel [default: 6080]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    tunnel_port: Option<u16>,
    /// Its share, 0 to 2147483647; 0 for no new connections [default: 1]
    #[arg(long, short, value_name = "N", value_parser = weight)]
    weight: Option<Weight>,
    /// At so many connections it gets no new ones; 0 for no threshold
    #[arg(long, value_name = "N")]
    upper: Option<u32>,
    /// Below so many it gets them again
    #[arg(long, value_name = "N")]
    lower: Option<u32>,
}

/// The destination port of GUE, as IANA assigned it.
const GUE_PORT: u16 = 6080;

impl Settings {
    fn applied(&self, mut real_server: RealServer) -> anyhow::Result<RealServer> {
        if self.tunnel_port.is_some() && self.method != Some(Method::Gue) {
            bail!("`--tunnel-port` is for `--method gue`");
        }
        let tunnel = |kind| {
            ForwardingMethod::Tunnel(Tunnel {
                kind,
                checksum: TunnelChecksum::default(),
            })
        };
        real_server.method = match self.method {
            None => real_server.method,
            Some(Method::Dr) => ForwardingMethod::Direct,
            Some(Method::Fullnat) => ForwardingMethod::FullNat,
            Some(Method::Gre) => tunnel(TunnelKind::Gre),
            Some(Method::Gue) => tunnel(TunnelKind::Gue {
                port: self.tunnel_port.unwrap_or(GUE_PORT),
            }),
            Some(Method::Ipip) => tunnel(TunnelKind::Ipip),
            Some(Method::Nat) => ForwardingMethod::Nat,
        };
        if let Some(weight) = self.weight {
            real_server.weight = weight;
        }
        if let Some(upper) = self.upper {
            real_server.thresholds.upper = upper;
        }
        if let Some(lower) = self.lower {
            real_server.thresholds.lower = lower;
        }
        Ok(real_server)
    }
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add {
            which,
            real_server,
            settings,
        } => {
            let endpoint = real_endpoint(real_server, &which.id());
            let op = Op::AddRealServer {
                virtual_server: which.id(),
                real_server: settings.applied(RealServer::new(endpoint))?,
            };
            apply(&mut which.connect()?, op)
        }
        Command::Del { which, real_server } => {
            let op = Op::DeleteRealServer {
                virtual_server: which.id(),
                endpoint: real_endpoint(real_server, &which.id()),
            };
            apply(&mut which.connect()?, op)
        }
        Command::Drain(arguments) => drain::run(&arguments),
        Command::Edit {
            which,
            real_server,
            settings,
        } => {
            let mut client = which.connect()?;
            let listing = find(&mut client, &which.id())?;
            let endpoint = real_endpoint(real_server, &which.id());
            let found = config(&listing, endpoint)
                .with_context(|| format!("no real server `{endpoint}`"))?;
            let op = Op::EditRealServer {
                virtual_server: which.id(),
                real_server: settings.applied(found)?,
            };
            apply(&mut client, op)
        }
        Command::List {
            virtual_server,
            target,
        } => list(virtual_server.map(|name| name.0), &target),
    }
}

fn list(only: Option<VirtualServerId>, target: &Target) -> anyhow::Result<()> {
    let mut client = target.connect()?;
    let listing = match only {
        Some(id) => vec![find(&mut client, &id)?],
        None => client.virtual_servers()?,
    };
    if target.json {
        return output::json(&listing);
    }
    output::write(table(&listing).text(output::styled()).as_bytes())
}

/// The name of a forwarding method, as `--method` takes it.
pub(crate) fn method_name(method: ForwardingMethod) -> String {
    match method {
        ForwardingMethod::Direct => "dr".to_owned(),
        ForwardingMethod::FullNat => "fullnat".to_owned(),
        ForwardingMethod::Nat => "nat".to_owned(),
        ForwardingMethod::Tunnel(tunnel) => match tunnel.kind {
            TunnelKind::Gre => "gre".to_owned(),
            TunnelKind::Gue { port } => format!("gue:{port}"),
            TunnelKind::Ipip => "ipip".to_owned(),
        },
    }
}

fn config(listing: &VirtualServerListing, endpoint: Endpoint) -> Option<RealServer> {
    let mut configs = listing.real_servers.iter().map(|one| one.config);
    configs.find(|config| config.endpoint == endpoint)
}

fn table(listing: &[VirtualServerListing]) -> Table {
    let mut table = Table::new(&[
        ("VIRTUAL SERVER", Align::Left),
        ("REAL SERVER", Align::Left),
        ("METHOD", Align::Left),
        ("WEIGHT", Align::Right),
        ("ACTIVE", Align::Right),
        ("INACTIVE", Align::Right),
        ("CONNECTIONS", Align::Right),
        ("IN", Align::Right),
        ("OUT", Align::Right),
    ]);
    for virtual_server in listing {
        // Oldest first, as they were added; the kernel's order is ipvsadm's business.
        for real_server in virtual_server.real_servers.iter().rev() {
            let config = real_server.config;
            let method = match real_server.effective {
                EffectiveMethod::Configured(method) => method_name(method),
                EffectiveMethod::Local => "local".to_owned(),
            };
            table.row([
                name(&virtual_server.config.id),
                config.endpoint.to_string(),
                method,
                config.weight.get().to_string(),
                real_server.active.to_string(),
                real_server.inactive.to_string(),
                short(real_server.counters.connections),
                short(real_server.counters.bytes_in),
                short(real_server.counters.bytes_out),
            ]);
        }
    }
    table
}

fn weight(text: &str) -> Result<Weight, String> {
    let number = text.parse::<u32>().ok().and_then(Weight::new);
    number.ok_or_else(|| format!("a weight is 0 to {}", Weight::MAX.get()))
}
