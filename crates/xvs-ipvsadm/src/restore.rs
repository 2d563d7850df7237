//! `-R`: each line of standard input is a command line, with or without `ipvsadm` in front.
//!
//! What the kernel refuses and what popt does not understand is reported and the next line comes; a
//! wrong command line ends it all. The exit status is the last line's. Changes are handed on in
//! batches, as many lines as come before one that needs an answer.

use std::io::{self, BufRead, Read};

use xvs_types::{Op, Timeouts};

use crate::{
    command::Command,
    execute::{Outcome, Session, out_of_reach},
    face::{Streams, report},
    message,
    parse::{self, REFUSED, Refusal, USAGE},
};

/// Lines after which a batch is handed on at the latest.
const BATCH: usize = 4096;

/// The length at which a line is no rule but an attack, in bytes.
const LONGEST_LINE: u64 = 65_536;

/// Whether a line is read at all.
pub(crate) type Filter = fn(&str) -> bool;

/// Reads every line, as `ipvsadm -R` does.
pub(crate) fn keep_all(_line: &str) -> bool {
    true
}

/// Passes over comments, as `ipvsadm-restore` does.
pub(crate) fn skip_comments(line: &str) -> bool {
    !line.starts_with('#')
}

/// Restores as ipvsadm does: what can be done is done.
pub(crate) fn line_by_line(
    session: &mut Session<'_>,
    filter: Filter,
    streams: &mut Streams<'_>,
) -> io::Result<Outcome> {
    let mut outcome = Outcome::DONE;
    let mut batch: Vec<Op> = Vec::new();
    let mut input = Ok(());
    loop {
        let line = match next_line(streams.stdin) {
            Ok(Some(line)) => line,
            Ok(None) => break,
            // The lines before it count all the same.
            Err(error) => {
                input = Err(error);
                break;
            }
        };
        let arguments = words(&line);
        if !filter(&line) || arguments.is_empty() {
            continue;
        }
        let command = match parse::parse(session.program, &arguments, session.names, true) {
            Ok(Command::Apply(op)) => {
                batch.push(op);
                if batch.len() < BATCH {
                    continue;
                }
                None
            }
            Ok(Command::Restore { .. }) => Some(Err(Refusal::try_help(session.program))),
            other => Some(other),
        };
        if !batch.is_empty() {
            outcome = session.apply_each(&batch, streams)?;
            batch.clear();
        }
        if !outcome.stops {
            outcome = match command {
                None => outcome,
                Some(Ok(command)) => session.run(command, streams)?,
                Some(Err(refusal)) => report(&refusal, streams)?,
            };
        }
        if outcome.stops {
            return Ok(outcome);
        }
    }
    if !batch.is_empty() {
        outcome = session.apply_each(&batch, streams)?;
    }
    input.map(|()| outcome)
}

/// Restores all lines or none, after `first`; the one message names the line at fault.
pub(crate) fn atomic(
    session: &mut Session<'_>,
    first: Option<Op>,
    filter: Filter,
    streams: &mut Streams<'_>,
) -> io::Result<Outcome> {
    let mut ops: Vec<Op> = first.into_iter().collect();
    // The line of each op; 0 for what comes before the first.
    let mut lines: Vec<usize> = vec![0; ops.len()];
    let mut timeouts: Option<Timeouts> = None;
    let mut number = 0;
    while let Some(line) = next_line(streams.stdin)? {
        number += 1;
        let arguments = words(&line);
        if !filter(&line) || arguments.is_empty() {
            continue;
        }
        let op = match parse::parse(session.program, &arguments, session.names, true) {
            Ok(Command::Apply(op)) => op,
            Ok(Command::SetTimeouts { tcp, tcp_fin, udp }) => {
                let now = match timeouts {
                    Some(timeouts) => timeouts,
                    None => match session.timeouts() {
                        Ok(timeouts) => timeouts,
                        Err(error) => return out_of_reach(&error, streams),
                    },
                };
                let set = Timeouts {
                    tcp: tcp.unwrap_or(now.tcp),
                    tcp_fin: tcp_fin.unwrap_or(now.tcp_fin),
                    udp: udp.unwrap_or(now.udp),
                };
                timeouts = Some(set);
                Op::SetTimeouts { timeouts: set }
            }
            Ok(Command::NameUnknown { .. }) => {
                return nothing_changed(number, message::NAME_UNKNOWN, REFUSED, streams);
            }
            Ok(_) => {
                let reason = "only commands that change rules can stand in an atomic restore";
                return nothing_changed(number, reason, USAGE, streams);
            }
            Err(refusal) => {
                let reason = refusal.message.trim_end();
                return nothing_changed(number, reason, refusal.status, streams);
            }
        };
        ops.push(op);
        lines.push(number);
    }
    match session.apply_all(&ops) {
        Ok(Ok(())) => Ok(Outcome::DONE),
        Ok(Err((place, error))) => {
            let line = lines.get(place).copied().unwrap_or_default();
            let reason = ops
                .get(place)
                .map_or_else(|| error.to_string(), |op| message::refusal(op, &error));
            nothing_changed(line, &reason, REFUSED, streams)
        }
        Err(error) => out_of_reach(&error, streams),
    }
}

fn nothing_changed(
    line: usize,
    reason: &str,
    status: u8,
    streams: &mut Streams<'_>,
) -> io::Result<Outcome> {
    writeln!(streams.stderr, "line {line}: {reason}; nothing was changed")?;
    Ok(Outcome::exit(status))
}

/// The next line, whatever its bytes; none at the end.
fn next_line(stdin: &mut dyn BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = Read::take(&mut *stdin, LONGEST_LINE).read_until(b'\n', &mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read >= LONGEST_LINE) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a line of standard input is longer than {LONGEST_LINE} bytes"),
        ));
    }
    Ok((read > 0).then(|| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The words of a line; quotes mean nothing. `ipvsadm` in front is passed over.
fn words(line: &str) -> Vec<String> {
    let mut words = line.split_ascii_whitespace().peekable();
    words.next_if_eq(&"ipvsadm");
    words.map(str::to_owned).collect()
}
