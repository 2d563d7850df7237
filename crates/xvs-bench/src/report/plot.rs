//! Lines over a logarithmic axis, as SVG.

use std::fmt::Write;

use super::html::escape;
use crate::row::Plot;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
/// Room at the left and below for numbers, and at the right for names.
const MARGIN: (f64, f64, f64) = (60.0, 50.0, 170.0);
/// Colours that are told apart by the colour-blind too (Okabe and Ito), and dashes beside.
const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#777777",
];

/// The picture.
pub(super) fn svg(plot: &Plot) -> String {
    let points = || plot.lines.iter().flat_map(|(_, points)| points);
    if points().next().is_none() {
        return String::new();
    }
    let log = |x: f64| x.max(1.0).log2();
    let least = points().map(|(x, _)| log(*x)).fold(f64::INFINITY, f64::min);
    let most = points().map(|(x, _)| log(*x)).fold(least + 1.0, f64::max);
    let top = points().map(|(_, y)| *y).fold(1.0, f64::max) * 1.08;
    let (left, below, right) = MARGIN;
    let at_x = |x: f64| left + (log(x) - least) / (most - least) * (WIDTH - left - right);
    let at_y = |y: f64| (HEIGHT - below) - y.max(0.0) / top * (HEIGHT - below - 30.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" font-size=\"12\" fill=\"currentColor\">\n\
         <title>{0}</title>\n<text x=\"{left}\" y=\"16\" font-size=\"14\">{0} ({1})</text>\n",
        escape(&plot.title),
        escape(&plot.y)
    );
    // Writing to a string does not fail.
    for part in 0..=4_u8 {
        let value = top * f64::from(part) / 4.0;
        let y = at_y(value);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"currentColor\" opacity=\".2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
            WIDTH - right,
            left - 6.0,
            y + 4.0
        );
    }
    let mut marks: Vec<f64> = points().map(|(x, _)| *x).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for mark in marks {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{mark}</text>",
            at_x(mark),
            HEIGHT - below + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        (left + WIDTH - right) / 2.0,
        HEIGHT - 8.0,
        escape(&plot.x)
    );
    for (index, (name, points)) in plot.lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y)))
            .collect();
        let dash = if index % 2 == 1 {
            " stroke-dasharray=\"6 3\""
        } else {
            ""
        };
        let y = 40.0 + 18.0 * f64::from(u32::try_from(index).unwrap_or(0));
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>\
             <line x1=\"{1:.1}\" x2=\"{2:.1}\" y1=\"{3:.1}\" y2=\"{3:.1}\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>\
             <text x=\"{4:.1}\" y=\"{5:.1}\">{6}</text>",
            path.join(" "),
            WIDTH - right + 12.0,
            WIDTH - right + 40.0,
            y,
            WIDTH - right + 46.0,
            y + 4.0,
            escape(name)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_drawn_and_named() {
        let line = |name: &str, y| (name.to_owned(), vec![(1.0, y), (1024.0, y * 2.0)]);
        let svg = svg(&Plot {
            title: "a plot".to_owned(),
            x: "flows".into(),
            y: "ns".into(),
            lines: vec![line("one", 10.0), line("two", 20.0)],
        });
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains(">one</text>") && svg.contains(">1024</text>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
