//! Sync groups: members that exist, each in one group.

use std::collections::BTreeSet;

use crate::{
    codes,
    config::{GlobalDefs, InitialState, SyncGroup},
    keywords::{InstanceDraft, Scope, SyncGroupDraft},
    span::Span,
};

/// Completes all groups; those without members are left out.
pub(super) fn complete(
    drafts: Vec<SyncGroupDraft>,
    instances: &mut [InstanceDraft],
    global: &GlobalDefs,
    scope: &mut Scope<'_>,
) -> Vec<SyncGroup> {
    let mut taken = BTreeSet::new();
    drafts
        .into_iter()
        .filter_map(|draft| one(draft, instances, global, &mut taken, scope))
        .collect()
}

fn one(
    draft: SyncGroupDraft,
    instances: &mut [InstanceDraft],
    global: &GlobalDefs,
    taken: &mut BTreeSet<String>,
    scope: &mut Scope<'_>,
) -> Option<SyncGroup> {
    let mut group = draft.group;
    let mut owners = 0_usize;
    for (name, span) in draft.members.unwrap_or_default() {
        let Some(member) = instances
            .iter_mut()
            .find(|instance| instance.instance.name == name)
        else {
            report(
                codes::UNKNOWN_NAME,
                span,
                format!(
                    "there is no instance `{name}` for sync group `{}`",
                    group.name
                ),
                "it is left out",
                scope,
            );
            continue;
        };
        if !taken.insert(name.clone()) {
            report(
                codes::DUPLICATE,
                span,
                format!("instance `{name}` is in two sync groups"),
                "it stays in the first one",
                scope,
            );
            continue;
        }
        if member.state == Some(InitialState::Master) && member.priority == Some(255) {
            owners += 1;
        }
        member.notify_priority_changes = member
            .notify_priority_changes
            .or(group.notify_priority_changes);
        group.members.push(name);
    }
    if group.members.is_empty() {
        report(
            codes::EMPTY_BLOCK,
            draft.span,
            format!("sync group `{}` has no member", group.name),
            "it is left out",
            scope,
        );
        return None;
    }
    if owners > 0 && owners < group.members.len() {
        report(
            codes::CONFLICT,
            draft.span,
            format!(
                "sync group `{}` has owners of addresses and others",
                group.name
            ),
            "they can never be in one state",
            scope,
        );
    }
    if group.members.len() == 1 {
        report(
            codes::EMPTY_BLOCK,
            draft.span,
            format!("sync group `{}` has only one member", group.name),
            "a group of one does nothing",
            scope,
        );
    }
    group.notification.smtp_alert = draft
        .smtp_alert
        .or(global.smtp_alert_vrrp)
        .or(global.smtp_alert)
        .unwrap_or(false);
    Some(group)
}

fn report(code: &'static str, span: Span, message: String, hint: &str, scope: &mut Scope<'_>) {
    scope.sink.reported(code, span, message, hint);
}
