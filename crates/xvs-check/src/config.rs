//! What is to be checked: virtual servers, real servers, checkers, and what a check answers.
//!
//! Everything is validated and has its defaults before it comes here.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use xvs_types::{RealServer, VirtualServer};

/// A virtual server, its real servers and what their health does to it.
///
/// `P` is what a probe needs to know; this crate only compares it, to tell changed checkers from
/// unchanged ones.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualServerConfig<P> {
    /// Its name in logs and notifications, `[192.0.2.1]:tcp:80`; unique.
    pub name: Arc<str>,
    /// What the dataplane gets: one rule, or one for each entry of a group. No two virtual servers
    /// may share a rule.
    pub rules: Vec<VirtualServer>,
    /// The real servers, in the order in which they are written.
    pub real_servers: Vec<RealServerConfig<P>>,
    /// When enough of them are alive.
    pub quorum: Quorum,
    /// Takes over while the quorum is lost.
    pub sorry_server: Option<SorryServer>,
    /// The start is silent: no notification until checks have answered.
    pub alpha: bool,
    /// The end is notified too.
    pub omega: bool,
    /// Checks rest while the address of its rule is not local. Without effect on groups and marks.
    pub ha_suspend: bool,
}

/// How much weight must be alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quorum {
    /// The sum of weights, at least 1; default 1.
    pub weight: u64,
    /// How far the sum may pass it without a change, below `weight`; default 0.
    pub hysteresis: u64,
}

impl Default for Quorum {
    fn default() -> Self {
        Self {
            weight: 1,
            hysteresis: 0,
        }
    }
}

impl Quorum {
    /// The least sum at which a lost quorum is gained.
    #[must_use]
    pub fn gained_at(self) -> u64 {
        self.weight.saturating_add(self.hysteresis)
    }

    /// Below this sum, and at 0, a quorum is lost.
    #[must_use]
    pub fn lost_below(self) -> u64 {
        self.weight.saturating_sub(self.hysteresis)
    }
}

/// The server that says sorry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SorryServer {
    /// What the dataplane gets while it is needed.
    pub server: RealServer,
    /// It stays with weight 0 rather than leave.
    pub inhibit: bool,
}

/// A real server and its checkers.
#[derive(Clone, Debug, PartialEq)]
pub struct RealServerConfig<P> {
    /// Its name in logs and notifications, `[10.0.0.1]:tcp:80`; its identity over a reload.
    pub name: Arc<str>,
    /// What the dataplane gets while it is up.
    pub server: RealServer,
    /// A failure sets weight 0 rather than take it out.
    pub inhibit_on_failure: bool,
    /// All must succeed; without any it is always up.
    pub checkers: Vec<CheckerConfig<P>>,
}

/// One checker.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckerConfig<P> {
    /// What is done; passed on.
    pub probe: P,
    /// What it is called in logs.
    pub kind: Kind,
    /// When it is done.
    pub timing: Timing,
    /// It counts as failed until its first success.
    pub alpha: bool,
    /// How many URLs it has, tried one after the other; 1 for checks without.
    pub urls: usize,
    /// All URLs are tried at once when the server comes back.
    pub fast_recovery: bool,
    /// Failures that are tried again are logged too (`log_all_failures`).
    pub log_all_failures: bool,
}

/// When a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between checks; keepalived's default is 60 s.
    pub delay_loop: Duration,
    /// Further failures until the real server is down; default 1.
    pub retry: u32,
    /// Time before each of them.
    pub delay_before_retry: Duration,
    /// The first check comes up to this much later, by chance.
    pub warmup: Duration,
}

/// What a check is called; it decides only about words, `Bfd` about when the first one starts and `Misc`
/// about when the next one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// `BFD_CHECK` on this instance.
    Bfd(Arc<str>),
    /// `DNS_CHECK`.
    Dns,
    /// `FILE_CHECK` on this `track_file`.
    File(Arc<str>),
    /// `HTTP_GET`.
    Http,
    /// `MISC_CHECK` by this program.
    Misc(Arc<str>),
    /// `PING_CHECK`.
    Ping,
    /// `SMTP_CHECK`.
    Smtp,
    /// `SSL_GET`.
    Ssl,
    /// `TCP_CHECK`.
    Tcp,
    /// `UDP_CHECK`.
    Udp,
}

/// Which checker; never given to another one, so that a late result finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CheckerId(pub(crate) u64);

/// What a check answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server does not work, and why in a few words (`connection refused`).
    Failure(String),
    /// The server works; what that says of its weight.
    Success(Share),
}

/// What a successful check says of the weight of its real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// So much more, or less, than configured (`FILE_CHECK`).
    Add(i64),
    /// As configured.
    Configured,
    /// This much (`misc_dynamic`: exit status less 2).
    Set(u32),
}
