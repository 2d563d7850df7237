//! Recordings of schedulers: which real server got each connection.
//!
//! Such a recording has no frames: connections are opened here as the recorder's clients opened them, so
//! it is replayed on the same directors as recordings of frames, through commands, connection states and
//! counts.

mod connection;
mod network;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use serde::Deserialize;

use crate::{Director, Network};
use connection::Connection;

/// The client where a recording names none.
const CLIENT: &str = "192.168.0.2";
/// The first port of clients that a recording names no port for.
const FIRST_PORT: u16 = 20_000;
/// Of a hundred, how far the shares of two random runs may be apart.
const SPREAD: usize = 20;

/// One scenario of a scheduler.
#[derive(Clone, Debug, Deserialize)]
pub struct Decisions {
    name: String,
    scheduler: String,
    mode: Mode,
    weights: Vec<u32>,
    /// Of the scheduler.
    #[serde(default)]
    flags: Option<String>,
    /// The number of the server that each command of `setup` adds, behind the first command.
    order_added: Vec<u16>,
    /// Arguments of `ipvsadm`.
    setup: Vec<String>,
    /// `rs1`, `rs2` and so on, refusals, and commands behind a `#`.
    sequence: Vec<String>,
    /// Source and destination of each connection, where they matter.
    #[serde(default)]
    keys: Option<Vec<(IpAddr, u16, IpAddr, u16)>>,
}

/// What becomes of each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// It stays open.
    TcpHold,
    /// It is closed before the next.
    TcpShort,
    /// It is one datagram.
    Udp,
}

impl Decisions {
    /// Its name: that of the recording, what became of connections, weights, the scheduler's flags.
    #[must_use]
    pub fn id(&self) -> String {
        let mode = match self.mode {
            Mode::TcpHold => "tcp-hold",
            Mode::TcpShort => "tcp-short",
            Mode::Udp => "udp",
        };
        let weights: Vec<String> = self.weights.iter().map(u32::to_string).collect();
        let weights = weights.join("-");
        let flags = self.flags.as_ref().map(|flags| format!("/{flags}"));
        let flags = flags.unwrap_or_default();
        format!("schedulers/{}/{mode}/{weights}{flags}", self.name)
    }

    /// The network that it needs.
    ///
    /// # Errors
    ///
    /// When its commands name what is no address.
    pub fn network(&self) -> Result<Network, String> {
        let keys = self.keys.iter().flatten();
        let mut own: BTreeSet<IpAddr> = keys.map(|key| key.2).collect();
        own.extend(self.service()?.map(|service| service.ip()));
        let servers: Result<Vec<_>, String> = self
            .order_added
            .iter()
            .zip(self.setup.iter().skip(1))
            .map(|(number, line)| {
                let address =
                    after(line, &["-r"]).ok_or_else(|| format!("`{line}` adds nobody"))?;
                Ok((*number, endpoint(address)?.ip()))
            })
            .collect();
        network::network(&own.into_iter().collect::<Vec<_>>(), &servers?)
    }

    /// The same commands and connections with who gets them on `director` now.
    pub(crate) fn record(&self, director: &mut dyn Director) -> Result<Self, String> {
        let mut seen = self.decisions(director)?.into_iter();
        let mut recorded = self.clone();
        for step in &mut recorded.sequence {
            if !step.starts_with('#') {
                *step = seen.next().unwrap_or_default();
            }
        }
        Ok(recorded)
    }

    /// Takes `director` through it and answers the differences, a line each.
    pub fn replay(&self, director: &mut dyn Director) -> Vec<String> {
        match self.decisions(director) {
            Ok(seen) => self.compare(&seen),
            Err(message) => vec![message],
        }
    }

    /// Who got each connection.
    fn decisions(&self, director: &mut dyn Director) -> Result<Vec<String>, String> {
        for line in &self.setup {
            obey(director, line)?;
        }
        let mut seen = Vec::new();
        for step in &self.sequence {
            if let Some(line) = step.strip_prefix('#') {
                obey(director, line.trim())?;
                continue;
            }
            let number = seen.len();
            let (client, service) = self.ends(number)?;
            let mut connection = Connection::new(director, client, service);
            let who = match self.mode {
                Mode::TcpHold => connection.hold(),
                Mode::TcpShort => connection.visit(),
                Mode::Udp => connection.datagram(),
            };
            seen.push(who.map_err(|error| format!("connection {number}: {error}"))?);
        }
        Ok(seen)
    }

    /// The two ends of a connection.
    fn ends(&self, number: usize) -> Result<(SocketAddr, SocketAddr), String> {
        let key = self.keys.as_ref().and_then(|keys| keys.get(number));
        if let Some((client, port, service, service_port)) = key {
            let service = SocketAddr::new(*service, *service_port);
            return Ok((SocketAddr::new(*client, *port), service));
        }
        let service = self.service()?.ok_or("it says not where clients connect")?;
        let number = u16::try_from(number).map_err(|_many| "too many connections")?;
        let client = CLIENT.parse().map_err(|_none| "no client")?;
        Ok((SocketAddr::new(client, FIRST_PORT + number), service))
    }

    /// The virtual server's endpoint; none for a firewall mark.
    fn service(&self) -> Result<Option<SocketAddr>, String> {
        let line = self.setup.first().map_or("", String::as_str);
        after(line, &["-t", "-u"]).map(endpoint).transpose()
    }

    fn compare(&self, seen: &[String]) -> Vec<String> {
        let recorded: Vec<&String> = self
            .sequence
            .iter()
            .filter(|step| !step.starts_with('#'))
            .collect();
        if self.scheduler == "twos" {
            return spread(seen, &recorded);
        }
        let first = (0..seen.len()).find(|at| seen.get(*at) != recorded.get(*at).copied());
        let some = |at: usize| {
            let (wants, has) = (recorded.iter().skip(at), seen.iter().skip(at));
            let wants: Vec<&str> = wants.take(8).map(|one| one.as_str()).collect();
            let has: Vec<&str> = has.take(8).map(String::as_str).collect();
            let (wants, has) = (wants.join(" "), has.join(" "));
            format!("from connection {at} on: {wants} expected, {has} seen")
        };
        first.map(some).into_iter().collect()
    }
}

/// How the shares of random decisions differ by more than chance explains.
fn spread(seen: &[String], recorded: &[&String]) -> Vec<String> {
    let all: BTreeSet<&String> = seen.iter().chain(recorded.iter().copied()).collect();
    let share = |count: usize| count * 100 / recorded.len().max(1);
    all.into_iter()
        .filter_map(|who| {
            let has = share(seen.iter().filter(|one| *one == who).count());
            let wants = share(recorded.iter().filter(|one| **one == who).count());
            let as_wanted = wants.abs_diff(has) <= SPREAD && (wants == 0) == (has == 0);
            (!as_wanted).then(|| format!("{who} got {has} of 100, {wants} expected"))
        })
        .collect()
}

/// Runs a command of `ipvsadm`.
fn obey(director: &mut dyn Director, arguments: &str) -> Result<(), String> {
    let answer = director.run(&format!("ipvsadm {arguments}"));
    if answer.status == 0 {
        return Ok(());
    }
    let (status, message) = (answer.status, answer.stderr.trim());
    Err(format!(
        "setup `ipvsadm {arguments}`: status {status}, {message}"
    ))
}

/// The word behind one of these.
fn after<'l>(line: &'l str, names: &[&str]) -> Option<&'l str> {
    let mut words = line.split_whitespace();
    words.find(|word| names.contains(word))?;
    words.next()
}

fn endpoint(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_other| format!("`{text}` is no address with a port"))
}
