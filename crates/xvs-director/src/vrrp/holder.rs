//! The thread that holds: addresses, virtual MAC interfaces and announcements of virtual routers.
//!
//! It does what may have to wait for the kernel's network lock, so that the thread that advertises never
//! does, and tells that one what the host's interfaces are. What a master holds is compared with what
//! the host has whenever that changes; what is missing is reported, and the election puts it back.

mod announcing;
mod inheritance;
mod links;
mod refusal;
mod routing;
mod settling;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
};
use xvs_net::{
    AddressSpec, Announcer, Changes, Host, LinkAddress, LinkInfo, Refused, WatchError, Watcher,
};
use xvs_vrrp::{Link, Name, TrackerStatus};

use super::{
    Report,
    elector::{Inbox, Message},
    left::{Left, LeftFile},
    plan::{HeldAddress, Holding, Plan},
};
use refusal::Refusal;
use settling::Settling;

/// How long changes of the host's network are gathered: an interface that goes down is news at once.
const GATHER: Duration = Duration::from_millis(2);
/// How long the thread waits before it opens a failed watch anew.
const REOPEN: Duration = Duration::from_millis(200);

/// The name under which is kept what is there whoever is master; no virtual router has one with a space.
const FIXED: &str = "static addresses";

/// Something for the thread to do, in order.
#[derive(Debug)]
pub(super) enum Task {
    /// Announce every address of a virtual router, so many times over.
    Announce { router: Name, rounds: u8 },
    /// Take off what a virtual router holds.
    Release { router: Name },
    /// Take off what is there whoever is master.
    ReleaseFixed,
    /// Go over to another plan; what virtual routers hold follows with [`Task::Take`].
    Reload(Arc<Plan>),
    /// Bring to the host what a virtual router holds.
    Take { router: Name },
}

/// What the thread is started with.
pub(super) struct Start {
    pub(super) plan: Arc<Plan>,
    pub(super) tasks: UnboundedReceiver<Task>,
    pub(super) elector: Inbox,
    pub(super) reports: UnboundedSender<Report>,
    /// Where a predecessor wrote what it may have left.
    pub(super) left: LeftFile,
    /// Where packets to addresses are refused.
    pub(super) refused: Refused,
}

/// Runs the thread until nobody has tasks for it any more; what is left to do is done before.
pub(super) fn run(start: Start) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let host = Host::open().map_err(io::Error::other)?;
        let watcher = Watcher::open().map_err(io::Error::other)?;
        let announcer = Announcer::open().map_err(io::Error::other)?;
        let Start {
            plan,
            tasks,
            elector,
            reports,
            left,
            refused,
        } = start;
        let mut holder = Holder {
            host,
            announcer,
            plan,
            links: Vec::new(),
            addresses: Vec::new(),
            held: BTreeMap::new(),
            told: BTreeMap::new(),
            told_vmacs: BTreeMap::new(),
            told_trackers: BTreeMap::new(),
            made: BTreeSet::new(),
            settling: Settling::default(),
            left: BTreeMap::new(),
            left_file: left,
            refusal: Refusal::new(refused),
            elector,
            reports,
        };
        for refused in holder.plan.realtime.apply(1) {
            holder.trouble(refused.to_string());
        }
        holder.serve(tasks, watcher.gathering(GATHER)).await;
        Ok(())
    })
}

struct Holder {
    host: Host,
    announcer: Announcer,
    plan: Arc<Plan>,
    /// The host's interfaces and their addresses, as last read.
    links: Vec<LinkInfo>,
    addresses: Vec<LinkAddress>,
    /// What each master was given, by its name.
    held: BTreeMap<Name, Holding>,
    /// What the election was last told of each interface.
    told: BTreeMap<Name, (Option<u32>, Link)>,
    told_vmacs: BTreeMap<Name, Option<u32>>,
    told_trackers: BTreeMap<Name, TrackerStatus>,
    /// Virtual MAC interfaces that this daemon made.
    made: BTreeSet<Name>,
    settling: Settling,
    /// What a predecessor may have left of each virtual router, until that takes it over or off.
    left: BTreeMap<Name, Holding>,
    left_file: LeftFile,
    refusal: Refusal,
    elector: Inbox,
    reports: UnboundedSender<Report>,
}

impl Holder {
    async fn serve(&mut self, mut tasks: UnboundedReceiver<Task>, mut watcher: Watcher) {
        let refused_before = self.inherit();
        self.remember();
        self.look(&Changes::everything()).await;
        self.refuse(refused_before).await;
        self.release_left().await;
        self.take_fixed().await;
        loop {
            let settles = self.settling.next(Instant::now());
            tokio::select! {
                biased;
                task = tasks.recv() => match task {
                    Some(task) => self.carry_out(task).await,
                    None => break,
                },
                changes = watcher.next() => match changes {
                    Ok(changes) => self.look(&changes).await,
                    Err(failure) => watcher = self.reopened(failure).await,
                },
                () = self.refusal.disturbed() => self.refuse_still().await,
                () = tokio::time::sleep(settles.unwrap_or_default()), if settles.is_some() => {
                    self.report_links();
                    self.report_trackers();
                }
            }
        }
        self.clear_away().await;
    }

