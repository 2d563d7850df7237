//! Settings of the kernel's names, as the programs obey them.

use xvs_wire::tcp::{ACK, FIN, RST, SYN};

use super::director::Director;
use crate::{
    Verdict,
    abi::{Counter, Method, Settings, setting_flag},
    native::{Datagram, Server, Service, World},
    state::tcp,
};

const CLIENT: &str = "198.51.100.7:40000";
const VIP: &str = "192.0.2.1:80";
const REAL: &str = "10.0.0.1:8080";

fn director(method: u8, change: impl FnOnce(&mut Settings)) -> Director {
    let mut world = World::new().reaching("198.51.100.7", World::ROUTER_MAC);
    world.add(Service::tcp(VIP), &[Server::new(method, REAL)]);
    let director = Director::new(&world);
    director.cpu.tables().settings.edit(0, change);
    director
}

fn client(number: u16) -> String {
    format!("198.51.100.7:{}", 40_000 + number)
}

#[test]
fn drop_packet_takes_the_first_new_connection_and_then_one_of_each_rate() {
    for rate in [1, 2, 10] {
        let director = director(Method::NAT, |settings| settings.drop_rate = rate);
        let dropped: Vec<bool> = (0..40)
            .map(|number| {
                let syn = Datagram::tcp(&client(number), VIP, SYN);
                director.send(&syn) == Verdict::DROP
            })
            .collect();
        let step = usize::try_from(rate).unwrap();
        for (number, dropped) in dropped.into_iter().enumerate() {
            assert_eq!(dropped, number % step == 0, "{number} at rate {rate}");
        }
        let taken = u64::from(40_u32.div_ceil(rate));
        assert_eq!(director.counted(Counter::DropDefence), taken);
        assert_eq!(director.counted(Counter::Opened), 40 - taken);
        director.audit();
    }
}

#[test]
fn drop_packet_spares_connections_that_are_there() {
    let director = director(Method::NAT, |_none| {});
    director.forward(&Datagram::tcp(CLIENT, VIP, SYN));
    let settings = &director.cpu.tables().settings;
    settings.edit(0, |settings| settings.drop_rate = 1);
    for _segment in 0..5 {
        director.forward(&Datagram::tcp(CLIENT, VIP, ACK));
    }
    assert_eq!(director.counted(Counter::DropDefence), 0);
}

#[test]
fn sloppy_tcp_takes_any_segment_but_a_reset() {
    for (flags, opens) in [
        (ACK, true),
        (FIN | ACK, true),
        (RST, false),
        (RST | ACK, false),
    ] {
        let director = director(Method::NAT, |settings| {
            settings.flags |= setting_flag::SLOPPY_TCP;
        });
        let verdict = director.send(&Datagram::tcp(CLIENT, VIP, flags));
        assert_eq!(verdict.redirected().is_some(), opens, "flags {flags:#x}");
        assert_eq!(director.counted(Counter::Opened), u64::from(opens));
    }
}

#[test]
fn secure_tcp_believes_in_a_connection_when_the_server_has_answered() {
    let director = director(Method::NAT, |settings| {
        settings.flags |= setting_flag::SECURE_TCP;
    });
    let up = |flags| Datagram::tcp(CLIENT, VIP, flags);
    let down = |flags| Datagram::tcp(REAL, CLIENT, flags);
    for (segment, state) in [
        (up(SYN), tcp::SYN_RECV),
        // An acknowledgement out of nowhere establishes nothing.
        (up(ACK), tcp::SYN_RECV),
        (down(SYN | ACK), tcp::SYNACK),
        (up(ACK), tcp::SYNACK),
        (down(ACK), tcp::ESTABLISHED),
        (up(ACK), tcp::ESTABLISHED),
    ] {
        assert!(director.send(&segment).redirected().is_some());
        assert_eq!(director.states().0, [state], "{segment:?}");
    }
    director.audit();
}

#[test]
fn secure_tcp_without_sight_of_replies_begins_in_synack() {
    let director = director(Method::DIRECT, |settings| {
        settings.flags |= setting_flag::SECURE_TCP;
    });
    for (flags, state) in [(SYN, tcp::SYNACK), (ACK, tcp::ESTABLISHED)] {
        director.forward(&Datagram::tcp(CLIENT, VIP, flags));
        assert_eq!(director.states().0, [state]);
    }
}

#[test]
fn replies_take_the_way_of_the_vip_or_of_the_real_server() {
    const OF_VIP: [u8; 6] = [2, 0, 0, 0, 9, 1];
    const OF_SERVER: [u8; 6] = [2, 0, 0, 0, 9, 2];
    for (flags, expected) in [(0, OF_VIP), (setting_flag::NO_SNAT_REROUTE, OF_SERVER)] {
        let mut world = World::new()
            .reaching("198.51.100.7", World::ROUTER_MAC)
            .reaching_from("192.0.2.1", "198.51.100.7", OF_VIP)
            .reaching_from("10.0.0.1", "198.51.100.7", OF_SERVER);
        world.add(Service::tcp(VIP), &[Server::new(Method::NAT, REAL)]);
        let director = Director::new(&world);
        director
            .cpu
            .tables()
            .settings
            .edit(0, |settings| settings.flags |= flags);
        director.forward(&Datagram::syn(CLIENT, VIP));
        let reply = Datagram::tcp(REAL, CLIENT, SYN | ACK);
        let mut buffer = director.buffer(&reply);
        assert_eq!(
            crate::native::run(&mut buffer, &director.cpu),
            Verdict::redirect(World::CLIENTS)
        );
        let left = reply
            .from(VIP)
            .returned()
            .macs(expected, World::CLIENTS_MAC);
        assert_eq!(buffer.bytes(), left.bytes());
    }
}
