//! Times and counts of gratuitous packets, for instances and for `global_defs`.

use std::time::Duration;

use crate::{
    codes,
    keywords::{Line, Scope, draft::GarpDraft},
};

/// `UINT_MAX / TIMER_HZ`: delays are kept in microseconds of 32 bits.
pub(crate) const MAX_DELAY: i64 = 4_294;
/// Refreshes are kept in seconds of 32 bits.
pub(crate) const MAX_REFRESH: i64 = 4_294_967_295;

/// Whole seconds.
pub(crate) fn seconds(line: &Line<'_>, most: i64, scope: &mut Scope<'_>) -> Option<Duration> {
    line.lax_integer(1, 0..=most, "the default stays", scope)
        .map(Duration::from_secs)
}

/// A count of packets; 0 counts as 1, as in files of before 2.0.7.
pub(crate) fn positive_repeat(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<u32> {
    let repeat: u32 = line.lax_integer(1, 0..=4_294_967_295, "the default stays", scope)?;
    if repeat == 0 {
        scope.sink.reported(
            codes::ROUNDED,
            line.at(1),
            format!("`{}` must be more than 0", line.keyword()),
            "it is 1",
        );
    }
    Some(repeat.max(1))
}

/// `garp_extra_if [all] SECONDS`.
pub(crate) fn extra_interface(
    garp: &mut GarpDraft,
    least: i64,
    line: &Line<'_>,
    scope: &mut Scope<'_>,
) {
    let mut interval = None;
    for index in 1..=line.count() {
        if line.word(index) == "all" {
            garp.extra_interface_all = true;
        } else {
            interval = line
                .lax_integer(index, least..=86_400, "the line is ignored", scope)
                .map(Duration::from_secs);
            if interval.is_none() {
                return;
            }
        }
    }
    if interval.is_none() {
        line.reject(
            0,
            format!("`{}` needs a time", line.keyword()),
            "the line is ignored",
            scope,
        );
    }
    garp.extra_interface = interval.or(garp.extra_interface);
}

/// Says that a keyword has a newer name.
pub(crate) fn deprecated_name(line: &Line<'_>, name: &str, scope: &mut Scope<'_>) {
    scope.sink.reported(
        codes::DEPRECATED,
        line.at(0),
        format!("`{}` is deprecated", line.keyword()),
        format!("write `{name}`"),
    );
}
