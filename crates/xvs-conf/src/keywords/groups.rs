//! `track_group` and `garp_group`.

use super::{Keyword, Tier};
use crate::{
    codes,
    config::{GarpGroup, TrackGroup},
};

type TrackKey = Keyword<TrackGroup>;
type GarpKey = Keyword<GarpGroup>;

/// The keywords of `track_group`.
pub(crate) static TRACK: &[TrackKey] =
    &[
        TrackKey::new("group", 0, Some(0), Tier::Rare, |group, line, scope| {
            if !group.members.is_empty() {
                line.duplicate(scope);
                return;
            }
            group.members = line.entries().flat_map(|entry| entry.from(0)).collect();
            if group.members.is_empty() {
                scope.sink.reported(
                    codes::EMPTY_BLOCK,
                    line.at(0),
                    format!("track group `{}` has no member", group.name),
                    "name one instance on each line",
                );
            }
        })
        .entries(),
    ];

/// The keywords of `garp_group`.
pub(crate) static GARP: &[GarpKey] = &[
    GarpKey::value("garp_interval", Tier::Rare, |group, line, scope| {
        if let Some(interval) = line.seconds(1, 0..=2_147_483_647, "the line is ignored", scope) {
            group.garp_interval = Some(interval);
        }
    }),
    GarpKey::value("gna_interval", Tier::Rare, |group, line, scope| {
        if let Some(interval) = line.seconds(1, 0..=2_147_483_647, "the line is ignored", scope) {
            group.gna_interval = Some(interval);
        }
    }),
    GarpKey::value("interface", Tier::Rare, |group, line, scope| {
        group
            .interfaces
            .extend(scope.interface(line.word(1), line.at(1)));
    }),
    GarpKey::new(
        "interfaces",
        0,
        Some(0),
        Tier::Rare,
        |group, line, scope| {
            for entry in line.entries() {
                for index in 0..=entry.count() {
                    let found = scope.interface(entry.word(index), entry.at(index));
                    group.interfaces.extend(found);
                }
            }
        },
    )
    .entries(),
];
