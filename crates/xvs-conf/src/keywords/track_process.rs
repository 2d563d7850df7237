//! `vrrp_track_process`.

use std::time::Duration;

use super::{Keyword, Line, Scope, Tier, track_file::reverse};
use crate::config::{ParameterMatch, TrackProcess};

type Key = Keyword<TrackProcess>;

/// The keywords of `vrrp_track_process`.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::words("process", 1, Tier::Common, |process, line, scope| {
        if !process.process.is_empty() {
            line.duplicate(scope);
            return;
        }
        line.word(1).clone_into(&mut process.process);
        process.parameters = line.from(2);
        if !process.parameters.is_empty() {
            process.parameter_match.get_or_insert(ParameterMatch::Exact);
            process.full_command = true;
        }
    }),
    Key::optional("param_match", Tier::Rare, |process, line, scope| {
        process.parameter_match = match line.get(1) {
            None => Some(ParameterMatch::Exact),
            Some("initial") => Some(ParameterMatch::Initial),
            Some("partial") => Some(ParameterMatch::Partial),
            Some(other) => {
                line.reject(
                    1,
                    format!("`{other}` is no way to match"),
                    "write `initial` or `partial`; the line is ignored",
                    scope,
                );
                return;
            }
        };
        process.full_command = true;
    }),
    Key::words("weight", 0, Tier::Common, |process, line, scope| {
        if line.count() == 0 {
            line.reject(0, "`weight` has no value", "the weight 0 stays", scope);
        } else if process.weight.weight != 0 {
            line.duplicate(scope);
        } else if let Some(weight) = line.lax_integer(1, -254..=254, "the weight 0 stays", scope) {
            process.weight.weight = weight;
            process.weight.reverse |= reverse(line, 2, scope);
        }
    })
    .at_most(2),
    Key::value("quorum", Tier::Rare, |process, line, scope| {
        let Some(quorum) = line.lax_integer(1, 1..=65_535, "the quorum stays", scope) else {
            return;
        };
        if process.quorum_max.is_some_and(|most| quorum > most) {
            line.reject(
                1,
                "the quorum is above `quorum_max`",
                "the line is ignored",
                scope,
            );
        } else {
            process.quorum = quorum;
        }
    }),
    Key::value("quorum_max", Tier::Rare, |process, line, scope| {
        let Some(most) = line.lax_integer(1, 0..=65_535, "there is no maximum", scope) else {
            return;
        };
        if (most > 0 || process.quorum > 1) && most < process.quorum {
            line.reject(
                1,
                "`quorum_max` is below the quorum",
                "the line is ignored",
                scope,
            );
        } else {
            process.quorum = if most == 0 { 0 } else { process.quorum.max(1) };
            process.quorum_max = Some(most);
        }
    }),
    Key::value("delay", Tier::Rare, |process, line, scope| {
        if let Some(delay) = delay(line, scope) {
            process.fork_delay = delay;
            process.terminate_delay = delay;
        }
    }),
    Key::value("fork_delay", Tier::Rare, |process, line, scope| {
        process.fork_delay = delay(line, scope).unwrap_or(process.fork_delay);
    }),
    Key::value("terminate_delay", Tier::Rare, |process, line, scope| {
        process.terminate_delay = delay(line, scope).unwrap_or(process.terminate_delay);
    }),
    Key::flag("full_command", Tier::Rare, |process, _, _| {
        process.full_command = true;
    }),
];

fn delay(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Duration> {
    line.seconds(1, 1..=3_600_000_000, "the line is ignored", scope)
}
