//! `interface_up_down_delays`: an interface that flaps counts as what it stays.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use xvs_vrrp::Name;

use super::super::plan::LinkDelay;

/// What is known of interfaces with delays.
#[derive(Debug, Default)]
pub(super) struct Settling {
    links: BTreeMap<Name, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// What it counts as.
    counts: bool,
    /// What it was last, and since when.
    found: bool,
    since: Instant,
    delay: LinkDelay,
}

impl Seen {
    /// When what it is will count; none when it does.
    fn due(&self) -> Option<Instant> {
        let delay = if self.found {
            self.delay.up
        } else {
            self.delay.down
        };
        (self.found != self.counts).then(|| self.since + delay)
    }
}

impl Settling {
    /// Whether `link`, which is up as `found` says, counts as up. What it is at first counts at once.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        link: &Name,
        found: bool,
        delay: LinkDelay,
    ) -> bool {
        let seen = self.links.entry(link.clone()).or_insert(Seen {
            counts: found,
            found,
            since: now,
            delay,
        });
        seen.delay = delay;
        if seen.found != found {
            (seen.found, seen.since) = (found, now);
        }
        if seen.due().is_some_and(|due| due <= now) {
            seen.counts = found;
        }
        seen.counts
    }

    /// How long until another state counts.
    pub(super) fn next(&self, now: Instant) -> Option<Duration> {
        let due = self.links.values().filter_map(Seen::due).min()?;
        Some(due.saturating_duration_since(now))
    }

    /// Forgets interfaces without delays.
    pub(super) fn keep_only(&mut self, delays: &BTreeMap<Name, LinkDelay>) {
        self.links.retain(|link, _seen| delays.contains_key(link));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_counts_as_down_or_up_only_after_it_stayed_so() {
        let start = Instant::now();
        let at = |tenths: u64| start + Duration::from_millis(tenths * 100);
        let delay = LinkDelay {
            down: Duration::from_secs(1),
            up: Duration::from_secs(2),
        };
        let link: Name = "eth0".into();
        let mut settling = Settling::default();
        let mut up = |tenths, found| {
            let counts = settling.settle(at(tenths), &link, found, delay);
            (counts, settling.next(at(tenths)))
        };
        let left = |tenths: u64| Some(Duration::from_millis(tenths * 100));
        assert_eq!(up(0, true), (true, None), "the first state counts at once");
        assert_eq!(up(1, false), (true, left(10)));
        assert_eq!(up(6, true), (true, None), "it was down too short");
        assert_eq!(up(7, false), (true, left(10)));
        assert_eq!(up(16, false), (true, left(1)));
        assert_eq!(up(17, false), (false, None));
        assert_eq!(up(18, true), (false, left(20)));
        assert_eq!(up(38, true), (true, None));
    }
}
