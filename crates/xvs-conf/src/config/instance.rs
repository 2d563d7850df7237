//! Virtual routers.

use std::{net::IpAddr, time::Duration};

use serde::Serialize;
use xvs_types::Family;

use super::{GarpSettings, KeptSetting, Notification, PolicyRule, Route, Tracked, VirtualAddress};

/// A `vrrp_instance`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VrrpInstance {
    /// Its name.
    pub name: String,
    /// The family of its addresses and packets.
    pub family: Family,
    /// 2 or 3.
    pub version: u8,
    /// The state it starts in.
    pub state: InitialState,
    /// The interface; none for a unicast instance with a source address.
    pub interface: Option<String>,
    /// 1 to 255.
    pub virtual_router_id: u8,
    /// 1 to 255; 255 is the owner of the addresses.
    pub priority: u8,
    /// Time between advertisements: whole seconds in version 2, 10 ms to 40.95 s in version 3.
    pub advert_interval: Duration,
    /// Addresses that are advertised.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses that are not advertised.
    pub excluded_addresses: Vec<VirtualAddress>,
    /// Routes that come with the addresses.
    pub routes: Vec<Route>,
    /// Rules that come with the addresses.
    pub rules: Vec<PolicyRule>,
    /// Version 2 only.
    pub authentication: Option<Authentication>,
    /// Peers; empty for multicast.
    pub unicast_peers: Vec<UnicastPeer>,
    /// The instance goes to FAULT rather than multicast when it has no peer.
    pub unicast_fault_no_peer: bool,
    /// Accept unicast advertisements from the peers only.
    pub check_unicast_src: bool,
    /// TTL of unicast; none for 255 (IPv4) or the kernel's (IPv6).
    pub unicast_ttl: Option<u8>,
    /// `mcast_src_ip` or `unicast_src_ip`; none for the interface's first address.
    pub source: Option<IpAddr>,
    /// `mcast_dst_ip`; none for the global group.
    pub multicast_group: Option<IpAddr>,
    /// The source address must exist on the interface, else FAULT.
    pub track_source: bool,
    /// How VRRPv3 checksums are computed.
    pub checksum: Checksum,
    /// `vrf`.
    pub vrf: Option<String>,
    /// Strict conformance to the RFC.
    pub strict: bool,
    /// A lower priority keeps its mastership.
    pub nopreempt: bool,
    /// How long a better priority waits, 0 to 1000 s.
    pub preempt_delay: Duration,
    /// Packets to the addresses are accepted though this is no owner.
    pub accept: bool,
    /// The state of its own interface does not matter.
    pub dont_track_primary: bool,
    /// Tracked interfaces.
    pub track_interfaces: Vec<Tracked>,
    /// Tracked scripts.
    pub track_scripts: Vec<Tracked>,
    /// Tracked files.
    pub track_files: Vec<Tracked>,
    /// Tracked processes.
    pub track_processes: Vec<Tracked>,
    /// Tracked BFD sessions.
    pub track_bfd: Vec<Tracked>,
    /// What is told when its state changes.
    pub notification: Notification,
    /// Tell every change of priority.
    pub notify_priority_changes: bool,
    /// Gratuitous ARP and neighbour advertisements.
    pub garp: GarpSettings,
    /// A lower priority gets no answer.
    pub lower_prio_no_advert: bool,
    /// One last advertisement before a higher priority.
    pub higher_prio_send_advert: bool,
    /// Missed advertisements until the master counts as dead, 1 to 100; default 3.
    pub down_timer_adverts: u8,
    /// Skip the list of addresses in an advertisement from the same master.
    pub skip_check_adv_addr: bool,
    /// A virtual MAC address.
    pub vmac: Option<Vmac>,
    /// An ipvlan interface.
    pub ipvlan: Option<Ipvlan>,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
    /// Ignore advertisements while owner (`owner_ignore_adverts`).
    pub owner_ignore_adverts: bool,
    /// What makes it start in FAULT, in sentences: keepalived's configuration faults.
    pub faults: Vec<String>,
    /// Settings kept as they are written, by keyword.
    pub kept: std::collections::BTreeMap<&'static str, KeptSetting>,
}

/// The state an instance starts in; with a priority below 255 MASTER is only a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InitialState {
    /// BACKUP.
    Backup,
    /// MASTER.
    Master,
}

/// Authentication of VRRPv2; the password is its first 8 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authentication {
    /// IP authentication header with HMAC-MD5-96.
    Ah(Vec<u8>),
    /// The password in clear text.
    Pass(Vec<u8>),
}

/// How the checksum of VRRPv3 over IPv4 is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// Without pseudo header, as in version 2 (`v3_checksum_as_v2`).
    AsV2,
    /// With pseudo header; a unicast peer that does otherwise is followed.
    #[default]
    Automatic,
    /// With pseudo header and nothing else (`old_unicast_checksum never`).
    NeverOld,
    /// Unicast with the multicast group in the pseudo header (`old_unicast_checksum`).
    OldUnicast,
}

/// One line of `unicast_peer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UnicastPeer {
    /// Its address.
    pub address: IpAddr,
    /// Least TTL of its packets; default 0.
    pub min_ttl: u8,
    /// Greatest TTL of its packets; default 255.
    pub max_ttl: u8,
}

/// `use_vmac`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Vmac {
    /// Name of the interface; default the prefix, a dot and the VRID.
    pub name: Option<String>,
    /// MAC address instead of the RFC's; one of five bytes ends with the VRID.
    pub mac: Option<Vec<u8>>,
    /// Advertisements leave by the interface below (`vmac_xmit_base`).
    pub transmit_on_base: bool,
    /// Addresses on other interfaces get a VMAC too (`use_vmac_addr`).
    pub for_addresses: bool,
}

/// `use_ipvlan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ipvlan {
    /// Name of the interface.
    pub name: Option<String>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its mode; default bridge.
    pub mode: IpvlanMode,
}

/// The mode of an ipvlan interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IpvlanMode {
    /// `bridge`.
    #[default]
    Bridge,
    /// `private`.
    Private,
    /// `vepa`.
    Vepa,
}
