//! Two instances that would be one virtual router.

use crate::{
    codes,
    config::{Config, VrrpInstance},
    diagnostic::Consequence,
    keywords::Scope,
    span::Span,
};

/// Refuses instances of one family, VRID and place.
pub(super) fn check(config: &Config, scope: &mut Scope<'_>) {
    for (index, one) in config.instances.iter().enumerate() {
        for other in &config.instances[index + 1..] {
            let same_router = one.family == other.family
                && one.virtual_router_id == other.virtual_router_id
                && one.unicast_peers.is_empty() == other.unicast_peers.is_empty();
            if !same_router {
                continue;
            }
            let collides = if one.unicast_peers.is_empty() {
                same_link(one, other, scope)
            } else {
                same_peers(one, other)
            };
            if collides {
                report(one, other, scope);
            }
        }
    }
}

fn same_link(one: &VrrpInstance, other: &VrrpInstance, scope: &Scope<'_>) -> bool {
    one.interface == other.interface
        && one.multicast_group == other.multicast_group
        && one
            .interface
            .as_ref()
            .is_some_and(|name| scope.host.interface(name).is_some())
}

fn same_peers(one: &VrrpInstance, other: &VrrpInstance) -> bool {
    let elsewhere =
        one.interface.is_some() && other.interface.is_some() && one.interface != other.interface;
    let same_source = one.source == other.source;
    let shared = one.unicast_peers.iter().any(|peer| {
        other
            .unicast_peers
            .iter()
            .any(|second| second.address == peer.address)
    });
    !elsewhere && same_source && shared
}

fn report(one: &VrrpInstance, other: &VrrpInstance, scope: &mut Scope<'_>) {
    let span = scope
        .instance_spans
        .get(&other.name)
        .copied()
        .unwrap_or_else(Span::default);
    scope.sink.add(
        codes::DUPLICATE,
        Consequence::Refused,
        span,
        format!(
            "instances `{}` and `{}` are the same virtual router {}",
            one.name, other.name, one.virtual_router_id
        ),
        "give one of them another `virtual_router_id`",
    );
}
