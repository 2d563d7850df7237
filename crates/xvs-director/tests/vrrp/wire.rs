//! What we send is what keepalived was recorded to send for the same configuration, byte for byte.

use std::{fs, path::Path, time::Duration};

use crate::rig::{Frame, Rig, can_run, wait_for};

/// Adverts and announcements of a recording that are compared: the takeover, and a while after it.
const ADVERTS: usize = 3;

fn recorded(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vrrp");
    let bytes = fs::read(folder.join(format!("{name}.pcap"))).unwrap();
    let mut frames = Vec::new();
    let mut rest = &bytes[24..];
    while let Some((header, after)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(*header[8..].first_chunk().unwrap());
        let (frame, next) = after.split_at(usize::try_from(length).unwrap());
        frames.push(frame.to_vec());
        rest = next;
    }
    frames
}

/// The first adverts and the announcements between them, without what differs from run to
/// run: the flow label of IPv6, and the peer's Ethernet address in unicast.
fn comparable(frames: impl IntoIterator<Item = Vec<u8>>, unicast: bool) -> Vec<Vec<u8>> {
    let mut adverts = 0;
    let mut kept = Vec::new();
    for bytes in frames {
        let frame = Frame {
            at: std::time::Instant::now(),
            bytes,
        };
        let advert = frame.advert().is_some_and(|(source, _priority)| {
            // Recordings with a peer have its adverts too.
            source.to_string() == "10.99.0.1" || source.is_ipv6()
        });
        if advert {
            adverts += 1;
        }
        if adverts > ADVERTS {
            break;
        }
        if advert || (frame.announces() && adverts > 0) {
            let mut bytes = frame.bytes;
            if bytes[12..14] == [0x86, 0xdd] {
                bytes[15] &= 0xf0;
                bytes[16..18].fill(0);
            }
            if unicast && advert {
                bytes[..6].fill(0);
            }
            kept.push(bytes);
        }
    }
    kept
}

fn sends_what_was_recorded(name: &str) {
    if !can_run(false) {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vrrp");
    let configuration = fs::read_to_string(folder.join(format!("{name}.conf"))).unwrap();
    let unicast = configuration.contains("unicast_peer");
    let expected = comparable(recorded(name), unicast);
    assert!(
        expected.len() >= ADVERTS,
        "the recording of {name} is whole"
    );
    let rig = Rig::new("wire");
    rig.ip("b", "addr add 10.99.0.3/24 dev eth0");
    let routers = rig.routers("a", &configuration);
    let sent = || comparable(rig.frames().into_iter().map(|frame| frame.bytes), unicast);
    wait_for("what was recorded", Duration::from_secs(12), || {
        sent().len() >= expected.len()
    });
    let sent = sent();
    for (at, (ours, theirs)) in sent.iter().zip(&expected).enumerate() {
        assert_eq!(ours, theirs, "frame {at} of {name}: {:?}", routers.told());
    }
}

macro_rules! recordings {
    ($($test:ident: $name:literal,)+) => {
        $(#[test]
        fn $test() {
            sends_what_was_recorded($name);
        })+
    };
}

recordings! {
    root_version_2_as_recorded: "v2_plain",
    root_version_2_with_a_password_as_recorded: "v2_pass",
    root_version_2_with_an_authentication_header_as_recorded: "v2_ah",
    root_version_2_over_ipv6_as_recorded: "v2_ipv6_keepalived",
    root_version_2_unicast_as_recorded: "v2_unicast",
    root_version_3_as_recorded: "v3_mcast",
    root_version_3_over_ipv6_as_recorded: "v3_ipv6",
    root_version_3_of_the_owner_as_recorded: "v3_owner_255",
    root_version_3_unicast_as_recorded: "v3_unicast",
    root_version_3_unicast_with_the_old_checksum_as_recorded: "v3_unicast_oldcksum",
    root_version_3_by_a_virtual_mac_as_recorded: "v3_vmac",
}
