//! The preprocessor: from files to logical lines and braces.
//!
//! It works on lines, before any keyword is known, in keepalived's order (v2.2.7, `lib/parser.c`):
//! comment off, `@ID` condition, `$NAME=` definition, `~SEQ` and `~LST`, `$NAME` replacement,
//! `include`, and last the braces, which become tokens of their own. What waits to be read (the rest
//! of a line behind a brace, the next round of a sequence, the next line of a definition) lies on one
//! stack; files are read when it is empty.
//!
//! Everything is bounded: include depth, files, produced lines and replacements within one line.

mod comment;
mod definition;
mod glob;
mod include;
mod open_file;
mod reader;
mod sequence;

pub(crate) use comment::escape as escape_comments;
pub(crate) use reader::{Preprocessor, Token};
