//! TCP through the director, from real sockets to real sockets with default offloads: bytes in bulk,
//! connections, requests, and what a request waits at half of the load that each contender carries.

mod contender;
mod host;
mod traffic;
mod world;

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use xvs_dataplane::Hook;

use crate::{
    Scale,
    director::Family,
    kernel,
    row::{Gate, Part, Row, Spread},
};
use contender::{Contender, Standing};
use world::World;

/// The family that is measured.
const FAMILY: Family = Family::V4;
/// The port that real servers serve on.
const SERVED: u16 = 8080;
/// Percentiles of what requests wait.
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// A measure by its name, its unit, and its value of each round.
type Measure = (&'static str, &'static str, fn(&Carried) -> &[f64]);

/// What is measured, in the order of the table.
const MEASURES: [Measure; 6] = [
    ("bulk", "Gbit/s", |carried| &carried.bulk),
    ("connections", "1/s", |carried| &carried.connections),
    ("requests", "1/s", |carried| &carried.requests),
    ("a request at half load, p50", "us", |carried| {
        &carried.waits[0]
    }),
    ("a request at half load, p99", "us", |carried| {
        &carried.waits[1]
    }),
    ("a request at half load, p99.9", "us", |carried| {
        &carried.waits[2]
    }),
];

/// What a contender carried, a value a round.
#[derive(Default)]
struct Carried {
    bulk: Vec<f64>,
    connections: Vec<f64>,
    requests: Vec<f64>,
    waits: [Vec<f64>; 3],
}

/// Measures every contender.
pub(crate) fn measure(scale: &Scale) -> anyhow::Result<Part> {
    kernel::unpin()?;
    let world = World::new()?;
    let time = Duration::from_millis(scale.milliseconds());
    let mut all: Vec<(Contender, Carried)> = Contender::ALL
        .into_iter()
        .map(|contender| (contender, Carried::default()))
        .collect();
    for _ in 0..scale.setups() {
        for (contender, carried) in &mut all {
            one(&world, *contender, time, carried).with_context(|| contender.name())?;
        }
    }
    Ok(Part {
        name: "tcp".into(),
        about: format!(
            "A client, the director and a host with the real servers' addresses, each in a network \
             namespace, on all processors, {} ms a measurement: two streams in bulk; eight clients that \
             connect, ask once and end; eight that ask over connections that stay; the same at half of that \
             rate, where a request's time counts from when it was due.",
            time.as_millis()
        ),
        rows: rows(&all),
        plots: Vec::new(),
        notes: vec![
            "At XDP the ends make their checksums themselves, and segments are as large as the link's \
             MTU; everywhere else offloads are the default."
                .to_owned(),
        ],
    })
}

fn one(
    world: &World,
    contender: Contender,
    time: Duration,
    carried: &mut Carried,
) -> anyhow::Result<()> {
    let mut standing = contender.stand(world)?;
    let to = contender.target();
    let measured = carry(world, &mut standing, to, time, carried);
    drop(standing);
    if contender == Contender::Xvs(Hook::Xdp) {
        world.offload(true)?;
    }
    measured
}

fn carry(
    world: &World,
    standing: &mut Standing,
    to: SocketAddr,
    time: Duration,
    carried: &mut Carried,
) -> anyhow::Result<()> {
    let mut run = |work: fn(SocketAddr, Duration) -> anyhow::Result<f64>, time| {
        world
            .client
            .run_while(move || work(to, time), || standing.keep_alive())
    };
    // Neighbours, routes and the first connection's way are learned before the clock runs.
    run(traffic::requests, time / 8)?;
    carried.bulk.push(run(traffic::bulk, time)?);
    carried.connections.push(run(traffic::connections, time)?);
    let requests = run(traffic::requests, time)?;
    carried.requests.push(requests);
    let times = world.client.run_while(
        move || traffic::latency(to, time, requests / 2.0),
        || standing.keep_alive(),
    )?;
    for (waits, (_, share)) in carried.waits.iter_mut().zip(PERCENTILES) {
        waits.extend(percentile(&times, share));
    }
    Ok(())
}

/// The value below which this share of the sorted values is.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let mut at = 0;
    let count = f64::from(u32::try_from(sorted.len()).ok()?);
    while at + 1 < sorted.len() && f64::from(u32::try_from(at + 1).ok()?) < count * share {
        at += 1;
    }
    sorted.get(at).copied()
}

fn rows(all: &[(Contender, Carried)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, unit, values) in MEASURES {
        let forwarding = all
            .first()
            .map(|(contender, carried)| (contender.name(), Spread::of(values(carried)).median));
        for (contender, carried) in all {
            let row = Row::new(
                format!("{what}, {}", contender.name()),
                unit,
                values(carried),
            );
            let Some((name, peer)) = &forwarding else {
                continue;
            };
            let share = row.value.median / peer;
            let row = if *contender == Contender::Forwarding {
                row
            } else {
                row.beside(name, *peer)
            };
            rows.push(
                if what == "bulk" && *contender == Contender::Xvs(Hook::Tcx) {
                    row.gated(Gate::at_least("of forwarding's", share, 1.0))
                } else {
                    row
                },
            );
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn a_percentile_is_the_value_that_so_many_stay_below() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 0.5), Some(50.0));
        assert_eq!(percentile(&sorted, 0.99), Some(99.0));
        assert_eq!(percentile(&sorted, 0.999), Some(100.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
