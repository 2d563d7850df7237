//! `track_file`: a whole number in a file, told as soon as it is written.
//!
//! The folder is watched, not the file: files are replaced by renaming, and come and go.

use std::{
    ffi::OsString,
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    path::Path,
    time::Duration,
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::{Interest, unix::AsyncFd};
use tracing::{info, warn};
use xvs_conf::config::TrackFile;
use xvs_vrrp::TrackerStatus;

use super::Teller;

/// How long it takes until a folder that cannot be watched is tried anew.
const AGAIN: Duration = Duration::from_secs(1);

/// Follows `file` for good and tells the number in it.
pub(super) async fn follow(file: TrackFile, teller: Teller) {
    let path = Path::new(&file.path);
    if let Some(value) = file.initial_value
        && (file.overwrite || !path.exists())
        && let Err(error) = std::fs::write(path, format!("{value}\n"))
    {
        warn!(
            "track_file `{}`: cannot write `{}`: {error}",
            file.name, file.path
        );
    }
    let mut last = None;
    let mut trouble = None;
    loop {
        let watched = watch(path);
        let value = read(path);
        if last != Some(value) {
            info!("track_file `{}` is {value}", file.name);
            teller.tell(TrackerStatus::Value(value));
            last = Some(value);
        }
        let waited = match watched {
            Ok(watch) => changed(&watch, path.file_name().map(OsString::from)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = waited {
            let text = error.to_string();
            if trouble.as_ref() != Some(&text) {
                warn!("track_file `{}` cannot be watched: {text}", file.name);
                trouble = Some(text);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// The number at the start of the file; 0 where there is none, as with keepalived.
fn read(path: &Path) -> i32 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let number = text.split_whitespace().next().map(str::parse::<i64>);
    match number {
        // The election clamps far below what fits.
        Some(Ok(number)) => i32::try_from(number.clamp(-254, 254)).unwrap_or(0),
        Some(Err(_)) | None => 0,
    }
}

/// An inotify descriptor as tokio wants it.
#[derive(Debug)]
struct Watch(Inotify);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

fn watch(path: &Path) -> io::Result<AsyncFd<Watch>> {
    let watch = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    watch.add_watch(
        folder.unwrap_or_else(|| Path::new(".")),
        AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_ONLYDIR,
    )?;
    // SAFETY: `Inotify` owns its descriptor, always names the same one and closes it on drop only; the
    // `AsyncFd` owns the `Watch` and lends it out by shared reference alone.
    unsafe { AsyncFd::register_with_interest(Watch(watch), Interest::READABLE) }.map_err(Into::into)
}

/// Returns when the file may have changed.
async fn changed(watch: &AsyncFd<Watch>, name: Option<OsString>) -> io::Result<()> {
    loop {
        let mut ready = watch.readable().await?;
        let Ok(events) = ready.try_io(|watch| watch.get_ref().0.read_events().map_err(Into::into))
        else {
            continue;
        };
        // An event without a name is about the folder itself.
        let concerns =
            |event: &nix::sys::inotify::InotifyEvent| event.name.is_none() || event.name == name;
        if events?.iter().any(concerns) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_first_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weight");
        assert_eq!(read(&path), 0);
        for (text, value) in [
            ("-20\n", -20),
            ("  7 of nine", 7),
            ("nothing", 0),
            ("99999999999", 254),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path), value, "{text}");
        }
    }
}
