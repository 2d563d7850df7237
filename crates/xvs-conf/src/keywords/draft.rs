//! What is collected while the file is read, before defaults and checks across keywords.
//!
//! A draft has `Option` wherever "not said" means something else than a fixed default. The
//! `validate` module turns drafts into the types of `config`.

use std::{net::IpAddr, time::Duration};

use xvs_types::{
    Family, ForwardingMethod, PersistenceEngine, PersistenceMask, Protocol, Scheduler,
    SchedulerFlags, Thresholds, Weight,
};

use crate::{
    config::{
        CheckKind, Config, InitialState, Ipvlan, Script, ScriptUser, SyncGroup, Target, Vmac,
        VrrpInstance,
    },
    span::Span,
};

/// A whole configuration as it was read.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// What needs no second look.
    pub(crate) config: Config,
    pub(crate) garp: GarpDraft,
    pub(crate) virtual_servers: Vec<VirtualServerDraft>,
    pub(crate) instances: Vec<InstanceDraft>,
    pub(crate) sync_groups: Vec<SyncGroupDraft>,
}

/// A sync group and where it stands.
#[derive(Debug, Default)]
pub(crate) struct SyncGroupDraft {
    pub(crate) group: SyncGroup,
    pub(crate) span: Span,
    pub(crate) members: Option<Vec<(String, Span)>>,
    pub(crate) smtp_alert: Option<bool>,
}

/// Settings of gratuitous packets that were said.
#[derive(Clone, Debug, Default)]
pub(crate) struct GarpDraft {
    pub(crate) delay: Option<Duration>,
    pub(crate) repeat: Option<u32>,
    pub(crate) refresh: Option<Duration>,
    pub(crate) refresh_repeat: Option<u32>,
    pub(crate) lower_prio_delay: Option<Duration>,
    pub(crate) lower_prio_repeat: Option<u32>,
    pub(crate) garp_interval: Option<Duration>,
    pub(crate) gna_interval: Option<Duration>,
    pub(crate) extra_interface: Option<Duration>,
    pub(crate) extra_interface_all: bool,
    pub(crate) minimal: bool,
}

/// Times that were said; those of a checker come before its real server's, those before its virtual
/// server's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimingDraft {
    pub(crate) delay_loop: Option<Duration>,
    pub(crate) retry: Option<u32>,
    pub(crate) delay_before_retry: Option<Duration>,
    pub(crate) warmup: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
}

/// A virtual server.
#[derive(Debug)]
pub(crate) struct VirtualServerDraft {
    pub(crate) target: Target,
    pub(crate) span: Span,
    pub(crate) family: Option<Family>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) scheduler: Option<Scheduler>,
    pub(crate) scheduler_flags: SchedulerFlags,
    pub(crate) one_packet: bool,
    pub(crate) method: Option<ForwardingMethod>,
    pub(crate) persistence_timeout: Option<Duration>,
    pub(crate) persistence_mask: Option<PersistenceMask>,
    pub(crate) engine: Option<PersistenceEngine>,
    pub(crate) alpha: bool,
    pub(crate) omega: bool,
    pub(crate) inhibit_on_failure: bool,
    pub(crate) quorum: u64,
    pub(crate) hysteresis: u64,
    pub(crate) quorum_up: Option<Script>,
    pub(crate) quorum_down: Option<Script>,
    pub(crate) ha_suspend: bool,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) virtualhost: Option<String>,
    pub(crate) weight: Weight,
    pub(crate) timing: TimingDraft,
    pub(crate) sorry_server: Option<SorryDraft>,
    pub(crate) real_servers: Vec<RealServerDraft>,
}

impl VirtualServerDraft {
    pub(crate) fn new(target: Target, span: Span) -> Self {
        let family = match &target {
            Target::Address(endpoint) => Some(endpoint.family()),
            Target::Group(_) | Target::Mark(_) => None,
        };
        Self {
            target,
            span,
            family,
            protocol: None,
            scheduler: None,
            scheduler_flags: SchedulerFlags::default(),
            one_packet: false,
            method: None,
            persistence_timeout: None,
            persistence_mask: None,
            engine: None,
            alpha: false,
            omega: false,
            inhibit_on_failure: false,
            quorum: 1,
            hysteresis: 0,
            quorum_up: None,
            quorum_down: None,
            ha_suspend: false,
            smtp_alert: None,
            virtualhost: None,
            weight: Weight::default(),
            timing: TimingDraft::default(),
            sorry_server: None,
            real_servers: Vec::new(),
        }
    }
}

