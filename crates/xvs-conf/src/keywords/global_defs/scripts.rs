//! Scripts of the daemon itself, and who runs those of everyone else.

use std::time::Duration;

use crate::{
    codes,
    config::{Fifo, Script},
    keywords::{Draft, Line, Scope, scope::DefaultUser},
};

/// `script_user`.
pub(super) fn user(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let Some(name) = line.get(1) else {
        line.reject(0, "`script_user` has no value", "it is ignored", scope);
        return;
    };
    let user = scope.user(name, line.get(2), line.at(1));
    scope.default_user = match &user {
        Some(user) => DefaultUser::Named(user.clone()),
        None => {
            scope.sink.reported(
                codes::UNKNOWN_USER,
                line.at(1),
                format!("scripts cannot run as `{name}`"),
                "no script without a user of its own is run; create the user",
            );
            DefaultUser::Broken
        }
    };
    draft.config.global.script_user = user;
}

/// A script that must be given, once.
pub(super) fn once(field: &mut Option<Script>, line: &Line<'_>, scope: &mut Scope<'_>) {
    if field.is_some() {
        line.duplicate(scope);
    } else if line.count() == 0 {
        line.reject(
            0,
            format!("`{}` has no value", line.keyword()),
            "it is ignored",
            scope,
        );
    } else {
        *field = line.script(scope);
    }
}

/// A timeout of such a script.
pub(super) fn timeout(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Duration> {
    if line.count() == 0 {
        line.reject(
            0,
            format!("`{}` has no value", line.keyword()),
            "it is 10 seconds",
            scope,
        );
        return None;
    }
    line.lax_integer(1, 1..=1_000, "it is 10 seconds", scope)
        .map(Duration::from_secs)
}

/// A FIFO: its path and whose it is.
pub(super) fn fifo(fifo: &mut Fifo, line: &Line<'_>, scope: &mut Scope<'_>) {
    let Some(path) = line.get(1) else {
        line.reject(
            0,
            format!("`{}` has no value", line.keyword()),
            "it is ignored",
            scope,
        );
        return;
    };
    if fifo.path.is_some() {
        line.duplicate(scope);
        return;
    }
    fifo.path = Some(path.to_owned());
    if let Some(user) = line.get(2) {
        fifo.owner = scope.user(user, line.get(3), line.at(2));
    }
}
