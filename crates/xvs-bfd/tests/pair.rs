//! Two ends on a simulated link with a virtual clock.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use xvs_bfd::{Action, Bfd, Reason, Rejected, SessionConfig, State};
use xvs_wire::bfd::Repr;

const ONE_WAY: Duration = Duration::from_millis(1);

/// Both ends; packets take a millisecond unless the link is cut.
struct Pair {
    start: Instant,
    now: Instant,
    ends: [Bfd; 2],
    on_the_way: Vec<(Instant, usize, Vec<u8>)>,
    /// Whether packets to this end arrive.
    arrives: [bool; 2],
    /// Of all packets, which are lost.
    loses: Box<dyn FnMut() -> bool>,
    /// What came out of which end, when.
    changes: Vec<(usize, Duration, bool, Reason)>,
    /// Packets that each end has sent.
    sent: [Vec<(Duration, Repr)>; 2],
}

fn address(end: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, u8::try_from(end).unwrap() + 1])
}

/// What `end` thinks of the other.
fn config(end: usize) -> SessionConfig {
    SessionConfig::new("peer", address(1 - end))
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Pair {
    fn new(configs: [SessionConfig; 2]) -> Self {
        Self::seeded(configs, 1)
    }

    fn seeded([a, b]: [SessionConfig; 2], seed: u64) -> Self {
        let now = Instant::now();
        Self {
            start: now,
            now,
            ends: [
                Bfd::new(now, vec![a], seed),
                Bfd::new(now, vec![b], seed + 1),
            ],
            on_the_way: Vec::new(),
            arrives: [true, true],
            loses: Box::new(|| false),
            changes: Vec::new(),
            sent: [Vec::new(), Vec::new()],
        }
    }

    /// Lets time pass, event by event.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.collect();
            let arrivals = self.on_the_way.iter().map(|(at, ..)| *at);
            let timeouts = self.ends.iter().filter_map(Bfd::poll_timeout);
            let Some(next) = arrivals.chain(timeouts).min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            let (due, later) = std::mem::take(&mut self.on_the_way)
                .into_iter()
                .partition(|(at, ..)| *at <= self.now);
            self.on_the_way = later;
            let due: Vec<_> = due;
            for (_, to, packet) in due {
                let from = address(1 - to);
                let taken = self.ends[to].handle_packet(self.now, from, 255, false, &packet);
                // Late packets find nobody at an end that was taken away.
                assert_eq!(taken.is_ok(), self.ends[to].sessions().count() == 1);
            }
            for end in &mut self.ends {
                end.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    fn collect(&mut self) {
        let since = self.now - self.start;
        for from in 0..2 {
            while let Some(action) = self.ends[from].poll_action() {
                match action {
                    Action::Changed { up, reason, .. } => {
                        self.changes.push((from, since, up, reason));
                    }
                    Action::Send { packet, .. } => {
                        self.sent[from].push((since, Repr::parse(&packet).unwrap()));
                        if self.arrives[1 - from] && !(self.loses)() {
                            let at = self.now + ONE_WAY;
                            self.on_the_way.push((at, 1 - from, packet.to_vec()));
                        }
                    }
                }
            }
        }
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|end| self.ends[end].status().next().unwrap().1.state)
    }

    fn up(configs: [SessionConfig; 2]) -> Self {
        let mut pair = Self::new(configs);
        pair.run(Duration::from_secs(3));
        assert_eq!(pair.states(), [State::Up; 2]);
        pair.changes.clear();
        pair.sent = [Vec::new(), Vec::new()];
        pair
    }
}

#[test]
fn two_ends_come_up_within_a_handshake_and_say_so_once() {
    let mut pair = Pair::new([config(0), config(1)]);
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.states(), [State::Up; 2]);
    let mut ends: Vec<usize> = pair.changes.iter().map(|(end, ..)| *end).collect();
    ends.sort_unstable();
    assert_eq!(ends, [0, 1]);
    for (_, at, up, reason) in &pair.changes {
        assert!(*up && *at < millis(10), "{at:?}");
        assert_eq!(*reason, Reason::Established);
    }
}

