//! The page: one file without anything from elsewhere.

use std::fmt::Write;

use super::{Report, cells, plot};
use crate::row::Part;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}th,td{padding:.15em .7em;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child,td:last-child{text-align:left}td.missed{font-weight:bold}td.missed::before{content:'\u{25b2} '}
svg{max-width:100%;height:auto}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}td,th{border-color:#444}}";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let machine = &report.machine;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>xvs: benchmark</title>\n\
         <style>{STYLE}</style>\n<h1>xvs: benchmark</h1>\n<p>{}, {} processors, {} MiB, Linux {}. Processor {}; \
         load {} before and {} after; {} run. Ratios within a run are what counts.</p>\n",
        escape(&machine.processor),
        machine.processors,
        machine.memory >> 20,
        escape(&machine.kernel),
        machine.cpu,
        machine.load_before,
        machine.load_after,
        report.scale,
    );
    for part in &report.parts {
        section(&mut page, part);
    }
    page.push_str("</html>\n");
    page
}

fn section(page: &mut String, part: &Part) {
    // Writing to a string does not fail.
    let _ = writeln!(
        page,
        "<h2 id=\"{0}\">{0}</h2>\n<p>{1}</p>\n<table>\n<tr><th>row<th>median<th>min<th>max<th>floor<th>net<th>unit, peer, gate",
        part.name,
        escape(&part.about)
    );
    for row in &part.rows {
        let cells = cells(row);
        let missed = row.gates.iter().any(|gate| !gate.met);
        let class = if missed { " class=\"missed\"" } else { "" };
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td{class}>{}",
            escape(&row.name),
            cells.numbers.join("<td>"),
            escape(&cells.remarks)
        );
    }
    page.push_str("</table>\n");
    for picture in &part.plots {
        page.push_str(&plot::svg(picture));
    }
    for note in &part.notes {
        let _ = writeln!(page, "<p>{}</p>", escape(note));
    }
}

/// Text for between tags.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_cannot_become_a_tag() {
        assert_eq!(escape("a<b> & c"), "a&lt;b&gt; &amp; c");
    }
}
