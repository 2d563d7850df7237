//! A statement as the keywords read it: words as numbers, times, addresses, switches and scripts.
//!
//! Each reader reports what it cannot read, with the word's span, and returns none; `keeps` says in
//! the hint what holds instead.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use super::Scope;
use crate::{ast::Statement, codes, config::Script, diagnostic::Consequence, lexer, span::Span};

/// The longest time keepalived can hold: 2^64 - 2 microseconds in its `unsigned long`.
const MAX_MICROSECONDS: u64 = u64::MAX - 1;

/// A known statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    statement: &'a Statement,
}

impl<'a> Line<'a> {
    pub(crate) fn new(statement: &'a Statement) -> Self {
        Self { statement }
    }

    pub(crate) fn keyword(&self) -> &'a str {
        self.word(0)
    }

    /// The word at `index`, empty when there is none.
    pub(crate) fn word(&self, index: usize) -> &'a str {
        self.statement.word(index).unwrap_or_default()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&'a str> {
        self.statement.word(index)
    }

    /// Words behind the keyword.
    pub(crate) fn count(&self) -> usize {
        self.statement.word_count() - 1
    }

    /// All words from `index` on.
    pub(crate) fn from(&self, index: usize) -> Vec<String> {
        (index..self.statement.word_count())
            .map(|index| self.word(index).to_owned())
            .collect()
    }

    pub(crate) fn span(&self) -> Span {
        self.statement.span()
    }

    pub(crate) fn at(&self, index: usize) -> Span {
        self.statement.word_span(index)
    }

    pub(crate) fn body(&self) -> &'a [Statement] {
        self.statement.body().unwrap_or_default()
    }

    /// The entries of its block as lines.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        self.body().iter().map(Line::new)
    }

    /// A whole number, and whether nothing else stands in its word.
    fn number(
        &self,
        index: usize,
        range: &RangeInclusive<i64>,
        keeps: &str,
        scope: &mut Scope<'_>,
    ) -> Option<(i64, bool)> {
        let word = self.word(index).trim();
        let end = word
            .char_indices()
            .find(|(at, sign)| !(sign.is_ascii_digit() || (*at == 0 && matches!(sign, '-' | '+'))))
            .map_or(word.len(), |(at, _)| at);
        let value = word[..end].parse::<i64>().ok();
        let complete = end == word.len();
        if let Some(value) = value
            && complete
            && range.contains(&value)
        {
            return Some((value, true));
        }
        let why = if complete && value.is_some() {
            "is out of its range"
        } else {
            "is not a number"
        };
        scope.sink.reported(
            codes::INVALID_NUMBER,
            self.at(index),
            format!(
                "`{word}` {why}; `{}` takes {} to {}",
                self.keyword(),
                range.start(),
                range.end()
            ),
            keeps,
        );
        value
            .filter(|value| !complete && range.contains(value))
            .map(|value| (value, false))
    }

    /// A whole number as the type it is kept in.
    pub(crate) fn integer<T: TryFrom<i64>>(
        &self,
        index: usize,
        range: RangeInclusive<i64>,
        keeps: &str,
        scope: &mut Scope<'_>,
    ) -> Option<T> {
        let (value, complete) = self.number(index, &range, keeps, scope)?;
        T::try_from(value).ok().filter(|_| complete)
    }

    /// A whole number; of `5x` the 5 counts, since a keepalived that runs (not `-t`) takes it so.
    pub(crate) fn lax_integer<T: TryFrom<i64>>(
        &self,
        index: usize,
        range: RangeInclusive<i64>,
        keeps: &str,
        scope: &mut Scope<'_>,
    ) -> Option<T> {
        let (value, _) = self.number(index, &range, keeps, scope)?;
        T::try_from(value).ok()
    }

    /// Seconds with up to six decimals, between two bounds in microseconds.
    pub(crate) fn seconds(
        &self,
        index: usize,
        range: RangeInclusive<u64>,
        keeps: &str,
        scope: &mut Scope<'_>,
    ) -> Option<Duration> {
        self.decimal(index, 6, range, keeps, scope)
            .map(Duration::from_micros)
    }

    /// Seconds from `least` microseconds to the most that keepalived can hold.
    pub(crate) fn timer(
        &self,
        index: usize,
        least: u64,
        keeps: &str,
        scope: &mut Scope<'_>,
    ) -> Option<Duration> {
        self.seconds(index, least..=MAX_MICROSECONDS, keeps, scope)
    }

    /// A decimal number times ten to the power of `places`.
    pub(crate) fn decimal(
        &self,
        index: usize,
        places: usize,
        range: RangeInclusive<u64>,
        keeps: &str,
        scope: &mut Scope<'_>,
    ) -> Option<u64> {
        let word = self.word(index).trim();
        let Some((value, exact)) = scaled(word, places) else {
            scope.sink.reported(
                codes::INVALID_NUMBER,
                self.at(index),
                format!("`{word}` is not a number of at most {places} decimals"),
                keeps,
            );
            return None;
        };
        if !range.contains(&value) {
            scope.sink.reported(
                codes::INVALID_NUMBER,
                self.at(index),
                format!(
                    "`{word}` is out of its range; `{}` takes {} to {}",
                    self.keyword(),
                    unscaled(*range.start(), places),
                    unscaled(*range.end(), places)
                ),
                keeps,
            );
            return None;
        }
        if !exact {
            scope.sink.reported(
                codes::ROUNDED,
                self.at(index),
                format!("`{word}` has more than {places} decimals"),
                format!("it counts as {}", unscaled(value, places)),
            );
        }
        Some(value)
    }

    /// A switch: `on`, `true`, `yes`, or nothing, and `off`, `false`, `no`.
    pub(crate) fn switch(&self, scope: &mut Scope<'_>) -> Option<bool> {
        match self.get(1) {
            None | Some("on" | "true" | "yes") => Some(true),
            Some("off" | "false" | "no") => Some(false),
            Some(other) => {
                self.reject(
                    1,
                    format!("`{other}` is no switch"),
                    "write on, off, true, false, yes or no in lower case; the line is ignored",
                    scope,
                );
                None
            }
        }
    }

    /// An address.
    pub(crate) fn address(
        &self,
        index: usize,
        keeps: &str,
        scope: &mut Scope<'_>,
    ) -> Option<IpAddr> {
        let word = self.word(index);
        let parsed = word.parse().ok();
        if parsed.is_none() {
            scope.sink.reported(
                codes::INVALID_ADDRESS,
                self.at(index),
                format!("`{word}` is not an IP address"),
                keeps,
            );
        }
        parsed
    }

    /// A program with its arguments and, behind it, a user and a group.
    pub(crate) fn script(&self, scope: &mut Scope<'_>) -> Option<Script> {
        let arguments = self.command(scope)?;
        let words = self.shell_words(scope)?;
        let user = match words.get(2) {
            Some(user) => scope.user(user, words.get(3).map(String::as_str), self.at(2))?,
            None => scope.default_user(self.at(1))?,
        };
        Some(Script {
            arguments,
            user,
            span: self.at(1),
        })
    }

    /// A program with its arguments: the second word, split once more.
    pub(crate) fn command(&self, scope: &mut Scope<'_>) -> Option<Vec<String>> {
        let words = self.shell_words(scope)?;
        match words.get(1).map(|command| lexer::script_words(command)) {
            Some(Ok(arguments)) if !arguments.is_empty() => Some(arguments),
            Some(Err(cause)) => {
                scope
                    .sink
                    .reported(codes::UNMATCHED_QUOTE, self.at(1), cause, "it is never run");
                None
            }
            Some(Ok(_)) | None => {
                scope.sink.silent(
                    codes::SCRIPT,
                    self.at(1),
                    "the script is empty",
                    "it is never run",
                );
                None
            }
        }
    }

    /// A program with its arguments on a line of its own, where keepalived crashes on an open quote.
    pub(crate) fn lone_command(&self, scope: &mut Scope<'_>) -> Option<Vec<String>> {
        if let Err(cause) = lexer::script_words(self.statement.text()) {
            scope.sink.add(
                codes::UNMATCHED_QUOTE,
                Consequence::Broken,
                self.span(),
                cause,
                "keepalived 2.2.7 crashes on it; write both quotes",
            );
            return None;
        }
        self.command(scope)
    }

    /// Says that words behind a command are ignored.
    pub(crate) fn ignore_from(&self, index: usize, scope: &mut Scope<'_>) {
        if self.count() >= index {
            scope.sink.silent(
                codes::EXTRA_WORDS,
                self.at(index).to(self.at(self.count())),
                "words behind the command are ignored",
                "put the command and its arguments between quotes",
            );
        }
    }

    /// The words as script keywords split them.
    pub(crate) fn shell_words(&self, scope: &mut Scope<'_>) -> Option<Vec<String>> {
        match lexer::script_words(self.statement.text()) {
            Ok(words) => Some(words),
            Err(cause) => {
                scope.sink.reported(
                    codes::UNMATCHED_QUOTE,
                    self.span(),
                    cause,
                    "the line is ignored",
                );
                None
            }
        }
    }

    /// Reports a word that may not stand where it stands.
    pub(crate) fn reject(
        &self,
        index: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
        scope: &mut Scope<'_>,
    ) {
        scope
            .sink
            .reported(codes::INVALID_VALUE, self.at(index), message, hint);
    }

    /// Reports a second value for what may be set once.
    pub(crate) fn duplicate(&self, scope: &mut Scope<'_>) {
        scope.sink.reported(
            codes::DUPLICATE,
            self.span(),
            format!("`{}` is set a second time", self.keyword()),
            "the first one stays",
        );
    }
}

