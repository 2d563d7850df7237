//! The kernel's jiffies: the programs stamp entries with them, and tell them no other way than by
//! being run.

use std::{thread, time::Duration, time::Instant};

use aya::{
    Ebpf,
    programs::{TestRun, TestRunOptions},
};
use xvs_datapath::abi::Settings;

use super::{OpenError, memory::Mapped, programs::classifier};

/// Rates that kernels are configured with (`CONFIG_HZ`).
const RATES: [u32; 4] = [100, 250, 300, 1000];

/// Runs the clock program; with `beat` it is a sign of life too.
pub(super) fn tick(object: &mut Ebpf, beat: bool) -> Result<(), OpenError> {
    let frame = [u8::from(beat); 64];
    let program = classifier(object, "xvs_clock")?;
    program
        .test_run(TestRunOptions {
            data_in: Some(&frame),
            ..TestRunOptions::new()
        })
        .map(drop)
        .map_err(|error| OpenError::Clock {
            reason: error.to_string(),
        })
}

/// Jiffies a second, measured for a quarter of one.
pub(super) fn calibrate(object: &mut Ebpf, settings: &Mapped<Settings>) -> Result<u32, OpenError> {
    let read = || settings.read(0).map_or(0, |settings| settings.jiffies);
    tick(object, false)?;
    let (first, started) = (read(), Instant::now());
    thread::sleep(Duration::from_millis(250));
    tick(object, false)?;
    let (second, elapsed) = (read(), started.elapsed());
    let passed = u128::from(second.wrapping_sub(first)) * 1_000_000;
    let measured = passed / elapsed.as_micros().max(1);
    let nearest = RATES
        .into_iter()
        .min_by_key(|rate| u128::from(*rate).abs_diff(measured));
    match nearest {
        Some(rate) if measured > 0 => Ok(rate),
        _ => Err(OpenError::Clock {
            reason: "jiffies stand still".to_owned(),
        }),
    }
}
