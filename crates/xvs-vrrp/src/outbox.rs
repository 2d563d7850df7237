//! The queue of actions.

use std::collections::VecDeque;

use crate::Action;

/// Actions that wait to be polled, in their order.
#[derive(Debug, Default)]
pub(crate) struct Outbox(VecDeque<Action>);

impl Outbox {
    /// Adds an action at the end.
    pub(crate) fn push(&mut self, action: Action) {
        self.0.push_back(action);
    }

    /// Takes the first action.
    pub(crate) fn pop(&mut self) -> Option<Action> {
        self.0.pop_front()
    }
}
