//! Telling a link that an address has moved here.
//!
//! A gratuitous ARP request (IPv4) or an unsolicited neighbour advertisement (IPv6) makes hosts and
//! switches on the link send to our Ethernet address at once, instead of when their entries age. The
//! frames are those that keepalived sends.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

use crate::Mac;

/// An Ethernet header: destination, source, EtherType.
const ETHERNET: usize = 14;
/// EtherType of ARP and of IPv6.
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// ff02::1, all nodes of the link, and its Ethernet address (RFC 2464 section 7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 0x01]);
/// IANA number of ICMPv6.
const ICMPV6: u8 = 58;

/// That an address is behind an Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The address.
    pub address: IpAddr,
    /// Where it is: the link's Ethernet address, or a virtual router's.
    pub mac: Mac,
    /// This host forwards IPv6 packets: hosts drop a default router that says it is none (RFC 4861
    /// 7.2.5). Ignored for IPv4.
    pub router: bool,
}

impl Announcement {
    /// The whole frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        match self.address {
            IpAddr::V4(address) => gratuitous_arp(self.mac, address),
            IpAddr::V6(address) => neighbour_advertisement(self.mac, address, self.router),
        }
    }
}

/// An announcement could not be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// No packet socket could be had: it takes CAP_NET_RAW.
    #[error("cannot open a packet socket: {source}")]
    Open {
        /// The system's reason.
        source: io::Error,
    },
    /// The link did not take the frame.
    #[error("cannot announce {address} on link {ifindex}: {source}")]
    Send {
        /// The address.
        address: IpAddr,
        /// The link.
        ifindex: u32,
        /// The system's reason.
        source: io::Error,
    },
}

/// Sends announcements in the network namespace in which it was opened.
#[derive(Debug)]
pub struct Announcer {
    socket: Socket,
}

impl Announcer {
    /// Opens a packet socket that receives nothing, in the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// The right (CAP_NET_RAW) is lacking.
    pub fn open() -> Result<Self, AnnounceError> {
        let socket = Socket::new(Domain::PACKET, Type::RAW.cloexec().nonblocking(), None)
            .map_err(|source| AnnounceError::Open { source })?;
        Ok(Self { socket })
    }

    /// Sends one announcement to a link; does not block.
    ///
    /// # Errors
    ///
    /// There is no such link, it is down, or its queue is full.
    pub fn send(&self, ifindex: u32, announcement: &Announcement) -> Result<(), AnnounceError> {
        let failed = |source| AnnounceError::Send {
            address: announcement.address,
            ifindex,
            source,
        };
        let to = link_address(ifindex).map_err(failed)?;
        let frame = announcement.frame();
        self.socket.send_to(&frame, &to).map(drop).map_err(failed)
    }
}

/// The packet socket address of a link.
fn link_address(ifindex: u32) -> io::Result<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the socket addresses that the storage is made to hold.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    address.sll_ifindex = i32::try_from(ifindex).map_err(io::Error::other)?;
    let length =
        libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: the storage holds a `sockaddr_ll` of this length, its family set accordingly.
    Ok(unsafe { SockAddr::new(storage, length) })
}

/// ARP request for `address` from `address` (RFC 5227 section 3; keepalived broadcasts the target's
/// hardware address too, which the RFC leaves undefined).
fn gratuitous_arp(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = ethernet(Mac::BROADCAST, mac, ARP);
    // Hardware Ethernet, protocol IPv4, their address lengths, operation request.
    frame.extend([0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01]);
    frame.extend(mac.0);
    frame.extend(address.octets());
    frame.extend(Mac::BROADCAST.0);
    frame.extend(address.octets());
    frame
}

/// Neighbour advertisement with the override flag to all nodes (RFC 4861 sections 4.4 and 7.2.6),
/// from the announced address as keepalived does.
fn neighbour_advertisement(mac: Mac, address: Ipv6Addr, router: bool) -> Vec<u8> {
    let flags = if router { 0xa0 } else { 0x20 };
    let mut message = vec![136, 0, 0, 0, flags, 0, 0, 0];
    message.extend(address.octets());
    // Option: target link-layer address, of one unit of 8 bytes.
    message.extend([2, 1]);
    message.extend(mac.0);
    let length = u8::try_from(message.len()).unwrap_or(u8::MAX);

    let mut pseudo_header = Vec::from(address.octets());
    pseudo_header.extend(ALL_NODES.octets());
    pseudo_header.extend([0, 0, 0, length, 0, 0, 0, ICMPV6]);
    let [high, low] = checksum(pseudo_header.iter().chain(&message)).to_be_bytes();
    message.splice(2..4, [high, low]);

    let mut frame = ethernet(ALL_NODES_MAC, mac, IPV6);
    // Version 6, payload length, next header, hop limit.
    frame.extend([0x60, 0, 0, 0, 0, length, ICMPV6, 255]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(message);
    frame
}

fn ethernet(destination: Mac, source: Mac, ether_type: [u8; 2]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHERNET + 72);
    frame.extend(destination.0);
    frame.extend(source.0);
    frame.extend(ether_type);
    frame
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
fn checksum<'a>(bytes: impl Iterator<Item = &'a u8>) -> u16 {
    let sum = bytes.enumerate().fold(0_u32, |sum, (index, byte)| {
        let byte = u32::from(*byte);
        sum + if index % 2 == 0 { byte << 8 } else { byte }
    });
    // Two folds are enough for fewer than 65,536 words.
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0xc6, 0x3b, 0x40, 0x34, 0x4c, 0x09]);

    /// Sent by keepalived 2.2.7 as VRRPv2 master of 10.99.0.100.
    const RECORDED_ARP: [u8; 42] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc6, 0x3b, 0x40, 0x34, 0x4c, 0x09, 0x08, 0x06, 0x00,
        0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0xc6, 0x3b, 0x40, 0x34, 0x4c, 0x09, 0x0a, 0x63,
        0x00, 0x64, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x63, 0x00, 0x64,
    ];

    /// Sent by keepalived 2.2.7 as VRRPv3 master of 2001:db8::100.
    const RECORDED_ADVERTISEMENT: [u8; 86] = [
        0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0xc6, 0x3b, 0x40, 0x34, 0x4c, 0x09, 0x86, 0xdd, 0x60,
        0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x88, 0x00, 0xa6, 0xb4, 0x20, 0x00,
        0x00, 0x00, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x01, 0x00, 0x02, 0x01, 0xc6, 0x3b, 0x40, 0x34, 0x4c, 0x09,
    ];

    fn announcement(address: &str, router: bool) -> Announcement {
        Announcement {
            address: address.parse().unwrap(),
            mac: MAC,
            router,
        }
    }

    #[test]
    fn the_frames_are_those_that_keepalived_sends() {
        assert_eq!(announcement("10.99.0.100", false).frame(), RECORDED_ARP);
        assert_eq!(
            announcement("2001:db8::100", false).frame(),
            RECORDED_ADVERTISEMENT
        );
    }

    #[test]
    fn a_router_says_so_with_a_right_checksum() {
        let frame = announcement("2001:db8::100", true).frame();
        assert_eq!(frame[58], 0xa0);
        // Pseudo header and message sum to zero when the checksum in it is right.
        let mut summed = frame[22..54].to_vec();
        summed.extend([0, 0, 0, 32, 0, 0, 0, 58]);
        summed.extend(&frame[54..]);
        assert_eq!(checksum(summed.iter()), 0);
    }
}
