//! Changes of the rules.

use serde::{Deserialize, Serialize};
use xvs_types::{Op, OpError};

/// Ops that are applied in order: the body of `POST /v1/ops`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The ops.
    pub ops: Vec<Op>,
    /// Whether one refused op undoes the batch; default yes.
    #[serde(default = "yes")]
    pub atomic: bool,
}

impl Batch {
    /// A batch that is applied whole or not at all.
    #[must_use]
    pub fn atomic(ops: Vec<Op>) -> Self {
        Self { ops, atomic: true }
    }

    /// A batch whose refused ops do not keep the others from being applied.
    #[must_use]
    pub fn one_by_one(ops: Vec<Op>) -> Self {
        Self { ops, atomic: false }
    }
}

/// What became of a batch.
///
/// The answer of `POST /v1/ops` has status 200 also when ops were refused: the outcomes say which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOutcome {
    /// How many ops are in force; 0 for an atomic batch with a refused op.
    pub applied: usize,
    /// One outcome an op, in order. Those of an atomic batch end with the op that was refused.
    pub outcomes: Vec<OpOutcome>,
}

impl BatchOutcome {
    /// The outcome of `results`, of which those that are `Ok` are in force unless the batch was
    /// `atomic` and has an error.
    #[must_use]
    pub fn new(results: Vec<Result<(), OpError>>, atomic: bool) -> Self {
        let done = results.iter().filter(|result| result.is_ok()).count();
        let undone = atomic && done < results.len();
        Self {
            applied: if undone { 0 } else { done },
            outcomes: results
                .into_iter()
                .map(|result| OpOutcome::new(result.err()))
                .collect(),
        }
    }

    /// The first op that was refused: its place in the batch and the error.
    #[must_use]
    pub fn first_error(&self) -> Option<(usize, &OpError)> {
        self.outcomes
            .iter()
            .enumerate()
            .find_map(|(index, outcome)| Some((index, outcome.error.as_ref()?)))
    }

    /// One result an op.
    #[must_use]
    pub fn into_results(self) -> Vec<Result<(), OpError>> {
        self.outcomes
            .into_iter()
            .map(|outcome| outcome.error.map_or(Ok(()), Err))
            .collect()
    }
}

/// What became of one op.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpOutcome {
    /// Why it was refused; none when it was not.
    pub error: Option<OpError>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl OpOutcome {
    fn new(error: Option<OpError>) -> Self {
        Self {
            message: error.as_ref().map(ToString::to_string),
            error,
        }
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_atomic_unless_it_says_otherwise() {
        let batch: Batch = serde_json::from_str(r#"{"ops":["flush"]}"#).unwrap();
        assert_eq!(batch, Batch::atomic(vec![Op::Flush]));
        let batch: Batch = serde_json::from_str(r#"{"ops":[],"atomic":false}"#).unwrap();
        assert!(!batch.atomic);
    }

    #[test]
    fn nothing_of_an_atomic_batch_with_an_error_counts_as_applied() {
        let results = vec![Ok(()), Err(OpError::SyncDaemonMissing)];
        assert_eq!(BatchOutcome::new(results.clone(), true).applied, 0);
        assert_eq!(BatchOutcome::new(results.clone(), false).applied, 1);
        let outcome = BatchOutcome::new(results.clone(), true);
        assert_eq!(
            outcome.first_error(),
            Some((1, &OpError::SyncDaemonMissing))
        );
        assert_eq!(outcome.into_results(), results);
    }
}
