//! `xvs stop`.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;
use xvs_control::{Client, ClientError, Instance, wire::StopRequest};

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
    Client::connect(&instance)?.stop(StopRequest {
        keep: arguments.keep.then_some(true),
    })?;
    let deadline = Instant::now() + PATIENCE;
    while !matches!(
        Client::connect(&instance),
        Err(ClientError::NoDaemon { .. })
    ) {
        if Instant::now() > deadline {
            bail!("the daemon was told to end and still answers; its log may say why");
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
