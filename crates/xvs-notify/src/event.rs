//! What happened, and who is to hear of it.
//!
//! The machines say that something changed ([`xvs_check::Notification`], [`xvs_vrrp::Notification`]),
//! the configuration says who wants to know. An [`Event`] is both put together: ready to be delivered,
//! without another look at either.

use std::{sync::Arc, time::SystemTime};

use serde::Serialize;
use xvs_conf::config::{self, Script};
use xvs_vrrp::NotifyKind;

/// A change and its audience.
#[derive(Clone, Debug)]
pub struct Event {
    pub(crate) change: Change,
    pub(crate) time: SystemTime,
    /// In the order in which they run.
    pub(crate) calls: Vec<Call>,
    /// A mail is wanted.
    pub(crate) mail: bool,
}

/// A script and what it is told beside its own arguments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) script: Script,
    pub(crate) arguments: Vec<String>,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// A sync group entered a state.
    Group {
        /// Its name.
        name: Arc<str>,
        /// The state, in keepalived's words.
        state: &'static str,
        /// Why.
        reason: String,
    },
    /// A virtual router entered a state or changed its priority.
    Instance {
        /// Its name.
        name: Arc<str>,
        /// The state, in keepalived's words.
        state: &'static str,
        /// Its effective priority.
        priority: u8,
        /// Why.
        reason: String,
    },
    /// The quorum of a virtual server came or went.
    Quorum {
        /// The name of the virtual server.
        name: Arc<str>,
        /// It is there.
        up: bool,
        /// Why, in the words of keepalived's mail.
        reason: String,
    },
    /// A real server came or went.
    RealServer {
        /// Its name.
        name: Arc<str>,
        /// The name of its virtual server.
        virtual_server: Arc<str>,
        /// It is there.
        up: bool,
        /// Why, in the words of keepalived's mail.
        reason: String,
    },
}

impl Event {
    /// A virtual router's or sync group's transition, told as its configuration says.
    ///
    /// DELETED is told as FAULT unless `notify_deleted` is there; changes of priority go to FIFOs and
    /// the webhook alone, and a conflict that was won to its script as well (both as in keepalived).
    #[must_use]
    pub fn vrrp(told: &xvs_vrrp::Notification, config: &config::Notification) -> Self {
        let kind = match told.kind {
            NotifyKind::Deleted if !config.tells_deletion => NotifyKind::Fault,
            kind => kind,
        };
        let (state, reason) = (kind.as_str(), told.reason.to_string());
        let (change, what, name, priority) = match &told.subject {
            xvs_vrrp::Subject::Group(name) => {
                let name: Arc<str> = Arc::from(name.to_string());
                let change = Change::Group {
                    name: Arc::clone(&name),
                    state,
                    reason,
                };
                (change, "GROUP", name, 0)
            }
            xvs_vrrp::Subject::Router(name) => {
                let name: Arc<str> = Arc::from(name.to_string());
                let change = Change::Instance {
                    name: Arc::clone(&name),
                    state,
                    priority: told.priority,
                    reason,
                };
                (change, "INSTANCE", name, told.priority)
            }
        };
        let own = match kind {
            NotifyKind::Backup => &config.backup,
            NotifyKind::Deleted => &config.deleted,
            NotifyKind::Fault => &config.fault,
            NotifyKind::Master => &config.master,
            NotifyKind::MasterRxLowerPriority => &config.master_rx_lower_priority,
            NotifyKind::Stop => &config.stop,
            NotifyKind::BackupPriority | NotifyKind::MasterPriority => &None,
        };
        let entered = !matches!(
            kind,
            NotifyKind::BackupPriority
                | NotifyKind::MasterPriority
                | NotifyKind::MasterRxLowerPriority
        );
        let mut event = Self::new(change, own.as_ref(), entered && config.smtp_alert);
        if let (true, Some(script)) = (entered, &config.any) {
            event.calls.push(Call {
                script: script.clone(),
                arguments: [what, &name, state, &priority.to_string()]
                    .map(str::to_owned)
                    .to_vec(),
            });
        }
        event
    }

