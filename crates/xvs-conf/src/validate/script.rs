//! Which scripts can run, and whether they may.

use crate::{
    codes,
    config::{CheckKind, Config, Script, Tracked},
    diagnostic::Consequence,
    host::ScriptFact,
    keywords::{Draft, Scope},
    span::Span,
};

/// What was found of all scripts of one process of keepalived.
#[derive(Default)]
struct Findings {
    first: Option<Span>,
    insecure: bool,
}

/// Scripts of instances, sync groups and trackers; keepalived looks at them when there is an instance.
pub(super) fn check_vrrp(draft: &mut Draft, scope: &mut Scope<'_>) {
    if draft.instances.is_empty() {
        return;
    }
    let mut findings = Findings::default();
    let mut disabled = Vec::new();
    draft.config.scripts.retain(|tracker| {
        let runs = usable(&tracker.script, Some(&tracker.name), &mut findings, scope);
        if !runs {
            disabled.push(tracker.name.clone());
        }
        runs
    });
    let forget = |list: &mut Vec<Tracked>| {
        list.retain(|tracked| !disabled.contains(&tracked.name));
    };
    for draft in &mut draft.instances {
        let instance = &mut draft.instance;
        forget(&mut instance.track_scripts);
        let notification = &mut instance.notification;
        for script in [
            &mut notification.backup,
            &mut notification.master,
            &mut notification.fault,
            &mut notification.stop,
            &mut notification.deleted,
            &mut notification.any,
            &mut notification.master_rx_lower_priority,
        ] {
            keep_usable(script, &mut findings, scope);
        }
    }
    for draft in &mut draft.sync_groups {
        forget(&mut draft.group.track_scripts);
        let notification = &mut draft.group.notification;
        for script in [
            &mut notification.backup,
            &mut notification.master,
            &mut notification.fault,
            &mut notification.stop,
            &mut notification.any,
        ] {
            keep_usable(script, &mut findings, scope);
        }
    }
    let global = &mut draft.config.global;
    keep_usable(&mut global.notify_fifo.script, &mut findings, scope);
    keep_usable(&mut global.vrrp_notify_fifo.script, &mut findings, scope);
    findings.report(scope);
}

/// Scripts of the daemon itself.
pub(super) fn check_daemon(draft: &mut Draft, scope: &mut Scope<'_>) {
    let mut findings = Findings::default();
    let global = &mut draft.config.global;
    keep_usable(&mut global.startup_script, &mut findings, scope);
    keep_usable(&mut global.shutdown_script, &mut findings, scope);
    findings.report(scope);
}

/// Scripts of virtual servers, real servers and checks.
pub(super) fn check_checkers(config: &mut Config, scope: &mut Scope<'_>) {
    if config.virtual_servers.is_empty() {
        return;
    }
    let mut findings = Findings::default();
    for server in &mut config.virtual_servers {
        keep_usable(&mut server.quorum_up, &mut findings, scope);
        keep_usable(&mut server.quorum_down, &mut findings, scope);
        for real_server in &mut server.real_servers {
            keep_usable(&mut real_server.notify_up, &mut findings, scope);
            keep_usable(&mut real_server.notify_down, &mut findings, scope);
            real_server.checkers.retain(|checker| match &checker.kind {
                CheckKind::Misc(misc) => usable(&misc.script, None, &mut findings, scope),
                _ => true,
            });
        }
    }
    keep_usable(
        &mut config.global.lvs_notify_fifo.script,
        &mut findings,
        scope,
    );
    findings.report(scope);
}

impl Findings {
    fn report(self, scope: &mut Scope<'_>) {
        let Some(span) = self.first else {
            return;
        };
        if scope.script_security {
            return;
        }
        let message = if self.insecure {
            "root runs scripts that others can change"
        } else {
            "scripts are run without script security"
        };
        scope.sink.add(
            codes::SCRIPT,
            Consequence::Insecure,
            span,
            message,
            "add `enable_script_security` and `script_user` to `global_defs`",
        );
    }
}

fn keep_usable(script: &mut Option<Script>, findings: &mut Findings, scope: &mut Scope<'_>) {
    if script
        .as_ref()
        .is_some_and(|script| !usable(script, None, findings, scope))
    {
        *script = None;
    }
}

/// Whether `script` runs; says why it does not. keepalived reports this for trackers only, by `name`.
fn usable(
    script: &Script,
    name: Option<&str>,
    findings: &mut Findings,
    scope: &mut Scope<'_>,
) -> bool {
    let Some(program) = script.arguments.first() else {
        return false;
    };
    // `</FILE` is no program: keepalived only looks whether the file opens.
    if program
        .strip_prefix('<')
        .is_some_and(|rest| rest.trim_start().starts_with('/'))
    {
        return true;
    }
    let fact = scope.host.script(program, &script.user.user);
    if fact != ScriptFact::NotFound {
        findings.first.get_or_insert(script.span);
    }
    findings.insecure |= fact == ScriptFact::Insecure;
    let consequence = if name.is_some() {
        Consequence::Reported
    } else {
        Consequence::Silent
    };
    let who = &script.user.user;
    let shell = script
        .arguments
        .iter()
        .any(|word| matches!(word.as_str(), "[[" | "&&" | "||" | "|" | ";" | ">" | "<"));
    let (consequence, message, hint) = match fact {
        ScriptFact::Runs => return true,
        ScriptFact::Insecure if !scope.script_security => return true,
        ScriptFact::Insecure => (
            consequence,
            format!("root would run `{program}`, which others can change"),
            "it is disabled; give the file and its directories to root, writable by root alone",
        ),
        ScriptFact::NotExecutable => (
            Consequence::Silent,
            format!("`{program}` is not executable for user `{who}`"),
            "it is disabled; `chmod +x` it",
        ),
        ScriptFact::NotFound => (
            consequence,
            format!("user `{who}` finds no program `{program}`"),
            if shell {
                "it is disabled; no shell is involved, write `/bin/sh -c '...'` for one"
            } else {
                "it is disabled; write the whole path of a program that this user can reach"
            },
        ),
    };
    scope
        .sink
        .add(codes::SCRIPT, consequence, script.span, message, hint);
    false
}
