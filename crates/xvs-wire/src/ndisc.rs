//! Neighbor advertisements of IPv6 (RFC 4861), as a host announces an address that it took.

use core::{fmt, net::Ipv6Addr};

use crate::{checksum, ethernet};

/// Bytes of a neighbor advertisement with the target's link-layer address.
pub const LENGTH: usize = 32;
/// Bytes of an Ethernet frame with one.
pub const FRAME: usize = ethernet::HEADER + IPV6_HEADER + LENGTH;
/// The hop limit; a receiver discards any other (RFC 4861 7.1.2).
pub const HOP_LIMIT: u8 = 255;

const IPV6_HEADER: usize = 40;
const NEXT_HEADER_ICMPV6: u8 = 58;
/// All nodes on the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The link-layer address of all nodes (RFC 2464 7).
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const TYPE: u8 = 136;
const FLAG_ROUTER: u8 = 0x80;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;
const OPTION_TARGET_MAC: u8 = 2;

mod field {
    use core::ops::Range;

    pub(super) const TYPE: usize = 0;
    pub(super) const CODE: usize = 1;
    pub(super) const CHECKSUM: Range<usize> = 2..4;
    pub(super) const FLAGS: usize = 4;
    pub(super) const TARGET: Range<usize> = 8..24;
    pub(super) const OPTION: usize = 24;
    pub(super) const OPTION_LENGTH: usize = 25;
    pub(super) const TARGET_MAC: Range<usize> = 26..32;
}

/// A neighbor advertisement with the target's link-layer address.
///
/// RFC 4861 4.4:
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +---------------+---------------+-------------------------------+
/// |   Type = 136  |    Code = 0   |           Checksum            |
/// +-+-+-+---------+---------------+-------------------------------+
/// |R|S|O|                      Reserved                           |
/// +-+-+-+---------------------------------------------------------+
/// |                    Target address (16 bytes)                  |
/// +---------------+---------------+-------------------------------+
/// |   Option = 2  |   Length = 1  |  Link-layer address (6 bytes) |
/// +---------------+---------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// The sender is a router: set when the link forwards.
    pub router: bool,
    /// It answers a question; false in an announcement.
    pub solicited: bool,
    /// It replaces what the receiver knows.
    pub overrides: bool,
    /// The address that is announced.
    pub target: Ipv6Addr,
    /// Where it is now.
    pub target_mac: [u8; 6],
}

/// Why bytes are no neighbor advertisement of this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdiscError {
    /// The checksum is wrong.
    Checksum,
    /// Another ICMPv6 message, or one without the target's link-layer address.
    Foreign,
    /// Another length than 32 bytes.
    Length {
        /// What is there.
        actual: usize,
    },
}

impl fmt::Display for NdiscError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str("the ICMPv6 checksum is wrong"),
            Self::Foreign => f.write_str("not a neighbor advertisement with a link-layer address"),
            Self::Length { actual } => write!(f, "{actual} bytes instead of {LENGTH}"),
        }
    }
}

impl core::error::Error for NdiscError {}

impl Repr {
    /// The unsolicited announcement that `address` is at `mac` (RFC 5798 6.4.2, RFC 4861 7.2.6).
    #[must_use]
    pub const fn unsolicited(address: Ipv6Addr, mac: [u8; 6], router: bool) -> Self {
        Self {
            router,
            solicited: false,
            overrides: true,
            target: address,
            target_mac: mac,
        }
    }

