//! The network of a scheduler's recording: a router to all clients, and one to each real server, by whose
//! hardware address the server is known whatever the forwarding method.

use std::net::IpAddr;

use crate::{Leg, Network, Topology};

/// The link to the clients and its hardware address.
pub(super) const CLIENTS: (&str, [u8; 6]) = ("cl", [0x02, 0, 0, 0, 0x01, 0x01]);
/// The link to the real servers and its hardware address.
pub(super) const SERVERS: (&str, [u8; 6]) = ("sv", [0x02, 0, 0, 0, 0x02, 0x01]);
/// The router to all clients.
pub(super) const ROUTER: [u8; 6] = [0x02, 0, 0, 0, 0x01, 0xfe];

const SERVER: [u8; 4] = [0x02, 0, 0, 0x03];

/// The hardware address of the router to a real server.
fn mac_of(number: u16) -> [u8; 6] {
    let ([a, b, c, d], [high, low]) = (SERVER, number.to_be_bytes());
    [a, b, c, d, high, low]
}

/// The real server behind a hardware address.
pub(super) fn number_of(mac: [u8; 6]) -> Option<u16> {
    let [a, b, c, d, high, low] = mac;
    ([a, b, c, d] == SERVER).then(|| u16::from_be_bytes([high, low]))
}

/// A network with these addresses on the director, and these real servers by their numbers.
pub(super) fn network(own: &[IpAddr], servers: &[(u16, IpAddr)]) -> Result<Network, String> {
    let mut on_clients = vec!["198.18.0.1/24".to_owned(), "2001:db8:fe00::1/64".to_owned()];
    on_clients.extend(own.iter().map(|address| host(*address)));
    let on_servers = vec!["198.18.1.1/24".to_owned(), "2001:db8:fe01::1/64".to_owned()];
    let leg = |(name, mac): (&str, [u8; 6]), addrs| {
        let (mac, mtu) = (text(mac), 1500);
        (name.to_owned(), Leg { mac, mtu, addrs })
    };
    let mut topology = Topology {
        legs: [leg(CLIENTS, on_clients), leg(SERVERS, on_servers)].into(),
        neigh: Vec::new(),
        routes: Vec::new(),
    };
    for (everywhere, router) in [("0.0.0.0/0", "198.18.0.254"), ("::/0", "2001:db8:fe00::fe")] {
        let router: IpAddr = parsed(router)?;
        let entry = (router, text(ROUTER), CLIENTS.0.to_owned());
        topology.neigh.push(entry);
        topology.routes.push((everywhere.to_owned(), router));
    }
    for (number, address) in servers {
        let router = match address {
            IpAddr::V4(_) => format!("198.18.1.{}", 1 + number),
            IpAddr::V6(_) => format!("2001:db8:fe01::{:x}", 1 + number),
        };
        let router: IpAddr = parsed(&router)?;
        let entry = (router, text(mac_of(*number)), SERVERS.0.to_owned());
        topology.neigh.push(entry);
        topology.routes.push((host(*address), router));
    }
    Network::new(&topology)
}

fn parsed(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

/// An address with the length of a prefix of it alone.
fn host(address: IpAddr) -> String {
    let length = if address.is_ipv6() { 128 } else { 32 };
    format!("{address}/{length}")
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
