//! The pair of directors: what the lab promises of its phases.

use serde_json::Value;

use crate::xvs::{Xvs, nothing_is_left};

/// What a busy machine may add to a takeover, in milliseconds.
const SLACK: f64 = 500.0;

#[test]
fn root_a_pair_of_directors_takes_over_and_back() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let output = xvs.lab("ha --v3 --interval 0.1 --json");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let phase = |what: &str| {
        let mut phases = report["phases"].as_array().unwrap().iter();
        phases
            .find(|phase| phase["what"].as_str().unwrap().contains(what))
            .unwrap()
            .clone()
    };
    let number = |what: &str, field: &str| phase(what)[field].as_f64().unwrap();
    // Three adverts and the skew of priority 100; on a release the skew alone.
    assert!(
        number("kill -9", "taken_over_ms") < 361.0 + SLACK,
        "{report}"
    );
    assert!(
        number("port of director1 goes down", "outage_ms") < 361.0 + SLACK,
        "{report}"
    );
    assert!(number("SIGTERM", "outage_ms") < 61.0 + SLACK, "{report}");
    // Nobody is lost while one who was killed comes back.
    assert!(number("kill -9", "outage_ms") < SLACK, "{report}");
    for what in ["web1 dies", "sorry", "are back"] {
        assert!(number(what, "answered") > 0.0, "{what}: {report}");
    }
    nothing_is_left();
}
