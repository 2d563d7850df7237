//! What the checks do to the world, in order: ops, then the lines and notifications that they cause.
//!
//! It is a task beside the driver, so that a busy dataplane or a slow disk delays no check. What waits
//! together is applied together: when a thousand real servers die at once their ops are one batch, and
//! nobody is told of one before it is in force.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::{mpsc, oneshot};
use tracing::warn;
use xvs_check::{Event, Notification};
use xvs_dataplane::Atomicity;
use xvs_types::{Op, OpError, VirtualServerId};

use super::{
    Planned,
    fit::{self, Wanted, fit, note, touched},
    teller::Teller,
    translate::Names,
};
use crate::{keeper::Keeper, network::Network, worker::Worker};

/// Effects that are taken at once.
const TOGETHER: usize = 4096;
/// Refused ops that are named one by one; more are counted.
const NAMED: usize = 20;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Effect {
    /// Apply these ops, all or nothing.
    Apply(Vec<Op>),
    /// Answers what would be applied of a plan that has these virtual servers.
    Fit(Planned, Vec<VirtualServerId>, oneshot::Sender<Planned>),
    /// Write a line into the log.
    Log(Event),
    /// From here on names are these.
    Names(Arc<Names>),
    /// Tell scripts, FIFOs and mail.
    Notify(Notification),
    /// The configuration has these virtual servers; what an earlier one had beside them goes.
    OwnNoOthers(Vec<VirtualServerId>),
    /// Answers, when all before it is done, these lines and what is not in force as it was asked for.
    Settled(Vec<String>, oneshot::Sender<Vec<String>>),
}

/// A handle to the task.
pub(super) struct Effects {
    sender: mpsc::UnboundedSender<Effect>,
}

impl Effects {
    /// Starts the task on the runtime of the caller.
    pub(super) fn start(worker: Worker, network: Network, teller: Teller) -> Self {
        let (sender, mut inbox) = mpsc::unbounded_channel();
        let mut task = Task {
            worker,
            network,
            wanted: Wanted::new(),
            teller,
            refused: Vec::new(),
        };
        tokio::spawn(async move {
            let mut effects = Vec::with_capacity(TOGETHER);
            while inbox.recv_many(&mut effects, TOGETHER).await > 0 {
                task.apply_all(&mut effects).await;
                for effect in effects.drain(..) {
                    task.carry_out(effect).await;
                }
            }
        });
        Self { sender }
    }

    /// Has it done, after all that was sent before.
    pub(super) fn send(&self, effect: Effect) {
        // The task lives as long as its sender.
        let _ended = self.sender.send(effect);
    }
}

struct Task {
    worker: Worker,
    network: Network,
    /// What the checks want the rules to be.
    wanted: Wanted,
    teller: Teller,
    /// What was refused since somebody asked.
    refused: Vec<String>,
}

impl Task {
    /// Applies the ops of all effects in one batch.
    async fn apply_all(&mut self, effects: &mut [Effect]) {
        let mut ops = Vec::new();
        for effect in effects {
            if let Effect::Apply(some) = effect {
                ops.append(some);
            }
        }
        if ops.is_empty() {
            return;
        }
        note(&mut self.wanted, &ops);
        let wanted = touched(&self.wanted, &ops);
        self.change(move |keeper| {
            let ops = fit(&keeper.state().rules, &ops, &wanted);
            apply(keeper, &ops)
        })
        .await;
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            // Done already, all together.
            Effect::Apply(_) => {}
            Effect::Fit(planned, ids, answer) => self.fitted(planned, ids, answer).await,
            Effect::Log(event) => self.teller.log(&event),
            Effect::Names(names) => self.teller.know(names),
            Effect::Notify(notification) => self.teller.notify(&notification),
            Effect::OwnNoOthers(ids) => {
                self.change(move |keeper| own_no_others(keeper, ids)).await;
            }
            Effect::Settled(mut lines, answer) => {
                lines.append(&mut self.refused);
                let _gone = answer.send(lines);
            }
        }
    }

    /// Runs a job on the dataplane's thread that answers what was refused, and lets the network follow.
    async fn change(&mut self, job: impl FnOnce(&mut Keeper) -> Vec<String> + Send + 'static) {
        match self.worker.call(job).await {
            Ok(refused) => {
                for line in refused.iter().take(NAMED) {
                    warn!("a rule of the configuration is not in force: {line}");
                }
                if refused.len() > NAMED {
                    let more = refused.len() - NAMED;
                    warn!(more, "more rules of the configuration are not in force");
                }
                self.refused.extend(refused);
            }
            Err(error) => warn!(%error, "what the checks found is not applied"),
        }
        if let Err(error) = self.network.settle().await {
            warn!(%error, "the network does not follow the checks");
        }
    }

    async fn fitted(
        &self,
        mut planned: Planned,
        ids: Vec<VirtualServerId>,
        answer: oneshot::Sender<Planned>,
    ) {
        let ops = std::mem::take(&mut planned.ops);
        let mut wanted = self.wanted.clone();
        note(&mut wanted, &ops);
        let wanted = touched(&wanted, &ops);
        let fitted = self.worker.call(move |keeper| {
            let mut fitted = fit(&keeper.state().rules, &ops, &wanted);
            // What the ops delete is no stranger.
            let deleted: HashSet<VirtualServerId> =
                fitted.iter().filter_map(fit::deleted).collect();
            let gone = strangers(keeper, &ids);
            let gone = gone.filter(|id| !deleted.contains(id));
            fitted.extend(gone.map(|id| Op::DeleteVirtualServer { id }));
            fitted
        });
        // Without an answer the asker hears that the daemon is ending.
        if let Ok(fitted) = fitted.await {
            planned.ops = fitted;
            let _gone = answer.send(planned);
        }
    }
}

/// Applies `ops` all or nothing; when that is refused, one by one, as keepalived does: one rule that this
/// dataplane cannot take keeps no other one away. Answers what was refused.
fn apply(keeper: &mut Keeper, ops: &[Op]) -> Vec<String> {
    let results = keeper.apply(ops, Atomicity::AllOrNothing);
    if results.iter().all(Result::is_ok) {
        return Vec::new();
    }
    refused(ops, keeper.apply(ops, Atomicity::OneByOne))
}

fn refused(ops: &[Op], results: Vec<Result<(), OpError>>) -> Vec<String> {
    ops.iter()
        .zip(results)
        .filter_map(|(op, result)| Some(format!("{}: {}", fit::subject(op), result.err()?)))
        .collect()
}

/// Remembers the virtual servers of the configuration, and takes away what an earlier one left.
fn own_no_others(keeper: &mut Keeper, ids: Vec<VirtualServerId>) -> Vec<String> {
    let gone: Vec<Op> = strangers(keeper, &ids)
        .map(|id| Op::DeleteVirtualServer { id })
        .collect();
    let mut refused = apply(keeper, &gone);
    if let Err(error) = keeper.change_settings(|state| state.configured = ids) {
        refused.push(error.to_string());
    }
    refused
}

/// The virtual servers that an earlier configuration had, that are still there, and not in `ids`.
fn strangers(keeper: &Keeper, ids: &[VirtualServerId]) -> impl Iterator<Item = VirtualServerId> {
    let state = keeper.state();
    let wanted: HashSet<&VirtualServerId> = ids.iter().collect();
    let gone: Vec<VirtualServerId> = state
        .configured
        .iter()
        .filter(|id| !wanted.contains(id) && state.rules.rule(id).is_some())
        .copied()
        .collect();
    gone.into_iter()
}
