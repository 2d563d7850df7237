//! The keywords outside of all blocks, and the order in which a document is read.

use std::time::Duration;

use super::{
    Block, Draft, Keyword, Line, Scope, Tier, apply_all, bfd_instance, global_defs, groups,
    routing, ssl, sync_group, track_file, track_process, virtual_server, virtual_server_group,
    vrrp_instance, vrrp_script,
};
use crate::{
    ast::Document,
    codes,
    config::{
        GarpGroup, InterfaceDelay, SslSettings, TrackFile, TrackGroup, TrackProcess, TrackScript,
        TrackWeight,
    },
    diagnostic::Consequence,
    keywords::draft::SyncGroupDraft,
};

type Key = Keyword<Draft>;

/// The keywords outside of all blocks.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::optional("net_namespace", Tier::Rare, |draft, line, scope| {
        set_once(&mut draft.config.global.net_namespace, line, scope);
    }),
    Key::optional("net_namespace_ipvs", Tier::Rare, |draft, line, scope| {
        if line.count() > 0 {
            set_once(&mut draft.config.global.net_namespace_ipvs, line, scope);
        }
    }),
    Key::flag("namespace_with_ipsets", Tier::Rare, |_, _, _| {}).inert(),
    Key::optional("instance", Tier::Rare, |draft, line, scope| {
        set_once(&mut draft.config.global.instance, line, scope);
    }),
    Key::flag("use_pid_dir", Tier::Rare, |_, _, _| {}).inert(),
    Key::value("child_wait_time", Tier::Rare, |draft, line, scope| {
        if let Some(seconds) = line.lax_integer(1, 0..=4_294_967_295, "it is 5 seconds", scope) {
            draft.config.global.child_wait_time = Duration::from_secs(seconds);
        }
    }),
    Key::flag("linkbeat_use_polling", Tier::Rare, |_, _, _| {}).inert(),
    // Read before everything else, see `read_document`.
    Key::flag("global_defs", Tier::Everywhere, |_, _, _| {}).block(Block::GlobalDefs),
    Key::new(
        "linkbeat_interfaces",
        0,
        Some(0),
        Tier::Rare,
        linkbeat_interfaces,
    )
    .entries(),
    Key::new(
        "interface_up_down_delays",
        0,
        Some(0),
        Tier::Rare,
        interface_delays,
    )
    .entries(),
    Key::new(
        "static_ipaddress",
        0,
        Some(0),
        Tier::Rare,
        |draft, line, scope| {
            for entry in line.entries() {
                let address = routing::address(&entry, true, scope);
                draft.config.static_addresses.extend(address);
            }
        },
    )
    .entries(),
    Key::new(
        "static_routes",
        0,
        Some(0),
        Tier::Rare,
        |draft, line, scope| {
            for entry in line.entries() {
                draft
                    .config
                    .static_routes
                    .extend(routing::route(&entry, true, scope));
            }
        },
    )
    .entries(),
    Key::new(
        "static_rules",
        0,
        Some(0),
        Tier::Rare,
        |draft, line, scope| {
            for entry in line.entries() {
                draft
                    .config
                    .static_rules
                    .extend(routing::rule(&entry, true, scope));
            }
        },
    )
    .entries(),
    Key::words("track_group", 0, Tier::Rare, track_group).block(Block::TrackGroup),
    Key::flag("garp_group", Tier::Rare, garp_group).block(Block::GarpGroup),
    Key::value("track_file", Tier::Common, track_file).block(Block::TrackFile),
    Key::value("vrrp_track_file", Tier::Common, |draft, line, scope| {
        scope.sink.silent(
            codes::DEPRECATED,
            line.at(0),
            "`vrrp_track_file` is deprecated",
            "write `track_file`",
        );
        track_file(draft, line, scope);
    })
    .block(Block::TrackFile),
    Key::value("vrrp_track_process", Tier::Common, track_process).block(Block::TrackProcess),
    Key::value("vrrp_script", Tier::Everywhere, vrrp_script).block(Block::VrrpScript),
    Key::words("vrrp_sync_group", 0, Tier::Common, sync_group).block(Block::VrrpSyncGroup),
    Key::words("vrrp_instance", 0, Tier::Everywhere, instance).block(Block::VrrpInstance),
    Key::words("bfd_instance", 0, Tier::Rare, bfd_instance).block(Block::BfdInstance),
    Key::flag("SSL", Tier::Rare, |draft, line, scope| {
        let ssl = draft.config.ssl.get_or_insert_with(SslSettings::default);
        apply_all(&[ssl::KEYWORDS], line.body(), ssl, scope);
    })
    .block(Block::Ssl),
    Key::value(
        "virtual_server_group",
        Tier::Common,
        virtual_server_group::read,
    )
    .entries(),
    Key::words("virtual_server", 1, Tier::Everywhere, virtual_server::read)
        .at_most(2)
        .block(Block::VirtualServer),
];

