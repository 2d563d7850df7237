//! Where text stands: files, lines, byte ranges, and text that remembers where its bytes came from.
//!
//! A [`Span`] always names bytes of one line of one source file, also for text that the preprocessor
//! has rewritten: what a definition expanded to points at the place of its use.

mod source;
mod text;

pub use source::{FileId, Position, SourceMap, Span};
pub(crate) use text::Text;
