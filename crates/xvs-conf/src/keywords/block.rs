//! The blocks, and the search for a keyword by name.

use std::fmt;

use super::{
    Keyword, Spec, bfd_instance, checker, global_defs, groups, http_get, lookup, real_server, root,
    ssl, sync_group, track_file, track_process, virtual_server, vrrp_instance, vrrp_script,
};

/// A block of keywords.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is named as its keyword is")]
pub enum Block {
    AuthHmac,
    Authentication,
    BfdCheck,
    BfdInstance,
    DnsCheck,
    FileCheck,
    GarpGroup,
    GlobalDefs,
    HttpGet,
    MiscCheck,
    PingCheck,
    RealServer,
    Root,
    SmtpCheck,
    SmtpHost,
    Ssl,
    SslGet,
    TcpCheck,
    TrackFile,
    TrackGroup,
    TrackProcess,
    UdpCheck,
    Url,
    VirtualServer,
    VrrpInstance,
    VrrpScript,
    VrrpSyncGroup,
}

impl Block {
    /// All blocks.
    pub(crate) const ALL: [Self; 27] = [
        Self::AuthHmac,
        Self::Authentication,
        Self::BfdCheck,
        Self::BfdInstance,
        Self::DnsCheck,
        Self::FileCheck,
        Self::GarpGroup,
        Self::GlobalDefs,
        Self::HttpGet,
        Self::MiscCheck,
        Self::PingCheck,
        Self::RealServer,
        Self::Root,
        Self::SmtpCheck,
        Self::SmtpHost,
        Self::Ssl,
        Self::SslGet,
        Self::TcpCheck,
        Self::TrackFile,
        Self::TrackGroup,
        Self::TrackProcess,
        Self::UdpCheck,
        Self::Url,
        Self::VirtualServer,
        Self::VrrpInstance,
        Self::VrrpScript,
        Self::VrrpSyncGroup,
    ];
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthHmac => "`auth_hmac`",
            Self::Authentication => "`authentication`",
            Self::BfdCheck => "`BFD_CHECK`",
            Self::BfdInstance => "`bfd_instance`",
            Self::DnsCheck => "`DNS_CHECK`",
            Self::FileCheck => "`FILE_CHECK`",
            Self::GarpGroup => "`garp_group`",
            Self::GlobalDefs => "`global_defs`",
            Self::HttpGet => "`HTTP_GET`",
            Self::MiscCheck => "`MISC_CHECK`",
            Self::PingCheck => "`PING_CHECK`",
            Self::RealServer => "`real_server`",
            Self::Root => "no block",
            Self::SmtpCheck => "`SMTP_CHECK`",
            Self::SmtpHost => "`host`",
            Self::Ssl => "`SSL`",
            Self::SslGet => "`SSL_GET`",
            Self::TcpCheck => "`TCP_CHECK`",
            Self::TrackFile => "`track_file`",
            Self::TrackGroup => "`track_group`",
            Self::TrackProcess => "`vrrp_track_process`",
            Self::UdpCheck => "`UDP_CHECK`",
            Self::Url => "`url`",
            Self::VirtualServer => "`virtual_server`",
            Self::VrrpInstance => "`vrrp_instance`",
            Self::VrrpScript => "`vrrp_script`",
            Self::VrrpSyncGroup => "`vrrp_sync_group`",
        })
    }
}

