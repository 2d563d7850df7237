//! Runs the virtual routers of a configuration, and nothing else: `routers CONFIGURATION
//! RUNTIME_FOLDER`. Tests drive it against keepalived.
//!
//! What happens goes to the standard output, a line each. Commands come on the standard input: `failover
//! NAME`, `reload`, `status`; its end is a stop.

use std::{
    io::{BufRead, Write},
    path::Path,
};

use tokio::runtime::Runtime;
use xvs_conf::{MemoryFiles, Stance, StaticHost, parse};
use xvs_director::vrrp::{Plan, Routers, convert};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: routers CONFIGURATION RUNTIME_FOLDER".into());
    };
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (routers, mut reports) = Routers::start(plan(&path)?, Path::new(&folder))?;
    let told = std::thread::spawn(move || {
        while let Some(report) = reports.blocking_recv() {
            say(&report.to_string());
        }
    });
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("failover", router) => {
                say(&format!("{:?}", runtime.block_on(routers.failover(router))))
            }
            ("reload", _) => routers.reload(plan(&path)?)?,
            ("status", _) => {
                for router in runtime.block_on(routers.status())?.routers {
                    say(&format!("{router:?}"));
                }
            }
            _ => say("failover NAME, reload or status"),
        }
    }
    routers.stop(false)?;
    told.join().map_err(|_panicked| "the log ended badly")?;
    Ok(())
}

fn plan(path: &str) -> Result<Plan, Failure> {
    let files = MemoryFiles::new().with("keepalived.conf", std::fs::read_to_string(path)?);
    let host = StaticHost::default();
    let outcome = parse("keepalived.conf", &files, &host, Stance::Compatible);
    let findings = outcome.render_text(false);
    let config = outcome.config.ok_or(findings)?;
    let converted = convert(&config).map_err(|errors| format!("{errors:?}"))?;
    for note in converted.notes {
        say(&note);
    }
    Ok(converted.plan)
}

/// A reader that is gone is no reason to end: the end of the input is.
fn say(text: &str) {
    let _gone = writeln!(std::io::stdout(), "{text}");
}
