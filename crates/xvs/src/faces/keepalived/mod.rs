//! The `keepalived` face: the daemon and the configuration test, under keepalived's options, signals and
//! exit statuses, which are those of keepalived 2.2.7.

mod daemon;
mod options;
mod signals;
mod syslog;

use std::{ffi::OsString, fs, io, process::ExitCode};

use anyhow::Context;
use xvs_conf::Stance;

use self::options::{Request, request};
use crate::{configuration, output};

/// keepalived's status for a wrong command line.
const WRONG_USAGE: u8 = 1;

const HELP: &str = "\
Usage: keepalived [OPTION...]
  -f, --use-file=FILE       the configuration [default: /etc/keepalived/keepalived.conf]
  -i, --config-id=ID        lines that begin with @ID hold where ID is this
  -t, --config-test[=FILE]  check the configuration and end; findings go to FILE, else to stderr
  -n, --dont-fork           stay in the foreground
  -l, --log-console         log to stderr
  -G, --no-syslog           do not log to the system's log
  -S, --log-facility=WHERE  0 to 7, local0 to local7, user, daemon [default: daemon]
  -d, --dump-conf           log what is in force at the start
  -C, --check               virtual servers and their checks only
  -P, --vrrp                virtual routers only
  -s, --namespace=NAME      work in this network namespace
  -I, --dont-release-ipvs   leave the virtual servers when the daemon ends
  -p, --pid=FILE            the pid file [default: /run/keepalived.pid]
  -r, -c, -b FILE           further pid files; there is one process
  -u, --umask=MASK          umask for files that are made
  -m, --core-dump           allow core dumps
      --signum=NAME         print the signal for STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON
      --simulate            keep rules and check, but forward nothing and need no eBPF
  -v, --version             print the version
  -h, --help                print this
Taken, and without effect: -a -A -B -D -M -R -V -x -X and --all.
The exit status of -t is that of keepalived 2.2.7: 0 without a finding, 5 where something is ignored or
replaced, 4 and 6 where scripts are unsafe or missing, 2 where no daemon would start.
`xvs check` says the same with JSON and a strict stance.
";

/// Runs the face with the arguments behind its name.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    let result = request(arguments).and_then(|request| match request {
        Request::Help => output::write(HELP.as_bytes()).map(|()| 0),
        Request::Run(daemon) => daemon::run(&daemon),
        Request::Signal(number) => output::write(format!("{number}\n").as_bytes()).map(|()| 0),
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
