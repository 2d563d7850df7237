//! keepalived as a daemon: into the background, with its pid files, its log and its exit statuses.

use std::{
    fs,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    path::PathBuf,
};

use anyhow::{Context, bail};
use nix::{
    sys::{
        resource::{RLIM_INFINITY, Resource, setrlimit},
        stat::{Mode, umask},
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe, setsid},
};
use tracing::{error, info, warn};
use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};
use xvs_conf::Stance;
use xvs_control::Instance;
use xvs_director::{LoadError, Options, Parts, RunError, ServiceManager, Source};

use super::{options::Daemon, syslog::Syslog};
use crate::{configuration::absolute, run};

/// The status for what is no fault of the configuration (`EXIT_FAILURE`).
const FAILED: u8 = 1;

/// Runs the daemon; answers the status to exit with.
pub(super) fn run(daemon: &Daemon) -> anyhow::Result<u8> {
    if !nix::unistd::Uid::effective().is_root() {
        bail!("the daemon must be started by root");
    }
    let file = absolute(&daemon.file)?;
    let pid_files: Vec<PathBuf> = daemon
        .pid_files
        .iter()
        .map(std::path::absolute)
        .collect::<io::Result<_>>()
        .context("find the pid files")?;
    if let Some(mask) = daemon.umask {
        umask(Mode::from_bits_truncate(mask));
    }
    if daemon.core_dump {
        setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY)
            .context("allow core dumps")?;
    }
    if daemon.foreground {
        return Ok(serve(daemon, file, pid_files, None));
    }
    let (reader, writer) = pipe().context("make a pipe")?;
    // SAFETY: this process has one thread so far, so the child may do all that it could do.
    match unsafe { fork() }.context("go into the background")? {
        ForkResult::Parent { child } => {
            drop(writer);
            Ok(outcome(child, reader))
        }
        ForkResult::Child => {
            drop(reader);
            setsid().context("leave the terminal")?;
            std::env::set_current_dir("/").context("leave the folder")?;
            leave_streams(daemon.log_to_console).context("leave the terminal's streams")?;
            Ok(serve(daemon, file, pid_files, Some(writer)))
        }
    }
}

/// Lets go of the streams of who started the daemon, so that nobody waits for their end. The log keeps
/// its own.
fn leave_streams(log_to_console: bool) -> io::Result<()> {
    let nowhere = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    dup2_stdin(&nowhere)?;
    dup2_stdout(&nowhere)?;
    if !log_to_console {
        dup2_stderr(&nowhere)?;
    }
    Ok(())
}

/// In the parent: the status of a daemon that runs, or that of one that does not start.
fn outcome(child: Pid, reader: OwnedFd) -> u8 {
    let mut ready = [0];
    if fs::File::from(reader)
        .read(&mut ready)
        .is_ok_and(|read| read == 1)
    {
        return 0;
    }
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, status)) => u8::try_from(status).unwrap_or(FAILED),
        _ => FAILED,
    }
}

/// In the daemon: until it is told to end.
fn serve(daemon: &Daemon, file: String, pid_files: Vec<PathBuf>, ready: Option<OwnedFd>) -> u8 {
    start_logging(daemon);
    info!(
        "Starting Keepalived v2.2.7 (xvs {})",
        env!("CARGO_PKG_VERSION")
    );
    info!("Opening file '{file}'.");
    for option in &daemon.without_effect {
        warn!("`{option}` has no effect here");
    }
    let status = match director(daemon, file, &pid_files, ready) {
        Ok(()) => 0,
        Err(error) => {
            error!("{error:#}");
            status_of(&error)
        }
    };
    for path in &pid_files {
        // One that was never written is no loss.
        let _gone = fs::remove_file(path);
    }
    info!(
        "Stopped Keepalived v2.2.7 (xvs {})",
        env!("CARGO_PKG_VERSION")
    );
    status
}

fn director(
    daemon: &Daemon,
    file: String,
    pid_files: &[PathBuf],
    ready: Option<OwnedFd>,
) -> anyhow::Result<()> {
    let parts = Parts {
        checks: daemon.only_checks || !daemon.only_vrrp,
        vrrp: daemon.only_vrrp || !daemon.only_checks,
    };
    let pids = pid_files.to_vec();
    let options = Options {
        netns: daemon.netns.clone(),
        configuration: Some(Source {
            file,
            config_id: daemon.config_id.clone(),
            stance: Stance::Compatible,
            parts,
        }),
        keep_virtual_servers: daemon.keep_virtual_servers,
        dump_at_start: daemon.dump,
        manager: ServiceManager::from_environment()?,
        started: Some(Box::new(move || {
            write_pid_files(&pids);
            info!("Startup complete");
            if let Some(ready) = ready {
                // The parent may have been killed meanwhile.
                let _gone = fs::File::from(ready).write_all(b"1");
            }
        })),
        ..Options::new(Instance::from_environment(None)?)
    };
    xvs_director::run(options, |instance| {
        run::open(instance, daemon.simulate, None)
    })?;
    Ok(())
}

fn write_pid_files(paths: &[PathBuf]) {
    let pid = format!("{}\n", std::process::id());
    for path in paths {
        if let Err(error) = fs::write(path, &pid) {
            warn!(%error, path = %path.display(), "the pid file is not written");
        }
    }
}

/// keepalived's status for why it did not run.
fn status_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(RunError::Configuration(LoadError::Refused { start_status, .. })) => *start_status,
        _ => FAILED,
    }
}

/// Lines go to the console (`-l`), to the system's log unless `-G`, or to both.
fn start_logging(daemon: &Daemon) {
    let console = daemon.log_to_console.then(|| {
        fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(false)
            .with_target(false)
    });
    let opened = daemon.syslog.then(|| Syslog::open(daemon.facility));
    let (syslog, refused) = match opened {
        Some(Ok(syslog)) => (Some(syslog), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let syslog = syslog.map(|syslog| {
        fmt::layer()
            .with_writer(syslog)
            .with_ansi(false)
            .with_target(false)
            .with_level(false)
            .without_time()
    });
    tracing_subscriber::registry()
        .with(run::log_filter())
        .with(console)
        .with(syslog)
        .init();
    if let Some(error) = refused {
        warn!(%error, "the system's log is not reached");
    }
}
