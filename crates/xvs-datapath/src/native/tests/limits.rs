//! Room, sizes, segments, and kernels that refuse.

use xvs_wire::tcp::{ACK, SYN};

use super::director::Director;
use crate::{
    Packet, Verdict,
    abi::{Counter, Method},
    native::{Datagram, Frame, Segments, Server, Service, World, checksums_are_valid, run},
};

const CLIENT: &str = "198.51.100.7:40000";
const VIP: &str = "192.0.2.1:80";

fn director(service: Service, server: Server) -> Director {
    let mut world = World::new().unresolved("10.0.9.9");
    world.add(service, &[server]);
    Director::new(&world)
}

/// A director with an established TCP connection.
fn established(server: Server) -> Director {
    let director = director(Service::tcp(VIP), server);
    director.forward(&Datagram::tcp(CLIENT, VIP, SYN));
    director.forward(&Datagram::tcp(CLIENT, VIP, ACK));
    director
}

#[test]
fn a_kernel_that_cannot_reach_the_neighbour_makes_a_counted_drop() {
    let server = Server::new(Method::DIRECT, "10.0.9.9:0").unknown_next_hop();
    let director = director(Service::udp(VIP), server);
    let mut buffer = director.buffer(&Datagram::udp(CLIENT, VIP)).refusing();
    assert_eq!(run(&mut buffer, &director.cpu), Verdict::DROP);
    assert_eq!(director.counted(Counter::DropNoNeighbour), 1);
    assert_eq!(director.cpu.drops(), 1);
}

#[test]
fn the_kernel_is_told_the_neighbour_to_resolve() {
    let server = Server::new(Method::DIRECT, "10.0.9.9:0").unknown_next_hop();
    let director = director(Service::udp(VIP), server);
    let mut buffer = director.buffer(&Datagram::udp(CLIENT, VIP));
    assert_eq!(run(&mut buffer, &director.cpu), Verdict::NEIGHBOUR);
    let neighbour = crate::native::address([10, 0, 9, 9].into());
    assert_eq!(buffer.neighbour(), Some((World::CLIENTS, false, neighbour)));
}

#[test]
fn a_frame_without_room_for_an_outer_header_is_dropped_and_counted() {
    let director = established(Server::tunnel("10.0.0.254", "10.0.0.1:0"));
    for flags in [ACK, SYN] {
        let before = director.counted(Counter::DropHeadroom);
        let bytes = Datagram::tcp(CLIENT, VIP, flags).bytes();
        let mut frame = Frame::new(&bytes, World::CLIENTS, &director.routes).with_room(19, 0);
        assert_eq!(run(&mut frame, &director.cpu), Verdict::DROP);
        assert_eq!(director.counted(Counter::DropHeadroom), before + 1);
    }
    let bytes = Datagram::tcp(CLIENT, VIP, ACK).bytes();
    let mut frame = Frame::new(&bytes, World::CLIENTS, &director.routes).with_room(20, 0);
    assert_eq!(
        run(&mut frame, &director.cpu),
        Verdict::redirect(World::SERVERS)
    );
}

#[test]
fn a_syn_without_room_behind_it_goes_on_without_toa() {
    let mut world = World::new();
    let service = Service::tcp(VIP).local("10.0.0.100", 5000, 5000);
    world.add(service, &[Server::new(Method::FULLNAT, "10.0.0.1:80")]);
    let director = Director::new(&world);
    let syn = Datagram::syn(CLIENT, VIP);
    let mut frame = Frame::new(&syn.bytes(), World::CLIENTS, &director.routes).with_room(0, 7);
    assert_eq!(
        run(&mut frame, &director.cpu),
        Verdict::redirect(World::SERVERS)
    );
    let expected = syn.from("10.0.0.100:5000").to("10.0.0.1:80").forwarded(0);
    assert_eq!(frame.bytes(), expected.bytes());
    assert_eq!(director.counted(Counter::ToaAbsent), 1);
}

