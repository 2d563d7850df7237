//! PING_CHECK: an echo request, and the reply with our sequence and payload (RFC 792, RFC 4443).
//!
//! An ICMP socket is used where `net.ipv4.ping_group_range` allows it, else a raw one.

use std::{io, net::IpAddr};

use socket2::{Protocol, Type};
use tokio::net::UdpSocket;

use crate::{Failure, Probe, Success, connect, udp};

const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// Type, code, checksum, identifier, sequence.
const HEADER: usize = 8;
const PAYLOAD: usize = 16;

pub(crate) async fn run(probe: &Probe) -> Result<Success, Failure> {
    let socket = open(probe).await?;
    let address = connect::connection(probe)?.to.address;
    let payload = udp::random::<PAYLOAD>();
    let request = request(address, payload);
    connect::within(probe.timeout, "sending", socket.send(&request)).await?;
    let reply = async {
        let mut buffer = [0; 256];
        loop {
            let count = socket.recv(&mut buffer).await?;
            // A raw socket sees every ICMP message of the peer.
            if is_reply(address, &buffer[..count], payload) {
                return Ok(());
            }
        }
    };
    connect::within(probe.timeout, "waiting for an echo reply", reply).await?;
    Ok(Success::Plain)
}

async fn open(probe: &Probe) -> Result<UdpSocket, Failure> {
    let connection = connect::connection(probe)?;
    let protocol = match connection.to.address {
        IpAddr::V4(_) => Protocol::ICMPV4,
        IpAddr::V6(_) => Protocol::ICMPV6,
    };
    let socket = match connect::socket(connection, Type::DGRAM, Some(protocol)) {
        Err(Failure::Socket { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            connect::socket(connection, Type::RAW, Some(protocol))
        }
        other => other,
    }?;
    let mut peer = connect::peer(connection);
    // Raw sockets want no port, and ICMP has none.
    peer.set_port(0);
    connect::datagram(socket, peer).await
}

fn request(address: IpAddr, payload: [u8; PAYLOAD]) -> [u8; HEADER + PAYLOAD] {
    let mut request = [0; HEADER + PAYLOAD];
    request[0] = match address {
        IpAddr::V4(_) => ECHO_REQUEST_V4,
        IpAddr::V6(_) => ECHO_REQUEST_V6,
    };
    request[4..6].copy_from_slice(&payload[..2]);
    request[6..8].copy_from_slice(&1_u16.to_be_bytes());
    request[HEADER..].copy_from_slice(&payload);
    // The kernel fills in the checksum of ICMPv6, which covers addresses.
    if address.is_ipv4() {
        let checksum = checksum(&request);
        request[2..4].copy_from_slice(&checksum.to_be_bytes());
    }
    request
}

fn is_reply(address: IpAddr, packet: &[u8], payload: [u8; PAYLOAD]) -> bool {
    let (kind, message) = match address {
        IpAddr::V4(_) => (ECHO_REPLY_V4, without_ip_header(packet)),
        IpAddr::V6(_) => (ECHO_REPLY_V6, packet),
    };
    message.first() == Some(&kind) && message.get(HEADER..) == Some(payload.as_slice())
}

/// Only raw IPv4 sockets deliver the header; no ICMP type that is of interest looks like its first byte.
fn without_ip_header(packet: &[u8]) -> &[u8] {
    match packet.first() {
        Some(first) if first >> 4 == 4 => {
            let length = usize::from(first & 0x0f) * 4;
            packet.get(length..).unwrap_or_default()
        }
        _ => packet,
    }
}

/// RFC 1071, of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2);
    let sum: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    // Folded twice, a sum of so few words fits.
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_a_checksum_and_its_reply_is_known() {
        let address = "192.0.2.1".parse().unwrap();
        let payload = [7; PAYLOAD];
        let mut message = request(address, payload);
        assert_eq!(checksum(&message), 0);
        assert!(!is_reply(address, &message, payload));
        message[0] = ECHO_REPLY_V4;
        assert!(is_reply(address, &message, payload));
        assert!(!is_reply(address, &message, [8; PAYLOAD]));
        let mut packet = vec![0x45; 20];
        packet.extend(message);
        assert!(is_reply(address, &packet, payload));
        assert!(!is_reply(address, &packet[..20], payload));
    }
}
