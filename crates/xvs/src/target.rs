//! Which daemon a command talks to, and how it answers.

use clap::Args;
use xvs_control::{Client, Instance};

/// Options of every command that talks to a daemon.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// The instance of the daemon [default: XVS_INSTANCE, else `default`]
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Target {
    /// Connects to the daemon.
    pub(crate) fn connect(&self) -> anyhow::Result<Client> {
        let instance = Instance::from_environment(self.instance.as_deref())?;
        Ok(Client::connect(&instance)?)
    }
}