#[test]
fn a_syn_with_data_goes_on_without_toa() {
    let mut world = World::new();
    let service = Service::tcp(VIP).local("10.0.0.100", 5000, 5000);
    world.add(service, &[Server::new(Method::FULLNAT, "10.0.0.1:80")]);
    let director = Director::new(&world);
    let syn = Datagram::syn(CLIENT, VIP).payload(11);
    let mut frame = Frame::new(&syn.bytes(), World::CLIENTS, &director.routes);
    assert_eq!(
        run(&mut frame, &director.cpu),
        Verdict::redirect(World::SERVERS)
    );
    let expected = syn.from("10.0.0.100:5000").to("10.0.0.1:80").forwarded(0);
    assert_eq!(frame.bytes(), expected.bytes());
    assert_eq!(director.counted(Counter::ToaAbsent), 1);
}

#[test]
fn a_header_without_room_for_toa_is_counted_and_one_with_room_too() {
    for (vip, client, local, real, room) in [
        (VIP, CLIENT, "10.0.0.100", "10.0.0.1:80", 32),
        (
            "[2001:db8::1]:80",
            "[2001:db8:c::7]:40000",
            "2001:db8:5::100",
            "[2001:db8:5::1]:80",
            20,
        ),
    ] {
        for (options, absent) in [(room, 0), (room + 4, 1), (40, 1)] {
            let mut world = World::new();
            let service = Service::tcp(vip).local(local, 5000, 5000);
            world.add(service, &[Server::new(Method::FULLNAT, real)]);
            let director = Director::new(&world);
            director.forward(&Datagram::tcp(client, vip, SYN).options(&vec![1; options]));
            let counted = [Counter::ToaAbsent, Counter::ToaAdded].map(|one| director.counted(one));
            assert_eq!(
                counted,
                [absent, 1 - absent],
                "{vip}: {options} bytes of options"
            );
        }
    }
}

#[test]
fn a_packet_that_stands_for_several_is_as_large_as_each_of_them() {
    let director = established(Server::new(Method::NAT, "10.0.0.1:8080").mtu(1500));
    let large = Datagram::tcp(CLIENT, VIP, ACK).payload(14_600);
    for (payload, verdict) in [
        (1460, Verdict::redirect(World::SERVERS)),
        (1461, Verdict::DROP),
    ] {
        let mut buffer = director
            .buffer(&large)
            .with_segments(Segments { payload, count: 10 });
        assert_eq!(run(&mut buffer, &director.cpu), verdict);
    }
    assert_eq!(director.counted(Counter::DropTooBig), 1);
    let entries = director.cpu.tables().entries4();
    let packets = entries.iter().map(|(_, entry)| entry.packets).max();
    // The kernel counts what comes from clients before it knows that it is too large.
    assert_eq!(packets, Some(22), "SYN, ACK and twice ten segments");
}

#[test]
fn segments_in_a_tunnel_are_cut_smaller_to_fit() {
    let director = established(Server::tunnel("10.0.0.254", "10.0.0.1:0"));
    let large = Datagram::tcp(CLIENT, VIP, ACK).payload(14_600);
    let mut buffer = director.buffer(&large).with_segments(Segments {
        payload: 1460,
        count: 10,
    });
    let verdict = run(&mut buffer, &director.cpu);
    assert_eq!(verdict, Verdict::redirect(World::SERVERS));
    assert_eq!(buffer.segment_payload(), 1440);
    assert_eq!(checksums_are_valid(&buffer.bytes()), Some(true));
}

#[test]
fn nobody_is_told_of_segments_whose_time_to_live_ended() {
    let director = established(Server::new(Method::DIRECT, "10.0.0.1:0"));
    let large = Datagram::tcp(CLIENT, VIP, ACK).payload(2920).ttl(1);
    let mut buffer = director.buffer(&large).with_segments(Segments {
        payload: 1460,
        count: 2,
    });
    assert_eq!(run(&mut buffer, &director.cpu), Verdict::DROP);
    assert_eq!(director.counted(Counter::DropTtl), 1);
    assert_eq!(director.counted(Counter::IcmpSent), 0);
}

#[test]
fn what_xdp_leaves_to_tcx_is_done_there() {
    let server = Server::new(Method::DIRECT, "10.0.9.9:0").unknown_next_hop();
    let director = director(Service::tcp(VIP), server);
    let syn = Datagram::syn(CLIENT, VIP);
    assert_eq!(director.send(&syn), Verdict::PASS);
    let mut buffer = director.buffer(&syn);
    assert_eq!(run(&mut buffer, &director.cpu), Verdict::NEIGHBOUR);
    assert_eq!(director.counted(Counter::Opened), 1);
    director.audit();
}
