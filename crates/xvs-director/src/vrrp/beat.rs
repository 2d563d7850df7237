//! When each virtual router last advertised as master, where the next daemon finds it.
//!
//! A daemon that was killed leaves its addresses in place. The next one may go on as master only if no
//! backup can have given up waiting, so it must know when the last advertisement went out. That time is
//! written beside each advertisement into a small file of the runtime directory (a tmpfs): one write of
//! 32 bytes, no flush, since what it describes does not outlive the kernel either. The clock counts
//! from boot and never steps; the boot is named in the file.
//!
//! ```text
//!   header   magic (8)   boot (16)                   zero (8)
//!   record   name (8)    nanoseconds since boot (8)  sequence (4)  zero (12)
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};
use xvs_vrrp::{Name, Resume};

const MAGIC: &[u8; 8] = b"xvsvrrp1";
const RECORD: usize = 32;
/// Where the kernel names its boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The file of one daemon.
#[derive(Debug)]
pub(super) struct Beat {
    file: File,
    slots: BTreeMap<Name, u64>,
}

/// What a predecessor left: of each virtual router that was master, when it last advertised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past(BTreeMap<u64, (Duration, u32)>);

impl Past {
    /// Reads what a predecessor left at `path`; nothing when there is none, or it was of another boot.
    pub(super) fn read(path: &Path) -> Self {
        let Ok(bytes) = fs::read(path) else {
            return Self::default();
        };
        let mut records = bytes.chunks_exact(RECORD);
        if records.next() != Some(&header()[..]) {
            return Self::default();
        }
        let known = records.filter_map(|record| {
            let name = u64::from_le_bytes(*record.first_chunk()?);
            let nanoseconds = u64::from_le_bytes(*record.get(8..)?.first_chunk()?);
            let sequence = u32::from_le_bytes(*record.get(16..)?.first_chunk()?);
            (nanoseconds != 0).then(|| (name, (Duration::from_nanos(nanoseconds), sequence)))
        });
        Self(known.collect())
    }

    /// Of these virtual routers, those that were master, each with how long ago it last advertised.
    pub(super) fn resumes<'a>(
        &self,
        routers: impl IntoIterator<Item = &'a Name>,
    ) -> Vec<(Resume, Duration)> {
        let now = since_boot();
        let known = routers.into_iter().filter_map(|router| {
            let (stamp, sequence) = self.0.get(&digest(router))?;
            let resume = Resume {
                router: router.clone(),
                sequence: *sequence,
            };
            Some((resume, now.saturating_sub(*stamp)))
        });
        known.collect()
    }
}

impl Beat {
    /// Begins a file at `path` for these virtual routers, in place of what is there. What `past` says
    /// of them stands in it, until they say otherwise.
    pub(super) fn begin<'a>(
        path: &Path,
        routers: impl IntoIterator<Item = &'a Name>,
        past: &Past,
    ) -> io::Result<Self> {
        let mut bytes = Vec::from(header());
        let mut slots = BTreeMap::new();
        for router in routers {
            slots.insert(
                router.clone(),
                u64::try_from(bytes.len()).map_err(io::Error::other)?,
            );
            let (stamp, sequence) = past.0.get(&digest(router)).copied().unwrap_or_default();
            bytes.extend(record(router, stamp, sequence));
        }
        let beside: PathBuf = path.with_extension("new");
        fs::write(&beside, &bytes)?;
        fs::rename(&beside, path)?;
        let file = File::options().write(true).open(path)?;
        Ok(Self { file, slots })
    }

    /// Notes that `router` advertised just now as master, or that it is no master any more.
    pub(super) fn note(&self, router: &Name, master: bool, sequence: u32) -> io::Result<()> {
        let Some(&at) = self.slots.get(router) else {
            return Ok(());
        };
        let stamp = if master { since_boot() } else { Duration::ZERO };
        self.file.write_all_at(&record(router, stamp, sequence), at)
    }
}

fn header() -> [u8; RECORD] {
    let mut header = [0; RECORD];
    header[..8].copy_from_slice(MAGIC);
    // A kernel that does not name its boot names every boot alike; its clock is told apart by nothing,
    // and a runtime directory that outlives a boot is none.
    let boot = fs::read_to_string(BOOT_ID).unwrap_or_default();
    let digits = boot
        .bytes()
        .filter_map(|digit| char::from(digit).to_digit(16));
    for (at, digit) in digits.take(32).enumerate() {
        let shift = if at % 2 == 0 { 4 } else { 0 };
        header[8 + at / 2] |= u8::try_from(digit).unwrap_or(0) << shift;
    }
    header
}

fn record(router: &Name, stamp: Duration, sequence: u32) -> [u8; RECORD] {
    let nanoseconds = u64::try_from(stamp.as_nanos()).unwrap_or(u64::MAX);
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&digest(router).to_le_bytes());
    record[8..16].copy_from_slice(&nanoseconds.to_le_bytes());
    record[16..20].copy_from_slice(&sequence.to_le_bytes());
    record
}

/// FNV-1a of 64 bits: the same in every build, unlike the standard library's hash.
fn digest(router: &Name) -> u64 {
    router
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// The clock that goes on while the host sleeps and that nobody can set.
fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> [Name; 2] {
        ["VI_1".into(), "VI_2".into()]
    }

    #[test]
    fn the_next_daemon_finds_who_was_master_and_when() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vrrp.beat");
        assert_eq!(Past::read(&path), Past::default());
        let beat = Beat::begin(&path, &names(), &Past::default()).unwrap();
        assert!(Past::read(&path).resumes(&names()).is_empty());
        beat.note(&names()[1], true, 7).unwrap();
        let past = Past::read(&path);
        let [(resume, age)] = &past.resumes(&names())[..] else {
            panic!("{past:?}");
        };
        assert_eq!((resume.router.as_str(), resume.sequence), ("VI_2", 7));
        assert!(*age < Duration::from_secs(5), "{age:?}");
        // What the successor has not settled yet it hands on; what it has, not.
        let next = Beat::begin(&path, &names(), &past).unwrap();
        assert_eq!(Past::read(&path), past);
        next.note(&names()[1], false, 0).unwrap();
        assert!(Past::read(&path).resumes(&names()).is_empty());
    }

    #[test]
    fn what_another_boot_or_nobody_wrote_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vrrp.beat");
        let beat = Beat::begin(&path, &names(), &Past::default()).unwrap();
        beat.note(&names()[0], true, 0).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let whole = Past::read(&path).resumes(&names()).len();
            assert_eq!(whole, usize::from(length >= 2 * RECORD), "{length}");
        }
        bytes[9] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(Past::read(&path), Past::default());
    }
}
