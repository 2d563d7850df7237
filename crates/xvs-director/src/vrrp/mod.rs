//! Virtual routers on real sockets.
//!
//! ```text
//!   thread `vrrp`, real time                      thread `vrrp-holder`, real time, just below
//!   +---------------------------------+           +----------------------------------------+
//!   | Elector: sockets, Vrrp (times,  |--tasks--->| Holder: addresses, virtual MACs,       |
//!   |   election), Beat               |           |   announcements                        |
//!   |   no lock, no log, no netlink   |<--links---|   watches interfaces, what was removed |
//!   +---------------------------------+   losses  +----------------------------------------+
//!      ^ messages           | reports                | reports
//!      |                    v                        v
//!   +---------------------------------------------------------------------------------------+
//!   | Routers: the daemon's handle: reload, status, failover, trackers; log, notifications  |
//!   +---------------------------------------------------------------------------------------+
//! ```
//!
//! Every channel between them takes a message without waiting. A daemon without virtual routers starts
//! none of this.

mod beat;
mod convert;
mod elector;
mod holder;
mod left;
mod plan;
mod realtime;
mod service;
mod sockets;
mod status;
mod trackers;

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::sync::{
    mpsc::{self, UnboundedReceiver, UnboundedSender},
    oneshot,
};
use xvs_net::Refused;
use xvs_vrrp::{
    CommandError, Event, Name, Notification, Priority, Severity, Subject, TrackerStatus,
};

pub use convert::{ConvertError, Converted, convert};
pub use elector::Status;
pub use plan::{HeldAddress, HeldRoute, HeldRule, Holding, LinkDelay, Pauses, Plan, Vmac};
pub use realtime::{Realtime, RealtimeError};

use convert::Tracker;
use elector::{Inbox, Message};
use left::LeftFile;
pub(crate) use service::VrrpService;

/// Something that virtual routers tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A line for the log, about a virtual router.
    Log {
        /// Which one.
        router: Name,
        /// What happened.
        event: Event,
    },
    /// Scripts, FIFOs and mail: exactly one for each transition, in order.
    Notify(Notification),
    /// Something that the host refused.
    Trouble(String),
    /// A thread ended though nobody stopped it; the host keeps what it holds.
    Died(Died),
}

/// A thread of VRRP ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the VRRP thread `{thread}` ended by itself, which is a bug; the host keeps its addresses")]
pub struct Died {
    /// Its name.
    pub thread: &'static str,
}

impl Report {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Log { event, .. } => event.severity(),
            Self::Notify(_) => Severity::Info,
            Self::Died(_) | Self::Trouble(_) => Severity::Warning,
        }
    }
}

impl fmt::Display for Report {
    /// The line of the log, as keepalived begins it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log { router, event } => write!(f, "({router}) {event}"),
            Self::Notify(notification) => {
                let subject = match &notification.subject {
                    Subject::Group(name) => format!("group {name}"),
                    Subject::Router(name) => format!("({name})"),
                };
                write!(f, "{subject} notifies {}", notification.kind.as_str())
            }
            Self::Trouble(text) => f.write_str(text),
            Self::Died(died) => died.fmt(f),
        }
    }
}

/// The threads of VRRP have ended, or one of them has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the VRRP threads have ended; restart the daemon")]
pub struct RoutersEnded;

/// Why a command for a virtual router failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// It cannot be carried out.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Nobody is there to carry it out.
    #[error(transparent)]
    Ended(#[from] RoutersEnded),
}

/// The running virtual routers.
#[derive(Debug)]
pub struct Routers {
    elector: Inbox,
    holder: UnboundedSender<holder::Task>,
    threads: [JoinHandle<()>; 2],
}

impl Routers {
    /// Starts the threads, in the network namespace and with the capabilities of the calling one.
    /// `runtime` is the folder of the daemon's instance, in which the next one finds who was master and
    /// what is on the host. Beside the handle comes what the virtual routers tell.
    ///
    /// # Errors
    ///
    /// The system gives no thread or no descriptor.
    pub fn start(plan: Plan, runtime: &Path) -> io::Result<(Self, UnboundedReceiver<Report>)> {
        let plan = Arc::new(plan);
        let (reports, told) = mpsc::unbounded_channel();
        let (tasks, inbox) = mpsc::unbounded_channel();
        let (elector, outlet) = Inbox::new()?;
        let of_holder = holder::Start {
            plan: Arc::clone(&plan),
            tasks: inbox,
            elector: elector.clone(),
            reports: reports.clone(),
            left: LeftFile::of(runtime),
            refused: Refused::of(&instance_name(runtime)),
        };
        let of_elector = elector::Start {
            plan,
            outlet,
            beat: beat_path(runtime),
            holder: tasks.clone(),
            reports: reports.clone(),
        };
        let watch = |thread| Watched {
            thread,
            reports: reports.clone(),
        };
        let (of_vrrp, of_vrrp_holder) = (watch("vrrp"), watch("vrrp-holder"));
        let holding = thread::Builder::new()
            .name(of_vrrp_holder.thread.to_owned())
            .spawn(move || {
                if let Err(error) = of_vrrp_holder.watch(|| holder::run(of_holder)) {
                    let text = format!("the addresses of virtual routers cannot be held: {error}");
                    let _nobody_listens = reports.send(Report::Trouble(text));
                }
            })?;
        let electing = thread::Builder::new()
            .name(of_vrrp.thread.to_owned())
            .spawn(move || {
                let Ok(()) = of_vrrp.watch(|| elector::run(of_elector));
            })?;
        let routers = Self {
            elector,
            holder: tasks,
            threads: [electing, holding],
        };
        Ok((routers, told))
    }

