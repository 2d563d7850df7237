//! `xvs realserver` and `xvs director`: what each host needs around the datapath.

use std::process::ExitCode;

use xvs_host::{DirectorCommand, RealserverCommand, Report};

use crate::output;

/// Runs `xvs director`; answers whether everything is as wanted.
pub(crate) fn director(command: &DirectorCommand) -> anyhow::Result<ExitCode> {
    let common = match command {
        DirectorCommand::Up(up) => &up.common,
        DirectorCommand::Down(down) => &down.common,
        DirectorCommand::Status(status) => &status.common,
    };
    show(&xvs_host::director(command)?, common.json)
}

/// Runs `xvs realserver`; answers whether everything is as wanted.
pub(crate) fn realserver(command: &RealserverCommand) -> anyhow::Result<ExitCode> {
    let common = match command {
        RealserverCommand::Up(up) => &up.common,
        RealserverCommand::Down(down) => &down.common,
        RealserverCommand::Status(status) => &status.common,
    };
    show(&xvs_host::realserver(command)?, common.json)
}

fn show(report: &Report, json: bool) -> anyhow::Result<ExitCode> {
    output::write(report.render(json)?.as_bytes())?;
    Ok(if report.as_wanted() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
