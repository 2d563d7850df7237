//! `xvs stop`.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;
use xvs_control::{Client, Instance, wire::StopRequest};

/// How long a daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// The arguments of `xvs stop`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The instance of the daemon [default: XVS_INSTANCE, else `default`]
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Leave the datapath forwarding
    #[arg(long)]
    keep: bool,
}

/// Ends the daemon and waits until it is gone.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let instance = Instance::from_environment(arguments.instance.as_deref())?;
    let mut client = Client::connect(&instance)?;
    let pid = client.status()?.pid;
    client.stop(StopRequest {
        keep: arguments.keep.then_some(true),
    })?;
    // Not by connecting again: a service manager that listens would start the next daemon.
    let deadline = Instant::now() + PATIENCE;
    while runs(pid) {
        if Instant::now() > deadline {
            bail!("the daemon was told to end and still runs; its log may say why");
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether a process runs: one that ended stays in the table until its parent has looked at it.
fn runs(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The name before the state is in parentheses and may hold anything (proc_pid_stat(5)).
    let state = stat.rsplit_once(')').map(|(_name, rest)| rest.trim_start());
    !state.is_some_and(|state| state.starts_with(['Z', 'X']))
}