    /// Goes over to another plan; virtual routers that keep their place on the link keep their state.
    ///
    /// # Errors
    ///
    /// The threads have ended.
    pub fn reload(&self, plan: Plan) -> Result<(), RoutersEnded> {
        let plan = Arc::new(plan);
        // The holder first: what the election asks of it is meant by the new plan.
        self.holder
            .send(holder::Task::Reload(Arc::clone(&plan)))
            .map_err(|_closed| RoutersEnded)?;
        self.tell(Message::Reload(plan))
    }

    /// Tells what a tracker found; its name is the one that the plan uses.
    ///
    /// # Errors
    ///
    /// The threads have ended.
    pub fn track(&self, tracker: &Name, status: TrackerStatus) -> Result<(), RoutersEnded> {
        self.tell(Message::Tracker(tracker.clone(), status))
    }

    /// The virtual routers as they are now.
    ///
    /// # Errors
    ///
    /// The threads have ended.
    pub async fn status(&self) -> Result<Status, RoutersEnded> {
        let (answer, answered) = oneshot::channel();
        self.tell(Message::Status(answer))?;
        answered.await.map_err(|_dropped| RoutersEnded)
    }

    /// Hands over on purpose: see [`xvs_vrrp::Vrrp::failover`].
    ///
    /// # Errors
    ///
    /// There is no such virtual router, it is not master, or the threads have ended.
    pub async fn failover(&self, router: &str) -> Result<(), RouterError> {
        let (answer, answered) = oneshot::channel();
        self.tell(Message::Failover(router.into(), answer))?;
        Ok(answered.await.map_err(|_dropped| RoutersEnded)??)
    }

    /// Sets a priority in place of the configured one, or takes it back: see
    /// [`xvs_vrrp::Vrrp::set_priority`].
    ///
    /// # Errors
    ///
    /// There is no such virtual router, or the threads have ended.
    pub async fn set_priority(
        &self,
        router: &str,
        priority: Option<Priority>,
    ) -> Result<(), RouterError> {
        let (answer, answered) = oneshot::channel();
        self.tell(Message::SetPriority(router.into(), priority, answer))?;
        Ok(answered.await.map_err(|_dropped| RoutersEnded)??)
    }

    /// Stops every virtual router and waits until the host is as it should be: a master releases by
    /// priority 0 and its addresses go; with `keep` nothing is sent and everything stays in place, for a
    /// daemon that starts within the down interval.
    ///
    /// # Errors
    ///
    /// A thread panicked.
    pub fn stop(self, keep: bool) -> Result<(), RoutersEnded> {
        let Self {
            elector,
            holder,
            threads,
        } = self;
        let _running = elector.send(Message::Stop { keep });
        let [electing, holding] = threads;
        let elected = electing.join();
        if !keep {
            let _running = holder.send(holder::Task::ReleaseFixed);
        }
        // With the last sender gone the holder does what is left and ends.
        drop(holder);
        let held = holding.join();
        elected.and(held).map_err(|_panicked| RoutersEnded)
    }

    /// Where trackers report to.
    fn inbox(&self) -> Inbox {
        self.elector.clone()
    }

    fn tell(&self, message: Message) -> Result<(), RoutersEnded> {
        if self.elector.send(message) {
            Ok(())
        } else {
            Err(RoutersEnded)
        }
    }
}

/// The name of the instance whose folder this is.
fn instance_name(runtime: &Path) -> String {
    let name = runtime.file_name().unwrap_or(runtime.as_os_str());
    name.to_string_lossy().into_owned()
}

/// A thread that tells when it ends though nobody stopped it, by a panic too.
struct Watched {
    thread: &'static str,
    reports: UnboundedSender<Report>,
}

impl Watched {
    /// Runs what returns without an error only when it is stopped.
    fn watch<E>(&self, run: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        struct Armed<'a>(Option<&'a Watched>);
        impl Drop for Armed<'_> {
            fn drop(&mut self) {
                if let Some(Watched { thread, reports }) = self.0 {
                    let _nobody_listens = reports.send(Report::Died(Died { thread }));
                }
            }
        }
        let mut armed = Armed(Some(self));
        run()?;
        armed.0 = None;
        Ok(())
    }
}

fn beat_path(runtime: &Path) -> PathBuf {
    runtime.join("vrrp.beat")
}
