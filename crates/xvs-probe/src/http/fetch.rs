//! One page as a check would see it, for whoever needs its digest (`genhash`).

use std::time::Duration;

use md5::{Digest as _, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use xvs_conf::config::{CheckKind, Connection, HttpVersion, TlsCheck};

use super::{BODY_LIMIT, request, response::Head, tls};
use crate::{Failure, Probe, connect};

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// Where, and from where.
    pub connection: Connection,
    /// The version in the request.
    pub version: HttpVersion,
    /// What stands behind `GET`.
    pub path: String,
    /// What stands behind `Host:`; none for the address and port.
    pub virtualhost: Option<String>,
    /// With TLS.
    pub tls: Option<TlsCheck>,
    /// How long connecting and each wait for data may take.
    pub timeout: Duration,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The head, with the empty line that ends it.
    pub head: Vec<u8>,
    /// The body, as it came over the wire.
    pub body: Vec<u8>,
    /// The MD5 of the body.
    pub digest: [u8; 16],
}

/// Fetches a page; whatever its status, its body counts.
///
/// # Errors
/// It cannot be reached, does not answer in time, is no HTTP, or has more than 64 MiB.
pub async fn fetch(wanted: &Fetch) -> Result<Fetched, Failure> {
    let probe = Probe {
        kind: CheckKind::Tcp,
        connection: Some(wanted.connection.clone()),
        timeout: wanted.timeout,
        ssl: None,
    };
    let host = wanted.virtualhost.as_deref();
    let request = request(wanted.version, &wanted.path, host, wanted.connection.to);
    let stream = connect::tcp(&probe).await?;
    match &wanted.tls {
        None => exchange(stream, &request, wanted.timeout).await,
        Some(settings) => {
            let stream = tls::connect(stream, settings, host, &probe).await?;
            exchange(stream, &request, wanted.timeout).await
        }
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &str,
    timeout: Duration,
) -> Result<Fetched, Failure> {
    let sending = stream.write_all(request.as_bytes());
    connect::within(timeout, "sending the request", sending).await?;
    let mut head = Head::default();
    let mut buffer = vec![0; 4096];
    let mut body = loop {
        let reading = stream.read(&mut buffer);
        let count = connect::within(timeout, "waiting for the answer", reading).await?;
        if count == 0 {
            return Err(Failure::Closed);
        }
        if let Some(rest) = head.take(buffer.get(..count).unwrap_or_default())? {
            break rest;
        }
    };
    let length = |body: &Vec<u8>| u64::try_from(body.len()).unwrap_or(u64::MAX);
    while head
        .length
        .is_none_or(|announced| length(&body) < announced)
    {
        let reading = stream.read(&mut buffer);
        let count = connect::within(timeout, "waiting for the body", reading).await?;
        if count == 0 {
            break;
        }
        body.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if length(&body) > BODY_LIMIT {
            return Err(Failure::TooLong {
                what: "the body",
                limit: BODY_LIMIT,
            });
        }
    }
    let digest = Md5::digest(&body).into();
    Ok(Fetched {
        head: head.bytes,
        body,
        digest,
    })
}
