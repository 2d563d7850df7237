//! What becomes of a packet.

/// A verdict: action in the low half, link in the high half, never 0.
///
/// One word, because an enum with a payload leaves registers undefined on some paths, which the
/// verifier refuses.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict(u64);

impl Verdict {
    /// To the kernel, as it is now.
    pub const PASS: Self = Self(1);
    /// Dropped; a counter has the reason.
    pub const DROP: Self = Self(2);
    /// A packet of a known connection that the fast path cannot do: run [`carry`](crate::carry).
    pub const CARRY: Self = Self(3);
    /// A packet without a known connection: run [`open`](crate::open).
    pub const OPEN: Self = Self(7);
    /// Out by the link it came in by.
    pub const REPLY: Self = Self(4);
    /// The kernel resolves the neighbour and sends it; the packet has been told where.
    pub const NEIGHBOUR: Self = Self(5);
    /// It cannot go on, and its sender is to be told why: run [`answer`](crate::answer).
    pub const ANSWER: Self = Self(8);
    /// An ICMP error that may be about a known connection: run [`related`](crate::related).
    pub const RELATED: Self = Self(9);
    /// An ICMP error that may be about a tunnel: run [`relay`](crate::relay).
    pub const RELAY: Self = Self(11);
    /// A fragment before the first of its packet: run [`hold`](crate::fragments::hold).
    pub const HOLD: Self = Self(12);
    /// Larger than its link carries, and ready but for that: run [`cut`](crate::cut).
    pub const CUT: Self = Self(13);
    /// Taken for now: it, or what it stands for, comes in once more.
    pub const HELD: Self = Self(14);
    /// The first fragment of a packet of which others wait: run [`release`](crate::fragments::release).
    pub const RELEASE: Self = Self(15);
    /// Into this host, as if it came by the loopback link.
    pub const INWARD: Self = Self(16);
    /// A packet of a control connection of FTP: run [`ftp`](crate::ftp).
    pub const HEAR: Self = Self(17);
    /// Not decided here: the packet is as it was.
    pub const ONWARD: Self = Self(10);
    const REDIRECT: u64 = 6;

    /// Out by link `ifindex`.
    #[inline(always)]
    pub const fn redirect(ifindex: u32) -> Self {
        Self(Self::REDIRECT | (ifindex as u64) << 32)
    }

    /// The link of a redirect; `None` for other verdicts.
    #[inline(always)]
    #[must_use]
    pub const fn redirected(self) -> Option<core::num::NonZeroU32> {
        if self.0 & 0xffff == Self::REDIRECT {
            core::num::NonZeroU32::new(crate::abi::high32(self.0))
        } else {
            None
        }
    }
}
