//! What was measured: medians with their spread, beside a floor and a peer, and whether a gate is met.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The middle and the ends of what several rounds gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of these values; zeros of none.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else {
            return Self::default();
        };
        let middle = sorted.len() / 2;
        let median = match sorted.get(middle.wrapping_sub(1)) {
            Some(below) if sorted.len().is_multiple_of(2) => f64::midpoint(*below, sorted[middle]),
            _ => sorted[middle],
        };
        Self {
            median,
            min: *min,
            max: *max,
        }
    }
}

/// A limit that the issue or the design sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gate {
    /// What is compared, as `net at most 35`.
    pub(crate) limit: String,
    /// What was found.
    pub(crate) found: f64,
    /// Whether it is met.
    pub(crate) met: bool,
}

impl Gate {
    /// Met by `found` that is not above `limit`; `what` is compared.
    pub(crate) fn at_most(what: &str, found: f64, limit: f64) -> Self {
        Self {
            limit: format!("{what} at most {}", rounded(limit)),
            found,
            met: found <= limit,
        }
    }

    /// Met by `found` that is not below `limit`.
    pub(crate) fn at_least(what: &str, found: f64, limit: f64) -> Self {
        Self {
            limit: format!("{what} at least {}", rounded(limit)),
            found,
            met: found >= limit,
        }
    }
}

/// A limit without the noise of its multiplication.
fn rounded(limit: f64) -> f64 {
    (limit * 100.0).round() / 100.0
}

/// Something that a row is read beside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beside {
    /// Its name.
    pub(crate) name: String,
    /// Its median, in the row's unit.
    pub(crate) value: f64,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: Cow<'static, str>,
    /// The whole of it.
    pub(crate) value: Spread,
    /// What it cannot be below.
    pub(crate) floor: Option<Beside>,
    /// The value less the floor of the same round.
    pub(crate) net: Option<Spread>,
    /// Who else does the same.
    pub(crate) peer: Option<Beside>,
    /// Its gates.
    pub(crate) gates: Vec<Gate>,
}

impl Row {
    /// A row without anything beside.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, values: &[f64]) -> Self {
        Self {
            name: name.into(),
            unit: Cow::Borrowed(unit),
            value: Spread::of(values),
            floor: None,
            net: None,
            peer: None,
            gates: Vec::new(),
        }
    }

    /// The row beside a floor that was measured in the same rounds.
    pub(crate) fn over(
        name: impl Into<String>,
        unit: &'static str,
        values: &[f64],
        floor: (&str, &[f64]),
    ) -> Self {
        let net: Vec<f64> = values
            .iter()
            .zip(floor.1)
            .map(|(value, floor)| value - floor)
            .collect();
        Self {
            floor: Some(Beside {
                name: floor.0.to_owned(),
                value: Spread::of(floor.1).median,
            }),
            net: Some(Spread::of(&net)),
            ..Self::new(name, unit, values)
        }
    }

    /// The row with another gate.
    pub(crate) fn gated(mut self, gate: Gate) -> Self {
        self.gates.push(gate);
        self
    }

    /// The row beside a peer.
    pub(crate) fn beside(self, name: &str, value: f64) -> Self {
        Self {
            peer: Some(Beside {
                name: name.to_owned(),
                value,
            }),
            ..self
        }
    }

    /// The row with a gate on what it costs over its floor.
    pub(crate) fn net_at_most(self, limit: f64) -> Self {
        let net = self.net.map_or(self.value.median, |net| net.median);
        self.gated(Gate::at_most("net", net, limit))
    }
}

/// Rows that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Its name, as on the command line.
    pub(crate) name: Cow<'static, str>,
    /// What it measures and how, in a sentence or two.
    pub(crate) about: String,
    /// Its rows.
    pub(crate) rows: Vec<Row>,
    /// Curves and bars of its page.
    pub(crate) plots: Vec<Plot>,
    /// What one should know to read it.
    pub(crate) notes: Vec<String>,
}

/// Lines over a logarithmic axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plot {
    /// What it shows.
    pub(crate) title: String,
    /// The name of the horizontal axis.
    pub(crate) x: Cow<'static, str>,
    /// The unit of the vertical axis.
    pub(crate) y: Cow<'static, str>,
    /// The lines: name and points.
    pub(crate) lines: Vec<(String, Vec<(f64, f64)>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_of_any_order() {
        let spread = Spread::of(&[9.0, 1.0, 5.0]);
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 5.0, 9.0));
        assert!((Spread::of(&[4.0, 2.0]).median - 3.0).abs() < f64::EPSILON);
        assert_eq!(Spread::of(&[]), Spread::default());
    }

    #[test]
    fn net_is_taken_within_each_round() {
        // A slow second round lifts both; what is between them stays.
        let row = Row::over("row", "ns", &[30.0, 130.0], ("floor", &[10.0, 110.0]));
        let net = row.net.unwrap();
        assert_eq!((net.min, net.max), (20.0, 20.0));
        assert!(row.clone().net_at_most(20.0).gates[0].met);
        assert!(!row.net_at_most(19.0).gates[0].met);
    }
}
