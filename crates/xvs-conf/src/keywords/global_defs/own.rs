//! Our own keywords of `global_defs`: mail with TLS and a user, a webhook, how long scripts may run.

use std::time::Duration;

use crate::{
    config::{SmtpTls, SmtpUser, Webhook},
    keywords::{Draft, Keyword, Line, Scope, Tier},
};

/// The longest `xvs_script_timeout`: a day, in seconds.
const DAY: i64 = 86_400;

type Key = Keyword<Draft>;

/// The keywords that keepalived does not know.
pub(crate) static OWN: &[Key] = &[
    Key::words("xvs_smtp_tls", 2, Tier::Rare, smtp_tls).at_most(3),
    Key::words("xvs_smtp_user", 2, Tier::Rare, |draft, line, _| {
        draft.config.global.own.smtp_user = Some(SmtpUser {
            name: line.word(1).to_owned(),
            password_file: line.word(2).to_owned(),
        });
    })
    .at_most(2),
    Key::words("xvs_webhook", 1, Tier::Rare, webhook).at_most(3),
    Key::value("xvs_script_timeout", Tier::Rare, |draft, line, scope| {
        let timeout = &mut draft.config.global.own.script_timeout;
        let seconds = line.integer(1, 1..=DAY, "it is 60 seconds", scope);
        *timeout = seconds.map(Duration::from_secs).or(*timeout);
    }),
];

/// `xvs_smtp_tls starttls|immediate NAME [CA-FILE]`.
fn smtp_tls(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let immediate = match line.word(1) {
        "starttls" => false,
        "immediate" => true,
        other => {
            line.reject(
                1,
                format!("TLS begins by `starttls` or is `immediate`, not `{other}`"),
                "mail is not encrypted",
                scope,
            );
            return;
        }
    };
    draft.config.global.own.smtp_tls = Some(SmtpTls {
        immediate,
        name: line.word(2).to_owned(),
        ca: line.get(3).map(str::to_owned),
    });
}

/// `xvs_webhook URL [TOKEN-FILE|- [CA-FILE]]`.
fn webhook(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let url = line.word(1);
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    if host.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
        line.reject(
            1,
            format!("`{url}` is no URL that events can be posted to"),
            "write `http://HOST/PATH` or `https://HOST/PATH`; there is no webhook",
            scope,
        );
        return;
    }
    draft.config.global.own.webhook = Some(Webhook {
        url: url.to_owned(),
        token_file: line.get(2).filter(|word| *word != "-").map(str::to_owned),
        ca: line.get(3).map(str::to_owned),
    });
}
