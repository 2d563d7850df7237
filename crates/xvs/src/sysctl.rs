//! `xvs sysctl`: settings under the kernel's names, asked for and changed as `sysctl` does.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use xvs_control::wire::{SettingChanges, SettingListing};
use xvs_director::{SYSCTL_FILE, settings_of};
use xvs_types::Setting;

use crate::{output, target::Target};

/// The arguments of `xvs sysctl`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show all settings; those that cannot be changed as comments that say why
    #[arg(short, long, visible_short_alias = 'A', conflicts_with_all = ["load", "settings"])]
    all: bool,
    /// Change what a file of lines NAME=VALUE says [default file: /etc/xvs/sysctl.conf]
    #[arg(short = 'p', long, value_name = "FILE", num_args = 0..=1, default_missing_value = SYSCTL_FILE, conflicts_with = "settings")]
    load: Option<PathBuf>,
    /// Print values without names
    #[arg(short = 'n', long)]
    values: bool,
    /// Print nothing about what was changed
    #[arg(short, long)]
    quiet: bool,
    /// As of `sysctl`: changes are told apart by their `=`
    #[arg(short, long, hide = true)]
    write: bool,
    /// A setting to show, or with a value to change; `net.ipv4.vs.` before the name may be left out
    #[arg(value_name = "NAME[=VALUE]", required_unless_present_any = ["all", "load"])]
    settings: Vec<String>,
    #[command(flatten)]
    target: Target,
}

/// Runs it.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(path) = &arguments.load {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let (changes, complaints) = settings_of(&text);
        for complaint in &complaints {
            output::message(&format!("xvs: `{}`, {complaint}", path.display()));
        }
        change(arguments, changes.into_iter().collect())?;
        if !complaints.is_empty() {
            bail!("not every line of `{}` could be obeyed", path.display());
        }
        return Ok(());
    }
    let mut asked = Vec::new();
    let mut changes = BTreeMap::new();
    for word in &arguments.settings {
        let Some((name, text)) = word.split_once('=') else {
            if arguments.write {
                bail!("`{word}` has no value: write `{word}=VALUE`");
            }
            asked.push(word.parse::<Setting>()?);
            continue;
        };
        let setting: Setting = name.trim().parse()?;
        if let Some(value) = setting.parse_value(text)? {
            changes.insert(setting, value);
        }
        asked.push(setting);
    }
    if !changes.is_empty() {
        arguments
            .target
            .connect()?
            .change_settings(&SettingChanges(changes.clone()))?;
    }
    if arguments.quiet {
        asked.retain(|setting| !changes.contains_key(setting));
        if asked.is_empty() {
            return Ok(());
        }
    }
    show(arguments, &asked)
}

fn change(arguments: &Arguments, changes: BTreeMap<Setting, i32>) -> anyhow::Result<()> {
    let names: Vec<Setting> = changes.keys().copied().collect();
    arguments
        .target
        .connect()?
        .change_settings(&SettingChanges(changes))?;
    if arguments.quiet || names.is_empty() {
        return Ok(());
    }
    show(arguments, &names)
}

/// Shows these settings, or all of them.
fn show(arguments: &Arguments, asked: &[Setting]) -> anyhow::Result<()> {
    let mut listings = arguments.target.connect()?.settings()?;
    if !arguments.all {
        let place = |listing: &SettingListing| asked.iter().position(|one| *one == listing.name);
        listings.retain(|listing| place(listing).is_some());
        listings.sort_by_key(place);
    }
    if arguments.target.json {
        return output::json(&listings);
    }
    let lines: String = listings
        .iter()
        .map(|listing| line(listing, arguments))
        .collect();
    output::write(lines.as_bytes())
}

fn line(listing: &SettingListing, arguments: &Arguments) -> String {
    if arguments.values {
        return format!("{}\n", listing.value);
    }
    let setting = format!("{} = {}", listing.name.full_name(), listing.value);
    match &listing.fixed {
        // A file of all settings can be loaded again.
        Some(reason) if arguments.all => format!("# {setting}  # {reason}\n"),
        _ => format!("{setting}\n"),
    }
}