    /// A real server came or went. `reason` is for mail and webhook: see [`reason`](crate::reason).
    #[must_use]
    pub fn real_server(
        name: &Arc<str>,
        virtual_server: &Arc<str>,
        up: bool,
        reason: impl Into<String>,
        config: &config::RealServer,
    ) -> Self {
        let script = if up {
            &config.notify_up
        } else {
            &config.notify_down
        };
        let change = Change::RealServer {
            name: Arc::clone(name),
            virtual_server: Arc::clone(virtual_server),
            up,
            reason: reason.into(),
        };
        Self::new(change, script.as_ref(), config.smtp_alert)
    }

    /// The quorum of a virtual server came or went. `reason` as for
    /// [`real_server`](Self::real_server).
    #[must_use]
    pub fn quorum(
        name: &Arc<str>,
        up: bool,
        reason: impl Into<String>,
        config: &config::VirtualServer,
    ) -> Self {
        let script = if up {
            &config.quorum_up
        } else {
            &config.quorum_down
        };
        let change = Change::Quorum {
            name: Arc::clone(name),
            up,
            reason: reason.into(),
        };
        Self::new(change, script.as_ref(), config.smtp_alert)
    }

    /// What changed.
    #[must_use]
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// When it changed.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// Whether a mail is wanted (`smtp_alert`).
    #[must_use]
    pub fn wants_mail(&self) -> bool {
        self.mail
    }

    /// The line that FIFOs get, as keepalived writes it, without its end.
    #[must_use]
    pub fn fifo_line(&self) -> String {
        match &self.change {
            Change::Group { name, state, .. } => format!("GROUP \"{name}\" {state} 0"),
            Change::Instance {
                name,
                state,
                priority,
                ..
            } => format!("INSTANCE \"{name}\" {state} {priority}"),
            Change::Quorum { name, up, .. } => format!("VS {name} {}", up_or_down(*up)),
            Change::RealServer {
                name,
                virtual_server,
                up,
                ..
            } => format!("RS {name} {virtual_server} {}", up_or_down(*up)),
        }
    }

    fn new(change: Change, script: Option<&Script>, mail: bool) -> Self {
        let calls = script.map(|script| Call {
            script: script.clone(),
            arguments: Vec::new(),
        });
        Self {
            change,
            time: SystemTime::now(),
            calls: calls.into_iter().collect(),
            mail,
        }
    }

    /// Where its scripts queue: those of one source run one after the other.
    pub(crate) fn source(&self) -> Arc<str> {
        match &self.change {
            Change::Group { name, .. } => format!("GROUP {name}").into(),
            Change::Instance { name, .. } => format!("INSTANCE {name}").into(),
            Change::Quorum { name, .. } => format!("VS {name}").into(),
            Change::RealServer {
                name,
                virtual_server,
                ..
            } => format!("RS {name} {virtual_server}").into(),
        }
    }

    /// It is about VRRP, not about servers.
    pub(crate) fn is_vrrp(&self) -> bool {
        matches!(self.change, Change::Group { .. } | Change::Instance { .. })
    }

    /// What its scripts find in their environment beside what the daemon has in its own.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let (kind, name, state, reason) = match &self.change {
            Change::Group {
                name,
                state,
                reason,
            } => ("GROUP", name, *state, reason),
            Change::Instance {
                name,
                state,
                reason,
                ..
            } => ("INSTANCE", name, *state, reason),
            Change::Quorum { name, up, reason } => ("VS", name, up_or_down(*up), reason),
            Change::RealServer {
                name, up, reason, ..
            } => ("RS", name, up_or_down(*up), reason),
        };
        let mut variables = vec![
            ("XVS_KIND", kind.to_owned()),
            ("XVS_NAME", name.to_string()),
            ("XVS_STATE", state.to_owned()),
            ("XVS_REASON", reason.clone()),
        ];
        match &self.change {
            Change::Instance { priority, .. } => {
                variables.push(("XVS_PRIORITY", priority.to_string()));
            }
            Change::RealServer { virtual_server, .. } => {
                variables.push(("XVS_VIRTUAL_SERVER", virtual_server.to_string()));
            }
            Change::Group { .. } | Change::Quorum { .. } => {}
        }
        variables
    }
}

pub(crate) fn up_or_down(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}
