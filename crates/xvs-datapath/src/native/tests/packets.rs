//! The packet tables at both hooks.

use crate::{
    Packet, Verdict,
    abi::{Counter, DROPS},
    native::{
        Buffer, Cpu, Frame, World,
        cases::{self, Case, Outcome, Step},
        checksums_are_valid, leave, run,
    },
};

#[test]
fn every_packet_table_holds_at_xdp() {
    for case in cases::all() {
        check(&case, |bytes, world| {
            Some(Frame::new(bytes, World::CLIENTS, &world.routes()))
        });
    }
}

#[test]
fn every_packet_table_holds_at_tcx_with_complete_checksums() {
    for case in cases::all().into_iter().chain(cases::of_tcx()) {
        check(&case, |bytes, world| {
            Some(Buffer::new(bytes, World::CLIENTS, &world.routes()))
        });
    }
}

#[test]
fn every_packet_table_holds_at_tcx_where_bytes_must_be_pulled() {
    for case in cases::all().into_iter().chain(cases::of_tcx()) {
        check(&case, |bytes, world| {
            Some(Buffer::new(bytes, World::CLIENTS, &world.routes()).with_linear(14))
        });
    }
}

#[test]
fn every_packet_table_holds_at_tcx_with_checksums_left_to_the_device() {
    for case in cases::all().into_iter().chain(cases::of_tcx()) {
        check(&case, |bytes, world| {
            let buffer = Buffer::new(bytes, World::CLIENTS, &world.routes());
            let whole = checksums_are_valid(bytes) == Some(true);
            // padding would be summed with it
            if whole && !case.description.starts_with("padding") {
                let plain = Buffer::new(bytes, World::CLIENTS, &world.routes());
                buffer.with_partial_checksum().or(Some(plain))
            } else {
                Some(buffer)
            }
        });
    }
}

/// A packet whose bytes can be had back.
trait Bytes: Packet {
    fn bytes(&self) -> Vec<u8>;
}

impl Bytes for Frame {
    fn bytes(&self) -> Vec<u8> {
        self.bytes()
    }
}

impl Bytes for Buffer {
    fn bytes(&self) -> Vec<u8> {
        self.bytes()
    }
}

fn check<P: Bytes>(case: &Case, packet: impl Fn(&[u8], &World) -> Option<P>) {
    let cpu = case.world.cpu();
    for (number, step) in case.steps.iter().enumerate() {
        match step {
            Step::Edit(server, change) => cpu.tables().real_servers.edit(*server, change),
            Step::Packet(bytes, outcome) | Step::Leaves(bytes, outcome) => {
                let leaves = matches!(step, Step::Leaves(..));
                let Some(mut packet) = packet(bytes, &case.world) else {
                    continue;
                };
                let before = counters(&cpu);
                let verdict = if leaves {
                    decided(leave(&mut packet, &cpu))
                } else {
                    run(&mut packet, &cpu)
                };
                let reasons: Vec<_> = counters(&cpu)
                    .iter()
                    .zip(&before)
                    .filter(|(now, then)| now.1 > then.1)
                    .map(|(now, _)| now.0)
                    .collect();
                let place = format!("{}, step {number}", case.description);
                let resolves = P::RESOLVES || leaves;
                let after = (verdict, packet.bytes());
                judge(&place, bytes, outcome, after, &reasons, resolves);
            }
        }
    }
}

/// What is no reply goes on as one that is.
fn decided(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::ONWARD => Verdict::PASS,
        decided => decided,
    }
}

/// Every counter with its value.
fn counters(cpu: &Cpu) -> Vec<(Counter, u64)> {
    Counter::ALL
        .iter()
        .map(|(counter, _)| (*counter, cpu.counted(*counter)))
        .collect()
}

fn judge(
    place: &str,
    before: &[u8],
    outcome: &Outcome,
    (verdict, after): (Verdict, Vec<u8>),
    counted: &[Counter],
    resolves: bool,
) {
    let (expected, frame, reason) = match outcome {
        Outcome::Answer(reason, frame) => (Verdict::REPLY, Some(&frame[..]), Some(*reason)),
        Outcome::Drop(reason) => (Verdict::DROP, None, Some(*reason)),
        Outcome::Forward(link, frame) => (Verdict::redirect(*link), Some(&frame[..]), None),
        Outcome::Host(frame) if resolves => (Verdict::PASS, Some(&frame[..]), None),
        Outcome::Inward(frame) if resolves => (Verdict::INWARD, Some(&frame[..]), None),
        Outcome::Neighbour(frame) if resolves => (Verdict::NEIGHBOUR, Some(&frame[..]), None),
        Outcome::Held if resolves => (Verdict::HELD, Some(before), None),
        Outcome::Held
        | Outcome::Host(_)
        | Outcome::Inward(_)
        | Outcome::Neighbour(_)
        | Outcome::Pass => (Verdict::PASS, Some(before), None),
        Outcome::PassCounting(event) => {
            assert!(counted.contains(event), "{place}: {counted:?}");
            (Verdict::PASS, Some(before), None)
        }
    };
    assert_eq!(verdict, expected, "{place}: counted {counted:?}");
    let drops: Vec<_> = counted
        .iter()
        .copied()
        .filter(|counter| counter.index() < DROPS)
        .collect();
    assert_eq!(drops, Vec::from_iter(reason), "{place}");
    if let Some(frame) = frame {
        let mut after = after;
        cases::forget_outer_identification(&mut after);
        if let Outcome::Answer(..) = outcome
            && frame.len() < before.len() + if before[12] == 0x86 { 48 } else { 28 }
        {
            forget_embedded_checksum(place, &mut after, frame);
        }
        assert_eq!(hex(&after), hex(frame), "{place}");
    }
}

/// A checksum that is left to the device covers only what is left of the packet inside an ICMP
/// error; the error's own must be right all the same.
fn forget_embedded_checksum(place: &str, after: &mut [u8], frame: &[u8]) {
    let v6 = frame[12] == 0x86;
    let (error, l4, protocol) = if v6 { (54, 102, 68) } else { (34, 62, 51) };
    let field = l4 + if frame[protocol] == 6 { 16 } else { 6 };
    assert_eq!(checksums_are_valid(after), Some(true), "{place}");
    for at in [error + 2, field] {
        after[at..at + 2].copy_from_slice(&frame[at..at + 2]);
    }
}

/// Bytes in groups, so that a difference can be found.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            14 | 34 | 54 => format!("\n{at:>4}: {byte:02x}"),
            _ => format!("{byte:02x}"),
        })
        .collect()
}
