//! A real director: a network namespace, wires, the host's own stack, and what balances there.

use std::{
    cell::Cell,
    fmt, io,
    net::UdpSocket,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use xvs_dataplane::Hook;

use crate::{
    Answer, Director, LocalSocket, Network, Seen, command,
    daemon::Daemon,
    host,
    namespace::{self, Namespace},
    wire::{self, Wire},
};

/// How long what balances takes at most to follow a change, on a machine with nothing else to do.
const SETTLE: Duration = Duration::from_millis(250);
/// How long a frame that is awaited may take.
const LIMIT: Duration = Duration::from_secs(3);
/// Nothing came for this long: nothing more comes.
const QUIET: Duration = Duration::from_millis(12);
/// Deleted servers have given up by then what they had learned: a daemon looks once a second.
const GIVEN_BACK: Duration = Duration::from_millis(2_500);
/// `ETHTOOL_SGRO`.
const RECEIVE_OFFLOAD: u32 = 0x2c;
/// `ETHTOOL_STXCSUM`, `ETHTOOL_STSO`, `ETHTOOL_SGSO`, `ETHTOOL_SGRO`.
const OFFLOADS: [u32; 4] = [0x17, 0x1f, 0x24, RECEIVE_OFFLOAD];

/// What balances on a real director.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balancer {
    /// The IPVS of the running kernel, by the `ipvsadm` of the host.
    Kernel,
    /// The daemon of this project at a hook.
    Xvs(Hook),
}

impl fmt::Display for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel => f.write_str("kernel"),
            Self::Xvs(hook) => write!(f, "live {hook}"),
        }
    }
}

/// A director in a namespace of its own, which ends with this value. It belongs to the thread that
/// started it.
pub struct Live {
    // First, so that it ends in its namespace.
    daemon: Option<Daemon>,
    namespace: Namespace,
    /// Far ends by the names of the legs.
    wires: Vec<(String, Wire)>,
    /// Sockets on the director that send back what they get.
    echoes: Vec<UdpSocket>,
    /// How long to wait before a change is followed by a frame.
    settle: Duration,
    /// When it was empty last.
    begun: Instant,
    /// When rules or network were changed last, and no frame has come in since.
    changed: Option<Instant>,
    /// It asked for a neighbour.
    asks: Cell<bool>,
    /// An ICMP message came in: of the way to a server, something may be learned.
    learns: bool,
    /// The firewall has rules.
    filters: bool,
    /// More was changed than what can be undone.
    spoilt: bool,
}

impl Live {
    /// Starts a director with this network. Needs root; for the daemon also the `xvs` binary beside this
    /// one or where `XVS_BIN` says, for the kernel the module `ip_vs` and `ipvsadm`.
    ///
    /// # Errors
    ///
    /// What could not be started.
    pub fn start(network: &Network, balancer: Balancer) -> Result<Self, String> {
        let (own, far) = (make("the director")?, make("the wires")?);
        let wires =
            lay(network, &own, &far).map_err(|error| format!("cannot lay wires: {error}"))?;
        own.enter()
            .map_err(|error| format!("cannot enter the director's namespace: {error}"))?;
        let daemon = match balancer {
            Balancer::Kernel => None,
            Balancer::Xvs(hook) => Some(Daemon::start(hook, network.legs())?),
        };
        let mut live = Self {
            daemon,
            namespace: own,
            wires,
            echoes: Vec::new(),
            settle: SETTLE,
            begun: Instant::now(),
            changed: None,
            asks: Cell::new(false),
            learns: false,
            filters: false,
            spoilt: false,
        };
        let empty = live.run("ipvsadm -Ln");
        if empty.status != 0 {
            return Err(format!("nothing balances here: {}", empty.stderr.trim()));
        }
        Ok(live)
    }

    /// Opens the sockets that a scenario wants on the director.
    ///
    /// # Errors
    ///
    /// When one cannot be opened.
    pub fn open(&mut self, sockets: &[LocalSocket]) -> Result<(), String> {
        let open = |socket: &LocalSocket| {
            let echo = UdpSocket::bind(&socket.bind)?;
            echo.set_nonblocking(true)?;
            Ok(echo)
        };
        let opened: io::Result<Vec<_>> = sockets.iter().map(open).collect();
        let failed = |error| format!("cannot open a socket on the director: {error}");
        self.echoes = opened.map_err(failed)?;
        Ok(())
    }

    /// Makes the director empty for another scenario of the same network; false when it cannot be used
    /// again.
    pub fn empty(&mut self) -> bool {
        self.echoes.clear();
        // Another director may have been at work in this thread meanwhile.
        if self.namespace.enter().is_err() {
            return false;
        }
        let Some(daemon) = &mut self.daemon else {
            return false;
        };
        if self.spoilt || self.asks.get() || daemon.empty().is_err() || !namespace::forget_paths() {
            return false;
        }
        if std::mem::take(&mut self.learns) {
            thread::sleep(GIVEN_BACK);
        }
        if std::mem::take(&mut self.filters) && !namespace::forget_filters() {
            return false;
        }
        self.look(&mut Vec::new());
        self.begun = Instant::now();
        true
    }

