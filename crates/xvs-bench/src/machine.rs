//! The machine that was measured on, and what else it did.

use std::{fs, thread, time::SystemTime};

use anyhow::Context;
use serde::Serialize;

/// What a reader of figures must know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) processor: String,
    /// How many there are.
    pub(crate) processors: usize,
    /// Bytes of memory.
    pub(crate) memory: u64,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The processor that was measured on.
    pub(crate) cpu: usize,
    /// Load averages of 1, 5 and 15 minutes at the begin.
    pub(crate) load_before: String,
    /// The same at the end.
    pub(crate) load_after: String,
    /// Seconds since 1970 at the begin.
    pub(crate) begun: u64,
}

impl Machine {
    /// This machine, now.
    pub(crate) fn read(cpu: usize) -> anyhow::Result<Self> {
        let line = |path: &str, key: &str| -> anyhow::Result<String> {
            let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
            let line = text.lines().find(|line| line.starts_with(key));
            let value = line.and_then(|line| line.split_once(':'));
            Ok(value
                .map_or("unknown", |(_, value)| value.trim())
                .to_owned())
        };
        let memory = line("/proc/meminfo", "MemTotal")?;
        let kibibytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(Self {
            processor: line("/proc/cpuinfo", "model name")?,
            processors: thread::available_parallelism()?.get(),
            memory: kibibytes * 1024,
            kernel: kernel.trim().to_owned(),
            cpu,
            load_before: load()?,
            load_after: String::new(),
            begun: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        })
    }
}

/// Load averages of 1, 5 and 15 minutes.
pub(crate) fn load() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("read /proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
