//! New connections, by scheduler and number of real servers, and the packet that establishes one.

use anyhow::ensure;
use xvs_dataplane::Hook;
use xvs_types::Scheduler;

use super::{
    frame::{ACK, Order, Plan, SYN, Segment},
    rounds::passed,
    tester::Tester,
};
use crate::{
    Scale,
    director::{Director, Family, Method},
    row::{Gate, Row, Spread},
};

/// Room for connections: one pass fills an eighth of the table at most.
const ROOM: u32 = 1 << 18;

/// Measures the schedulers of the scale, each with every number of servers.
pub(super) fn measure(tester: &mut Tester, scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let mut director = Director::open(ROOM, Hook::Xdp)?;
    let mut rows = vec![memory(tester, scale, &director)?];
    for method in [Method::Dr, Method::Nat] {
        for scheduler in scale.schedulers() {
            let mut by_servers = Vec::new();
            for servers in scale.servers() {
                let passes = passes(tester, scale, &mut director, method, scheduler, servers)?;
                let name = format!(
                    "new connection, {} {scheduler}, {servers} servers",
                    method.name()
                );
                let row = Row::over(name, "ns", &passes.new, ("XDP, entry alone", &passes.floor));
                by_servers.push((servers, row.net.map_or(0.0, |net| net.median)));
                rows.push(match (scheduler, method) {
                    (Scheduler::Rr, Method::Dr) => row.net_at_most(350.0),
                    (Scheduler::Rr, _) => row.net_at_most(600.0),
                    _ => row,
                });
                if scheduler == Scheduler::Rr && servers == 64 {
                    let name = format!("the packet that establishes it, {}", method.name());
                    rows.push(Row::over(
                        name,
                        "ns",
                        &passes.establishing,
                        ("XDP, entry alone", &passes.floor),
                    ));
                }
            }
            rows.extend(a_server_more(method, scheduler, &by_servers));
        }
    }
    Ok(rows)
}

/// What one line of memory that no cache has costs, in as much as the table has: NAT waits for two such
/// lines, one of each direction.
fn memory(tester: &mut Tester, scale: &Scale, director: &Director) -> anyhow::Result<Row> {
    let memory = Tester::with_memory(director.lines(Family::V4)? / 2)?;
    let (alone, line) = (
        tester.target("floor_xdp_return")?,
        memory.target("floor_xdp_line")?,
    );
    let (ifindex, _) = director.clients();
    let mut plan = director
        .segment(Family::V4, SYN)
        .plan(1 << 24, Order::InOrder);
    let (mut floor, mut lines) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        for (target, times) in [(&alone, &mut floor), (&line, &mut lines)] {
            let run = tester.run(Hook::Xdp, target, &mut plan, ifindex, scale.connections)?;
            ensure!(
                run.answer == passed(Hook::Xdp),
                "a floor answered {}",
                run.answer
            );
            times.push(f64::from(run.nanoseconds));
        }
    }
    let name = "memory of an entry alone";
    Ok(Row::over(name, "ns", &lines, ("XDP, entry alone", &floor)))
}

/// What a real server more costs, of the schedulers that look at all.
fn a_server_more(method: Method, scheduler: Scheduler, by_servers: &[(u32, f64)]) -> Option<Row> {
    let ((few, less), (many, more)) = (by_servers.first()?, by_servers.last()?);
    if scheduler != Scheduler::Wlc || few == many {
        return None;
    }
    let slope = (more - less) / (f64::from(*many) - f64::from(*few));
    let name = format!("a real server more, {} {scheduler}", method.name());
    let row = Row {
        value: Spread {
            median: slope,
            min: slope,
            max: slope,
        },
        ..Row::new(name, "ns", &[])
    };
    Some(row.gated(Gate::at_most("value", slope, 2.0)))
}

struct Passes {
    floor: Vec<f64>,
    new: Vec<f64>,
    establishing: Vec<f64>,
}

fn passes(
    tester: &mut Tester,
    scale: &Scale,
    director: &mut Director,
    method: Method,
    scheduler: Scheduler,
    servers: u32,
) -> anyhow::Result<Passes> {
    director.serve(Family::V4, method, scheduler, servers)?;
    let floor = tester.target("floor_xdp_return")?;
    let target = director.program("xvs_xdp")?;
    let (ifindex, _) = director.clients();
    let plan = |segment: Segment| -> Plan { segment.plan(scale.connections, Order::InOrder) };
    let syn = director.segment(Family::V4, SYN);
    let ack = director.segment(Family::V4, ACK);
    let mut passes = Passes {
        floor: Vec::new(),
        new: Vec::new(),
        establishing: Vec::new(),
    };
    for _ in 0..scale.rounds {
        director.keep_alive();
        let before = director.count("opened");
        let run = tester.run(
            Hook::Xdp,
            &floor,
            &mut plan(syn),
            ifindex,
            scale.connections,
        )?;
        passes.floor.push(f64::from(run.nanoseconds));
        let run = tester.run(
            Hook::Xdp,
            &target,
            &mut plan(syn),
            ifindex,
            scale.connections,
        )?;
        passes.new.push(f64::from(run.nanoseconds));
        let opened = director.count("opened") - before;
        ensure!(
            opened == u64::from(scale.connections),
            "{opened} of {} connections were opened by {} {scheduler} with {servers} servers",
            scale.connections,
            method.name()
        );
        let run = tester.run(
            Hook::Xdp,
            &target,
            &mut plan(ack),
            ifindex,
            scale.connections,
        )?;
        passes.establishing.push(f64::from(run.nanoseconds));
        director.clear();
    }
    Ok(passes)
}
