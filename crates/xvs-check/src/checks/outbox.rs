//! The queue of actions: the ops of one input as one batch, before what they cause.

use std::{collections::VecDeque, sync::Arc};

use xvs_types::Op;

use crate::{Action, CheckerId, Event, Notification, event::What};

/// Actions that wait to be polled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    ready: VecDeque<Action>,
    ops: Vec<Op>,
    /// What comes behind the ops.
    told: Vec<Action>,
}

impl Outbox {
    /// Where ops are appended.
    pub(crate) fn ops(&mut self) -> &mut Vec<Op> {
        &mut self.ops
    }

    pub(crate) fn log(&mut self, service: &Arc<str>, real_server: Option<&Arc<str>>, what: What) {
        self.told.push(Action::Log(Event {
            virtual_server: Arc::clone(service),
            real_server: real_server.cloned(),
            what,
        }));
    }

    pub(crate) fn notify(&mut self, notification: Notification) {
        self.told.push(Action::Notify(notification));
    }

    pub(crate) fn cancel(&mut self, checker: CheckerId) {
        self.told.push(Action::Cancel(checker));
    }

    /// Adds an action that has nothing to do with ops.
    pub(crate) fn push(&mut self, action: Action) {
        self.ready.push_back(action);
    }

    /// The input is dealt with: its ops come out, then the rest.
    pub(crate) fn flush(&mut self) {
        if !self.ops.is_empty() {
            let ops = std::mem::take(&mut self.ops);
            self.ready.push_back(Action::Apply(ops));
        }
        self.ready.extend(self.told.drain(..));
    }

    /// Takes the first action.
    pub(crate) fn pop(&mut self) -> Option<Action> {
        self.ready.pop_front()
    }
}
