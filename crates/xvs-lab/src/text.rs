//! A lab's report for people: the commands, the packet walk, who answered, and the tables.

use std::{
    fmt::{self, Write},
    iter,
};

use crate::{
    Hop, NamedMac,
    labs::{DIRECTOR, Family},
    report::{Answers, Command, Report},
};

/// Writes a report.
pub(crate) fn render(report: &Report) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let out = &mut text;
    let family = match report.family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    };
    let name = report.lab.name();
    writeln!(out, "=== lab {name}, {family}, hook {} ===", report.hook)?;
    writeln!(out, "{}\n", report.title)?;
    hosts(out, report)?;
    commands(out, &report.commands)?;
    walk(out, report)?;
    answers(out, &report.answers)?;
    for server in &report.real_servers {
        let clients: Vec<_> = server.clients.iter().map(String::as_str).collect();
        let seen = if clients.is_empty() {
            "nobody".to_owned()
        } else {
            clients.join(" ")
        };
        writeln!(out, "  {} logged requests of {seen}", server.name)?;
    }
    writeln!(
        out,
        "\ndirector# ipvsadm -Ln\n{}",
        report.tables.virtual_servers
    )?;
    writeln!(out, "director# ipvsadm -Lnc\n{}", report.tables.connections)?;
    if report.problems.is_empty() {
        writeln!(out, "lab {name}: as it should be")?;
    }
    Ok(text)
}

fn hosts(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "Hosts, in the order in which a request passes them")?;
    let mut rows = Vec::new();
    for host in &report.hosts {
        if host.addresses.is_empty() {
            rows.push([host.name.to_owned(), "(a bridge)".to_owned(), String::new()]);
        }
        for (link, address) in &host.addresses {
            let port = format!("{}.{link}", host.name);
            let mac = report.macs.get(&port).cloned().unwrap_or_default();
            rows.push([port, mac, address.clone()]);
        }
    }
    table(out, ["link", "MAC", "address"], &rows)?;
    writeln!(out)
}

fn commands(out: &mut String, commands: &[Command]) -> fmt::Result {
    writeln!(out, "Commands")?;
    for command in commands {
        writeln!(out, "  {}# {}", command.host, command.line)?;
        if let Some(seed) = &command.seed {
            writeln!(out, "      stands for: {seed}")?;
        }
        if let Some(note) = &command.note {
            writeln!(out, "      because: {note}")?;
        }
    }
    writeln!(out)
}

fn walk(out: &mut String, report: &Report) -> fmt::Result {
    let Some(walk) = &report.walk else {
        return writeln!(out, "Packet walk: the request was not answered\n");
    };
    writeln!(
        out,
        "Packet walk of one request to {}, as captured on every wire",
        report.url
    )?;
    hops(out, "Forward (SYN)", &walk.forward)?;
    hops(out, "Back (SYN-ACK)", &walk.back)?;
    let way = if walk.returns_through(DIRECTOR) {
        "Replies pass the director."
    } else {
        "Replies do not pass the director."
    };
    writeln!(out, "  {way}\n")
}

fn hops(out: &mut String, title: &str, hops: &[Hop]) -> fmt::Result {
    writeln!(out, "\n  {title}")?;
    let rows: Vec<_> = hops
        .iter()
        .map(|hop| {
            [
                format!("{} > {}", hop.from, hop.to),
                whose(&hop.source_mac),
                whose(&hop.destination_mac),
                hop.source.to_string(),
                hop.destination.to_string(),
                hop.encapsulation.clone().unwrap_or_else(|| "-".to_owned()),
                hop.rewritten.join(", "),
            ]
        })
        .collect();
    let head = [
        "wire",
        "source MAC",
        "destination MAC",
        "source",
        "destination",
        "encapsulation",
        "rewritten",
    ];
    table(out, head, &rows)
}

fn answers(out: &mut String, answers: &Answers) -> fmt::Result {
    let (answered, requests) = (answers.answered, answers.requests);
    writeln!(
        out,
        "Answers: {answered} of {requests} requests, scheduler rr"
    )?;
    for (server, count) in &answers.by_server {
        writeln!(out, "  {server} answered {count}")?;
    }
    Ok(())
}

fn whose(mac: &NamedMac) -> String {
    mac.port.clone().unwrap_or_else(|| mac.address.to_string())
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(out: &mut String, head: [&str; N], rows: &[[String; N]]) -> fmt::Result {
    let head = head.map(str::to_owned);
    let mut widths = [0; N];
    for row in iter::once(&head).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in iter::once(&head).chain(rows) {
        let mut line = String::from("  ");
        for (cell, width) in row.iter().zip(widths) {
            write!(line, "{cell:width$}  ")?;
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_blanks_at_their_ends() {
        let mut out = String::new();
        let rows = [
            ["a".to_owned(), String::new()],
            ["bcd".to_owned(), "e".to_owned()],
        ];
        table(&mut out, ["x", "y"], &rows).unwrap();
        assert_eq!(out, "  x    y\n  a\n  bcd  e\n");
    }
}