/// A sorry server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SorryDraft {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) span: Span,
    pub(crate) method: Option<ForwardingMethod>,
    pub(crate) inhibit: bool,
}

/// A real server.
#[derive(Debug)]
pub(crate) struct RealServerDraft {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) span: Span,
    pub(crate) method: Option<ForwardingMethod>,
    pub(crate) weight: Option<Weight>,
    pub(crate) thresholds: Thresholds,
    pub(crate) inhibit_on_failure: Option<bool>,
    pub(crate) alpha: Option<bool>,
    pub(crate) notify_up: Option<Script>,
    pub(crate) notify_down: Option<Script>,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) virtualhost: Option<String>,
    pub(crate) timing: TimingDraft,
    pub(crate) checkers: Vec<CheckerDraft>,
}

/// A checker.
#[derive(Debug)]
pub(crate) struct CheckerDraft {
    pub(crate) kind: CheckKind,
    pub(crate) span: Span,
    pub(crate) timing: TimingDraft,
    pub(crate) alpha: Option<bool>,
    pub(crate) log_all_failures: bool,
    pub(crate) connection: ConnectionDraft,
    /// What was said of a `MISC_CHECK`.
    pub(crate) misc: MiscDraft,
    /// A `FILE_CHECK`'s own weight was said.
    pub(crate) own_weight: bool,
}

/// Where a check connects to, as far as it was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionDraft {
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: Option<u16>,
    pub(crate) bind_address: Option<IpAddr>,
    pub(crate) bind_port: Option<u16>,
    pub(crate) bind_interface: Option<String>,
    pub(crate) mark: u32,
}

/// A `MISC_CHECK` as it was read.
#[derive(Debug, Default)]
pub(crate) struct MiscDraft {
    pub(crate) arguments: Vec<String>,
    pub(crate) span: Span,
    pub(crate) user: Option<ScriptUser>,
    pub(crate) user_failed: bool,
    pub(crate) timeout: Option<Duration>,
}

/// An instance: its final form with the fields that need a second look beside it.
#[derive(Debug)]
pub(crate) struct InstanceDraft {
    pub(crate) instance: VrrpInstance,
    pub(crate) span: Span,
    pub(crate) family: Option<Family>,
    pub(crate) version: Option<u8>,
    pub(crate) state: Option<InitialState>,
    pub(crate) virtual_router_id: Option<u8>,
    pub(crate) priority: Option<u8>,
    pub(crate) advert_interval: Option<(Duration, Span)>,
    pub(crate) interface_span: Option<Span>,
    pub(crate) vmac: Option<Vmac>,
    pub(crate) vmac_transmit_on_base: bool,
    pub(crate) vmac_for_addresses: bool,
    pub(crate) ipvlan: Option<Ipvlan>,
    pub(crate) auth_type: Option<AuthKind>,
    pub(crate) auth_pass: Vec<u8>,
    pub(crate) auth_span: Option<Span>,
    pub(crate) unicast_keyword: Option<Span>,
    pub(crate) strict: Option<bool>,
    pub(crate) accept: Option<bool>,
    pub(crate) skip_check_adv_addr: Option<bool>,
    pub(crate) lower_prio_no_advert: Option<bool>,
    pub(crate) higher_prio_send_advert: Option<bool>,
    pub(crate) down_timer_adverts: Option<u8>,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) notify_priority_changes: Option<bool>,
    pub(crate) preempt_span: Option<Span>,
    pub(crate) tracked_interface_spans: Vec<Span>,
    pub(crate) without_addresses_wanted: bool,
    pub(crate) garp: GarpDraft,
}

impl InstanceDraft {
    /// A keyword that is about unicast stands at `span`; the first one is remembered.
    pub(crate) fn note_unicast(&mut self, span: Span) {
        self.unicast_keyword.get_or_insert(span);
    }
}

/// `auth_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthKind {
    /// `AH`.
    Ah,
    /// `PASS`.
    Pass,
}
