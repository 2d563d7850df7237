//! One session: its state, its timers, what it sends (RFC 5880 6.8).

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::Serialize;
use xvs_wire::bfd::{Diagnostic, PacketError, Repr, State};

use crate::{SessionConfig, config::microseconds, jitter::Jitter};

/// Why a session changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Both hear each other.
    Established,
    /// The neighbour's operator took it down.
    NeighbourAdministrativelyDown,
    /// The neighbour does not hear us.
    NeighbourDown,
    /// It left the configuration, or everything stops.
    Removed,
    /// Nothing came for the detection time.
    Silent,
}

/// Why a packet was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// It is none, or none for us.
    Packet(PacketError),
    /// It came from too far.
    Ttl(u8),
    /// It names no session of ours, or comes from somebody else than its neighbour.
    Unknown,
}

/// How a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionStatus {
    /// Its state.
    pub state: State,
    /// The neighbour's state, as it said last.
    pub neighbour_state: State,
    /// Why it went down last.
    pub diagnostic: Diagnostic,
    /// Time between own packets.
    pub interval: Duration,
    /// Silence after which it goes down; none while nothing was heard.
    pub detection_time: Option<Duration>,
}

/// A session's machine.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) config: SessionConfig,
    /// Our number for it.
    pub(crate) mine: u32,
    state: State,
    diagnostic: Diagnostic,
    remote: Remote,
    /// A poll sequence is under way: the neighbour has not yet confirmed our timers.
    polling: bool,
    /// What our packets say; while up, `min_tx`.
    desired_min_tx: Duration,
    /// A longer interval waits for the end of the poll sequence; until then this one is kept.
    kept_interval: Option<Duration>,
    /// So does a shorter `min_rx`: until then packets come at the pace of this one.
    kept_min_rx: Option<Duration>,
    next_packet: Option<Instant>,
    heard: Option<Instant>,
}

/// What the neighbour said last.
#[derive(Clone, Copy, Debug)]
struct Remote {
    discriminator: u32,
    state: State,
    demand: bool,
    min_rx: Duration,
    min_tx: Duration,
    multiplier: u8,
}

impl Remote {
    /// Nothing is known (RFC 5880 6.8.1).
    const UNKNOWN: Self = Self {
        discriminator: 0,
        state: State::Down,
        demand: false,
        min_rx: Duration::from_micros(1),
        min_tx: Duration::ZERO,
        multiplier: 0,
    };
}

impl Session {
    pub(crate) fn new(now: Instant, config: SessionConfig, mine: u32) -> Self {
        Self {
            next_packet: (!config.passive).then_some(now),
            desired_min_tx: config.idle_tx,
            config,
            mine,
            state: State::Down,
            diagnostic: Diagnostic::None,
            remote: Remote::UNKNOWN,
            polling: false,
            kept_interval: None,
            kept_min_rx: None,
            heard: None,
        }
    }

