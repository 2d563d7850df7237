//! What the daemon sets and the programs read.

/// Flags of [`Settings`].
pub mod setting_flag {
    /// Any segment opens a TCP connection.
    pub const SLOPPY_TCP: u32 = 1;
    /// Connections of a deleted real server end at once; a SYN to a quiesced one begins anew.
    pub const EXPIRE_NODEST_CONN: u32 = 1 << 1;
    /// Templates of a quiesced real server are not used.
    pub const EXPIRE_QUIESCENT_TEMPLATE: u32 = 1 << 2;
    /// `secure_tcp` is in force.
    pub const SECURE_TCP: u32 = 1 << 3;
    /// ICMP errors open connections.
    pub const SCHEDULE_ICMP: u32 = 1 << 4;
    /// Tunnel packets may be fragmented whatever is inside (`pmtu_disc` 0).
    pub const NO_PMTU_DISC: u32 = 1 << 5;
    /// Any SCTP packet opens a connection.
    pub const SLOPPY_SCTP: u32 = 1 << 6;
    /// The way of replies is asked for in the name of the real server, not of the VIP (`snat_reroute` 0).
    pub const NO_SNAT_REROUTE: u32 = 1 << 7;
}

/// The secret of the flow table's hash.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seed {
    /// Added to the words of the key.
    pub words: [u32; 10],
    /// Odd.
    pub multiplier1: u64,
    /// Odd.
    pub multiplier2: u64,
}

const _: () = assert!(size_of::<Seed>() == 56);

/// One value for all programs.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Jiffies when the daemon last ran.
    pub heartbeat: u32,
    /// After this many jiffies without a heartbeat, next hops are asked of the kernel.
    pub patience: u32,
    /// Flags of [`setting_flag`].
    pub flags: u32,
    /// `conn_reuse_mode`.
    pub reuse_mode: u32,
    /// Jiffies a second.
    pub hz: u32,
    /// Version of the layouts, [`VERSION`](super::VERSION).
    pub version: u32,
    /// Timeouts in jiffies of the states of TCP.
    pub tcp_timeouts: [u32; 16],
    /// Timeouts in jiffies of the states of UDP.
    pub udp_timeouts: [u32; 4],
    /// Timeouts in jiffies of the states of SCTP.
    pub sctp_timeouts: [u32; 16],
    /// Seed of the hash, as the loaded programs have it.
    pub seed: Seed,
    /// Jiffies, written by the clock program.
    pub jiffies: u64,
    /// `lblc_expiration` in jiffies (kernel default 24 hours): a destination not used for longer is
    /// forgotten; 0 for never.
    pub lblc_expiration: u32,
    /// `lblcr_expiration` in jiffies (kernel default 24 hours): a set without change for longer loses a
    /// server; 0 for never.
    pub lblcr_expiration: u32,
    /// One of so many new connections is dropped (`drop_packet`); 0 for none.
    pub drop_rate: u32,
    /// New connections until the next one that is dropped; the programs count it down.
    pub drop_counter: u32,
    /// The link into which routing rules of ours bring packets that the firewall has seen; 0 while there
    /// is no virtual server of a firewall mark. While there is one, packets open connections at this
    /// link alone.
    pub brought_by: u32,
    /// Jiffies when a data connection of FTP was last announced; 0 for never. The programs write it.
    pub announced: u32,
    /// Zero.
    pub spare: [u64; 2],
}

const _: () = assert!(size_of::<Settings>() == 320);
