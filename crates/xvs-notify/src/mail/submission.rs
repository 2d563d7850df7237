//! Mail to a server that wants TLS or a user (RFC 6409), by lettre over OpenSSL.

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    address::Envelope,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        extension::ClientId,
    },
};

use super::{MailSettings, MailTls, MailTlsStart, bare};
use crate::courier::Undelivered;

/// Sends one mail over one connection.
pub(super) async fn send(text: &str, settings: &MailSettings) -> Result<(), Undelivered> {
    let server = settings.server;
    let host = server.address.to_string();
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(server.port)
        .hello_name(ClientId::Domain(settings.helo.clone()))
        .timeout(Some(settings.timeout));
    if let Some(tls) = &settings.tls {
        transport = transport.tls(encryption(tls).await?);
    }
    if let Some(credentials) = &settings.credentials {
        transport = transport.credentials(Credentials::new(
            credentials.user.clone(),
            credentials.password.clone(),
        ));
    }
    let envelope = envelope(settings)?;
    let transport = transport.build();
    let sending = transport.send_raw(&envelope, text.as_bytes());
    // lettre limits each step; a server that is slow in each must not hold up for long.
    match tokio::time::timeout(settings.timeout, sending).await {
        Ok(Ok(_response)) => Ok(()),
        Ok(Err(error)) => Err(Undelivered {
            for_good: error.is_permanent(),
            reason: format!("{server} does not take it: {}", chain(&error)),
        }),
        Err(_elapsed) => Err(Undelivered::so_far(format!(
            "{server} did not take it within {:?}",
            settings.timeout
        ))),
    }
}

async fn encryption(tls: &MailTls) -> Result<Tls, Undelivered> {
    let mut parameters = TlsParameters::builder(tls.name.clone());
    if let Some(path) = &tls.ca {
        let cannot = |error: &dyn std::fmt::Display| {
            Undelivered::for_good(format!("cannot use the CA `{}`: {error}", path.display()))
        };
        let pem = tokio::fs::read(path)
            .await
            .map_err(|error| cannot(&error))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| cannot(&error))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters
        .build()
        .map_err(|error| Undelivered::for_good(format!("cannot set up TLS: {error}")))?;
    Ok(match tls.start {
        MailTlsStart::StartTls => Tls::Required(parameters),
        MailTlsStart::Immediate => Tls::Wrapper(parameters),
    })
}

fn envelope(settings: &MailSettings) -> Result<Envelope, Undelivered> {
    let address = |text: &str| {
        let bare = bare(text);
        bare.parse::<Address>()
            .map_err(|error| Undelivered::for_good(format!("`{bare}` is no address: {error}")))
    };
    let from = address(&settings.from)?;
    let to = settings.to.iter().map(|to| address(to));
    let to = to.collect::<Result<_, _>>()?;
    Envelope::new(Some(from), to)
        .map_err(|error| Undelivered::for_good(format!("no recipients: {error}")))
}

/// An error with all that lies behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        inner = error.source();
    }
    text
}
