//! What the kernel keeps under `/proc/sys/net/ipv4/vs`, by its names.
//!
//! Every setting of Linux 6.12 (`net/netfilter/ipvs/ip_vs_ctl.c`, `ip_vs_lblc.c`, `ip_vs_lblcr.c`) is
//! listed with the kernel's default. One that does nothing in xvs says why, and keeps its default:
//! whoever sets another value is told so, and not left to believe in it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What becomes of a setting in xvs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is obeyed.
    InForce {
        /// The kernel's default.
        default: i32,
        /// The smallest value.
        minimum: i32,
        /// The largest value.
        maximum: i32,
    },
    /// xvs does not have yet what it is about.
    Later {
        /// The kernel's default, which is how xvs behaves.
        default: &'static str,
        /// What is missing.
        missing: &'static str,
    },
    /// What it is about does not exist in xvs, and will not.
    Never {
        /// The kernel's default.
        default: &'static str,
        /// Why there is nothing to set.
        reason: &'static str,
    },
}

const fn flag(default: i32) -> Effect {
    Effect::InForce {
        default,
        minimum: 0,
        maximum: 1,
    }
}

const fn number(default: i32, maximum: i32) -> Effect {
    Effect::InForce {
        default,
        minimum: 0,
        maximum,
    }
}

const fn later(default: &'static str, missing: &'static str) -> Effect {
    Effect::Later { default, missing }
}

const fn never(default: &'static str, reason: &'static str) -> Effect {
    Effect::Never { default, reason }
}

const SYNC: &str = "connection synchronisation";
const ESTIMATES: &str = "rates are worked out from the table and cost no packet anything";

macro_rules! settings {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $effect:expr;)+) => {
        /// A setting of `net.ipv4.vs`.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Setting { $($(#[$doc])* $variant,)+ }

        impl Setting {
            /// All settings, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name below `net.ipv4.vs`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What becomes of it.
            #[must_use]
            pub fn effect(self) -> Effect {
                match self { $(Self::$variant => $effect,)+ }
            }
        }
    };
}

settings! {
    /// With `drop_packet` 3: one of so many new connections is dropped; 0 drops none.
    AmDroprate = "am_droprate", number(10, i32::MAX);
    /// Pages of free memory below which the modes 1 of the defences act.
    Amemthresh = "amemthresh", number(1024, i32::MAX);
    /// A backup of connection synchronisation directs nothing.
    BackupOnly = "backup_only", later("0", SYNC);
    /// Without a real server, packets of a firewall mark go where they are addressed.
    CacheBypass = "cache_bypass", never("0", "what is not for this host is balanced by no mark, and goes where it is addressed");
    /// A bitmap: 1, a SYN on a connection that is closed begins anew; 2, also in FIN_WAIT where replies
    /// are never seen; 0, neither.
    ConnReuseMode = "conn_reuse_mode", number(1, i32::MAX);
    /// Keep netfilter's connection tracking.
    Conntrack = "conntrack", never("0", "balanced packets do not pass netfilter");
    /// What drops connections each second that are only begun or idle: 0 never, 1 and 2 while memory is
    /// short, 3 always.
    DropEntry = "drop_entry", number(0, 3);
    /// What drops new connections, one of some: 0 never, 1 and 2 while memory is short, 3 always.
    DropPacket = "drop_packet", number(0, 3);
    /// The CPUs that work out rates.
    EstCpulist = "est_cpulist", never("", ESTIMATES);
    /// The priority of who works out rates.
    EstNice = "est_nice", never("0", ESTIMATES);
    /// Connections of a deleted real server end at once; a SYN to one of weight 0 begins anew.
    ExpireNodestConn = "expire_nodest_conn", flag(0);
    /// Templates of a real server of weight 0 end.
    ExpireQuiescentTemplate = "expire_quiescent_template", flag(0);
    /// Leave ICMP errors about tunnel packets alone.
    IgnoreTunneled = "ignore_tunneled", never("0", "what comes out of a tunnel on this host is not balanced");
    /// Seconds after which lblc forgets a destination.
    LblcExpiration = "lblc_expiration", number(86_400, i32::MAX / 1000);
    /// Seconds after which lblcr takes a server from a destination's set.
    LblcrExpiration = "lblcr_expiration", number(86_400, i32::MAX / 1000);
    /// Answer packets of real servers for which there is no connection by ICMP.
    NatIcmpSend = "nat_icmp_send", later("0", "answering what real servers send by themselves");
    /// Tell senders about packets that tunnels cannot carry whole.
    PmtuDisc = "pmtu_disc", flag(1);
    /// Work out rates.
    RunEstimation = "run_estimation", never("1", ESTIMATES);
    /// ICMP errors open connections.
    ScheduleIcmp = "schedule_icmp", flag(0);
    /// The defence by another table of states: 0 off, 1 and 2 while memory is short, 3 always.
    SecureTcp = "secure_tcp", number(0, 3);
    /// Any SCTP packet but an ABORT opens a connection.
    SloppySctp = "sloppy_sctp", flag(0);
    /// Any TCP segment but a reset opens a connection.
    SloppyTcp = "sloppy_tcp", flag(0);
    /// Replies of NAT take the way that rules of routing give to packets from the VIP, else that of packets
    /// from the real server. A connection keeps the way that it has.
    SnatReroute = "snat_reroute", flag(1);
    /// Which connections of templates are synchronised.
    SyncPersistMode = "sync_persist_mode", later("0", SYNC);
    /// Ports of the synchronisation.
    SyncPorts = "sync_ports", later("1", SYNC);
    /// Messages that may wait to be sent.
    SyncQlenMax = "sync_qlen_max", later("1/32 of memory, in pages", SYNC);
    /// Seconds between two messages about a connection.
    SyncRefreshPeriod = "sync_refresh_period", later("0", SYNC);
    /// How often a message is repeated.
    SyncRetries = "sync_retries", later("0", SYNC);
    /// Buffer of the synchronisation's sockets.
    SyncSockSize = "sync_sock_size", later("0", SYNC);
    /// After how many packets a connection is synchronised.
    SyncThreshold = "sync_threshold", later("3\t50", SYNC);
    /// The version of the synchronisation's protocol.
    SyncVersion = "sync_version", later("1", SYNC);
}

