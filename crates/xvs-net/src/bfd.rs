//! BFD on the wire: the sessions of `xvs-bfd` with sockets and a clock.
//!
//! ```text
//!  BfdService --commands--> [service] --events--> who tracks a session
//!                            |  ^
//!             one socket for |  | a socket for each of: IPv4, IPv6; single, multiple hops
//!              each session  v  |
//!                           neighbours
//! ```
//!
//! The service never waits for who takes its events: one that is slow sees the latest state of each
//! session, in the order in which they changed.

mod sockets;

use std::{sync::Arc, time::Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};
use xvs_bfd::{Action, Bfd, Reason, SessionConfig, SessionId, SessionStatus};
use xvs_conf::config::BfdInstance;

pub use sockets::BfdSocketError;
use sockets::{Listeners, Outgoing};

/// A session came up or went down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BfdEvent {
    /// Its name.
    pub session: Arc<str>,
    /// It is up.
    pub up: bool,
    /// Why.
    pub reason: Reason,
}

/// A running set of sessions; a handle that may be cloned.
#[derive(Clone, Debug)]
pub struct BfdService {
    commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
enum Command {
    Reload(
        Vec<SessionConfig>,
        oneshot::Sender<Result<(), BfdSocketError>>,
    ),
    Shutdown(oneshot::Sender<()>),
    Status(oneshot::Sender<Vec<(Arc<str>, SessionStatus)>>),
}

/// The session that a `bfd_instance` describes.
#[must_use]
pub fn bfd_session(instance: &BfdInstance) -> SessionConfig {
    SessionConfig {
        source: instance.source,
        min_rx: instance.min_rx,
        min_tx: instance.min_tx,
        idle_tx: instance.idle_tx,
        multiplier: instance.multiplier,
        passive: instance.passive,
        ttl: instance.ttl,
        max_hops: instance.max_hops,
        multihop: instance.multihop,
        ..SessionConfig::new(instance.name.as_str(), instance.neighbour)
    }
}

impl BfdService {
    /// Starts these sessions on the runtime of the caller; `seed` should be another at each start.
    ///
    /// # Errors
    /// A port is taken or may not be used.
    pub fn start(
        sessions: Vec<SessionConfig>,
        seed: u64,
    ) -> Result<(Self, mpsc::Receiver<BfdEvent>), BfdSocketError> {
        let (commands, received) = mpsc::channel(16);
        let (events, told) = mpsc::channel(64);
        let mut service = Service {
            bfd: Bfd::new(Instant::now(), Vec::new(), seed),
            listeners: Listeners::default(),
            outgoing: Vec::new(),
            events: Some(events),
            waiting: Vec::new(),
        };
        service.reload(sessions)?;
        tokio::spawn(service.run(received));
        Ok((Self { commands }, told))
    }

    /// Goes over to these sessions; those that stay the same stay up.
    ///
    /// # Errors
    /// A port is taken or may not be used; everything stays as it was.
    pub async fn reload(&self, sessions: Vec<SessionConfig>) -> Result<(), BfdSocketError> {
        let (answer, done) = oneshot::channel();
        self.ask(Command::Reload(sessions, answer)).await;
        done.await.unwrap_or(Ok(()))
    }

    /// How every session is; empty after the shutdown.
    pub async fn status(&self) -> Vec<(Arc<str>, SessionStatus)> {
        let (answer, done) = oneshot::channel();
        self.ask(Command::Status(answer)).await;
        done.await.unwrap_or_default()
    }

    /// Ends all sessions; neighbours are told that this is on purpose.
    pub async fn shutdown(&self) {
        let (answer, done) = oneshot::channel();
        self.ask(Command::Shutdown(answer)).await;
        // An error says that it has ended already.
        let _ended = done.await;
    }

