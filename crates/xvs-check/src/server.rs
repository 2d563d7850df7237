//! One real server: its checkers together, and its weight.

use std::sync::Arc;

use xvs_types::{RealServer, Weight};

use crate::{Share, checker::Checker};

/// The state of a real server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) name: Arc<str>,
    pub(crate) config: RealServer,
    pub(crate) inhibit: bool,
    pub(crate) checkers: Vec<Checker>,
    /// What was notified last; none before anything is known, as after `alpha`.
    pub(crate) announced: Option<bool>,
}

impl Server {
    /// Whether every checker is content.
    pub(crate) fn alive(&self) -> bool {
        self.checkers.iter().all(|checker| checker.up)
    }

    /// Its weight while it is alive: as configured, changed by what its checkers say.
    pub(crate) fn weight(&self) -> Weight {
        let configured = i64::from(self.config.weight.get());
        let changes = self.checkers.iter().map(|checker| match checker.share {
            Share::Add(difference) => difference,
            Share::Configured => 0,
            Share::Set(weight) => i64::from(weight) - configured,
        });
        let sum = changes.fold(configured, i64::saturating_add);
        let bounded = sum.clamp(0, i64::from(Weight::MAX.get()));
        u32::try_from(bounded)
            .ok()
            .and_then(Weight::new)
            .unwrap_or(Weight::MAX)
    }

    /// What it adds to the sum of weights.
    pub(crate) fn counts(&self) -> u64 {
        if self.alive() {
            u64::from(self.weight().get())
        } else {
            0
        }
    }

    /// What the dataplane has of it while real servers serve; none when it is out.
    pub(crate) fn in_pool(&self) -> Option<RealServer> {
        let weight = match (self.alive(), self.inhibit) {
            (true, _) => self.weight(),
            (false, true) => Weight::QUIESCED,
            (false, false) => return None,
        };
        Some(RealServer {
            weight,
            ..self.config
        })
    }

    /// Notes that it is up or down; whether that is news.
    pub(crate) fn announce(&mut self, up: bool) -> bool {
        self.announced.replace(up) != Some(up)
    }
}
