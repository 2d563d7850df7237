//! `bfd_instance`.

use std::{net::IpAddr, time::Duration};

use super::{Keyword, Line, Scope, Tier, track_file::reverse};
use crate::{
    codes,
    config::{BfdInstance, TrackWeight},
    span::Span,
};

/// A `bfd_instance` as it was read.
#[derive(Debug, Default)]
pub(crate) struct BfdDraft {
    pub(crate) neighbour: Option<IpAddr>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) min_rx: Option<Duration>,
    pub(crate) min_tx: Option<Duration>,
    pub(crate) idle_tx: Option<Duration>,
    pub(crate) multiplier: Option<u8>,
    pub(crate) passive: bool,
    pub(crate) ttl: Option<u8>,
    pub(crate) max_hops: Option<u8>,
    pub(crate) multihop: bool,
    pub(crate) weight: TrackWeight,
    pub(crate) for_vrrp: bool,
    pub(crate) for_checkers: bool,
}

/// The longest interval: 1000 s in microseconds (`BFD_MINRX_MAX`).
const MAX_INTERVAL: u64 = 1_000_000;

type Key = Keyword<BfdDraft>;

/// The keywords of `bfd_instance`.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::value("source_ip", Tier::Rare, |bfd, line, scope| {
        bfd.source = line.address(1, "the kernel chooses", scope).or(bfd.source);
    }),
    Key::value("neighbor_ip", Tier::Rare, neighbour),
    Key::value("neighbour_ip", Tier::Rare, neighbour),
    Key::value("min_rx", Tier::Rare, |bfd, line, scope| {
        bfd.min_rx = milliseconds(line, 1, "it is 10 ms", scope).or(bfd.min_rx);
    }),
    Key::value("min_tx", Tier::Rare, |bfd, line, scope| {
        bfd.min_tx = milliseconds(line, 1, "it is 10 ms", scope).or(bfd.min_tx);
    }),
    Key::value("idle_tx", Tier::Rare, |bfd, line, scope| {
        bfd.idle_tx = milliseconds(line, 1_000_000, "it is 1000 ms", scope).or(bfd.idle_tx);
    }),
    Key::value("multiplier", Tier::Rare, |bfd, line, scope| {
        bfd.multiplier = line
            .lax_integer(1, 1..=255, "it is 5", scope)
            .or(bfd.multiplier);
    }),
    Key::flag("passive", Tier::Rare, |bfd, _, _| bfd.passive = true),
    Key::value("ttl", Tier::Rare, ttl),
    Key::value("hoplimit", Tier::Rare, ttl),
    Key::value("max_hops", Tier::Rare, |bfd, line, scope| {
        let hops: Option<i16> = line.lax_integer(1, -1..=255, "it is 0", scope);
        bfd.max_hops = hops.map(|hops| u8::try_from(hops).unwrap_or(u8::MAX));
    }),
    Key::optional("multihop", Tier::Rare, |bfd, line, scope| {
        bfd.multihop = line.switch(scope).unwrap_or(bfd.multihop);
    })
    .newer(),
    Key::words("weight", 1, Tier::Rare, |bfd, line, scope| {
        if let Some(weight) = line.lax_integer(1, -253..=253, "the weight 0 stays", scope) {
            bfd.weight.weight = weight;
        }
        bfd.weight.reverse |= reverse(line, 2, scope);
    })
    .at_most(2),
    Key::flag("vrrp", Tier::Rare, |bfd, _, _| bfd.for_vrrp = true),
    Key::flag("checker", Tier::Rare, |bfd, _, _| bfd.for_checkers = true),
];

impl BfdDraft {
    /// The instance, if it has a neighbour.
    pub(crate) fn finish(
        self,
        name: &str,
        span: Span,
        scope: &mut Scope<'_>,
    ) -> Option<BfdInstance> {
        let Some(neighbour) = self.neighbour else {
            scope.sink.reported(
                codes::MISSING_SETTING,
                span,
                format!("BFD instance `{name}` has no `neighbor_ip`"),
                "it is left out",
            );
            return None;
        };
        let source = self.source.filter(|source| {
            let same = source.is_ipv4() == neighbour.is_ipv4();
            if !same {
                scope.sink.reported(
                    codes::INVALID_ADDRESS,
                    span,
                    format!("the addresses of BFD instance `{name}` are of two families"),
                    "`source_ip` is ignored",
                );
            }
            same
        });
        let ttl = self
            .ttl
            .unwrap_or_else(|| if neighbour.is_ipv4() { 255 } else { 64 });
        let mut max_hops = self.max_hops.unwrap_or(0);
        if self.max_hops.is_some() && max_hops != u8::MAX && max_hops > ttl {
            scope.sink.reported(
                codes::CONFLICT,
                span,
                format!("BFD instance `{name}` allows more hops than its TTL"),
                format!("`max_hops` is {ttl}"),
            );
            max_hops = ttl;
        }
        let both = !self.for_vrrp && !self.for_checkers;
        Some(BfdInstance {
            name: name.to_owned(),
            neighbour,
            source,
            min_rx: self.min_rx.unwrap_or(Duration::from_millis(10)),
            min_tx: self.min_tx.unwrap_or(Duration::from_millis(10)),
            idle_tx: self.idle_tx.unwrap_or(Duration::from_secs(1)),
            multiplier: self.multiplier.unwrap_or(5),
            passive: self.passive,
            ttl,
            max_hops,
            multihop: self.multihop,
            weight: self.weight,
            for_vrrp: both || self.for_vrrp,
            for_checkers: both || self.for_checkers,
        })
    }
}

fn neighbour(bfd: &mut BfdDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    bfd.neighbour = line
        .address(1, "the line is ignored", scope)
        .or(bfd.neighbour);
}

fn ttl(bfd: &mut BfdDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    bfd.ttl = line
        .lax_integer(1, 1..=255, "the default stays", scope)
        .or(bfd.ttl);
}

/// Milliseconds with up to three decimals.
fn milliseconds(
    line: &Line<'_>,
    least: u64,
    keeps: &str,
    scope: &mut Scope<'_>,
) -> Option<Duration> {
    line.decimal(1, 3, least..=MAX_INTERVAL * 1_000, keeps, scope)
        .map(Duration::from_micros)
}
