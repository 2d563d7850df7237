//! All sessions: which one a packet is for, and what they want done.

use std::{collections::VecDeque, net::IpAddr, sync::Arc, time::Instant};

use serde::Serialize;
use xvs_wire::bfd::{LENGTH, Repr};

use crate::{Reason, Rejected, SessionConfig, SessionStatus, jitter::Jitter, session::Session};

/// A session for as long as it lives; never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SessionId(u64);

/// Something to do, in the order in which it is polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A session came up or went down.
    Changed {
        /// Which one.
        session: SessionId,
        /// It is up.
        up: bool,
        /// Why.
        reason: Reason,
    },
    /// Send a packet to the session's neighbour.
    Send {
        /// Which session's.
        session: SessionId,
        /// The packet, for UDP.
        packet: [u8; LENGTH],
    },
}

/// All sessions of this host.
#[derive(Debug)]
pub struct Bfd {
    sessions: Vec<(SessionId, Session)>,
    next_id: u64,
    jitter: Jitter,
    actions: VecDeque<Action>,
}

impl Bfd {
    /// Starts these sessions; `seed` is where discriminators and jitter come from.
    #[must_use]
    pub fn new(now: Instant, configs: Vec<SessionConfig>, seed: u64) -> Self {
        let mut bfd = Self {
            sessions: Vec::new(),
            next_id: 0,
            jitter: Jitter::new(seed),
            actions: VecDeque::new(),
        };
        bfd.reload(now, configs);
        bfd
    }

    /// Goes over to these sessions. Those of the same name, neighbour, source and hops stay as they are,
    /// with other intervals if need be; those that are gone say goodbye.
    pub fn reload(&mut self, now: Instant, configs: Vec<SessionConfig>) {
        let mut old = std::mem::take(&mut self.sessions);
        for config in configs {
            let same = old
                .iter()
                .position(|(_, session)| session.config.same_place(&config));
            if let Some(place) = same {
                let (id, mut session) = old.remove(place);
                if session.config != config {
                    session.reconfigure(now, config);
                }
                self.sessions.push((id, session));
            } else {
                let mine = self.fresh_discriminator(&old);
                let id = SessionId(self.next_id);
                self.next_id += 1;
                self.sessions.push((id, Session::new(now, config, mine)));
            }
        }
        self.dismiss(old);
    }

    /// Ends every session: each neighbour is told that this is on purpose.
    pub fn shutdown(&mut self) {
        let sessions = std::mem::take(&mut self.sessions);
        self.dismiss(sessions);
    }

    /// Takes a UDP payload that came from `source` with this TTL to the port of single or multiple hops.
    ///
    /// # Errors
    /// It is not used, and why.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        source: IpAddr,
        ttl: u8,
        multihop: bool,
        payload: &[u8],
    ) -> Result<(), Rejected> {
        let packet = Repr::parse(payload).map_err(Rejected::Packet)?;
        let (id, session) = self
            .sessions
            .iter_mut()
            .find(|(_, session)| {
                let config = &session.config;
                // RFC 5880 6.8.6: by our number, once the neighbour knows it.
                (packet.yours == 0 || packet.yours == session.mine)
                    && config.neighbour == source
                    && config.multihop == multihop
            })
            .ok_or(Rejected::Unknown)?;
        if !session.config.accepts_ttl(ttl) {
            return Err(Rejected::Ttl(ttl));
        }
        let (answer, reason) = session.handle_packet(now, &packet);
        let (id, up) = (*id, session.is_up());
        self.act(id, answer, up, reason);
        Ok(())
    }

    /// Does what is due; a call too early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        for place in 0..self.sessions.len() {
            let Some((id, session)) = self.sessions.get_mut(place) else {
                return;
            };
            let (packet, reason) = session.handle_timeout(now, &mut self.jitter);
            let (id, up) = (*id, session.is_up());
            self.act(id, packet, up, reason);
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; changes with every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = self.sessions.iter();
        timeouts
            .filter_map(|(_, session)| session.poll_timeout())
            .min()
    }

    /// All sessions with their configuration.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &SessionConfig)> {
        self.sessions
            .iter()
            .map(|(id, session)| (*id, &session.config))
    }

    /// How every session is, by name.
    pub fn status(&self) -> impl Iterator<Item = (&Arc<str>, SessionStatus)> {
        self.sessions
            .iter()
            .map(|(_, session)| (&session.config.name, session.status()))
    }

    fn act(&mut self, session: SessionId, packet: Option<Repr>, up: bool, reason: Option<Reason>) {
        if let Some(reason) = reason {
            self.actions.push_back(Action::Changed {
                session,
                up,
                reason,
            });
        }
        if let Some(packet) = packet {
            let packet = packet.emit();
            self.actions.push_back(Action::Send { session, packet });
        }
    }

    fn dismiss(&mut self, sessions: Vec<(SessionId, Session)>) {
        for (id, mut session) in sessions {
            let reason = session.is_up().then_some(Reason::Removed);
            let packet = session.farewell();
            self.act(id, Some(packet), false, reason);
        }
    }

    /// A number that no session has.
    fn fresh_discriminator(&mut self, old: &[(SessionId, Session)]) -> u32 {
        loop {
            let number = self.jitter.discriminator();
            let taken = self.sessions.iter().chain(old);
            if !taken.into_iter().any(|(_, session)| session.mine == number) {
                return number;
            }
        }
    }
}
