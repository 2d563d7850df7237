//! The `include` family: which file comes next, and which misses are errors.

use super::glob::{self, Matches};
use crate::host::{FileError, Files};

/// Which misses are errors; `include_check` and the letter behind `include` set them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    /// A match that cannot be read, is a directory or is executable.
    pub(crate) readable: bool,
    /// No match for a pattern without wildcards.
    pub(crate) matched: bool,
    /// No match for a pattern with wildcards.
    pub(crate) wildcard: bool,
    /// Not every alternative of a brace matches.
    pub(crate) brace: bool,
}

impl Checks {
    /// All of them: `includea`, or `include_check` without a word.
    pub(crate) const ALL: Self = Self {
        readable: true,
        matched: true,
        wildcard: true,
        brace: true,
    };

    /// Those that `self` or `other` asks for.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            readable: self.readable || other.readable,
            matched: self.matched || other.matched,
            wildcard: self.wildcard || other.wildcard,
            brace: self.brace || other.brace,
        }
    }

    /// Changes by one word of `include_check`; none when the word is unknown.
    pub(crate) fn with_word(self, word: &str) -> Option<Self> {
        let (on, name) = match word.strip_prefix('-') {
            Some(name) => (false, name),
            None => (true, word.strip_prefix('+').unwrap_or(word)),
        };
        let mut checks = self;
        match name {
            "readable" => checks.readable = on,
            "match" => checks.matched = on,
            "wildcard_match" => checks.wildcard = on,
            "brace_match" => checks.brace = on,
            _ => return None,
        }
        Some(checks)
    }
}

/// The pattern of an `include` line and what its letter asks for; none when it is another line.
pub(crate) fn parse(line: &str) -> Option<(Checks, &str)> {
    let rest = line.strip_prefix("include")?;
    let first = rest.chars().next()?;
    let readable = Checks {
        readable: true,
        ..Checks::default()
    };
    let (checks, rest) = if first.is_ascii_whitespace() {
        (Checks::default(), rest)
    } else {
        let checks = match first {
            'a' => Checks::ALL,
            'b' => Checks {
                brace: true,
                ..readable
            },
            'm' => Checks {
                matched: true,
                ..readable
            },
            'r' => readable,
            'w' => Checks {
                matched: true,
                wildcard: true,
                ..readable
            },
            _ => return None,
        };
        let rest = &rest[1..];
        if !rest.starts_with(|next: char| next.is_ascii_whitespace()) {
            return None;
        }
        (checks, rest)
    };
    Some((checks, rest.trim()))
}

/// A problem with an include, and whether it counts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Miss {
    pub(crate) message: String,
    pub(crate) fatal: bool,
}

/// The files to read, with their contents, and what was missed.
pub(crate) fn open(
    files: &dyn Files,
    directory: &str,
    pattern: &str,
    checks: Checks,
) -> (Vec<(String, Vec<u8>)>, Vec<Miss>) {
    let Matches {
        paths,
        something_missing,
        has_brace,
    } = glob::expand(files, directory, pattern);
    let mut misses = Vec::new();
    if something_missing {
        let fatal = if paths.is_empty() && !has_brace {
            checks.matched
        } else {
            checks.brace
        };
        misses.push(Miss {
            message: format!("no file matches all of `{pattern}`"),
            fatal,
        });
    } else if paths.is_empty() {
        misses.push(Miss {
            message: format!("no file matches `{pattern}`"),
            fatal: checks.wildcard,
        });
    }
    let mut opened = Vec::new();
    if misses.iter().any(|miss| miss.fatal) {
        return (opened, misses);
    }
    for path in paths {
        match files.read(&path) {
            Ok(content) => opened.push((path, content)),
            Err(
                error @ (FileError::NotFound | FileError::NotRegular | FileError::Unreadable(_)),
            ) => {
                misses.push(Miss {
                    message: format!("`{path}` {error}"),
                    fatal: checks.readable,
                });
            }
        }
    }
    (opened, misses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::MemoryFiles;

    #[test]
    fn letters_choose_what_must_match() {
        assert_eq!(parse("include a b"), Some((Checks::default(), "a b")));
        assert_eq!(parse("includea\tx"), Some((Checks::ALL, "x")));
        assert!(parse("includer x").unwrap().0.readable);
        assert_eq!(parse("include_check"), None);
        assert_eq!(parse("include"), None);
        assert_eq!(parse("includez x"), None);
    }

    #[test]
    fn a_miss_counts_only_where_it_is_asked_for() {
        let files = MemoryFiles::new().with("d/a.conf", "x");
        let (opened, misses) = open(&files, "d", "no.conf", Checks::default());
        assert!(opened.is_empty() && !misses[0].fatal);
        assert!(open(&files, "d", "no.conf", Checks::ALL).1[0].fatal);
        let (opened, misses) = open(&files, "d", "*.conf", Checks::ALL);
        assert_eq!((opened.len(), misses.len()), (1, 0));
        assert!(open(&files, "d", "*.none", Checks::ALL).1[0].fatal);
    }

    #[test]
    fn words_of_include_check_switch_single_checks() {
        let checks = Checks::ALL.with_word("-readable").unwrap();
        assert!(!checks.readable && checks.brace);
        assert!(Checks::default().with_word("match").unwrap().matched);
        assert_eq!(Checks::default().with_word("other"), None);
    }
}