/// Reads a document: `global_defs` first wherever it stands, as keepalived's parent process does, then
/// everything in its order.
pub(crate) fn read_document(document: &Document, scope: &mut Scope<'_>) -> Draft {
    let mut draft = Draft::default();
    let tables = [global_defs::KEYWORDS, global_defs::KEPT, global_defs::OWN];
    for statement in &document.statements {
        if statement.is_known() && statement.word(0) == Some("global_defs") {
            let body = statement.body().unwrap_or_default();
            apply_all(&tables, body, &mut draft, scope);
        }
    }
    apply_all(&[KEYWORDS], &document.statements, &mut draft, scope);
    draft
}

fn set_once(field: &mut Option<String>, line: &Line<'_>, scope: &mut Scope<'_>) {
    match line.get(1) {
        None => line.reject(
            0,
            format!("`{}` has no value", line.keyword()),
            "it is ignored",
            scope,
        ),
        Some(_) if field.is_some() => line.duplicate(scope),
        Some(value) => *field = Some(value.to_owned()),
    }
}

/// The name of a block, if it has one that is not taken.
fn new_name<'a>(
    line: &Line<'a>,
    taken: impl Fn(&str) -> bool,
    scope: &mut Scope<'_>,
) -> Option<&'a str> {
    let name = line.word(1);
    if line.count() != 1 {
        scope.sink.reported(
            codes::MISSING_VALUE,
            line.at(0),
            format!("`{}` needs one name", line.keyword()),
            "the block is left out; quote a name with blanks",
        );
        return None;
    }
    if taken(name) {
        scope.sink.reported(
            codes::DUPLICATE,
            line.at(1),
            format!("`{}` `{name}` is defined twice", line.keyword()),
            "the first one stays, this block is left out",
        );
        return None;
    }
    Some(name)
}

fn linkbeat_interfaces(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    for entry in line.entries() {
        let name = entry.word(0);
        if scope.host.interface(name).is_none() && !scope.dynamic_interfaces {
            scope.sink.add(
                codes::INTERFACE,
                Consequence::Fatal,
                entry.at(0),
                format!("there is no interface `{name}`"),
                "the entry is left out",
            );
            continue;
        }
        draft.config.linkbeat_interfaces.push(name.to_owned());
        let kind = entry.get(1);
        if entry.count() > 1 || !matches!(kind, None | Some("MII" | "ETHTOOL" | "IOCTL")) {
            entry.reject(
                1,
                "only MII, ETHTOOL or IOCTL may stand behind the interface",
                "it is ignored",
                scope,
            );
        }
    }
}

fn interface_delays(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    for entry in line.entries() {
        let Some(interface) = scope.interface(entry.word(0), entry.at(0)) else {
            continue;
        };
        if entry.count() == 0 {
            scope.sink.silent(
                codes::MISSING_VALUE,
                entry.at(0),
                "the delay is missing",
                "the entry is left out",
            );
            continue;
        }
        let keeps = "the entry is left out";
        let Some(down) = entry.seconds(1, 0..=255_000_000, keeps, scope) else {
            continue;
        };
        let up = match entry.get(2) {
            None => Some(down),
            Some(_) => entry.seconds(2, 0..=255_000_000, keeps, scope),
        };
        draft
            .config
            .interface_delays
            .extend(up.map(|up| InterfaceDelay {
                interface,
                down,
                up,
            }));
    }
}

fn track_group(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let groups = &draft.config.track_groups;
    let taken = |name: &str| groups.iter().any(|group| group.name == name);
    let Some(name) = new_name(line, taken, scope) else {
        return;
    };
    let mut group = TrackGroup {
        name: name.to_owned(),
        members: Vec::new(),
    };
    apply_all(&[groups::TRACK], line.body(), &mut group, scope);
    scope.known.track_groups.insert(name.to_owned());
    draft.config.track_groups.push(group);
}

fn garp_group(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let mut group = GarpGroup::default();
    apply_all(&[groups::GARP], line.body(), &mut group, scope);
    if group.garp_interval.is_none() && group.gna_interval.is_none() {
        scope.sink.reported(
            codes::MISSING_SETTING,
            line.at(0),
            "the `garp_group` has no interval",
            "it is left out",
        );
        return;
    }
    draft.config.garp_groups.push(group);
}