/// The folder of the settings, with dots.
const FOLDER: &str = "net.ipv4.vs.";

impl Setting {
    /// Its name in full, as `sysctl` has it.
    #[must_use]
    pub fn full_name(self) -> String {
        format!("{FOLDER}{}", self.name())
    }

    /// The kernel's default as text.
    #[must_use]
    pub fn default_text(self) -> String {
        match self.effect() {
            Effect::InForce { default, .. } => default.to_string(),
            Effect::Later { default, .. } | Effect::Never { default, .. } => default.to_owned(),
        }
    }

    /// Reads a value; none when it is the default of a setting that is not in force.
    ///
    /// # Errors
    ///
    /// When it is no value of this setting, or another than the default of one that is not in force.
    pub fn parse_value(self, text: &str) -> Result<Option<i32>, SettingError> {
        let text = text.trim();
        if let Some(refusal) = self.refusal() {
            let default = self.default_text();
            let same = text.split_whitespace().eq(default.split_whitespace());
            return if same { Ok(None) } else { Err(refusal) };
        }
        let value = text.parse().map_err(|_no_number| SettingError::Value {
            setting: self,
            value: text.to_owned(),
        })?;
        self.check(value)?;
        Ok(Some(value))
    }

    /// Why it cannot be changed; none where it can.
    #[must_use]
    pub fn refusal(self) -> Option<SettingError> {
        match self.effect() {
            Effect::InForce { .. } => None,
            Effect::Later { missing, .. } => Some(SettingError::Later {
                setting: self,
                missing,
            }),
            Effect::Never { reason, .. } => Some(SettingError::Never {
                setting: self,
                reason,
            }),
        }
    }

    /// Whether it may have this value.
    ///
    /// # Errors
    ///
    /// When it is out of range, or the setting is not in force.
    pub fn check(self, value: i32) -> Result<(), SettingError> {
        if let Effect::InForce {
            minimum, maximum, ..
        } = self.effect()
            && !(minimum..=maximum).contains(&value)
        {
            return Err(SettingError::Range {
                setting: self,
                value,
                minimum,
                maximum,
            });
        }
        self.refusal().map_or(Ok(()), Err)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Setting {
    type Err = SettingError;

    /// Takes `drop_entry`, `net.ipv4.vs.drop_entry` and `net/ipv4/vs/drop_entry`.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let dotted = name.replace('/', ".");
        let short = dotted.strip_prefix(FOLDER).unwrap_or(&dotted);
        Self::ALL
            .iter()
            .copied()
            .find(|setting| setting.name() == short)
            .ok_or_else(|| SettingError::Unknown {
                name: name.to_owned(),
            })
    }
}

/// A setting cannot be had, or not with this value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// What it is about is missing.
    #[error("`{setting}` cannot be changed: the datapath does not have {missing} yet")]
    Later {
        /// Which one.
        setting: Setting,
        /// What is missing.
        missing: &'static str,
    },
    /// There is nothing to set.
    #[error("`{setting}` cannot be changed: {reason}")]
    Never {
        /// Which one.
        setting: Setting,
        /// Why.
        reason: &'static str,
    },
    /// The value is out of range.
    #[error("`{setting}` cannot be {value}: it goes from {minimum} to {maximum}")]
    Range {
        /// Which one.
        setting: Setting,
        /// What was given.
        value: i32,
        /// The smallest value.
        minimum: i32,
        /// The largest value.
        maximum: i32,
    },
    /// No setting has this name.
    #[error("no setting is named `{name}`; `xvs sysctl -a` lists them")]
    Unknown {
        /// What was given.
        name: String,
    },
    /// The value is no number.
    #[error("`{setting}` cannot be `{value}`: it is a whole number")]
    Value {
        /// Which one.
        setting: Setting,
        /// What was given.
        value: String,
    },
}

