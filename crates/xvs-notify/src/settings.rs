//! Where notifications go, and how much of them may wait.

use std::{path::PathBuf, time::Duration};

use xvs_conf::config::{Fifo, GlobalDefs, Script, ScriptUser};

use crate::{LaneLimits, MailSettings, WebhookSettings, secret::SecretError};

/// Where notifications go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// FIFOs, in the order in which each event is written to them.
    pub fifos: Vec<FifoSettings>,
    /// Mail; none, no mail.
    pub mail: Option<MailSettings>,
    /// What scripts may do.
    pub scripts: ScriptSettings,
    /// The webhook; default none (`xvs_webhook`).
    pub webhook: Option<WebhookSettings>,
}

/// What scripts may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptSettings {
    /// Root runs nothing that others can change; default off, as `enable_script_security` in keepalived.
    pub security: bool,
    /// How long a script may run before it gets SIGTERM, and two seconds later SIGKILL; default 60 s.
    /// keepalived has no limit, but does not keep scripts in order either. `xvs_script_timeout` sets it.
    pub limit: Duration,
    /// How many may wait and run.
    pub lanes: LaneLimits,
}

/// A FIFO and its reader.
#[derive(Clone, Debug, PartialEq)]
pub struct FifoSettings {
    /// Where it is; made with mode 0600 unless it is there.
    pub path: PathBuf,
    /// Whose it is, when it is made; none for this process's user.
    pub owner: Option<ScriptUser>,
    /// The program that reads it, which gets the path as its last argument; started with the FIFO,
    /// started again when it ends.
    pub reader: Option<Script>,
    /// What is written to it.
    pub channel: Channel,
    /// Lines that wait for a slow reader beside the 64 KiB that the kernel holds; default 16,384.
    pub limit: usize,
}

/// Which events a FIFO gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// All (`notify_fifo`).
    All,
    /// Virtual and real servers (`lvs_notify_fifo`).
    Lvs,
    /// Virtual routers and sync groups (`vrrp_notify_fifo`).
    Vrrp,
}

impl ScriptSettings {
    /// How long a script may run, unless somebody says otherwise.
    pub const LIMIT: Duration = Duration::from_secs(60);
}

impl Default for ScriptSettings {
    fn default() -> Self {
        Self {
            security: false,
            limit: Self::LIMIT,
            lanes: LaneLimits::default(),
        }
    }
}

impl Settings {
    /// What the configuration says; `host_name` stands for what it leaves out. Answers beside it why
    /// something of it cannot be: a secret that cannot be read.
    ///
    /// Reads the files of passwords and tokens.
    #[must_use]
    pub fn from_config(global: &GlobalDefs, host_name: &str) -> (Self, Vec<String>) {
        let fifos = [
            (&global.notify_fifo, Channel::All),
            (&global.lvs_notify_fifo, Channel::Lvs),
            (&global.vrrp_notify_fifo, Channel::Vrrp),
        ];
        let mut refused = Vec::new();
        let settings = Self {
            fifos: fifos
                .into_iter()
                .filter_map(|(fifo, channel)| FifoSettings::from_config(fifo, channel))
                .collect(),
            mail: known(
                "mail",
                MailSettings::from_config(global, host_name),
                &mut refused,
            ),
            scripts: ScriptSettings {
                security: global.script_security,
                limit: global.own.script_timeout.unwrap_or(ScriptSettings::LIMIT),
                ..ScriptSettings::default()
            },
            webhook: known(
                "webhook",
                WebhookSettings::from_config(global, host_name),
                &mut refused,
            ),
        };
        (settings, refused)
    }
}

/// What was found; without its secret there is none, which is told.
fn known<T>(
    what: &str,
    found: Result<Option<T>, SecretError>,
    refused: &mut Vec<String>,
) -> Option<T> {
    found.unwrap_or_else(|why| {
        refused.push(format!("there is no {what}: {why}"));
        None
    })
}

impl FifoSettings {
    /// Lines that wait for a slow reader, unless somebody says otherwise.
    pub const LIMIT: usize = 16_384;

    fn from_config(fifo: &Fifo, channel: Channel) -> Option<Self> {
        Some(Self {
            path: PathBuf::from(fifo.path.as_ref()?),
            owner: fifo.owner.clone(),
            reader: fifo.script.clone(),
            channel,
            limit: Self::LIMIT,
        })
    }
}

impl Channel {
    /// Whether an event about VRRP, or one about servers, goes there.
    pub(crate) fn carries(self, vrrp: bool) -> bool {
        match self {
            Self::All => true,
            Self::Lvs => !vrrp,
            Self::Vrrp => vrrp,
        }
    }
}
