//! TLS for SSL_GET, by OpenSSL, so that old servers are reached too.
//!
//! As in keepalived the peer's certificate is not verified: a check asks whether the server works. Every
//! protocol version and cipher that OpenSSL has is offered.

use std::{fs, net::IpAddr, pin::Pin};

use foreign_types::ForeignTypeRef;
use openssl::{
    error::ErrorStack,
    pkey::PKey,
    ssl::{SslConnector, SslFiletype, SslMethod, SslOptions, SslVerifyMode},
};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use xvs_conf::config::{SslSettings, TlsCheck};

use crate::{Failure, Probe};

/// Every cipher, at the security level that lets old ones through.
const CIPHERS: &str = "ALL:@SECLEVEL=0";

/// A TLS session over `stream`; `host` is the virtual host of the request.
pub(super) async fn connect(
    stream: TcpStream,
    check: &TlsCheck,
    host: Option<&str>,
    probe: &Probe,
) -> Result<SslStream<TcpStream>, Failure> {
    let connector = connector(probe.ssl.as_ref())?;
    let mut session = connector.configure().map_err(failed)?;
    session.set_verify_hostname(false);
    let name = check
        .sni_name
        .as_deref()
        .or_else(|| host.filter(|_| check.enable_sni));
    // RFC 6066 section 3: an address is no server name.
    let name = name.filter(|name| name.parse::<IpAddr>().is_err());
    session.set_use_server_name_indication(name.is_some());
    let session = session.into_ssl(name.unwrap_or_default()).map_err(failed)?;
    let mut stream = SslStream::new(session, stream).map_err(failed)?;
    match tokio::time::timeout(probe.timeout, Pin::new(&mut stream).connect()).await {
        Ok(Ok(())) => Ok(stream),
        Ok(Err(error)) => Err(Failure::Tls(error.to_string())),
        Err(_elapsed) => Err(Failure::Timeout {
            what: "the TLS handshake",
            after: probe.timeout,
        }),
    }
}

/// Whether the peer ended the session by close_notify (RFC 8446 section 6.1) and not only the connection.
pub(super) fn ended_properly(stream: &SslStream<TcpStream>) -> bool {
    // SAFETY: the session lives as long as `stream`, and the call only reads from it.
    let state = unsafe { openssl_sys::SSL_get_shutdown(stream.ssl().as_ptr()) };
    state & openssl_sys::SSL_RECEIVED_SHUTDOWN != 0
}

fn connector(settings: Option<&SslSettings>) -> Result<SslConnector, Failure> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(failed)?;
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_min_proto_version(None).map_err(failed)?;
    builder.set_cipher_list(CIPHERS).map_err(failed)?;
    // SSL_OP_LEGACY_SERVER_CONNECT of ssl.h: peers without RFC 5746.
    builder.set_options(SslOptions::from_bits_retain(0x4));
    let Some(settings) = settings else {
        return Ok(builder.build());
    };
    if let Some(path) = &settings.ca {
        builder.set_ca_file(path).map_err(failed)?;
    }
    if let Some(path) = &settings.certificate {
        builder.set_certificate_chain_file(path).map_err(failed)?;
    }
    match (&settings.key, &settings.password) {
        (Some(path), None) => builder
            .set_private_key_file(path, SslFiletype::PEM)
            .map_err(failed)?,
        (Some(path), Some(password)) => {
            let pem = fs::read(path).map_err(|source| Failure::Socket {
                what: "read the TLS key (`key` of `SSL`)",
                source,
            })?;
            let key = PKey::private_key_from_pem_passphrase(&pem, password.as_bytes());
            builder
                .set_private_key(&*key.map_err(failed)?)
                .map_err(failed)?;
        }
        (None, _) => {}
    }
    Ok(builder.build())
}

fn failed(error: ErrorStack) -> Failure {
    Failure::Tls(error.to_string())
}
