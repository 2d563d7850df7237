//! `global_defs` and the settings outside of blocks.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::Serialize;

use super::{OwnSettings, Script, ScriptUser};

/// Settings of the whole daemon.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GlobalDefs {
    /// `router_id`; default the host name.
    pub router_id: Option<String>,
    /// Who gets mail; none, no mail.
    pub notification_email: Vec<String>,
    /// Sender of mail; default `keepalived@` and the host name.
    pub notification_email_from: Option<String>,
    /// The mail server; none, no mail.
    pub smtp_server: Option<xvs_types::Endpoint>,
    /// How long a mail server is waited for; default 30 s.
    pub smtp_connect_timeout: Duration,
    /// The name in HELO; default the host name.
    pub smtp_helo_name: Option<String>,
    /// Default of every `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// Default of `smtp_alert` of instances and sync groups.
    pub smtp_alert_vrrp: Option<bool>,
    /// Default of `smtp_alert` of virtual and real servers.
    pub smtp_alert_checker: Option<bool>,
    /// No mail for the FAULT state.
    pub no_email_faults: bool,
    /// Mail only when a real server really comes or goes.
    pub no_checker_emails: bool,
    /// Log every failure of a check.
    pub checker_log_all_failures: bool,
    /// Who runs scripts that name no user; none for `keepalived_script`, or root without it.
    pub script_user: Option<ScriptUser>,
    /// Refuse scripts that someone other than root can change.
    pub script_security: bool,
    /// Run at start, before anything else.
    pub startup_script: Option<Script>,
    /// How long it may run, 1 to 1000 s; default 10 s.
    pub startup_script_timeout: Duration,
    /// Run at the end.
    pub shutdown_script: Option<Script>,
    /// How long it may run, 1 to 1000 s; default 10 s.
    pub shutdown_script_timeout: Duration,
    /// Interfaces may come and go.
    pub dynamic_interfaces: bool,
    /// Interface of addresses that name none; default `eth0`.
    pub default_interface: Option<String>,
    /// VRRP version of IPv4 instances that name none, 2 or 3; default 2.
    pub vrrp_version: u8,
    /// `vrrp_strict`.
    pub vrrp_strict: bool,
    /// Skip the list of addresses in an advertisement from the same master.
    pub vrrp_skip_check_adv_addr: bool,
    /// Accept unicast advertisements from configured peers only.
    pub vrrp_check_unicast_src: bool,
    /// Multicast group of IPv4; default 224.0.0.18.
    pub vrrp_mcast_group4: Option<IpAddr>,
    /// Multicast group of IPv6; default ff02::12.
    pub vrrp_mcast_group6: Option<IpAddr>,
    /// Gratuitous ARP and neighbour advertisements.
    pub garp: GarpSettings,
    /// Defaults of instances: a lower priority gets no answer.
    pub vrrp_lower_prio_no_advert: bool,
    /// Defaults of instances: one last advertisement before a higher priority.
    pub vrrp_higher_prio_send_advert: bool,
    /// Missed advertisements until a master counts as dead, 1 to 100; default 3.
    pub vrrp_down_timer_adverts: u8,
    /// How long VRRP waits at start; default 0.
    pub vrrp_startup_delay: Duration,
    /// Log advertisements of virtual routers that are not ours.
    pub log_unknown_vrids: bool,
    /// Tell every change of priority.
    pub vrrp_notify_priority_changes: bool,
    /// FIFO for everything.
    pub notify_fifo: Fifo,
    /// FIFO for VRRP.
    pub vrrp_notify_fifo: Fifo,
    /// FIFO for virtual and real servers.
    pub lvs_notify_fifo: Fifo,
    /// Write all states to the FIFOs after a reload.
    pub fifo_write_vrrp_states_on_reload: bool,
    /// Timeouts of connections; what is none stays as it is.
    pub lvs_timeouts: IpvsTimeouts,
    /// Remove all virtual servers at start.
    pub lvs_flush: bool,
    /// Remove virtual servers at the end without taking each real server out first.
    pub lvs_flush_on_stop: Option<FlushOnStop>,
    /// The connection synchronisation daemon.
    pub lvs_sync_daemon: Option<LvsSyncDaemon>,
    /// Tell real servers that are up from the start.
    pub rs_init_notifies: bool,
    /// Check the configuration before a reload.
    pub reload_check_config: bool,
    /// Prefix of VMAC interface names; default `vrrp`.
    pub vmac_prefix: Option<String>,
    /// How long the end waits for processes; default 5 s.
    pub child_wait_time: Duration,
    /// The network namespace to run in.
    pub net_namespace: Option<String>,
    /// The network namespace of virtual servers; default as above.
    pub net_namespace_ipvs: Option<String>,
    /// The name of this instance.
    pub instance: Option<String>,
    /// What keepalived has no keyword for.
    #[serde(skip_serializing_if = "OwnSettings::is_default")]
    pub own: OwnSettings,
    /// Settings that xvs keeps as they are written, by keyword; nothing acts on them.
    pub kept: BTreeMap<&'static str, KeptSetting>,
}

/// The words behind a keyword that is kept as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct KeptSetting {
    /// The words.
    pub words: Vec<String>,
}

