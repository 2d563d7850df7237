//! `vrrp_instance` and the blocks in it.

mod addresses;
mod basics;
mod garp;
mod table;
mod tracking;
mod vmac;

pub(super) use garp::{extra_interface, positive_repeat};
pub(crate) use table::{AUTH_HMAC, AUTHENTICATION, KEYWORDS};
pub(super) use tracking::{TrackKind, track};

use std::{collections::BTreeMap, time::Duration};

use xvs_types::Family;

use super::{InstanceDraft, draft::GarpDraft};
use crate::{
    config::{Checksum, GarpSettings, InitialState, Notification, VrrpInstance},
    span::Span,
};

/// An instance of which nothing was said yet.
pub(super) fn draft(name: &str, span: Span) -> InstanceDraft {
    InstanceDraft {
        instance: VrrpInstance {
            name: name.to_owned(),
            family: Family::V4,
            version: 2,
            state: InitialState::Backup,
            interface: None,
            virtual_router_id: 0,
            priority: 100,
            advert_interval: Duration::from_secs(1),
            addresses: Vec::new(),
            excluded_addresses: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            authentication: None,
            unicast_peers: Vec::new(),
            unicast_fault_no_peer: false,
            check_unicast_src: false,
            unicast_ttl: None,
            source: None,
            multicast_group: None,
            track_source: false,
            checksum: Checksum::default(),
            vrf: None,
            strict: false,
            nopreempt: false,
            preempt_delay: Duration::ZERO,
            accept: true,
            dont_track_primary: false,
            track_interfaces: Vec::new(),
            track_scripts: Vec::new(),
            track_files: Vec::new(),
            track_processes: Vec::new(),
            track_bfd: Vec::new(),
            notification: Notification::default(),
            notify_priority_changes: false,
            garp: GarpSettings::default(),
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            down_timer_adverts: 3,
            skip_check_adv_addr: false,
            vmac: None,
            ipvlan: None,
            promote_secondaries: false,
            owner_ignore_adverts: false,
            faults: Vec::new(),
            kept: BTreeMap::new(),
        },
        span,
        family: None,
        version: None,
        state: None,
        virtual_router_id: None,
        priority: None,
        advert_interval: None,
        interface_span: None,
        vmac: None,
        vmac_transmit_on_base: false,
        vmac_for_addresses: false,
        ipvlan: None,
        auth_type: None,
        auth_pass: Vec::new(),
        auth_span: None,
        unicast_keyword: None,
        strict: None,
        accept: None,
        skip_check_adv_addr: None,
        lower_prio_no_advert: None,
        higher_prio_send_advert: None,
        down_timer_adverts: None,
        smtp_alert: None,
        notify_priority_changes: None,
        preempt_span: None,
        tracked_interface_spans: Vec::new(),
        without_addresses_wanted: false,
        garp: GarpDraft::default(),
    }
}
