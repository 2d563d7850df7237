//! Comments: `#` and `!` outside of double quotes end a line; `\#` and `\!` escape them.

use crate::span::Text;

/// A line without its comment and the blanks around it.
pub(crate) struct Stripped {
    /// What is left; a continued line keeps its `\` at the end.
    pub(crate) text: Text,
    /// The line ends within quotes.
    pub(crate) open_quote: bool,
    /// The comment begins within a word, as in `ab#cd`.
    pub(crate) cut_word: bool,
}

/// Takes the comment off `line`.
pub(crate) fn strip(line: &Text) -> Stripped {
    let mut text = line.trimmed();
    let mut quoted = false;
    let mut comment = None;
    let mut continued = false;
    let mut at = 0;
    while let Some(found) = next_special(text.as_str(), at) {
        let byte = text.as_str().as_bytes()[found];
        at = found + 1;
        match byte {
            b'"' if comment.is_none() => quoted = !quoted,
            b'\\' => match text.as_str().as_bytes().get(at) {
                None => {
                    continued = true;
                    text = text.slice(0..found);
                    break;
                }
                Some(b'#' | b'!') if !quoted => text = text.replaced(found..at, ""),
                Some(_) => at += 1,
            },
            b'#' | b'!' if !quoted && comment.is_none() => comment = Some(found),
            _ => {}
        }
    }
    let mut cut_word = false;
    if let Some(found) = comment {
        cut_word = found > 0 && !text.as_str()[..found].ends_with([' ', '\t', '{', '}', '#', '!']);
        text = text.slice(0..found);
    }
    text = text.trimmed();
    if continued {
        let end = text.as_str().len();
        text = text.replaced(end..end, "\\");
    }
    Stripped {
        text,
        open_quote: quoted,
        cut_word,
    }
}

/// Whether `text` ends with a `\` that escapes nothing: its line goes on.
pub(crate) fn is_continued(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && bytes.next().is_none() {
            return true;
        }
    }
    false
}

/// `text` with its signs escaped where they would begin a comment.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' => {
                out.push('\\');
                out.extend(characters.next());
                continue;
            }
            '#' | '!' if !quoted => out.push('\\'),
            _ => {}
        }
        out.push(character);
    }
    out
}

fn next_special(text: &str, from: usize) -> Option<usize> {
    let rest = text.as_bytes().get(from..)?;
    let found = rest
        .iter()
        .position(|byte| matches!(byte, b'!' | b'#' | b'"' | b'\\'))?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;

    fn stripped(line: &str) -> Stripped {
        strip(&Text::copied(FileId::default(), 1, line))
    }

    #[test]
    fn a_comment_ends_the_line_also_within_a_word() {
        assert_eq!(
            stripped("  priority 100 # mine ! x").text.as_str(),
            "priority 100"
        );
        assert!(!stripped("priority 100 # mine").cut_word);
        let cut = stripped("auth_pass ab#cd");
        assert_eq!(cut.text.as_str(), "auth_pass ab");
        assert!(cut.cut_word);
        assert!(stripped("! all of it").text.is_empty());
    }

    #[test]
    fn quotes_and_escapes_keep_the_signs() {
        assert_eq!(
            stripped("script \"a # b\"").text.as_str(),
            "script \"a # b\""
        );
        assert_eq!(
            stripped(r"auth_pass ab\#cd").text.as_str(),
            "auth_pass ab#cd"
        );
        assert!(stripped("script \"a").open_quote);
    }

    #[test]
    fn a_continued_line_keeps_its_backslash() {
        assert_eq!(stripped("$A= foo   \\").text.as_str(), "$A= foo\\");
    }

    #[test]
    fn escaping_brings_the_same_text_back() {
        for text in ["ab#cd", "\"a # b\" x!", r"a\\#b", "plain"] {
            assert_eq!(stripped(&escape(text)).text.as_str(), text);
        }
    }
}
