//! Mail: what it says, and to which server it goes how.
//!
//! Without TLS and credentials a server sees what it sees of keepalived: one connection for each mail,
//! HELO, the same headers ([`smtp`]). With them the mail is submitted by lettre ([`submission`]).

mod message;
mod smtp;
mod submission;

use std::{path::PathBuf, time::Duration};

use xvs_conf::config::{GlobalDefs, SmtpTls};
use xvs_types::Endpoint;

use crate::{
    Event,
    counters::{Counters, SinkCounters},
    courier::{Carrier, Retries, Undelivered},
    event::Change,
    secret::{self, SecretError},
};

/// Who gets mail from whom through what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// The server.
    pub server: Endpoint,
    /// How long connecting, each answer and with TLS the whole may take; default 30 s.
    pub timeout: Duration,
    /// The name in HELO.
    pub helo: String,
    /// The sender, `ka@example.com` or `Name <ka@example.com>`.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// What stands in brackets before each subject.
    pub router_id: String,
    /// FAULT states are told too (not `no_email_faults`).
    pub faults: bool,
    /// TLS; default none, as keepalived.
    pub tls: Option<MailTls>,
    /// The user at the server; default none. Sent without TLS only if there is none.
    pub credentials: Option<MailCredentials>,
    /// When the server does not take it.
    pub retries: Retries,
}

/// How mail is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailTls {
    /// When TLS begins.
    pub start: MailTlsStart,
    /// The name that the server's certificate must have.
    pub name: String,
    /// PEM file of a further authority; default those of the system.
    pub ca: Option<PathBuf>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTlsStart {
    /// By STARTTLS, without which there is no mail (RFC 3207; port 587).
    StartTls,
    /// With the connection (RFC 8314; port 465).
    Immediate,
}

/// A user and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct MailCredentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for MailCredentials {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailCredentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl MailSettings {
    /// What the configuration says; none without a server or without recipients.
    ///
    /// # Errors
    ///
    /// The password of the user at the server is not known.
    pub(crate) fn from_config(
        global: &GlobalDefs,
        host_name: &str,
    ) -> Result<Option<Self>, SecretError> {
        let Some(server) = global.smtp_server else {
            return Ok(None);
        };
        if global.notification_email.is_empty() {
            return Ok(None);
        }
        let credentials = global.own.smtp_user.as_ref().map(|user| {
            Ok(MailCredentials {
                user: user.name.clone(),
                password: secret::read(&user.password_file)?,
            })
        });
        let host = || host_name.to_owned();
        Ok(Some(Self {
            server,
            timeout: global.smtp_connect_timeout,
            helo: global.smtp_helo_name.clone().unwrap_or_else(host),
            from: global
                .notification_email_from
                .clone()
                .unwrap_or_else(|| format!("keepalived@{host_name}")),
            to: global.notification_email.clone(),
            router_id: global.router_id.clone().unwrap_or_else(host),
            faults: !global.no_email_faults,
            tls: global.own.smtp_tls.as_ref().map(MailTls::from_config),
            credentials: credentials.transpose()?,
            retries: Retries::default(),
        }))
    }

    /// Whether a mail is wanted about this.
    pub(crate) fn wants(&self, event: &Event) -> bool {
        let fault = matches!(
            event.change,
            Change::Instance { state: "FAULT", .. } | Change::Group { state: "FAULT", .. }
        );
        event.mail && (self.faults || !fault)
    }
}

impl MailTls {
    fn from_config(tls: &SmtpTls) -> Self {
        Self {
            start: if tls.immediate {
                MailTlsStart::Immediate
            } else {
                MailTlsStart::StartTls
            },
            name: tls.name.clone(),
            ca: tls.ca.as_ref().map(PathBuf::from),
        }
    }
}

/// A mail on its way.
#[derive(Debug)]
pub(crate) struct Mail {
    /// Headers and text, as they go over the wire without escapes.
    text: String,
}

/// Carries mail to a server.
#[derive(Debug)]
pub(crate) struct Postman {
    settings: MailSettings,
}

impl Postman {
    pub(crate) fn new(settings: MailSettings) -> Self {
        Self { settings }
    }
}

impl Mail {
    pub(crate) fn new(event: &Event, settings: &MailSettings) -> Self {
        Self {
            text: message::text(event, settings),
        }
    }
}

impl Carrier for Postman {
    type Item = Mail;
    const WHAT: &'static str = "mail";

    async fn carry(&self, mail: &Mail) -> Result<(), Undelivered> {
        let settings = &self.settings;
        if settings.tls.is_none() && settings.credentials.is_none() {
            return smtp::send(&mail.text, settings).await;
        }
        submission::send(&mail.text, settings).await
    }

    fn counters(counters: &Counters) -> &SinkCounters {
        &counters.mails
    }
}

/// The address of `Name <address>`, or all of it.
fn bare(address: &str) -> &str {
    let inner = address
        .split_once('<')
        .and_then(|(_name, rest)| rest.split_once('>'));
    inner.map_or(address, |(inner, _rest)| inner).trim()
}

#[cfg(test)]
mod tests {
    use xvs_conf::config::SmtpUser;

    use super::*;

    #[test]
    fn an_envelope_has_the_address_without_the_name() {
        assert_eq!(bare("ka@example.com"), "ka@example.com");
        assert_eq!(bare("The pair <ka@example.com>"), "ka@example.com");
    }

    #[test]
    fn a_password_is_not_printed() {
        let credentials = MailCredentials {
            user: "ka".to_owned(),
            password: "secret".to_owned(),
        };
        assert!(!format!("{credentials:?}").contains("secret"));
    }

    #[test]
    fn without_a_server_or_recipients_there_is_no_mail() {
        let mut global = GlobalDefs {
            smtp_server: Some(Endpoint::new(std::net::Ipv4Addr::LOCALHOST.into(), 25)),
            ..GlobalDefs::default()
        };
        assert_eq!(from(&global), None);
        global.notification_email.push("ops@example.com".to_owned());
        let settings = from(&global).unwrap();
        assert_eq!(settings.from, "keepalived@d1");
        global.smtp_server = None;
        assert_eq!(from(&global), None);
    }

    #[test]
    fn a_password_that_cannot_be_read_is_told_and_nothing_is_sent_without_it() {
        let mut global = GlobalDefs {
            smtp_server: Some(Endpoint::new(std::net::Ipv4Addr::LOCALHOST.into(), 25)),
            notification_email: vec!["ops@example.com".to_owned()],
            ..GlobalDefs::default()
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        global.own.smtp_user = Some(SmtpUser {
            name: "ka".to_owned(),
            password_file: file.path().to_str().unwrap().to_owned(),
        });
        let (settings, refused) = crate::Settings::from_config(&global, "d1");
        assert_eq!(settings.mail, None);
        assert!(refused[0].starts_with("there is no mail: "), "{refused:?}");
        std::fs::write(file.path(), "secret\nanother line\n").unwrap();
        let credentials = from(&global).unwrap().credentials.unwrap();
        assert_eq!(credentials.password, "secret");
    }

    fn from(global: &GlobalDefs) -> Option<MailSettings> {
        MailSettings::from_config(global, "d1").unwrap()
    }
}
