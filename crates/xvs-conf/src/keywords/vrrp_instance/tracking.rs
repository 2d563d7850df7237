//! The `track_...` blocks.

use crate::{
    codes,
    config::{TrackWeight, Tracked},
    keywords::{Line, Scope},
    span::Span,
};

/// What a block tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrackKind {
    /// `track_bfd`.
    Bfd,
    /// `track_file`.
    File,
    /// `track_interface`.
    Interface,
    /// `track_process`.
    Process,
    /// `track_script`.
    Script,
}

/// Adds the entries of a block; returns where those that were added stand.
pub(crate) fn track(
    list: &mut Vec<Tracked>,
    kind: TrackKind,
    line: &Line<'_>,
    scope: &mut Scope<'_>,
) -> Vec<Span> {
    let mut spans = Vec::new();
    for entry in line.entries() {
        if let Some(tracked) = read(list, kind, &entry, scope) {
            list.push(tracked);
            spans.push(entry.at(0));
        }
    }
    spans
}

fn read(
    list: &[Tracked],
    kind: TrackKind,
    entry: &Line<'_>,
    scope: &mut Scope<'_>,
) -> Option<Tracked> {
    let name = entry.word(0);
    let default = kind.known(name, entry, scope)?;
    if list.iter().any(|tracked| tracked.name == name) {
        scope.sink.reported(
            codes::DUPLICATE,
            entry.at(0),
            format!("`{name}` is tracked twice"),
            "the first one stays",
        );
        return None;
    }
    let weight = match entry.get(1) {
        None => default,
        Some("weight") => weight(default, kind, entry, scope)?,
        Some(other) => {
            entry.reject(
                1,
                format!("`{other}` is no option of what is tracked"),
                "write `weight` and a number; the entry is left out",
                scope,
            );
            return None;
        }
    };
    Some(Tracked {
        name: name.to_owned(),
        weight,
    })
}

impl TrackKind {
    /// The weight that comes with `name`, if it may be tracked.
    fn known(self, name: &str, entry: &Line<'_>, scope: &mut Scope<'_>) -> Option<TrackWeight> {
        let (found, what) = match self {
            Self::Interface => {
                return scope
                    .interface(name, entry.at(0))
                    .map(|_| TrackWeight::default());
            }
            Self::Bfd => {
                let known = scope.known.bfd_instances.contains(name);
                (known.then(TrackWeight::default), "bfd_instance")
            }
            Self::File => (scope.known.track_files.get(name).copied(), "track_file"),
            Self::Process => (
                scope.known.track_processes.get(name).copied(),
                "vrrp_track_process",
            ),
            Self::Script => (scope.known.scripts.get(name).copied(), "vrrp_script"),
        };
        if found.is_none() {
            scope.sink.reported(
                codes::UNKNOWN_NAME,
                entry.at(0),
                format!("no `{what}` named `{name}` stands above"),
                "define it further up; the entry is left out",
            );
        }
        found
    }

    fn widest(self) -> i64 {
        match self {
            Self::File | Self::Process => 254,
            Self::Bfd | Self::Interface | Self::Script => 253,
        }
    }
}

fn weight(
    default: TrackWeight,
    kind: TrackKind,
    entry: &Line<'_>,
    scope: &mut Scope<'_>,
) -> Option<TrackWeight> {
    if entry.get(2).is_none() {
        entry.reject(1, "`weight` has no value", "the entry is left out", scope);
        return None;
    }
    let mut weight = default;
    // 254 was once allowed everywhere; it is taken back to 253.
    if let Some(value) = entry.lax_integer(2, -254..=254, "its own weight stays", scope) {
        let value: i64 = value;
        let widest = kind.widest();
        if value.abs() > widest {
            scope.sink.reported(
                codes::ROUNDED,
                entry.at(2),
                format!("a weight of {value} is one too many"),
                format!("it is {}", value.clamp(-widest, widest)),
            );
        }
        weight.weight = i16::try_from(value.clamp(-widest, widest)).unwrap_or_default();
    }
    match entry.get(3) {
        None => {}
        Some("reverse") => weight.reverse = true,
        Some("noreverse") => weight.reverse = false,
        Some(other) => entry.reject(
            3,
            format!("`{other}` is no option of a weight"),
            "write `reverse` or `noreverse`; it is ignored",
            scope,
        ),
    }
    Some(weight)
}
