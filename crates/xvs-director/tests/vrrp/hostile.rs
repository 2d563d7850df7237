//! Advertisements that must have no effect: malformed, spoofed, replayed.

use std::time::Duration;

use crate::rig::{Rig, Routers, can_run, wait_for};

const SLACK: Duration = Duration::from_millis(600);

/// The datagram of a version 2 advertisement from 10.99.0.2 for 10.99.0.100, of priority 200.
fn datagram() -> Vec<u8> {
    let mut bytes = vec![
        0x45, 0xc0, 0, 40, 0, 1, 0, 0, 255, 112, 0, 0, 10, 99, 0, 2, 224, 0, 0, 18, 0x21, 51, 200,
        1, 0, 1, 0, 0, 10, 99, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    put_checksums(&mut bytes);
    bytes
}

fn put_checksums(bytes: &mut [u8]) {
    for (from, to, at) in [(0, 20, 10), (20, bytes.len(), 26)] {
        bytes[at..at + 2].fill(0);
        let sum: u32 = bytes[from..to]
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
            .sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        let value = !u16::try_from(folded).unwrap();
        bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
}

fn frame(datagram: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x01, 0, 0x5e, 0, 0, 18, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend(datagram);
    frame
}

/// How often advertisements were rejected for `reason`.
fn rejected(ours: &mut Routers, reason: &str) -> u64 {
    let before = ours.told().len();
    ours.command("status");
    wait_for("the status", SLACK, || ours.told().len() > before);
    let told = ours.told();
    let status = told
        .iter()
        .rev()
        .find(|line| line.starts_with("RouterStatus"))
        .unwrap();
    let Some((_, rest)) = status.split_once(&format!("{reason}: ")) else {
        return 0;
    };
    rest.chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap()
}

#[test]
fn root_what_is_no_advert_of_the_peer_is_rejected_counted_and_told_once() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("bad");
    let mut ours = rig.routers(
        "a",
        "vrrp_instance VI {\n state BACKUP\n interface eth0\n virtual_router_id 51\n priority 150\n \
         advert_int 1\n virtual_ipaddress {\n 10.99.0.100/24\n }\n}\n",
    );
    wait_for("ours to be master", Duration::from_secs(6), || {
        rig.has("a", "10.99.0.100")
    });
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(&str, Spoil); 5] = [
        ("Ttl", |bytes| bytes[8] = 254),
        // Three addresses of version 3 take what one and the authentication data take in version 2.
        ("Version", |bytes| (bytes[20], bytes[23]) = (0x31, 3)),
        ("AuthenticationType", |bytes| bytes[24] = 1),
        ("Interval", |bytes| bytes[25] = 9),
        ("Length", |bytes| bytes[23] = 3),
    ];
    for (reason, spoil) in cases {
        let mut bytes = datagram();
        spoil(&mut bytes);
        put_checksums(&mut bytes);
        for _time in 0..3 {
            rig.inject("to-a", &frame(&bytes));
        }
        wait_for(reason, SLACK, || rejected(&mut ours, reason) == 3);
    }
    let mut wrong_sum = datagram();
    wrong_sum[26] ^= 0xff;
    for _time in 0..3 {
        rig.inject("to-a", &frame(&wrong_sum));
    }
    wait_for("the checksum", SLACK, || {
        rejected(&mut ours, "Checksum") == 3
    });
    assert!(rig.has("a", "10.99.0.100"), "{:?}", ours.told());
    let told = ours.told();
    let lines = told.iter().filter(|line| line.contains("rejected advert"));
    assert_eq!(lines.count(), 6, "{told:?}");

    // The same advertisement unspoiled is obeyed: it was not rejected for something else.
    rig.inject("to-a", &frame(&datagram()));
    wait_for("ours to yield", SLACK, || !rig.has("a", "10.99.0.100"));
}

#[test]
fn root_a_replayed_authentication_header_is_rejected() {
    if !can_run(false) {
        return;
    }
    let rig = Rig::new("replay");
    let with = |priority: u8| {
        format!(
            "vrrp_instance VI {{\n state BACKUP\n interface eth0\n virtual_router_id 51\n priority \
             {priority}\n advert_int 1\n authentication {{\n auth_type AH\n auth_pass secret\n }}\n \
             virtual_ipaddress {{\n 10.99.0.100/24\n }}\n}}\n"
        )
    };
    let mut backup = rig.routers("a", &with(100));
    let mut master = rig.routers("b", &with(200));
    wait_for("the better to be master", Duration::from_secs(6), || {
        rig.has("b", "10.99.0.100") && !rig.has("a", "10.99.0.100")
    });
    let frames = rig.frames();
    let heard = frames
        .iter()
        .find(|frame| frame.advert().is_some_and(|(_, priority)| priority == 200))
        .unwrap();
    wait_for("another advert", Duration::from_secs(3), || {
        rig.frames()
            .iter()
            .filter(|frame| frame.advert().is_some())
            .count()
            > 2
    });
    master.stop();
    // The old advertisement comes again and again, and keeps nobody from taking over.
    wait_for("the backup to take over", Duration::from_secs(5), || {
        rig.inject("to-a", &heard.bytes);
        rig.has("a", "10.99.0.100")
    });
    rig.inject("to-a", &heard.bytes);
    std::thread::sleep(SLACK);
    assert!(rig.has("a", "10.99.0.100"), "it yields to nobody");
    assert!(rejected(&mut backup, "Replayed") > 0);
}
