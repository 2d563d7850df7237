//! As recorded, or not, or differently for a reason that docs/compat.md names.

use std::fmt::{Debug, Write};

use super::recording::{Recording, Scenario, Seen, in_moments};

/// What comes of a comparison.
pub(crate) enum Verdict {
    /// All is as recorded.
    Same,
    /// It differs as it should: the reasons.
    Known(Vec<&'static str>),
    /// It differs: how.
    Differs(String),
}

/// Compares; known differences are worked into the recording first.
pub(crate) fn verdict(scenario: &Scenario, recording: &Recording, mut seen: Seen) -> Verdict {
    let mut wanted = Seen {
        ops: recording.seen.ops.clone(),
        fifo: recording.seen.fifo.clone(),
        subjects: recording.seen.subjects.clone(),
        mails: recording.seen.mails,
        scripts: recording.seen.scripts.clone(),
    };
    let mut moments = recording.fifo_moments.clone();
    let reasons = known(scenario.name, &mut wanted, &mut moments);
    seen.fifo = in_moments(seen.fifo, &moments);
    seen.subjects = in_moments(seen.subjects, &recording.subject_moments);
    if !scenario.subjects {
        seen.subjects.clear();
        wanted.subjects.clear();
    }
    let mut text = String::new();
    differs("IPVS commands", &wanted.ops, &seen.ops, &mut text);
    differs("FIFO", &wanted.fifo, &seen.fifo, &mut text);
    differs("subjects", &wanted.subjects, &seen.subjects, &mut text);
    differs("mails", &wanted.mails, &seen.mails, &mut text);
    differs("scripts", &wanted.scripts, &seen.scripts, &mut text);
    match (text.is_empty(), reasons.is_empty()) {
        (true, true) => Verdict::Same,
        (true, false) => Verdict::Known(reasons),
        (false, _) => Verdict::Differs(text),
    }
}

fn differs<T: Debug + PartialEq>(what: &str, wanted: &T, seen: &T, text: &mut String) {
    if wanted != seen {
        writeln!(text, "  {what}, recorded {wanted:#?}\n  seen {seen:#?}").unwrap();
    }
}

/// Works what xvs does otherwise, and better, into what is wanted; answers the reasons.
fn known(name: &str, wanted: &mut Seen, moments: &mut Vec<usize>) -> Vec<&'static str> {
    match name {
        "sorry_server" => {
            let leaves = place(&wanted.ops, "DELDEST 127.0.0.1:9099");
            assert_eq!(wanted.ops[leaves + 1], "ADDDEST 127.0.0.1:9001 1");
            wanted.ops.swap(leaves, leaves + 1);
            vec!["the sorry server leaves last"]
        }
        "misc_dynamic" => {
            wanted.mails -= 1;
            vec!["a first success of a server that was up sends no mail"]
        }
        "vrrp_notify" => {
            let _ = moments;
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn place(lines: &[String], line: &str) -> usize {
    lines.iter().position(|one| one == line).unwrap()
}
