//! File name patterns as glob(3) has them: `*`, `?`, `[...]`, and csh braces `{a,b}`.

use crate::host::Files;

/// At most this many names come from one pattern: braces multiply.
const MAX_ALTERNATIVES: usize = 1_000;

/// What a pattern matched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Matches {
    /// Paths, alternatives in the order of the braces, each in the order of the alphabet.
    pub(crate) paths: Vec<String>,
    /// Some alternative without wildcards, or a directory, does not exist.
    pub(crate) something_missing: bool,
    /// The pattern has `{`.
    pub(crate) has_brace: bool,
}

/// All files that `pattern` (relative to `directory` unless absolute) matches.
pub(crate) fn expand(files: &dyn Files, directory: &str, pattern: &str) -> Matches {
    let mut matches = Matches {
        has_brace: pattern.contains('{'),
        ..Matches::default()
    };
    for alternative in alternatives(pattern) {
        let path = join(directory, &alternative);
        if has_wildcard(&path) {
            let mut found = Vec::new();
            let mut missing = false;
            walk(files, "", &path, &mut found, &mut missing);
            found.sort();
            matches.something_missing |= missing && found.is_empty();
            matches.paths.append(&mut found);
        } else if exists(files, &path) {
            matches.paths.push(path);
        } else {
            matches.something_missing = true;
        }
    }
    matches
}

/// `path` seen from `directory`.
pub(crate) fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') || directory.is_empty() {
        path.to_owned()
    } else {
        format!("{}/{path}", directory.trim_end_matches('/'))
    }
}

fn exists(files: &dyn Files, path: &str) -> bool {
    !matches!(files.read(path), Err(crate::host::FileError::NotFound))
}

fn walk(files: &dyn Files, done: &str, rest: &str, found: &mut Vec<String>, missing: &mut bool) {
    let (part, behind) = match rest.split_once('/') {
        Some((part, behind)) => (part, Some(behind)),
        None => (rest, None),
    };
    if !has_wildcard(part) {
        let path = format!("{done}{part}");
        match behind {
            Some(behind) => walk(files, &format!("{path}/"), behind, found, missing),
            None if exists(files, &path) => found.push(path),
            None => *missing = true,
        }
        return;
    }
    let directory = if done == "/" {
        "/"
    } else {
        done.trim_end_matches('/')
    };
    let Ok(names) = files.list(directory) else {
        *missing = true;
        return;
    };
    for name in names {
        if name.starts_with('.') && !part.starts_with('.') {
            continue;
        }
        if !wildcard_match(part.as_bytes(), name.as_bytes()) {
            continue;
        }
        let path = format!("{done}{name}");
        match behind {
            Some(behind) => walk(files, &format!("{path}/"), behind, found, missing),
            None => found.push(path),
        }
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Matches with one place to fall back to, so that many `*` cost no more than length times length.
fn wildcard_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut fallback = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                fallback = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => class_match(&pattern[p..], name[n]),
            Some(byte) => (*byte == name[n]).then_some(1),
            None => None,
        };
        match (step, fallback) {
            (Some(length), _) => {
                p += length;
                n += 1;
            }
            (None, Some((star, from))) => {
                p = star;
                n = from + 1;
                fallback = Some((star, n));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The length of the class at the head of `pattern`, if `byte` is in it.
fn class_match(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let close = first + 1 + pattern.get(first + 1..)?.iter().position(|b| *b == b']')?;
    let class = &pattern[first..close];
    let mut inside = false;
    let mut at = 0;
    while at < class.len() {
        if at + 2 < class.len() && class[at + 1] == b'-' {
            inside |= (class[at]..=class[at + 2]).contains(&byte);
            at += 3;
        } else {
            inside |= class[at] == byte;
            at += 1;
        }
    }
    (inside != negated).then_some(close + 1)
}

/// The pattern once for each choice of its braces.
fn alternatives(pattern: &str) -> Vec<String> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(text) = open.pop() {
        if done.len() + open.len() > MAX_ALTERNATIVES {
            break;
        }
        match brace(&text) {
            Some((start, choices, end)) => {
                for choice in choices.iter().rev() {
                    open.push(format!("{}{choice}{}", &text[..start], &text[end..]));
                }
            }
            None => done.push(text),
        }
    }
    done
}

/// The first balanced brace: where it starts, its choices, and where it ends.
fn brace(text: &str) -> Option<(usize, Vec<String>, usize)> {
    let start = text.find('{')?;
    let mut depth = 0_usize;
    let mut choices = vec![String::new()];
    for (at, character) in text[start..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        let last = choices.len() - 1;
        match character {
            '{' if depth == 1 => {}
            '}' if depth == 0 => return Some((start, choices, start + at + 1)),
            ',' if depth == 1 => choices.push(String::new()),
            _ => choices[last].push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::MemoryFiles;

    fn files() -> MemoryFiles {
        MemoryFiles::new()
            .with("/etc/k/a.conf", "")
            .with("/etc/k/b.conf", "")
            .with("/etc/k/.hidden.conf", "")
            .with("/etc/k/d/c.conf", "")
    }

    #[test]
    fn wildcards_match_in_order_and_skip_hidden_files() {
        let matches = expand(&files(), "/etc/k", "*.conf");
        assert_eq!(matches.paths, ["/etc/k/a.conf", "/etc/k/b.conf"]);
        let matches = expand(&files(), "/etc", "k/[!a].conf");
        assert_eq!(matches.paths, ["/etc/k/b.conf"]);
        assert_eq!(
            expand(&files(), "", "/etc/k/*/?.conf").paths,
            ["/etc/k/d/c.conf"]
        );
    }

    #[test]
    fn braces_choose_and_say_what_is_missing() {
        let matches = expand(&files(), "/etc/k", "{b,a,x}.conf");
        assert_eq!(matches.paths, ["/etc/k/b.conf", "/etc/k/a.conf"]);
        assert!(matches.something_missing);
        assert!(matches.has_brace);
    }

    #[test]
    fn a_pattern_of_many_stars_ends() {
        assert!(!wildcard_match(&[b'*'; 64], b"") || wildcard_match(&[b'*'; 64], b"a"));
        let pattern = "*a".repeat(40);
        assert!(!wildcard_match(
            pattern.as_bytes(),
            "a".repeat(39).as_bytes()
        ));
    }

    #[test]
    fn a_bomb_of_braces_is_bounded() {
        assert!(alternatives(&"{a,b}".repeat(40)).len() <= MAX_ALTERNATIVES + 1);
    }
}
