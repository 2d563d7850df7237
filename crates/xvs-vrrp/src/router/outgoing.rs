//! What a virtual router sends: advertisements, and announcements of its addresses.

use std::time::{Duration, Instant};

use xvs_wire::vrrp::PRIORITY_RELEASE;

use super::VirtualRouter;
use crate::{Event, action::Action, outbox::Outbox, timers::Timer};

impl VirtualRouter {
    /// Sends an advertisement; the next one comes a whole interval later.
    pub(super) fn advertise_now(&mut self, now: Instant, out: &mut Outbox) {
        self.advertise(out);
        self.timers
            .set(Timer::Advert, now + self.config.interval.duration());
    }

    pub(super) fn advertise(&mut self, out: &mut Outbox) {
        self.send(self.priority.get(), out);
    }

    /// Sends an advertisement to every destination.
    pub(super) fn send(&mut self, priority: u8, out: &mut Outbox) {
        let Some(source) = self.source else {
            // Without an address the router is in fault and its link silent anyway.
            self.counters.not_sent += 1;
            return;
        };
        match self.sender.build(&self.config, source, priority) {
            Ok(packets) => {
                for transmit in packets {
                    self.counters.sent += 1;
                    if priority == PRIORITY_RELEASE {
                        self.counters.releases_sent += 1;
                    }
                    out.push(Action::Advertise {
                        router: self.config.name.clone(),
                        interface: self.config.interface.clone(),
                        transmit,
                    });
                }
            }
            Err(error) => {
                self.counters.not_sent += 1;
                self.log(Event::NotSent { error }, out);
            }
        }
    }

    pub(super) fn announce(&self, rounds: u8, out: &mut Outbox) {
        if rounds > 0 {
            out.push(Action::Announce {
                router: self.config.name.clone(),
                rounds,
            });
        }
    }

    pub(super) fn announce_again(&mut self, now: Instant, rounds: u8, delay: Duration) {
        if delay.is_zero() {
            return;
        }
        self.again_rounds = rounds;
        self.timers.set(Timer::AnnounceAgain, now + delay);
    }

    pub(super) fn start_refresh(&mut self, now: Instant) {
        if let Some(refresh) = self.config.announce.refresh.filter(|time| !time.is_zero()) {
            self.timers.set(Timer::Refresh, now + refresh);
        }
    }
}
