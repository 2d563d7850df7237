//! keepalived's command line, as version 2.2.7 takes it.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};

use super::signals;

/// What the original reads without `-f`.
pub(super) const DEFAULT_FILE: &str = "/etc/keepalived/keepalived.conf";
/// Where Debian's keepalived writes the process id of its parent.
const DEFAULT_PID_FILE: &str = "/run/keepalived.pid";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// `-h`.
    Help,
    /// None of the others.
    Run(Box<Daemon>),
    /// `--signum`: print the number of the signal for this.
    Signal(i32),
    /// `-t`.
    Test {
        file: String,
        config_id: Option<String>,
        log: Option<String>,
    },
    /// `-v`.
    Version,
}

/// How the daemon shall run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Daemon {
    pub(super) file: String,
    pub(super) config_id: Option<String>,
    /// Stay in the foreground.
    pub(super) foreground: bool,
    pub(super) log_to_console: bool,
    pub(super) syslog: bool,
    /// The facility of syslog, 0 to 23 (RFC 5424); default 3, daemon.
    pub(super) facility: u8,
    /// Write what is in force into the log at the start.
    pub(super) dump: bool,
    /// Files for the process id: that of `-p` first.
    pub(super) pid_files: Vec<PathBuf>,
    pub(super) netns: Option<String>,
    /// Neither of both: all that the file has.
    pub(super) only_checks: bool,
    pub(super) only_vrrp: bool,
    /// The virtual servers stay at the end.
    pub(super) keep_virtual_servers: bool,
    pub(super) core_dump: bool,
    pub(super) umask: Option<u32>,
    /// Ours: keep rules and check, but forward nothing (`--simulate`).
    pub(super) simulate: bool,
    /// Options that were given and do nothing here.
    pub(super) without_effect: Vec<String>,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            file: DEFAULT_FILE.to_owned(),
            config_id: None,
            foreground: false,
            log_to_console: false,
            syslog: true,
            facility: 3,
            dump: false,
            pid_files: Vec::new(),
            netns: None,
            only_checks: false,
            only_vrrp: false,
            keep_virtual_servers: false,
            core_dump: false,
            umask: None,
            simulate: false,
            without_effect: Vec::new(),
        }
    }
}

