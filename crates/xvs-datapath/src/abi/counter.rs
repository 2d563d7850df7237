//! Counters of what happened: drops by reason, then other events.

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)+) => {
        /// An event that the programs count. Numbers are indexes of the per-CPU array.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Counter { $($(#[$doc])* $variant = $number,)+ }

        impl Counter {
            /// Every counter with its name in status and metrics.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $name),)+];

            /// Its index.
            #[inline(always)]
            #[must_use]
            pub const fn index(self) -> u32 {
                self as u32
            }
        }
    };
}

/// Counters below this index are reasons of drops.
pub const DROPS: u32 = 32;

counters! {
    /// The real server was deleted.
    DropRealServerGone = 0, "real_server_gone";
    /// No usable real server; ICMP port unreachable was sent where possible.
    DropNoRealServer = 1, "no_real_server";
    /// Neither the table nor the overflow hash had room.
    DropTableFull = 2, "table_full";
    /// No free local port of a FULLNAT virtual server.
    DropNoLocalPort = 3, "no_local_port";
    /// A FULLNAT virtual server without a local address of the family.
    DropNoLocalAddress = 4, "no_local_address";
    /// Larger than the MTU; the sender was told.
    DropTooBig = 5, "too_big";
    /// Time to live exceeded; the sender was told.
    DropTtl = 6, "ttl_exceeded";
    /// The kernel has no route, or forwarding is off.
    DropNoRoute = 7, "no_route";
    /// The neighbour is not resolved yet.
    DropNoNeighbour = 8, "no_neighbour";
    /// Two packets raced for one flow; the loser is retransmitted.
    DropRace = 9, "race";
    /// The entry changed while it was read.
    DropTorn = 10, "torn";
    /// Room for a header could not be made.
    DropHeadroom = 11, "headroom";
    /// The reply tuple is in use by another connection.
    DropCollision = 12, "reply_collision";
    /// A map that must be there is not.
    DropInternal = 13, "internal";
    /// An ICMP error about a known connection with a wrong checksum.
    DropIcmpChecksum = 20, "icmp_checksum";
    /// Of its L4 header, or of what the checksum in it covers, there is too little to rewrite it.
    DropCut = 21, "cut_header";
    /// A new connection that `drop_packet` took.
    DropDefence = 14, "drop_packet";
    /// No Call-ID for a virtual server that is persistent by it.
    DropNoCallId = 15, "no_call_id";
    /// The address in a reply of FTP could not be replaced.
    DropFtp = 16, "ftp";
    /// Connections opened.
    Opened = 32, "opened";
    /// Connections put into the overflow hash.
    Overflowed = 33, "overflowed";
    /// Embryonic connections evicted by new ones.
    Evicted = 34, "evicted";
    /// Entries past their timeout taken over by new connections.
    Reclaimed = 35, "reclaimed";
    /// Entries marked for deletion and revived by a packet.
    Revived = 36, "revived";
    /// TOA options added to a SYN.
    ToaAdded = 37, "toa_added";
    /// SYN without room for a TOA option.
    ToaAbsent = 38, "toa_absent";
    /// SYN to a virtual server in a frame to another host.
    NotOurMac = 39, "not_our_mac";
    /// SYN to a VIP that is not an address of this host.
    NotLocal = 40, "not_local";
    /// Next hops asked of the kernel.
    AskedRoute = 41, "asked_route";
    /// Packets rescheduled because their port was used again.
    Reused = 42, "reused";
    /// ICMP errors sent.
    IcmpSent = 43, "icmp_sent";
    /// ICMP errors about known connections passed on to client or real server.
    IcmpRelated = 52, "icmp_related";
    /// First fragments whose ports are remembered for the others.
    FragmentFirst = 53, "fragment_first";
    /// Fragments before their first one that are not held, left to the kernel.
    FragmentUnknown = 54, "fragment_unknown";
    /// Fragments held until the first one of their packet comes.
    FragmentHeld = 55, "fragment_held";
    /// Held fragments that went on.
    FragmentReleased = 56, "fragment_released";
    /// Packets cut into fragments.
    Cut = 57, "cut";
    /// Data connections of FTP that were announced.
    FtpAnnounced = 58, "ftp_announced";
    /// Announcements of FTP that are not sound, or do not end within their segment's first 512 bytes.
    FtpUnsound = 59, "ftp_unsound";
}
