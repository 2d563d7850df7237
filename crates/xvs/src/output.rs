//! What commands print: tables for people, JSON for programs, messages on stderr.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

/// Writes bytes to stdout.
pub(crate) fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// Writes a value as indented JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write(&text)
}

/// Writes a line to stderr.
pub(crate) fn message(line: &str) {
    // Where stderr is closed there is nobody to tell; the exit status still does.
    let _closed = writeln!(io::stderr(), "{line}");
}

/// Whether stdout takes colours and bold text: it is a terminal, and `NO_COLOR` is not set.
pub(crate) fn styled() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table with a heading; each column is as wide as its widest cell.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells beyond the columns are not shown.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, its heading bold where `bold`.
    pub(crate) fn text(&self, bold: bool) -> String {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(column, (heading, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|cell| cell.chars().count())
                    .fold(heading.len(), usize::max)
            })
            .collect();
        let headings = self.columns.iter().map(|(heading, _)| *heading);
        let heading = self.line(headings, &widths);
        let mut text = if bold {
            format!("\x1b[1m{heading}\x1b[0m\n")
        } else {
            format!("{heading}\n")
        };
        for row in &self.rows {
            text.push_str(&self.line(row.iter().map(String::as_str), &widths));
            text.push('\n');
        }
        text
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
        let padded: Vec<String> = cells
            .zip(&self.columns)
            .zip(widths)
            .map(|((cell, (_, align)), width)| match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            })
            .collect();
        padded.join("  ").trim_end().to_owned()
    }
}

/// A count as people read it: `999`, `12.3k`, `4.5M`.
pub(crate) fn short(count: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    for (unit, letter) in UNITS {
        if count >= unit {
            let tenths = (count % unit) / (unit / 10);
            return format!("{}.{tenths}{letter}", count / unit);
        }
    }
    count.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("NAME", Align::Left), ("N", Align::Right)]);
        table.row(["a".to_owned(), "1".to_owned()]);
        table.row(["longer".to_owned(), "200".to_owned()]);
        assert_eq!(table.text(false), "NAME      N\na         1\nlonger  200\n");
        assert!(table.text(true).starts_with("\x1b[1mNAME      N\x1b[0m\n"));
    }

    #[test]
    fn counts_are_cut_and_never_rounded_up() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.0k"),
            (1_999, "1.9k"),
            (999_999, "999.9k"),
            (12_345_678, "12.3M"),
            (u64::MAX, "18446744.0T"),
        ] {
            assert_eq!(short(count), text);
        }
    }
}
