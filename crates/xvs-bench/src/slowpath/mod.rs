//! The slow path under attack: what only the stages behind the fast path look at, at full rate, while
//! connections live.
//!
//! Each attack runs on another processor while this one measures packets of established connections, and
//! in turn with harmless packets there: the difference is what the attack takes of them. Then as many
//! packets come in one go, and what waits is counted, with the memory for it.

mod attack;
mod beside;

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, ensure};
use aya::{Pod, maps::HashMap};
use xvs_dataplane::Hook;
use xvs_types::Scheduler;

use crate::{
    Scale,
    director::{Director, Family, Method, make_links},
    kernel::{self, Run},
    program::{
        frame::{ACK, FIRST, LAST, Order, Plan, SYN, Segment},
        tester::{Target, Tester},
    },
    row::{Gate, Part, Row, Spread},
};
use attack::{AT_ONCE, Attack, CONTROLS};
use beside::{Beside, Traffic};

/// Connections that live meanwhile.
const OLD: u32 = 4096;
/// Room for connections: the least of the product.
const ROOM: u32 = 1 << 16;
/// The maps that bound what is remembered of fragments, with their number of entries (`ebpf/src/maps.rs`).
const FRAGMENTS: (&str, u32) = ("FRAGMENTS", 16_384);
const EARLY: (&str, u32) = ("EARLY", 1_024);
const HELD: (&str, u32) = ("HELD", 2_048);
/// Packets of the attack between the two fragments of a client's packet.
const BETWEEN: u32 = 2_000;
/// Clients that send a packet in two fragments during each attack.
const FRAGMENTED: u32 = 32;
/// What is counted, by the names of status.
const COUNTED: [&str; 9] = [
    "fragment_first",
    "fragment_held",
    "fragment_released",
    "fragment_unknown",
    "icmp_related",
    "icmp_checksum",
    "ftp_unsound",
    "opened",
    "evicted",
];
/// How much longer a packet of an established connection may take beside an attack.
const LONGER: f64 = 1.1;
/// `TC_ACT_REDIRECT`.
const REDIRECTED: u32 = 7;

/// Measures each attack.
pub(crate) fn measure(scale: &Scale) -> anyhow::Result<Part> {
    kernel::own_network()?;
    make_links()?;
    let mut director = Director::open(ROOM, Hook::Tcx)?;
    director.serve(Family::V4, Method::Nat, Scheduler::Rr, 64)?;
    let mut link = Link {
        tester: Tester::load()?,
        target: target(&director)?,
        ifindex: director.clients().0,
    };
    for flags in [SYN, ACK] {
        let mut plan = director
            .segment(Family::V4, flags)
            .plan(1 << 24, Order::InOrder);
        link.run(&mut director, &mut plan, OLD)?;
    }
    director.serve_ftp()?;
    for flags in [SYN, ACK] {
        let mut plan = attack::control(&director, flags);
        link.run(&mut director, &mut plan, CONTROLS)?;
    }
    ensure!(
        director.established(clients()) == OLD && director.established(attack::SPOOFED) == CONTROLS,
        "the connections before the attacks are not all established"
    );
    let mut beside = Beside::start(director.clients().0)?;
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    if beside.is_none() {
        notes.push(
            "There is no other processor: what attacks take of others was not measured.".to_owned(),
        );
    }
    for mut attack in attack::all(&director) {
        if let Some(beside) = &mut beside {
            rows.extend(rates(&mut link, scale, &mut director, beside, &mut attack)?);
            beside.send(harmless(&attack))?;
        }
        rows.extend(bounds(&mut link, scale, &mut director, &mut attack)?);
        rows.push(fragmented(&mut link, &mut director, &mut attack)?);
    }
    if let Some(beside) = beside {
        beside.finish()?;
    }
    Ok(Part {
        name: "slowpath".into(),
        about: format!(
            "Packets that only the stages behind the fast path look at, of {} spoofed senders, at tcx and at the rate that one \
             processor takes, while packets of {OLD} established connections (NAT) come on another one; then {} of each, and what \
             waits; then {FRAGMENTED} clients' packets in two fragments with {BETWEEN} of the attack between them.",
            attack::SENDERS,
            scale.attacking()
        ),
        rows,
        plots: Vec::new(),
        notes,
    })
}