#[test]
fn silence_is_noticed_after_the_detection_time_and_not_before() {
    let mut pair = Pair::up([config(0), config(1)]);
    let cut = pair.now - pair.start;
    pair.arrives[0] = false;
    pair.run(Duration::from_secs(1));
    let (end, at, up, reason) = pair.changes[0];
    assert_eq!((end, up, reason), (0, false, Reason::Silent));
    let after = at - cut;
    // Five times 10 ms since the last packet, which was up to 10 ms ago or still on its way.
    assert!(after >= millis(40) && after <= millis(52), "{after:?}");
    // The other end hears that we are down.
    let (end, _, up, reason) = pair.changes[1];
    assert_eq!((end, up, reason), (1, false, Reason::NeighbourDown));
    assert_eq!(pair.changes.len(), 2);
}

#[test]
fn packets_are_a_second_apart_while_down_and_at_the_agreed_interval_while_up() {
    let slow = SessionConfig {
        min_rx: millis(40),
        ..config(1)
    };
    let mut pair = Pair::up([config(0), slow]);
    pair.run(Duration::from_secs(1));
    let gaps = |sent: &[(Duration, Repr)]| -> Vec<Duration> {
        sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    };
    for gap in gaps(&pair.sent[0]) {
        assert!(gap >= millis(30) && gap <= millis(40), "{gap:?}");
    }
    for gap in gaps(&pair.sent[1]) {
        assert!(gap <= millis(10), "{gap:?}");
    }
    pair.arrives = [false, false];
    pair.run(Duration::from_secs(1));
    pair.sent[0].clear();
    pair.run(Duration::from_secs(20));
    let gaps = gaps(&pair.sent[0]);
    assert!(gaps.len() >= 18);
    for gap in gaps {
        assert!(gap >= millis(750) && gap <= millis(1_000), "{gap:?}");
    }
}

#[test]
fn new_timers_are_confirmed_by_a_poll_sequence() {
    let mut pair = Pair::new([config(0), config(1)]);
    pair.run(millis(500));
    for sent in &pair.sent {
        let polls: Vec<_> = sent.iter().filter(|(_, packet)| packet.poll).collect();
        assert!(!polls.is_empty() && polls.len() < 5, "{}", polls.len());
        let (at, first) = polls[0];
        assert_eq!((first.state, first.desired_min_tx_us), (State::Up, 10_000));
        assert!(*at < millis(10));
    }
    for sent in &pair.sent {
        assert!(sent.iter().any(|(_, packet)| packet.answers_poll));
        assert!(
            sent.iter()
                .all(|(_, packet)| !(packet.poll && packet.answers_poll))
        );
    }
}

#[test]
fn a_reload_with_other_intervals_keeps_the_session_up() {
    let mut pair = Pair::up([config(0), config(1)]);
    for (min_tx, min_rx) in [(500, 300), (10, 10), (2_000, 2_000), (15, 10)] {
        let changed = SessionConfig {
            min_tx: millis(min_tx),
            min_rx: millis(min_rx),
            ..config(0)
        };
        pair.ends[0].reload(pair.now, vec![changed]);
        pair.run(Duration::from_secs(5));
        assert_eq!(pair.changes, [], "{min_tx} ms, {min_rx} ms");
        let status = pair.ends[1].status().next().unwrap().1;
        let expected = millis(min_tx.max(10)) * 5;
        assert_eq!(status.detection_time, Some(expected));
    }
}

#[test]
fn a_session_that_is_removed_tells_its_neighbour_on_purpose() {
    let mut pair = Pair::up([config(0), config(1)]);
    pair.ends[0].reload(pair.now, vec![]);
    pair.run(millis(10));
    let told: Vec<_> = pair
        .changes
        .iter()
        .map(|(end, _, up, reason)| (*end, *up, *reason))
        .collect();
    assert_eq!(
        told,
        [
            (0, false, Reason::Removed),
            (1, false, Reason::NeighbourAdministrativelyDown)
        ]
    );
}

