//! The IPv4 header around an advertisement.

use core::{fmt, net::Ipv4Addr};

use super::{PROTOCOL, Path, TOS, ah};
use crate::{checksum, ipv4};

/// The IPv4 header, with an authentication header if there is one, around an advertisement.
///
/// keepalived writes it itself: type of service 0xc0, may be fragmented, an identification that
/// counts from 1 and is never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The sender's address.
    pub source: Ipv4Addr,
    /// A peer's address or the group's.
    pub destination: Ipv4Addr,
    /// 255 on multicast.
    pub ttl: u8,
    /// The identification of the datagram.
    pub identification: u16,
    /// The authentication header of version 2.
    pub authentication: Option<ah::Repr>,
}

/// Why bytes are no IPv4 datagram with an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// The authentication header is short or announces something else.
    AuthenticationHeader,
    /// A fragment; an advertisement is never cut.
    Fragment,
    /// The header's checksum is wrong.
    HeaderChecksum,
    /// Neither VRRP nor an authentication header.
    Protocol(u8),
    /// Not IPv4, or shorter than its header says.
    Truncated {
        /// What is there.
        actual: usize,
    },
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthenticationHeader => f.write_str("the authentication header is malformed"),
            Self::Fragment => f.write_str("a fragment"),
            Self::HeaderChecksum => f.write_str("the IPv4 header checksum is wrong"),
            Self::Protocol(number) => write!(f, "IP protocol {number}"),
            Self::Truncated { actual } => {
                write!(f, "{actual} bytes are no whole IPv4 datagram")
            }
        }
    }
}

impl core::error::Error for EnvelopeError {}

impl Envelope {
    /// The headers of `datagram` and the message in them; bytes after the datagram are ignored.
    ///
    /// # Errors
    /// No IPv4, a datagram that is not whole, another protocol, a malformed authentication header.
    pub fn parse(datagram: &[u8]) -> Result<(Self, &[u8]), EnvelopeError> {
        let truncated = EnvelopeError::Truncated {
            actual: datagram.len(),
        };
        let header = datagram
            .first_chunk::<{ ipv4::HEADER }>()
            .ok_or(truncated)?;
        let header_length = usize::from(header[ipv4::VERSION_IHL] & 0x0f) * 4;
        let total_length = usize::from(u16::from_be_bytes(two(header, ipv4::TOTAL_LENGTH)));
        if header[ipv4::VERSION_IHL] >> 4 != 4 || header_length < ipv4::HEADER {
            return Err(truncated);
        }
        let (options, payload) = datagram
            .get(..total_length)
            .and_then(|whole| whole.split_at_checked(header_length))
            .ok_or(truncated)?;
        if checksum::finish(options, 0) != 0 {
            return Err(EnvelopeError::HeaderChecksum);
        }
        if u16::from_be_bytes(two(header, ipv4::FRAGMENT)) & ipv4::FRAGMENT_MASK != 0 {
            return Err(EnvelopeError::Fragment);
        }
        let (authentication, message) = match header[ipv4::PROTOCOL] {
            PROTOCOL => (None, payload),
            ah::PROTOCOL => {
                let (header, message) =
                    ah::Repr::parse(payload).ok_or(EnvelopeError::AuthenticationHeader)?;
                (Some(header), message)
            }
            other => return Err(EnvelopeError::Protocol(other)),
        };
        let envelope = Self {
            source: four(header, ipv4::SOURCE).into(),
            destination: four(header, ipv4::DESTINATION).into(),
            ttl: header[ipv4::TTL],
            identification: u16::from_be_bytes(two(header, ipv4::IDENTIFICATION)),
            authentication,
        };
        Ok((envelope, message))
    }

    /// Bytes before the message.
    #[must_use]
    pub const fn buffer_length(&self) -> usize {
        match self.authentication {
            None => ipv4::HEADER,
            Some(_) => ipv4::HEADER + ah::HEADER,
        }
    }

    /// Writes the headers into `datagram`, a buffer of exactly headers and message, and returns
    /// where the message goes.
    ///
    /// The check value of an authentication header is written as given; it covers the message, so
    /// it can be computed only afterwards ([`ah::authenticated`], [`ah::set_check_value`]).
    /// `None`, with nothing written, when the buffer is shorter than the headers or longer than
    /// 65,535 bytes.
    pub fn emit<'a>(&self, datagram: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let total_length = u16::try_from(datagram.len()).ok()?;
        let (header, payload) = datagram.split_first_chunk_mut::<{ ipv4::HEADER }>()?;
        let (protocol, message) = match self.authentication {
            None => (PROTOCOL, payload),
            Some(authentication) => {
                let (bytes, message) = payload.split_first_chunk_mut()?;
                authentication.emit(bytes);
                (ah::PROTOCOL, message)
            }
        };
        header.fill(0);
        header[ipv4::VERSION_IHL] = ipv4::VERSION_IHL_PLAIN;
        header[ipv4::TOS] = TOS;
        put(header, ipv4::TOTAL_LENGTH, &total_length.to_be_bytes());
        put(
            header,
            ipv4::IDENTIFICATION,
            &self.identification.to_be_bytes(),
        );
        header[ipv4::TTL] = self.ttl;
        header[ipv4::PROTOCOL] = protocol;
        put(header, ipv4::SOURCE, &self.source.octets());
        put(header, ipv4::DESTINATION, &self.destination.octets());
        let checksum = checksum::finish(header, 0).to_ne_bytes();
        put(header, ipv4::CHECKSUM, &checksum);
        Some(message)
    }

    /// Source and destination as the pseudo-header needs them.
    #[must_use]
    pub const fn path(&self) -> Path {
        Path::V4 {
            source: self.source,
            destination: self.destination,
        }
    }
}

fn two(header: &[u8; ipv4::HEADER], at: usize) -> [u8; 2] {
    [header[at], header[at + 1]]
}

fn four(header: &[u8; ipv4::HEADER], at: usize) -> [u8; 4] {
    [header[at], header[at + 1], header[at + 2], header[at + 3]]
}

fn put(header: &mut [u8; ipv4::HEADER], at: usize, bytes: &[u8]) {
    header[at..at + bytes.len()].copy_from_slice(bytes);
}
