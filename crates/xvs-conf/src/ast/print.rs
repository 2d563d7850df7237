//! Printing a tree back to a configuration.

use std::fmt;

use super::{Document, Statement};
use crate::preprocess::escape_comments;

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.statements
            .iter()
            .try_for_each(|statement| print(statement, 0, f))
    }
}

fn print(statement: &Statement, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let indent = depth * 4;
    // A first `@` would be read as a condition; behind one that always holds it is text again.
    let condition = if statement.text().starts_with('@') {
        "@^- "
    } else {
        ""
    };
    let text = escape_comments(statement.text());
    write!(f, "{:indent$}{condition}{text}", "")?;
    let Some(body) = statement.body() else {
        return writeln!(f);
    };
    // An open quote would swallow a brace on its own line.
    if statement.text().matches('"').count().is_multiple_of(2) {
        writeln!(f, " {{")?;
    } else {
        writeln!(f, "\n{:indent$}{{", "")?;
    }
    body.iter()
        .try_for_each(|inner| print(inner, depth + 1, f))?;
    writeln!(f, "{:indent$}}}", "")
}
