//! The keeper of the rules: what is in the file, what is in the dataplane, and their order.
//!
//! An op is judged by the rule base in memory first; then it is written to disk; only then does the
//! dataplane change. Whatever moment the daemon dies at, the next one brings the
//! dataplane to what the file says.

use std::borrow::Cow;

use nix::net::if_::if_nametoindex;
use tracing::{Level, debug, enabled, warn};
use xvs_dataplane::{Atomicity, Dataplane};
use xvs_types::{Op, OpError, Rules, Setting, SyncRole, Undo, diff};

use crate::{
    changes::{Changed, RuleChanges},
    state::{State, StateError, StateFile},
};

/// The dataplane with its rule base. It lives on the dataplane's thread.
pub struct Keeper {
    dataplane: Box<dyn Dataplane>,
    file: StateFile,
    state: State,
    /// What changed since it was asked for last.
    changed: Changed,
    /// Whether the file may hold what is no rule: it is written anew with the next change.
    spoilt: bool,
}

impl Keeper {
    /// Takes up `dataplane` where the last daemon left it: brings its rules to those of `file`, or,
    /// when there is no file, takes its rules as they are.
    ///
    /// Answers beside the keeper a line for each rule that the dataplane refused.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, understood or written.
    pub fn open(
        dataplane: Box<dyn Dataplane>,
        file: StateFile,
    ) -> Result<(Self, Vec<String>), StateError> {
        let mut file = file;
        let found = file.load()?;
        let mut keeper = Self {
            state: State::default(),
            dataplane,
            file,
            changed: Changed::everything(),
            spoilt: false,
        };
        let refusals = match found {
            Some(state) => {
                keeper.state = state;
                keeper.bring_dataplane_to_state()
            }
            None => {
                keeper.state.rules = keeper.rules_of_dataplane();
                Vec::new()
            }
        };
        keeper.file.store(&keeper.state)?;
        Ok((keeper, refusals))
    }

    /// Applies ops in order: one result an op; those of an all-or-nothing batch end with the op that
    /// was refused.
    pub fn apply(&mut self, ops: &[Op], atomicity: Atomicity) -> Vec<Result<(), OpError>> {
        let mut done = Vec::with_capacity(ops.len());
        let mut results = Vec::with_capacity(ops.len());
        for op in ops {
            let result = on_this_host(op).and_then(|()| self.state.rules.change(op));
            let result = result.map(|undo| done.push(undo));
            let refused = result.is_err();
            results.push(result);
            if refused && atomicity == Atomicity::AllOrNothing {
                self.state.rules.take_back(done);
                return results;
            }
        }
        let accepted = accepted(ops, &results);
        if let Err(error) = self.write(&accepted) {
            self.state.rules.take_back(done);
            let failed = match atomicity {
                Atomicity::AllOrNothing => 1,
                Atomicity::OneByOne => ops.len(),
            };
            return vec![Err(system(&error)); failed];
        }
        tell(&accepted);
        self.changed.note(&accepted);
        let answers = self.dataplane.apply(&accepted, atomicity);
        if answers.iter().all(Result::is_ok) {
            self.renew_file();
            return results;
        }
        self.take_out(&accepted, atomicity, done, &answers);
        match atomicity {
            Atomicity::AllOrNothing => answers,
            Atomicity::OneByOne => {
                let slots = results.iter_mut().filter(|result| result.is_ok());
                for (slot, answer) in slots.zip(answers) {
                    *slot = answer;
                }
                results
            }
        }
    }

    /// The rules that changed since this was called last; all of them at first.
    pub fn take_changes(&mut self) -> RuleChanges {
        self.changed.take(&self.state.rules)
    }

    /// Changes settings other than rules, on disk first.
    ///
    /// # Errors
    ///
    /// When they cannot be written; nothing has changed then.
    pub fn change_settings(&mut self, change: impl FnOnce(&mut State)) -> Result<(), StateError> {
        let before = self.state.clone();
        change(&mut self.state);
        if self.state == before {
            return Ok(());
        }
        if let Err(error) = self.file.store(&self.state) {
            self.state = before;
            return Err(error);
        }
        Ok(())
    }

    /// The dataplane, for all that is no rule. Ops go through [`Keeper::apply`].
    pub fn dataplane(&mut self) -> &mut dyn Dataplane {
        &mut *self.dataplane
    }

    /// What is on disk.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Writes ops that the rules took. Zeroing changes no rule and needs no write.
    fn write(&mut self, ops: &[Op]) -> Result<(), StateError> {
        let changes = |op: &&Op| !matches!(op, Op::Zero { .. });
        let written = if self.spoilt {
            self.file.store(&self.state)
        } else if ops.iter().all(|op| changes(&op)) {
            self.file.append(ops)
        } else {
            let changes: Vec<Op> = ops.iter().filter(changes).cloned().collect();
            self.file.append(&changes)
        };
        self.spoilt = written.is_err();
        written
    }