    /// Runs a command.
    fn obey(&mut self, line: &str) -> Answer {
        let words = command::words(line);
        let Some((name, arguments)) = words.split_first() else {
            return Answer::default();
        };
        if !command::is_listing(line) {
            self.note_change();
        }
        if let Some(daemon) = &mut self.daemon {
            if name == "ipvsadm" {
                return daemon.take_order(arguments);
            }
            if let Some(setting) = command::setting(&words) {
                return daemon.set(setting);
            }
        }
        if name == "nft" {
            self.filters = true;
        } else {
            self.spoilt = true;
        }
        Answer::of(Command::new(name).args(arguments))
    }

    fn note_change(&mut self) {
        self.changed = Some(Instant::now());
    }

    /// Lets what was changed last come into force.
    fn settle(&mut self) {
        if let Some(changed) = self.changed.take() {
            thread::sleep(self.settle.saturating_sub(changed.elapsed()));
        }
    }

    /// What leaves until so many frames have left, and nothing for a while.
    fn collect(&self, awaited: usize) -> Vec<(String, Vec<u8>)> {
        let begin = Instant::now();
        let mut last = begin;
        let mut seen = Vec::new();
        while last.elapsed() < QUIET || (seen.len() < awaited && begin.elapsed() < LIMIT) {
            if self.look(&mut seen) {
                last = Instant::now();
            }
            thread::sleep(Duration::from_micros(500));
        }
        seen
    }

    /// Collects what left; whether anything moved.
    fn look(&self, seen: &mut Vec<(String, Vec<u8>)>) -> bool {
        let mut moved = false;
        for echo in &self.echoes {
            let mut bytes = [0; 65_536];
            while let Ok((length, from)) = echo.recv_from(&mut bytes) {
                moved = true;
                // A reply that cannot be sent is missed by the comparison.
                let _missed = echo.send_to(bytes.get(..length).unwrap_or_default(), from);
            }
        }
        for (leg, wire) in &self.wires {
            while let Ok(Some(frame)) = wire.receive() {
                moved = true;
                if !host::is_noise(&frame) {
                    // Whoever did not answer is asked for again while the next scenario goes on.
                    self.asks
                        .set(self.asks.get() || host::is_about_a_neighbour(&frame));
                    seen.push((leg.clone(), frame));
                }
            }
        }
        moved
    }
}

impl Director for Live {
    fn run(&mut self, line: &str) -> Answer {
        let before = Instant::now();
        let answer = self.obey(line);
        // A busy or emulated machine is given more time.
        self.settle = SETTLE.max(before.elapsed() * 4);
        answer
    }

    fn inject(&mut self, leg: &str, frame: &[u8], awaited: usize) -> Result<Seen, String> {
        self.settle();
        let wire = self.wires.iter().find(|(name, _)| name == leg);
        let (_, wire) = wire.ok_or_else(|| format!("there is no leg `{leg}`"))?;
        self.learns |= host::Packet::of(frame).is_some_and(|packet| packet.is_icmp());
        wire.send(frame)
            .map_err(|error| format!("cannot send: {error}"))?;
        Ok(Seen::Frames(self.collect(awaited)))
    }

    fn listen(&mut self, milliseconds: u64) -> Seen {
        self.wait(milliseconds)
    }

    fn elapsed(&self) -> Option<Duration> {
        Some(self.begun.elapsed())
    }

    fn leave(&mut self, _leg: &str, _frame: &[u8]) -> Result<Seen, String> {
        Err("the host's own stack is here and sends for itself".to_owned())
    }

    fn wait(&mut self, milliseconds: u64) -> Seen {
        let end = Instant::now() + Duration::from_millis(milliseconds);
        let mut seen = Vec::new();
        while Instant::now() < end {
            self.look(&mut seen);
            thread::sleep(Duration::from_millis(1));
        }
        Seen::Frames(seen)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // What cannot be entered is gone, and the daemon is ended by its process then.
        let _gone = self.namespace.enter();
        self.daemon = None;
    }
}

fn make(what: &str) -> Result<Namespace, String> {
    Namespace::new().map_err(|error| format!("cannot make a namespace for {what}: {error}"))
}

/// Makes the links, their far ends in a namespace of their own, and opens those.
fn lay(network: &Network, own: &Namespace, far: &Namespace) -> io::Result<Vec<(String, Wire)>> {
    far.enter()?;
    namespace::without_ipv6();
    own.enter()?;
    namespace::set();
    namespace::ip(&network.wires(Some(&far.path())))?;
    for leg in network.legs() {
        for feature in OFFLOADS {
            wire::set_feature(leg, feature, false)?;
        }
    }
    far.enter()?;
    namespace::ip(&network.far_ends())?;
    network
        .legs()
        .map(|leg| {
            let link = format!("far-{leg}");
            // So that it takes what XDP sends: the kernel then polls it.
            wire::set_feature(&link, RECEIVE_OFFLOAD, true)?;
            Ok((leg.to_owned(), Wire::open(&link)?))
        })
        .collect()
}