    /// The meaning of the ICMPv6 message `bytes` from `source` to `destination`.
    ///
    /// # Errors
    /// Another length, another message or a wrong checksum.
    pub fn parse(
        bytes: &[u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Result<Self, NdiscError> {
        let Ok(message) = <&[u8; LENGTH]>::try_from(bytes) else {
            return Err(NdiscError::Length {
                actual: bytes.len(),
            });
        };
        if message[field::TYPE] != TYPE
            || message[field::CODE] != 0
            || message[field::OPTION] != OPTION_TARGET_MAC
            || message[field::OPTION_LENGTH] != 1
        {
            return Err(NdiscError::Foreign);
        }
        if checksum::finish(message, pseudo_header(source, destination)) != 0 {
            return Err(NdiscError::Checksum);
        }
        let mut target = [0; 16];
        target.copy_from_slice(&message[field::TARGET]);
        let mut target_mac = [0; 6];
        target_mac.copy_from_slice(&message[field::TARGET_MAC]);
        Ok(Self {
            router: message[field::FLAGS] & FLAG_ROUTER != 0,
            solicited: message[field::FLAGS] & FLAG_SOLICITED != 0,
            overrides: message[field::FLAGS] & FLAG_OVERRIDE != 0,
            target: target.into(),
            target_mac,
        })
    }

    /// Writes the ICMPv6 message from `source` to `destination`.
    pub fn emit(&self, message: &mut [u8; LENGTH], source: Ipv6Addr, destination: Ipv6Addr) {
        message.fill(0);
        message[field::TYPE] = TYPE;
        for (set, flag) in [
            (self.router, FLAG_ROUTER),
            (self.solicited, FLAG_SOLICITED),
            (self.overrides, FLAG_OVERRIDE),
        ] {
            if set {
                message[field::FLAGS] |= flag;
            }
        }
        message[field::TARGET].copy_from_slice(&self.target.octets());
        message[field::OPTION] = OPTION_TARGET_MAC;
        message[field::OPTION_LENGTH] = 1; // units of 8 bytes
        message[field::TARGET_MAC].copy_from_slice(&self.target_mac);
        let checksum = checksum::finish(message, pseudo_header(source, destination));
        message[field::CHECKSUM].copy_from_slice(&checksum.to_ne_bytes());
    }

    /// The message in an Ethernet frame to all nodes, from the address that it announces.
    #[must_use]
    pub fn all_nodes_frame(&self) -> [u8; FRAME] {
        let mut frame = [0; FRAME];
        frame[ethernet::DESTINATION..ethernet::SOURCE].copy_from_slice(&ALL_NODES_MAC);
        frame[ethernet::SOURCE..ethernet::TYPE].copy_from_slice(&self.target_mac);
        frame[ethernet::TYPE..ethernet::HEADER].copy_from_slice(&ethernet::TYPE_IPV6.to_be_bytes());
        let header = &mut frame[ethernet::HEADER..ethernet::HEADER + IPV6_HEADER];
        header[0] = 0x60;
        header[4..6].copy_from_slice(&LENGTH_ON_WIRE.to_be_bytes());
        header[6] = NEXT_HEADER_ICMPV6;
        header[7] = HOP_LIMIT;
        header[8..24].copy_from_slice(&self.target.octets());
        header[24..40].copy_from_slice(&ALL_NODES.octets());
        if let Some(message) = frame.last_chunk_mut() {
            self.emit(message, self.target, ALL_NODES);
        }
        frame
    }
}

/// [`LENGTH`] as the IPv6 header says it.
const LENGTH_ON_WIRE: u16 = 32;

fn pseudo_header(source: Ipv6Addr, destination: Ipv6Addr) -> u32 {
    let [high, low] = LENGTH_ON_WIRE.to_be_bytes();
    checksum::sum(&source.octets())
        + checksum::sum(&destination.octets())
        + checksum::sum(&[high, low, 0, NEXT_HEADER_ICMPV6])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            flags in any::<(bool, bool, bool)>(),
            target in any::<[u8; 16]>(),
            target_mac in any::<[u8; 6]>(),
            source in any::<[u8; 16]>(),
        ) {
            let repr = Repr {
                router: flags.0,
                solicited: flags.1,
                overrides: flags.2,
                target: target.into(),
                target_mac,
            };
            let mut message = [0xa5; LENGTH];
            repr.emit(&mut message, source.into(), ALL_NODES);
            prop_assert_eq!(Repr::parse(&message, source.into(), ALL_NODES), Ok(repr));
            message[30] ^= 1;
            prop_assert_eq!(
                Repr::parse(&message, source.into(), ALL_NODES),
                Err(NdiscError::Checksum)
            );
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Repr::parse(&bytes, Ipv6Addr::LOCALHOST, ALL_NODES).is_err());
        }
    }
}
