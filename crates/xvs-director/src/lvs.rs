//! What `global_defs` says of the dataplane itself: `lvs_timeouts`, `lvs_sync_daemon`, `lvs_flush` and
//! `lvs_flush_on_stop`.
//!
//! Timeouts and sync daemons are taken back when the file says nothing of them any more and at the end,
//! unless the rules stay. A sync daemon of an instance has the role that the instance's state gives it:
//! master while that is master, backup otherwise.

use std::{collections::HashSet, sync::Arc};

use tokio::{
    sync::{Mutex, broadcast::error::RecvError},
    task::AbortHandle,
};
use tracing::{info, warn};
use xvs_conf::{
    Config,
    config::{FlushOnStop, IpvsTimeouts, LvsSyncDaemon},
};
use xvs_control::wire::EventKind;
use xvs_dataplane::Atomicity;
use xvs_types::{Op, SyncDaemon, SyncRole, Timeouts, VirtualServerId};

use crate::{
    events::Events,
    network::Network,
    vrrp::VrrpService,
    worker::{Ended, Worker},
};

/// The settings in force. Clones are handles to the same.
#[derive(Clone)]
pub(crate) struct LvsSettings {
    worker: Worker,
    network: Network,
    vrrp: VrrpService,
    events: Events,
    held: Arc<Mutex<Held>>,
}

/// What was changed, to be taken back.
#[derive(Default)]
struct Held {
    /// The timeouts before ours.
    timeouts: Option<Timeouts>,
    /// The sync daemon that the file has.
    sync_daemon: Option<LvsSyncDaemon>,
    /// Follows the state of its instance.
    follower: Option<AbortHandle>,
}

impl LvsSettings {
    /// Nothing has been changed yet.
    pub(crate) fn new(worker: Worker, network: Network, vrrp: VrrpService, events: Events) -> Self {
        Self {
            worker,
            network,
            vrrp,
            events,
            held: Arc::default(),
        }
    }

    /// Puts into force what `config` says, after its virtual routers; answers what is not in force.
    pub(crate) async fn configure(&self, config: &Config) -> Result<Vec<String>, Ended> {
        let mut held = self.held.lock().await;
        let mut refused = self
            .set_timeouts(&mut held, config.global.lvs_timeouts)
            .await?;
        refused.extend(self.set_sync_daemon(&mut held, sync_daemon(config)).await?);
        Ok(refused)
    }

    /// `lvs_flush`: takes away every virtual server that `config` does not have. keepalived takes away all
    /// and adds its own anew; here those that stay keep their counters.
    pub(crate) async fn flush(&self, config: &Config) -> Result<Vec<String>, Ended> {
        let ours: HashSet<VirtualServerId> = config
            .virtual_servers
            .iter()
            .flat_map(|one| config.rules_of(one))
            .map(|rule| rule.id)
            .collect();
        let refused = self
            .worker
            .call(move |keeper| {
                let rules = keeper.state().rules.rules().iter();
                let others = rules.map(|(one, _)| one.id).filter(|id| !ours.contains(id));
                let ops: Vec<Op> = others.map(|id| Op::DeleteVirtualServer { id }).collect();
                info!(
                    removed = ops.len(),
                    "lvs_flush: virtual servers of others were removed"
                );
                refusals(keeper.apply(&ops, Atomicity::OneByOne))
            })
            .await?;
        self.settle().await;
        Ok(refused)
    }

    /// Takes everything back, and with `lvs_flush_on_stop` everybody's virtual servers away.
    pub(crate) async fn restore(&self, config: Option<&Config>) -> Result<Vec<String>, Ended> {
        let mut held = self.held.lock().await;
        let mut refused = self
            .set_timeouts(&mut held, IpvsTimeouts::default())
            .await?;
        refused.extend(self.set_sync_daemon(&mut held, None).await?);
        let flush = config.and_then(|config| config.global.lvs_flush_on_stop);
        if flush == Some(FlushOnStop::Everything) {
            refused.extend(self.apply(vec![Op::Flush]).await?);
            self.settle().await;
        }
        Ok(refused)
    }

