//! `track_bfd`: whether a BFD session is up.
//!
//! One that has not been up yet counts as down, as with keepalived: the path is not known to be there.

use tokio::sync::watch;
use tracing::{info, warn};
use xvs_vrrp::TrackerStatus;

use super::Teller;
use crate::bfd::SessionStates;

/// Follows the session of this name for good and tells whether it is up.
pub(super) async fn follow(
    session: String,
    mut states: watch::Receiver<SessionStates>,
    teller: Teller,
) {
    let mut told = None;
    loop {
        let (up, reason) = {
            let states = states.borrow_and_update();
            let state = states.get(session.as_str());
            let reason = state.map_or_else(String::new, |state| format!(" ({})", state.reason));
            (state.is_some_and(|state| state.up), reason)
        };
        if told != Some(up) {
            if up {
                info!("BFD session `{session}` is up{reason}");
                teller.tell(TrackerStatus::Up);
            } else {
                warn!("BFD session `{session}` is down{reason}");
                teller.tell(TrackerStatus::Down);
            }
            told = Some(up);
        }
        // Without sessions nothing changes any more; the daemon ends then.
        if states.changed().await.is_err() {
            return;
        }
    }
}
