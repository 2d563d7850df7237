//! FIFOs: lines in order to whoever reads.
//!
//! A FIFO is opened for reading and writing, as keepalived does, so that it can be opened without a
//! reader and that lines written meanwhile are there for the next one. A task of its own writes each
//! line whole or waits; lines that wait are bounded, and the oldest go first.

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::stat::Mode,
    unistd::{Gid, Uid, chown, mkfifo},
};
use tokio::{
    net::unix::pipe::{self, Sender},
    task::JoinHandle,
    time::Instant,
};
use tracing::{info, warn};
use xvs_conf::config::Script;
use xvs_process::{Ended, ProcessError, Program, account};

use crate::{
    counters::Counters,
    outbox::Outbox,
    settings::{Channel, FifoSettings},
};

/// A reader that ends is started again after this long, and later each time.
const RESTART: Duration = Duration::from_secs(1);
/// No later than this.
const RESTART_MOST: Duration = Duration::from_secs(60);

/// Why there is no FIFO.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FifoError {
    #[error("cannot make the FIFO `{path}`: {source}")]
    Make { path: PathBuf, source: Errno },
    #[error("`{path}` is there and no FIFO: remove it or name another path")]
    NoFifo { path: PathBuf },
    #[error("cannot look at the FIFO `{path}`: {source}")]
    Look { path: PathBuf, source: io::Error },
    #[error("cannot open the FIFO `{path}`: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("the FIFO `{path}` has no owner: {source}")]
    Owner { path: PathBuf, source: ProcessError },
}

/// An open FIFO with its writer and its reader.
#[derive(Debug)]
pub(crate) struct OpenFifo {
    pub(crate) settings: FifoSettings,
    lines: Outbox<String>,
    writer: JoinHandle<()>,
    reader: Option<JoinHandle<()>>,
    /// It is removed at the end by who made it.
    made: bool,
}

impl OpenFifo {
    pub(crate) fn open(
        settings: FifoSettings,
        security: bool,
        counters: &Arc<Counters>,
    ) -> Result<Self, FifoError> {
        let made = make(&settings)?;
        let path = &settings.path;
        let sender = pipe::OpenOptions::new()
            .read_write(true)
            .open_sender(path)
            .map_err(|source| FifoError::Open {
                path: path.clone(),
                source,
            })?;
        let lines = Outbox::new(settings.limit);
        let writer = tokio::spawn(write(
            sender,
            path.clone(),
            lines.clone(),
            Arc::clone(counters),
        ));
        let reader = settings
            .reader
            .clone()
            .map(|script| tokio::spawn(keep_reading(script, path.clone(), security)));
        Ok(Self {
            settings,
            lines,
            writer,
            reader,
            made,
        })
    }

    pub(crate) fn channel(&self) -> Channel {
        self.settings.channel
    }

    pub(crate) fn write(&self, line: String, counters: &Counters) {
        if self.lines.push(line).is_some() && counters.fifo_lines.lost.add() == 0 {
            let path = self.settings.path.display();
            warn!("nobody reads the FIFO `{path}`: its oldest lines are lost");
        }
    }

    /// Lets what waits go out, at most until `end`, and removes what was made.
    pub(crate) async fn close(self, end: Instant) {
        self.lines.close();
        let mut writer = self.writer;
        if tokio::time::timeout_at(end, &mut writer).await.is_err() {
            let left = self.lines.len();
            let path = self.settings.path.display();
            warn!("the FIFO `{path}` is closed with {left} lines that nobody has read");
            writer.abort();
        }
        if let Some(reader) = self.reader {
            reader.abort();
        }
        if self.made
            && let Err(error) = fs::remove_file(&self.settings.path)
        {
            let path = self.settings.path.display();
            warn!("cannot remove the FIFO `{path}`: {error}");
        }
    }
}

/// Makes the FIFO unless it is there; says whether it was made.
fn make(settings: &FifoSettings) -> Result<bool, FifoError> {
    let path = &settings.path;
    let owner = settings.owner.as_ref().map(account).transpose();
    let owner = owner.map_err(|source| FifoError::Owner {
        path: path.clone(),
        source,
    })?;
    let failed = |source| FifoError::Make {
        path: path.clone(),
        source,
    };
    match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) => {
            if let Some(owner) = owner {
                let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
                chown(path, Some(uid), Some(gid)).map_err(failed)?;
            }
            Ok(true)
        }
        Err(Errno::EEXIST) if is_fifo(path)? => Ok(false),
        Err(Errno::EEXIST) => Err(FifoError::NoFifo { path: path.clone() }),
        Err(source) => Err(failed(source)),
    }
}

fn is_fifo(path: &Path) -> Result<bool, FifoError> {
    let metadata = fs::metadata(path).map_err(|source| FifoError::Look {
        path: path.to_owned(),
        source,
    })?;
    Ok(metadata.file_type().is_fifo())
}

async fn write(sender: Sender, path: PathBuf, lines: Outbox<String>, counters: Arc<Counters>) {
    while let Some(mut line) = lines.pop().await {
        line.push('\n');
        match write_line(&sender, line.as_bytes()).await {
            Ok(()) => {
                counters.fifo_lines.done.add();
            }
            Err(error) => {
                if counters.fifo_lines.failed.add() == 0 {
                    warn!("cannot write to the FIFO `{}`: {error}", path.display());
                }
            }
        }
    }
}

/// Writes a line; the kernel takes up to 4096 bytes whole or not at all, so lines do not mix.
async fn write_line(sender: &Sender, line: &[u8]) -> io::Result<()> {
    let mut rest = line;
    while !rest.is_empty() {
        sender.writable().await?;
        match sender.try_write(rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Runs the reader of a FIFO again and again. It is killed when this is given up.
async fn keep_reading(script: Script, path: PathBuf, security: bool) {
    let name = script.arguments.first().cloned().unwrap_or_default();
    let mut pause = RESTART;
    loop {
        let started = Instant::now();
        let program = Program::new(&script)
            .with_arguments([path.display().to_string()])
            .secured(security);
        let ended = match program.start() {
            Ok(mut running) => running.wait().await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(Ended::Exited(status)) => {
                info!("FIFO script `{name}` exited with status {status}");
            }
            Ok(Ended::Killed(signal)) => warn!("FIFO script `{name}` killed by signal {signal}"),
            Ok(Ended::TimedOut) => warn!("FIFO script `{name}` timed out"),
            Err(error) => warn!("FIFO script `{name}`: {error}"),
        }
        if started.elapsed() > RESTART_MOST {
            pause = RESTART;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(RESTART_MOST);
    }
}
