//! `xvs-conformance [-k TEXT] [--by WAY] [FILE...]`: replays recordings and prints what passed, what
//! differs, and which differences are known; status 1 when it is not all as known.
//!
//! Without files it replays those of the project. A way is `native`, `programs` (root) or `live`
//! (root, the binary `xvs` beside this one), each at both hooks; without one, all of them.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use xvs_conformance::{Known, Suite, Tally, ways};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Where stderr is closed there is nobody to tell; the status still does.
            let _unheard = writeln!(io::stderr(), "xvs-conformance: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let options = Options::of(env::args().skip(1))?;
    let suite = Suite::load(&options.files).map_err(|error| error.to_string())?;
    let suite = suite.only(|name| name.contains(&options.text));
    let known = known()?;
    let mut good = true;
    for way in ways() {
        if !way.name().starts_with(&options.way) {
            continue;
        }
        let tally: Tally = way.replay(&suite, &known)?;
        good &= tally.is_as_known();
        writeln!(io::stdout(), "{}:\n{tally}", way.name()).map_err(|error| error.to_string())?;
    }
    Ok(good)
}

struct Options {
    files: Vec<PathBuf>,
    text: String,
    way: String,
}

impl Options {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            files: Vec::new(),
            text: String::new(),
            way: String::new(),
        };
        while let Some(argument) = arguments.next() {
            let value =
                |next: Option<String>| next.ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "-k" => options.text = value(arguments.next())?,
                "--by" => options.way = value(arguments.next())?,
                other if other.starts_with('-') => {
                    return Err(format!("there is no option `{other}`"));
                }
                file => options.files.push(file.into()),
            }
        }
        if options.files.is_empty() {
            options.files = fixtures()?;
        }
        Ok(options)
    }
}

/// The recordings of the project.
fn fixtures() -> Result<Vec<PathBuf>, String> {
    let folder = folder();
    let entries = fs::read_dir(&folder);
    let entries =
        entries.map_err(|error| format!("cannot read `{}`: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .collect();
    files.sort();
    Ok(files)
}

fn known() -> Result<Known, String> {
    let path = folder().join("known-differences.txt");
    let text = fs::read_to_string(&path);
    Known::parse(&text.map_err(|error| format!("cannot read `{}`: {error}", path.display()))?)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}
