//! Settings under /proc/sys/net of the calling thread's network namespace.
//!
//! A change leaves a [`SysctlRecord`]; taking it back restores what was there, unless somebody else
//! has set another value since, which is then theirs to keep.

use std::{fmt, fs, io, ops::RangeInclusive, path::PathBuf};

use serde::{Deserialize, Serialize};
use xvs_types::Family;

/// Where the settings are.
const FOLDER: &str = "/proc/sys/net";

/// A setting could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SysctlError {
    /// The kernel lacks it, or the link is gone.
    #[error("there is no setting `{sysctl}`: the kernel lacks it or the link is gone")]
    NotFound {
        /// Its name.
        sysctl: Sysctl,
    },
    /// The system refused to read it.
    #[error("cannot read `{sysctl}`: {source}")]
    Read {
        /// Its name.
        sysctl: Sysctl,
        /// The system's reason.
        source: io::Error,
    },
    /// Its value is not of the kind that is expected.
    #[error("`{sysctl}` is `{value}`, not {expected}")]
    Value {
        /// Its name.
        sysctl: Sysctl,
        /// What it holds.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The system refused the new value.
    #[error("cannot set `{sysctl}` to `{value}`: {source}")]
    Write {
        /// Its name.
        sysctl: Sysctl,
        /// The new value.
        value: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// A setting below `net`, such as `ipv4/ip_forward`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sysctl(String);

impl Sysctl {
    /// The setting at `path` below /proc/sys/net, parts separated by `/` (names of links may hold
    /// dots); none when a part is empty or leads upwards.
    #[must_use]
    pub fn new(path: &str) -> Option<Self> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        path.split('/').all(plain).then(|| Self(path.to_owned()))
    }

    /// `net.ipv4.ip_forward`.
    #[must_use]
    pub fn ip_forward() -> Self {
        Self("ipv4/ip_forward".to_owned())
    }

    /// `net.ipv4.ip_early_demux`, which is for both families.
    #[must_use]
    pub fn early_demux() -> Self {
        Self("ipv4/ip_early_demux".to_owned())
    }

    /// `net.ipv6.conf.all.forwarding`.
    #[must_use]
    pub fn ipv6_forwarding() -> Self {
        Self("ipv6/conf/all/forwarding".to_owned())
    }

    /// `net.ipv4.conf.LINK.SETTING`; `link` may be `all` or `default`.
    ///
    /// None when either name cannot be one.
    #[must_use]
    pub fn ipv4_link(link: &str, setting: &str) -> Option<Self> {
        Self::of_link("ipv4", link, setting)
    }

    /// `net.ipv6.conf.LINK.SETTING`; `link` may be `all` or `default`.
    ///
    /// None when either name cannot be one.
    #[must_use]
    pub fn ipv6_link(link: &str, setting: &str) -> Option<Self> {
        Self::of_link("ipv6", link, setting)
    }

    /// `net.ipv4.neigh.LINK.SETTING` or `net.ipv6.neigh.LINK.SETTING`.
    ///
    /// None when either name cannot be one.
    #[must_use]
    pub fn neighbour(family: Family, link: &str, setting: &str) -> Option<Self> {
        if link.contains('/') || setting.contains('/') {
            return None;
        }
        let family = match family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        Self::new(&format!("{family}/neigh/{link}/{setting}"))
    }

    fn of_link(family: &str, link: &str, setting: &str) -> Option<Self> {
        if link.contains('/') || setting.contains('/') {
            return None;
        }
        Self::new(&format!("{family}/conf/{link}/{setting}"))
    }

    /// Its value, without the line's end.
    ///
    /// # Errors
    ///
    /// There is no such setting, or it cannot be read.
    pub fn value(&self) -> Result<String, SysctlError> {
        fs::read_to_string(self.path())
            .map(|value| value.trim_end().to_owned())
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => SysctlError::NotFound {
                    sysctl: self.clone(),
                },
                _ => SysctlError::Read {
                    sysctl: self.clone(),
                    source,
                },
            })
    }

    /// Its value as a number.
    ///
    /// # Errors
    ///
    /// There is no such setting, it cannot be read, or it is no number.
    pub fn number(&self) -> Result<i64, SysctlError> {
        let value = self.value()?;
        value.parse().map_err(|_not| SysctlError::Value {
            sysctl: self.clone(),
            value: value.clone(),
            expected: "a number",
        })
    }

    /// Sets it and tells what to restore; a setting that holds the value already is not written.
    ///
    /// # Errors
    ///
    /// There is no such setting, the value is refused, or the right is lacking.
    pub fn set(&self, value: impl ToString) -> Result<SysctlRecord, SysctlError> {
        let value = value.to_string();
        let before = self.value()?;
        if before != value {
            self.write(&value)?;
        }
        Ok(SysctlRecord {
            sysctl: self.clone(),
            before,
            after: value,
        })
    }

    fn write(&self, value: &str) -> Result<(), SysctlError> {
        fs::write(self.path(), value).map_err(|source| SysctlError::Write {
            sysctl: self.clone(),
            value: value.to_owned(),
            source,
        })
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(FOLDER).join(&self.0)
    }
}

