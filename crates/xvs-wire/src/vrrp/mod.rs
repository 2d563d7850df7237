//! VRRP: versions 2 (RFC 3768, RFC 2338 for its authentication) and 3 (RFC 5798, RFC 9568).
//!
//! This module owns the advertisement itself ([`Packet`], [`Repr`]), the three checksums that
//! implementations put into it ([`Checksum`]), the authentication header of version 2 ([`ah`]) and
//! the IPv4 header around both ([`Envelope`]). It knows no election and no cryptography: the HMAC of
//! the authentication header is computed by its caller over the bytes that [`ah::authenticated`]
//! hands out.

pub mod ah;
mod checksum;
mod envelope;
mod packet;
mod repr;
#[cfg(test)]
mod tests;
mod units;

pub use checksum::{Checksum, Path};
pub use envelope::{Envelope, EnvelopeError};
pub use packet::{Packet, PacketError};
pub use repr::{Addresses, Authentication, EmitError, Repr, Variant};
pub use units::{Centiseconds, Seconds, Version, Vrid};

use core::net::{Ipv4Addr, Ipv6Addr};

/// IANA protocol number of VRRP.
pub const PROTOCOL: u8 = 112;
/// The IPv4 group of every virtual router (RFC 5798 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The IPv6 group of every virtual router (RFC 5798 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// The TTL or hop limit of a multicast advertisement; any other is discarded (RFC 5798 5.1.1.3).
pub const TTL: u8 = 255;
/// Type of service and traffic class: internetwork control; keepalived's choice, no RFC asks for it.
pub const TOS: u8 = 0xc0;
/// Priority of a master that gives up its addresses (RFC 5798 5.2.4).
pub const PRIORITY_RELEASE: u8 = 0;
/// Priority of the router that owns the virtual addresses (RFC 5798 5.2.4).
pub const PRIORITY_OWNER: u8 = 255;

/// The virtual router's link-layer address on IPv4 (RFC 5798 7.3).
#[must_use]
pub const fn mac_v4(vrid: Vrid) -> [u8; 6] {
    [0x00, 0x00, 0x5e, 0x00, 0x01, vrid.get()]
}

/// The virtual router's link-layer address on IPv6 (RFC 5798 7.3).
#[must_use]
pub const fn mac_v6(vrid: Vrid) -> [u8; 6] {
    [0x00, 0x00, 0x5e, 0x00, 0x02, vrid.get()]
}
