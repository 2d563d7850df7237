//! Known differences: which scenarios differ, and what `docs/compat.md` says of it.

use std::collections::BTreeMap;

/// Scenarios that differ, by their names, with the names of the lines in `docs/compat.md`.
#[derive(Clone, Debug, Default)]
pub struct Known(BTreeMap<String, String>);

impl Known {
    /// Reads lines of a scenario's name and a line's name; `#` begins a comment.
    ///
    /// # Errors
    ///
    /// A line that has not two words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut known = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            match words.as_slice() {
                [] => {}
                [scenario, reason] => {
                    known.insert((*scenario).to_owned(), (*reason).to_owned());
                }
                _ => return Err(format!("not a scenario and a reason: `{line}`")),
            }
        }
        Ok(Self(known))
    }

    /// The line of `docs/compat.md` that explains why a scenario differs.
    #[must_use]
    pub fn reason(&self, scenario: &str) -> Option<&str> {
        self.0.get(scenario).map(String::as_str)
    }

    /// Every scenario with its reason.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(scenario, reason)| (scenario.as_str(), reason.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_scenario_and_a_reason() {
        let known = Known::parse("# head\nA/tcp/one  marks # why\n\n").unwrap();
        assert_eq!(known.reason("A/tcp/one"), Some("marks"));
        assert_eq!(known.reason("A/tcp/two"), None);
        assert!(Known::parse("A/tcp/one").is_err());
    }
}
