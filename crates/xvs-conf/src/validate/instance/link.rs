//! Where an instance sends and what it sits on: unicast, VMAC, room in a packet, its own interface.

use xvs_types::Family;

use super::say;
use crate::{
    codes,
    config::Authentication,
    keywords::{InstanceDraft, Scope},
};

/// Unicast or multicast, and what goes with neither.
pub(super) fn settle_unicast(draft: &mut InstanceDraft, scope: &mut Scope<'_>) {
    let has_peers = !draft.instance.unicast_peers.is_empty();
    if let Some(span) = draft.unicast_keyword
        && !has_peers
    {
        if draft.instance.unicast_fault_no_peer {
            draft
                .instance
                .faults
                .push("unicast without any peer".to_owned());
        } else {
            scope.sink.reported(
                codes::DEPRECATED,
                span,
                "a unicast keyword stands in an instance without unicast peers",
                "it goes on with multicast; add `unicast_peer` or remove the keyword",
            );
        }
    }
    if has_peers && draft.instance.multicast_group.is_some() {
        say(
            codes::CONFLICT,
            draft,
            "a unicast instance has no multicast group",
            "`mcast_dst_ip` is ignored",
            scope,
        );
        draft.instance.multicast_group = None;
    }
    if draft.instance.vrf.is_some() {
        say(
            codes::CONFLICT,
            draft,
            "`vrf` is for unicast without an interface",
            "it is ignored",
            scope,
        );
        draft.instance.vrf = None;
    }
    if draft.instance.source.is_none() {
        draft.instance.track_source = false;
    }
    let multicast = draft
        .instance
        .interface
        .as_ref()
        .and_then(|name| scope.host.interface(name))
        .is_none_or(|interface| interface.multicast);
    if !multicast && !has_peers {
        say(
            codes::INTERFACE,
            draft,
            "the interface cannot multicast",
            "the instance stays in FAULT; add `unicast_peer`",
            scope,
        );
        draft
            .instance
            .faults
            .push("the interface cannot multicast".to_owned());
    }
}

/// VMAC and ipvlan.
pub(super) fn settle_vmac(draft: &mut InstanceDraft, scope: &mut Scope<'_>) {
    if (draft.vmac.is_some() || draft.ipvlan.is_some())
        && draft.unicast_keyword.is_some()
        && !draft.vmac_transmit_on_base
    {
        say(
            codes::CONFLICT,
            draft,
            "unicast with `use_vmac` needs `vmac_xmit_base`",
            "it is set",
            scope,
        );
        draft.vmac_transmit_on_base = true;
    }
    if draft.vmac_transmit_on_base && draft.vmac.is_none() && draft.ipvlan.is_none() {
        say(
            codes::CONFLICT,
            draft,
            "`vmac_xmit_base` needs `use_vmac`",
            "it is ignored",
            scope,
        );
    }
    let strict = draft.instance.strict;
    if let Some(mut vmac) = draft.vmac.take() {
        if strict && vmac.mac.take().is_some() {
            say(
                codes::CONFLICT,
                draft,
                "a strict instance has the MAC address of the RFC",
                "the address is ignored",
                scope,
            );
        }
        vmac.transmit_on_base = draft.vmac_transmit_on_base;
        if strict && vmac.transmit_on_base {
            say(
                codes::CONFLICT,
                draft,
                "a strict instance sends from its virtual MAC address",
                "`vmac_xmit_base` is ignored",
                scope,
            );
            vmac.transmit_on_base = false;
        }
        vmac.for_addresses = draft.vmac_for_addresses;
        draft.instance.vmac = Some(vmac);
    }
    if let Some(ipvlan) = draft.ipvlan.take() {
        if draft.instance.family == Family::V4 && ipvlan.address.is_none() {
            say(
                codes::MISSING_SETTING,
                draft,
                "an IPv4 ipvlan needs an address of its own",
                "the instance stays in FAULT",
                scope,
            );
            draft
                .instance
                .faults
                .push("the ipvlan has no address".to_owned());
        }
        draft.instance.ipvlan = Some(ipvlan);
    }
    let virtual_link = draft.instance.vmac.is_some() || draft.instance.ipvlan.is_some();
    if draft.instance.promote_secondaries && virtual_link {
        say(
            codes::CONFLICT,
            draft,
            "`promote_secondaries` is always set on a VMAC",
            "it is ignored",
            scope,
        );
        draft.instance.promote_secondaries = false;
    }
}

/// Moves what does not fit into one packet to the excluded addresses.
pub(super) fn limit_addresses(draft: &mut InstanceDraft, scope: &mut Scope<'_>) {
    let mtu = draft
        .instance
        .interface
        .as_ref()
        .and_then(|name| scope.host.interface(name))
        .map_or(1_500, |interface| interface.mtu);
    let (headers, size) = match (draft.instance.family, draft.instance.version) {
        // Ethernet 14, IPv4 20, VRRP 8, and the authentication data of version 2.
        (Family::V4, 2) => (14 + 20 + 8 + 8, 4),
        (Family::V4, _) => (14 + 20 + 8, 4),
        (Family::V6, _) => (14 + 40 + 8, 16),
    };
    let headers = match draft.instance.authentication {
        Some(Authentication::Ah(_)) => headers + 24,
        _ => headers,
    };
    let room = (mtu.saturating_sub(headers) / size).min(255);
    let room = usize::try_from(room).unwrap_or(255);
    let count = draft.instance.addresses.len();
    if count > room {
        say(
            codes::CONFLICT,
            draft,
            &format!("{count} addresses do not fit into one advertisement"),
            &format!("those behind the first {room} are kept, but not advertised"),
            scope,
        );
        let excess = draft.instance.addresses.split_off(room);
        draft.instance.excluded_addresses.extend(excess);
    }
}

/// An instance follows its own interface anyway.
pub(super) fn settle_tracking(draft: &mut InstanceDraft, scope: &mut Scope<'_>) {
    let Some(own) = draft.instance.interface.clone() else {
        return;
    };
    let position = draft
        .instance
        .track_interfaces
        .iter()
        .position(|tracked| tracked.name == own);
    if let Some(index) = position {
        let span = draft
            .tracked_interface_spans
            .get(index)
            .copied()
            .unwrap_or(draft.span);
        scope.sink.reported(
            codes::DUPLICATE,
            span,
            format!("`{own}` is the instance's own interface, which is tracked anyway"),
            "the entry is ignored",
        );
        draft.instance.track_interfaces.remove(index);
    }
}
