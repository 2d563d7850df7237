//! Addresses as keys.

use super::wide;

/// An address as it lies in a packet; IPv4 in word 0, the other words 0.
pub type Address = [u32; 4];

/// Key of the map from what packets are addressed to, to the index of a virtual server.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceKey {
    /// The VIP; zero for a firewall mark.
    pub address: Address,
    /// The firewall mark, else 0.
    pub mark: u32,
    /// The port as in a packet; 0 for every port and for a mark.
    pub port: u16,
    /// IANA protocol number; 0 for a mark.
    pub protocol: u8,
    /// 4 or 6.
    pub family: u8,
}

impl ServiceKey {
    /// The key by which an IPv4 address of this host is noted beside the virtual servers: no packet that
    /// comes from the wire may have it as its source.
    #[inline(always)]
    #[must_use]
    pub const fn host(address: Address) -> Self {
        Self {
            address,
            mark: 0,
            port: 0,
            protocol: 0,
            family: 4,
        }
    }
}

const _: () = assert!(size_of::<ServiceKey>() == 24);

/// Key of the set of link-layer addresses whose frames may open connections.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkMac {
    /// The link that the frame came in by.
    pub ifindex: u32,
    /// Its own address or that of a VMAC on it.
    pub mac: [u8; 6],
    /// Zero.
    pub zero: u16,
}

const _: () = assert!(size_of::<LinkMac>() == 12);

/// Links whose first address stands in an array as well, where a look-up costs next to nothing: those with an
/// index below.
pub const LINKS: u32 = 4_096;

impl LinkMac {
    /// What stands in that array: the address as it lies in a frame, its flags of [`link_mac_flag`] behind it.
    #[inline(always)]
    #[must_use]
    pub const fn noted(&self, flags: u32) -> u64 {
        let [a, b, c, d, e, f] = self.mac;
        let address = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        address | wide(flags) << 48
    }
}

/// Values under a [`LinkMac`].
pub mod link_mac_flag {
    /// Frames to this address are for this host.
    pub const OURS: u32 = 1;
    /// What XDP passes does not come by the tcx entry: so it is in generic mode.
    pub const ALONE: u32 = 1 << 1;
}

/// Words of [`AddressFilter`].
pub const FILTER_WORDS: usize = 1024;

/// A bitmap that says at once of most packets that they are not ours: bits of the VIPs as
/// destination, of real servers as source, of this host as source. See [`address_bit`](crate::address_bit)
/// and [`own_bit`](crate::own_bit).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AddressFilter {
    /// 65,536 bits.
    pub words: [u64; FILTER_WORDS],
}

const _: () = assert!(size_of::<AddressFilter>() == 8192);
