//! Settings that can change while the daemon runs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where on a link the datapath shall run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookChoice {
    /// The best hook of each link; status says which and why.
    #[default]
    Auto,
    /// tcx ingress (a clsact filter before Linux 6.6).
    Tcx,
    /// XDP in the driver; refused where the driver has none.
    Xdp,
    /// XDP in the stack, which every link can do.
    XdpGeneric,
}

impl HookChoice {
    /// All choices, as the command line takes them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Tcx, Self::Xdp, Self::XdpGeneric];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tcx => "tcx",
            Self::Xdp => "xdp",
            Self::XdpGeneric => "xdp-generic",
        }
    }
}

impl fmt::Display for HookChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text names no hook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no hook is named `{name}`; there are auto tcx xdp xdp-generic")]
pub struct ParseHookError {
    /// What was given.
    pub name: String,
}

impl FromStr for HookChoice {
    type Err = ParseHookError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.name() == name)
            .ok_or_else(|| ParseHookError {
                name: name.to_owned(),
            })
    }
}

/// The body of `/v1/hook`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSetting {
    /// Where on its links the datapath runs.
    pub hook: HookChoice,
}

/// The body of `/v1/interfaces`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceSetting {
    /// The names of the links that carry the datapath; none (`null`) leaves the choice to xvs.
    pub interfaces: Option<Vec<String>>,
}

/// The body of `POST /v1/stop`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StopRequest {
    /// Leave the datapath forwarding; default as the daemon was started.
    pub keep: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_are_those_of_the_json() {
        for choice in HookChoice::ALL {
            assert_eq!(choice.name().parse(), Ok(choice));
            assert_eq!(
                serde_json::to_string(&choice).unwrap(),
                format!("\"{choice}\"")
            );
        }
        assert!("XDP".parse::<HookChoice>().is_err());
    }
}
