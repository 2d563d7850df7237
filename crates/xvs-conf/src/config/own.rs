//! Settings of xvs that keepalived does not have.

use std::time::Duration;

use serde::Serialize;

/// What keywords of our own, all beginning with `xvs_`, say in `global_defs`. keepalived reports them as
/// unknown and goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OwnSettings {
    /// `xvs_smtp_tls`: mail is encrypted; default not.
    pub smtp_tls: Option<SmtpTls>,
    /// `xvs_smtp_user`: who logs in at the mail server; default nobody.
    pub smtp_user: Option<SmtpUser>,
    /// `xvs_webhook`: where events are posted; default nowhere.
    pub webhook: Option<Webhook>,
    /// `xvs_script_timeout`: how long a notify script may run, 1 s to 1 day; default 60 s.
    pub script_timeout: Option<Duration>,
}

/// How mail is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SmtpTls {
    /// With the connection (`immediate`) and not by STARTTLS (`starttls`).
    pub immediate: bool,
    /// The name that the server's certificate must have.
    pub name: String,
    /// PEM file of a further authority; none for those of the system.
    pub ca: Option<String>,
}

/// A user of the mail server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SmtpUser {
    /// The user.
    pub name: String,
    /// The file whose first line is the password.
    pub password_file: String,
}

/// A place that events are posted to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// `http://` or `https://`, a host, and what follows.
    pub url: String,
    /// The file whose first line stands behind `Authorization: Bearer`; none for no such header.
    pub token_file: Option<String>,
    /// PEM file of a further authority; none for those of the system.
    pub ca: Option<String>,
}

impl OwnSettings {
    /// Whether nothing of it is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
