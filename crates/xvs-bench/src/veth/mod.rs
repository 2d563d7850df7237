//! Packets over links, end to end: a generator, the director with its two links, and a sink, all on one
//! processor. Each contender carries the same frames: xvs at XDP and at tcx, the kernel's forwarding, its
//! NAT, and its IPVS where there is one.

mod contender;
mod guest;
mod wires;

use anyhow::{Context, ensure};
use xvs_dataplane::Hook;

use crate::{
    Scale,
    director::{Family, Method, make_links},
    kernel,
    program::{
        frame::{ACK, Order, SYN},
        tester::Tester,
    },
    row::{Gate, Part, Row, Spread},
};
use contender::{Contender, Kind};
pub(crate) use contender::{RULES, feed};
pub(crate) use wires::Wires;

/// Flows of the established ones.
const FLOWS: u32 = 1024;

/// What a contender took.
struct Taken {
    contender: Contender,
    established: Vec<f64>,
    new: Vec<f64>,
}

/// Measures every contender that this kernel has.
pub(crate) fn measure(scale: &Scale) -> anyhow::Result<Part> {
    kernel::own_network()?;
    make_links()?;
    let mut wires = Wires::new(Tester::load()?)?;
    let mut all: Vec<Taken> = Contender::all()
        .into_iter()
        .map(|contender| Taken {
            contender,
            established: Vec::new(),
            new: Vec::new(),
        })
        .collect();
    // One contender stands on the links at a time, so that the rounds go over all of them.
    let counted = guest::counts_instructions();
    // Instructions are the same each time, but for what the caches of the kernel's tables hold.
    let rounds = scale.setups().min(if counted { 2 } else { 5 });
    for round in 0..rounds {
        for taken in &mut all {
            one(&mut wires, scale, round, taken).with_context(|| taken.contender.name())?;
        }
    }
    Ok(Part {
        name: "veth".into(),
        about: format!(
            "Frames of 80 bytes of {FLOWS} flows from a generator with live frames over one veth pair into \
             the director and over another out of it to a sink, all on one processor: {} a frame, \
             generator and sink included; net of a drop at the ingress of the same hook.",
            if counted {
                "guest instructions"
            } else {
                "nanoseconds"
            }
        ),
        rows: rows(&all, counted),
        plots: Vec::new(),
        notes: Vec::new(),
    })
}

fn one(wires: &mut Wires, scale: &Scale, round: u32, taken: &mut Taken) -> anyhow::Result<()> {
    let contender = taken.contender;
    let mut standing = contender.stand(wires)?;
    let segment = |flags| contender.segment(wires, flags);
    let target = wires.client();
    let frames = (scale.repeat / 4).max(FLOWS);
    let (syn, ack) = (segment(SYN), segment(ACK));
    for flags in contender.opening() {
        let opening = if *flags == SYN { syn } else { ack };
        let mut plan = opening.plan(FLOWS, Order::InOrder).to_link(target);
        standing.keep_alive();
        wires.send(&mut plan, FLOWS, false)?;
    }
    let mut plan = ack.plan(FLOWS, Order::Random).to_link(target);
    standing.keep_alive();
    wires.send(&mut plan, frames / 8, false)?;
    standing.keep_alive();
    taken
        .established
        .push(wires.send(&mut plan, frames, contender.delivers())?);
    if contender.connects() {
        // Beyond the flows above, and beyond those of the rounds before.
        let frames = scale.connections.min(1 << 14);
        let first = (round + 1) << 15;
        let mut plan = syn
            .plan(1 << 22, Order::InOrder)
            .to_link(target)
            .starting_at(first);
        standing.keep_alive();
        taken
            .new
            .push(wires.send(&mut plan, frames, contender.delivers())?);
    }
    standing.end()
}

fn rows(all: &[Taken], counted: bool) -> Vec<Row> {
    let unit = if counted { "instructions" } else { "ns" };
    let find = |kind: Kind| all.iter().find(|taken| taken.contender.kind == kind);
    let median = |kind: Kind| find(kind).map(|taken| Spread::of(&taken.established).median);
    let mut rows = Vec::new();
    for taken in all {
        let contender = taken.contender;
        let floor = find(contender.floor());
        let name = contender.name();
        let row = match floor {
            Some(floor) if floor.contender.kind != contender.kind => Row::over(
                name.as_str(),
                unit,
                &taken.established,
                (&floor.contender.name(), &floor.established),
            ),
            _ => Row::new(name.as_str(), unit, &taken.established),
        };
        rows.push(if counted {
            guest::judge(row, contender, all)
        } else {
            judge(row, contender, &median)
        });
        if let (false, Some(floor)) = (taken.new.is_empty(), floor) {
            let floor = (&*floor.contender.name(), &*floor.established);
            rows.push(Row::over(
                format!("{name}, new flows"),
                unit,
                &taken.new,
                floor,
            ));
        }
    }
    rows
}

/// The gates between contenders on this machine.
fn judge(row: Row, contender: Contender, median: &dyn Fn(Kind) -> Option<f64>) -> Row {
    let own = row.value.median;
    let times = |what: &str, kind: Kind, limit: f64| {
        let what = format!("packets, times those of {what},");
        median(kind).map(|other| Gate::at_least(&what, other / own, limit))
    };
    let gates = match contender.kind {
        Kind::Xvs(Hook::Xdp, Method::Nat) => vec![
            times("nftables DNAT", Kind::Nftables, 4.5),
            times("a plain redirect", Kind::Redirect(Hook::Xdp), 0.93),
        ],
        Kind::Xvs(Hook::Tcx, Method::Nat) => vec![
            times("nftables DNAT", Kind::Nftables, 1.5),
            times("forwarding", Kind::Forwarding, 1.0),
        ],
        _ => Vec::new(),
    };
    gates.into_iter().flatten().fold(row, Row::gated)
}

/// The family that is measured over links.
const FAMILY: Family = Family::V4;

/// Complains of frames that got lost: nothing was measured then.
fn all_arrived(name: &str, arrived: u64, sent: u32) -> anyhow::Result<()> {
    // Some of a generator's last frames may be on their way while its time is taken.
    ensure!(
        arrived + u64::from(sent / 50) >= u64::from(sent),
        "{name}: {arrived} of {sent} frames arrived"
    );
    Ok(())
}
