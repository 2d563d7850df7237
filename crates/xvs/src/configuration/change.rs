//! `xvs reload`, `xvs apply`, `xvs confirm`: changing the configuration of the running daemon.

use clap::Args;
use xvs_control::wire::{ConfigurationRequest, ConfigurationStatus};

use super::check::Arguments;
use crate::{output, target::Target};

/// Arguments of `xvs apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(super) arguments: Arguments,
    /// Take it back after so many seconds unless `xvs confirm` comes in time
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    confirm: Option<u32>,
    #[command(flatten)]
    target: Target,
}

/// Puts a file into force.
pub(crate) fn apply(apply: &Apply) -> anyhow::Result<()> {
    let mut request = request(&apply.arguments)?;
    request.confirm_seconds = apply.confirm;
    let status = apply.target.connect()?.apply_configuration(&request)?;
    told(&apply.target, &status)
}

/// Keeps what waits for its confirmation.
pub(crate) fn confirm(target: &Target) -> anyhow::Result<()> {
    let status = target.connect()?.confirm_configuration()?;
    told(target, &status)
}

/// Reads the file in force again.
pub(crate) fn reload(target: &Target) -> anyhow::Result<()> {
    let status = target.connect()?.reload_configuration()?;
    told(target, &status)
}

/// What the daemon is asked to read: by its absolute path, for it has a folder of its own.
pub(super) fn request(arguments: &Arguments) -> anyhow::Result<ConfigurationRequest> {
    Ok(ConfigurationRequest {
        file: super::absolute(&arguments.file)?,
        strict: arguments.strict,
        config_id: arguments.config_id.clone(),
        confirm_seconds: None,
    })
}

fn told(target: &Target, status: &ConfigurationStatus) -> anyhow::Result<()> {
    if target.json {
        return output::json(status);
    }
    output::write(text(status).as_bytes())
}

fn text(status: &ConfigurationStatus) -> String {
    let mut text = status.findings.clone();
    for warning in &status.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    let file = status.file.as_deref().unwrap_or("no file");
    text.push_str(&format!("{file} is in force: {}\n", status.counted));
    if let Some(seconds) = status.confirm_within_seconds {
        text.push_str(&format!(
            "it is taken back in {seconds} s unless `xvs confirm` comes before\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_told_with_all_that_is_doubtful() {
        let status = ConfigurationStatus {
            file: Some("/etc/k.conf".to_owned()),
            counted: "1 warning".to_owned(),
            findings: "warning: doubt\n".to_owned(),
            confirm_within_seconds: Some(59),
            warnings: vec!["FWM 1: not supported".to_owned()],
            ..ConfigurationStatus::default()
        };
        assert_eq!(
            text(&status),
            "\
warning: doubt
warning: FWM 1: not supported
/etc/k.conf is in force: 1 warning
it is taken back in 59 s unless `xvs confirm` comes before
"
        );
    }
}