/// The values of all settings; each has its default until it is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<Setting, i32>);

impl Settings {
    /// The value of a setting; 0 for one that is not in force.
    #[must_use]
    pub fn value(&self, setting: Setting) -> i32 {
        self.0.get(&setting).copied().unwrap_or_else(|| {
            if let Effect::InForce { default, .. } = setting.effect() {
                default
            } else {
                0
            }
        })
    }

    /// The value of a setting that has no negative ones.
    #[must_use]
    pub fn unsigned(&self, setting: Setting) -> u32 {
        u32::try_from(self.value(setting)).unwrap_or(0)
    }

    /// Whether a setting is on.
    #[must_use]
    pub fn is_on(&self, setting: Setting) -> bool {
        self.value(setting) != 0
    }

    /// The value of a setting as text; that of one not in force is its default.
    #[must_use]
    pub fn text(&self, setting: Setting) -> String {
        match setting.effect() {
            Effect::InForce { .. } => self.value(setting).to_string(),
            _ => setting.default_text(),
        }
    }

    /// Those that differ from their default, in alphabetical order.
    pub fn changed(&self) -> impl Iterator<Item = (Setting, i32)> + '_ {
        self.0.iter().map(|(setting, value)| (*setting, *value))
    }

    /// Changes a setting; answers what it was.
    ///
    /// # Errors
    ///
    /// As [`Setting::check`].
    pub fn set(&mut self, setting: Setting, value: i32) -> Result<i32, SettingError> {
        setting.check(value)?;
        let before = self.value(setting);
        self.0.remove(&setting);
        if self.value(setting) != value {
            self.0.insert(setting, value);
        }
        Ok(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel_with_dots_slashes_or_alone() {
        for setting in Setting::ALL {
            let name = setting.name();
            let json = serde_json::to_string(setting).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            for spelt in [
                name.to_owned(),
                format!("net.ipv4.vs.{name}"),
                format!("net/ipv4/vs/{name}"),
            ] {
                assert_eq!(spelt.parse(), Ok(*setting));
            }
        }
        assert!(Setting::ALL.is_sorted_by_key(|setting| setting.name()));
        assert!("net.ipv4.ip_forward".parse::<Setting>().is_err());
    }

    #[test]
    fn values_are_checked_against_the_range_of_the_setting() {
        let mut settings = Settings::default();
        assert_eq!(settings.value(Setting::ConnReuseMode), 1);
        assert_eq!(settings.set(Setting::DropEntry, 3), Ok(0));
        assert!(settings.is_on(Setting::DropEntry));
        assert!(settings.set(Setting::DropEntry, 4).is_err());
        assert!(settings.set(Setting::DropEntry, -1).is_err());
        assert_eq!(settings.value(Setting::DropEntry), 3);
        // Back at its default it is as if it had never been set.
        assert_eq!(settings.set(Setting::DropEntry, 0), Ok(3));
        assert_eq!(settings, Settings::default());
        assert!(Setting::DropEntry.parse_value("three").is_err());
        assert_eq!(Setting::DropEntry.parse_value(" 2\n"), Ok(Some(2)));
    }

    #[test]
    fn what_is_not_in_force_takes_its_default_and_nothing_else() {
        assert_eq!(Setting::SyncThreshold.parse_value("3 50"), Ok(None));
        let refused = Setting::SyncThreshold.parse_value("0 50").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`sync_threshold` cannot be changed: the datapath does not have connection synchronisation yet"
        );
        assert!(Settings::default().set(Setting::Conntrack, 1).is_err());
    }
}
