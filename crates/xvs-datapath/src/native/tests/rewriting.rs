//! Rewriting, over any packet.

use proptest::prelude::*;
use xvs_wire::tcp::{ACK, SYN, TOA_V4_LENGTH};

use super::director::Director;
use crate::{
    Verdict,
    abi::Method,
    ftp,
    native::{Buffer, Datagram, Frame, Server, Service, World, exercise, run},
};

const VIP: &str = "192.0.2.1:80";
const VIP6: &str = "[2001:db8::1]:80";

/// Any port of a client but that of FTP's data, from which nobody opens a connection unannounced.
fn client_port() -> impl Strategy<Value = u16> {
    any::<u16>().prop_map(|port| if port == ftp::DATA_PORT { 0 } else { port })
}

/// Any datagram from a client to a VIP.
fn datagram() -> impl Strategy<Value = Datagram> {
    (
        any::<(bool, bool, [u8; 2], u8, bool)>(),
        client_port(),
        2_u8..,
        proptest::collection::vec(any::<u8>(), 0..300),
    )
        .prop_map(|((v6, udp, [a, b], class, checksum), port, ttl, payload)| {
            let (from, to) = if v6 {
                (format!("[2001:db8:c::{a:x}:{b:x}]:{port}"), VIP6)
            } else {
                (format!("198.18.{a}.{b}:{port}"), VIP)
            };
            let base = if udp {
                Datagram::udp(&from, to)
            } else {
                Datagram::tcp(&from, to, SYN)
            };
            Datagram {
                ttl,
                class,
                payload,
                checksum: checksum || !udp,
                ..base
            }
        })
}

/// A director that translates to `method`'s real servers, and reaches `client`.
fn director(method: u8, client: &Datagram) -> Director {
    let mut world = World::new().reaching(&client.source.ip().to_string(), World::ROUTER_MAC);
    for service in [Service::tcp, Service::udp] {
        let service4 = service(VIP).local("10.0.0.100", 5000, 5000);
        let service6 = service(VIP6).local("2001:db8:5::100", 5000, 5000);
        world.add(service4, &[Server::new(method, "10.0.0.1:8080")]);
        world.add(service6, &[Server::new(method, "[2001:db8:5::1]:8080")]);
    }
    Director::new(&world)
}

/// What `frame` becomes at each hook: XDP, tcx, tcx with a checksum left to the device.
fn outcomes(director: &Director, frame: &[u8]) -> Vec<(Verdict, Vec<u8>)> {
    let mut found = Vec::new();
    let mut xdp = Frame::new(frame, World::CLIENTS, &director.routes);
    found.push((run(&mut xdp, &director.cpu), xdp.bytes()));
    let buffer = || Buffer::new(frame, World::CLIENTS, &director.routes);
    for mut tcx in [Some(buffer()), buffer().with_partial_checksum()]
        .into_iter()
        .flatten()
    {
        found.push((run(&mut tcx, &director.cpu), tcx.bytes()));
    }
    found
}

/// As a real server sees a datagram to its VIP by `method`.
fn translated(datagram: &Datagram, method: u8) -> Datagram {
    let v6 = datagram.source.is_ipv6();
    let real = if v6 {
        "[2001:db8:5::1]:8080"
    } else {
        "10.0.0.1:8080"
    };
    let local = if v6 {
        "[2001:db8:5::100]:5000"
    } else {
        "10.0.0.100:5000"
    };
    // index of the real server: two for TCP, then two for UDP
    let server = u32::from(v6) + if datagram.protocol == 17 { 2 } else { 0 };
    let forwarded = datagram.clone().to(real).forwarded(server);
    if method == Method::FULLNAT {
        forwarded.from(local)
    } else {
        forwarded
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_translated_is_as_if_it_had_been_sent_so(
        datagram in datagram(),
        full in any::<bool>(),
    ) {
        let method = if full { Method::FULLNAT } else { Method::NAT };
        let datagram = Datagram { flags: if full { SYN | ACK } else { SYN }, ..datagram };
        let director = director(method, &datagram);
        let expected = translated(&datagram, method).bytes();
        for (verdict, bytes) in outcomes(&director, &datagram.bytes()) {
            prop_assert_eq!(verdict, Verdict::redirect(World::SERVERS));
            prop_assert_eq!(&bytes, &expected);
        }
        director.audit();
    }

    #[test]
    fn a_reply_with_the_same_bytes_comes_back_as_if_from_the_vip(datagram in datagram()) {
        let director = director(Method::NAT, &datagram);
        prop_assert_eq!(director.send(&datagram), Verdict::redirect(World::SERVERS));
        let there = translated(&datagram, Method::NAT);
        let reply = Datagram {
            source: there.destination,
            destination: there.source,
            flags: ACK,
            mac_to: World::CLIENTS_MAC,
            ..datagram.clone()
        };
        let expected = Datagram { source: datagram.destination, ..reply.clone() }.returned();
        for (verdict, bytes) in outcomes(&director, &reply.bytes()) {
            prop_assert_eq!(verdict, Verdict::redirect(World::CLIENTS));
            prop_assert_eq!(bytes, expected.bytes());
        }
    }

    #[test]
    fn a_real_server_reads_the_client_from_the_toa_option(
        [a, b] in any::<[u8; 2]>(),
        port in client_port(),
        words in proptest::collection::vec(
            proptest::sample::select(vec![[1_u8, 1, 1, 1], [2, 4, 5, 180], [8, 2, 4, 2], [1, 3, 3, 7]]),
            0..=8,
        ),
    ) {
        let options = words.concat();
        let syn = Datagram::tcp(&format!("198.18.{a}.{b}:{port}"), VIP, SYN).options(&options);
        let director = director(Method::FULLNAT, &syn);
        for (_, bytes) in outcomes(&director, &syn.bytes()) {
            prop_assert_eq!(bytes.len(), syn.bytes().len() + usize::from(TOA_V4_LENGTH));
            let header = usize::from(bytes[46] >> 4) * 4;
            prop_assert_eq!(34 + header, bytes.len());
            let [p, q] = port.to_be_bytes();
            prop_assert_eq!(&bytes[bytes.len() - 8..], &[254, 8, p, q, 198, 18, a, b]);
            prop_assert_eq!(crate::native::checksums_are_valid(&bytes), Some(true));
        }
    }

    #[test]
    fn frames_of_random_bytes_pass_as_they_came(
        hook in any::<u8>(),
        frame in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        exercise(&[&[hook][..], &[u8::MAX; 8], &frame].concat());
    }

    #[test]
    fn any_traffic_keeps_the_promises(
        data in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        exercise(&data);
    }

    #[test]
    fn traffic_of_few_clients_keeps_the_promises(
        hook in any::<u8>(),
        records in proptest::collection::vec(
            (any::<u8>(), 0_u8..8, 0_u8..12, any::<u8>(), 0_u8..4, any::<u8>(), 0_u8..64, any::<u8>()),
            1..60,
        ),
        changed in any::<bool>(),
    ) {
        let mut data = vec![hook];
        for (what, whom, client, flags, ttl, length, place, value) in records {
            let place = if changed { place } else { 0 };
            data.extend([what % 254, whom, client, flags, ttl + 1, length, place, value]);
        }
        exercise(&data);
    }
}
