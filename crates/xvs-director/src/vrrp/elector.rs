//! The thread that advertises: it waits for packets, for times and for messages, and does nothing that
//! could make it wait for anything else.
//!
//! It reads no file, asks the kernel for nothing that takes a lock for long (addresses are the other
//! thread's), and writes no log itself: a terminal that does not take the line would stop it.

use std::{
    convert::Infallible,
    io,
    os::fd::AsFd,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Instant,
};

use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        eventfd::{EfdFlags, EventFd},
        time::TimeSpec,
    },
};
use tokio::sync::{mpsc::UnboundedSender, oneshot};
use xvs_vrrp::{
    Action, CommandError, Link, Name, Priority, Received, RejectCounters, RouterStatus,
    TrackerStatus, Vrrp,
};

use super::{
    Report,
    beat::{Beat, Past},
    holder,
    plan::Plan,
    sockets::Sockets,
};

/// Packets read from a socket before timers get their turn: a few milliseconds of a flood, and four
/// advertisements of every virtual router that can be on an interface.
const READ_AT_ONCE: usize = 1_024;

/// Set by a test, it ends the thread as a bug would.
#[cfg(test)]
pub(super) static BROKEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// A message to the thread.
pub(super) enum Message {
    /// Hands over on purpose.
    Failover(Name, oneshot::Sender<Result<(), CommandError>>),
    /// An interface as it is now; without an index it is not there.
    Link {
        name: Name,
        ifindex: Option<u32>,
        link: Link,
    },
    /// Addresses, routes or rules of a virtual router were removed by somebody else.
    Lost(Name),
    /// Goes over to another plan.
    Reload(Arc<Plan>),
    /// Sets a priority in place of the configured one, or takes it back.
    SetPriority(
        Name,
        Option<Priority>,
        oneshot::Sender<Result<(), CommandError>>,
    ),
    /// What is known.
    Status(oneshot::Sender<Status>),
    /// Ends the thread; with `keep`, the host keeps what it holds.
    Stop { keep: bool },
    /// A tracker reported.
    Tracker(Name, TrackerStatus),
    /// The virtual MAC interface of a virtual router.
    Vmac { name: Name, ifindex: Option<u32> },
}

/// The virtual routers as they are now.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Each virtual router, in the order of the configuration.
    pub routers: Vec<RouterStatus>,
    /// Packets that were for no virtual router, by reason.
    pub stray: RejectCounters,
    /// Advertisements that the system did not take.
    pub not_taken: u64,
}

/// Sends messages to the thread, and wakes it.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    sender: mpsc::Sender<Message>,
    wake: Arc<EventFd>,
}

impl Inbox {
    /// A way to the thread, and its end.
    pub(super) fn new() -> io::Result<(Self, Outlet)> {
        let (sender, messages) = mpsc::channel();
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wake = Arc::new(EventFd::from_flags(flags)?);
        let outlet = Outlet {
            messages,
            wake: Arc::clone(&wake),
        };
        Ok((Self { sender, wake }, outlet))
    }

    /// Never waits. False when the thread has ended.
    pub(super) fn send(&self, message: Message) -> bool {
        let sent = self.sender.send(message).is_ok();
        // It fails only when it is written to 2^64 times unread, and is awake then.
        let _awake = self.wake.write(1);
        sent
    }
}

/// The thread's end of an [`Inbox`].
#[derive(Debug)]
pub(super) struct Outlet {
    messages: mpsc::Receiver<Message>,
    wake: Arc<EventFd>,
}

/// What the thread is started with.
pub(super) struct Start {
    pub(super) plan: Arc<Plan>,
    pub(super) outlet: Outlet,
    /// The file of [`Beat`].
    pub(super) beat: PathBuf,
    pub(super) holder: UnboundedSender<holder::Task>,
    pub(super) reports: UnboundedSender<Report>,
}

/// Runs the thread until it is stopped.
pub(super) fn run(start: Start) -> Result<(), Infallible> {
    let Start {
        plan,
        outlet,
        beat,
        holder,
        reports,
    } = start;
    let mut elector = Elector {
        vrrp: Vrrp::new(&plan.config),
        plan,
        outlet,
        sockets: Sockets::default(),
        beat: None,
        beat_path: beat,
        holder,
        reports,
        not_taken: 0,
        running: true,
    };
    for refused in elector.plan.realtime.apply(0) {
        elector.warn(refused.to_string());
    }
    elector.report_faults();
    let past = Past::read(&elector.beat_path);
    let names = elector.names();
    elector
        .vrrp
        .resume_master(Instant::now(), &past.resumes(&names));
    elector.begin_beat(&past);
    while elector.running {
        elector.wait();
        elector.turn();
    }
    Ok(())
}

struct Elector {
    vrrp: Vrrp,
    plan: Arc<Plan>,
    outlet: Outlet,
    sockets: Sockets,
    /// None when it cannot be written; a restart is then a start.
    beat: Option<Beat>,
    beat_path: PathBuf,
    holder: UnboundedSender<holder::Task>,
    reports: UnboundedSender<Report>,
    not_taken: u64,
    running: bool,
}

impl Elector {
    /// Waits until there is something to do.
    fn wait(&self) {
        let left = self
            .vrrp
            .poll_timeout()
            .map(|due| due.saturating_duration_since(Instant::now()));
        let mut descriptors: Vec<PollFd<'_>> = self
            .sockets
            .descriptors()
            .chain([self.outlet.wake.as_fd()])
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        // Interrupted or not: what is there is looked at.
        let _ready = ppoll(&mut descriptors, left.map(TimeSpec::from_duration), None);
    }

