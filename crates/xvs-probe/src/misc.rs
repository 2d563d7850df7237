//! MISC_CHECK: a program decides.
//!
//! How it runs, as whom and how it is ended is `xvs-process`'s.

use xvs_conf::config::MiscCheck;
use xvs_process::{Ended, Program};

use crate::{Failure, Success};

pub(crate) async fn run(check: &MiscCheck) -> Result<Success, Failure> {
    let ended = Program::new(&check.script).run(check.timeout).await?;
    judge(ended, check.dynamic)
}

fn judge(ended: Ended, dynamic: bool) -> Result<Success, Failure> {
    match ended {
        Ended::Exited(0) => Ok(Success::Plain),
        Ended::Exited(code @ 2..=255) if dynamic => {
            let weight = u32::try_from(code - 2).map_err(|_negative| Failure::Exit(code))?;
            Ok(Success::WeightSet(weight))
        }
        Ended::Exited(code) => Err(Failure::Exit(code)),
        Ended::Killed(signal) => Err(Failure::Signal(signal)),
        Ended::TimedOut => Err(Failure::TimedOut),
    }
}