    async fn set_timeouts(
        &self,
        held: &mut Held,
        wanted: IpvsTimeouts,
    ) -> Result<Vec<String>, Ended> {
        let now = self
            .worker
            .call(|keeper| keeper.dataplane().timeouts())
            .await?;
        let says_nothing = wanted == IpvsTimeouts::default();
        let before = match held.timeouts {
            None if says_nothing => return Ok(Vec::new()),
            None => now,
            Some(before) => before,
        };
        held.timeouts = (!says_nothing).then_some(before);
        let timeouts = Timeouts {
            tcp: wanted.tcp.unwrap_or(before.tcp),
            tcp_fin: wanted.tcp_fin.unwrap_or(before.tcp_fin),
            udp: wanted.udp.unwrap_or(before.udp),
        };
        if timeouts == now {
            return Ok(Vec::new());
        }
        self.apply(vec![Op::SetTimeouts { timeouts }]).await
    }

    async fn set_sync_daemon(
        &self,
        held: &mut Held,
        wanted: Option<LvsSyncDaemon>,
    ) -> Result<Vec<String>, Ended> {
        if held.sync_daemon == wanted {
            return Ok(Vec::new());
        }
        if let Some(follower) = held.follower.take() {
            follower.abort();
        }
        held.sync_daemon.clone_from(&wanted);
        let Some(wanted) = wanted else {
            return self.run_sync_daemons(Vec::new()).await;
        };
        // Before the first look, so that no change is missed.
        let mut events = self.events.listen();
        let refused = self.follow_once(&wanted).await?;
        if wanted.instance.is_some() {
            let settings = self.clone();
            let follower = tokio::spawn(async move {
                loop {
                    match events.recv().await {
                        Ok(event) if event.kind != EventKind::Vrrp => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => settings.follow(&wanted).await,
                        Err(RecvError::Closed) => return,
                    }
                }
            });
            held.follower = Some(follower.abort_handle());
        }
        Ok(refused)
    }

    async fn follow(&self, wanted: &LvsSyncDaemon) {
        match self.follow_once(wanted).await {
            Ok(refused) => refused.iter().for_each(|line| warn!("{line}")),
            Err(error) => warn!(%error, "the sync daemon does not follow its instance"),
        }
    }

    /// Runs the sync daemon in the role that its instance has now; without one in both.
    async fn follow_once(&self, wanted: &LvsSyncDaemon) -> Result<Vec<String>, Ended> {
        let Some(instance) = &wanted.instance else {
            let both = [SyncRole::Master, SyncRole::Backup];
            let both = both.map(|role| in_role(wanted, role, 0));
            return self.run_sync_daemons(both.into()).await;
        };
        let status = self.vrrp.status().await.unwrap_or_default();
        let mut routers = status.routers.iter();
        let router = routers.find(|router| router.name == *instance);
        let master = router.is_some_and(|router| router.state == "MASTER");
        let role = if master {
            SyncRole::Master
        } else {
            SyncRole::Backup
        };
        let vrid = router.map_or(0, |router| router.vrid);
        self.run_sync_daemons(vec![in_role(wanted, role, vrid)])
            .await
    }

    /// Brings the sync daemons to these.
    async fn run_sync_daemons(&self, wanted: Vec<SyncDaemon>) -> Result<Vec<String>, Ended> {
        self.worker
            .call(move |keeper| {
                let ops = changes(&keeper.dataplane().sync_daemons(), &wanted);
                refusals(keeper.apply(&ops, Atomicity::OneByOne))
            })
            .await
    }

    async fn apply(&self, ops: Vec<Op>) -> Result<Vec<String>, Ended> {
        self.worker
            .call(move |keeper| refusals(keeper.apply(&ops, Atomicity::OneByOne)))
            .await
    }

    async fn settle(&self) {
        if let Err(error) = self.network.settle().await {
            warn!(%error, "the network does not follow the rules");
        }
    }
}

