//! One run of a notify script.

use tracing::{info, warn};
use xvs_process::{Ended, Program};

use crate::{counters::Counters, event::Call, settings::ScriptSettings};

/// Scripts of one event, which run one after the other.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) calls: Vec<Call>,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Job {
    pub(crate) async fn run(&self, settings: &ScriptSettings, counters: &Counters) {
        for call in &self.calls {
            self.call(call, settings, counters).await;
        }
    }

    async fn call(&self, call: &Call, settings: &ScriptSettings, counters: &Counters) {
        let name = call.script.arguments.first().map_or("", String::as_str);
        let program = Program::new(&call.script)
            .with_arguments(call.arguments.iter().cloned())
            .with_environment(self.environment.iter().cloned())
            .secured(settings.security);
        let ended = program.run(settings.limit).await;
        if let Ok(Ended::Exited(0)) = ended {
            counters.scripts.done.add();
            return;
        }
        counters.scripts.failed.add();
        match ended {
            Ok(Ended::Exited(status)) => {
                info!("notify script `{name}` exited with status {status}");
            }
            Ok(Ended::Killed(signal)) => warn!("notify script `{name}` killed by signal {signal}"),
            Ok(Ended::TimedOut) => warn!(
                "notify script `{name}` ran longer than {:?} and was ended",
                settings.limit
            ),
            Err(error) => warn!("notify script: {error}"),
        }
    }
}
