//! The kernel's settings as the API lists them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xvs_types::{Effect, Op, Setting, Settings};

/// A setting with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingListing {
    /// Which one.
    pub name: Setting,
    /// Its value as `sysctl` prints it.
    pub value: String,
    /// The kernel's default.
    pub default: String,
    /// The smallest value; none where it cannot be changed.
    pub minimum: Option<i32>,
    /// The largest value; none where it cannot be changed.
    pub maximum: Option<i32>,
    /// Why it cannot be changed; none where it can.
    pub fixed: Option<String>,
}

impl SettingListing {
    /// Every setting with its value among `settings`, in alphabetical order.
    #[must_use]
    pub fn all(settings: &Settings) -> Vec<Self> {
        Setting::ALL
            .iter()
            .map(|setting| Self::new(*setting, settings))
            .collect()
    }

    fn new(name: Setting, settings: &Settings) -> Self {
        let range = match name.effect() {
            Effect::InForce {
                minimum, maximum, ..
            } => Some((minimum, maximum)),
            Effect::Later { .. } | Effect::Never { .. } => None,
        };
        Self {
            name,
            value: settings.text(name),
            default: name.default_text(),
            minimum: range.map(|(minimum, _)| minimum),
            maximum: range.map(|(_, maximum)| maximum),
            fixed: name.refusal().map(|refusal| refusal.to_string()),
        }
    }
}

/// The body of `PUT /v1/settings`: settings by name with their new values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SettingChanges(pub BTreeMap<Setting, i32>);

impl SettingChanges {
    /// The ops that make them.
    #[must_use]
    pub fn into_ops(self) -> Vec<Op> {
        self.0
            .into_iter()
            .map(|(setting, value)| Op::SetSetting { setting, value })
            .collect()
    }
}
