//! A bounded queue with one reader, which never holds up who writes: when it is full, the oldest goes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// The queue; its clones are the same queue.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Notify,
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Outbox<T> {
    /// A queue for at most `limit` items.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    items: VecDeque::new(),
                    closed: false,
                }),
                changed: Notify::new(),
                limit,
            }),
        }
    }

    /// Adds an item; returns the one that had to go.
    pub(crate) fn push(&self, item: T) -> Option<T> {
        let mut state = self.lock();
        state.items.push_back(item);
        let fallen = if state.items.len() > self.shared.limit {
            state.items.pop_front()
        } else {
            None
        };
        drop(state);
        self.shared.changed.notify_one();
        fallen
    }

    /// Nothing will come any more; the reader ends when it has read the rest.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.shared.changed.notify_one();
    }

    /// The oldest item, as soon as there is one; none at the end.
    pub(crate) async fn pop(&self) -> Option<T> {
        loop {
            {
                let mut state = self.lock();
                if let Some(item) = state.items.pop_front() {
                    return Some(item);
                }
                if state.closed {
                    return None;
                }
            }
            self.shared.changed.notified().await;
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A queue of whole items is in order whatever happened to its last user.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_full_loses_its_oldest() {
        let outbox = Outbox::new(2);
        assert_eq!(outbox.push(1), None);
        assert_eq!(outbox.push(2), None);
        assert_eq!(outbox.push(3), Some(1));
        outbox.close();
        assert_eq!(outbox.len(), 2);
        assert_eq!(outbox.pop().await, Some(2));
        assert_eq!(outbox.pop().await, Some(3));
        assert_eq!(outbox.pop().await, None);
    }

    #[tokio::test]
    async fn a_waiting_reader_wakes() {
        let outbox = Outbox::new(2);
        let reader = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.pop().await }
        });
        tokio::task::yield_now().await;
        outbox.push(7);
        assert_eq!(reader.await.unwrap(), Some(7));
    }
}
