//! `xvs-conformance [-k TEXT] [-v] [--hook tcx|xdp] [FILE...]`: replays recordings and prints what
//! passed, what differs, and which differences are known.

use std::{env, path::PathBuf, process::ExitCode};

use xvs_conformance::{Known, Network, Offline, Scenario, Topology, load, replay};
use xvs_dataplane::Hook;

fn main() -> ExitCode {
    let mut text = String::new();
    let mut verbose = false;
    let mut hook = Hook::Tcx;
    let mut files = Vec::new();
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-k" => text = args.next().unwrap_or_default(),
            "-v" => verbose = true,
            "--hook" => {
                if args.next().as_deref() == Some("xdp") {
                    hook = Hook::Xdp;
                }
            }
            _ => files.push(PathBuf::from(arg)),
        }
    }
    for file in files {
        let (scenarios, topologies) = load(&file).unwrap();
        let mut bad = 0;
        let mut n = 0;
        for s in scenarios.iter().filter(|s| s.id.contains(&text)) {
            n += 1;
            let mut network = Network::new(&topologies[&s.topology]).unwrap();
            let mut d = Offline::native(&network, hook).unwrap();
            let diffs = replay(s, &network, &mut d);
            if !diffs.is_empty() {
                bad += 1;
                println!("FAIL {}", s.id);
                for x in diffs.iter().take(if verbose { 99 } else { 3 }) {
                    println!("     {x}");
                }
            }
        }
        println!("{}: {} of {n} pass", file.display(), n - bad);
    }
    ExitCode::SUCCESS
}