/// The number without its point, and whether no decimal was lost.
fn scaled(word: &str, places: usize) -> Option<(u64, bool)> {
    let (whole, decimals) = word.split_once('.').unwrap_or((word, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && decimals.is_empty()) || !digits(whole) || !digits(decimals) {
        return None;
    }
    let kept = &decimals[..decimals.len().min(places)];
    let mut value: u64 = format!("{whole}{kept:0<places$}").parse().ok()?;
    let lost = decimals.as_bytes().get(places);
    if lost.is_some_and(|digit| *digit >= b'5') {
        value = value.checked_add(1)?;
    }
    Some((value, lost.is_none()))
}

fn unscaled(value: u64, places: usize) -> String {
    let digits = format!("{value:0>width$}", width = places + 1);
    let (whole, decimals) = digits.split_at(digits.len() - places);
    let decimals = decimals.trim_end_matches('0');
    if decimals.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{decimals}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_scaled_and_rounded() {
        assert_eq!(scaled("0.25", 6), Some((250_000, true)));
        assert_eq!(scaled("3", 6), Some((3_000_000, true)));
        assert_eq!(scaled("1.0000005", 6), Some((1_000_001, false)));
        assert_eq!(scaled(".5", 6), Some((500_000, true)));
        assert_eq!(scaled("5s", 6), None);
        assert_eq!(scaled("-1", 6), None);
        assert_eq!(scaled(".", 6), None);
        assert_eq!(unscaled(250_000, 6), "0.25");
        assert_eq!(unscaled(255_000_000, 6), "255");
        assert_eq!(unscaled(1, 6), "0.000001");
    }
}