/// What a packet of an established connection costs while an attack comes on another processor.
fn rates(
    link: &mut Link,
    scale: &Scale,
    director: &mut Director,
    beside: &mut Beside,
    attack: &mut Attack,
) -> anyhow::Result<Vec<Row>> {
    let mut old = director.segment(Family::V4, ACK).plan(OLD, Order::Random);
    let (mut calm, mut during, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        beside.send(harmless(attack))?;
        calm.push(f64::from(
            link.run(director, &mut old, scale.repeat)?.nanoseconds,
        ));
        beside.send(Traffic {
            target: Some(target(director)?),
            plans: attack.turn(),
        })?;
        during.push(f64::from(
            link.run(director, &mut old, scale.repeat)?.nanoseconds,
        ));
        costs.push(Spread::of(&beside.costs()).median);
    }
    let millions = |costs: &[f64]| costs.iter().map(|ns| 1e3 / ns).collect::<Vec<f64>>();
    let (before, under) = (Spread::of(&calm).median, Spread::of(&during).median);
    let name = |what: &str| format!("{}: {what}", attack.name);
    // In a run that is too short for a packet of it to end, nothing was sent.
    costs.retain(|cost| *cost > 0.0);
    let mut rows = vec![
        Row::new(name("established connections"), "M/s", &millions(&during))
            .beside("without", Spread::of(&millions(&calm)).median)
            .gated(Gate::at_most(
                "time of a packet, of that without,",
                under / before,
                LONGER,
            )),
    ];
    if !costs.is_empty() {
        rows.push(Row::new(
            name("attacking packets"),
            "M/s",
            &millions(&costs),
        ));
    }
    Ok(rows)
}

/// The same frames, which pass at once.
fn harmless(attack: &Attack) -> Traffic {
    Traffic {
        target: None,
        plans: attack.frames(),
    }
}

/// What is left of an attack: how much waits, in how much memory, what was counted, and whether the
/// connections live.
fn bounds(
    link: &mut Link,
    scale: &Scale,
    director: &mut Director,
    attack: &mut Attack,
) -> anyhow::Result<Vec<Row>> {
    let memory = memory(director)?;
    let before = COUNTED.map(|name| director.count(name));
    let drops = director.drops();
    let mut sent = 0;
    let mut plans = attack.turn();
    while sent < scale.attacking() {
        for plan in &mut plans {
            link.run(director, plan, AT_ONCE)?;
            sent += AT_ONCE;
        }
    }
    let name = |what: &str| format!("{}: {what}", attack.name);
    let whole = |number: u64| u32::try_from(number).map_or(f64::INFINITY, f64::from);
    let mut rows = Vec::new();
    for (word, before) in COUNTED.iter().zip(before) {
        let counted = director.count(word) - before;
        if counted > 0 {
            let row = Row::new(name(&format!("{word}, of {sent}")), "", &[whole(counted)]);
            // No packet counts twice: what goes on does not come back.
            rows.push(row.gated(Gate::at_most("value", whole(counted), f64::from(sent))));
        }
    }
    let dropped = director.drops() - drops;
    rows.push(Row::new(
        name(&format!("dropped for a reason, of {sent}")),
        "",
        &[whole(dropped)],
    ));
    for (what, found, room) in [
        (
            "packets remembered",
            entries::<12>(director, FRAGMENTS.0)?,
            FRAGMENTS.1,
        ),
        (
            "packets that others wait for",
            entries::<8>(director, EARLY.0)?,
            EARLY.1,
        ),
        ("frames held", held(director)?, HELD.1),
    ] {
        rows.push(
            Row::new(name(what), "", &[f64::from(found)]).gated(Gate::at_most(
                "value",
                f64::from(found),
                f64::from(room),
            )),
        );
    }
    let after = self::memory(director)?;
    rows.push(
        Row::new(name("memory for them"), "MiB", &[after / 1_048_576.0])
            .beside("before", memory / 1_048_576.0)
            .gated(Gate::at_most("growth", after - memory, 0.0)),
    );
    let lost = f64::from(OLD - director.established(clients()));
    rows.push(
        Row::new(name("established connections lost"), "", &[lost])
            .gated(Gate::at_most("value", lost, 0.0)),
    );
    Ok(rows)
}