/// Calls `$visit` with the tables of `$block`; each block has a type of its own.
macro_rules! with_tables {
    ($block:expr, $visit:ident $(, $argument:expr)*) => {
        match $block {
            Block::AuthHmac => $visit(&[vrrp_instance::AUTH_HMAC] $(, $argument)*),
            Block::Authentication => $visit(&[vrrp_instance::AUTHENTICATION] $(, $argument)*),
            Block::BfdCheck => $visit(&[checker::BFD] $(, $argument)*),
            Block::BfdInstance => $visit(&[bfd_instance::KEYWORDS] $(, $argument)*),
            Block::DnsCheck => $visit(&[checker::DNS, checker::COMMON] $(, $argument)*),
            Block::FileCheck => $visit(&[checker::FILE] $(, $argument)*),
            Block::GarpGroup => $visit(&[groups::GARP] $(, $argument)*),
            Block::GlobalDefs => $visit(&[global_defs::KEYWORDS, global_defs::KEPT, global_defs::OWN] $(, $argument)*),
            Block::HttpGet => $visit(&[http_get::HTTP, checker::COMMON] $(, $argument)*),
            Block::MiscCheck => $visit(&[checker::MISC, checker::TIMES] $(, $argument)*),
            Block::PingCheck | Block::TcpCheck => $visit(&[checker::COMMON] $(, $argument)*),
            Block::RealServer => {
                $visit(&[real_server::KEYWORDS, real_server::CHECKERS] $(, $argument)*)
            }
            Block::Root => $visit(&[root::KEYWORDS] $(, $argument)*),
            Block::SmtpCheck => $visit(&[checker::SMTP, checker::COMMON] $(, $argument)*),
            Block::SmtpHost => $visit(&[checker::COMMON] $(, $argument)*),
            Block::Ssl => $visit(&[ssl::KEYWORDS] $(, $argument)*),
            Block::SslGet => {
                $visit(&[http_get::HTTP, http_get::TLS, checker::COMMON] $(, $argument)*)
            }
            Block::TrackFile => $visit(&[track_file::KEYWORDS] $(, $argument)*),
            Block::TrackGroup => $visit(&[groups::TRACK] $(, $argument)*),
            Block::TrackProcess => $visit(&[track_process::KEYWORDS] $(, $argument)*),
            Block::UdpCheck => $visit(&[checker::UDP, checker::COMMON] $(, $argument)*),
            Block::Url => $visit(&[http_get::URL] $(, $argument)*),
            Block::VirtualServer => $visit(&[virtual_server::KEYWORDS] $(, $argument)*),
            Block::VrrpInstance => $visit(&[vrrp_instance::KEYWORDS] $(, $argument)*),
            Block::VrrpScript => $visit(&[vrrp_script::KEYWORDS] $(, $argument)*),
            Block::VrrpSyncGroup => $visit(&[sync_group::KEYWORDS] $(, $argument)*),
        }
    };
}

/// The keyword `name` of `block`.
pub(crate) fn find(block: Block, name: &str) -> Option<&'static Spec> {
    with_tables!(block, spec, name)
}

/// Every keyword with the block it stands in, for documentation and completion.
#[must_use]
pub fn all_keywords() -> Vec<(Block, &'static Spec)> {
    Block::ALL
        .into_iter()
        .flat_map(|block| all(block).into_iter().map(move |spec| (block, spec)))
        .collect()
}

/// All keywords of `block`.
fn all(block: Block) -> Vec<&'static Spec> {
    with_tables!(block, specs)
}

/// The keyword of `block` that `name` is most likely a slip of.
pub(crate) fn nearest(block: Block, name: &str) -> Option<&'static str> {
    let allowed = if name.len() < 5 { 1 } else { 2 };
    all(block)
        .into_iter()
        .map(|spec| (distance(spec.name, name), spec.name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// A block where `name` is a keyword.
pub(crate) fn home_of(name: &str) -> Option<Block> {
    Block::ALL
        .into_iter()
        .find(|block| *block != Block::Root && find(*block, name).is_some())
}

fn spec<T>(tables: &[&'static [Keyword<T>]], name: &str) -> Option<&'static Spec> {
    lookup(tables, name).map(|keyword| &keyword.spec)
}

fn specs<T>(tables: &[&'static [Keyword<T>]]) -> Vec<&'static Spec> {
    tables
        .iter()
        .flat_map(|table| table.iter())
        .map(|keyword| &keyword.spec)
        .collect()
}

/// Letters to change, add or drop; names that are too far apart in length are not looked at.
fn distance(known: &str, given: &str) -> usize {
    if known.len().abs_diff(given.len()) > 2 {
        return usize::MAX;
    }
    let given: Vec<char> = given.chars().collect();
    let mut row: Vec<usize> = (0..=given.len()).collect();
    for (index, letter) in known.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in given.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[given.len()]
}
