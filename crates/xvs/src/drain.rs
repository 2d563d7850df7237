//! `xvs rs drain`: no new connections for a real server, and waiting until the old ones are gone.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use xvs_control::{
    Client,
    wire::{ConnectionQuery, Target as Address},
};
use xvs_types::{Endpoint, Op, RealServer, VirtualServerId, Weight};

use crate::{
    output,
    spec::{VirtualServerName, name, real_endpoint},
    target::Target,
    virtual_servers::{apply, find},
};

/// How often is looked at what remains.
const PERIOD: Duration = Duration::from_secs(1);

/// The arguments of `xvs rs drain`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// `VIP:PORT` (TCP), `udp/VIP:PORT`, `sctp/VIP:PORT`, `mark/N` or `mark/N/v6`
    #[arg(value_name = "VS")]
    virtual_server: VirtualServerName,
    /// Its address, with a port or the virtual server's
    #[arg(value_name = "RS")]
    real_server: Address,
    /// Give up after so many seconds; the weight stays 0 [default: wait until it is empty]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[command(flatten)]
    target: Target,
}

/// What is left of a real server's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Remaining {
    /// Connections that are open.
    active: u32,
    /// Connections that are opening or closing.
    inactive: u32,
    /// Persistence templates: each may still bring connections of its client.
    templates: u32,
    /// When the last of them ends if nobody sends anything, in seconds.
    longest_seconds: u64,
}

impl Remaining {
    fn is_empty(&self) -> bool {
        (self.active, self.inactive, self.templates) == (0, 0, 0)
    }
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} active, {} inactive", self.active, self.inactive)?;
        if self.templates > 0 {
            write!(f, ", {} persistent clients", self.templates)?;
        }
        write!(f, "; {} s if they fall silent", self.longest_seconds)
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Outcome {
    /// Whether nothing remains.
    drained: bool,
    /// What does.
    remaining: Remaining,
    /// How long it was waited for.
    waited_seconds: u64,
}

/// Drains a real server.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let id = arguments.virtual_server.0;
    let endpoint = real_endpoint(arguments.real_server, &id);
    let mut client = arguments.target.connect()?;
    quiesce(&mut client, id, endpoint)?;
    let started = Instant::now();
    let mut shown = None;
    let outcome = wait(
        || remaining(&mut client, id, endpoint),
        || started.elapsed(),
        |remaining| {
            if !arguments.target.json && shown != Some(*remaining) {
                output::message(&format!("{endpoint}: {remaining}"));
            }
            shown = Some(*remaining);
            thread::sleep(PERIOD);
        },
        arguments.timeout.map(Duration::from_secs),
    )?;
    if arguments.target.json {
        output::json(&outcome)?;
    } else if outcome.drained {
        let waited = outcome.waited_seconds;
        output::write(format!("{endpoint} is empty after {waited} s\n").as_bytes())?;
    }
    if !outcome.drained {
        bail!(
            "real server `{endpoint}` of `{}` is not empty: {}; its weight stays 0",
            name(&id),
            outcome.remaining
        );
    }
    Ok(())
}

/// Sets the weight to 0, unless it is.
fn quiesce(client: &mut Client, id: VirtualServerId, endpoint: Endpoint) -> anyhow::Result<()> {
    let listing = find(client, &id)?;
    let mut configs = listing.real_servers.iter().map(|one| one.config);
    let config = configs
        .find(|config| config.endpoint == endpoint)
        .with_context(|| format!("no real server `{endpoint}`"))?;
    if config.weight == Weight::QUIESCED {
        return Ok(());
    }
    let op = Op::EditRealServer {
        virtual_server: id,
        real_server: RealServer {
            weight: Weight::QUIESCED,
            ..config
        },
    };
    apply(client, op)
}

/// Looks until nothing remains or `elapsed` passes `timeout`; `pause` between two looks.
fn wait(
    mut look: impl FnMut() -> anyhow::Result<Remaining>,
    elapsed: impl Fn() -> Duration,
    mut pause: impl FnMut(&Remaining),
    timeout: Option<Duration>,
) -> anyhow::Result<Outcome> {
    loop {
        let remaining = look()?;
        let waited = elapsed();
        if remaining.is_empty() || timeout.is_some_and(|timeout| waited >= timeout) {
            return Ok(Outcome {
                drained: remaining.is_empty(),
                remaining,
                waited_seconds: waited.as_secs(),
            });
        }
        pause(&remaining);
    }
}

fn remaining(
    client: &mut Client,
    id: VirtualServerId,
    endpoint: Endpoint,
) -> anyhow::Result<Remaining> {
    let listing = find(client, &id)?;
    // One that was deleted meanwhile gets nothing new either; what it has is in the connections.
    let counts = listing
        .real_servers
        .iter()
        .find(|one| one.config.endpoint == endpoint);
    let mut remaining = counts.map_or_else(Remaining::default, |one| Remaining {
        active: one.active,
        inactive: one.inactive,
        templates: one.persistent,
        longest_seconds: 0,
    });
    if remaining.is_empty() {
        return Ok(remaining);
    }
    let query = ConnectionQuery {
        rs: Some(Address {
            address: endpoint.address,
            port: Some(endpoint.port),
        }),
        ..ConnectionQuery::default()
    };
    client.connections(&query, |connection| {
        if connection.virtual_server.is_none_or(|of| of == id) {
            let seconds = connection.expires.as_secs();
            remaining.longest_seconds = remaining.longest_seconds.max(seconds);
        }
        true
    })?;
    Ok(remaining)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Waits for a server that loses one connection each second.
    fn drained(connections: u32, timeout: Option<Duration>) -> (Outcome, u64) {
        let now = Cell::new(0);
        let looks = || {
            let gone = u32::try_from(now.get()).unwrap();
            Ok(Remaining {
                active: connections.saturating_sub(gone),
                ..Remaining::default()
            })
        };
        let outcome = wait(
            looks,
            || Duration::from_secs(now.get()),
            |_remaining| now.set(now.get() + 1),
            timeout,
        );
        (outcome.unwrap(), now.get())
    }

    #[test]
    fn it_ends_when_nothing_remains() {
        let (outcome, pauses) = drained(3, None);
        assert!(outcome.drained);
        assert_eq!((outcome.waited_seconds, pauses), (3, 3));
        assert_eq!(drained(0, Some(Duration::ZERO)).1, 0);
    }

    #[test]
    fn it_gives_up_in_time_and_says_what_remains() {
        let (outcome, pauses) = drained(10, Some(Duration::from_secs(4)));
        assert!(!outcome.drained);
        assert_eq!((outcome.remaining.active, pauses), (6, 4));
        assert_eq!(
            outcome.remaining.to_string(),
            "6 active, 0 inactive; 0 s if they fall silent"
        );
    }

    #[test]
    fn a_persistent_client_counts_as_a_rest() {
        let remaining = Remaining {
            templates: 1,
            longest_seconds: 300,
            ..Remaining::default()
        };
        assert!(!remaining.is_empty());
        assert_eq!(
            remaining.to_string(),
            "0 active, 0 inactive, 1 persistent clients; 300 s if they fall silent"
        );
    }
}
