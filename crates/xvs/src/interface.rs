//! `xvs interface`: the links that carry the datapath.

use anyhow::bail;
use clap::Subcommand;
use xvs_control::wire::InterfaceSetting;

use crate::{output, target::Target};

/// The commands of `xvs interface`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Name a link to carry the datapath; only named links do then
    Add {
        /// Its name
        interface: String,
        #[command(flatten)]
        target: Target,
    },
    /// Leave the choice of links to xvs again
    Auto {
        #[command(flatten)]
        target: Target,
    },
    /// Take back the name of a link
    Del {
        /// Its name
        interface: String,
        #[command(flatten)]
        target: Target,
    },
    /// List the links that were named; `xvs status` shows what each carries
    List {
        #[command(flatten)]
        target: Target,
    },
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add { interface, target } => change(&target, |mut named| {
            if !named.contains(&interface) {
                named.push(interface);
            }
            Ok(Some(named))
        }),
        Command::Auto { target } => change(&target, |_named| Ok(None)),
        Command::Del { interface, target } => change(&target, |mut named| {
            let before = named.len();
            named.retain(|name| *name != interface);
            if named.len() == before {
                bail!("`{interface}` was not named; `xvs interface list` shows what was");
            }
            if named.is_empty() {
                bail!(
                    "`{interface}` is the last link that was named; use `xvs interface auto` to leave the choice to xvs"
                );
            }
            Ok(Some(named))
        }),
        Command::List { target } => {
            let setting = target.connect()?.interfaces()?;
            show(&target, &setting)
        }
    }
}

fn change(
    target: &Target,
    edit: impl FnOnce(Vec<String>) -> anyhow::Result<Option<Vec<String>>>,
) -> anyhow::Result<()> {
    let mut client = target.connect()?;
    let named = client.interfaces()?.interfaces.unwrap_or_default();
    let interfaces = edit(named)?;
    let setting = client.set_interfaces(&InterfaceSetting { interfaces })?;
    if target.json {
        show(target, &setting)
    } else {
        Ok(())
    }
}

fn show(target: &Target, setting: &InterfaceSetting) -> anyhow::Result<()> {
    if target.json {
        return output::json(setting);
    }
    let lines = match &setting.interfaces {
        Some(names) => names.join("\n"),
        None => "auto".to_owned(),
    };
    output::write(format!("{lines}\n").as_bytes())
}
