//! One virtual router: its states, its timers, what it does with an advertisement.
//!
//! A router does not move by itself: it returns a [`Wish`], and [`Vrrp`](crate::Vrrp) grants it,
//! since a sync group may have something to say. What an advertisement or its absence means stands in
//! [`election`], what goes out in [`outgoing`], what entering a state does in [`transition`].

mod election;
mod outgoing;
mod transition;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use xvs_wire::vrrp::Version;

use crate::{
    AdverInterval, Event, NotifyKind, Priority, Reason, Reject, State,
    action::Action,
    config::RouterConfig,
    outbox::Outbox,
    receive::{Judge, Opened},
    status::RouterCounters,
    timers::{Timer, Timers},
    transmit::Sender,
};

/// What a virtual router would like to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Its sync group announces its addresses too.
    AnnounceGroup,
    /// To yield.
    Backup(Reason),
    /// To take over.
    Master(Reason),
    /// Nothing.
    Stay,
}

/// The master that a backup listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Master {
    pub(crate) address: IpAddr,
    pub(crate) priority: u8,
}

/// What the log was told already; each once for a state and a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    AddressesDiffer,
    IntervalDiffers,
    LowerPriority,
    Rejected(Reject),
}

/// Least time between two restorations of lost addresses, and between two announcements of one
/// conflict: somebody who removes them in a loop, or a peer that cannot hear us, costs no more.
const PAUSE: Duration = Duration::from_secs(1);

/// A virtual router.
#[derive(Debug)]
pub(crate) struct VirtualRouter {
    pub(crate) config: RouterConfig,
    /// The unit that it moves with, by position.
    pub(crate) unit: Option<usize>,
    /// That unit is a sync group.
    pub(crate) grouped: bool,
    pub(crate) state: State,
    /// Why it is in its state.
    pub(crate) reason: Reason,
    /// Set in place of the configured priority.
    pub(crate) override_priority: Option<Priority>,
    /// The effective priority.
    pub(crate) priority: Priority,
    /// The address to send from, as far as is known.
    pub(crate) source: Option<IpAddr>,
    /// The master that was heard last and followed.
    pub(crate) master: Option<Master>,
    /// The interval of the master that is followed (Master_Adver_Interval).
    pub(crate) master_interval: AdverInterval,
    /// A master of lower priority that is being ignored.
    lower: Option<Master>,
    /// Who gave up the addresses.
    released: Option<IpAddr>,
    /// It would be master if its sync group allowed it.
    pub(crate) wants_master: bool,
    /// It handed over on request, and does not preempt whoever took over.
    pub(crate) yielded: bool,
    /// The preempt delay is over.
    preempt_delay_over: bool,
    /// It has already listened once more after a stall.
    listened_again: bool,
    /// When another master of lower priority was last heard.
    conflict: Option<Instant>,
    /// Until when a conflict is not announced again.
    conflict_quiet_until: Option<Instant>,
    /// Until when lost addresses are not put back.
    restore_quiet_until: Option<Instant>,
    /// Rounds of the announcement that [`Timer::AnnounceAgain`] brings.
    again_rounds: u8,
    pub(crate) sender: Sender,
    /// The last sequence number of an authentication header from each sender that has the key.
    sequences: BTreeMap<IpAddr, u32>,
    pub(crate) timers: Timers,
    pub(crate) counters: RouterCounters,
    told: BTreeSet<Told>,
    /// The state that was last notified.
    notified: Option<NotifyKind>,
}

impl VirtualRouter {
    /// A virtual router that waits for the first report of its interface and trackers.
    pub(crate) fn new(config: RouterConfig) -> Self {
        Self {
            unit: None,
            grouped: false,
            state: State::Init,
            reason: Reason::Startup,
            override_priority: None,
            priority: config.priority,
            source: config.source,
            master: None,
            master_interval: config.interval,
            lower: None,
            released: None,
            wants_master: false,
            yielded: false,
            preempt_delay_over: false,
            listened_again: false,
            conflict: None,
            conflict_quiet_until: None,
            restore_quiet_until: None,
            again_rounds: 0,
            sender: Sender::default(),
            sequences: BTreeMap::new(),
            timers: Timers::default(),
            counters: RouterCounters::default(),
            told: BTreeSet::new(),
            notified: None,
            config,
        }
    }

