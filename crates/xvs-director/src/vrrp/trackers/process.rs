//! `vrrp_track_process`: whether enough of a program run.
//!
//! The processes are looked at once a second. keepalived hears of each from the kernel, which tells
//! every start and end on the host to whoever listens; a second is what its own scripts take by default.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::task::spawn_blocking;
use tracing::info;
use xvs_conf::config::{ParameterMatch, TrackProcess};
use xvs_vrrp::TrackerStatus;

use super::Teller;

const PERIOD: Duration = Duration::from_secs(1);
/// Bytes of a process's name in the kernel (`TASK_COMM_LEN` without its end).
const NAME: usize = 15;

/// Follows the processes for good and tells whether enough run.
pub(super) async fn follow(process: TrackProcess, teller: Teller) {
    let mut told = None;
    // What was found last, and since when.
    let mut found: Option<(bool, Instant)> = None;
    loop {
        let wanted = process.clone();
        let count = spawn_blocking(move || count(&wanted)).await.unwrap_or(0);
        let enough = count >= process.quorum && process.quorum_max.is_none_or(|most| count <= most);
        let since = match found {
            Some((before, since)) if before == enough => since,
            _ => Instant::now(),
        };
        found = Some((enough, since));
        let delay = if enough {
            process.fork_delay
        } else {
            process.terminate_delay
        };
        // What is there at the start counts at once.
        if told != Some(enough) && (told.is_none() || since.elapsed() >= delay) {
            info!("process `{}`: {count} run", process.name);
            teller.tell(if enough {
                TrackerStatus::Up
            } else {
                TrackerStatus::Down
            });
            told = Some(enough);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// How many processes match.
fn count(process: &TrackProcess) -> u32 {
    let Ok(entries) = fs::read_dir("/proc") else {
        return 0;
    };
    let matching = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        let is_process = name
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        is_process && {
            let folder = entry.path();
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            let line = fs::read(folder.join("cmdline")).unwrap_or_default();
            matches(process, name.trim_end(), &arguments(&line))
        }
    });
    u32::try_from(matching.count()).unwrap_or(u32::MAX)
}

fn arguments(line: &[u8]) -> Vec<String> {
    let line = line.strip_suffix(&[0]).unwrap_or(line);
    line.split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

fn matches(process: &TrackProcess, name: &str, arguments: &[String]) -> bool {
    let program = arguments.first().map_or("", String::as_str);
    let base = process.process.rsplit('/').next().unwrap_or_default();
    let is_it = if process.full_command || process.process.starts_with('/') {
        program == process.process
    } else {
        name == base.get(..NAME).unwrap_or(base)
    };
    let given = arguments.get(1..).unwrap_or_default();
    let wanted = &process.parameters;
    is_it
        && match process.parameter_match {
            None => true,
            Some(ParameterMatch::Exact) => given == wanted.as_slice(),
            Some(ParameterMatch::Initial) => given.starts_with(wanted),
            Some(ParameterMatch::Partial) => match wanted.split_last() {
                None => true,
                Some((last, before)) => {
                    given.starts_with(before)
                        && given
                            .get(before.len())
                            .is_some_and(|word| word.starts_with(last))
                }
            },
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, parameters: &[&str], how: Option<ParameterMatch>) -> TrackProcess {
        TrackProcess {
            name: "p".to_owned(),
            process: name.to_owned(),
            parameters: parameters.iter().map(|one| (*one).to_owned()).collect(),
            parameter_match: how,
            weight: xvs_conf::config::TrackWeight::default(),
            quorum: 1,
            quorum_max: None,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
            full_command: false,
        }
    }

    #[test]
    fn a_process_matches_by_name_path_and_arguments() {
        let arguments = arguments(b"/usr/sbin/haproxy\0-f\0/etc/haproxy.cfg\0");
        let is = |name, parameters: &[&str], how| {
            matches(&process(name, parameters, how), "haproxy", &arguments)
        };
        assert!(is("haproxy", &[], None));
        assert!(is("/usr/sbin/haproxy", &[], None));
        assert!(!is("/usr/bin/haproxy", &[], None));
        assert!(!is("nginx", &[], None));
        assert!(is(
            "haproxy",
            &["-f", "/etc/haproxy.cfg"],
            Some(ParameterMatch::Exact)
        ));
        assert!(!is("haproxy", &["-f"], Some(ParameterMatch::Exact)));
        assert!(is("haproxy", &["-f"], Some(ParameterMatch::Initial)));
        assert!(is(
            "haproxy",
            &["-f", "/etc/ha"],
            Some(ParameterMatch::Partial)
        ));
        assert!(!is(
            "haproxy",
            &["-f", "/var"],
            Some(ParameterMatch::Partial)
        ));
    }

    #[test]
    fn this_process_is_counted() {
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        assert!(count(&process(own.trim_end(), &[], None)) >= 1);
        assert_eq!(count(&process("no-such-thing", &[], None)), 0);
    }
}
