//! The report: a table on the terminal, JSON for machines, a page with plots for people.

mod html;
mod plot;

use std::{fmt::Write, fs, path::Path};

use anyhow::Context;
use serde::Serialize;

use crate::{
    Scale,
    machine::{self, Machine},
    row::{Part, Row},
};

/// All that was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Where.
    pub(crate) machine: Machine,
    /// How much: `whole`, `quick` or `tiny`.
    pub(crate) scale: &'static str,
    /// What.
    pub(crate) parts: Vec<Part>,
}

impl Report {
    /// An empty report of this machine.
    pub(crate) fn new(scale: &Scale, cpu: usize) -> anyhow::Result<Self> {
        Ok(Self {
            machine: Machine::read(cpu)?,
            scale: scale.name(),
            parts: Vec::new(),
        })
    }

    /// Notes the load at the end.
    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
        self.machine.load_after = machine::load()?;
        Ok(())
    }

    /// Writes `report.json` and `report.html` into a folder.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let json = serde_json::to_string_pretty(self).context("write the report as JSON")?;
        for (name, text) in [
            ("report.json", json + "\n"),
            ("report.html", html::page(self)),
        ] {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        crate::say(&format!("written to {}", folder.display()));
        Ok(())
    }
}

/// A part as a table.
pub(crate) fn text(part: &Part) -> String {
    let width = part
        .rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(0)
        .max(20);
    let mut text = format!(
        "\n{}\n{:<width$} {:>10} {:>10} {:>10} {:>10} {:>10}  {}\n",
        part.name, "", "median", "min", "max", "floor", "net", "peer, gate"
    );
    for row in &part.rows {
        let cells = cells(row);
        let [median, min, max, floor, net] = &cells.numbers;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:<width$} {median:>10} {min:>10} {max:>10} {floor:>10} {net:>10}  {}",
            row.name, cells.remarks
        );
    }
    for note in &part.notes {
        let _ = writeln!(text, "  {note}");
    }
    text
}

/// A row as text.
struct Cells {
    /// Median, least, greatest, floor, net.
    numbers: [String; 5],
    /// Unit, peer and gate.
    remarks: String,
}

fn cells(row: &Row) -> Cells {
    let blank = String::new;
    let mut remarks = vec![row.unit.clone().into_owned()];
    if let Some(peer) = &row.peer {
        remarks.push(format!("{}: {}", peer.name, number(peer.value)));
    }
    for gate in &row.gates {
        let verdict = if gate.met { "met" } else { "MISSED" };
        remarks.push(format!(
            "{} ({}): {verdict}",
            gate.limit,
            number(gate.found)
        ));
    }
    Cells {
        numbers: [
            number(row.value.median),
            number(row.value.min),
            number(row.value.max),
            row.floor
                .as_ref()
                .map_or_else(blank, |floor| number(floor.value)),
            row.net.map_or_else(blank, |net| number(net.median)),
        ],
        remarks: remarks.join(", "),
    }
}

/// A number with as many digits as it is worth.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || value == value.trunc() {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_gate_is_seen_in_the_table() {
        let part = Part {
            name: "part".into(),
            about: String::new(),
            rows: vec![Row::over("row", "ns", &[50.0], ("floor", &[10.0])).net_at_most(35.0)],
            plots: Vec::new(),
            notes: Vec::new(),
        };
        let table = text(&part);
        assert!(table.contains("net at most 35 (40): MISSED"), "{table}");
    }

    #[test]
    fn small_numbers_keep_their_digits() {
        assert_eq!(number(1.234), "1.23");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(1234.5), "1234");
        assert_eq!(number(7.0), "7");
    }
}