    async fn ask(&self, command: Command) {
        // Refused only after the shutdown; the answer then says so.
        let _stopped = self.commands.send(command).await;
    }
}

/// The task that owns sessions and sockets.
struct Service {
    bfd: Bfd,
    listeners: Listeners,
    outgoing: Vec<(SessionId, Arc<str>, Outgoing)>,
    /// None once nobody listens any more.
    events: Option<mpsc::Sender<BfdEvent>>,
    /// At most one of each session.
    waiting: Vec<BfdEvent>,
}

impl Service {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut buffer = [0; sockets::BUFFER];
        loop {
            self.act();
            let events = self.events.clone();
            let wake = self.bfd.poll_timeout().map(tokio::time::Instant::from_std);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Reload(sessions, answer)) => {
                        let result = self.reload(sessions);
                        // Who asked may have given up; so below.
                        let _gone = answer.send(result);
                    }
                    Some(Command::Status(answer)) => {
                        let status = self.bfd.status();
                        let _gone = answer
                            .send(status.map(|(name, status)| (Arc::clone(name), status)).collect());
                    }
                    Some(Command::Shutdown(answer)) => {
                        self.bfd.shutdown();
                        self.act();
                        let _gone = answer.send(());
                        return;
                    }
                    None => {
                        self.bfd.shutdown();
                        return self.act();
                    }
                },
                received = self.listeners.receive(&mut buffer) => match received {
                    Ok(packet) => {
                        let payload = buffer.get(..packet.length).unwrap_or_default();
                        let taken = self.bfd.handle_packet(
                            Instant::now(), packet.source, packet.ttl, packet.multihop, payload,
                        );
                        if let Err(reason) = taken {
                            debug!("BFD packet from {} rejected: {reason}", packet.source);
                        }
                    }
                    Err(error) => debug!("cannot receive BFD packets: {error}"),
                },
                () = tokio::time::sleep_until(wake.unwrap_or_else(tokio::time::Instant::now)),
                    if wake.is_some() => {}
                permit = reserve(events.as_ref()), if !self.waiting.is_empty() => match permit {
                    Some(permit) => permit.send(self.waiting.remove(0)),
                    None => {
                        self.events = None;
                        self.waiting.clear();
                    }
                },
            }
            self.bfd.handle_timeout(Instant::now());
        }
    }

    /// Opens what the sessions need before it changes any of them.
    fn reload(&mut self, sessions: Vec<SessionConfig>) -> Result<(), BfdSocketError> {
        self.listeners.open(&sessions)?;
        let mut sockets = Vec::new();
        for config in &sessions {
            let known = self
                .bfd
                .sessions()
                .find(|(_, known)| known.same_place(config))
                .map(|(id, _)| id);
            if known.is_none() {
                sockets.push((config.clone(), Outgoing::open(config)?));
            }
        }
        self.bfd.reload(Instant::now(), sessions);
        // Those that are gone say goodbye through their sockets.
        self.act();
        for (config, socket) in sockets {
            let mut all = self.bfd.sessions();
            if let Some((id, _)) = all.find(|(_, known)| known.same_place(&config)) {
                self.outgoing.push((id, Arc::clone(&config.name), socket));
            }
        }
        let alive: Vec<SessionId> = self.bfd.sessions().map(|(id, _)| id).collect();
        self.outgoing.retain(|(id, ..)| alive.contains(id));
        Ok(())
    }

    fn act(&mut self) {
        while let Some(action) = self.bfd.poll_action() {
            match action {
                Action::Send { session, packet } => {
                    let socket = self.outgoing.iter_mut().find(|(id, ..)| *id == session);
                    if let Some((_, name, socket)) = socket
                        && let Some(error) = socket.send(&packet)
                    {
                        warn!("BFD_Instance({name}) cannot send: {error}");
                    }
                }
                Action::Changed {
                    session,
                    up,
                    reason,
                } => self.tell(session, up, reason),
            }
        }
    }

    fn tell(&mut self, session: SessionId, up: bool, reason: Reason) {
        let known = self.outgoing.iter().find(|(id, ..)| *id == session);
        let Some((_, name, _)) = known else {
            return;
        };
        let state = if up { "UP" } else { "DOWN" };
        info!("BFD_Instance({name}) is {state} ({reason})");
        self.waiting.retain(|waiting| waiting.session != *name);
        if self.events.is_some() {
            self.waiting.push(BfdEvent {
                session: Arc::clone(name),
                up,
                reason,
            });
        }
    }
}

/// Room for one event; none when nobody listens any more.
async fn reserve(events: Option<&mpsc::Sender<BfdEvent>>) -> Option<mpsc::Permit<'_, BfdEvent>> {
    events?.reserve().await.ok()
}