    /// Takes over other intervals; what is up stays up.
    pub(crate) fn reconfigure(&mut self, now: Instant, config: SessionConfig) {
        let (before, min_rx) = (self.interval(), self.min_rx());
        self.config = config;
        if self.state == State::Up {
            self.change_interval(before, self.config.min_tx);
            self.kept_min_rx = (self.config.min_rx < min_rx).then_some(min_rx);
        } else {
            self.desired_min_tx = self.config.idle_tx;
        }
        if self.config.passive && self.remote.discriminator == 0 {
            self.next_packet = None;
        } else {
            self.next_packet = Some(now);
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    pub(crate) fn status(&self) -> SessionStatus {
        SessionStatus {
            state: self.state,
            neighbour_state: self.remote.state,
            diagnostic: self.diagnostic,
            interval: self.interval(),
            detection_time: self.heard.map(|_heard| self.detection_time()),
        }
    }

    /// Takes a packet that names this session (RFC 5880 6.8.6). Returns an answer that must go out at
    /// once, and why the session came or went.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        packet: &Repr,
    ) -> (Option<Repr>, Option<Reason>) {
        self.heard = Some(now);
        self.remote = Remote {
            discriminator: packet.mine,
            state: packet.state,
            demand: packet.demand,
            min_rx: Duration::from_micros(packet.required_min_rx_us.into()),
            min_tx: Duration::from_micros(packet.desired_min_tx_us.into()),
            multiplier: packet.multiplier,
        };
        if packet.answers_poll && self.polling {
            self.end_poll();
        }
        let before = self.state;
        let changed = self.step(packet.state);
        if self.state != before {
            // The neighbour learns of it at once (RFC 5880 6.8.7).
            self.next_packet = Some(now);
        } else {
            self.hasten(now);
        }
        let answer = packet.poll.then(|| Repr {
            poll: false,
            answers_poll: true,
            ..self.packet()
        });
        (answer, changed)
    }

    /// What is due: a packet, and the end of the detection time.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        jitter: &mut Jitter,
    ) -> (Option<Repr>, Option<Reason>) {
        let mut changed = None;
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.heard = None;
            self.remote = Remote::UNKNOWN;
            if matches!(self.state, State::Init | State::Up) {
                changed = self.is_up().then_some(Reason::Silent);
                self.go_down(Diagnostic::DetectionTimeExpired);
                self.next_packet = Some(now);
            }
            if self.config.passive {
                // It says that it is down, once, and waits again.
                return (changed.map(|_reason| self.last_word()), changed);
            }
        }
        if self.next_packet.is_none_or(|next| next > now) {
            return (None, changed);
        }
        let interval = jitter.shorten(self.interval(), self.config.multiplier);
        self.next_packet = Some(now + interval);
        (self.sends().then(|| self.packet()), changed)
    }

    /// The packet that says goodbye: the operator takes the session down (RFC 5880 6.8.16).
    pub(crate) fn farewell(&mut self) -> Repr {
        self.state = State::AdminDown;
        self.diagnostic = Diagnostic::AdministrativelyDown;
        self.desired_min_tx = self.config.idle_tx;
        self.end_poll();
        self.packet()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.next_packet, self.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The state machine of RFC 5880 6.2 for what the neighbour says.
    fn step(&mut self, theirs: State) -> Option<Reason> {
        match (self.state, theirs) {
            (State::Down, State::Down) => self.state = State::Init,
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                let before = self.interval();
                self.state = State::Up;
                self.diagnostic = Diagnostic::None;
                self.change_interval(before, self.config.min_tx);
                return Some(Reason::Established);
            }
            (State::Up, State::Down) => {
                self.go_down(Diagnostic::NeighbourDown);
                return Some(Reason::NeighbourDown);
            }
            (State::Init | State::Up, State::AdminDown) => {
                let was_up = self.is_up();
                self.go_down(Diagnostic::NeighbourDown);
                return was_up.then_some(Reason::NeighbourAdministrativelyDown);
            }
            _ => {}
        }
        None
    }

    fn go_down(&mut self, diagnostic: Diagnostic) {
        self.state = State::Down;
        self.diagnostic = diagnostic;
        self.desired_min_tx = self.config.idle_tx;
        self.end_poll();
    }

    fn end_poll(&mut self) {
        self.polling = false;
        self.kept_interval = None;
        self.kept_min_rx = None;
    }

    /// Asks the neighbour to confirm another interval while the session is up; one that is longer
    /// than `before` counts from then on only (RFC 5880 6.8.3).
    fn change_interval(&mut self, before: Duration, wanted: Duration) {
        self.desired_min_tx = wanted;
        self.polling = true;
        self.kept_interval = (self.interval() > before).then_some(before);
    }

    /// The neighbour may ask for packets sooner than the next was planned.
    fn hasten(&mut self, now: Instant) {
        let soonest = now + self.interval();
        if self.next_packet.is_none_or(|next| next > soonest) {
            self.next_packet = Some(soonest);
        }
    }

    /// Time between packets: what we want and what the neighbour can take (RFC 5880 6.8.7).
    fn interval(&self) -> Duration {
        let agreed = self.desired_min_tx.max(self.remote.min_rx);
        self.kept_interval.unwrap_or(agreed)
    }

    /// Silence that means that the neighbour is gone (RFC 5880 6.8.4).
    fn detection_time(&self) -> Duration {
        let interval = self.min_rx().max(self.remote.min_tx);
        interval * u32::from(self.remote.multiplier)
    }

    /// The least interval that the neighbour knows of.
    fn min_rx(&self) -> Duration {
        self.kept_min_rx.unwrap_or(self.config.min_rx)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.heard? + self.detection_time())
    }

    /// Whether packets go out by themselves (RFC 5880 6.8.7).
    fn sends(&self) -> bool {
        let unknown = self.remote.discriminator == 0;
        let both_up = self.is_up() && self.remote.state == State::Up;
        let unwanted = self.remote.min_rx.is_zero() || (self.remote.demand && both_up);
        // A poll is sent even to a neighbour that wants nothing else.
        !(self.config.passive && unknown) && (!unwanted || self.polling)
    }

    fn packet(&self) -> Repr {
        Repr {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.polling,
            answers_poll: false,
            demand: false,
            multiplier: self.config.multiplier,
            mine: self.mine,
            yours: self.remote.discriminator,
            desired_min_tx_us: microseconds(self.desired_min_tx),
            required_min_rx_us: microseconds(self.config.min_rx),
            required_min_echo_rx_us: 0,
        }
    }

    fn last_word(&mut self) -> Repr {
        self.next_packet = None;
        self.packet()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Established => "both ends hear each other",
            Self::NeighbourAdministrativelyDown => "the neighbour's operator took it down",
            Self::NeighbourDown => "the neighbour does not hear us",
            Self::Removed => "it was removed",
            Self::Silent => "the neighbour is silent",
        })
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(error) => error.fmt(f),
            Self::Ttl(ttl) => write!(f, "its TTL {ttl} says that it came from too far"),
            Self::Unknown => f.write_str("it belongs to no session"),
        }
    }
}

impl std::error::Error for Rejected {}
