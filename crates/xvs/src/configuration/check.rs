//! `xvs check`: whether a daemon would start with a file, and all that is doubtful in it.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use xvs_conf::{JsonDiagnostic, Outcome, Stance};

use crate::output;

/// The file and how it is judged.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A keepalived.conf
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// Every doubt is an error
    #[arg(long)]
    pub(crate) strict: bool,
    /// Lines that begin with @ID hold where ID is this [default: the short host name]
    #[arg(long, short = 'i', value_name = "ID")]
    pub(crate) config_id: Option<String>,
}

/// Arguments of `xvs check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    arguments: Arguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    file: &'a str,
    /// A daemon starts with it.
    starts: bool,
    /// What `keepalived -t` of 2.2.7 exits with.
    keepalived_status: u8,
    virtual_servers: usize,
    virtual_routers: usize,
    diagnostics: Vec<JsonDiagnostic>,
}

impl Arguments {
    /// Reads the file.
    pub(crate) fn read(&self) -> anyhow::Result<Outcome> {
        let stance = if self.strict {
            Stance::Strict
        } else {
            Stance::Compatible
        };
        super::read(&self.file, self.config_id.clone(), stance)
    }
}

/// Checks a file: success when a daemon would start, with `--strict` only without any finding.
pub(crate) fn run(check: &Check) -> anyhow::Result<ExitCode> {
    let outcome = check.arguments.read()?;
    let starts = outcome.config.is_some();
    if check.json {
        output::json(&report(&check.arguments.file, &outcome))?;
    } else {
        let mut text = outcome.render_text(output::styled());
        text.push_str(&summary(&check.arguments.file, &outcome));
        output::write(text.as_bytes())?;
    }
    let doubt = check.arguments.strict && !outcome.diagnostics.is_empty();
    Ok(if starts && !doubt {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn report<'a>(file: &'a str, outcome: &Outcome) -> Report<'a> {
    let config = outcome.config.as_ref();
    Report {
        file,
        starts: config.is_some(),
        keepalived_status: outcome.keepalived_status,
        virtual_servers: config.map_or(0, |config| config.virtual_servers.len()),
        virtual_routers: config.map_or(0, |config| config.instances.len()),
        diagnostics: outcome
            .diagnostics
            .iter()
            .map(|one| JsonDiagnostic::new(one, &outcome.sources))
            .collect(),
    }
}

fn summary(file: &str, outcome: &Outcome) -> String {
    let found = super::counted(outcome);
    let Some(config) = &outcome.config else {
        return format!("{file}: no daemon starts with this: {found}\n");
    };
    let checks: usize = config
        .virtual_servers
        .iter()
        .flat_map(|virtual_server| &virtual_server.real_servers)
        .map(|real_server| real_server.checkers.len())
        .sum();
    format!(
        "{file}: a daemon starts with this: virtual servers {}, checks {checks}, virtual routers {}; {found}\n",
        config.virtual_servers.len(),
        config.instances.len(),
    )
}