/// The sync daemon of a configuration: that of `global_defs`, or of the first instance that has the
/// deprecated `lvs_sync_daemon_interface`.
pub(crate) fn sync_daemon(config: &Config) -> Option<LvsSyncDaemon> {
    let of_instance = || {
        let mut instances = config.instances.iter();
        instances.find_map(|instance| {
            let kept = instance.kept.get("lvs_sync_daemon_interface")?;
            Some(LvsSyncDaemon {
                interface: kept.words.first()?.clone(),
                instance: Some(instance.name.clone()),
                sync_id: None,
                max_length: None,
                port: None,
                ttl: None,
                group: None,
            })
        })
    };
    config.global.lvs_sync_daemon.clone().or_else(of_instance)
}

fn in_role(wanted: &LvsSyncDaemon, role: SyncRole, vrid: u8) -> SyncDaemon {
    SyncDaemon {
        role,
        interface: wanted.interface.clone(),
        sync_id: wanted.sync_id.unwrap_or(vrid),
        max_length: wanted.max_length,
        group: wanted.group,
        port: wanted.port,
        ttl: wanted.ttl,
    }
}

/// What stops, and what starts.
fn changes(running: &[SyncDaemon], wanted: &[SyncDaemon]) -> Vec<Op> {
    let stop = running.iter().filter(|one| !wanted.contains(one));
    let stop = stop.map(|one| Op::StopSyncDaemon { role: one.role });
    let start = wanted.iter().filter(|one| !running.contains(one));
    let start = start.map(|one| Op::StartSyncDaemon {
        daemon: one.clone(),
    });
    stop.chain(start).collect()
}

fn refusals(results: Vec<Result<(), xvs_types::OpError>>) -> Vec<String> {
    let refused = results.into_iter().filter_map(Result::err);
    refused
        .map(|error| format!("a setting of `global_defs` is not in force: {error}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use xvs_conf::{MemoryFiles, Stance, StaticHost, parse};

    use super::*;

    fn wanted(text: &str) -> Option<LvsSyncDaemon> {
        let files = MemoryFiles::new().with("k.conf", text);
        let host = StaticHost::default().with_interfaces(&["eth0"]);
        let outcome = parse("k.conf", &files, &host, Stance::Compatible);
        sync_daemon(&outcome.config.unwrap())
    }

    #[test]
    fn an_instance_may_name_the_interface_of_the_sync_daemon() {
        let instance = "vrrp_instance V {\n interface eth0\n virtual_router_id 7\n \
                        lvs_sync_daemon_interface eth0\n virtual_ipaddress {\n 192.0.2.9\n }\n}\n";
        let daemon = wanted(instance).unwrap();
        assert_eq!(daemon.instance.as_deref(), Some("V"));
        let daemon = in_role(&daemon, SyncRole::Master, 7);
        assert_eq!((daemon.interface.as_str(), daemon.sync_id), ("eth0", 7));
        let global = "global_defs {\n lvs_sync_daemon eth0 id 9\n}\n";
        let daemon = wanted(&format!("{global}{instance}")).unwrap();
        assert_eq!((daemon.instance, daemon.sync_id), (None, Some(9)));
        assert_eq!(wanted(""), None);
    }

    #[test]
    fn another_role_stops_one_daemon_and_starts_the_other() {
        let wanted = LvsSyncDaemon {
            interface: "eth0".to_owned(),
            instance: None,
            sync_id: Some(1),
            max_length: None,
            port: None,
            ttl: None,
            group: None,
        };
        let master = in_role(&wanted, SyncRole::Master, 0);
        let backup = in_role(&wanted, SyncRole::Backup, 0);
        let ops = changes(std::slice::from_ref(&backup), std::slice::from_ref(&master));
        assert_eq!(
            ops,
            [
                Op::StopSyncDaemon {
                    role: SyncRole::Backup
                },
                Op::StartSyncDaemon { daemon: master }
            ]
        );
        assert_eq!(
            changes(std::slice::from_ref(&backup), std::slice::from_ref(&backup)),
            []
        );
    }
}
