//! As whom a program runs.

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};
use tokio::process::Command;
use xvs_conf::config::ScriptUser;

use crate::ProcessError;

/// A user and a group of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    uid: Uid,
    gid: Gid,
}

/// Finds a user and group, by name or else by number; a number needs no name. Without a group it is the
/// user's own, and that of this process for a number without a name.
///
/// # Errors
/// There is no such user or group.
pub fn account(wanted: &ScriptUser) -> Result<Account, ProcessError> {
    let (uid, own_gid) = user(&wanted.user)?;
    let gid = match &wanted.group {
        Some(name) => group(name)?,
        None => own_gid.unwrap_or_else(getegid),
    };
    Ok(Account { uid, gid })
}

impl Account {
    /// The user's number.
    #[must_use]
    pub fn uid(self) -> u32 {
        self.uid.as_raw()
    }

    /// The group's number.
    #[must_use]
    pub fn gid(self) -> u32 {
        self.gid.as_raw()
    }

    /// Whether it may do everything.
    #[must_use]
    pub fn is_root(self) -> bool {
        self.uid.is_root()
    }

    /// Sets user and group where they are others than ours; the standard library then drops all further
    /// groups.
    pub(crate) fn apply(self, command: &mut Command) {
        if self.gid != getegid() || self.uid != geteuid() {
            command.gid(self.gid.as_raw());
        }
        if self.uid != geteuid() {
            command.uid(self.uid.as_raw());
        }
    }
}

fn user(name: &str) -> Result<(Uid, Option<Gid>), ProcessError> {
    if let Ok(Some(user)) = User::from_name(name) {
        return Ok((user.uid, Some(user.gid)));
    }
    let number = name.parse().map_err(|_no_number| ProcessError::NoUser {
        kind: "user",
        name: name.to_owned(),
    })?;
    let uid = Uid::from_raw(number);
    let user = User::from_uid(uid).ok().flatten();
    Ok((uid, user.map(|user| user.gid)))
}

fn group(name: &str) -> Result<Gid, ProcessError> {
    if let Ok(Some(group)) = Group::from_name(name) {
        return Ok(group.gid);
    }
    let number = name.parse().map_err(|_no_number| ProcessError::NoUser {
        kind: "group",
        name: name.to_owned(),
    })?;
    Ok(Gid::from_raw(number))
}
