//! ARP for IPv4 over Ethernet (RFC 826), and the gratuitous announcement of an address.

use core::{fmt, net::Ipv4Addr};

use crate::ethernet;

/// Type of ARP in an Ethernet header.
pub const ETHERTYPE: u16 = 0x0806;
/// Bytes of an ARP packet for IPv4 over Ethernet.
pub const LENGTH: usize = 28;
/// Bytes of an Ethernet frame with one, before padding.
pub const FRAME: usize = ethernet::HEADER + LENGTH;
/// The broadcast address.
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// An ARP packet over a buffer.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------------------------------+-------------------------------+
/// |        Hardware type = 1      |     Protocol type = 0x0800    |
/// +---------------+---------------+-------------------------------+
/// |   Length = 6  |   Length = 4  |           Operation           |
/// +---------------+---------------+-------------------------------+
/// |      Sender hardware address (6), sender address (4),         |
/// |      target hardware address (6), target address (4)          |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

/// Why bytes are no ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpError {
    /// Other hardware or another protocol than Ethernet and IPv4.
    ForeignLink,
    /// Fewer than 28 bytes.
    Truncated {
        /// What is there.
        actual: usize,
    },
    /// Neither request nor reply.
    UnknownOperation(u16),
}

impl fmt::Display for ArpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignLink => f.write_str("ARP for something else than IPv4 over Ethernet"),
            Self::Truncated { actual } => write!(f, "{actual} bytes are fewer than ARP's {LENGTH}"),
            Self::UnknownOperation(number) => write!(f, "ARP operation {number}"),
        }
    }
}

impl core::error::Error for ArpError {}

mod field {
    use core::ops::Range;

    pub(super) const LINK: Range<usize> = 0..6;
    pub(super) const OPERATION: Range<usize> = 6..8;
    pub(super) const SENDER_MAC: Range<usize> = 8..14;
    pub(super) const SENDER: Range<usize> = 14..18;
    pub(super) const TARGET_MAC: Range<usize> = 18..24;
    pub(super) const TARGET: Range<usize> = 24..28;
}

/// Ethernet, IPv4 and their address lengths.
const LINK: [u8; 6] = [0x00, 0x01, 0x08, 0x00, 6, 4];

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view that trusts its caller: accessors may panic on a short buffer.
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// A view of what came from the network; none of its accessors panics.
    ///
    /// # Errors
    /// Fewer than 28 bytes.
    pub fn new_checked(buffer: T) -> Result<Self, ArpError> {
        let actual = buffer.as_ref().len();
        if actual < LENGTH {
            return Err(ArpError::Truncated { actual });
        }
        Ok(Self { buffer })
    }

    /// The operation: 1 asks, 2 answers.
    pub fn operation(&self) -> u16 {
        u16::from_be_bytes(self.array(field::OPERATION))
    }

    /// The sender's link-layer address.
    pub fn sender_mac(&self) -> [u8; 6] {
        self.array(field::SENDER_MAC)
    }

    /// The sender's address.
    pub fn sender(&self) -> Ipv4Addr {
        self.array(field::SENDER).into()
    }

    /// The target's link-layer address.
    pub fn target_mac(&self) -> [u8; 6] {
        self.array(field::TARGET_MAC)
    }

    /// The target's address.
    pub fn target(&self) -> Ipv4Addr {
        self.array(field::TARGET).into()
    }

    fn array<const N: usize>(&self, range: core::ops::Range<usize>) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.buffer.as_ref()[range]);
        array
    }
}

/// What an ARP packet does, in the order of its numbers (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// 1: who has the target address?
    Request,
    /// 2: the sender has its address.
    Reply,
}

/// A valid ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Question or answer.
    pub operation: Operation,
    /// The sender's link-layer address.
    pub sender_mac: [u8; 6],
    /// The sender's address.
    pub sender: Ipv4Addr,
    /// The target's link-layer address.
    pub target_mac: [u8; 6],
    /// The target's address.
    pub target: Ipv4Addr,
}