    /// Makes a new file of one whose journal has grown. The rules are safe without it.
    fn renew_file(&mut self) {
        if self.file.is_outgrown()
            && let Err(error) = self.file.store(&self.state)
        {
            warn!(%error, "the journal goes on growing");
        }
    }

    /// Takes out of the rule base and the file what the dataplane refused although the rule base
    /// accepted it: a limit, the kernel.
    fn take_out(
        &mut self,
        accepted: &[Op],
        atomicity: Atomicity,
        done: Vec<Undo>,
        answers: &[Result<(), OpError>],
    ) {
        self.state.rules.take_back(done);
        if atomicity == Atomicity::OneByOne {
            replay(&mut self.state.rules, accepted, answers);
        }
        if let Err(error) = self.file.store(&self.state) {
            warn!(%error, "rules that the dataplane refused stay in the file for now");
            self.spoilt = true;
        }
    }

    fn bring_dataplane_to_state(&mut self) -> Vec<String> {
        let held = self.rules_of_dataplane();
        let ops = difference(&held, &self.state.rules);
        let answers = self.dataplane.apply(&ops, Atomicity::OneByOne);
        ops.iter()
            .zip(answers)
            .filter_map(|(op, answer)| Some(format!("{op:?}: {}", answer.err()?)))
            .collect()
    }

    fn rules_of_dataplane(&self) -> Rules {
        let mut rules = Rules::new();
        let timeouts = Op::SetTimeouts {
            timeouts: self.dataplane.timeouts(),
        };
        let settings = self.dataplane.settings();
        let settings = settings
            .changed()
            .map(|(setting, value)| Op::SetSetting { setting, value });
        let servers = diff(&[], &self.dataplane.rules());
        let daemons = self.dataplane.sync_daemons();
        let daemons = daemons
            .into_iter()
            .map(|daemon| Op::StartSyncDaemon { daemon });
        let all = std::iter::once(timeouts)
            .chain(settings)
            .chain(servers)
            .chain(daemons);
        for op in all {
            if let Err(error) = rules.apply(&op) {
                warn!(%error, ?op, "the dataplane holds a rule that it should have refused");
            }
        }
        rules
    }
}

/// Writes every op into the log of who wants to see what changes the rules, and when
/// (`XVS_LOG=info,xvs_director::keeper=debug`), in the form of the journal.
fn tell(ops: &[Op]) {
    if enabled!(Level::DEBUG) {
        for op in ops {
            debug!("rules: {}", serde_json::to_string(op).unwrap_or_default());
        }
    }
}

/// The ops that turn `held` into `wanted`, timeouts, settings and sync daemons included.
fn difference(held: &Rules, wanted: &Rules) -> Vec<Op> {
    let mut ops = Vec::new();
    if held.timeouts() != wanted.timeouts() {
        ops.push(Op::SetTimeouts {
            timeouts: wanted.timeouts(),
        });
    }
    for setting in Setting::ALL {
        let value = wanted.settings().value(*setting);
        if held.settings().value(*setting) != value {
            ops.push(Op::SetSetting {
                setting: *setting,
                value,
            });
        }
    }
    for role in [SyncRole::Master, SyncRole::Backup] {
        let (before, after) = (held.sync_daemon(role), wanted.sync_daemon(role));
        if before == after {
            continue;
        }
        if before.is_some() {
            ops.push(Op::StopSyncDaemon { role });
        }
        if let Some(daemon) = after {
            ops.push(Op::StartSyncDaemon {
                daemon: daemon.clone(),
            });
        }
    }
    ops.extend(diff(held.rules(), wanted.rules()));
    ops
}

/// What the rule base cannot know: a sync daemon needs an interface that is there.
fn on_this_host(op: &Op) -> Result<(), OpError> {
    match op {
        Op::StartSyncDaemon { daemon } if if_nametoindex(daemon.interface.as_str()).is_err() => {
            Err(OpError::InterfaceMissing {
                interface: daemon.interface.clone(),
            })
        }
        _ => Ok(()),
    }
}

/// Those of `ops` that were not refused.
fn accepted<'a>(ops: &'a [Op], results: &[Result<(), OpError>]) -> Cow<'a, [Op]> {
    if results.iter().all(Result::is_ok) {
        return Cow::Borrowed(ops);
    }
    ops.iter()
        .zip(results)
        .filter(|(_op, result)| result.is_ok())
        .map(|(op, _result)| op.clone())
        .collect()
}

/// Applies those ops that the dataplane took.
fn replay(rules: &mut Rules, ops: &[Op], answers: &[Result<(), OpError>]) {
    for (op, answer) in ops.iter().zip(answers) {
        if answer.is_ok()
            && let Err(error) = rules.apply(op)
        {
            // A real server whose virtual server the dataplane refused, yet took itself.
            warn!(%error, ?op, "the dataplane took an op that the rules refuse");
        }
    }
}

fn system(error: &StateError) -> OpError {
    OpError::System {
        reason: error.to_string(),
    }
}

#[cfg(test)]
#[path = "keeper/tests.rs"]
mod tests;
