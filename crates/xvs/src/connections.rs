//! `xvs conn`: connections, with filters.

use std::{
    io::{self, BufWriter, Write},
    net::IpAddr,
};

use clap::{Args, Subcommand};
use xvs_control::wire::{ConnectionCount, ConnectionQuery, Target as Address, parse_state};
use xvs_types::{ConnectionListing, ConnectionState, EffectiveMethod, Protocol};

use crate::{output, real_servers::method_name, target::Target};

/// The commands of `xvs conn`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Count connections
    Count {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        target: Target,
    },
    /// End connections: their next packet is as if they had never been
    Kill {
        #[command(flatten)]
        filter: Filter,
        /// End every connection
        #[arg(long, conflicts_with_all = ["client", "vip", "rs", "state", "proto"])]
        all: bool,
        #[command(flatten)]
        target: Target,
    },
    /// List connections; with --json an object a line
    List {
        #[command(flatten)]
        filter: Filter,
        /// List at most so many
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        #[command(flatten)]
        target: Target,
    },
}

/// Conditions that a connection must all meet.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// The client's address
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// What the client talks to
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    vip: Option<Address>,
    /// The real server
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    rs: Option<Address>,
    /// The state, such as `established`
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<ConnectionState>,
    /// The protocol: tcp, udp or sctp
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol)]
    proto: Option<Protocol>,
}

impl Filter {
    fn query(&self) -> ConnectionQuery {
        ConnectionQuery {
            client: self.client,
            vip: self.vip,
            rs: self.rs,
            state: self.state,
            proto: self.proto,
            limit: None,
            all: false,
        }
    }
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Count { filter, target } => {
            let connections = target.connect()?.count_connections(&filter.query())?;
            print_count(&target, connections)
        }
        Command::Kill {
            filter,
            all,
            target,
        } => {
            let query = ConnectionQuery {
                all,
                ..filter.query()
            };
            if query.is_unconditional() && !all {
                anyhow::bail!("say which connections to end, or `--all`");
            }
            let connections = target.connect()?.kill_connections(&query)?;
            print_count(&target, connections)
        }
        Command::List {
            filter,
            limit,
            target,
        } => {
            let query = ConnectionQuery {
                limit,
                ..filter.query()
            };
            list(&query, &target)
        }
    }
}

fn list(query: &ConnectionQuery, target: &Target) -> anyhow::Result<()> {
    let mut client = target.connect()?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut written: anyhow::Result<()> = Ok(());
    if !target.json {
        writeln!(out, "{}", line(&HEADINGS.map(str::to_owned)))?;
    }
    client.connections(query, |connection| {
        written = if target.json {
            serde_json::to_writer(&mut out, &connection)
                .map_err(io::Error::from)
                .and_then(|()| out.write_all(b"\n"))
                .map_err(Into::into)
        } else {
            writeln!(out, "{}", line(&cells(&connection))).map_err(Into::into)
        };
        written.is_ok()
    })?;
    written?;
    Ok(out.flush()?)
}

const HEADINGS: [&str; 9] = [
    "PROTO", "STATE", "EXPIRES", "METHOD", "CLIENT", "VIRTUAL", "REAL", "LOCAL", "PACKETS",
];

/// The width that fits most cells: a listing of millions is printed as it comes, so no column can
/// wait for its widest cell.
const WIDTHS: [usize; 9] = [5, 11, 8, 7, 21, 21, 21, 21, 0];

fn cells(connection: &ConnectionListing) -> [String; 9] {
    let protocol = connection
        .protocol
        .map_or_else(|| "ip".to_owned(), |one| one.to_string().to_lowercase());
    let method = match connection.method {
        EffectiveMethod::Configured(method) => method_name(method),
        EffectiveMethod::Local => "local".to_owned(),
    };
    let seconds = connection.expires.as_secs();
    let dash = || "-".to_owned();
    [
        protocol,
        connection.state.to_string(),
        format!("{}:{:02}", seconds / 60, seconds % 60),
        method,
        connection.client.to_string(),
        connection.virtual_endpoint.to_string(),
        connection.real_endpoint.to_string(),
        connection
            .local
            .map_or_else(dash, |local| local.to_string()),
        format!("{}/{}", connection.packets_in, connection.packets_out),
    ]
}

fn line(cells: &[String; 9]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(WIDTHS)
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    padded.join("  ").trim_end().to_owned()
}

fn print_count(target: &Target, connections: u64) -> anyhow::Result<()> {
    if target.json {
        output::json(&ConnectionCount { connections })
    } else {
        output::write(format!("{connections}\n").as_bytes())
    }
}

fn state(text: &str) -> Result<ConnectionState, String> {
    parse_state(text).ok_or_else(|| {
        format!("no state is named `{text}`; there are none established syn_sent syn_recv fin_wait time_wait close close_wait last_ack listen synack udp assured")
    })
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        _ => Err(format!(
            "no protocol is named `{text}`; there are tcp udp sctp"
        )),
    }
}