#[test]
fn two_passive_ends_stay_silent_and_one_waits_for_the_other() {
    let passive = |end| SessionConfig {
        passive: true,
        ..config(end)
    };
    let mut pair = Pair::new([passive(0), passive(1)]);
    pair.run(Duration::from_secs(10));
    assert!(pair.sent.iter().all(Vec::is_empty));
    let mut pair = Pair::up([passive(0), config(1)]);
    pair.arrives[0] = false;
    pair.run(Duration::from_secs(1));
    pair.sent[0].clear();
    pair.run(Duration::from_secs(10));
    assert!(pair.sent[0].is_empty(), "silent again");
    pair.arrives[0] = true;
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.states(), [State::Up; 2]);
}

#[test]
fn packets_from_too_far_and_from_strangers_change_nothing() {
    let mut pair = Pair::up([config(0), config(1)]);
    let now = pair.now;
    let (_, id) = pair.sent[1].pop().unwrap_or_else(|| {
        pair.run(millis(50));
        pair.sent[1].pop().unwrap()
    });
    let down = Repr {
        state: State::Down,
        ..id
    };
    let mut try_from = |source: IpAddr, ttl, multihop, packet: &Repr| {
        pair.ends[0].handle_packet(now, source, ttl, multihop, &packet.emit())
    };
    assert_eq!(
        try_from(address(1), 254, false, &down),
        Err(Rejected::Ttl(254))
    );
    assert_eq!(
        try_from([203, 0, 113, 1].into(), 255, false, &down),
        Err(Rejected::Unknown)
    );
    assert_eq!(
        try_from(address(1), 255, true, &down),
        Err(Rejected::Unknown)
    );
    let guessed = Repr {
        yours: down.yours ^ 1,
        ..down
    };
    assert_eq!(
        try_from(address(1), 255, false, &guessed),
        Err(Rejected::Unknown)
    );
    assert_eq!(pair.states(), [State::Up; 2]);
    assert!(config(0).accepts_ttl(255));
    let far = SessionConfig {
        max_hops: 2,
        ..config(0)
    };
    assert!(far.accepts_ttl(253) && !far.accepts_ttl(252));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is lost for a while: changes of one end alternate, and both are up soon after.
    #[test]
    fn after_any_loss_both_come_up_again(
        seed in any::<u64>().prop_map(|seed| seed / 2),
        losses in proptest::collection::vec(any::<bool>(), 1..400),
        multiplier in 1_u8..6,
    ) {
        let with = |end| SessionConfig { multiplier, ..config(end) };
        let mut pair = Pair::seeded([with(0), with(1)], seed);
        let mut losses = losses.into_iter();
        pair.loses = Box::new(move || losses.next().unwrap_or(false));
        pair.run(Duration::from_secs(60));
        pair.loses = Box::new(|| false);
        pair.run(Duration::from_secs(10));
        prop_assert_eq!(pair.states(), [State::Up; 2]);
        for end in 0..2 {
            let told: Vec<bool> = pair.changes.iter()
                .filter(|(from, ..)| *from == end)
                .map(|(_, _, up, _)| *up)
                .collect();
            prop_assert!(told.iter().enumerate().all(|(at, up)| *up == (at % 2 == 0)));
        }
    }

    /// Nobody without our number takes a session down.
    #[test]
    fn no_bytes_with_another_number_move_a_session(mut bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut pair = Pair::up([config(0), config(1)]);
        if let Some(number) = bytes.get_mut(8..12) {
            // The number of neither end, nor none.
            number.copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        }
        let now = pair.now;
        let _rejected = pair.ends[0].handle_packet(now, address(1), 255, false, &bytes);
        prop_assert_eq!(pair.states(), [State::Up; 2]);
    }
}
