//! `xvs vs`: virtual servers.

use std::{net::IpAddr, time::Duration};

use anyhow::Context;
use clap::{Args, Subcommand};
use xvs_control::Client;
use xvs_types::{
    Family, Op, Persistence, PersistenceMask, Scheduler, VirtualServer, VirtualServerId,
    VirtualServerListing,
};

use crate::{
    output::{self, Align, Table, short},
    spec::{VirtualServerName, name},
    target::Target,
};

/// The commands of `xvs vs`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add a virtual server
    Add {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete a virtual server and its real servers; connections go on
    Del {
        #[command(flatten)]
        which: Which,
    },
    /// Change what is said of a virtual server; the rest stays
    Edit {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        settings: Settings,
    },
    /// List virtual servers
    List {
        #[command(flatten)]
        target: Target,
    },
}

/// One virtual server of a daemon.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// `VIP:PORT` (TCP), `udp/VIP:PORT`, `sctp/VIP:PORT`, `mark/N` or `mark/N/v6`
    #[arg(value_name = "VS")]
    pub(crate) virtual_server: VirtualServerName,
    /// The instance of the daemon [default: XVS_INSTANCE, else `default`]
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
}

impl Which {
    /// Its identity.
    pub(crate) fn id(&self) -> VirtualServerId {
        self.virtual_server.0
    }

    /// Connects to the daemon.
    pub(crate) fn connect(&self) -> anyhow::Result<Client> {
        Target {
            instance: self.instance.clone(),
            json: false,
        }
        .connect()
    }
}

/// The settings of a virtual server.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The rule that picks a real server [default: wlc]
    #[arg(long, short, value_name = "NAME")]
    scheduler: Option<Scheduler>,
    /// Clients stay with their real server for so many seconds after their last connection; 0 for not
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=2_678_400))]
    persistent: Option<u64>,
    /// One-packet scheduling, UDP only
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    one_packet: Option<bool>,
    /// An address of the director that FULLNAT connections come from (repeatable)
    #[arg(long = "laddr", value_name = "ADDRESS")]
    local_addresses: Vec<IpAddr>,
    /// Take packets to the VIP even while the VIP is no address of this host
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    anywhere: Option<bool>,
}

impl Settings {
    /// `virtual_server` with what was said.
    fn applied(&self, mut virtual_server: VirtualServer) -> VirtualServer {
        if let Some(scheduler) = self.scheduler {
            virtual_server.scheduler = scheduler;
        }
        if let Some(seconds) = self.persistent {
            let mask = virtual_server
                .persistence
                .map_or_else(|| one_client(&virtual_server.id), |old| old.mask);
            virtual_server.persistence = (seconds > 0).then_some(Persistence {
                timeout: Duration::from_secs(seconds),
                mask,
            });
        }
        if let Some(one_packet) = self.one_packet {
            virtual_server.one_packet = one_packet;
        }
        if !self.local_addresses.is_empty() {
            virtual_server
                .local_addresses
                .clone_from(&self.local_addresses);
        }
        if let Some(anywhere) = self.anywhere {
            virtual_server.anywhere = anywhere;
        }
        virtual_server
    }
}

/// The mask by which each client has a template of its own.
fn one_client(id: &VirtualServerId) -> PersistenceMask {
    match id.family() {
        Family::V4 => PersistenceMask::V4(std::net::Ipv4Addr::BROADCAST),
        Family::V6 => PersistenceMask::V6(128),
    }
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add { which, settings } => {
            let virtual_server = settings.applied(VirtualServer::new(which.id()));
            apply(
                &mut which.connect()?,
                Op::AddVirtualServer { virtual_server },
            )
        }
        Command::Del { which } => {
            let op = Op::DeleteVirtualServer { id: which.id() };
            apply(&mut which.connect()?, op)
        }
        Command::Edit { which, settings } => {
            let mut client = which.connect()?;
            let found = find(&mut client, &which.id())?;
            let virtual_server = settings.applied(found.config);
            apply(&mut client, Op::EditVirtualServer { virtual_server })
        }
        Command::List { target } => {
            let listing = target.connect()?.virtual_servers()?;
            if target.json {
                return output::json(&listing);
            }
            output::write(table(&listing).text(output::styled()).as_bytes())
        }
    }
}

/// Applies one op.
pub(crate) fn apply(client: &mut Client, op: Op) -> anyhow::Result<()> {
    Ok(client.apply_one(op)??)
}

/// The virtual server `id`.
pub(crate) fn find(
    client: &mut Client,
    id: &VirtualServerId,
) -> anyhow::Result<VirtualServerListing> {
    client
        .virtual_server(id)?
        .with_context(|| format!("no virtual server `{}`", name(id)))
}

fn table(listing: &[VirtualServerListing]) -> Table {
    let mut table = Table::new(&[
        ("VIRTUAL SERVER", Align::Left),
        ("SCHEDULER", Align::Left),
        ("PERSISTENT", Align::Right),
        ("REAL SERVERS", Align::Right),
        ("ACTIVE", Align::Right),
        ("INACTIVE", Align::Right),
        ("CONNECTIONS", Align::Right),
        ("IN", Align::Right),
        ("OUT", Align::Right),
    ]);
    for virtual_server in listing {
        let config = &virtual_server.config;
        let real_servers = &virtual_server.real_servers;
        let sum = |count: fn(&xvs_types::RealServerListing) -> u32| {
            let total: u64 = real_servers.iter().map(|one| u64::from(count(one))).sum();
            total.to_string()
        };
        table.row([
            name(&config.id),
            config.scheduler.to_string(),
            config.persistence.map_or_else(
                || "-".to_owned(),
                |persistence| format!("{} s", persistence.timeout.as_secs()),
            ),
            real_servers.len().to_string(),
            sum(|one| one.active),
            sum(|one| one.inactive),
            short(virtual_server.counters.connections),
            short(virtual_server.counters.bytes_in),
            short(virtual_server.counters.bytes_out),
        ]);
    }
    table
}
