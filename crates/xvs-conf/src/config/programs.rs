//! Every program that a configuration has run.

use super::{CheckKind, Config, Notification, Script, VirtualServer};

impl Config {
    /// The programs that may be run, in the order of the configuration's parts: those of the daemon, of
    /// FIFOs, of virtual servers and their checks, of virtual routers and of sync groups.
    #[must_use]
    pub fn programs(&self) -> Vec<&Script> {
        let global = &self.global;
        let fifos = [
            &global.notify_fifo,
            &global.lvs_notify_fifo,
            &global.vrrp_notify_fifo,
        ];
        let ends = [&global.startup_script, &global.shutdown_script];
        let routers = self.instances.iter().map(|one| &one.notification);
        let groups = self.sync_groups.iter().map(|one| &one.notification);
        ends.into_iter()
            .flatten()
            .chain(fifos.into_iter().filter_map(|fifo| fifo.script.as_ref()))
            .chain(self.virtual_servers.iter().flat_map(of_virtual_server))
            .chain(self.scripts.iter().map(|tracker| &tracker.script))
            .chain(routers.chain(groups).flat_map(of_notification))
            .collect()
    }
}

fn of_virtual_server(server: &VirtualServer) -> impl Iterator<Item = &Script> {
    let of_real_servers = server.real_servers.iter().flat_map(|real_server| {
        let checks = real_server.checkers.iter();
        let checks = checks.filter_map(|checker| match &checker.kind {
            CheckKind::Misc(misc) => Some(&misc.script),
            _ => None,
        });
        checks
            .chain(&real_server.notify_up)
            .chain(&real_server.notify_down)
    });
    of_real_servers
        .chain(&server.quorum_up)
        .chain(&server.quorum_down)
}

fn of_notification(notification: &Notification) -> impl Iterator<Item = &Script> {
    [
        &notification.master,
        &notification.backup,
        &notification.fault,
        &notification.stop,
        &notification.deleted,
        &notification.any,
        &notification.master_rx_lower_priority,
    ]
    .into_iter()
    .flatten()
}
