//! Any bytes as traffic: the property that fuzzing and property tests share.

use std::sync::Arc;

use xvs_wire::ipv4;

use crate::{
    Packet, Verdict,
    abi::Method,
    native::{
        Buffer, Cpu, Datagram, Frame, IcmpError, Routes, Server, Service, World, audit, cases::cut,
        checksums_are_valid, relabelled, run, sctp,
    },
};

/// Bytes of a record: what, whom, client, flags, time to live, length, place and value of a change.
const RECORD: usize = 8;

/// Takes `data` for a director's traffic and fails where the datapath breaks a promise: it never
/// panics; what passes is as it came, but perhaps for bytes behind the IP packet; every drop is counted once and nothing else is; what is
/// forwarded or answered has right checksums where it came with right ones; what it lets come in once more
/// ends there; and the tables hold together at the end.
///
/// The first byte chooses the hook. Each record of eight bytes then is a packet, of a client to some
/// virtual server or back, with one byte changed perhaps. A record that begins with 255 makes what
/// follows it one frame.
///
/// # Panics
/// Where a promise is broken.
pub fn exercise(data: &[u8]) {
    let Some((hook, mut rest)) = data.split_first() else {
        return;
    };
    let world = everything();
    let cpu = world.cpu();
    while let Some((record, more)) = rest.split_first_chunk::<RECORD>() {
        let [what, whom, client, ..] = *record;
        rest = more;
        if what == u8::MAX {
            send(*hook, more, &world, &cpu);
            break;
        }
        if what == u8::MAX - 1 {
            pass_time(&cpu, World::HZ * u32::from(whom) * u32::from(client));
            continue;
        }
        send(*hook, &frame(record), &world, &cpu);
    }
    let found = audit(cpu.tables());
    assert!(found.is_empty(), "{found:#?}");
}

/// Lets time pass for the CPU and the daemon.
fn pass_time(cpu: &Cpu, jiffies: u32) {
    cpu.wait(jiffies);
    cpu.tables().settings.edit(0, |settings| {
        settings.heartbeat = settings.heartbeat.wrapping_add(jiffies);
    });
}

fn send(hook: u8, bytes: &[u8], world: &World, cpu: &Cpu) {
    let routes = world.routes();
    let buffer = Buffer::new(bytes, World::CLIENTS, &routes);
    match hook % 4 {
        0 => {
            let mut frame = Frame::new(bytes, World::CLIENTS, &routes);
            let verdict = decide(&mut frame, cpu);
            judge(bytes, verdict, &frame.bytes());
        }
        1 => decide_buffer(bytes, buffer, &routes, cpu),
        2 => decide_buffer(bytes, buffer.with_linear(14), &routes, cpu),
        _ => {
            let left = Buffer::new(bytes, World::CLIENTS, &routes).with_partial_checksum();
            // A sender that leaves its checksum to the device sends a packet that fits its frame.
            let whole = checksums_are_valid(bytes) == Some(true);
            let buffer = if whole { left } else { None }.unwrap_or(buffer);
            decide_buffer(bytes, buffer, &routes, cpu);
        }
    }
}

/// Decides a packet at tcx, and those that come in once more for it.
fn decide_buffer(bytes: &[u8], mut buffer: Buffer, routes: &Arc<Routes>, cpu: &Cpu) {
    let verdict = decide(&mut buffer, cpu);
    judge(bytes, verdict, &buffer.bytes());
    for bytes in buffer.returning() {
        let mut again = Buffer::new(&bytes, World::CLIENTS, routes);
        let verdict = decide(&mut again, cpu);
        judge(&bytes, verdict, &again.bytes());
        // Each would be a packet that keeps a CPU busy for ever.
        assert!(
            again.returning().is_empty(),
            "{bytes:02x?} comes back again"
        );
    }
}

/// Runs the datapath, and holds its counts of drops to its verdict.
fn decide<P: Packet>(packet: &mut P, cpu: &Cpu) -> Verdict {
    let drops = cpu.drops();
    let verdict = run(packet, cpu);
    let counted = cpu.drops() - drops;
    let expected = u64::from(verdict == Verdict::DROP || verdict == Verdict::REPLY);
    assert_eq!(counted, expected, "drops counted with {verdict:?}");
    verdict
}

fn judge(before: &[u8], verdict: Verdict, after: &[u8]) {
    if verdict == Verdict::PASS {
        let kept = before.get(..after.len());
        assert_eq!(kept, Some(after), "a packet that passes was changed");
        let cut = after.len() < before.len();
        assert!(
            !cut || length(before) == Some(after.len()),
            "not cut behind its IP packet"
        );
    } else if verdict != Verdict::DROP
        && verdict != Verdict::HELD
        && checksums_are_valid(before) == Some(true)
    {
        let valid = checksums_are_valid(after);
        assert_eq!(
            valid,
            Some(true),
            "{verdict:?}\n{before:02x?}\n{after:02x?}"
        );
    }
}

/// Bytes of a frame with the IP packet in it.
fn length(frame: &[u8]) -> Option<usize> {
    let at = |place: usize| {
        Some(u16::from_be_bytes([
            *frame.get(place)?,
            *frame.get(place + 1)?,
        ]))
    };
    match at(12)? {
        0x0800 => Some(14 + usize::from(at(16)?)),
        _ => Some(54 + usize::from(at(18)?)),
    }
}

