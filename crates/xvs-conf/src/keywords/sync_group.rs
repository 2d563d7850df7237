//! `vrrp_sync_group`.

use super::{
    Keyword, Line, Scope, Tier,
    draft::SyncGroupDraft,
    virtual_server::notify_script,
    vrrp_instance::{TrackKind, track},
};
use crate::codes;

type Key = Keyword<SyncGroupDraft>;

/// The keywords of `vrrp_sync_group`.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::new("group", 0, Some(0), Tier::Everywhere, members).entries(),
    Key::new(
        "track_interface",
        0,
        Some(0),
        Tier::Common,
        |draft, line, scope| {
            track(
                &mut draft.group.track_interfaces,
                TrackKind::Interface,
                line,
                scope,
            );
        },
    )
    .entries(),
    Key::new(
        "track_script",
        0,
        Some(0),
        Tier::Common,
        |draft, line, scope| {
            track(
                &mut draft.group.track_scripts,
                TrackKind::Script,
                line,
                scope,
            );
        },
    )
    .entries(),
    Key::new(
        "track_file",
        0,
        Some(0),
        Tier::Common,
        |draft, line, scope| {
            track(&mut draft.group.track_files, TrackKind::File, line, scope);
        },
    )
    .entries(),
    Key::new(
        "track_process",
        0,
        Some(0),
        Tier::Common,
        |draft, line, scope| {
            track(
                &mut draft.group.track_processes,
                TrackKind::Process,
                line,
                scope,
            );
        },
    )
    .entries(),
    Key::new(
        "track_bfd",
        0,
        Some(0),
        Tier::Common,
        |draft, line, scope| {
            track(&mut draft.group.track_bfd, TrackKind::Bfd, line, scope);
        },
    )
    .entries(),
    Key::words("notify_backup", 1, Tier::Common, |draft, line, scope| {
        notify_script(&mut draft.group.notification.backup, line, scope);
    }),
    Key::words("notify_master", 1, Tier::Common, |draft, line, scope| {
        notify_script(&mut draft.group.notification.master, line, scope);
    }),
    Key::words("notify_fault", 1, Tier::Common, |draft, line, scope| {
        notify_script(&mut draft.group.notification.fault, line, scope);
    }),
    Key::words("notify_stop", 1, Tier::Common, |draft, line, scope| {
        notify_script(&mut draft.group.notification.stop, line, scope);
    }),
    Key::words("notify", 1, Tier::Common, |draft, line, scope| {
        notify_script(&mut draft.group.notification.any, line, scope);
    }),
    Key::optional("smtp_alert", Tier::Common, |draft, line, scope| {
        draft.smtp_alert = line.switch(scope).or(draft.smtp_alert);
    }),
    Key::flag("global_tracking", Tier::Rare, |draft, line, scope| {
        scope.sink.reported(
            codes::DEPRECATED,
            line.at(0),
            "`global_tracking` is deprecated",
            "write the `track_...` blocks into the sync group",
        );
        draft.group.tracking_weight = true;
    }),
    Key::flag("sync_group_tracking_weight", Tier::Rare, |draft, _, _| {
        draft.group.tracking_weight = true;
    }),
    Key::optional(
        "notify_priority_changes",
        Tier::Rare,
        |draft, line, scope| {
            let group = &mut draft.group;
            group.notify_priority_changes = line.switch(scope).or(group.notify_priority_changes);
        },
    ),
];

fn members(draft: &mut SyncGroupDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if draft.members.is_some() {
        line.duplicate(scope);
        return;
    }
    let members: Vec<_> = line
        .entries()
        .flat_map(|entry| {
            (0..=entry.count())
                .map(|index| (entry.word(index).to_owned(), entry.at(index)))
                .collect::<Vec<_>>()
        })
        .collect();
    if members.is_empty() {
        scope.sink.reported(
            codes::EMPTY_BLOCK,
            line.at(0),
            format!("sync group `{}` has no member", draft.group.name),
            "name one instance on each line",
        );
    } else {
        draft.members = Some(members);
    }
}
