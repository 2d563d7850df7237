//! Text that remembers where each of its bytes came from.
//!
//! The preprocessor cuts, trims and replaces; diagnostics must still point at what the operator wrote.
//! A [`Text`] therefore carries pieces: runs of bytes copied from the source line, and runs that
//! replaced something and point at all of what they replaced.

use std::ops::Range;

use super::source::{FileId, Span};
use crate::lexer::is_blank;

/// One line of text with the source of its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    text: String,
    pieces: Vec<Piece>,
    file: FileId,
    line: u32,
}

/// From byte `at` of the text on, bytes come from `source` of the source line.
#[derive(Clone, Debug)]
struct Piece {
    at: usize,
    source: Range<usize>,
    /// Whether the bytes are the source's own, one to one; else all stand for all of `source`.
    copied: bool,
}

impl Text {
    /// A source line as it was read.
    pub(crate) fn copied(file: FileId, line: u32, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            pieces: vec![Piece {
                at: 0,
                source: 0..text.len(),
                copied: true,
            }],
            file,
            line,
        }
    }

    /// `text` in place of `span`: a later line of a definition, one round of a sequence.
    pub(crate) fn standing_for(span: Span, text: &str) -> Self {
        let source = widen(span.start)..widen(span.end);
        Self {
            text: text.to_owned(),
            pieces: vec![Piece {
                at: 0,
                source,
                copied: false,
            }],
            file: span.file,
            line: span.line,
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether no byte is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Where bytes `range` come from.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        let first = self.source_of(range.start);
        let start = first.start;
        let end = if range.end > range.start {
            self.source_of(range.end - 1).end.max(start)
        } else {
            start
        };
        Span {
            file: self.file,
            line: self.line,
            start: narrow(start),
            end: narrow(end),
        }
    }

    /// Where all of it comes from.
    pub(crate) fn whole(&self) -> Span {
        self.span(0..self.text.len())
    }

    /// The bytes `range` as a text of its own.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let mut out = Self {
            text: String::new(),
            pieces: Vec::new(),
            file: self.file,
            line: self.line,
        };
        out.append(self, range);
        out
    }

    /// Without white space at both ends.
    pub(crate) fn trimmed(&self) -> Self {
        let end = self.text.trim_end_matches(is_blank).len();
        let start = end - self.text[..end].trim_start_matches(is_blank).len();
        if (start, end) == (0, self.text.len()) {
            return self.clone();
        }
        self.slice(start..end)
    }

    /// With the bytes `range` replaced by `insert`, which points at what it replaced.
    pub(crate) fn replaced(&self, range: Range<usize>, insert: &str) -> Self {
        let mut out = self.slice(0..range.start);
        if !insert.is_empty() {
            let span = self.span(range.clone());
            out.pieces.push(Piece {
                at: out.text.len(),
                source: widen(span.start)..widen(span.end),
                copied: false,
            });
            out.text.push_str(insert);
        }
        out.append(self, range.end..self.text.len());
        out
    }

    fn append(&mut self, from: &Self, range: Range<usize>) {
        if range.is_empty() {
            if self.pieces.is_empty() {
                let at = from.source_of(range.start).start;
                self.pieces.push(Piece {
                    at: 0,
                    source: at..at,
                    copied: true,
                });
            }
            return;
        }
        for (index, piece) in from.pieces.iter().enumerate() {
            let piece_end = from
                .pieces
                .get(index + 1)
                .map_or(from.text.len(), |next| next.at);
            let start = piece.at.max(range.start);
            let end = piece_end.min(range.end);
            if start >= end {
                continue;
            }
            let source = if piece.copied {
                let offset = piece.source.start;
                offset + (start - piece.at)..offset + (end - piece.at)
            } else {
                piece.source.clone()
            };
            self.pieces.push(Piece {
                at: self.text.len() + (start - piece.at.max(range.start)),
                source,
                copied: piece.copied,
            });
            self.text.push_str(&from.text[start..end]);
        }
    }

    fn source_of(&self, at: usize) -> Range<usize> {
        let index = self.pieces.partition_point(|piece| piece.at <= at);
        let Some(piece) = index.checked_sub(1).and_then(|last| self.pieces.get(last)) else {
            return 0..0;
        };
        if piece.copied {
            let byte = (piece.source.start + (at - piece.at)).min(piece.source.end);
            byte..byte + 1
        } else {
            piece.source.clone()
        }
    }
}

fn widen(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &Text, range: Range<usize>) -> (u32, u32) {
        let span = text.span(range);
        (span.start, span.end)
    }

    #[test]
    fn copied_bytes_keep_their_columns_through_trimming() {
        let text = Text::copied(FileId::default(), 1, "  priority 100  ").trimmed();
        assert_eq!(text.as_str(), "priority 100");
        assert_eq!(bytes(&text, 9..12), (11, 14));
    }

    #[test]
    fn a_replacement_points_at_what_it_replaced() {
        let text = Text::copied(FileId::default(), 1, "10.0.0.${N}/24 x").replaced(7..11, "150");
        assert_eq!(text.as_str(), "10.0.0.150/24 x");
        assert_eq!(bytes(&text, 7..10), (7, 11));
        assert_eq!(bytes(&text, 8..9), (7, 11));
        assert_eq!(bytes(&text, 14..15), (15, 16));
    }

    #[test]
    fn an_empty_text_still_has_a_place() {
        let text = Text::copied(FileId::default(), 3, "abc").slice(3..3);
        assert!(text.is_empty());
        assert_eq!(text.whole().line, 3);
    }
}
