//! What the checks have found, as the API tells it.

use std::time::{Duration, Instant};

use xvs_check::{CheckerStatus, RealServerStatus, VirtualServerStatus};
use xvs_control::wire::{
    CheckedRealServer, CheckedVirtualServer, CheckerReport, CheckerState, ChecksStatus, LastCheck,
};

use super::{driver::Driver, translate::keyword};

/// The state of every checker.
pub(super) fn status(driver: &Driver) -> ChecksStatus {
    let now = Instant::now();
    let virtual_servers = driver.machine.status();
    ChecksStatus {
        virtual_servers: virtual_servers
            .into_iter()
            .map(|one| virtual_server(driver, one, now))
            .collect(),
        running: u64::try_from(driver.running.len()).unwrap_or(u64::MAX),
        runs: driver.runs,
        latest_start_ms: milliseconds(driver.latest_start),
        // Their owner knows.
        bfd_sessions: Vec::new(),
    }
}

fn virtual_server(
    driver: &Driver,
    status: VirtualServerStatus,
    now: Instant,
) -> CheckedVirtualServer {
    CheckedVirtualServer {
        name: status.name.to_string(),
        has_quorum: status.has_quorum,
        alive_weight: status.alive_weight,
        quorum: status.quorum.weight,
        hysteresis: status.quorum.hysteresis,
        sorry: status.sorry,
        real_servers: status
            .real_servers
            .into_iter()
            .map(|one| real_server(driver, one, now))
            .collect(),
    }
}

fn real_server(driver: &Driver, status: RealServerStatus, now: Instant) -> CheckedRealServer {
    CheckedRealServer {
        name: status.name.to_string(),
        alive: status.alive,
        weight: status.weight,
        checkers: status
            .checkers
            .into_iter()
            .map(|one| checker(driver, &one, now))
            .collect(),
    }
}

fn checker(driver: &Driver, status: &CheckerStatus, now: Instant) -> CheckerReport {
    let next = driver.machine.next_run(status.id);
    let state = if driver.running.contains_key(&status.id) {
        CheckerState::Running
    } else if next.is_some() {
        CheckerState::Waiting
    } else {
        CheckerState::Suspended
    };
    let last = driver.last.get(&status.id).map(|last| LastCheck {
        ago_ms: milliseconds(now.saturating_duration_since(last.at)),
        latency_us: u64::try_from(last.latency.as_micros()).unwrap_or(u64::MAX),
        failure: last.failure.clone(),
    });
    CheckerReport {
        kind: keyword(&status.kind).to_owned(),
        up: status.up,
        state,
        failures: status.failures,
        next_run_ms: next.map(|next| milliseconds(next.saturating_duration_since(now))),
        last,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
