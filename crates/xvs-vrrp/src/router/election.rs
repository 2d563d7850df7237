//! What a virtual router makes of an advertisement, and of the absence of one.

use std::time::{Duration, Instant};

use xvs_wire::vrrp::{Checksum, PRIORITY_RELEASE, Version};

use super::{Master, PAUSE, Told, VirtualRouter, Wish};
use crate::{
    Event, NotifyKind, Preempt, Reason, config::ChecksumPolicy, outbox::Outbox, receive::Advert,
    timers::Timer,
};

impl VirtualRouter {
    /// Takes from an advertisement what matters in every state.
    pub(super) fn learn(&mut self, advert: &Advert, out: &mut Outbox) {
        if let Some(sequence) = advert.sequence {
            self.sequences.insert(advert.source, sequence);
            // keepalived refuses as backup what is not above everything that it heard.
            self.sender.sequence = self.sender.sequence.max(sequence);
        }
        let source = advert.source;
        if advert.checksum == Checksum::OldUnicast
            && self.config.checksum == ChecksumPolicy::Rfc5798
            && !self.sender.old_unicast
        {
            self.sender.old_unicast = true;
            self.log(Event::OldUnicastChecksum { source }, out);
        }
        let same_master = self.master.is_some_and(|master| master.address == source);
        if !same_master && advert.priority >= self.priority.get() {
            self.told.clear(); // a new master: its troubles are news
        }
        if let Some(received) = advert.other_addresses
            && !(self.config.skip_check_adv_addr && same_master)
        {
            self.counters.addresses_differ += 1;
            let expected = self.config.addresses.on_wire().len();
            let event = Event::AddressesDiffer {
                source,
                expected,
                received,
            };
            self.log_once(Told::AddressesDiffer, event, out);
        }
        if advert.interval != self.config.interval && advert.priority != PRIORITY_RELEASE {
            let received = advert.interval.duration();
            let event = Event::IntervalDiffers { source, received };
            self.log_once(Told::IntervalDiffers, event, out);
        }
    }

    /// RFC 5798 6.4.2.
    pub(super) fn advert_as_backup(
        &mut self,
        now: Instant,
        advert: &Advert,
        out: &mut Outbox,
    ) -> Wish {
        self.listened_again = false;
        if advert.priority == PRIORITY_RELEASE {
            self.counters.releases_received += 1;
            self.released = Some(advert.source);
            self.lower = None;
            let skew = self.skew_of(self.priority);
            self.timers.set(Timer::MasterDown, now + skew);
        } else if self.preempts(now, advert.priority, out) {
            self.lower = Some(Master {
                address: advert.source,
                priority: advert.priority,
            });
            let event = Event::LowerPriorityIgnored {
                source: advert.source,
                priority: advert.priority,
            };
            self.log_once(Told::LowerPriority, event, out);
        } else {
            self.follow(advert);
            self.wait_for_master(now);
        }
        Wish::Stay
    }

    /// RFC 5798 6.4.3.
    pub(super) fn advert_as_master(
        &mut self,
        now: Instant,
        advert: &Advert,
        out: &mut Outbox,
    ) -> Wish {
        if advert.priority == PRIORITY_RELEASE {
            self.counters.releases_received += 1;
            self.advertise_now(now, out);
            return Wish::Stay;
        }
        let theirs = (advert.priority, Some(advert.source));
        if theirs > (self.priority.get(), self.source) {
            if self.config.answer_higher_priority {
                self.advertise(out);
            }
            self.follow(advert);
            return Wish::Backup(Reason::HigherPriority {
                address: advert.source,
                priority: advert.priority,
            });
        }
        self.win_conflict(now, advert, out)
    }

    /// There was another master, and this one stays: whoever believed the other must hear it again.
    fn win_conflict(&mut self, now: Instant, advert: &Advert, out: &mut Outbox) -> Wish {
        let window = self.master_down_interval();
        let begins = self
            .conflict
            .replace(now)
            .is_none_or(|last| now.saturating_duration_since(last) > window);
        if begins {
            self.counters.conflicts_won += 1;
            let event = Event::LowerPriorityMaster {
                source: advert.source,
                priority: advert.priority,
                ours: self.priority,
            };
            self.log(event, out);
            self.notify_event_for(
                NotifyKind::MasterRxLowerPriority,
                Reason::Conflict {
                    address: advert.source,
                    priority: advert.priority,
                },
                out,
            );
        }
        // RFC 5798 6.4.3 discards the advertisement, and strict mode leaves it at that.
        if self.config.strict {
            return Wish::Stay;
        }
        if self.config.answer_lower_priority {
            self.advertise_now(now, out);
        }
        if begins || self.conflict_quiet_until.is_none_or(|until| until <= now) {
            self.conflict_quiet_until = Some(now + PAUSE);
            self.announce_conflict(now, out);
            return Wish::AnnounceGroup;
        }
        Wish::Stay
    }

    /// Whether a master of `priority` is one to replace; starts and stops the preempt delay.
    fn preempts(&mut self, now: Instant, priority: u8, out: &mut Outbox) -> bool {
        if priority >= self.priority.get() {
            self.preempt_delay_over = false;
            if self.timers.deadline(Timer::PreemptDelay).is_some() {
                self.timers.clear(Timer::PreemptDelay);
                self.log(Event::PreemptDelayStopped, out);
            }
            return false;
        }
        if self.yielded {
            return false;
        }
        match self.config.preempt {
            Preempt::AtOnce => true,
            _ if self.priority.is_owner() => true,
            Preempt::Never => false,
            Preempt::After(_) if self.preempt_delay_over => true,
            Preempt::After(delay) => {
                if self.timers.deadline(Timer::PreemptDelay).is_none() {
                    self.timers.set(Timer::PreemptDelay, now + delay);
                    self.log(Event::PreemptDelayStarted { delay }, out);
                }
                false
            }
        }
    }

    /// Accepts the sender of `advert` as master.
    fn follow(&mut self, advert: &Advert) {
        self.master = Some(Master {
            address: advert.source,
            priority: advert.priority,
        });
        self.master_interval = match self.config.version {
            Version::V2 => self.config.interval,
            Version::V3 => advert.interval,
        };
        self.lower = None;
        self.released = None;
        self.wants_master = false;
    }

    /// The master has been silent for long enough.
    pub(super) fn master_down(&mut self, now: Instant, late: Duration, out: &mut Outbox) -> Wish {
        // Whoever was not run for longer than an interval may have its advertisements waiting unread
        // in the socket: it looks there before it makes a second master.
        if late > self.master_interval.duration() && !self.listened_again {
            self.listened_again = true;
            self.log(Event::Stalled { late }, out);
            let skew = self.skew_of(self.priority);
            self.timers.set(Timer::MasterDown, now + skew);
            return Wish::Stay;
        }
        Wish::Master(match (self.released, self.lower, self.master) {
            (Some(address), ..) => Reason::MasterReleased { address },
            (_, Some(lower), _) => Reason::Preempts {
                address: lower.address,
                priority: lower.priority,
            },
            (_, _, Some(master)) => Reason::MasterSilent {
                address: master.address,
            },
            (None, None, None) => Reason::Nobody,
        })
    }
}
