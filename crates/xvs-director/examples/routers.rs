//! Runs the virtual routers of a configuration, and nothing else, until the standard input ends:
//! `routers CONFIGURATION RUNTIME_FOLDER`. Tests drive it against keepalived.

use std::{io::Read, path::Path};

use xvs_conf::{MemoryFiles, Stance, StaticHost, parse};
use xvs_director::vrrp::{Routers, convert};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: routers CONFIGURATION RUNTIME_FOLDER".into());
    };
    let files = MemoryFiles::new().with("keepalived.conf", std::fs::read_to_string(path)?);
    let host = StaticHost::default();
    let outcome = parse("keepalived.conf", &files, &host, Stance::Compatible);
    eprint!("{}", outcome.render_text(false));
    let config = outcome.config.ok_or("no daemon starts with this")?;
    let converted = convert(&config).map_err(|errors| format!("{errors:?}"))?;
    eprintln!("{:?}", converted.notes);
    let (routers, mut reports) = Routers::start(converted.plan, Path::new(&folder))?;
    std::thread::spawn(move || {
        while let Some(report) = reports.blocking_recv() {
            eprintln!("{report}");
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    routers.stop(false)?;
    Ok(())
}
