//! The three programs: `ipvsadm`, and what Debian ships as shell scripts around it.

use std::io::{self, BufRead, Write};

use xvs_types::Op;

use crate::{
    backend::{Backend, BackendError},
    command::Command,
    execute::{Outcome, Session},
    names::Names,
    parse::{self, Refusal, USAGE},
    restore,
};

/// Under which name the program was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// `ipvsadm`.
    Ipvsadm,
    /// `ipvsadm-restore`: clears, then `ipvsadm -R` without the lines that start with `#`. Takes
    /// `--instance NAME` and `--atomic` (clearing and restoring as one batch) and ignores the rest.
    Restore,
    /// `ipvsadm-save`: `ipvsadm -S`. Takes `-n`, `--instance NAME` and `--full-save`; any other
    /// option prints its help.
    Save,
}

/// Where a command reads and writes.
pub struct Streams<'a> {
    /// Rules for `-R`.
    pub stdin: &'a mut dyn BufRead,
    /// Listings.
    pub stdout: &'a mut dyn Write,
    /// Messages.
    pub stderr: &'a mut dyn Write,
}

/// Runs one command line and answers its exit status.
///
/// `argv` begins with the program's name, which messages repeat. The status is 0 when it was done,
/// 1 for a listing of what does not exist and for a stream that could not be read or written, 2 for
/// a wrong command line or a dataplane out of reach, 255 for what the kernel or popt would refuse.
pub fn run(
    face: Face,
    argv: &[String],
    backend: &mut dyn Backend,
    names: &dyn Names,
    streams: &mut Streams<'_>,
) -> u8 {
    let (program, arguments) = match argv.split_first() {
        Some((program, arguments)) => (program.as_str(), arguments),
        None => ("ipvsadm", argv),
    };
    let outcome = match face {
        Face::Ipvsadm => ipvsadm(program, arguments, backend, names, streams),
        Face::Restore => restore_script(arguments, backend, names, streams),
        Face::Save => save_script(program, arguments, backend, names, streams),
    };
    match outcome {
        Ok(outcome) => outcome.status,
        Err(error) => {
            // A reader that left wants to hear no more; whether standard error works is unknown.
            if error.kind() != io::ErrorKind::BrokenPipe {
                let _unheard = writeln!(streams.stderr, "{program}: {error}");
            }
            1
        }
    }
}

fn ipvsadm(
    program: &str,
    arguments: &[String],
    backend: &mut dyn Backend,
    names: &dyn Names,
    streams: &mut Streams<'_>,
) -> io::Result<Outcome> {
    let opened = backend.open(parse::instance(arguments));
    if let Err(error @ BackendError::PermissionDenied) = &opened {
        return cannot_initialize(error, streams);
    }
    let command = if arguments.is_empty() {
        Ok(parse::list_all())
    } else {
        parse::parse(program, arguments, names, false)
    };
    let mut session = Session::new(program, backend, names, opened.err());
    match command {
        Ok(command) => session.run(command, streams),
        Err(refusal) => report(&refusal, streams),
    }
}

fn save_script(
    program: &str,
    arguments: &[String],
    backend: &mut dyn Backend,
    names: &dyn Names,
    streams: &mut Streams<'_>,
) -> io::Result<Outcome> {
    let mut line = vec!["-S".to_owned()];
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "-n" if line.contains(argument) => {}
            "-n" | "--full-save" => line.push(argument.clone()),
            "--instance" => {
                line.push(argument.clone());
                line.extend(rest.next().cloned());
            }
            other if other.starts_with("--instance=") => line.push(argument.clone()),
            other if other.starts_with('-') => {
                let name = program.rsplit('/').next().unwrap_or(program);
                writeln!(
                    streams.stderr,
                    "{name}: Script to save the IPVS table to stdout.\n   With the -n option, prints out the table in numeric format."
                )?;
                return Ok(Outcome::exit(1));
            }
            _ => {}
        }
    }
    ipvsadm("ipvsadm", &line, backend, names, streams)
}

fn restore_script(
    arguments: &[String],
    backend: &mut dyn Backend,
    names: &dyn Names,
    streams: &mut Streams<'_>,
) -> io::Result<Outcome> {
    let opened = backend.open(parse::instance(arguments));
    if let Err(error @ BackendError::PermissionDenied) = &opened {
        return cannot_initialize(error, streams);
    }
    let atomic = arguments.iter().any(|argument| argument == "--atomic");
    let mut session = Session::new("ipvsadm", backend, names, opened.err());
    if atomic {
        return restore::atomic(
            &mut session,
            Some(Op::Flush),
            restore::skip_comments,
            streams,
        );
    }
    let cleared = session.run(Command::Apply(Op::Flush), streams)?;
    if cleared.stops {
        return Ok(cleared);
    }
    restore::line_by_line(&mut session, restore::skip_comments, streams)
}

/// Writes why a command line is none.
pub(crate) fn report(refusal: &Refusal, streams: &mut Streams<'_>) -> io::Result<Outcome> {
    writeln!(streams.stderr, "{}", refusal.message)?;
    Ok(Outcome {
        status: refusal.status,
        stops: refusal.stops,
    })
}

fn cannot_initialize(error: &BackendError, streams: &mut Streams<'_>) -> io::Result<Outcome> {
    writeln!(
        streams.stderr,
        "Can't initialize ipvs: {error}\nAre you sure that IP Virtual Server is built in the kernel or as module?"
    )?;
    Ok(Outcome::exit(USAGE))
}
