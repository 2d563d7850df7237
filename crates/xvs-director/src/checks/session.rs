//! BFD_CHECK: nothing is run; a session tells by itself.

use std::time::Instant;

use tokio::sync::watch;
use xvs_probe::{Failure, Report, Success};

use crate::bfd::{SessionState, SessionStates};

/// Waits until the session is otherwise than it was `told` last, if at all, and answers how it is.
pub(super) async fn next(
    mut sessions: watch::Receiver<SessionStates>,
    session: &str,
    told: Option<bool>,
) -> Report {
    let start = Instant::now();
    let is_news = |state: &SessionState| told != Some(state.up);
    let changed = sessions.wait_for(|states| states.get(session).is_some_and(is_news));
    let state = match changed.await {
        Ok(states) => states.get(session).cloned(),
        Err(_ended) => None,
    };
    let result = match state {
        Some(state) if state.up => Ok(Success::Plain),
        Some(state) => Err(Failure::Session(state.reason)),
        // The daemon ends.
        None => std::future::pending().await,
    };
    Report {
        result,
        latency: start.elapsed(),
    }
}
