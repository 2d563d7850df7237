//! What keywords see besides their own line: the sink, the host, and the names defined so far.
//!
//! keepalived resolves `track_script` and its kin while it reads, so what is tracked must be defined
//! further up in the file; [`Known`] has what was.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    codes,
    config::{ScriptUser, TrackWeight},
    diagnostic::{Consequence, Sink},
    host::HostFacts,
    span::Span,
};

/// The surroundings of a line.
pub(crate) struct Scope<'a> {
    pub(crate) sink: &'a mut Sink,
    pub(crate) host: &'a dyn HostFacts,
    pub(crate) known: Known,
    /// `dynamic_interfaces`: interfaces may come later.
    pub(crate) dynamic_interfaces: bool,
    /// `enable_script_security`.
    pub(crate) script_security: bool,
    /// `script_user`, or why there is none.
    pub(crate) default_user: DefaultUser,
    /// An interface that does not exist was named; without `dynamic_interfaces` VRRP then ends.
    pub(crate) missing_interface: Option<Span>,
    /// Where instances are named, for findings about two of them.
    pub(crate) instance_spans: BTreeMap<String, Span>,
}

/// The names that lines further down may refer to.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) bfd_instances: BTreeSet<String>,
    pub(crate) scripts: BTreeMap<String, TrackWeight>,
    pub(crate) track_files: BTreeMap<String, TrackWeight>,
    pub(crate) track_groups: BTreeSet<String>,
    pub(crate) track_processes: BTreeMap<String, TrackWeight>,
}

/// Who runs scripts that name no user.
#[derive(Clone, Debug)]
pub(crate) enum DefaultUser {
    /// `script_user` named someone who does not exist: no such script runs.
    Broken,
    /// `script_user`.
    Named(ScriptUser),
    /// `keepalived_script` if it exists, else root.
    Unset,
}

impl<'a> Scope<'a> {
    /// Nothing is known yet.
    pub(crate) fn new(sink: &'a mut Sink, host: &'a dyn HostFacts) -> Self {
        Self {
            sink,
            host,
            known: Known::default(),
            dynamic_interfaces: false,
            script_security: false,
            default_user: DefaultUser::Unset,
            missing_interface: None,
            instance_spans: BTreeMap::new(),
        }
    }
}

impl Scope<'_> {
    /// A user and group that exist; what does not exist is reported.
    pub(crate) fn user(
        &mut self,
        user: &str,
        group: Option<&str>,
        span: Span,
    ) -> Option<ScriptUser> {
        let group = group.map(|name| name.strip_prefix(':').unwrap_or(name));
        let missing = if !self.host.has_user(user) {
            Some(format!("there is no user `{user}`"))
        } else {
            group
                .filter(|group| !self.host.has_group(group))
                .map(|group| format!("there is no group `{group}`"))
        };
        if let Some(message) = missing {
            self.sink.silent(
                codes::UNKNOWN_USER,
                span,
                message,
                "the script is never run",
            );
            return None;
        }
        Some(ScriptUser {
            user: user.to_owned(),
            group: group.map(str::to_owned),
        })
    }

    /// Who runs a script that names no user.
    pub(crate) fn default_user(&mut self, span: Span) -> Option<ScriptUser> {
        let named = |user: &str| ScriptUser {
            user: user.to_owned(),
            group: None,
        };
        match &self.default_user {
            DefaultUser::Named(user) => Some(user.clone()),
            DefaultUser::Unset if self.host.has_user("keepalived_script") => {
                Some(named("keepalived_script"))
            }
            DefaultUser::Unset if !self.script_security => Some(named("root")),
            DefaultUser::Unset => {
                self.sink.reported(
                    codes::UNKNOWN_USER,
                    span,
                    "with script security on there must be a user to run this script",
                    "create `keepalived_script` or set `script_user`; the script is never run",
                );
                None
            }
            DefaultUser::Broken => {
                self.sink.silent(
                    codes::SCRIPT,
                    span,
                    "nobody can run this script, since `script_user` names nobody who exists",
                    "the script is never run",
                );
                None
            }
        }
    }

    /// An interface that exists, or may come; else reports it and remembers that one is missing.
    pub(crate) fn interface(&mut self, name: &str, span: Span) -> Option<String> {
        if self.host.interface(name).is_some() || self.dynamic_interfaces {
            return Some(name.to_owned());
        }
        self.sink.add(
            codes::INTERFACE,
            Consequence::Refused,
            span,
            format!("there is no interface `{name}`"),
            "keepalived does not start; set `dynamic_interfaces` in `global_defs` if it comes later",
        );
        self.missing_interface.get_or_insert(span);
        None
    }
}
