//! From drafts to the typed configuration: defaults, inheritance, and checks across keywords.
//!
//! The order is keepalived's: scripts first, then what each instance must have, sync groups,
//! instances, conflicts between instances, and virtual servers. keepalived stops at the first
//! instance it refuses; here all are looked at.

mod checker;
mod conflict;
mod instance;
mod script;
mod sync_group;
mod virtual_server;

use crate::{
    config::Config,
    keywords::{Draft, Scope},
};

/// Completes what was read.
pub(crate) fn complete(mut draft: Draft, scope: &mut Scope<'_>) -> Config {
    instance::complete_global(&mut draft);
    script::check_daemon(&mut draft, scope);
    // Without an interface that is named, keepalived's VRRP process ends before it looks at scripts.
    if scope.missing_interface.is_none() {
        script::check_vrrp(&mut draft, scope);
    }
    let mut config = std::mem::take(&mut draft.config);
    config.sync_groups = sync_group::complete(
        std::mem::take(&mut draft.sync_groups),
        &mut draft.instances,
        &config.global,
        scope,
    );
    for instance in std::mem::take(&mut draft.instances) {
        if let Some(instance) = instance::complete(instance, &config, scope) {
            config.instances.push(instance);
        }
    }
    conflict::check(&config, scope);
    for server in std::mem::take(&mut draft.virtual_servers) {
        if let Some(server) = virtual_server::complete(server, &config, scope) {
            config.virtual_servers.push(server);
        }
    }
    script::check_checkers(&mut config, scope);
    config
}