impl fmt::Display for Sysctl {
    /// Writes `net.ipv4.ip_forward`; a dot within a link's name is written as `/`, as sysctl(8) does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("net")?;
        for part in self.0.split('/') {
            write!(f, ".{}", part.replace('.', "/"))?;
        }
        Ok(())
    }
}

/// A text is no path of a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not the path of a setting below {FOLDER}")]
pub struct SysctlPathError {
    /// What was given.
    pub path: String,
}

impl TryFrom<String> for Sysctl {
    type Error = SysctlPathError;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        Self::new(&path).ok_or(SysctlPathError { path })
    }
}

impl From<Sysctl> for String {
    fn from(sysctl: Sysctl) -> Self {
        sysctl.0
    }
}

/// What a change of a setting replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysctlRecord {
    /// The setting.
    pub sysctl: Sysctl,
    /// Its value before.
    pub before: String,
    /// The value it was given.
    pub after: String,
}

/// What became of a setting that was to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restored {
    /// It holds its old value again.
    Back,
    /// It is gone, with its link.
    Gone,
    /// Somebody else set it since; it keeps that value.
    Kept {
        /// The value found.
        found: String,
    },
}

impl SysctlRecord {
    /// Gives the setting its old value back, unless somebody else set it since.
    ///
    /// # Errors
    ///
    /// It cannot be read or written.
    pub fn restore(&self) -> Result<Restored, SysctlError> {
        let found = match self.sysctl.value() {
            Err(SysctlError::NotFound { .. }) => return Ok(Restored::Gone),
            found => found?,
        };
        if found == self.before {
            return Ok(Restored::Back);
        }
        if found != self.after {
            return Ok(Restored::Kept { found });
        }
        self.sysctl.write(&self.before)?;
        Ok(Restored::Back)
    }
}

/// The ports that the kernel gives to sockets which ask for none: `net.ipv4.ip_local_port_range`,
/// for IPv6 too; the kernel's default is 32768 to 60999.
///
/// # Errors
///
/// It cannot be read.
pub fn local_port_range() -> Result<RangeInclusive<u16>, SysctlError> {
    let sysctl = Sysctl("ipv4/ip_local_port_range".to_owned());
    let value = sysctl.value()?;
    port_range(&value).ok_or(SysctlError::Value {
        sysctl,
        value,
        expected: "two ports",
    })
}

fn port_range(value: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = value.split_once(char::is_whitespace)?;
    Some(first.parse().ok()?..=last.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_the_folder() {
        for path in ["", "/etc/passwd", "ipv4/../../kernel/panic", "ipv4//x", "."] {
            assert_eq!(Sysctl::new(path), None, "{path}");
        }
        assert_eq!(Sysctl::ipv4_link("a/b", "rp_filter"), None);
        let json = "\"ipv4/../x\"";
        assert!(serde_json::from_str::<Sysctl>(json).is_err());
    }

    #[test]
    fn the_name_is_written_as_sysctl_writes_it() {
        let sysctl = Sysctl::ipv4_link("eth0.100", "arp_ignore").unwrap();
        assert_eq!(sysctl.to_string(), "net.ipv4.conf.eth0/100.arp_ignore");
    }

    #[test]
    fn a_missing_setting_is_named() {
        let error = Sysctl::ipv4_link("no-such-link", "arp_ignore")
            .unwrap()
            .value()
            .unwrap_err();
        assert!(matches!(error, SysctlError::NotFound { .. }));
        assert!(
            error
                .to_string()
                .contains("net.ipv4.conf.no-such-link.arp_ignore")
        );
    }

    #[test]
    fn a_port_range_is_two_ports() {
        assert_eq!(port_range("32768\t60999"), Some(32_768..=60_999));
        assert_eq!(port_range("32768"), None);
        assert_eq!(port_range("1 70000"), None);
    }
}
