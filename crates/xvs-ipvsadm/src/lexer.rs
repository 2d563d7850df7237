//! How popt 1.19 cuts arguments into switches and their values.
//!
//! A long switch is looked up before a cluster of short ones is tried, and only behind `--`; names
//! cannot be abbreviated. A value follows a short switch directly or after one `=`, a long one after
//! `=`, or is the next argument, whatever that looks like; only an optional value (`-p`) is not taken
//! from an argument that starts with `-`. Every fault is blamed on the argument consumed last, which
//! for a switch with a separate value is the value.

use crate::options::{SWITCHES, Switch, SwitchDefinition, Value};

/// A fault of the command line, with popt's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LexError {
    #[error("missing argument")]
    MissingArgument,
    #[error("option does not take an argument")]
    UnwantedArgument,
    #[error("unknown option")]
    UnknownOption,
}

/// A switch, and its value if it has one.
pub(crate) type Token<'a> = (Switch, Option<&'a str>);

/// Walks the arguments after the program's name.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    arguments: &'a [String],
    next: usize,
    /// What is left of a cluster of short switches.
    cluster: Option<&'a str>,
    /// Whether `--` was seen: the rest are words.
    words_only: bool,
    words: Vec<&'a str>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(arguments: &'a [String]) -> Self {
        Self {
            arguments,
            next: 0,
            cluster: None,
            words_only: false,
            words: Vec::new(),
        }
    }

    /// The next switch; none at the end of the arguments.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, LexError> {
        if let Some(cluster) = self.cluster.take() {
            return self.short(cluster).map(Some);
        }
        while let Some(argument) = self.arguments.get(self.next) {
            self.next += 1;
            if self.words_only || argument == "-" || !argument.starts_with('-') {
                self.words.push(argument);
            } else if argument == "--" {
                self.words_only = true;
            } else if let Some(long) = argument.strip_prefix("--") {
                return self.long(long).map(Some);
            } else {
                return self.short(&argument[1..]).map(Some);
            }
        }
        Ok(None)
    }

    /// The argument that was consumed last: the one that popt blames.
    pub(crate) fn blamed(&self) -> &'a str {
        let last = self.next.checked_sub(1);
        last.and_then(|last| self.arguments.get(last))
            .map_or("", String::as_str)
    }

    /// The arguments so far that are neither switches nor values.
    pub(crate) fn words(&self) -> &[&'a str] {
        &self.words
    }

    fn long(&mut self, text: &'a str) -> Result<Token<'a>, LexError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let definition = SWITCHES
            .iter()
            .find(|definition| definition.long == name)
            .ok_or(LexError::UnknownOption)?;
        match (definition.value, value) {
            (Value::None, Some(_)) => Err(LexError::UnwantedArgument),
            (Value::None, None) => Ok((definition.switch, None)),
            (_, Some(value)) => Ok((definition.switch, Some(value))),
            (_, None) => self.value_from_next(definition),
        }
    }

    fn short(&mut self, cluster: &'a str) -> Result<Token<'a>, LexError> {
        let mut letters = cluster.chars();
        let letter = letters.next();
        let rest = letters.as_str();
        let definition = SWITCHES
            .iter()
            .find(|definition| letter.is_some() && definition.short == letter)
            .ok_or(LexError::UnknownOption)?;
        if matches!(definition.value, Value::None) {
            if rest.starts_with('=') {
                return Err(LexError::UnwantedArgument);
            }
            self.cluster = (!rest.is_empty()).then_some(rest);
            return Ok((definition.switch, None));
        }
        if rest.is_empty() {
            return self.value_from_next(definition);
        }
        Ok((
            definition.switch,
            Some(rest.strip_prefix('=').unwrap_or(rest)),
        ))
    }

    fn value_from_next(&mut self, definition: &SwitchDefinition) -> Result<Token<'a>, LexError> {
        let optional = matches!(definition.value, Value::Optional);
        match self.arguments.get(self.next) {
            None if optional => Ok((definition.switch, None)),
            None => Err(LexError::MissingArgument),
            Some(argument) if optional && argument.starts_with('-') => {
                Ok((definition.switch, None))
            }
            Some(argument) => {
                self.next += 1;
                Ok((definition.switch, Some(argument)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    type Tokens = Vec<(Switch, Option<String>)>;

    fn all(line: &str) -> (Tokens, Option<LexError>, String) {
        let arguments = arguments(line);
        let mut lexer = Lexer::new(&arguments);
        let mut tokens = Vec::new();
        let error = loop {
            match lexer.next() {
                Ok(Some((switch, value))) => tokens.push((switch, value.map(str::to_owned))),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        (tokens, error, lexer.blamed().to_owned())
    }

    #[test]
    fn values_come_attached_after_an_equals_sign_or_separately() {
        for line in ["-s rr", "-srr", "-s=rr", "--scheduler rr", "--scheduler=rr"] {
            let (tokens, error, _) = all(line);
            assert_eq!(
                tokens,
                [(Switch::Scheduler, Some("rr".to_owned()))],
                "{line}"
            );
            assert_eq!(error, None);
        }
    }

    #[test]
    fn a_cluster_ends_with_the_switch_that_takes_a_value() {
        let (tokens, _, _) = all("-Lnt 1.2.3.4:80");
        let switches: Vec<Switch> = tokens.iter().map(|token| token.0).collect();
        assert_eq!(
            switches,
            [Switch::List, Switch::Numeric, Switch::TcpService]
        );
        assert_eq!(tokens[2].1.as_deref(), Some("1.2.3.4:80"));
    }

    #[test]
    fn an_optional_value_is_not_taken_from_a_switch() {
        let (tokens, error, blamed) = all("-p -1");
        assert_eq!(tokens, [(Switch::Persistent, None)]);
        assert_eq!(
            (error, blamed.as_str()),
            (Some(LexError::UnknownOption), "-1")
        );
    }

    #[test]
    fn a_mandatory_value_may_look_like_a_switch() {
        let (tokens, error, _) = all("-f -1");
        assert_eq!(tokens, [(Switch::FwmarkService, Some("-1".to_owned()))]);
        assert_eq!(error, None);
    }

    #[test]
    fn faults_are_named_and_blamed_as_popt_does() {
        for (line, error, blame) in [
            ("-L -n1", LexError::UnknownOption, "-n1"),
            ("-L --numeric=1", LexError::UnwantedArgument, "--numeric=1"),
            ("-L -n=1", LexError::UnwantedArgument, "-n=1"),
            ("-A -t", LexError::MissingArgument, "-t"),
            ("--add-serv", LexError::UnknownOption, "--add-serv"),
            ("-Lq -n", LexError::UnknownOption, "-Lq"),
        ] {
            let (_, found, blamed) = all(line);
            assert_eq!((found, blamed.as_str()), (Some(error), blame), "{line}");
        }
    }

    #[test]
    fn words_are_kept_apart_and_all_is_words_after_two_dashes() {
        let arguments = arguments("one -L - -- -n two");
        let mut lexer = Lexer::new(&arguments);
        assert_eq!(lexer.next(), Ok(Some((Switch::List, None))));
        assert_eq!(lexer.next(), Ok(None));
        assert_eq!(lexer.words(), ["one", "-", "-n", "two"]);
    }
}
