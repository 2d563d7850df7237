//! Why servers come and go, in the words of keepalived's mails.

use xvs_check::{Kind, Quorum, What};

/// What a mail about this event would say between its arrows; none for events that nobody is told of.
///
/// The last one of a server before its notification is the reason for it:
/// `TCP CHECK failed on service`, `Gained quorum 2+0=2 <= 2`.
#[must_use]
pub fn reason(what: &What) -> Option<String> {
    match what {
        What::CheckFailed { kind, .. } => Some(checked(kind, false)),
        What::CheckSucceeded { kind } => Some(checked(kind, true)),
        What::QuorumGained(quorum, sum) => Some(quorum_text("Gained quorum", *quorum, *sum)),
        // keepalived writes plus and at most here too, though neither holds
        What::QuorumLost(quorum, sum) => Some(quorum_text("Lost quorum", *quorum, *sum)),
        What::StartedWithoutQuorum(quorum, sum) => {
            Some(quorum_text("Starting with quorum down", *quorum, *sum))
        }
        What::ShutDown { .. } => Some("Shutting down".to_owned()),
        What::VirtualServerRemoved => Some("Removing".to_owned()),
        _ => None,
    }
}

fn quorum_text(what: &str, quorum: Quorum, sum: u64) -> String {
    let (weight, hysteresis) = (quorum.weight, quorum.hysteresis);
    let total = weight.saturating_add(hysteresis);
    format!("{what} {weight}+{hysteresis}={total} <= {sum}")
}

fn checked(kind: &Kind, up: bool) -> String {
    let name = match kind {
        Kind::Bfd(_) => "BFD CHECK",
        Kind::Dns => "DNS CHECK",
        Kind::File(_) => "FILE CHECK",
        Kind::Misc(_) => "MISC CHECK",
        Kind::Ping => "ICMP CHECK",
        Kind::Smtp => "SMTP CHECK",
        Kind::Tcp => "TCP CHECK",
        Kind::Udp => "UDP CHECK",
        // HTTP and HTTPS have no name of their own
        _ => "CHECK",
    };
    match (up, kind) {
        (true, _) => format!("{name} succeed on service"),
        (false, Kind::Http | Kind::Ssl) => {
            format!("{name} failed on service : HTTP/SSL request failed")
        }
        (false, _) => format!("{name} failed on service"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_of_recorded_mails() {
        let quorum = Quorum {
            weight: 2,
            hysteresis: 0,
        };
        assert_eq!(
            reason(&What::QuorumLost(quorum, 1)).unwrap(),
            "Lost quorum 2+0=2 <= 1"
        );
        assert_eq!(
            reason(&What::QuorumGained(quorum, 2)).unwrap(),
            "Gained quorum 2+0=2 <= 2"
        );
        let failed = What::CheckFailed {
            kind: Kind::Tcp,
            retries: None,
            reason: "refused".to_owned(),
        };
        assert_eq!(reason(&failed).unwrap(), "TCP CHECK failed on service");
        let succeeded = What::CheckSucceeded { kind: Kind::Http };
        assert_eq!(reason(&succeeded).unwrap(), "CHECK succeed on service");
        assert_eq!(reason(&What::Added), None);
    }
}
