//! Whether the options fit the command, and the tunnel's options its type.

use xvs_types::TunnelKind;

use super::Refusal;
use crate::options::{Demands, OPTIONS, Opt, OptionSet, Word};

/// The options that describe a tunnel.
const TUNNEL_OPTIONS: &[Opt] = &[
    Opt::TunnelType,
    Opt::TunnelPort,
    Opt::TunnelNoChecksum,
    Opt::TunnelChecksum,
    Opt::TunnelRemoteChecksum,
];

/// The options of a command: what it demands, what is none of its own, what excludes what.
pub(super) fn options_of_command(word: Word, given: &OptionSet) -> Result<(), Refusal> {
    check(
        OPTIONS,
        &word.demands(),
        given,
        &format!("'{}' command", word.name()),
    )
}

/// Whether any option of a tunnel was given.
pub(super) fn has_tunnel_options(given: &OptionSet) -> bool {
    given.any(TUNNEL_OPTIONS)
}

/// The options of a tunnel of this kind.
pub(super) fn options_of_tunnel(kind: TunnelKind, given: &OptionSet) -> Result<(), Refusal> {
    const TYPE: &[Opt] = &[Opt::TunnelType];
    let (name, required, exclusive): (_, &[Opt], &[Opt]) = match kind {
        TunnelKind::Gre => ("gre", &[], &[Opt::TunnelNoChecksum, Opt::TunnelChecksum]),
        TunnelKind::Gue { .. } => (
            "gue",
            &[Opt::TunnelPort],
            &[
                Opt::TunnelNoChecksum,
                Opt::TunnelChecksum,
                Opt::TunnelRemoteChecksum,
            ],
        ),
        TunnelKind::Ipip => ("ipip", &[], &[]),
    };
    let demands = Demands {
        required,
        optional: TYPE,
        exclusive,
    };
    check(
        TUNNEL_OPTIONS,
        &demands,
        given,
        &format!("'{name}' tunnel type"),
    )
}

fn check(
    options: &[Opt],
    demands: &Demands,
    given: &OptionSet,
    whose: &str,
) -> Result<(), Refusal> {
    let mut exclusive = None;
    for &option in options {
        let name = option.name();
        let required = demands.required.contains(&option);
        if !given.contains(option) {
            if required {
                return Err(Refusal::usage(format!(
                    "You need to supply the '{name}' option for the {whose}"
                )));
            }
        } else if demands.exclusive.contains(&option) {
            if let Some(first) = exclusive.replace(name) {
                return Err(Refusal::usage(format!(
                    "The option '{name}' conflicts with the '{first}' option in the {whose}"
                )));
            }
        } else if !required && !demands.optional.contains(&option) {
            return Err(Refusal::usage(format!(
                "Illegal '{name}' option with the {whose}"
            )));
        }
    }
    Ok(())
}
