//! What a mail says: keepalived's headers and words, byte for byte.

use std::time::SystemTime;

use crate::{
    Event, MailSettings,
    event::{Change, up_or_down},
};

/// Headers, an empty line, the text; lines end with CR LF.
pub(super) fn text(event: &Event, settings: &MailSettings) -> String {
    let (subject, body) = words(&event.change);
    let lines = [
        format!("Date: {}", date(event.time)),
        format!("From: {}", one_line(&settings.from)),
        format!(
            "Subject: [{}] {}",
            one_line(&settings.router_id),
            one_line(&subject)
        ),
        "X-Mailer: Keepalived".to_owned(),
        format!("To: {}", one_line(&settings.to.join(", "))),
        String::new(),
        format!("=> {} <=", one_line(&body)),
        String::new(),
    ];
    lines.map(|line| line + "\r\n").concat()
}

fn words(change: &Change) -> (String, String) {
    match change {
        Change::Group { name, state, .. } => {
            let body = match *state {
                "STOP" => "VRRP Group stopping".to_owned(),
                "DELETED" => "VRRP Group deleted".to_owned(),
                state => format!("All VRRP group instances are now in {state} state"),
            };
            (format!("VRRP Group {name} - {}", entering(state)), body)
        }
        Change::Instance { name, state, .. } => {
            let body = match *state {
                "MASTER" => "VRRP Instance is now owning VRRP VIPs",
                "STOP" => "VRRP Instance stopping",
                "DELETED" => "VRRP Instance deleted",
                _ => "VRRP Instance is no longer owning VRRP VIPs",
            };
            let subject = format!("VRRP Instance {name} - {}", entering(state));
            (subject, body.to_owned())
        }
        Change::Quorum { name, up, reason } => {
            let subject = format!("Virtualserver {name} - {}", up_or_down(*up));
            (subject, reason.clone())
        }
        Change::RealServer {
            name,
            virtual_server,
            up,
            reason,
        } => {
            let state = up_or_down(*up);
            let subject = format!("Realserver {name} of virtual server {virtual_server} - {state}");
            (subject, reason.clone())
        }
    }
}

fn entering(state: &str) -> String {
    match state {
        "STOP" => "Stopping".to_owned(),
        "DELETED" => "Deleted".to_owned(),
        state => format!("Entering {state} state"),
    }
}

/// RFC 5322 section 3.3, in UTC.
fn date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time).replace("GMT", "+0000")
}

/// Nothing that comes from a name or a reason begins a header or ends a mail.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_makes_a_header() {
        assert_eq!(one_line("a\r\nBcc: b"), "a  Bcc: b");
    }

    #[test]
    fn the_date_is_that_of_a_mail() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_199_195);
        assert_eq!(date(time), "Fri, 20 Nov 2026 18:26:35 +0000");
    }
}