impl Repr {
    /// The announcement that `address` is at `mac` (RFC 5227 3), as keepalived sends it: sender and
    /// target are the address, the target's link-layer address is the broadcast address.
    ///
    /// keepalived sends [`Operation::Request`]; some switches and hosts learn from replies alone.
    #[must_use]
    pub const fn gratuitous(operation: Operation, address: Ipv4Addr, mac: [u8; 6]) -> Self {
        Self {
            operation,
            sender_mac: mac,
            sender: address,
            target_mac: BROADCAST,
            target: address,
        }
    }

    /// The meaning of `packet`.
    ///
    /// # Errors
    /// ARP for another link or protocol, or an operation that is neither request nor reply.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, ArpError> {
        if packet.array(field::LINK) != LINK {
            return Err(ArpError::ForeignLink);
        }
        Ok(Self {
            operation: match packet.operation() {
                1 => Operation::Request,
                2 => Operation::Reply,
                other => return Err(ArpError::UnknownOperation(other)),
            },
            sender_mac: packet.sender_mac(),
            sender: packet.sender(),
            target_mac: packet.target_mac(),
            target: packet.target(),
        })
    }

    /// Writes the packet.
    pub fn emit(&self, buffer: &mut [u8; LENGTH]) {
        let operation: u16 = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        buffer[field::LINK].copy_from_slice(&LINK);
        buffer[field::OPERATION].copy_from_slice(&operation.to_be_bytes());
        buffer[field::SENDER_MAC].copy_from_slice(&self.sender_mac);
        buffer[field::SENDER].copy_from_slice(&self.sender.octets());
        buffer[field::TARGET_MAC].copy_from_slice(&self.target_mac);
        buffer[field::TARGET].copy_from_slice(&self.target.octets());
    }

    /// The packet in an Ethernet frame to everybody, from the sender's link-layer address.
    #[must_use]
    pub fn broadcast_frame(&self) -> [u8; FRAME] {
        let mut frame = [0; FRAME];
        frame[ethernet::DESTINATION..ethernet::SOURCE].copy_from_slice(&BROADCAST);
        frame[ethernet::SOURCE..ethernet::TYPE].copy_from_slice(&self.sender_mac);
        frame[ethernet::TYPE..ethernet::HEADER].copy_from_slice(&ETHERTYPE.to_be_bytes());
        if let Some(packet) = frame.last_chunk_mut() {
            self.emit(packet);
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            reply in any::<bool>(),
            sender_mac in any::<[u8; 6]>(),
            sender in any::<[u8; 4]>(),
            target_mac in any::<[u8; 6]>(),
            target in any::<[u8; 4]>(),
        ) {
            let repr = Repr {
                operation: if reply { Operation::Reply } else { Operation::Request },
                sender_mac,
                sender: sender.into(),
                target_mac,
                target: target.into(),
            };
            let mut buffer = [0xa5; LENGTH];
            repr.emit(&mut buffer);
            let packet = Packet::new_checked(&buffer).unwrap();
            prop_assert_eq!(Repr::parse(&packet), Ok(repr));
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(packet) = Packet::new_checked(&bytes) {
                let _ = Repr::parse(&packet);
                let _ = (packet.sender(), packet.target(), packet.sender_mac(), packet.target_mac());
            } else {
                prop_assert!(bytes.len() < LENGTH);
            }
        }
    }

    #[test]
    fn arp_for_other_links_is_refused() {
        let mut buffer = [0; LENGTH];
        Repr::gratuitous(Operation::Request, Ipv4Addr::LOCALHOST, [2; 6]).emit(&mut buffer);
        buffer[1] = 6; // IEEE 802
        let packet = Packet::new_checked(&buffer).unwrap();
        assert_eq!(Repr::parse(&packet), Err(ArpError::ForeignLink));
    }
}
