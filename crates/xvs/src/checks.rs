//! The checks, in `xvs status`.

use xvs_control::wire::{CheckedRealServer, CheckerReport, CheckerState, ChecksStatus};

use crate::output::{Align, Table};

/// A table of virtual servers, one of checkers, one of BFD sessions; those that would be empty are left
/// out.
pub(crate) fn text(checks: &ChecksStatus, bold: bool) -> String {
    let mut tables = Vec::new();
    if !checks.virtual_servers.is_empty() {
        tables.push(servers(checks, bold));
    }
    if !checks.bfd_sessions.is_empty() {
        tables.push(sessions(checks, bold));
    }
    tables.join("\n")
}

fn sessions(checks: &ChecksStatus, bold: bool) -> String {
    let mut table = Table::new(&[
        ("BFD SESSION", Align::Left),
        ("STATE", Align::Left),
        ("NEIGHBOUR", Align::Left),
        ("INTERVAL", Align::Right),
        ("DETECTION", Align::Right),
    ]);
    for one in &checks.bfd_sessions {
        let detection = one.detection_ms.map(|ms| format!("{ms} ms"));
        table.row([
            one.name.clone(),
            one.state.clone(),
            one.neighbour_state.clone(),
            format!("{} ms", one.interval_ms),
            detection.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.text(bold)
}

fn servers(checks: &ChecksStatus, bold: bool) -> String {
    let mut servers = Table::new(&[
        ("VIRTUAL SERVER", Align::Left),
        ("QUORUM", Align::Left),
        ("ALIVE", Align::Right),
        ("NEEDED", Align::Right),
        ("SERVED BY", Align::Left),
    ]);
    let mut checkers = Table::new(&[
        ("VIRTUAL SERVER", Align::Left),
        ("REAL SERVER", Align::Left),
        ("STATE", Align::Left),
        ("WEIGHT", Align::Right),
        ("CHECK", Align::Left),
        ("LATENCY", Align::Right),
        ("NEXT", Align::Right),
        ("LAST RESULT", Align::Left),
    ]);
    for one in &checks.virtual_servers {
        servers.row([
            one.name.clone(),
            if one.has_quorum { "yes" } else { "lost" }.to_owned(),
            one.alive_weight.to_string(),
            one.quorum.to_string(),
            if one.sorry {
                "the sorry server"
            } else {
                "real servers"
            }
            .to_owned(),
        ]);
        for real_server in &one.real_servers {
            if real_server.checkers.is_empty() {
                checkers.row(row(&one.name, real_server, None));
            }
            for checker in &real_server.checkers {
                checkers.row(row(&one.name, real_server, Some(checker)));
            }
        }
    }
    format!("{}\n{}", servers.text(bold), checkers.text(bold))
}

fn row(
    virtual_server: &str,
    real_server: &CheckedRealServer,
    checker: Option<&CheckerReport>,
) -> Vec<String> {
    let state = if real_server.alive { "up" } else { "down" };
    let mut cells = vec![
        virtual_server.to_owned(),
        real_server.name.clone(),
        state.to_owned(),
        real_server.weight.to_string(),
    ];
    let Some(checker) = checker else {
        let none = ["none", "-", "-", "-"].map(str::to_owned);
        cells.extend(none);
        return cells;
    };
    let last = checker.last.as_ref();
    let next = match (checker.state, checker.next_run_ms) {
        (CheckerState::Running, _) => "running".to_owned(),
        (CheckerState::Suspended, _) => "suspended".to_owned(),
        (CheckerState::Waiting, next) => milliseconds(next.unwrap_or_default()),
    };
    cells.extend([
        checker.kind.clone(),
        last.map_or_else(|| "-".to_owned(), |last| latency(last.latency_us)),
        next,
        match last {
            None => "none yet".to_owned(),
            Some(last) => match &last.failure {
                None => "ok".to_owned(),
                Some(failure) => failure.clone(),
            },
        },
    ]);
    cells
}

/// `0.3 ms`, `12.0 ms`, `5.0 s`.
fn latency(microseconds: u64) -> String {
    if microseconds < 1_000_000 {
        format!("{}.{} ms", microseconds / 1000, microseconds % 1000 / 100)
    } else {
        milliseconds(microseconds / 1000)
    }
}

/// `0.3 s`, `60.0 s`.
fn milliseconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use xvs_control::wire::{BfdSessionStatus, CheckedVirtualServer, LastCheck};

    use super::*;

    #[test]
    fn each_checker_has_a_row_with_its_last_result() {
        let failed = CheckerReport {
            kind: "TCP_CHECK".to_owned(),
            next_run_ms: Some(5_900),
            last: Some(LastCheck {
                ago_ms: 100,
                latency_us: 312,
                failure: Some("no connection".to_owned()),
            }),
            ..CheckerReport::default()
        };
        let server = |name: &str, alive, checkers| CheckedRealServer {
            name: name.to_owned(),
            alive,
            weight: 1,
            checkers,
        };
        let checks = ChecksStatus {
            virtual_servers: vec![CheckedVirtualServer {
                name: "[192.0.2.1]:tcp:80".to_owned(),
                has_quorum: true,
                alive_weight: 1,
                quorum: 1,
                real_servers: vec![
                    server("[10.0.0.1]:tcp:80", false, vec![failed]),
                    server("[10.0.0.2]:tcp:80", true, Vec::new()),
                ],
                ..CheckedVirtualServer::default()
            }],
            ..ChecksStatus::default()
        };
        assert_eq!(
            text(&checks, false),
            "\
VIRTUAL SERVER      QUORUM  ALIVE  NEEDED  SERVED BY
[192.0.2.1]:tcp:80  yes         1       1  real servers

VIRTUAL SERVER      REAL SERVER        STATE  WEIGHT  CHECK      LATENCY   NEXT  LAST RESULT
[192.0.2.1]:tcp:80  [10.0.0.1]:tcp:80  down        1  TCP_CHECK   0.3 ms  5.9 s  no connection
[192.0.2.1]:tcp:80  [10.0.0.2]:tcp:80  up          1  none             -      -  -
"
        );
        assert_eq!(text(&ChecksStatus::default(), false), "");
    }

    #[test]
    fn each_bfd_session_has_a_row() {
        let session = BfdSessionStatus {
            name: "peer".to_owned(),
            state: "Up".to_owned(),
            neighbour_state: "Init".to_owned(),
            interval_ms: 50,
            detection_ms: None,
        };
        let checks = ChecksStatus {
            bfd_sessions: vec![session],
            ..ChecksStatus::default()
        };
        assert_eq!(
            text(&checks, false),
            "\
BFD SESSION  STATE  NEIGHBOUR  INTERVAL  DETECTION
peer         Up     Init          50 ms          -
"
        );
    }
}
