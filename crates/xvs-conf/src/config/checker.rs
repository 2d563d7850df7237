//! Health checks.

use std::{net::IpAddr, time::Duration};

use serde::Serialize;
use xvs_types::Endpoint;

use super::{Script, Timing, TrackWeight};

/// A check of a real server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checker {
    /// What is done.
    pub kind: CheckKind,
    /// When it is done.
    pub timing: Timing,
    /// Where it connects to; none for checks that open no connection.
    pub connection: Option<Connection>,
    /// The real server counts as down until the first success.
    pub alpha: bool,
    /// Log every failure.
    pub log_all_failures: bool,
}

/// Where a check connects to, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// `connect_ip` and `connect_port`; default those of the real server.
    pub to: Endpoint,
    /// `bindto` and `bind_port`.
    pub from: Option<Endpoint>,
    /// `bind_port` without `bindto`.
    pub from_port: Option<u16>,
    /// `bind_if`.
    pub interface: Option<String>,
    /// `fwmark` of its packets; 0 for none.
    pub mark: u32,
}

/// The kinds of checks, in alphabetical order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckKind {
    /// `BFD_CHECK`.
    Bfd(BfdCheck),
    /// `DNS_CHECK`.
    Dns(DnsCheck),
    /// `FILE_CHECK`.
    File(FileCheck),
    /// `HTTP_GET` and `SSL_GET`.
    Http(HttpCheck),
    /// `MISC_CHECK`.
    Misc(MiscCheck),
    /// `PING_CHECK`.
    Ping,
    /// `SMTP_CHECK`.
    Smtp(SmtpCheck),
    /// `TCP_CHECK`.
    Tcp,
    /// `UDP_CHECK`.
    Udp(UdpCheck),
}

/// The state of a BFD session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BfdCheck {
    /// The `bfd_instance`.
    pub instance: String,
}

/// A DNS question over UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DnsCheck {
    /// What is asked for; default SOA.
    pub question: DnsType,
    /// The name; default the root.
    pub name: String,
}

/// Record types, in the order of RFC 1035 and its successors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are those of the DNS")]
pub enum DnsType {
    A,
    Ns,
    Cname,
    #[default]
    Soa,
    Mx,
    Txt,
    Aaaa,
    Rrsig,
    Dnskey,
}

/// The number in a `track_file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileCheck {
    /// The `track_file`.
    pub file: String,
    /// What the number is multiplied by.
    #[serde(flatten)]
    pub weight: TrackWeight,
}

/// `HTTP_GET` and `SSL_GET`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HttpCheck {
    /// TLS; none for plain HTTP.
    pub tls: Option<TlsCheck>,
    /// The URLs, never empty.
    pub urls: Vec<Url>,
    /// Host of URLs that name none.
    pub virtualhost: Option<String>,
    /// The version of requests; default 1.0.
    pub version: HttpVersion,
    /// All URLs are tried at once when the server comes back.
    pub fast_recovery: bool,
}

/// What `SSL_GET` adds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlsCheck {
    /// Send the virtual host as server name.
    pub enable_sni: bool,
    /// Send this server name instead.
    pub sni_name: Option<String>,
    /// The peer must end TLS properly.
    pub tls_compliant: bool,
}

/// The version in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum HttpVersion {
    /// HTTP/1.0 without a Connection header.
    #[default]
    #[serde(rename = "1.0")]
    V1_0,
    /// HTTP/1.0 with `Connection: close`.
    #[serde(rename = "1.0C")]
    V1_0Close,
    /// HTTP/1.1 with `Connection: close`.
    #[serde(rename = "1.1")]
    V1_1,
}

/// One URL; all its conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Url {
    /// The path, never empty.
    pub path: String,
    /// MD5 of the body, 16 bytes; any of them will do.
    pub digests: Vec<[u8; 16]>,
    /// Statuses that are well; default 200 to 299.
    pub statuses: Vec<StatusRange>,
    /// Host of this URL.
    pub virtualhost: Option<String>,
    /// What the body must match.
    pub regex: Option<RegexCheck>,
    /// The peer must end TLS properly.
    pub tls_compliant: bool,
}

/// Statuses from the first to the last, 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// A regular expression (PCRE2) on the body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RegexCheck {
    /// The pattern.
    pub pattern: String,
    /// It must not match.
    pub no_match: bool,
    /// Options by name, as written.
    pub options: Vec<String>,
    /// First byte of the body that may match.
    pub min_offset: u64,
    /// One past the last byte where a match may begin; 0 for no limit.
    pub max_offset: u64,
}

/// A program decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MiscCheck {
    /// The program.
    pub script: Script,
    /// When it is killed; default the delay_loop of the virtual server.
    pub timeout: Duration,
    /// Exit statuses 2 to 255 set the weight.
    pub dynamic: bool,
}

/// A mail server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SmtpCheck {
    /// The name in HELO; default `smtpchecker.keepalived.org`.
    pub helo_name: String,
}

/// A datagram, and what comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UdpCheck {
    /// What is sent; none for random bytes.
    pub payload: Option<Vec<u8>>,
    /// A reply must come.
    pub require_reply: bool,
    /// What the reply must begin with; empty for anything.
    pub reply: Vec<ReplyByte>,
    /// Least length of the reply; default 0.
    pub min_reply_length: u16,
    /// Greatest length of the reply; default 255.
    pub max_reply_length: u16,
}

/// One byte of an expected reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReplyByte {
    /// The bits.
    pub value: u8,
    /// Which bits matter; `x` makes four that do not.
    pub mask: u8,
}

impl Checker {
    /// The address it connects to, if it opens a connection.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.connection
            .as_ref()
            .map(|connection| connection.to.address)
    }
}
