//! A file that is being read, line by line.

use std::sync::Arc;

use super::include::Checks;
use crate::span::{FileId, Text};

/// keepalived reads lines into a buffer of 1,024 bytes (`MAXBUF`), of which one ends the string.
pub(super) const MAX_LINE: usize = 1_023;

/// A file and how far it was read.
pub(super) struct OpenFile {
    id: FileId,
    text: Arc<str>,
    at: usize,
    line: u32,
    line_start: usize,
    /// What relative includes are seen from.
    pub(super) directory: String,
    /// How many includes lead here.
    pub(super) depth: usize,
    /// The checks that hold again when this file is done.
    pub(super) checks_before: Checks,
}

impl OpenFile {
    /// A file from its start.
    pub(super) fn new(
        id: FileId,
        text: Arc<str>,
        directory: String,
        depth: usize,
        checks_before: Checks,
    ) -> Self {
        Self {
            id,
            text,
            at: 0,
            line: 1,
            line_start: 0,
            directory,
            depth,
            checks_before,
        }
    }

    /// The next line without its end, and whether it is whole; none at the end of the file.
    ///
    /// Of a line that is too long the rest comes as another line, as keepalived reads it. A NUL ends a
    /// line early, as it ends a string.
    pub(super) fn next_line(&mut self) -> Option<(Text, bool)> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let full = rest.find('\n').unwrap_or(rest.len());
        let length = if full >= MAX_LINE {
            rest.floor_char_boundary(MAX_LINE)
        } else {
            full
        };
        let start = self.at - self.line_start;
        let source = &self.text[self.line_start..self.at + length];
        let end = source[start..]
            .find('\0')
            .map_or(source.len(), |nul| start + nul);
        let source = source[..end].trim_end_matches('\r');
        let line = Text::copied(self.id, self.line, source);
        let line = line.slice(start.min(source.len())..source.len());
        self.at += length;
        if length == full {
            self.at = (self.at + 1).min(self.text.len());
            self.line += 1;
            self.line_start = self.at;
        }
        Some((line, length == full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(String, u32, u32)> {
        let mut file = OpenFile::new(
            FileId::default(),
            text.into(),
            String::new(),
            0,
            Checks::default(),
        );
        std::iter::from_fn(|| file.next_line())
            .map(|(line, _)| {
                let span = line.whole();
                (line.as_str().to_owned(), span.line, span.start)
            })
            .collect()
    }

    #[test]
    fn line_ends_of_both_kinds_and_none_are_read() {
        let read = lines("a\r\n\nb");
        assert_eq!(
            read,
            [
                ("a".to_owned(), 1, 0),
                (String::new(), 2, 0),
                ("b".to_owned(), 3, 0)
            ]
        );
    }

    #[test]
    fn a_long_line_is_read_in_pieces_that_keep_their_columns() {
        let read = lines(&format!("{}\nx", "y".repeat(2_000)));
        let shape: Vec<(usize, u32, u32)> = read
            .iter()
            .map(|(text, line, start)| (text.len(), *line, *start))
            .collect();
        assert_eq!(shape, [(1_023, 1, 0), (977, 1, 1_023), (1, 2, 0)]);
    }

    #[test]
    fn a_nul_ends_its_line() {
        assert_eq!(lines("ab\0cd\ne")[0].0, "ab");
    }
}
