//! Known differences: which scenarios differ, and what `docs/compat.md` says of it.

use std::collections::BTreeMap;

/// Scenarios that differ, by their names.
#[derive(Clone, Debug, Default)]
pub struct Known(BTreeMap<String, Line>);

/// Why a scenario differs, and where.
#[derive(Clone, Debug)]
struct Line {
    /// The name of the line in `docs/compat.md`.
    reason: String,
    /// The way of replaying that it differs by; none for all.
    by: Option<String>,
}

impl Known {
    /// Reads lines of a scenario's name, the name of a line of `docs/compat.md`, and perhaps the one way
    /// of replaying that differs. `#` begins a comment.
    ///
    /// # Errors
    ///
    /// A line of another number of words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut known = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            let (scenario, reason, by) = match words.as_slice() {
                [] => continue,
                [scenario, reason] => (scenario, reason, None),
                [scenario, reason, by] => (scenario, reason, Some((*by).to_owned())),
                _ => return Err(format!("not a scenario and a reason: `{line}`")),
            };
            let reason = (*reason).to_owned();
            known.insert((*scenario).to_owned(), Line { reason, by });
        }
        Ok(Self(known))
    }

    /// The line of `docs/compat.md` that explains why a scenario differs `by` a way of replaying.
    #[must_use]
    pub fn reason(&self, scenario: &str, by: &str) -> Option<&str> {
        let line = self.0.get(scenario)?;
        let here = line.by.as_ref().is_none_or(|only| by.contains(only));
        here.then_some(line.reason.as_str())
    }

    /// Every scenario with its reason.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(scenario, line)| (scenario.as_str(), line.reason.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_scenario_a_reason_and_perhaps_a_way() {
        let text = "# head\nA/tcp/one  marks # why\n\nA/tcp/two sip live\n";
        let known = Known::parse(text).unwrap();
        assert_eq!(known.reason("A/tcp/one", "native tcx"), Some("marks"));
        assert_eq!(known.reason("A/tcp/two", "native tcx"), None);
        assert_eq!(known.reason("A/tcp/two", "live xdp"), Some("sip"));
        assert!(Known::parse("A/tcp/one").is_err());
    }
}