/// Virtual servers of every method, TCP, UDP and SCTP, IPv4 and IPv6, on tables that are soon full.
fn everything() -> World {
    let mut world = World::new()
        .reaching("198.51.100.7", World::ROUTER_MAC)
        .reaching("2001:db8:c::7", World::ROUTER_MAC)
        .unresolved("10.0.0.9");
    world.set_bits = 1;
    world.overflow = 6;
    let of_sctp = |endpoint: &str| Service {
        protocol: ipv4::PROTOCOL_SCTP,
        ..Service::udp(endpoint)
    };
    for service in [Service::tcp, Service::udp, of_sctp] {
        for port in 0..8 {
            let v4 = service(&format!("192.0.2.1:{port}")).local("10.0.0.100", 1, 9);
            let v6 = service(&format!("[2001:db8::1]:{port}")).local("2001:db8:5::100", 1, 9);
            let (v4, v6) = if port == 7 {
                (v4.persistent(24), v6.persistent(64))
            } else {
                (v4, v6)
            };
            world.add(v4, &[server(port, false)]);
            world.add(v6, &[server(port, true)]);
        }
    }
    world
}

fn server(port: u16, v6: bool) -> Server {
    let real = |v6: bool| {
        if v6 {
            "[2001:db8:5::1]:8080"
        } else {
            "10.0.0.1:8080"
        }
    };
    match port {
        0 | 7 => Server::new(Method::NAT, real(v6)),
        1 => Server::new(Method::DIRECT, real(v6)).mtu(200),
        2 => Server::tunnel(near(v6), real(v6)),
        3 => Server::tunnel(near(!v6), real(!v6)),
        4 => Server::new(Method::FULLNAT, real(v6)).thresholds(4, 0),
        5 => Server::new(Method::LOCAL, real(v6)),
        _ => Server::new(Method::DIRECT, "10.0.0.9:0").unknown_next_hop(),
    }
}

fn near(v6: bool) -> &'static str {
    if v6 { "2001:db8:5::fe" } else { "10.0.0.254" }
}

/// The frame of a record.
fn frame(record: &[u8; RECORD]) -> Vec<u8> {
    let [what, whom, client, flags, ttl, length, place, value] = *record;
    let port = whom % 8;
    let (from, vip, real, local) = if what & 1 == 0 {
        ("198.51.100.7", "192.0.2.1", "10.0.0.1", "10.0.0.100")
    } else {
        (
            "[2001:db8:c::7]",
            "[2001:db8::1]",
            "[2001:db8:5::1]",
            "[2001:db8:5::100]",
        )
    };
    let (source, destination) = if what & 2 == 0 {
        (format!("{from}:{client}"), format!("{vip}:{port}"))
    } else if port == 4 {
        (
            format!("{real}:8080"),
            format!("{local}:{}", client % 9 + 1),
        )
    } else {
        (format!("{real}:8080"), format!("{from}:{client}"))
    };
    let datagram = match (what >> 2) % 4 {
        0 => Datagram::udp(&source, &destination).payload(usize::from(length) * 6),
        1 => Datagram::udp(&source, &destination).without_checksum(),
        2 => Datagram::syn(&source, &destination),
        _ => Datagram::tcp(&source, &destination, flags).payload(usize::from(length)),
    };
    let datagram = datagram.ttl(ttl).class(value);
    let mut bytes = if what & 16 != 0 {
        error_about(&datagram, flags)
    } else if what & 32 != 0 {
        of_another(&datagram, flags)
    } else {
        datagram.bytes()
    };
    if what & 64 != 0 && what & 16 == 0 {
        // Packets of one client are of one packet until its number changes.
        let pieces = cut(&bytes, ttl);
        if let Some(piece) = pieces.get(usize::from(flags) % pieces.len().max(1)) {
            bytes.clone_from(piece);
        }
    }
    if let Some(byte) = bytes.get_mut(usize::from(place))
        && place != 0
    {
        *byte = value;
    }
    bytes
}

/// A packet of SCTP, AH or ESP between the ends of a datagram.
fn of_another(datagram: &Datagram, kind: u8) -> Vec<u8> {
    let udp = |payload| {
        let (source, destination) = (datagram.source, datagram.destination);
        let same = Datagram::udp(&source.to_string(), &destination.to_string());
        same.ttl(datagram.ttl).payload(payload).bytes()
    };
    match kind % 4 {
        0 => relabelled(udp(40), ipv4::PROTOCOL_ESP),
        1 => relabelled(udp(40), ipv4::PROTOCOL_AH),
        _ => sctp(udp(24 + usize::from(kind)), kind >> 2),
    }
}

/// An ICMP error of some kind about what the sender of `datagram` got.
fn error_about(datagram: &Datagram, kind: u8) -> Vec<u8> {
    let turned = Datagram {
        source: datagram.destination,
        destination: datagram.source,
        ..datagram.clone()
    };
    IcmpError {
        ttl: datagram.ttl,
        ..IcmpError::about(&turned.bytes()[14..]).saying(kind & 15, 0, 1400)
    }
    .bytes()
}
