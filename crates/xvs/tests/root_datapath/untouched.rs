//! What is not for a virtual server passes untouched.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use xvs_lab::Host;

use crate::{
    clients::{Session, ask, no_session, server_of, udp},
    net::{Net, VIP, VIP6, WEBS},
    servers::Server,
};

/// Sends an ICMP echo request and waits for its reply.
fn ping(host: &Host, address: &str) -> io::Result<()> {
    let address: IpAddr = address.parse().unwrap();
    let (domain, protocol, request, reply) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    let socket = host
        .namespace()
        .enter(|| Socket::new(domain, Type::DGRAM, Some(protocol)));
    let socket = socket.unwrap()?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.connect(&SocketAddr::new(address, 0).into())?;
    socket.send(&[request, 0, 0, 0, 0, 0, 0, 1, 42])?;
    let mut buffer = [std::mem::MaybeUninit::<u8>::uninit(); 64];
    let length = socket.recv(&mut buffer)?;
    // SAFETY: the kernel filled that much of the buffer.
    let first = unsafe { buffer[0].assume_init() };
    assert_eq!((length, first), (9, reply));
    Ok(())
}

#[test]
fn root_what_is_not_for_a_virtual_server_reaches_the_director() {
    let Some(mut net) = Net::new("pass") else {
        return;
    };
    net.without_offloads().replies_by_director();
    for host in [&net.client, &net.webs[0]] {
        host.sysctl("net.ipv4.ping_group_range", "0 2147483647")
            .unwrap();
    }
    let mut servers = vec![Server::tcp(&net.webs[0], WEBS[0], 80)];
    for address in ["10.2.0.10", VIP, "fd00:2::10", VIP6] {
        servers.push(Server::tcp(&net.director, address, 22));
        servers.push(Server::udp(&net.director, address, 5000));
    }
    net.daemon(&[])
        .line(&format!("vs add {VIP}:80"))
        .line(&format!("rs add {VIP}:80 {} -m nat", WEBS[0]))
        .line(&format!("vs add [{VIP6}]:80"))
        .line(&format!("rs add [{VIP6}]:80 fd00:2::11 -m nat"));
    for hook in ["tcx", "xdp", "xdp-generic"] {
        net.line(&format!("hook set {hook}"));
        let before = net.status()["drops"].clone();
        assert_eq!(server_of(&net.client, VIP, 80), "web1", "{hook}");
        let opened = net.counter("opened");
        for address in ["10.2.0.10", VIP, "fd00:2::10", VIP6] {
            let what = format!("{address} on {hook}");
            let mut session = Session::open(&net.client, address, 22).expect(&what);
            assert_eq!(session.server, "director", "{what}");
            session.echo().expect(&what);
            let socket = udp(&net.client, address, 5000);
            let answer = ask(&socket, 100).expect(&what);
            // The director is no hop.
            assert_eq!((answer.server.as_str(), answer.ttl), ("director", 63));
            // Three fragments.
            let answer = ask(&socket, 4_000).expect(&what);
            assert_eq!(answer.server, "director", "{what}");
            ping(&net.client, address).expect(&what);
            assert_eq!(
                no_session(&net.client, address, 23),
                io::ErrorKind::ConnectionRefused,
                "{what}"
            );
        }
        // And what the director only forwards.
        ping(&net.webs[0], "10.1.0.2").expect(hook);
        assert_eq!(net.counter("opened"), opened, "{hook}");
        assert_eq!(net.status()["drops"], before, "{hook}");
    }
}