/// Understands the arguments behind the name.
pub(super) fn request(arguments: Vec<OsString>) -> anyhow::Result<Request> {
    let mut parser = Parser::from_args(arguments);
    let mut daemon = Daemon::default();
    let (mut log, mut is_test) = (None, false);
    let mut pid_file = PathBuf::from(DEFAULT_PID_FILE);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('v') | Arg::Long("version") => return Ok(Request::Version),
            Arg::Long("signum") => {
                let name = parser.value()?.string()?;
                let number = signals::number(&name).with_context(|| {
                    format!("no signal is for `{name}`; there are {}", signals::names())
                })?;
                return Ok(Request::Signal(number));
            }
            Arg::Short('t') | Arg::Long("config-test") => {
                is_test = true;
                log = parser
                    .optional_value()
                    .map(|name| name.string())
                    .transpose()?;
            }
            Arg::Short('f') | Arg::Long("use-file") => daemon.file = parser.value()?.string()?,
            Arg::Short('i') | Arg::Long("config-id") => {
                daemon.config_id = Some(parser.value()?.string()?);
            }
            Arg::Short('e') | Arg::Long("all-config") => {
                bail!("`-e` is not supported; write `includer` where a file must exist")
            }
            Arg::Short('T') | Arg::Long("genhash") => {
                bail!("`-T` is an option of its own; call `genhash` in its place")
            }
            Arg::Short('n') | Arg::Long("dont-fork") => daemon.foreground = true,
            Arg::Short('l') | Arg::Long("log-console") => daemon.log_to_console = true,
            Arg::Short('G') | Arg::Long("no-syslog") => daemon.syslog = false,
            Arg::Short('S') | Arg::Long("log-facility") => {
                daemon.facility = facility(&parser.value()?.string()?)?;
            }
            Arg::Short('d') | Arg::Long("dump-conf") => daemon.dump = true,
            Arg::Short('p') | Arg::Long("pid") => pid_file = parser.value()?.into(),
            Arg::Short('r' | 'c' | 'b') | Arg::Long("vrrp_pid" | "checkers_pid" | "bfd_pid") => {
                daemon.pid_files.push(parser.value()?.into());
            }
            Arg::Short('s') | Arg::Long("namespace") => {
                daemon.netns = Some(parser.value()?.string()?);
            }
            Arg::Short('C') | Arg::Long("check") => daemon.only_checks = true,
            Arg::Short('P') | Arg::Long("vrrp") => daemon.only_vrrp = true,
            Arg::Short('I') | Arg::Long("dont-release-ipvs") => daemon.keep_virtual_servers = true,
            Arg::Short('m') | Arg::Long("core-dump") => daemon.core_dump = true,
            Arg::Short('u') | Arg::Long("umask") => {
                daemon.umask = Some(umask(&parser.value()?.string()?)?);
            }
            Arg::Long("simulate") => daemon.simulate = true,
            // Details are always logged, and what has died is started again by the service manager.
            Arg::Short('D' | 'R' | 'B')
            | Arg::Long("log-detail" | "dont-respawn" | "no_bfd" | "all") => {}
            Arg::Short(letter @ ('a' | 'x' | 'X' | 'V')) => {
                daemon.without_effect.push(format!("-{letter}"));
            }
            Arg::Short(letter @ ('A' | 'M')) => {
                parser.value()?;
                daemon.without_effect.push(format!("-{letter}"));
            }
            Arg::Long(
                name @ ("address-monitoring" | "snmp" | "release-vips" | "dont-release-vrrp"),
            ) => daemon.without_effect.push(format!("--{name}")),
            Arg::Long(name @ ("snmp-agent-socket" | "core-dump-pattern")) => {
                let name = format!("--{name}");
                parser.value()?;
                daemon.without_effect.push(name);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if is_test {
        return Ok(Request::Test {
            file: daemon.file,
            config_id: daemon.config_id,
            log,
        });
    }
    daemon.pid_files.insert(0, pid_file);
    Ok(Request::Run(Box::new(daemon)))
}

/// `0` to `7` and `local0` to `local7`, `user`, `daemon`: RFC 5424, section 6.2.1.
fn facility(name: &str) -> anyhow::Result<u8> {
    let local = name.strip_prefix("local").unwrap_or(name);
    match (name, local.parse::<u8>()) {
        ("user", _) => Ok(1),
        ("daemon", _) => Ok(3),
        (_, Ok(number @ 0..=7)) => Ok(16 + number),
        _ => bail!("`{name}` is no facility; there are 0 to 7, local0 to local7, user and daemon"),
    }
}

/// Decimal, octal behind `0`, hexadecimal behind `0x`: as `strtol` reads it.
fn umask(text: &str) -> anyhow::Result<u32> {
    let parsed = if let Some(digits) = text.strip_prefix("0x") {
        u32::from_str_radix(digits, 16)
    } else if text.starts_with('0') {
        u32::from_str_radix(text, 8)
    } else {
        text.parse()
    };
    match parsed {
        Ok(mask @ 0..=0o777) => Ok(mask),
        _ => bail!("`{text}` is no umask; there are 0 to 0777"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> anyhow::Result<Request> {
        request(arguments.iter().map(OsString::from).collect())
    }

    fn daemon(arguments: &[&str]) -> Daemon {
        match asked(arguments).unwrap() {
            Request::Run(daemon) => *daemon,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_options_of_the_original_are_taken() {
        let plain = Request::Test {
            file: DEFAULT_FILE.to_owned(),
            config_id: None,
            log: None,
        };
        assert_eq!(asked(&["-t"]).unwrap(), plain);
        assert_eq!(asked(&["-nlDt", "-p", "k.pid"]).unwrap(), plain);
        assert_eq!(
            asked(&["--config-test=/tmp/log", "-f", "x.conf", "-i", "a"]).unwrap(),
            Request::Test {
                file: "x.conf".to_owned(),
                config_id: Some("a".to_owned()),
                log: Some("/tmp/log".to_owned()),
            }
        );
        assert_eq!(asked(&["-v"]).unwrap(), Request::Version);
        assert_eq!(asked(&["--signum=DATA"]).unwrap(), Request::Signal(10));
    }

    #[test]
    fn a_daemon_has_the_defaults_of_the_original() {
        let plain = daemon(&[]);
        assert_eq!(plain.file, DEFAULT_FILE);
        assert_eq!(plain.pid_files, [PathBuf::from(DEFAULT_PID_FILE)]);
        assert!(!plain.foreground && plain.syslog && !plain.log_to_console);
        assert_eq!(plain.facility, 3);
    }

    #[test]
    fn a_daemon_runs_as_its_options_say() {
        let told = daemon(&[
            "-nlGDCImd",
            "-S",
            "local2",
            "-u",
            "022",
            "-p",
            "k",
            "-r",
            "v",
            "-c",
            "c",
            "-b",
            "b",
            "-s",
            "blue",
            "-x",
        ]);
        assert!(told.foreground && told.log_to_console && !told.syslog && told.dump);
        assert!(told.only_checks && !told.only_vrrp && told.keep_virtual_servers);
        assert_eq!((told.facility, told.umask), (18, Some(0o22)));
        assert_eq!(told.pid_files, ["k", "v", "c", "b"].map(PathBuf::from));
        assert_eq!(told.netns.as_deref(), Some("blue"));
        assert_eq!(told.without_effect, ["-x"]);
    }

    #[test]
    fn what_is_not_there_is_said() {
        for (arguments, word) in [
            (vec!["-t", "-e"], "includer"),
            (vec!["-t", "--nonsense"], "nonsense"),
            (vec!["-S", "8"], "facility"),
            (vec!["-u", "9999"], "umask"),
            (vec!["--signum=NONE"], "STATS"),
        ] {
            let error = asked(&arguments).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
