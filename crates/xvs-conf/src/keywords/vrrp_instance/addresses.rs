//! Addresses, routes and rules of an instance, and where it sends to.

use std::net::IpAddr;

use xvs_types::Family;

use crate::{
    codes,
    config::UnicastPeer,
    keywords::{InstanceDraft, Line, Scope, routing},
    span::Span,
};

/// `virtual_ipaddress`: the first address decides the family of the instance.
pub(super) fn virtual_addresses(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    for entry in line.entries() {
        let Some(address) = routing::address(&entry, false, scope) else {
            continue;
        };
        if fits(draft, address.address, entry.at(0), "it is left out", scope) {
            draft.instance.addresses.push(address);
        }
    }
}

/// `virtual_ipaddress_excluded`: either family.
pub(super) fn excluded_addresses(
    draft: &mut InstanceDraft,
    line: &Line<'_>,
    scope: &mut Scope<'_>,
) {
    for entry in line.entries() {
        let address = routing::address(&entry, false, scope);
        draft.instance.excluded_addresses.extend(address);
    }
}

/// `virtual_routes`.
pub(super) fn routes(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    for entry in line.entries() {
        draft
            .instance
            .routes
            .extend(routing::route(&entry, false, scope));
    }
}

/// `virtual_rules`.
pub(super) fn rules(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    for entry in line.entries() {
        draft
            .instance
            .rules
            .extend(routing::rule(&entry, false, scope));
    }
}

/// `mcast_src_ip` and `unicast_src_ip`.
pub(super) fn source(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let keeps = "the line is ignored";
    if let Some(address) = line.address(1, keeps, scope)
        && fits(draft, address, line.at(1), keeps, scope)
    {
        draft.instance.source = Some(address);
    }
}

/// `mcast_dst_ip`.
pub(super) fn multicast_group(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let keeps = "the global group stays";
    let Some(address) = line.address(1, keeps, scope) else {
        return;
    };
    let multicast = match address {
        IpAddr::V4(address) => address.is_multicast(),
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    };
    if !multicast {
        line.reject(
            1,
            format!("`{address}` is no multicast group of this link"),
            keeps,
            scope,
        );
    } else if fits(draft, address, line.at(1), keeps, scope) {
        draft.instance.multicast_group = Some(address);
    }
}

/// `unicast_peer`.
pub(super) fn unicast_peers(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    draft.note_unicast(line.at(0));
    for entry in line.entries() {
        let keeps = "the peer is left out";
        let Some(address) = entry.address(0, keeps, scope) else {
            continue;
        };
        if !fits(draft, address, entry.at(0), keeps, scope) {
            continue;
        }
        let mut peer = UnicastPeer {
            address,
            min_ttl: 0,
            max_ttl: 255,
        };
        options(&mut peer, draft, &entry, scope);
        if peer.min_ttl > peer.max_ttl {
            scope.sink.reported(
                codes::CONFLICT,
                entry.span(),
                "`min_ttl` is above `max_ttl`",
                "no packet of this peer can ever fit",
            );
        }
        draft.instance.unicast_peers.push(peer);
    }
}

fn options(
    peer: &mut UnicastPeer,
    draft: &mut InstanceDraft,
    entry: &Line<'_>,
    scope: &mut Scope<'_>,
) {
    let mut index = 1;
    while let Some(option) = entry.get(index) {
        if entry.get(index + 1).is_none() {
            entry.reject(
                index,
                format!("`{option}` has no value"),
                "it is ignored",
                scope,
            );
            return;
        }
        if let Some(ttl) = entry.integer(index + 1, 0..=255, "it is ignored", scope) {
            match option {
                "min_ttl" => peer.min_ttl = ttl,
                "max_ttl" => peer.max_ttl = ttl,
                other => {
                    entry.reject(
                        index,
                        format!("`{other}` is no option of a peer"),
                        "it takes `min_ttl` and `max_ttl`",
                        scope,
                    );
                    return;
                }
            }
            draft.instance.check_unicast_src = true;
        }
        index += 2;
    }
}

/// Whether `address` is of the family of the instance; the first address decides it.
fn fits(
    draft: &mut InstanceDraft,
    address: IpAddr,
    span: Span,
    keeps: &str,
    scope: &mut Scope<'_>,
) -> bool {
    let family = Family::of(address);
    let same = *draft.family.get_or_insert(family) == family;
    if !same {
        scope.sink.reported(
            codes::INVALID_ADDRESS,
            span,
            format!(
                "`{address}` is of another family than instance `{}`",
                draft.instance.name
            ),
            keeps,
        );
    }
    same
}
