//! `startup_script` and `shutdown_script`: programs at the two ends of the daemon's life, which waits for
//! them, each for its time.

use std::time::Duration;

use tracing::{info, warn};
use xvs_conf::config::{GlobalDefs, Script};
use xvs_process::{Ended, Program};

/// Runs `startup_script`; answers whether there is one.
pub(crate) async fn start(global: &GlobalDefs) -> bool {
    let limit = global.startup_script_timeout;
    run(
        "startup_script",
        global.startup_script.as_ref(),
        limit,
        global,
    )
    .await
}

/// Runs `shutdown_script`.
pub(crate) async fn stop(global: &GlobalDefs) {
    let limit = global.shutdown_script_timeout;
    run(
        "shutdown_script",
        global.shutdown_script.as_ref(),
        limit,
        global,
    )
    .await;
}

async fn run(what: &str, script: Option<&Script>, limit: Duration, global: &GlobalDefs) -> bool {
    let Some(script) = script else {
        return false;
    };
    let name = script.arguments.first().map_or("", String::as_str);
    let program = Program::new(script).secured(global.script_security);
    match program.run(limit).await {
        Ok(Ended::Exited(0)) => info!("{what} `{name}` succeeded"),
        Ok(Ended::Exited(status)) => warn!("{what} `{name}` exited with status {status}"),
        Ok(Ended::Killed(signal)) => warn!("{what} `{name}` was killed by signal {signal}"),
        Ok(Ended::TimedOut) => warn!("{what} `{name}` ran longer than {limit:?} and was ended"),
        Err(error) => warn!("{what}: {error}"),
    }
    true
}
