//! State, interface and family of an instance.

use xvs_types::Family;

use crate::{
    codes,
    config::InitialState,
    keywords::{InstanceDraft, Line, Scope},
};

/// `state`.
pub(super) fn state(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    match line.word(1) {
        "MASTER" => draft.state = Some(InitialState::Master),
        "BACKUP" if draft.state == Some(InitialState::Master) => line.duplicate(scope),
        "BACKUP" => draft.state = Some(InitialState::Backup),
        other => {
            line.reject(
                1,
                format!("`{other}` is no state"),
                "write MASTER or BACKUP in upper case; it is BACKUP",
                scope,
            );
            draft.state = Some(InitialState::Backup);
        }
    }
}

/// `interface`.
pub(super) fn interface(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let name = line.word(1);
    if name.len() >= 16 {
        line.reject(
            1,
            "an interface name has at most 15 bytes",
            "the line is ignored",
            scope,
        );
        return;
    }
    draft.interface_span = Some(line.at(1));
    draft.instance.interface = scope.interface(name, line.at(1));
    let loopback = scope
        .host
        .interface(name)
        .is_some_and(|interface| interface.loopback);
    if loopback {
        scope.sink.reported(
            codes::INTERFACE,
            line.at(1),
            format!("VRRP cannot run on the loopback interface `{name}`"),
            "the line is ignored",
        );
        draft.instance.interface = None;
    }
}

/// `vrf`.
pub(super) fn vrf(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let name = line.word(1);
    if draft.instance.interface.is_some() || draft.instance.vrf.is_some() {
        line.reject(
            1,
            "an instance has one interface or one VRF",
            "the line is ignored",
            scope,
        );
    } else {
        draft.instance.vrf = scope.interface(name, line.at(1));
    }
}

/// `native_ipv6`.
pub(super) fn native_ipv6(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if draft.family == Some(Family::V4) {
        scope.sink.reported(
            codes::CONFLICT,
            line.at(0),
            "the instance has IPv4 addresses",
            "the line is ignored",
        );
    } else {
        draft.family = Some(Family::V6);
        draft.version = Some(3);
    }
}