    /// Judges a packet for this router, and acts on it.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        opened: &Opened<'_>,
        out: &mut Outbox,
    ) -> Wish {
        if !matches!(self.state, State::Backup | State::Master) {
            return Wish::Stay;
        }
        let judge = Judge {
            config: &self.config,
            own: self.source,
            sequences: &self.sequences,
        };
        let advert = match judge.check(opened) {
            Ok(advert) => advert,
            Err(reject) => {
                self.reject(Some(opened.source()), reject, out);
                return Wish::Stay;
            }
        };
        self.counters.received += 1;
        self.learn(&advert, out);
        if self.state == State::Master {
            self.advert_as_master(now, &advert, out)
        } else {
            self.advert_as_backup(now, &advert, out)
        }
    }

    /// Acts on a timer that expired at `deadline`.
    pub(crate) fn handle_timer(
        &mut self,
        now: Instant,
        timer: Timer,
        deadline: Instant,
        out: &mut Outbox,
    ) -> Wish {
        let late = now.saturating_duration_since(deadline);
        match timer {
            Timer::Advert => {
                self.counters.note_lateness(late, self.config.interval);
                self.advertise(out);
                let next = deadline + self.config.interval.duration();
                // After a stall the rhythm begins anew: what was missed is not sent at once.
                let fresh = now + self.config.interval.duration();
                self.timers
                    .set(Timer::Advert, if next > now { next } else { fresh });
                Wish::Stay
            }
            Timer::AnnounceAgain => {
                self.announce(self.again_rounds, out);
                Wish::Stay
            }
            Timer::MasterDown => self.master_down(now, late, out),
            Timer::PreemptDelay => {
                self.preempt_delay_over = true;
                Wish::Stay
            }
            Timer::Refresh => {
                self.announce(self.config.announce.refresh_repeat, out);
                self.start_refresh(now);
                Wish::Stay
            }
            Timer::Restore => {
                self.restore(now, out);
                Wish::Stay
            }
        }
    }

    /// Goes over to another configuration in the same place on the link.
    pub(crate) fn reconfigure(&mut self, now: Instant, new: RouterConfig, out: &mut Outbox) {
        let old = std::mem::replace(&mut self.config, new);
        self.told.clear();
        let pace = |config: &RouterConfig| (config.interval, config.down_adverts);
        let new_pace = pace(&old) != pace(&self.config);
        match self.state {
            State::Backup if new_pace => {
                if self.config.version == Version::V2 || self.master.is_none() {
                    self.master_interval = self.config.interval;
                }
                self.wait_for_master(now);
            }
            State::Master => {
                self.master_interval = self.config.interval;
                if new_pace {
                    self.advertise_now(now, out);
                }
                self.take_addresses(out);
                if old.addresses != self.config.addresses {
                    self.announce(self.config.announce.repeat, out);
                }
                self.timers.clear(Timer::Refresh);
                self.start_refresh(now);
            }
            State::Backup | State::Fault | State::Init | State::Stopped => {}
        }
    }

    /// Follows a change of the effective priority.
    pub(crate) fn set_priority(&mut self, priority: Priority, out: &mut Outbox) {
        let from = std::mem::replace(&mut self.priority, priority);
        if from == priority {
            return;
        }
        if let Some(deadline) = self.timers.deadline(Timer::MasterDown) {
            // The wait goes on; only the skew in it changes.
            let (old, new) = (self.skew_of(from), self.skew_of(priority));
            let moved = (deadline + new).checked_sub(old).unwrap_or(deadline);
            self.timers.set(Timer::MasterDown, moved);
        }
        self.log(Event::PriorityChanged { from, to: priority }, out);
        if self.config.notify_priority_changes {
            match self.state {
                State::Backup => self.notify_event(NotifyKind::BackupPriority, out),
                State::Master => self.notify_event(NotifyKind::MasterPriority, out),
                State::Fault | State::Init | State::Stopped => {}
            }
        }
    }

    /// Somebody removed the addresses of a master: puts them back, once a second at most.
    pub(crate) fn addresses_lost(&mut self, now: Instant, out: &mut Outbox) {
        if self.state != State::Master {
            return;
        }
        self.counters.addresses_lost += 1;
        match self.restore_quiet_until {
            Some(until) if until > now => self.timers.set(Timer::Restore, until),
            _ => self.restore(now, out),
        }
    }

    /// Announces the addresses of a master after a conflict of this router or one of its group.
    pub(crate) fn announce_conflict(&mut self, now: Instant, out: &mut Outbox) {
        if self.state != State::Master {
            return;
        }
        let announce = self.config.announce;
        self.announce(announce.lower_priority_repeat, out);
        self.announce_again(
            now,
            announce.lower_priority_repeat,
            announce.lower_priority_delay,
        );
    }

    /// Counts a rejected packet, and tells the log the first time.
    pub(crate) fn reject(&mut self, source: Option<IpAddr>, reject: Reject, out: &mut Outbox) {
        self.counters.rejected.count(reject);
        let event = Event::Rejected { source, reject };
        self.log_once(Told::Rejected(reject), event, out);
    }

    /// Waits a whole master down interval from `now` on.
    pub(crate) fn wait_for_master(&mut self, now: Instant) {
        let wait = self.master_down_interval();
        self.timers.set(Timer::MasterDown, now + wait);
    }

    /// How long it waits for the master that it listens to.
    pub(crate) fn master_down_interval(&self) -> Duration {
        self.master_interval.master_down(
            self.config.version,
            self.priority,
            self.config.down_adverts,
        )
    }

    /// Puts addresses back and announces them.
    fn restore(&mut self, now: Instant, out: &mut Outbox) {
        self.restore_quiet_until = Some(now + PAUSE);
        self.log(Event::AddressesLost, out);
        self.take_addresses(out);
        self.announce(self.config.announce.repeat, out);
    }

    fn log_once(&mut self, told: Told, event: Event, out: &mut Outbox) {
        if self.told.insert(told) {
            self.log(event, out);
        }
    }

    fn skew_of(&self, priority: Priority) -> Duration {
        self.master_interval.skew(self.config.version, priority)
    }

    fn log(&self, event: Event, out: &mut Outbox) {
        out.push(Action::Log {
            router: self.config.name.clone(),
            event,
        });
    }
}
