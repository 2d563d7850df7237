//! Topologies of real hosts in network namespaces, captures of what passes between them, and the
//! labs that show each forwarding method at work.
//!
//! [`run`] is `xvs lab`. [`Topology`] and [`Host`] serve tests of any crate. The daemon needs nothing
//! of this; a lab drives it by commands of the `xvs` binary, as its users do.

mod args;
mod capture;
pub mod curl;
mod error;
mod experiment;
mod frame;
mod ha;
mod host;
mod interrupt;
mod labs;
mod ledger;
mod manage;
mod namespace;
mod process;
mod report;
mod text;
mod topology;
mod walk;
mod web;
mod xvs;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::json;

pub use args::{HaArgs, HaPeer, LabArgs, LabCommand, LabHook, RunArgs};
pub use capture::{Capture, Port, Sighting};
pub use error::LabError;
pub use frame::{Frame, Ip, Mac, Tcp};
pub use host::{Host, Running};
pub use labs::Method;
pub use ledger::folder;
pub use namespace::Namespace;
pub use process::ProcessId;
pub use topology::Topology;
pub use walk::{End, Hop, NamedMac, Walk, Wiring};
pub use web::{WebFiles, WebServer};

/// Runs `xvs lab`: results go to stdout, what went wrong to stderr, a line each.
///
/// The exit code is 0 only if every request of every lab was answered, every real server had its
/// share, and replies went the way that the method promises; else 1. Wrong usage, 2, is the
/// business of whoever parses the command line.
///
/// While a lab runs, SIGINT and SIGTERM end it in order; they stay caught in this process.
#[must_use]
pub fn run(command: &LabCommand) -> ExitCode {
    let result = match command {
        LabCommand::All(run) => labs(&Method::ALL, run),
        LabCommand::Dr(run) => labs(&[Method::Dr], run),
        LabCommand::Fullnat(run) => labs(&[Method::Fullnat], run),
        LabCommand::Nat(run) => labs(&[Method::Nat], run),
        LabCommand::Tun(run) => labs(&[Method::Tun], run),
        LabCommand::Ha(arguments) => pair(arguments),
        LabCommand::Down => down(),
        LabCommand::Shell { host } => manage::shell(host).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("xvs lab: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs the lab of two directors; true when it showed what it should.
fn pair(arguments: &HaArgs) -> Result<bool, LabError> {
    topology::require_root()?;
    interrupt::catch()?;
    let interrupted = |error| interrupt::check().err().unwrap_or(error);
    let (text, json, problems) = match arguments.rounds {
        Some(rounds) => {
            let report = ha::compare(arguments, rounds).map_err(interrupted)?;
            (report.text(), json!(report), report.problems)
        }
        None => {
            let report = ha::conduct(arguments).map_err(interrupted)?;
            (report.text(), json!(report), report.problems)
        }
    };
    if arguments.json {
        print(&format!("{json:#}\n"))?;
    } else {
        let text = text.map_err(io::Error::other);
        print(&text.map_err(LabError::system("write the report"))?)?;
    }
    for problem in &problems {
        complain(&format!("xvs lab ha: {problem}"));
    }
    Ok(problems.is_empty())
}

/// Runs labs one after the other; true when all of them showed what they should.
fn labs(methods: &[Method], run: &RunArgs) -> Result<bool, LabError> {
    topology::require_root()?;
    interrupt::catch()?;
    let mut reports = Vec::new();
    for method in methods {
        // A terminal's Ctrl-C ends the commands of the lab too: what they complain of then is not
        // what went wrong.
        let report = experiment::conduct(*method, run)
            .map_err(|error| interrupt::check().err().unwrap_or(error))?;
        if !run.json {
            let text = text::render(&report).map_err(io::Error::other);
            print(&text.map_err(LabError::system("write the report"))?)?;
        }
        for problem in &report.problems {
            complain(&format!("xvs lab {}: {problem}", method.name()));
        }
        reports.push(report);
    }
    let good = reports.iter().all(|report| report.problems.is_empty());
    if run.json {
        let document = json!({ "labs": reports, "ok": good });
        print(&format!("{document:#}\n"))?;
    }
    Ok(good)
}

fn down() -> Result<bool, LabError> {
    let names = manage::down()?;
    if names.is_empty() {
        print("no lab is up\n")?;
    }
    for name in names {
        print(&format!("{name} is down\n"))?;
    }
    Ok(true)
}

fn print(text: &str) -> Result<(), LabError> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(LabError::system("write to stdout"))
}

fn complain(line: &str) {
    // Where stderr is closed there is nobody to tell; the exit code still does.
    let _ = writeln!(io::stderr(), "{line}");
}
