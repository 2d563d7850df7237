//! `xvs-conformance [-k TEXT]... [--by WAY] [--for SECONDS] [FILE | FOLDER]...`: replays recordings and prints what passed,
//! what differs, and which differences are known; status 1 when it is not all as known.
//!
//! Without files it replays the recordings of the project; then a known difference that is no longer one
//! is a failure too. A folder stands for all recordings in it: `.jsonl` of frames with the `topology.json`
//! beside it, `.json` of schedulers' decisions. `-k` takes only those whose name contains one of the texts.
//! A way is `native`, `programs` (root) or `live` (root, the binary `xvs` beside this one), each at both
//! hooks; without one, all of them. `--by kernel` compares live with what the running kernel's IPVS does
//! in the same steps, instead of with what was recorded (root, the module `ip_vs`, `ipvsadm`). With `--for`,
//! live replays take up no other recording after so many seconds, and say how many are left.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
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
    let own = options.paths.is_empty();
    let suite = if own {
        Suite::project()
    } else {
        Suite::load(&options.paths)
    };
    let suite = suite.map_err(|error| error.to_string())?;
    let mut suite = suite.only(|name| {
        let texts = &options.texts;
        texts.is_empty() || texts.iter().any(|text| name.contains(text))
    });
    if let Some(limit) = options.limit {
        suite = suite.within(limit);
    }
    if suite.iter().next().is_none() {
        return Err("there is no such recording".to_owned());
    }
    let known = Known::project()?;
    let mut good = true;
    for way in ways() {
        let wanted = match &options.way {
            Some(name) => way.name().starts_with(name.as_str()),
            None => way.is_by_recording(),
        };
        if !wanted {
            continue;
        }
        let tally: Tally = way.replay(&suite, &known)?;
        good &= tally.differing.is_empty() && (!own || tally.mended.is_empty());
        writeln!(io::stdout(), "{}:\n{tally}", way.name()).map_err(|error| error.to_string())?;
    }
    Ok(good)
}

struct Options {
    paths: Vec<PathBuf>,
    texts: Vec<String>,
    way: Option<String>,
    limit: Option<Duration>,
}

impl Options {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            paths: Vec::new(),
            texts: Vec::new(),
            way: None,
            limit: None,
        };
        while let Some(argument) = arguments.next() {
            let value =
                |next: Option<String>| next.ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "-k" => options.texts.push(value(arguments.next())?),
                "--for" => {
                    let text = value(arguments.next())?;
                    let seconds = text.parse();
                    let seconds =
                        seconds.map_err(|_not| format!("not a number of seconds: `{text}`"));
                    options.limit = Some(Duration::from_secs(seconds?));
                }
                "--by" => options.way = Some(value(arguments.next())?),
                other if other.starts_with('-') => {
                    return Err(format!("there is no option `{other}`"));
                }
                path => options.paths.push(path.into()),
            }
        }
        Ok(options)
    }
}
