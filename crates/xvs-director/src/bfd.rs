//! The BFD sessions of the daemon: one owner, whom checks and virtual routers follow.
//!
//! ```text
//!   Control --configure--> BfdSessions --reload, status, shutdown--> thread `bfd` (tokio, one thread)
//!                                                                    |  BfdService of xvs-net
//!   BFD_CHECKs, virtual routers <------ watch: latest state --------- forwarder of its events
//! ```
//!
//! Sessions have a thread of their own, in real time just below VRRP: with intervals of 10 ms a busy
//! host must not look like a dead neighbour. It starts with the first configuration that has sessions.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    sync::Arc,
    thread,
};

use tokio::{
    runtime::Builder,
    sync::{Mutex, mpsc, oneshot, watch},
};
use tracing::warn;
use xvs_bfd::Reason;
use xvs_conf::Config;
use xvs_control::wire::{BfdSessionStatus, Code, Problem};
use xvs_net::{BfdEvent, BfdService, BfdSocketError, bfd_session};

use crate::vrrp::Realtime;

/// How a session is. One that has never been up since it was configured has no state yet: nobody is
/// told that it is down before it was up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionState {
    /// It is up.
    pub(crate) up: bool,
    /// Why it came or went, in words.
    pub(crate) reason: String,
}

/// The latest state of each session, by the name of its `bfd_instance`.
pub(crate) type SessionStates = BTreeMap<Arc<str>, SessionState>;

/// The BFD sessions of the daemon. Clones are handles to the same.
#[derive(Clone)]
pub(crate) struct BfdSessions {
    states: watch::Sender<SessionStates>,
    service: Arc<Mutex<Option<BfdService>>>,
}

impl BfdSessions {
    /// Without sessions.
    pub(crate) fn new() -> Self {
        Self {
            states: watch::Sender::default(),
            service: Arc::default(),
        }
    }

    /// Brings the sessions to those of `config`; those that stay the same stay up.
    ///
    /// # Errors
    ///
    /// A port is taken, or the thread cannot be started; nothing has changed then.
    pub(crate) async fn configure(&self, config: &Config) -> Result<(), Problem> {
        let sessions: Vec<_> = config.bfd_instances.iter().map(bfd_session).collect();
        let mut slot = self.service.lock().await;
        if let Some(service) = slot.as_ref() {
            return service.reload(sessions).await.map_err(refused);
        }
        if sessions.is_empty() {
            return Ok(());
        }
        let (started, starting) = oneshot::channel();
        let states = self.states.clone();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(system)?;
        thread::Builder::new()
            .name("bfd".to_owned())
            .spawn(move || {
                in_real_time();
                runtime.block_on(async {
                    match BfdService::start(sessions, seed()) {
                        Ok((service, events)) => {
                            // Who asked has given up: the service ends when its handle is dropped.
                            let _gone = started.send(Ok(service));
                            forward(events, &states).await;
                        }
                        Err(error) => {
                            let _gone = started.send(Err(error));
                        }
                    }
                });
            })
            .map_err(system)?;
        let service = starting.await.map_err(|_ended| {
            let text = "the thread of the BFD sessions ended at its start, which is a bug";
            Problem::new(Code::Internal, text)
        })?;
        *slot = Some(service.map_err(refused)?);
        Ok(())
    }

    /// Follows the states; each change of a session is seen unless the next one overtakes it.
    pub(crate) fn follow(&self) -> watch::Receiver<SessionStates> {
        self.states.subscribe()
    }

    /// How every session is.
    pub(crate) async fn status(&self) -> Vec<BfdSessionStatus> {
        let slot = self.service.lock().await;
        let Some(service) = slot.as_ref() else {
            return Vec::new();
        };
        let found = service.status().await;
        let milliseconds =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        found
            .into_iter()
            .map(|(name, status)| BfdSessionStatus {
                name: name.to_string(),
                state: status.state.to_string(),
                neighbour_state: status.neighbour_state.to_string(),
                interval_ms: milliseconds(status.interval),
                detection_ms: status.detection_time.map(milliseconds),
            })
            .collect()
    }

    /// Ends all sessions; neighbours are told that this is on purpose.
    pub(crate) async fn stop(&self) {
        if let Some(service) = self.service.lock().await.take() {
            service.shutdown().await;
        }
    }
}

/// Passes events on until the service ends.
async fn forward(mut events: mpsc::Receiver<BfdEvent>, states: &watch::Sender<SessionStates>) {
    while let Some(event) = events.recv().await {
        let state = SessionState {
            up: event.up,
            reason: event.reason.to_string(),
        };
        states.send_modify(|states| {
            if event.reason == Reason::Removed {
                // One of the same name that comes later has not been up yet.
                states.remove(&event.session);
            } else {
                states.insert(event.session, state);
            }
        });
    }
}

fn in_real_time() {
    let realtime = Realtime {
        lock_memory: false,
        ..Realtime::default()
    };
    for refusal in realtime.apply(1) {
        warn!("BFD: {refusal}");
    }
}

/// Another one at each start; the standard library seeds its hashers from the system's randomness.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn refused(error: BfdSocketError) -> Problem {
    Problem::new(
        Code::ConfigurationRefused,
        format!("BFD sessions cannot be: {error}"),
    )
    .with_hint("another BFD daemon may have the port")
}

fn system(error: io::Error) -> Problem {
    Problem::new(
        Code::Internal,
        format!("cannot start a thread for the BFD sessions: {error}"),
    )
}
