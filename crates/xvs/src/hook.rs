//! `xvs hook`: where on its links the datapath runs.

use clap::{Subcommand, builder::PossibleValuesParser, builder::TypedValueParser};
use xvs_control::wire::{HookChoice, HookSetting};

use crate::{output, target::Target};

/// The commands of `xvs hook`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Change the hook, now and after a restart
    Set {
        /// The hook
        #[arg(value_parser = parser())]
        hook: HookChoice,
        #[command(flatten)]
        target: Target,
    },
    /// Show the hook that was asked for; `xvs status` shows what each link has
    Show {
        #[command(flatten)]
        target: Target,
    },
}

/// Takes the names of hooks, and lists them in help and completion.
pub(crate) fn parser() -> impl TypedValueParser<Value = HookChoice> {
    PossibleValuesParser::new(HookChoice::ALL.map(HookChoice::name))
        .try_map(|name| name.parse::<HookChoice>())
}

/// Runs one of them.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    let (setting, target) = match command {
        Command::Set { hook, target } => {
            let setting = target.connect()?.set_hook(HookSetting { hook })?;
            if !target.json {
                return Ok(());
            }
            (setting, target)
        }
        Command::Show { target } => (target.connect()?.hook()?, target),
    };
    if target.json {
        output::json(&setting)
    } else {
        output::write(format!("{}\n", setting.hook).as_bytes())
    }
}