/// Gratuitous ARP and neighbour advertisements of a new master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GarpSettings {
    /// Second burst this long after the first; 0 for none, default 5 s.
    pub delay: Duration,
    /// Packets in a burst; default 5.
    pub repeat: u32,
    /// Time between refreshes; 0 for none, the default.
    pub refresh: Duration,
    /// Packets in a refresh; default 1.
    pub refresh_repeat: u32,
    /// Second burst after a lower priority was heard; default as `delay`.
    pub lower_prio_delay: Duration,
    /// Packets in a burst after a lower priority was heard; default as `repeat`.
    pub lower_prio_repeat: u32,
    /// Time between gratuitous ARPs; default 0.
    pub garp_interval: Duration,
    /// Time between neighbour advertisements; default 0.
    pub gna_interval: Duration,
    /// Time between packets on the interfaces below a VMAC; default 0, none.
    pub extra_interface: Duration,
    /// Those go out on all interfaces.
    pub extra_interface_all: bool,
}

impl Default for GarpSettings {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(5),
            repeat: 5,
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_prio_delay: Duration::from_secs(5),
            lower_prio_repeat: 5,
            garp_interval: Duration::ZERO,
            gna_interval: Duration::ZERO,
            extra_interface: Duration::ZERO,
            extra_interface_all: false,
        }
    }
}

/// A FIFO and the program that reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fifo {
    /// Its path.
    pub path: Option<String>,
    /// Whose it is.
    pub owner: Option<ScriptUser>,
    /// The program; the path is added to its arguments.
    pub script: Option<Script>,
}

/// Which virtual servers are removed at once at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlushOnStop {
    /// All that there are.
    Everything,
    /// Those of this configuration (`VS`).
    OurVirtualServers,
}

/// `lvs_timeouts`; 0 to 2678400 s each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IpvsTimeouts {
    /// TCP in ESTABLISHED.
    pub tcp: Option<Duration>,
    /// TCP in FIN_WAIT.
    pub tcp_fin: Option<Duration>,
    /// UDP.
    pub udp: Option<Duration>,
}

/// `lvs_sync_daemon`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LvsSyncDaemon {
    /// The interface of the multicast group.
    pub interface: String,
    /// The instance whose state decides the role; none, both roles at once.
    pub instance: Option<String>,
    /// 0 to 255; default the VRID of the instance.
    pub sync_id: Option<u8>,
    /// Greatest length of a message in bytes, 1 to 65507.
    pub max_length: Option<u16>,
    /// UDP port; default 8848.
    pub port: Option<u16>,
    /// TTL; default 1.
    pub ttl: Option<u8>,
    /// Multicast group; default 224.0.0.81.
    pub group: Option<IpAddr>,
}

/// What is told, and to whom, when an instance or a sync group changes state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// `notify_master`.
    pub master: Option<Script>,
    /// `notify_backup`.
    pub backup: Option<Script>,
    /// `notify_fault`.
    pub fault: Option<Script>,
    /// `notify_stop`.
    pub stop: Option<Script>,
    /// `notify_deleted`; the script may be missing though the keyword is there.
    pub deleted: Option<Script>,
    /// `notify_deleted` was given: a deleted instance tells DELETED and not FAULT.
    pub tells_deletion: bool,
    /// `notify`: gets four arguments more.
    pub any: Option<Script>,
    /// `notify_master_rx_lower_pri`.
    pub master_rx_lower_priority: Option<Script>,
    /// Mail on every change; default as the global settings say, else off.
    pub smtp_alert: bool,
}

impl Default for GlobalDefs {
    fn default() -> Self {
        Self {
            router_id: None,
            notification_email: Vec::new(),
            notification_email_from: None,
            smtp_server: None,
            smtp_connect_timeout: Duration::from_secs(30),
            smtp_helo_name: None,
            smtp_alert: None,
            smtp_alert_vrrp: None,
            smtp_alert_checker: None,
            no_email_faults: false,
            no_checker_emails: false,
            checker_log_all_failures: false,
            script_user: None,
            script_security: false,
            startup_script: None,
            startup_script_timeout: Duration::from_secs(10),
            shutdown_script: None,
            shutdown_script_timeout: Duration::from_secs(10),
            dynamic_interfaces: false,
            default_interface: None,
            vrrp_version: 2,
            vrrp_strict: false,
            vrrp_skip_check_adv_addr: false,
            vrrp_check_unicast_src: false,
            vrrp_mcast_group4: None,
            vrrp_mcast_group6: None,
            garp: GarpSettings::default(),
            vrrp_lower_prio_no_advert: false,
            vrrp_higher_prio_send_advert: false,
            vrrp_down_timer_adverts: 3,
            vrrp_startup_delay: Duration::ZERO,
            log_unknown_vrids: false,
            vrrp_notify_priority_changes: false,
            notify_fifo: Fifo::default(),
            vrrp_notify_fifo: Fifo::default(),
            lvs_notify_fifo: Fifo::default(),
            fifo_write_vrrp_states_on_reload: false,
            lvs_timeouts: IpvsTimeouts::default(),
            lvs_flush: false,
            lvs_flush_on_stop: None,
            lvs_sync_daemon: None,
            rs_init_notifies: false,
            reload_check_config: false,
            vmac_prefix: None,
            child_wait_time: Duration::from_secs(5),
            net_namespace: None,
            net_namespace_ipvs: None,
            instance: None,
            own: OwnSettings::default(),
            kept: BTreeMap::new(),
        }
    }
}
