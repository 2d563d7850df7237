//! Mail: who gets it, and by which server.

use std::{net::IpAddr, time::Duration};

use xvs_types::Endpoint;

use crate::{
    codes,
    keywords::{Draft, Line, Scope},
};

/// `notification_email`.
pub(super) fn recipients(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let before = draft.config.global.notification_email.len();
    for entry in line.entries() {
        draft.config.global.notification_email.extend(entry.from(0));
    }
    if draft.config.global.notification_email.len() == before {
        scope.sink.reported(
            codes::EMPTY_BLOCK,
            line.at(0),
            "`notification_email` has no address",
            "write one address on each line",
        );
    }
}

/// `smtp_server`: an address or a name, and a port.
pub(super) fn server(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let word = line.word(1);
    let port = match line.get(2) {
        None => Some(25),
        Some(_) => line.lax_integer(2, 1..=65_535, "there is no mail server", scope),
    };
    let address = word
        .parse::<IpAddr>()
        .ok()
        .or_else(|| scope.host.resolve(word));
    match (address, port) {
        (Some(address), Some(port)) => {
            draft.config.global.smtp_server = Some(Endpoint::new(address, port));
        }
        (None, _) => scope.sink.reported(
            codes::INVALID_ADDRESS,
            line.at(1),
            format!("the mail server `{word}` has no address"),
            "no mail is sent; write its IP address",
        ),
        (_, None) => {}
    }
}

/// `smtp_connect_timeout`.
pub(super) fn timeout(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let Some(seconds) = line.lax_integer::<u64>(1, 0..=4_294, "it is 30 seconds", scope) else {
        return;
    };
    if seconds == 0 {
        scope.sink.reported(
            codes::ROUNDED,
            line.at(1),
            "`smtp_connect_timeout` must be more than 0",
            "it is 1 second",
        );
    }
    draft.config.global.smtp_connect_timeout = Duration::from_secs(seconds.max(1));
}
