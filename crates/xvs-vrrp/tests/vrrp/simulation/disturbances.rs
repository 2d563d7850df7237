//! What happens to directors and their link: crashes, restarts, stalls, faults, reloads, commands.

use std::time::{Duration, Instant};

use xvs_vrrp::{Priority, Resume, TrackerStatus, Vrrp};

use super::{Director, Simulation, rules::Dice};

impl Simulation {
    /// Something happens.
    pub(super) fn disturb(&mut self) {
        self.disturbed();
        let who = self.dice.index(self.directors.len());
        if !self.directors[who].alive {
            self.restart(who, &[]);
            return;
        }
        match self.dice.below(12) {
            0 => {
                for director in 0..self.directors.len() {
                    self.directors[director].side = self.dice.below(2);
                }
            }
            1 => self.loss = Some(1 + self.dice.below(10)),
            2 => self.heal(),
            3 => self.crash(who),
            4 => {
                self.directors[who].vrrp.stop(false);
                self.collect(who);
                self.directors[who].alive = false;
                self.directors[who].stalled_until = None;
                self.directors[who].socket.clear();
            }
            5 => {
                self.directors[who].link_up ^= true;
                self.report_unless_stalled(who);
            }
            6 => {
                self.directors[who].fatal_up ^= true;
                self.report_unless_stalled(who);
            }
            7 => {
                let stall = self.rules.greatest_down_interval() * 2;
                let length = self.dice.below(u64::try_from(stall.as_micros()).unwrap());
                let until = self.now + Duration::from_micros(length);
                self.directors[who].stalled_until.get_or_insert(until);
            }
            8 => self.command(who, |vrrp, now, _| {
                let _ = vrrp.failover(now, "VI_51"); // a backup refuses, and nothing happens
            }),
            9 if !self.rules.grouped => self.command(who, |vrrp, now, dice| {
                let value = u8::try_from(1 + dice.below(254)).unwrap();
                vrrp.set_priority(now, "VI_51", Priority::new(value))
                    .unwrap();
            }),
            10 => self.command(who, |vrrp, now, dice| {
                let status = if dice.one_in(2) {
                    TrackerStatus::Up
                } else {
                    TrackerStatus::Down
                };
                vrrp.handle_tracker(now, "weighted", status);
            }),
            _ => {
                let config = self.rules.config(who, &mut self.dice);
                self.command(who, |vrrp, now, _| vrrp.reload(now, &config));
            }
        }
    }

    pub(super) fn command(&mut self, who: usize, act: impl FnOnce(&mut Vrrp, Instant, &mut Dice)) {
        if self.directors[who].stalled_until.is_none() {
            act(&mut self.directors[who].vrrp, self.now, &mut self.dice);
            self.collect(who);
        }
    }

    pub(super) fn report_unless_stalled(&mut self, who: usize) {
        // A stalled process hears of its link when it runs again.
        self.directors[who].stalled_until = None;
        self.report(who);
    }

    /// The process dies and says nothing. Half of the time its successor comes soon, and knows of it.
    pub(super) fn crash(&mut self, who: usize) {
        self.directors[who].alive = false;
        self.directors[who].socket.clear();
        self.directors[who].stalled_until = None;
        if self.dice.one_in(2) {
            let tenths = u32::try_from(self.dice.below(40)).unwrap();
            let age = self.rules.greatest_interval() * tenths / 10;
            self.run_until(self.now + age);
            let resume: Vec<_> = self.directors[who]
                .vrrp
                .snapshot()
                .map(|resume| (resume, age))
                .collect();
            self.resumed += u64::from(self.restart(who, &resume));
        }
    }

    /// A new process on the same host, told what was noted `age` ago; whether it went on as master.
    pub(super) fn restart(&mut self, who: usize, resume: &[(Resume, Duration)]) -> bool {
        let fresh = self.boot(who);
        let old = &self.directors[who];
        self.directors[who] = Director {
            side: old.side,
            link_up: old.link_up,
            fatal_up: old.fatal_up,
            // What the predecessor left on the host is still there.
            holds: old.holds.clone(),
            ..fresh
        };
        self.directors[who].vrrp.resume_master(self.now, resume);
        self.disturbed();
        self.report(who);
        self.directors[who].masters().count() > 0
    }
}