/// Whether clients' packets in two fragments still reach the real server, with the attack in between.
fn fragmented(
    link: &mut Link,
    director: &mut Director,
    attack: &mut Attack,
) -> anyhow::Result<Row> {
    let mut plans = attack.turn();
    let mut carried = 0;
    for client in 0..FRAGMENTED {
        let mut answers = Vec::new();
        for fragment in [FIRST, LAST] {
            let segment = Segment {
                fragment,
                ..director.segment(Family::V4, ACK)
            };
            let mut plan = segment.plan(1 << 24, Order::InOrder).starting_at(client);
            answers.push(link.run(director, &mut plan, 1)?.answer);
            for plan in &mut plans {
                link.run(director, plan, BETWEEN)?;
            }
        }
        carried += u32::from(answers == [REDIRECTED; 2]);
    }
    let share = f64::from(carried) / f64::from(FRAGMENTED) * 100.0;
    let name = format!("{}: clients' packets in fragments carried", attack.name);
    Ok(Row::new(name, "%", &[share]).gated(Gate::at_least("value", share, 100.0)))
}

/// The first of the clients whose connections live meanwhile.
fn clients() -> Ipv4Addr {
    match Family::V4.client() {
        IpAddr::V4(first) => first,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

/// What runs the frames: the program at tcx of the clients' link.
struct Link {
    tester: Tester,
    target: Target,
    ifindex: u32,
}

impl Link {
    /// Runs frames of a plan.
    fn run(&mut self, director: &mut Director, plan: &mut Plan, count: u32) -> anyhow::Result<Run> {
        director.keep_alive();
        self.tester
            .run(Hook::Tcx, &self.target, plan, self.ifindex, count)
    }
}

fn target(director: &Director) -> anyhow::Result<Target> {
    director.program("xvs_tcx")
}

/// Bytes of the maps in which fragments are remembered and wait.
fn memory(director: &Director) -> anyhow::Result<f64> {
    [FRAGMENTS.0, EARLY.0, HELD.0]
        .into_iter()
        .map(|map| kernel::memory_of(director.map(map)?.fd()))
        .sum()
}

/// A value of bytes alone.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Bytes<const N: usize>([u8; N]);

// SAFETY: any bytes are a value, and none is padding.
unsafe impl<const N: usize> Pod for Bytes<N> {}

/// Entries of a map whose key is that of a fragmented packet.
fn entries<const VALUE: usize>(director: &Director, map: &str) -> anyhow::Result<u32> {
    keys::<40, VALUE>(director, map)
}

/// Frames that are held.
fn held(director: &Director) -> anyhow::Result<u32> {
    keys::<48, 1536>(director, HELD.0)
}

fn keys<const KEY: usize, const VALUE: usize>(
    director: &Director,
    map: &str,
) -> anyhow::Result<u32> {
    let map = aya::maps::Map::LruHashMap(director.map(map)?);
    let map: HashMap<_, Bytes<KEY>, Bytes<VALUE>> = map.try_into().context("a hash map")?;
    let mut found = 0;
    for key in map.keys() {
        key.context("read the keys")?;
        found += 1;
    }
    Ok(found)
}
