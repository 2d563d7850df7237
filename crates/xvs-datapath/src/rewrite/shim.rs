//! What stands between an outer IP header and the packet inside: nothing (IPIP), UDP and GUE
//! (draft-ietf-intarea-gue, variant 0), or GRE (RFC 2784).

use xvs_wire::{checksum, ipv4};

use crate::{
    abi::{Address, RealServer, Tuple, low16},
    memory::{store16, store32},
};

/// A shim's kinds and sizes, as the kernel's IPVS makes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shim {
    /// One of the constants below.
    kind: u8,
    /// Whether it has a checksum. Remote checksum offload asks for none: the kernel uses it only for
    /// packets whose checksum is left to a device.
    summed: bool,
    /// GUE: destination port as in a packet.
    port: u16,
    /// GUE: source port, one a flow.
    source_port: u16,
}

/// `IP_VS_CONN_F_TUNNEL_TYPE_*`.
const GUE: u8 = 1;
const GRE: u8 = 2;
/// `IP_VS_TUNNEL_ENCAP_FLAG_CSUM`.
const SUMMED: u8 = 1;

impl Shim {
    /// IPIP's.
    pub(crate) const NONE: Self = Self {
        kind: 0,
        summed: false,
        port: 0,
        source_port: 0,
    };

    /// That of a real server's tunnel, for packets of a flow. A packet that stands for several, not
    /// `whole`, goes without a checksum: whoever cuts it would have to make one for each part.
    ///
    /// # Safety
    /// `server` must be a valid map value.
    #[inline(always)]
    pub(crate) unsafe fn of(server: *const RealServer, tuple: &Tuple, whole: bool) -> Self {
        // SAFETY: the caller vouches for the server.
        let (kind, flags, port) = unsafe {
            (
                (*server).tunnel_kind,
                (*server).tunnel_checksum,
                (*server).tunnel_port,
            )
        };
        Self {
            kind,
            summed: flags == SUMMED && whole,
            port,
            source_port: source_port(tuple),
        }
    }

    /// Bytes that it takes, in words: at most 12.
    #[inline(always)]
    pub(crate) const fn length(&self) -> u32 {
        match (self.kind, self.summed) {
            (GUE, _) => 12,
            (GRE, true) => 8,
            (GRE, false) => 4,
            _ => 0,
        }
    }

    /// Whether it has a checksum over the packet inside.
    #[inline(always)]
    pub(crate) const fn is_summed(&self) -> bool {
        self.summed && self.kind != 0
    }

    /// The protocol that the outer IP header names for a packet of `inner` inside.
    #[inline(always)]
    pub(crate) const fn protocol(&self, inner: u8) -> u8 {
        match self.kind {
            GUE => ipv4::PROTOCOL_UDP,
            GRE => ipv4::PROTOCOL_GRE,
            _ => inner,
        }
    }

    /// Writes it at `at`. `inner_sum` is the sum of the packet inside, of `length` bytes and protocol
    /// `inner`; `addresses` that of the outer addresses.
    ///
    /// # Safety
    /// 12 bytes at `at` must be writable.
    #[inline(always)]
    pub(crate) unsafe fn write(
        &self,
        at: usize,
        inner: u8,
        length: u32,
        inner_sum: u32,
        addresses: u32,
    ) {
        if self.kind == GUE {
            let ports = u32::from(self.source_port) | u32::from(self.port) << 16;
            let datagram = low16(length + 12).to_be();
            let head = (u32::from(inner) << 16).to_be();
            let sum = if self.summed {
                let pseudo = addresses
                    + u32::from(datagram)
                    + u32::from(u16::from(ipv4::PROTOCOL_UDP).to_be());
                let own = checksum::sum32(ports) + u32::from(datagram) + checksum::sum32(head);
                let sum = !checksum::fold(pseudo + own + u32::from(checksum::fold(inner_sum)));
                if sum == 0 { 0xffff } else { sum }
            } else {
                0
            };
            // SAFETY: the caller vouches for 12 bytes.
            unsafe {
                store32(at, ports);
                store16(at + 4, datagram);
                store16(at + 6, sum);
                store32(at + 8, head);
            }
        } else if self.kind == GRE {
            let ether: u32 = if inner == ipv4::PROTOCOL_IPV6 {
                0x86dd
            } else {
                0x0800
            };
            let flags = if self.summed { GRE_CHECKSUM } else { 0 };
            let head = (flags | ether).to_be();
            // SAFETY: the caller vouches for 12 bytes.
            unsafe {
                store32(at, head);
                if self.summed {
                    let sum = checksum::sum32(head) + u32::from(checksum::fold(inner_sum));
                    store32(at + 4, u32::from(!checksum::fold(sum)));
                }
            }
        }
    }
}

/// The checksum bit of a GRE header (RFC 2784 section 2.1).
const GRE_CHECKSUM: u32 = 0x8000_0000;

/// A source port from 49,152 up, so that what spreads flows over links and queues sees them apart.
#[inline(always)]
fn source_port(tuple: &Tuple) -> u16 {
    let word = |address: &Address| address[0] ^ address[1] ^ address[2] ^ address[3];
    let mixed = word(&tuple.source)
        .wrapping_add(word(&tuple.destination).rotate_left(7))
        .wrapping_add(tuple.ports)
        .wrapping_mul(0x9e37_79b1);
    (0xc000 | low16(mixed >> 16) & 0x3fff).to_be()
}
