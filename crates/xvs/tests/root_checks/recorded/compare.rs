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

/// keepalived's processes end before such mails go out.
const STOP: &str = "the mails about its own end are sent";

/// Works what xvs does otherwise, as docs/compat.md names it, into what is wanted; answers the reasons.
fn known(name: &str, wanted: &mut Seen, moments: &mut Vec<usize>) -> Vec<&'static str> {
    match name {
        "alpha_omega" => {
            // Of the server that was not there, and of the other one as `omega` asks for.
            wanted.mails += 2;
            vec!["a first failure after alpha is mailed too", STOP]
        }
        "misc_dynamic" => {
            wanted.mails -= 1;
            vec!["a first success of a server that was up sends no mail"]
        }
        "reload" => {
            let from = place(&wanted.ops, "DELDEST 127.0.0.1:9002");
            wanted.ops.truncate(from);
            wanted.ops.extend(
                [
                    "ADDDEST 127.0.0.1:80 1",
                    "DELDEST 127.0.0.1:9002",
                    "DELDEST 127.0.0.1:80",
                    "DEL",
                ]
                .map(str::to_owned),
            );
            // With the new real server in before the old one leaves, the quorum is never lost.
            let lost = place(&wanted.fifo, "VS [10.98.0.100]:tcp:80 DOWN");
            wanted.fifo.remove(lost);
            vec![
                "real servers that direct routing makes the same are one, in while either is up",
                "what is new comes before what is old leaves",
            ]
        }
        "smtp_vrrp_sync" => {
            for who in ["Instance VI_1", "Instance VI_2", "Group SG"] {
                wanted.subjects.push(format!("[KAD] VRRP {who} - Stopping"));
            }
            wanted.mails += 3;
            vec![STOP]
        }
        "sorry_server" => {
            let leaves = place(&wanted.ops, "DELDEST 127.0.0.1:9099");
            assert_eq!(wanted.ops[leaves + 1], "ADDDEST 127.0.0.1:9001 1");
            wanted.ops.swap(leaves, leaves + 1);
            vec!["the sorry server leaves last"]
        }
        "vrrp_notify" => {
            an_owner_is_master_at_once(wanted, moments);
            an_address_is_put_back(wanted, moments);
            wanted.mails += 1;
            vec![
                "an address owner is master as soon as its link is up",
                "an address that somebody removes is put back without an election",
                STOP,
            ]
        }
        _ => Vec::new(),
    }
}

/// When the link is up again, keepalived lets VI_3 wait as a backup; at its start it did not.
fn an_owner_is_master_at_once(wanted: &mut Seen, moments: &mut [usize]) {
    let waits = place(&wanted.fifo, "INSTANCE \"VI_3\" BACKUP 255");
    wanted.fifo[waits] = "INSTANCE \"VI_3\" MASTER 255".to_owned();
    // Behind VI_2, in the moment after.
    assert_eq!(wanted.fifo.remove(waits + 2), wanted.fifo[waits]);
    let mut seen = 0;
    let moment = moments.iter_mut().find(|count| {
        seen += **count;
        seen > waits + 2
    });
    *moment.unwrap() -= 1;
}

/// What keepalived tells of an election after VI_1's address was removed.
fn an_address_is_put_back(wanted: &mut Seen, moments: &mut Vec<usize>) {
    let stop = place(&wanted.fifo, "INSTANCE \"VI_1\" STOP 150");
    let told: Vec<String> = wanted.fifo.drain(stop - 2..stop).collect();
    assert_eq!(
        told,
        [
            "INSTANCE \"VI_1\" BACKUP 150",
            "INSTANCE \"VI_1\" MASTER 150"
        ]
    );
    // Each was a moment of its own, before that of the end.
    let end = moments.len() - 1;
    moments.drain(end - 2..end);
    wanted.mails -= 2;
    for word in "[NB] [N] [x] [y] [INSTANCE] [VI_1] [BACKUP] [150] \
                 [NM] [arg] [N] [x] [y] [INSTANCE] [VI_1] [MASTER] [150]"
        .split_whitespace()
    {
        let at = place(&wanted.scripts, word);
        wanted.scripts.remove(at);
    }
}

fn place(lines: &[String], line: &str) -> usize {
    lines.iter().position(|one| one == line).unwrap()
}