    /// Does what there is to do: messages, packets, times, in this order, so that what came in time
    /// counts as in time.
    fn turn(&mut self) {
        #[cfg(test)]
        assert!(
            !BROKEN.load(std::sync::atomic::Ordering::Relaxed),
            "a test breaks the thread"
        );
        let _woken = self.outlet.wake.read();
        while let Ok(message) = self.outlet.messages.try_recv() {
            self.handle(message);
            self.act();
        }
        let vrrp = &mut self.vrrp;
        self.sockets.receive(READ_AT_ONCE, |interface, packet| {
            let received = Received {
                interface: interface.as_str(),
                packet,
            };
            vrrp.handle_packet(Instant::now(), &received);
        });
        self.act();
        self.vrrp.handle_timeout(Instant::now());
        self.act();
    }

    fn handle(&mut self, message: Message) {
        let now = Instant::now();
        match message {
            Message::Failover(router, answer) => {
                let _gone = answer.send(self.vrrp.failover(now, router.as_str()));
            }
            Message::Link {
                name,
                ifindex,
                link,
            } => {
                if self.sockets.set_link(&name, ifindex) {
                    self.open_sockets();
                }
                self.vrrp.handle_link(now, name.as_str(), link);
            }
            Message::Vmac { name, ifindex } => {
                if self.sockets.set_link(&name, ifindex) {
                    self.open_sockets();
                }
            }
            Message::Lost(router) => self.vrrp.handle_addresses_lost(now, router.as_str()),
            Message::Reload(plan) => {
                self.plan = plan;
                self.open_sockets();
                self.vrrp.reload(now, &self.plan.config);
                self.report_faults();
                self.act();
                self.sockets.close_unneeded(&self.plan);
                let past = Past::read(&self.beat_path);
                self.begin_beat(&past);
            }
            Message::SetPriority(router, priority, answer) => {
                let _gone = answer.send(self.vrrp.set_priority(now, router.as_str(), priority));
            }
            Message::Status(answer) => {
                let _gone = answer.send(Status {
                    routers: self.vrrp.status().collect(),
                    stray: self.vrrp.stray().clone(),
                    not_taken: self.not_taken,
                });
            }
            Message::Stop { keep } => {
                self.vrrp.stop(keep);
                self.running = false;
            }
            Message::Tracker(tracker, status) => {
                self.vrrp.handle_tracker(now, tracker.as_str(), status);
            }
        }
    }

    /// Carries out what the election asks for.
    fn act(&mut self) {
        let mut advertised: Vec<Name> = Vec::new();
        while let Some(action) = self.vrrp.poll_action() {
            match action {
                Action::Advertise {
                    router, transmit, ..
                } => {
                    // One that the system does not take is as one that the network loses.
                    if self.sockets.send(&router, &transmit).is_err() {
                        self.not_taken += 1;
                    }
                    if advertised.last() != Some(&router) {
                        advertised.push(router);
                    }
                }
                Action::Announce { router, rounds } => {
                    self.hold(holder::Task::Announce { router, rounds });
                }
                Action::Log { router, event } => self.report(Report::Log { router, event }),
                Action::Notify(notification) => self.report(Report::Notify(notification)),
                Action::ReleaseAddresses { router } => {
                    self.note(&router);
                    self.hold(holder::Task::Release { router });
                }
                Action::TakeAddresses { router, .. } => {
                    self.hold(holder::Task::Take { router });
                }
            }
        }
        for router in advertised {
            self.note(&router);
        }
    }

    /// Writes down whether and when a virtual router advertised as master.
    fn note(&mut self, router: &Name) {
        let Some(beat) = &self.beat else { return };
        let master = self.vrrp.snapshot_of(router.as_str());
        let sequence = master.as_ref().map_or(0, |resume| resume.sequence);
        if let Err(error) = beat.note(router, master.is_some(), sequence) {
            self.beat = None;
            self.warn(format!(
                "cannot write `{}`: {error}; a restart will begin as backup",
                self.beat_path.display()
            ));
        }
    }

    fn begin_beat(&mut self, past: &Past) {
        let names = self.names();
        match Beat::begin(&self.beat_path, &names, past) {
            Ok(beat) => self.beat = Some(beat),
            Err(error) => self.warn(format!(
                "cannot write `{}`: {error}; a restart will begin as backup",
                self.beat_path.display()
            )),
        }
    }

    /// What is wrong with the configuration of a virtual router stays so until the next one.
    fn report_faults(&mut self) {
        for fault in &self.plan.faults {
            let now = Instant::now();
            self.vrrp
                .handle_tracker(now, fault.as_str(), TrackerStatus::Down);
        }
    }

    fn open_sockets(&mut self) {
        for failure in self.sockets.open(&self.plan) {
            self.warn(failure.to_string());
        }
    }

    fn names(&self) -> Vec<Name> {
        let routers = self.plan.config.routers().iter();
        routers.map(|router| router.name.clone()).collect()
    }

    fn hold(&self, task: holder::Task) {
        // Without its other thread VRRP ends as a whole, and whoever started it knows.
        let _ended = self.holder.send(task);
    }

    fn report(&self, report: Report) {
        let _nobody_listens = self.reports.send(report);
    }

    fn warn(&self, text: String) {
        self.report(Report::Trouble(text));
    }
}
