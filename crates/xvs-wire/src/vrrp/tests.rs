use proptest::prelude::*;

use super::*;

const PATH: Path = Path::V4 {
    source: Ipv4Addr::new(10, 99, 0, 1),
    destination: GROUP_V4,
};

/// The first message of `v3_mcast.pcap`.
const RECORDED: [u8; 16] = [
    0x31, 0x33, 0x96, 0x02, 0x00, 0x32, 0x38, 0x12, 10, 99, 0, 100, 10, 99, 0, 101,
];

fn emit(repr: &Repr<'_>, checksum: Checksum, path: Path) -> Vec<u8> {
    let mut packet = Packet::new_unchecked(vec![0xa5; repr.buffer_length()]);
    repr.emit(&mut packet, checksum, path).unwrap();
    packet.bytes().to_vec()
}

#[test]
fn the_recorded_message_is_decoded_and_built() {
    let packet = Packet::new_checked(&RECORDED[..], PATH).unwrap();
    assert!(packet.verify(Checksum::PseudoHeader, PATH));
    assert_eq!(packet.checksum(), 0x3812);
    let repr = Repr::parse(&packet, PATH).unwrap();
    assert_eq!(
        repr,
        Repr {
            vrid: Vrid::new(51).unwrap(),
            priority: 150,
            variant: Variant::V3 {
                max_adver_int: Centiseconds::new(50).unwrap()
            },
            addresses: Addresses::V4(&[[10, 99, 0, 100], [10, 99, 0, 101]]),
        }
    );
    assert_eq!(emit(&repr, Checksum::PseudoHeader, PATH), RECORDED);
}

#[test]
fn each_checksum_variant_has_its_recorded_value() {
    let packet = Packet::new_checked(&RECORDED[..], PATH).unwrap();
    let repr = Repr::parse(&packet, PATH).unwrap();
    let unicast = Path::V4 {
        source: Ipv4Addr::new(10, 99, 0, 1),
        destination: Ipv4Addr::new(10, 99, 0, 2),
    };
    for (checksum, path, value) in [
        (Checksum::Message, PATH, 0x2309),
        (Checksum::PseudoHeader, PATH, 0x3812),
        (Checksum::PseudoHeader, unicast, 0x0dc0),
        (Checksum::OldUnicast, unicast, 0x3812),
    ] {
        let bytes = emit(&repr, checksum, path);
        let packet = Packet::new_checked(&bytes[..], path).unwrap();
        assert_eq!(packet.checksum(), value, "{checksum:?}");
        assert!(packet.verify(checksum, path));
    }
}

#[test]
fn malformed_messages_are_told_apart() {
    let broken = |at: usize, value: u8| {
        let mut bytes = RECORDED;
        bytes[at] = value;
        Packet::new_checked(&bytes[..], PATH)
            .and_then(|packet| Repr::parse(&packet, PATH).map(|_| ()))
            .unwrap_err()
    };
    assert_eq!(broken(0, 0x41), PacketError::UnknownVersion(4));
    assert_eq!(broken(0, 0x32), PacketError::UnknownType(2));
    assert_eq!(broken(1, 0), PacketError::VridZero);
    assert_eq!(broken(5, 0), PacketError::IntervalZero);
    let (expected, actual) = (20, 16);
    assert_eq!(broken(3, 3), PacketError::Length { expected, actual });
    assert_eq!(
        Packet::new_checked(&RECORDED[..7], PATH).unwrap_err(),
        PacketError::Truncated { actual: 7 }
    );
}

#[test]
fn reserved_bits_of_version_3_are_ignored() {
    let mut bytes = RECORDED;
    bytes[4] |= 0xf0;
    let packet = Packet::new_checked(&bytes[..], PATH).unwrap();
    assert_eq!(packet.max_adver_int(), 50);
}

#[test]
fn what_cannot_stand_on_the_wire_is_not_written() {
    let addresses = vec![[10, 0, 0, 1]; 256];
    let mut repr = Repr {
        vrid: Vrid::new(1).unwrap(),
        priority: 100,
        variant: Variant::V2 {
            adver_int: Seconds::new(1).unwrap(),
            authentication: Authentication::Password(*b"secret\0\0"),
        },
        addresses: Addresses::V4(&addresses),
    };
    let mut packet = Packet::new_unchecked(vec![0; repr.buffer_length()]);
    assert_eq!(
        repr.emit(&mut packet, Checksum::Message, PATH),
        Err(EmitError::TooManyAddresses { count: 256 })
    );
    repr.addresses = Addresses::V6(&[[0xfe; 16]]);
    let mut packet = Packet::new_unchecked(vec![0; repr.buffer_length()]);
    let v6 = Path::V6 {
        source: Ipv6Addr::LOCALHOST,
        destination: GROUP_V6,
    };
    assert_eq!(
        repr.emit(&mut packet, Checksum::Message, v6),
        Err(EmitError::AuthenticationOverIpv6)
    );
    assert_eq!(
        repr.emit(&mut packet, Checksum::Message, PATH),
        Err(EmitError::Family)
    );
}

