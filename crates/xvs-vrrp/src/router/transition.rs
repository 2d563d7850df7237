//! What entering each state does. The order of actions is keepalived's: advertise, take the addresses,
//! announce them, notify.

use std::time::Instant;

use xvs_wire::vrrp::PRIORITY_RELEASE;

use super::VirtualRouter;
use crate::{
    Event, Initial, NotifyKind, Reason, State,
    action::{Action, Notification, Subject},
    outbox::Outbox,
    timers::Timer,
};

impl VirtualRouter {
    /// Becomes master.
    pub(crate) fn enter_master(&mut self, now: Instant, reason: Reason, out: &mut Outbox) {
        self.leave(State::Master);
        self.master_interval = self.config.interval;
        self.yielded = false;
        self.counters.became_master += 1;
        self.advertise_now(now, out);
        self.take_addresses(out);
        let announce = self.config.announce;
        self.announce(announce.repeat, out);
        self.announce_again(now, announce.repeat, announce.delay);
        self.start_refresh(now);
        self.arrive(reason, NotifyKind::Master, out);
    }

    /// Becomes backup and listens for a whole master down interval.
    pub(crate) fn enter_backup(&mut self, now: Instant, reason: Reason, out: &mut Outbox) {
        let from = self.leave(State::Backup);
        if from != State::Master {
            self.master_interval = self.config.interval;
        }
        self.wait_for_master(now);
        if matches!(from, State::Init | State::Master) {
            self.release_addresses(out);
        }
        self.arrive(reason, NotifyKind::Backup, out);
    }

    /// Begins as backup: listens first, unless told not to.
    pub(crate) fn start_as_backup(&mut self, now: Instant, out: &mut Outbox) {
        self.enter_backup(now, self.reason.clone(), out);
        let interval = self.config.interval.duration();
        // keepalived: a member of a sync group with `state MASTER` waits one interval and 1/256.
        let hurries =
            self.grouped && self.config.initial == Initial::Master && !self.config.listen_first;
        let wait = if hurries {
            interval + interval / 256
        } else {
            self.master_down_interval()
        };
        let deadline = now + self.config.startup_delay + wait;
        self.timers.set(Timer::MasterDown, deadline);
    }

    /// Cannot serve. A master says so twice, as keepalived does: nothing repeats it if one is lost.
    pub(crate) fn enter_fault(&mut self, reason: Reason, out: &mut Outbox) {
        let from = self.leave(State::Fault);
        self.master = None;
        self.master_interval = self.config.interval;
        if from == State::Master {
            self.send_release(2, out);
        }
        if matches!(from, State::Init | State::Master) {
            self.release_addresses(out);
        }
        self.arrive(reason, NotifyKind::Fault, out);
    }

    /// Hands over on request and lets whoever takes over stay master.
    pub(crate) fn hand_over(&mut self, now: Instant, out: &mut Outbox) {
        self.send_release(1, out);
        self.enter_backup(now, Reason::Failover, out);
        self.yielded = true;
    }

    /// Stops for good. With `keep_addresses` the host goes on to hold them, and says nothing.
    pub(crate) fn stop(
        &mut self,
        reason: Reason,
        kind: NotifyKind,
        keep_addresses: bool,
        out: &mut Outbox,
    ) {
        if self.state == State::Stopped {
            return;
        }
        let from = self.leave(State::Stopped);
        if !keep_addresses {
            if from == State::Master {
                self.send_release(1, out);
            }
            self.release_addresses(out);
        }
        self.arrive(reason, kind, out);
    }

    /// Gives up its place on the link before its configuration moves it; it begins again from there.
    pub(crate) fn withdraw(&mut self, out: &mut Outbox) {
        if self.leave(State::Init) == State::Master {
            self.send_release(1, out);
            self.release_addresses(out);
        }
        self.master = None;
    }

    /// Asks for the addresses and says whether the host answers for them: the owner always does
    /// (RFC 5798 6.4.3).
    pub(crate) fn take_addresses(&self, out: &mut Outbox) {
        out.push(Action::TakeAddresses {
            router: self.config.name.clone(),
            accept: self.config.accept || self.priority.is_owner(),
        });
    }

    /// Notifies something that is no change of state, for the reason of the present state.
    pub(super) fn notify_event(&self, kind: NotifyKind, out: &mut Outbox) {
        self.notify_event_for(kind, self.reason.clone(), out);
    }

    /// Notifies something that is no change of state.
    pub(super) fn notify_event_for(&self, kind: NotifyKind, reason: Reason, out: &mut Outbox) {
        out.push(Action::Notify(Notification {
            subject: Subject::Router(self.config.name.clone()),
            kind,
            priority: self.priority.get(),
            reason,
        }));
    }

    /// Leaves the present state for `next`; everything that belonged to it ends.
    fn leave(&mut self, next: State) -> State {
        self.timers.clear_all();
        self.lower = None;
        self.released = None;
        self.wants_master = false;
        self.preempt_delay_over = false;
        self.listened_again = false;
        self.conflict = None;
        self.conflict_quiet_until = None;
        self.told.clear();
        if self.state == State::Master {
            self.counters.released_master += 1;
        }
        std::mem::replace(&mut self.state, next)
    }

    /// Tells the log and the world, the latter only what it has not been told.
    fn arrive(&mut self, reason: Reason, kind: NotifyKind, out: &mut Outbox) {
        self.log(
            Event::StateEntered {
                state: self.state,
                reason: reason.clone(),
            },
            out,
        );
        self.reason = reason;
        if self.notified.replace(kind) != Some(kind) {
            self.notify_event(kind, out);
        }
    }

    fn send_release(&mut self, times: u8, out: &mut Outbox) {
        for _ in 0..times {
            self.send(PRIORITY_RELEASE, out);
        }
        self.log(Event::SentRelease, out);
    }

    fn release_addresses(&self, out: &mut Outbox) {
        out.push(Action::ReleaseAddresses {
            router: self.config.name.clone(),
        });
    }
}
