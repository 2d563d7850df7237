//! Known differences: which scenarios differ, and what `docs/compat.md` says of it.

/// The list of the project.
const PROJECT: &str = include_str!("../tests/fixtures/known-differences.txt");

/// Scenarios that differ, in the order of the list.
#[derive(Clone, Debug, Default)]
pub struct Known(Vec<Line>);

/// Why a scenario differs, and where.
#[derive(Clone, Debug)]
struct Line {
    /// The scenario's name; each `*` stands for any text.
    scenario: String,
    /// The name of the line in `docs/compat.md`.
    reason: String,
    /// The way of replaying that it differs by; none for all.
    by: Option<String>,
    /// By that way it differs only sometimes.
    erratic: bool,
}

impl Known {
    /// What is known of the project's recordings, and of others of their kinds.
    ///
    /// # Errors
    ///
    /// As [`Known::parse`].
    pub fn project() -> Result<Self, String> {
        Self::parse(PROJECT)
    }

    /// Reads lines of a scenario's name with `*` for any text, the name of a line of
    /// `docs/compat.md`, and perhaps the one way of replaying that differs, with a `?` where it does so only sometimes. `#`
    /// begins a comment.
    ///
    /// # Errors
    ///
    /// A line of another number of words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut known = Vec::new();
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
                [scenario, reason, by] => (scenario, reason, Some(*by)),
                _ => return Err(format!("not a scenario and a reason: `{line}`")),
            };
            known.push(Line {
                scenario: (*scenario).to_owned(),
                reason: (*reason).to_owned(),
                by: by.map(|by| by.trim_end_matches('?').to_owned()),
                erratic: by.is_some_and(|by| by.ends_with('?')),
            });
        }
        Ok(Self(known))
    }

    /// The line of `docs/compat.md` that explains why a scenario differs `by` a way of replaying.
    #[must_use]
    pub fn reason(&self, scenario: &str, by: &str) -> Option<&str> {
        self.line(scenario, by).map(|line| line.reason.as_str())
    }

    /// Whether a scenario that is known to differ `by` a way of replaying does so only sometimes.
    #[must_use]
    pub fn is_erratic(&self, scenario: &str, by: &str) -> bool {
        self.line(scenario, by).is_some_and(|line| line.erratic)
    }

    fn line(&self, scenario: &str, by: &str) -> Option<&Line> {
        self.0.iter().find(|line| {
            matches(&line.scenario, scenario)
                && line.by.as_ref().is_none_or(|only| by.contains(only))
        })
    }

    /// Every line's scenario and reason.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.0.iter();
        lines.map(|line| (line.scenario.as_str(), line.reason.as_str()))
    }
}

/// Whether a name is what `pattern` says, in which each `*` stands for any text.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    name.strip_prefix(begin).is_some_and(|left| {
        let ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
        ends.into_iter().any(|at| matches(rest, &left[at..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_scenario_a_reason_and_perhaps_a_way() {
        let text = "# head\nA/tcp/one  marks # why\n\nA/tcp/two sip live\nA/life/x zero kernel?\n";
        let known = Known::parse(text).unwrap();
        assert_eq!(known.reason("A/tcp/one", "native tcx"), Some("marks"));
        assert_eq!(known.reason("A/tcp/two", "native tcx"), None);
        assert_eq!(known.reason("A/tcp/two", "live xdp"), Some("sip"));
        assert_eq!(known.reason("A/life/x", "kernel live tcx"), Some("zero"));
        assert!(known.is_erratic("A/life/x", "kernel live tcx"));
        assert!(!known.is_erratic("A/tcp/two", "live xdp"));
        assert!(Known::parse("A/tcp/one").is_err());
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("*/tcp/one", "A/tcp/one"));
        assert!(matches("*/persist/*mark*", "B/persist/fwmark"));
        assert!(!matches("*/tcp/one", "A/tcp/one-v6"));
        assert!(!matches("A/*/one", "B/tcp/one"));
    }
}