fn track_file(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let name = line.word(1);
    let mut file = TrackFile {
        name: name.to_owned(),
        path: String::new(),
        weight: TrackWeight {
            weight: 1,
            reverse: false,
        },
        initial_value: None,
        overwrite: false,
    };
    apply_all(&[track_file::KEYWORDS], line.body(), &mut file, scope);
    if file.path.is_empty() {
        scope.sink.reported(
            codes::MISSING_SETTING,
            line.at(0),
            format!("track file `{name}` has no `file`"),
            "it is left out",
        );
        return;
    }
    if scope
        .known
        .track_files
        .insert(name.to_owned(), file.weight)
        .is_none()
    {
        draft.config.track_files.push(file);
    } else {
        line.duplicate(scope);
    }
}

fn track_process(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let name = line.word(1);
    let mut process = TrackProcess {
        name: name.to_owned(),
        process: String::new(),
        parameters: Vec::new(),
        parameter_match: None,
        weight: TrackWeight::default(),
        quorum: 1,
        quorum_max: None,
        fork_delay: Duration::ZERO,
        terminate_delay: Duration::ZERO,
        full_command: false,
    };
    apply_all(&[track_process::KEYWORDS], line.body(), &mut process, scope);
    if process.process.is_empty() {
        scope.sink.reported(
            codes::MISSING_SETTING,
            line.at(0),
            format!("tracked process `{name}` has no `process`"),
            "it is left out",
        );
        return;
    }
    scope
        .known
        .track_processes
        .insert(name.to_owned(), process.weight);
    draft.config.track_processes.push(process);
}

fn vrrp_script(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let name = line.word(1);
    let mut script = vrrp_script::ScriptDraft::default();
    apply_all(&[vrrp_script::KEYWORDS], line.body(), &mut script, scope);
    if script.arguments.is_empty() {
        scope.sink.reported(
            codes::MISSING_SETTING,
            line.at(1),
            format!("`vrrp_script` `{name}` has no `script`"),
            "it is left out",
        );
        return;
    }
    if script.user_failed {
        return;
    }
    let user = match script.user.clone() {
        Some(user) => Some(user),
        None => scope.default_user(script.span),
    };
    let Some(user) = user else {
        scope.sink.reported(
            codes::SCRIPT,
            line.at(1),
            format!("nobody can run `vrrp_script` `{name}`"),
            "it is left out",
        );
        return;
    };
    // Of two with one name, trackers find the first.
    scope
        .known
        .scripts
        .entry(name.to_owned())
        .or_insert(script.weight);
    let interval = script.interval.unwrap_or(Duration::from_secs(1));
    draft.config.scripts.push(TrackScript {
        name: name.to_owned(),
        script: script.command(user),
        interval,
        timeout: script.timeout.unwrap_or(interval),
        weight: script.weight,
        rise: script.rise.unwrap_or(1),
        fall: script.fall.unwrap_or(1),
        starts_failed: script.starts_failed,
    });
}

fn sync_group(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let groups = &draft.sync_groups;
    let taken = |name: &str| groups.iter().any(|other| other.group.name == name);
    let Some(name) = new_name(line, taken, scope) else {
        return;
    };
    let mut group = SyncGroupDraft {
        span: line.at(1),
        ..SyncGroupDraft::default()
    };
    name.clone_into(&mut group.group.name);
    apply_all(&[sync_group::KEYWORDS], line.body(), &mut group, scope);
    draft.sync_groups.push(group);
}

fn instance(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let instances = &draft.instances;
    let taken = |name: &str| instances.iter().any(|other| other.instance.name == name);
    let Some(name) = new_name(line, taken, scope) else {
        return;
    };
    let mut instance = vrrp_instance::draft(name, line.at(1));
    apply_all(
        &[vrrp_instance::KEYWORDS],
        line.body(),
        &mut instance,
        scope,
    );
    draft.instances.push(instance);
}

fn bfd_instance(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if line.count() == 0 {
        scope.sink.add(
            codes::MISSING_VALUE,
            Consequence::Broken,
            line.at(0),
            "`bfd_instance` needs a name",
            "keepalived 2.2.7 crashes on it",
        );
        return;
    }
    let taken = scope.known.bfd_instances.contains(line.word(1));
    let Some(name) = new_name(line, |_| taken, scope) else {
        return;
    };
    if name.len() > 31 {
        line.reject(
            1,
            "the name of a BFD instance has at most 31 bytes",
            "the block is left out",
            scope,
        );
        return;
    }
    let mut bfd = bfd_instance::BfdDraft::default();
    apply_all(&[bfd_instance::KEYWORDS], line.body(), &mut bfd, scope);
    if let Some(bfd) = bfd.finish(name, line.at(1), scope) {
        scope.known.bfd_instances.insert(name.to_owned());
        draft.config.bfd_instances.push(bfd);
    }
}
