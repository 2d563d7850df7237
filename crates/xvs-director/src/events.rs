//! Events as they happen, for whoever listens: the API's stream.
//!
//! Nobody is waited for. Who reads too slowly loses the oldest and is told how many.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::broadcast;
use xvs_control::wire::{Event, EventKind};

/// Events that a slow reader may be behind.
const BEHIND: usize = 16_384;

/// Where events are told. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Events {
    sender: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
        }
    }
}

impl Events {
    /// What happens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// Tells an event that is about no server: `kind` and its line.
    pub fn tell(&self, kind: EventKind, text: impl Into<String>) {
        self.tell_with(kind, text, |_event| {});
    }

    /// Tells an event; `fill` says what it is about. Nothing is done when nobody listens.
    pub fn tell_with(
        &self,
        kind: EventKind,
        text: impl Into<String>,
        fill: impl FnOnce(&mut Event),
    ) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut event = Event {
            at_ms: since.map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }),
            kind,
            virtual_server: None,
            real_server: None,
            up: None,
            text: text.into(),
        };
        fill(&mut event);
        // The last listener may have gone meanwhile.
        let _nobody = self.sender.send(event);
    }
}