fn variants() -> impl Strategy<Value = Variant> {
    let authentication = prop_oneof![
        Just(Authentication::None),
        Just(Authentication::Header),
        any::<[u8; 8]>().prop_map(Authentication::Password),
    ];
    prop_oneof![
        (1u8.., authentication).prop_map(|(seconds, authentication)| Variant::V2 {
            adver_int: Seconds::new(seconds).unwrap(),
            authentication,
        }),
        (1u16..=4095).prop_map(|value| Variant::V3 {
            max_adver_int: Centiseconds::new(value).unwrap(),
        }),
    ]
}

fn checksums() -> impl Strategy<Value = Checksum> {
    prop_oneof![
        Just(Checksum::Message),
        Just(Checksum::OldUnicast),
        Just(Checksum::PseudoHeader),
    ]
}

proptest! {
    #[test]
    fn over_ipv4_what_is_written_is_read_again(
        vrid in 1u8..,
        priority in any::<u8>(),
        variant in variants(),
        checksum in checksums(),
        list in prop::collection::vec(any::<[u8; 4]>(), 0..=255),
        source in any::<[u8; 4]>(),
        destination in any::<[u8; 4]>(),
    ) {
        let path = Path::V4 { source: source.into(), destination: destination.into() };
        let repr = Repr {
            vrid: Vrid::new(vrid).unwrap(),
            priority,
            variant,
            addresses: Addresses::V4(&list),
        };
        let bytes = emit(&repr, checksum, path);
        let packet = Packet::new_checked(&bytes[..], path).unwrap();
        prop_assert!(packet.verify(checksum, path));
        prop_assert_eq!(Repr::parse(&packet, path), Ok(repr));
    }

    #[test]
    fn over_ipv6_what_is_written_is_read_again(
        vrid in 1u8..,
        priority in any::<u8>(),
        version_2 in any::<bool>(),
        list in prop::collection::vec(any::<[u8; 16]>(), 0..=255),
        source in any::<[u8; 16]>(),
        destination in any::<[u8; 16]>(),
    ) {
        let path = Path::V6 { source: source.into(), destination: destination.into() };
        let variant = if version_2 {
            Variant::V2 {
                adver_int: Seconds::new(1).unwrap(),
                authentication: Authentication::None,
            }
        } else {
            Variant::V3 { max_adver_int: Centiseconds::MAX }
        };
        let repr = Repr {
            vrid: Vrid::new(vrid).unwrap(),
            priority,
            variant,
            addresses: Addresses::V6(&list),
        };
        let bytes = emit(&repr, Checksum::PseudoHeader, path);
        let packet = Packet::new_checked(&bytes[..], path).unwrap();
        prop_assert!(packet.verify(Checksum::PseudoHeader, path));
        prop_assert_eq!(Repr::parse(&packet, path), Ok(repr));
    }

    #[test]
    fn one_wrong_bit_breaks_the_checksum(
        variant in variants(),
        list in prop::collection::vec(any::<[u8; 4]>(), 1..8),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let repr = Repr {
            vrid: Vrid::new(7).unwrap(),
            priority: 1,
            variant,
            addresses: Addresses::V4(&list),
        };
        let mut bytes = emit(&repr, Checksum::PseudoHeader, PATH);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let packet = Packet::new_unchecked(&bytes[..]);
        prop_assert!(!packet.verify(Checksum::PseudoHeader, PATH));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), v6 in any::<bool>()) {
        let path = if v6 {
            Path::V6 { source: Ipv6Addr::LOCALHOST, destination: GROUP_V6 }
        } else {
            PATH
        };
        if let Ok(packet) = Packet::new_checked(&bytes[..], path)
            && let Ok(repr) = Repr::parse(&packet, path)
        {
            prop_assert_eq!(repr.buffer_length(), bytes.len());
            prop_assert_eq!(repr.addresses.iter().count(), repr.addresses.len());
        }
        let _ = Envelope::parse(&bytes);
        let _ = ah::authenticated(&bytes, true, |_| ());
    }

    #[test]
    fn nearly_valid_bytes_never_panic(
        first in prop_oneof![Just(0x21u8), Just(0x31u8)],
        count in 0u8..12,
        rest in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = vec![first, 1, 100, count];
        bytes.extend(rest);
        if let Ok(packet) = Packet::new_checked(&bytes[..], PATH) {
            let _ = Repr::parse(&packet, PATH);
            let _ = packet.verify(Checksum::PseudoHeader, PATH);
        }
    }

    #[test]
    fn an_envelope_that_is_written_is_read_again(
        source in any::<[u8; 4]>(),
        destination in any::<[u8; 4]>(),
        ttl in any::<u8>(),
        identification in any::<u16>(),
        header in prop::option::of((any::<u32>(), any::<[u8; 12]>())),
        message in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let envelope = Envelope {
            source: source.into(),
            destination: destination.into(),
            ttl,
            identification,
            authentication: header.map(|(sequence, check_value)| ah::Repr {
                sender: source.into(),
                sequence,
                check_value,
            }),
        };
        let mut datagram = vec![0xa5; envelope.buffer_length() + message.len()];
        envelope.emit(&mut datagram).unwrap().copy_from_slice(&message);
        datagram.extend([0; 9]); // padding of the link
        prop_assert_eq!(Envelope::parse(&datagram), Ok((envelope, &message[..])));
    }
}
