//! The keeper of the rules: what is in the file, what is in the dataplane, and their order.
//!
//! An op is judged by the rule base in memory first; then the new rule base is written to disk; only
//! then does the dataplane change. Whatever moment the daemon dies at, the next one brings the
//! dataplane to what the file says.

use tracing::warn;
use xvs_dataplane::{Atomicity, Dataplane};
use xvs_types::{Op, OpError, Rules, SyncRole, diff};

use crate::state::{State, StateError, StateFile};

/// The dataplane with its rule base. It lives on the dataplane's thread.
pub struct Keeper {
    dataplane: Box<dyn Dataplane>,
    file: StateFile,
    state: State,
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
        let found = file.load()?;
        let mut keeper = Self {
            state: State::default(),
            dataplane,
            file,
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
        let mut wanted = self.state.rules.clone();
        let mut results = Vec::with_capacity(ops.len());
        for op in ops {
            let result = wanted.apply(op);
            let refused = result.is_err();
            results.push(result);
            if refused && atomicity == Atomicity::AllOrNothing {
                return results;
            }
        }
        // Zeroing changes no rule and needs no write.
        let writes = ops.iter().any(|op| !matches!(op, Op::Zero { .. }));
        let before = std::mem::replace(&mut self.state.rules, wanted);
        if writes && let Err(error) = self.file.store(&self.state) {
            self.state.rules = before;
            return vec![
                Err(system(&error));
                if atomicity == Atomicity::AllOrNothing {
                    1
                } else {
                    ops.len()
                }
            ];
        }
        self.apply_accepted(ops, atomicity, before, results)
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

    /// Hands to the dataplane what the rule base accepted. What the dataplane refuses all the same
    /// (a limit, the kernel) goes out of the rule base and of the file again.
    fn apply_accepted(
        &mut self,
        ops: &[Op],
        atomicity: Atomicity,
        before: Rules,
        mut results: Vec<Result<(), OpError>>,
    ) -> Vec<Result<(), OpError>> {
        let accepted: Vec<Op> = ops
            .iter()
            .zip(&results)
            .filter(|(_op, result)| result.is_ok())
            .map(|(op, _result)| op.clone())
            .collect();
        let answers = self.dataplane.apply(&accepted, atomicity);
        if answers.iter().all(Result::is_ok) {
            return results;
        }
        self.state.rules = match atomicity {
            Atomicity::AllOrNothing => before,
            Atomicity::OneByOne => replay(before, &accepted, &answers),
        };
        if let Err(error) = self.file.store(&self.state) {
            warn!(%error, "rules that the dataplane refused stay in the file for now");
        }
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
        let servers = diff(&[], &self.dataplane.rules());
        let daemons = self.dataplane.sync_daemons();
        let daemons = daemons
            .into_iter()
            .map(|daemon| Op::StartSyncDaemon { daemon });
        for op in std::iter::once(timeouts).chain(servers).chain(daemons) {
            if let Err(error) = rules.apply(&op) {
                warn!(%error, ?op, "the dataplane holds a rule that it should have refused");
            }
        }
        rules
    }
}

/// The ops that turn `held` into `wanted`, timeouts and sync daemons included.
fn difference(held: &Rules, wanted: &Rules) -> Vec<Op> {
    let mut ops = Vec::new();
    if held.timeouts() != wanted.timeouts() {
        ops.push(Op::SetTimeouts {
            timeouts: wanted.timeouts(),
        });
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

/// The rules after those ops that the dataplane took.
fn replay(mut rules: Rules, ops: &[Op], answers: &[Result<(), OpError>]) -> Rules {
    for (op, answer) in ops.iter().zip(answers) {
        if answer.is_ok()
            && let Err(error) = rules.apply(op)
        {
            // A real server whose virtual server the dataplane refused, yet took itself.
            warn!(%error, ?op, "the dataplane took an op that the rules refuse");
        }
    }
    rules
}

fn system(error: &StateError) -> OpError {
    OpError::System {
        reason: error.to_string(),
    }
}

#[cfg(test)]
#[path = "keeper/tests.rs"]
mod tests;
