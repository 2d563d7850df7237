//! Words of ordinary keywords: split at white space, `"..."` is one word without its quotes.

use std::ops::Range;

/// The words of a line as byte ranges, without quotes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) ranges: Vec<Range<usize>>,
    /// The last quote does not end; what follows it is no word.
    pub(crate) open_quote: Option<usize>,
}

/// Splits `line`. A quote also ends a word, so that `a"b"` are two.
pub(crate) fn words(line: &str) -> Words {
    let mut ranges = Vec::with_capacity(4);
    let mut at = 0;
    loop {
        at += blanks(&line[at..]);
        if at == line.len() {
            break;
        }
        if line[at..].starts_with('"') {
            let start = at + 1;
            let Some(length) = line[start..].find('"') else {
                return Words {
                    ranges,
                    open_quote: Some(at),
                };
            };
            ranges.push(start..start + length);
            at = start + length + 1;
        } else {
            let length = line[at..]
                .find(|character| is_blank(character) || character == '"')
                .unwrap_or(line.len() - at);
            ranges.push(at..at + length);
            at += length;
        }
    }
    Words {
        ranges,
        open_quote: None,
    }
}

fn blanks(text: &str) -> usize {
    text.find(|character| !is_blank(character))
        .unwrap_or(text.len())
}

/// The white space of keepalived's parser.
pub(crate) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<&str> {
        words(line)
            .ranges
            .into_iter()
            .map(|range| &line[range])
            .collect()
    }

    #[test]
    fn quotes_group_and_vanish() {
        assert_eq!(split("a  \"b c\" \td"), ["a", "b c", "d"]);
        assert_eq!(split("a\"b\"\"\""), ["a", "b", ""]);
        assert_eq!(split(" \t "), Vec::<&str>::new());
    }

    #[test]
    fn an_open_quote_is_told() {
        let words = words("a \"b c");
        assert_eq!(words.ranges.len(), 1);
        assert_eq!(words.open_quote, Some(2));
    }
}
