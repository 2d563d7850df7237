//! From a logical line to words.
//!
//! There are two ways, as in keepalived: ordinary keywords split at blanks and take `"..."` as one
//! word; keywords that name a script split like a shell, with both quotes and `\` escapes.

mod script;
mod words;

pub(crate) use script::script_words;
pub(crate) use words::{is_blank, words};
