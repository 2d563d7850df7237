//! Who hears of what the checks found: the log, listeners of events, scripts, FIFOs and mail.

use std::{collections::HashMap, sync::Arc};

use tracing::info;
use xvs_check::{Event, Notification, Subject};
use xvs_control::wire::EventKind;
use xvs_notify::Notifier;

use super::translate::Names;
use crate::events::Events;

/// Tells what happened, by the names of the configuration.
pub(crate) struct Teller {
    events: Events,
    notifier: Notifier,
    /// The names of the configuration before, for who leaves with it.
    before: Arc<Names>,
    names: Arc<Names>,
    /// Why a server comes or goes, from the line of the log before: virtual server, real server.
    reasons: HashMap<(Arc<str>, Option<Arc<str>>), String>,
}

impl Teller {
    pub(crate) fn new(events: Events, notifier: Notifier) -> Self {
        Self {
            events,
            notifier,
            before: Arc::default(),
            names: Arc::default(),
            reasons: HashMap::new(),
        }
    }

    /// From here on names are these.
    pub(super) fn know(&mut self, names: Arc<Names>) {
        self.before = std::mem::replace(&mut self.names, names);
    }

    /// Writes a line into the log.
    pub(super) fn log(&mut self, event: &Event) {
        info!("{event}");
        let (virtual_server, real_server) = (&event.virtual_server, &event.real_server);
        if let Some(reason) = xvs_notify::reason(&event.what) {
            let about = (Arc::clone(virtual_server), real_server.clone());
            self.reasons.insert(about, reason);
        }
        self.events
            .tell_with(EventKind::Check, event.to_string(), |told| {
                told.virtual_server = Some(virtual_server.to_string());
                told.real_server = real_server.as_deref().map(str::to_owned);
            });
    }

    /// Tells of a transition.
    pub(super) fn notify(&mut self, notification: &Notification) {
        let (kind, real_server) = match &notification.subject {
            Subject::RealServer(name) => (EventKind::RealServer, Some(Arc::clone(name))),
            Subject::Quorum(_) => (EventKind::Quorum, None),
        };
        self.events
            .tell_with(kind, notification.to_string(), |told| {
                told.virtual_server = Some(notification.virtual_server.to_string());
                told.real_server = real_server.as_deref().map(str::to_owned);
                told.up = Some(notification.up);
            });
        let about = (Arc::clone(&notification.virtual_server), real_server);
        let reason = self.reasons.remove(&about).unwrap_or_default();
        let told = [&self.names, &self.before]
            .into_iter()
            .find_map(|names| event(names, notification, &reason));
        if let Some(event) = told {
            self.notifier.send(event);
        }
    }
}

/// The notification with those who want to hear it; none when the names do not know its server.
fn event(names: &Names, told: &Notification, reason: &str) -> Option<xvs_notify::Event> {
    let virtual_server = &told.virtual_server;
    Some(match &told.subject {
        Subject::RealServer(name) => {
            let config = names.real_server(virtual_server, name)?;
            xvs_notify::Event::real_server(name, virtual_server, told.up, reason, config)
        }
        Subject::Quorum(_) => {
            let config = names.virtual_server(virtual_server)?;
            xvs_notify::Event::quorum(virtual_server, told.up, reason, config)
        }
    })
}
