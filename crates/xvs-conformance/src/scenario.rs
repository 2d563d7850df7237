//! A recording: what was put into a director, and everything that came out of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// One scenario. Each begins with an empty director.
#[derive(Clone, Debug, Deserialize)]
pub struct Scenario {
    /// Its name: plan, topic, name.
    pub id: String,
    /// Name of its topology.
    pub topology: String,
    /// Commands that prepare the director.
    pub setup: Vec<Setup>,
    /// Sockets that a host beside the director has open.
    #[serde(default)]
    pub local_sockets: Vec<LocalSocket>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// Frames that left after the last step.
    #[serde(default)]
    pub late: Vec<Output>,
    /// What listings said at the end, by the command.
    #[serde(rename = "final")]
    pub listings: BTreeMap<String, String>,
    /// Set where another boot of the same kernel behaved otherwise: such a scenario decides nothing.
    #[serde(default)]
    pub unstable: Option<serde_json::Value>,
}

impl Scenario {
    /// Whether every boot of the recorded kernel behaved the same.
    #[must_use]
    pub const fn decides(&self) -> bool {
        self.unstable.is_none()
    }
}

/// A command before the first step.
#[derive(Clone, Debug, Deserialize)]
pub struct Setup {
    /// The command line.
    pub cmd: String,
    /// Its exit status.
    #[serde(default)]
    pub rc: i32,
}

/// A UDP socket on the director that sends back what it gets.
#[derive(Clone, Debug, Deserialize)]
pub struct LocalSocket {
    /// Address and port.
    pub bind: String,
}

/// Something that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Step {
    /// A command on the director.
    Exec {
        /// The command line.
        cmd: String,
        /// Its exit status.
        rc: i32,
        /// What it printed.
        stdout: String,
        /// Its messages.
        stderr: String,
        /// Frames that left meanwhile.
        #[serde(default)]
        out: Vec<Output>,
    },
    /// A frame into the director.
    Inject {
        /// The leg that it comes in by.
        leg: String,
        /// The frame.
        #[serde(deserialize_with = "hex")]
        frame: Vec<u8>,
        /// Frames that left.
        out: Vec<Output>,
    },
    /// Time that passes.
    Wait {
        /// Milliseconds.
        ms: u64,
        /// Frames that left meanwhile.
        out: Vec<Output>,
    },
}

/// A frame that left the director.
#[derive(Clone, Debug, Deserialize)]
pub struct Output {
    /// The leg that it left by.
    pub leg: String,
    /// The frame.
    #[serde(deserialize_with = "hex")]
    pub frame: Vec<u8>,
    /// Bytes that are never the same: name of the field, offset, length.
    #[serde(default)]
    pub varies: Vec<(String, usize, usize)>,
}

fn hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(serde::de::Error::custom)?;
            u8::from_str_radix(pair, 16).map_err(serde::de::Error::custom)
        })
        .collect()
}
