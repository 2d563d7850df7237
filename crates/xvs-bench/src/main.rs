//! The benchmark of xvs: what a packet, a connection and a rule cost, each beside what cannot be cheaper
//! and beside who else does it.
//!
//! It prints a table and writes `report.json` and `report.html`. A gate is printed as met or missed;
//! nothing here fails because it was slow. Everything runs in network namespaces of its own, on one
//! processor, in interleaved rounds: read the ratios.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table goes to stdout and progress to stderr"
)]

mod control;
mod director;
mod flood;
mod kernel;
mod machine;
mod oracle;
mod program;
mod report;
mod row;
mod scale;
mod slowpath;
mod table;
mod tcp;
mod veth;

use std::{path::PathBuf, process::ExitCode, thread};

use anyhow::{Context, anyhow, bail};
use lexopt::{Arg, ValueExt};

use report::Report;
use row::Part;
pub(crate) use scale::Scale;

const USAGE: &str = "usage: xvs-bench [--quick | --tiny] [--part NAME]... [--out FOLDER] [--cpu N]";

/// A part of the benchmark by its name.
type Measure = fn(&Scale) -> anyhow::Result<Part>;

/// The parts in the order of the report.
const PARTS: [(&str, Measure); 9] = [
    ("program", program::measure),
    ("connect", program::measure_new),
    ("table", table::measure),
    ("flood", flood::measure),
    ("slowpath", slowpath::measure),
    ("control", control::measure),
    ("veth", veth::measure),
    ("tcp", tcp::measure),
    ("oracle", oracle::measure),
];

struct Options {
    scale: Scale,
    parts: Vec<String>,
    out: PathBuf,
    cpu: usize,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            say(&format!("{error:#}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Progress and problems.
pub(crate) fn say(text: &str) {
    eprintln!("bench: {text}");
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        scale: Scale::WHOLE,
        parts: Vec::new(),
        out: PathBuf::from("target/bench"),
        cpu: 1,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("quick") => options.scale = Scale::QUICK,
            Arg::Long("tiny") => options.scale = Scale::TINY,
            Arg::Long("part") => {
                let name = parser.value()?.string()?;
                if !PARTS.iter().any(|(part, _)| *part == name) {
                    let names = PARTS.map(|(part, _)| part).join(", ");
                    bail!("no part is named `{name}`; there are: {names}");
                }
                options.parts.push(name);
            }
            Arg::Long("out") => options.out = parser.value()?.into(),
            Arg::Long("cpu") => options.cpu = parser.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new(&options.scale, options.cpu)?;
    for (name, measure) in PARTS {
        if !options.parts.is_empty() && !options.parts.iter().any(|part| part == name) {
            continue;
        }
        say(&format!("{name} ({})", options.scale.name()));
        let (scale, cpu) = (options.scale, options.cpu);
        // A thread for each part: it moves to a network namespace of its own, which ends with it.
        let part = thread::spawn(move || -> anyhow::Result<Part> {
            kernel::pin_to(cpu)?;
            measure(&scale)
        })
        .join()
        .map_err(|_panic| anyhow!("part `{name}` panicked"))?
        .with_context(|| format!("part `{name}`"))?;
        print!("{}", report::text(&part));
        report.parts.push(part);
    }
    report.finish()?;
    report.write(&options.out)
}
