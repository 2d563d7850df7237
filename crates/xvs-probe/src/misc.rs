//! MISC_CHECK: a program decides.
//!
//! It runs without a shell in a process group of its own, as its user and without further groups. When
//! its time is over the group gets SIGTERM, and two seconds later SIGKILL.

use std::{
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Gid, Group, Pid, Uid, User, getegid, geteuid},
};
use tokio::process::Command;
use xvs_conf::config::{MiscCheck, ScriptUser};

use crate::{Failure, Success};

/// From SIGTERM to SIGKILL, as in keepalived.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) async fn run(check: &MiscCheck) -> Result<Success, Failure> {
    let Some((program, arguments)) = check.script.arguments.split_first() else {
        return Err(Failure::NotAProbe);
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    become_user(&mut command, &check.script.user)?;
    let mut child = command.spawn().map_err(|source| Failure::Spawn {
        program: program.clone(),
        source,
    })?;
    let mut group = ProcessGroup::of(child.id());
    let waited = tokio::time::timeout(check.timeout, child.wait()).await;
    let Ok(status) = waited else {
        group.signal(Signal::SIGTERM);
        // Its status says nothing any more; only that it is gone matters.
        let _ended = tokio::time::timeout(GRACE, child.wait()).await;
        group.signal(Signal::SIGKILL);
        child.wait().await.map_err(Failure::Broken)?;
        group.done();
        return Err(Failure::TimedOut);
    };
    let status = status.map_err(Failure::Broken)?;
    group.done();
    judge(status, check.dynamic)
}

fn judge(status: ExitStatus, dynamic: bool) -> Result<Success, Failure> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(Success::Plain),
        (Some(code @ 2..=255), _) if dynamic => {
            let weight = u32::try_from(code - 2).map_err(|_negative| Failure::Exit(code))?;
            Ok(Success::WeightSet(weight))
        }
        (Some(code), _) => Err(Failure::Exit(code)),
        (None, signal) => Err(Failure::Signal(signal.unwrap_or_default())),
    }
}

/// Sets user and group where they are others than ours; the standard library then drops all further
/// groups.
fn become_user(command: &mut Command, wanted: &ScriptUser) -> Result<(), Failure> {
    let (uid, own_gid) = user(&wanted.user)?;
    let gid = match &wanted.group {
        Some(name) => group(name)?,
        None => own_gid.unwrap_or_else(getegid),
    };
    if gid != getegid() || uid != geteuid() {
        command.gid(gid.as_raw());
    }
    if uid != geteuid() {
        command.uid(uid.as_raw());
    }
    Ok(())
}

fn user(name: &str) -> Result<(Uid, Option<Gid>), Failure> {
    if let Ok(Some(user)) = User::from_name(name) {
        return Ok((user.uid, Some(user.gid)));
    }
    let number = name.parse().map_err(|_no_number| Failure::NoUser {
        kind: "user",
        name: name.to_owned(),
    })?;
    let uid = Uid::from_raw(number);
    let user = User::from_uid(uid).ok().flatten();
    Ok((uid, user.map(|user| user.gid)))
}

fn group(name: &str) -> Result<Gid, Failure> {
    if let Ok(Some(group)) = Group::from_name(name) {
        return Ok(group.gid);
    }
    let number = name.parse().map_err(|_no_number| Failure::NoUser {
        kind: "group",
        name: name.to_owned(),
    })?;
    Ok(Gid::from_raw(number))
}

/// The processes of a check, killed when the check is given up.
struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    fn of(leader: Option<u32>) -> Self {
        Self(
            leader
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        )
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // The last of them may have ended meanwhile.
            let _gone = killpg(group, signal);
        }
    }

    /// The leader was waited for: its number may belong to others soon.
    fn done(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
