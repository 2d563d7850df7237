//! HTTP_GET and SSL_GET: one request, and what its answer must be.
//!
//! The bytes of a request are those of keepalived. The status is looked at first, then the digest of the
//! body, then its regular expression; a body is only read when one of these asks for it. There are no
//! redirects, and chunks are not decoded.

mod fetch;
mod regex;
mod response;
mod tls;

use std::{fmt::Write as _, net::IpAddr};

use md5::{Digest as _, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use xvs_conf::config::{HttpCheck, HttpVersion, StatusRange, Url};
use xvs_types::Endpoint;

pub use self::fetch::{Fetch, Fetched, fetch};
use crate::{Failure, Probe, Success, connect};

/// Statuses that are well when nothing is said.
const WELL: StatusRange = StatusRange {
    first: 200,
    last: 299,
};

/// The most of a body that is read for its digest.
const BODY_LIMIT: u64 = 64 * 1024 * 1024;

/// The most of a body that a regular expression sees.
const MATCHED: usize = 1024 * 1024;

pub(crate) async fn run(check: &HttpCheck, url: usize, probe: &Probe) -> Result<Success, Failure> {
    let url = check.urls.get(url).ok_or(Failure::NotAProbe)?;
    let to = connect::connection(probe)?.to;
    let host = url.virtualhost.as_deref().or(check.virtualhost.as_deref());
    let request = request(check.version, &url.path, host, to);
    let stream = connect::tcp(probe).await?;
    match &check.tls {
        None => exchange(stream, &request, url, probe, |_| true).await,
        Some(settings) => {
            let stream = tls::connect(stream, settings, host, probe).await?;
            let compliant = settings.tls_compliant || url.tls_compliant;
            let well = |stream: &_| !compliant || tls::ended_properly(stream);
            exchange(stream, &request, url, probe, well).await
        }
    }
}

fn request(version: HttpVersion, path: &str, host: Option<&str>, to: Endpoint) -> String {
    let (number, close) = match version {
        HttpVersion::V1_0 => ("1.0", ""),
        HttpVersion::V1_0Close => ("1.0", "Connection: close\r\n"),
        HttpVersion::V1_1 => ("1.1", "Connection: close\r\n"),
    };
    let host = match (host, to.address) {
        (Some(host), _) => host.to_owned(),
        (None, IpAddr::V4(address)) => format!("{address}:{}", to.port),
        (None, IpAddr::V6(address)) => format!("[{address}]:{}", to.port),
    };
    format!(
        "GET {path} HTTP/{number}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n"
    )
}

/// Sends the request, reads the answer and judges it; `ended_well` says whether the end of the stream is
/// the end of the answer.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &str,
    url: &Url,
    probe: &Probe,
    ended_well: impl Fn(&S) -> bool,
) -> Result<Success, Failure> {
    let sending = stream.write_all(request.as_bytes());
    connect::within(probe.timeout, "sending the request", sending).await?;
    let mut head = response::Head::default();
    let mut buffer = vec![0; 4096];
    let mut body = loop {
        let reading = stream.read(&mut buffer);
        let count = connect::within(probe.timeout, "waiting for the answer", reading).await?;
        if count == 0 {
            return Err(Failure::Closed);
        }
        if let Some(rest) = head.take(&buffer[..count])? {
            break Body::begin(url, rest);
        }
    };
    let well = |range: &StatusRange| (range.first..=range.last).contains(&head.status);
    let is_well = if url.statuses.is_empty() {
        well(&WELL)
    } else {
        url.statuses.iter().any(well)
    };
    if !is_well {
        return Err(Failure::Status(head.status));
    }
    while body.is_wanted(head.length) {
        let reading = stream.read(&mut buffer);
        let count = connect::within(probe.timeout, "waiting for the body", reading).await?;
        if count == 0 {
            if !ended_well(&stream) {
                return Err(Failure::Tls(
                    "the peer closed without close_notify".to_owned(),
                ));
            }
            break;
        }
        body.take(&buffer[..count])?;
    }
    body.judge(url)
}

/// What of a body is kept: nothing, its digest, its beginning.
struct Body {
    digest: Option<Md5>,
    beginning: Option<Vec<u8>>,
    length: u64,
}

impl Body {
    /// A body that begins with `rest`, which came with the head.
    fn begin(url: &Url, rest: Vec<u8>) -> Self {
        let mut digest = (!url.digests.is_empty()).then(Md5::new);
        if let Some(digest) = &mut digest {
            digest.update(&rest);
        }
        Self {
            digest,
            length: u64::try_from(rest.len()).unwrap_or(u64::MAX),
            beginning: url.regex.is_some().then_some(rest),
        }
    }

    /// Whether more of it must be read.
    fn is_wanted(&self, announced: Option<u64>) -> bool {
        let conditions = self.digest.is_some() || self.beginning.is_some();
        conditions && announced.is_none_or(|length| self.length < length)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.length = self
            .length
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.length > BODY_LIMIT {
            return Err(Failure::TooLong {
                what: "the body",
                limit: BODY_LIMIT,
            });
        }
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        if let Some(beginning) = &mut self.beginning {
            let room = MATCHED.saturating_sub(beginning.len()).min(bytes.len());
            beginning.extend_from_slice(&bytes[..room]);
        }
        Ok(())
    }

    fn judge(self, url: &Url) -> Result<Success, Failure> {
        if let Some(digest) = self.digest {
            let digest: [u8; 16] = digest.finalize().into();
            if !url.digests.contains(&digest) {
                return Err(Failure::Digest(hexadecimal(&digest)));
            }
        }
        if let (Some(wanted), Some(beginning)) = (&url.regex, &self.beginning) {
            let matches = regex::matches(wanted, beginning)?;
            match (matches, wanted.no_match) {
                (false, false) => return Err(Failure::NoMatch),
                (true, true) => return Err(Failure::Match),
                _ => {}
            }
        }
        Ok(Success::Plain)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_those_of_the_original() {
        let to = "127.0.0.1:9080".parse().unwrap();
        for (version, path, host, recorded) in [
            (
                HttpVersion::V1_0,
                "/",
                None,
                "GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 127.0.0.1:9080\r\n\r\n",
            ),
            (
                HttpVersion::V1_0Close,
                "/a",
                None,
                "GET /a HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: 127.0.0.1:9080\r\n\r\n",
            ),
            (
                HttpVersion::V1_1,
                "/x?y=1",
                Some("www.example.com"),
                "GET /x?y=1 HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: www.example.com\r\n\r\n",
            ),
        ] {
            assert_eq!(request(version, path, host, to), recorded);
        }
        let six = request(
            HttpVersion::V1_0,
            "/",
            None,
            "[2001:db8::1]:80".parse().unwrap(),
        );
        assert!(six.ends_with("Host: [2001:db8::1]:80\r\n\r\n"));
    }
}
