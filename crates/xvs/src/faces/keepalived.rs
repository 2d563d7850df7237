//! The `keepalived` face: the configuration test, under keepalived's options and exit statuses.
//!
//! Options are those of keepalived 2.2.7. `-t` looks at `-f`, `-i`, `-v` and `-h`; the others that
//! belong to a running daemon are taken beside it, as the original takes them, and change nothing.

use std::{ffi::OsString, fs, io, process::ExitCode};

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};
use xvs_conf::Stance;

use crate::{configuration, output};

/// What the original reads without `-f`.
const DEFAULT_FILE: &str = "/etc/keepalived/keepalived.conf";

/// keepalived's status for a wrong command line.
const WRONG_USAGE: u8 = 1;

const HELP: &str = "\
Usage: keepalived -t [-f FILE] [-i ID]
  -t, --config-test[=FILE]  check the configuration; findings go to FILE, else to stderr
  -f, --use-file=FILE       the configuration [default: /etc/keepalived/keepalived.conf]
  -i, --config-id=ID        lines that begin with @ID hold where ID is this
  -v, --version             print the version
  -h, --help                print this
The exit status of -t is that of keepalived 2.2.7: 0 without a finding, 5 where something is ignored or
replaced, 4 and 6 where scripts are unsafe or missing, 2 where no daemon would start.
`xvs check` says the same with JSON and a strict stance.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    /// `-h`.
    Help,
    /// `-t`.
    Test {
        file: String,
        config_id: Option<String>,
        log: Option<String>,
    },
    /// `-v`.
    Version,
}

/// Runs the face with the arguments behind its name.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    let result = request(arguments).and_then(|request| match request {
        Request::Help => output::write(HELP.as_bytes()).map(|()| 0),
        Request::Version => {
            let line = format!(
                "xvs {} in the place of Keepalived v2.2.7\n",
                env!("CARGO_PKG_VERSION")
            );
            output::write(line.as_bytes()).map(|()| 0)
        }
        Request::Test {
            file,
            config_id,
            log,
        } => test(&file, config_id, log.as_deref()),
    });
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            output::message(&format!("keepalived: {error:#}"));
            ExitCode::from(WRONG_USAGE)
        }
    }
}

fn test(file: &str, config_id: Option<String>, log: Option<&str>) -> anyhow::Result<u8> {
    let outcome = configuration::read(file, config_id, Stance::Compatible)?;
    let text = outcome.render_text(false);
    match log {
        None => io::Write::write_all(&mut io::stderr(), text.as_bytes())?,
        Some(path) => fs::write(path, text).with_context(|| format!("write `{path}`"))?,
    }
    Ok(outcome.keepalived_status)
}

fn request(arguments: Vec<OsString>) -> anyhow::Result<Request> {
    let mut parser = Parser::from_args(arguments);
    let mut file = DEFAULT_FILE.to_owned();
    let (mut config_id, mut log, mut is_test) = (None, None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('v') | Arg::Long("version") => return Ok(Request::Version),
            Arg::Short('t') | Arg::Long("config-test") => {
                is_test = true;
                log = parser
                    .optional_value()
                    .map(|name| name.string())
                    .transpose()?;
            }
            Arg::Short('f') | Arg::Long("use-file") => file = parser.value()?.string()?,
            Arg::Short('i') | Arg::Long("config-id") => {
                config_id = Some(parser.value()?.string()?);
            }
            Arg::Short('e') | Arg::Long("all-config") => {
                bail!("`-e` is not supported; write `includer` where a file must exist")
            }
            Arg::Short(letter) if WITHOUT_VALUE.contains(letter) => {}
            Arg::Short(letter) if WITH_VALUE.contains(letter) => {
                parser.value()?;
            }
            Arg::Long(name) if LONG_WITHOUT_VALUE.contains(&name) => {}
            Arg::Long(name) if LONG_WITH_VALUE.contains(&name) => {
                parser.value()?;
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if !is_test {
        bail!(
            "under this name the configuration test alone is there (`-t`); start a daemon by `xvs run`"
        );
    }
    Ok(Request::Test {
        file,
        config_id,
        log,
    })
}

/// Options of a daemon that `-t` takes and that take no value.
const WITHOUT_VALUE: &str = "PCBlDGXVIRndaxm";
const LONG_WITHOUT_VALUE: &[&str] = &[
    "vrrp",
    "check",
    "no_bfd",
    "all",
    "log-console",
    "log-detail",
    "no-syslog",
    "release-vips",
    "dont-release-vrrp",
    "dont-release-ipvs",
    "dont-respawn",
    "dont-fork",
    "dump-conf",
    "address-monitoring",
    "snmp",
    "core-dump",
];
/// Those that take one.
const WITH_VALUE: &str = "SuprcbAsM";
const LONG_WITH_VALUE: &[&str] = &[
    "log-facility",
    "umask",
    "pid",
    "vrrp_pid",
    "checkers_pid",
    "bfd_pid",
    "snmp-agent-socket",
    "namespace",
    "core-dump-pattern",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> anyhow::Result<Request> {
        request(arguments.iter().map(OsString::from).collect())
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
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(asked(&[]).unwrap_err().to_string().contains("xvs run"));
        assert!(
            asked(&["-t", "-e"])
                .unwrap_err()
                .to_string()
                .contains("includer")
        );
        assert!(asked(&["-t", "--nonsense"]).is_err());
    }
}
