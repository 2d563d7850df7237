//! The webhook: one JSON object for each event, by HTTP POST.
//!
//! ```json
//! {"time_ms": 1795199026728, "router_id": "KAD", "kind": "real_server",
//!  "name": "[127.0.0.1]:tcp:9001", "virtual_server": "[10.98.0.100]:tcp:80",
//!  "up": false, "reason": "TCP CHECK failed on service"}
//! ```
//!
//! An answer of 200 to 299 means that it arrived; 400 to 499 that it never will, but for 408 and 429.

use std::{path::PathBuf, pin::Pin, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use openssl::{
    error::ErrorStack,
    ssl::{Ssl, SslConnector, SslMethod},
};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use xvs_conf::config::GlobalDefs;

use crate::{
    Event,
    counters::{Counters, SinkCounters},
    courier::{Carrier, Retries, Undelivered},
    event::Change,
    secret::{self, SecretError},
};

/// Where events are posted.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// `http://` or `https://`, a host, and what follows.
    pub url: String,
    /// What stands behind `Authorization: Bearer`; default none.
    pub token: Option<String>,
    /// The name of this director in each event.
    pub router_id: String,
    /// PEM file of a further authority; default those of the system.
    pub ca: Option<PathBuf>,
    /// How long one try may take; default 5 s.
    pub timeout: Duration,
    /// When the server does not take it.
    pub retries: Retries,
}

impl WebhookSettings {
    /// What the configuration says; none without a URL.
    ///
    /// # Errors
    ///
    /// The token is not known.
    pub(crate) fn from_config(
        global: &GlobalDefs,
        host_name: &str,
    ) -> Result<Option<Self>, SecretError> {
        let Some(webhook) = &global.own.webhook else {
            return Ok(None);
        };
        let router_id = global.router_id.as_deref().unwrap_or(host_name);
        Ok(Some(Self {
            token: webhook
                .token_file
                .as_deref()
                .map(secret::read)
                .transpose()?,
            ca: webhook.ca.as_ref().map(PathBuf::from),
            ..Self::new(webhook.url.as_str(), router_id)
        }))
    }

    /// With every default.
    #[must_use]
    pub fn new(url: impl Into<String>, router_id: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            router_id: router_id.into(),
            ca: None,
            timeout: Duration::from_secs(5),
            retries: Retries::default(),
        }
    }
}

impl std::fmt::Debug for WebhookSettings {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSettings")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Posts events.
#[derive(Debug)]
pub(crate) struct Webhook {
    settings: WebhookSettings,
}

/// An event as it is posted.
#[derive(Serialize)]
struct Body<'a> {
    /// Milliseconds since 1970, UTC.
    time_ms: u64,
    router_id: &'a str,
    #[serde(flatten)]
    change: &'a Change,
}

impl Webhook {
    pub(crate) fn new(settings: WebhookSettings) -> Self {
        Self { settings }
    }

    async fn post(&self, event: &Event) -> Result<(), Undelivered> {
        let url = &self.settings.url;
        let wrong = |what: &str| Undelivered::for_good(format!("the webhook `{url}` {what}"));
        let uri: Uri = url.parse().map_err(|_wrong| wrong("is no URL"))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("begins neither with http:// nor with https://")),
        };
        let host = uri.host().ok_or_else(|| wrong("names no host"))?;
        // An IPv6 address stands in brackets in a URL, and nowhere else.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let request = self.request(&uri, event)?;
        let stream = TcpStream::connect((bare, port))
            .await
            .map_err(|error| Undelivered::so_far(format!("no connection to {url}: {error}")))?;
        let status = if secure {
            exchange(TokioIo::new(self.encrypt(bare, stream).await?), request).await
        } else {
            exchange(TokioIo::new(stream), request).await
        };
        let status =
            status.map_err(|error| Undelivered::so_far(format!("{url} broke off: {error}")))?;
        if status.is_success() {
            return Ok(());
        }
        let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        Err(Undelivered {
            reason: format!("{url} answers {status}"),
            for_good: status.is_client_error() && !again.contains(&status),
        })
    }

    fn request(&self, uri: &Uri, event: &Event) -> Result<Request<Full<Bytes>>, Undelivered> {
        let since = event.time.duration_since(std::time::UNIX_EPOCH);
        let body = Body {
            // A clock before 1970 has no better answer.
            time_ms: since.map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }),
            router_id: &self.settings.router_id,
            change: &event.change,
        };
        let cannot = |error: &dyn std::fmt::Display| {
            Undelivered::for_good(format!("cannot write the request: {error}"))
        };
        let body = serde_json::to_vec(&body).map_err(|error| cannot(&error))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        // User and password in a URL are for the Authorization header, which has the token.
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let mut request = Request::post(path)
            .header(HOST, host)
            .header(USER_AGENT, concat!("xvs/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close");
        if let Some(token) = &self.settings.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| cannot(&error))
    }

    async fn encrypt(
        &self,
        name: &str,
        stream: TcpStream,
    ) -> Result<SslStream<TcpStream>, Undelivered> {
        let session = self
            .session(name)
            .map_err(|error| Undelivered::for_good(format!("cannot set up TLS: {error}")))?;
        let mut stream = SslStream::new(session, stream)
            .map_err(|error| Undelivered::for_good(format!("cannot set up TLS: {error}")))?;
        Pin::new(&mut stream)
            .connect()
            .await
            .map_err(|error| Undelivered::so_far(format!("no TLS with {name}: {error}")))?;
        Ok(stream)
    }

    /// Verifies the server's certificate and its name.
    fn session(&self, name: &str) -> Result<Ssl, ErrorStack> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        if let Some(path) = &self.settings.ca {
            builder.set_ca_file(path)?;
        }
        builder.build().configure()?.into_ssl(name)
    }
}

impl Carrier for Webhook {
    type Item = Event;
    const WHAT: &'static str = "webhook event";

    async fn carry(&self, event: &Event) -> Result<(), Undelivered> {
        let limit = self.settings.timeout;
        tokio::time::timeout(limit, self.post(event))
            .await
            .map_err(|_elapsed| {
                let url = &self.settings.url;
                Undelivered::so_far(format!("{url} did not answer within {limit:?}"))
            })?
    }

    fn counters(counters: &Counters) -> &SinkCounters {
        &counters.webhook
    }
}

/// Sends one request over a connection of its own; its answer's body is not read.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> hyper::Result<StatusCode>
where
    S: Read + Write + Unpin,
{
    let (mut sender, connection) = http1::handshake(stream).await?;
    let answer = sender.send_request(request);
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => Ok(answer?.status()),
        // The connection ends before its answer only with an error, which the answer has too.
        _ended = &mut connection => Ok(answer.await?.status()),
    }
}
