//! The syntax tree: statements with spans, which print back to text that reads as the same tree.
//!
//! The tree stands behind the preprocessor: definitions are replaced, sequences unrolled, includes
//! read. It is built with the keyword table at hand, because in keepalived's grammar only the table
//! tells whose a brace is.

mod build;
mod print;

use std::ops::Range;

pub(crate) use build::build;

use crate::span::Span;

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The statements outside of all blocks.
    pub statements: Vec<Statement>,
}

/// One line, and the block it opens.
#[derive(Clone, Debug)]
pub struct Statement {
    text: String,
    words: Vec<Word>,
    span: Span,
    body: Option<Vec<Self>>,
    known: bool,
}

/// One word: bytes of its statement's text.
#[derive(Clone, Debug)]
struct Word {
    range: Range<usize>,
    span: Span,
}

impl Statement {
    /// The line as it is behind the preprocessor, with its quotes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the line stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// The word at `index`; 0 is the keyword or, in a block of entries, the first word.
    #[must_use]
    pub fn word(&self, index: usize) -> Option<&str> {
        self.words
            .get(index)
            .map(|word| &self.text[word.range.clone()])
    }

    /// How many words there are, at least one.
    #[must_use]
    pub fn word_count(&self) -> usize {
        self.words.len()
    }

    /// Where the word at `index` stands; the end of the line when there is none.
    #[must_use]
    pub fn word_span(&self, index: usize) -> Span {
        match self.words.get(index) {
            Some(word) => word.span,
            None => Span {
                start: self.span.end,
                ..self.span
            },
        }
    }

    /// The statements of its block; none when it opens no block.
    #[must_use]
    pub fn body(&self) -> Option<&[Self]> {
        self.body.as_deref()
    }

    /// Whether the keyword table knows it; unknown ones are kept, and do nothing.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known
    }
}

/// Spans do not count: two trees are the same when they say the same.
impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        let words = |statement: &Self| {
            (0..statement.word_count())
                .map(|index| statement.word(index).map(str::to_owned))
                .collect::<Vec<_>>()
        };
        self.text == other.text
            && self.known == other.known
            && words(self) == words(other)
            && self.body == other.body
    }
}

impl Eq for Statement {}
