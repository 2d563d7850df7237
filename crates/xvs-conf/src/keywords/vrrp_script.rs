//! `vrrp_script`.

use std::time::Duration;

use super::{Keyword, Line, Scope, Tier, track_file::reverse};
use crate::{
    codes,
    config::{Script, ScriptUser, TrackWeight},
    span::Span,
};

/// A `vrrp_script` as it was read.
#[derive(Debug, Default)]
pub(crate) struct ScriptDraft {
    pub(crate) arguments: Vec<String>,
    pub(crate) span: Span,
    pub(crate) user: Option<ScriptUser>,
    pub(crate) user_failed: bool,
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) weight: TrackWeight,
    pub(crate) rise: Option<u32>,
    pub(crate) fall: Option<u32>,
    pub(crate) starts_failed: bool,
}

/// keepalived keeps microseconds in 32 bits: `UINT_MAX / TIMER_HZ`.
const MAX_SECONDS: i64 = 4_294;

type Key = Keyword<ScriptDraft>;

/// The keywords of `vrrp_script`.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::words("script", 0, Tier::Everywhere, script),
    Key::value("interval", Tier::Everywhere, |script, line, scope| {
        script.interval = seconds(line, scope).or(script.interval);
    }),
    Key::value("timeout", Tier::Common, |script, line, scope| {
        script.timeout = seconds(line, scope).or(script.timeout);
    }),
    Key::words("weight", 1, Tier::Everywhere, |script, line, scope| {
        if let Some(weight) = line.lax_integer(1, -253..=253, "the weight 0 stays", scope) {
            script.weight.weight = weight;
        }
        script.weight.reverse |= reverse(line, 2, scope);
    })
    .at_most(2),
    Key::value("rise", Tier::Everywhere, |script, line, scope| {
        script.rise = line.lax_integer(1, 1..=i64::from(i32::MAX), "it is 1", scope);
    }),
    Key::value("fall", Tier::Everywhere, |script, line, scope| {
        script.fall = line.lax_integer(1, 1..=i64::from(i32::MAX), "it is 1", scope);
    }),
    Key::words("user", 1, Tier::Common, |script, line, scope| {
        let user = scope.user(line.word(1), line.get(2), line.at(1));
        script.user_failed = user.is_none();
        if user.is_none() {
            scope.sink.reported(
                codes::UNKNOWN_USER,
                line.at(1),
                format!("the script cannot run as `{}`", line.word(1)),
                "it is removed",
            );
        }
        script.user = user;
    })
    .at_most(2),
    Key::flag("init_fail", Tier::Rare, |script, _, _| {
        script.starts_failed = true;
    }),
];

impl ScriptDraft {
    /// The command, if it can run at all.
    pub(crate) fn command(&self, user: ScriptUser) -> Script {
        Script {
            arguments: self.arguments.clone(),
            user,
            span: self.span,
        }
    }
}

fn script(draft: &mut ScriptDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    draft.span = line.at(1);
    draft.arguments = line.lone_command(scope).unwrap_or_default();
    line.ignore_from(2, scope);
}

fn seconds(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Duration> {
    let seconds: u64 = line.lax_integer(1, 0..=MAX_SECONDS, "the line is ignored", scope)?;
    if seconds == 0 {
        scope.sink.reported(
            codes::ROUNDED,
            line.at(1),
            format!("`{}` must be more than 0", line.keyword()),
            "it is 1 second",
        );
    }
    Some(Duration::from_secs(seconds.max(1)))
}
