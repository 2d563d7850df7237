//! Advertisements that are malformed, spoofed or replayed: rejected, counted, logged once.

use std::collections::BTreeSet;

use crate::{
    inside::{Inside, VIP},
    support::{can_run, wait_until},
};

/// keepalived as master of the virtual router below, with an authentication header.
const RECORDED: &[u8] = include_bytes!("../../../xvs-director/tests/fixtures/vrrp/v2_ah.pcap");

/// A version 2 virtual router with these lines.
fn router(priority: u8, lines: &str) -> String {
    format!(
        "vrrp_instance VI {{\n state BACKUP\n interface client\n virtual_router_id 51\n priority \
         {priority}\n advert_int 1\n {lines}\n virtual_ipaddress {{\n {VIP}/24\n 10.99.0.101/24\n }}\n}}\n"
    )
}

/// The frame of an advertisement from 10.99.0.2 for both addresses, of priority 200.
fn advert() -> Vec<u8> {
    let mut frame = vec![0x01, 0, 0x5e, 0, 0, 18, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([
        0x45, 0xc0, 0, 44, 0, 1, 0, 0, 255, 112, 0, 0, 10, 99, 0, 2, 224, 0, 0, 18,
    ]);
    frame.extend([0x21, 51, 200, 2, 0, 1, 0, 0]);
    frame.extend([10, 99, 0, 100, 10, 99, 0, 101, 0, 0, 0, 0, 0, 0, 0, 0]);
    put_checksums(&mut frame);
    frame
}

fn put_checksums(frame: &mut [u8]) {
    for (from, to, at) in [(14, 34, 24), (34, frame.len(), 40)] {
        frame[at..at + 2].fill(0);
        let sum: u32 = frame[from..to]
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
            .sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        let value = !u16::try_from(folded).unwrap();
        frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
}

/// The frames of a recording that have a protocol number of IPv4.
fn recorded(protocol: u8) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = &RECORDED[24..];
    while let Some((header, after)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(*header[8..].first_chunk().unwrap());
        let (frame, next) = after.split_at(usize::try_from(length).unwrap());
        if frame[12..14] == [0x08, 0x00] && frame[23] == protocol {
            frames.push(frame.to_vec());
        }
        rest = next;
    }
    frames
}

#[test]
fn root_what_is_no_advert_of_the_peer_is_rejected_counted_and_logged_once() {
    if !can_run() {
        return;
    }
    let inside = Inside::new();
    let daemon = inside.daemon(&router(150, ""));
    inside.wait_for_state("MASTER");
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(&str, Spoil); 6] = [
        ("Ttl", |frame| frame[22] = 254),
        ("Version", |frame| (frame[34], frame[37]) = (0x31, 4)),
        ("AuthenticationType", |frame| frame[38] = 1),
        ("Interval", |frame| frame[39] = 9),
        ("Length", |frame| frame[37] = 4),
        ("Checksum", |_frame| ()),
    ];
    let count = cases.len();
    for (reason, spoil) in cases {
        let mut frame = advert();
        spoil(&mut frame);
        put_checksums(&mut frame);
        if reason == "Checksum" {
            frame[40] ^= 0xff;
        }
        for _time in 0..3 {
            inside.send(&frame);
        }
        wait_until(reason, || {
            inside.router()["counters"]["rejected"][reason] == 3
        });
    }
    assert_eq!(inside.router()["state"], "MASTER");
    assert!(inside.has_vip());
    // What is not spoiled is obeyed: nothing was rejected for another reason.
    inside.send(&advert());
    inside.wait_for_state("BACKUP");
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0));
    assert_eq!(log.matches("rejected advert").count(), count, "{log}");
}

#[test]
fn root_replayed_and_forged_authentication_headers_are_rejected_counted_and_logged_once() {
    if !can_run() {
        return;
    }
    let inside = Inside::new();
    let lines = "authentication {\n auth_type AH\n auth_pass secret\n }";
    let daemon = inside.daemon(&router(100, lines));
    // The recording was made on the host that has our own address.
    inside.place.ip("addr del 10.99.0.1/24 dev client");
    inside.place.ip("addr add 10.99.0.9/24 dev client");
    inside.wait_for_state("BACKUP");
    let rejected = |reason: &str| inside.router()["counters"]["rejected"][reason].clone();
    let frames = recorded(51);
    let [first, second, ..] = &frames[..] else {
        panic!("{} frames", frames.len());
    };
    inside.send(first);
    inside.send(second);
    wait_until("both", || inside.router()["counters"]["received"] == 2);
    for _time in 0..3 {
        inside.send(first);
    }
    wait_until("the replay", || rejected("Replayed") == 3);
    let mut forged = frames[2].clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    for _time in 0..3 {
        inside.send(&forged);
    }
    wait_until("the forged one", || {
        rejected("CheckValue") == 3 || rejected("Checksum") == 3
    });
    // A replay keeps nobody from taking over.
    inside.wait_for_state("MASTER");
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0));
    // Once for each reason, and anew only after the state has changed.
    let told: Vec<&str> = log
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once("(VI) ")?;
            rest.strip_prefix("rejected advert").or_else(|| {
                let changed = rest.starts_with("Entering");
                changed.then_some("changed")
            })
        })
        .collect();
    let reasons: BTreeSet<&&str> = told.iter().filter(|one| **one != "changed").collect();
    assert_eq!(reasons.len(), 2, "{log}");
    for period in told.split(|one| *one == "changed") {
        let distinct: BTreeSet<&&str> = period.iter().collect();
        assert_eq!(distinct.len(), period.len(), "{log}");
    }
}