    async fn carry_out(&mut self, task: Task) {
        match task {
            Task::Announce { router, rounds } => self.announce(&router, rounds).await,
            Task::Release { router } => self.release(&router).await,
            Task::ReleaseFixed => self.exchange(&FIXED.into(), None).await,
            Task::Reload(plan) => {
                self.plan = plan;
                self.remember();
                self.settling.keep_only(&self.plan.delays);
                self.look(&Changes::everything()).await;
                self.refuse(false).await;
                self.take_fixed().await;
            }
            Task::Take { router } => self.take(&router).await,
        }
    }

    /// Brings to the host what is there whoever is master.
    async fn take_fixed(&mut self) {
        let fixed = self.plan.fixed.clone();
        let before = self.held.contains_key(FIXED) || self.left.contains_key(FIXED);
        if before || fixed != Holding::default() {
            self.exchange(&FIXED.into(), Some(fixed)).await;
        }
    }

    /// Brings to the host what `router` holds, and takes off what it held under an earlier plan.
    async fn take(&mut self, router: &Name) {
        if let Some(wanted) = self.plan.holdings.get(router).cloned() {
            self.exchange(router, Some(wanted)).await;
        }
    }

    /// Takes off what `router` held and does not any more, and brings what it shall.
    async fn exchange(&mut self, router: &Name, wanted: Option<Holding>) {
        let before = match &wanted {
            Some(wanted) => self.held.insert(router.clone(), wanted.clone()),
            None => self.held.remove(router),
        };
        let left = self.left.remove(router);
        let before = before.or(left);
        let wanted = wanted.unwrap_or_default();
        if let Some(mut before) = before {
            before.routes.retain(|route| !wanted.routes.contains(route));
            before.rules.retain(|rule| !wanted.rules.contains(rule));
            self.release_routing(&before).await;
            for address in &before.addresses {
                if !wanted.addresses.contains(address) {
                    self.remove(address).await;
                }
            }
        }
        for address in &wanted.addresses {
            let Some(spec) = self.spec(address) else {
                self.trouble(format!(
                    "({router}) cannot add {}: there is no interface `{}`",
                    address.address, address.link
                ));
                continue;
            };
            if let Err(error) = self.host.add_address(&spec).await {
                self.trouble(format!("({router}) {error}"));
            }
        }
        self.take_routing(router, &wanted).await;
    }

    /// Takes off what `router` holds: what it was given, and what its plan names, for a predecessor may
    /// have left that.
    async fn release(&mut self, router: &Name) {
        let held = self.held.remove(router);
        let left = self.left.remove(router);
        let planned = self.plan.holdings.get(router);
        let mut all: Vec<&Holding> = held.iter().chain(&left).chain(planned).collect();
        all.dedup();
        for holding in all {
            self.release_routing(holding).await;
            for address in &holding.addresses {
                self.remove(address).await;
            }
        }
    }

    async fn remove(&self, address: &HeldAddress) {
        // Without its interface it is gone already.
        if let Some(spec) = self.spec(address)
            && let Err(error) = self.host.remove_address(&spec).await
        {
            self.trouble(error.to_string());
        }
    }

    /// Reports masters that lack what they hold, because somebody removed it.
    fn report_losses(&self) {
        for (router, held) in &self.held {
            let lacks = held.addresses.iter().any(|address| {
                let there = |ifindex| {
                    self.addresses
                        .iter()
                        .any(|one| one.ifindex == ifindex && one.address == address.address)
                };
                // An interface that is gone or down takes its IPv6 addresses with it: that is a matter
                // of the interface.
                let link = self.link(&address.link).filter(|link| link.up);
                address.tracked && link.is_some_and(|link| !there(link.index))
            });
            if lacks {
                self.tell(Message::Lost(router.clone()));
            }
        }
    }

    fn spec(&self, address: &HeldAddress) -> Option<AddressSpec> {
        let link = self.link(&address.link)?;
        Some(AddressSpec {
            ifindex: link.index,
            address: address.address,
            length: address.length,
            label: address.label.clone(),
            scope: address.scope,
            broadcast: address.broadcast,
            peer: address.peer,
            skip_duplicate_detection: true,
            deprecated: !address.preferred,
        })
    }

    fn link(&self, name: &Name) -> Option<&LinkInfo> {
        self.links.iter().find(|link| link.name == name.as_str())
    }

    async fn reopened(&mut self, failure: WatchError) -> Watcher {
        self.trouble(failure.to_string());
        loop {
            tokio::time::sleep(REOPEN).await;
            match Watcher::open() {
                // Its first summary is everything, so nothing that happened meanwhile is missed.
                Ok(watcher) => return watcher.gathering(GATHER),
                Err(error) => self.trouble(error.to_string()),
            }
        }
    }

    fn tell(&self, message: Message) {
        // A thread that has ended needs to know nothing; this one ends after it.
        let _running = self.elector.send(message);
    }

    fn trouble(&self, text: String) {
        let _nobody_listens = self.reports.send(Report::Trouble(text));
    }
}
