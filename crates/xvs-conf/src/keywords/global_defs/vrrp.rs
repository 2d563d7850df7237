//! VRRP settings that hold for every instance.

use std::{net::IpAddr, time::Duration};

use crate::{
    codes,
    keywords::{Draft, Line, Scope},
};

/// `vrrp_mcast_group4` and `vrrp_mcast_group6`.
pub(super) fn multicast_group(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let keeps = "the line is ignored";
    let Some(address) = line.address(1, keeps, scope) else {
        return;
    };
    let six = line.keyword().ends_with('6');
    if address.is_ipv6() != six || !address.is_multicast() {
        line.reject(
            1,
            format!("`{address}` is no multicast group of this family"),
            keeps,
            scope,
        );
        return;
    }
    if let IpAddr::V6(group) = address
        && group.segments()[0] & 0xf != 2
    {
        scope.sink.reported(
            codes::INVALID_ADDRESS,
            line.at(1),
            format!("`{address}` is no group of the link"),
            "VRRP never leaves its link; it is taken all the same",
        );
    }
    if six {
        draft.config.global.vrrp_mcast_group6 = Some(address);
    } else {
        draft.config.global.vrrp_mcast_group4 = Some(address);
    }
}

/// A time between packets, more than 0.
pub(super) fn spacing(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Duration> {
    line.seconds(
        1,
        1..=4_294_967_295,
        "packets follow each other at once",
        scope,
    )
}

/// A delay in whole seconds.
pub(super) fn delay(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Duration> {
    line.lax_integer(1, 0..=4_294, "the default stays", scope)
        .map(Duration::from_secs)
}

/// Time between refreshes in whole seconds.
pub(super) fn refresh(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Duration> {
    line.lax_integer(1, 0..=4_294_967_295, "there is none", scope)
        .map(Duration::from_secs)
}

/// Says that a keyword has a newer name.
pub(super) fn deprecated(line: &Line<'_>, name: &str, scope: &mut Scope<'_>) {
    scope.sink.reported(
        codes::DEPRECATED,
        line.at(0),
        format!("`{}` is deprecated", line.keyword()),
        format!("write `{name}`"),
    );
}
