//! Lines of rules of policy routing, in the words of `ip rule`.

use super::{is_destination, needed_value};
use crate::{
    codes,
    config::PolicyRule,
    keywords::{Line, Scope},
};

/// Preference of a rule that names none.
const DEFAULT_PREFERENCE: u32 = 16_384;

/// Words of a rule that take one value.
const RULE_VALUES: &[&str] = &[
    "from",
    "to",
    "table",
    "lookup",
    "preference",
    "order",
    "priority",
    "tos",
    "dsfield",
    "fwmark",
    "realms",
    "suppress_prefixlength",
    "sup_pl",
    "suppress_ifgroup",
    "sup_group",
    "dev",
    "iif",
    "oif",
    "tun_id",
    "uidrange",
    "protocol",
    "ipproto",
    "sport",
    "dport",
    "track_group",
    "type",
    "goto",
];

/// Words of a rule that stand alone.
const RULE_FLAGS: &[&str] = &[
    "inet",
    "inet6",
    "not",
    "l3mdev",
    "no_track",
    "nop",
    "blackhole",
    "prohibit",
    "unreachable",
];

/// A rule line.
pub(crate) fn rule(line: &Line<'_>, fixed: bool, scope: &mut Scope<'_>) -> Option<PolicyRule> {
    let mut rule = PolicyRule {
        preference: 0,
        options: Vec::new(),
        untracked: false,
        track_group: None,
    };
    let mut preference = None;
    let mut index = 0;
    while let Some(word) = line.get(index) {
        if RULE_FLAGS.contains(&word) {
            if word == "no_track" {
                rule.untracked = true;
            } else {
                rule.options.push(word.to_owned());
            }
        } else if RULE_VALUES.contains(&word) {
            index += 1;
            let value = needed_value(line, index, scope)?;
            match word {
                "preference" | "order" | "priority" => {
                    preference = Some(line.lax_integer(
                        index,
                        0..=4_294_967_295,
                        "the rule is left out",
                        scope,
                    )?);
                }
                "from" | "to" if !is_destination(value) => {
                    line.reject(
                        index,
                        format!("`{value}` is not an address with a prefix"),
                        "the rule is left out",
                        scope,
                    );
                    return None;
                }
                "dev" | "iif" | "oif" => {
                    let interface = scope.interface(value, line.at(index))?;
                    rule.options.extend([word.to_owned(), interface]);
                }
                "track_group" if fixed && scope.known.track_groups.contains(value) => {
                    rule.track_group = Some(value.to_owned());
                }
                "track_group" => scope.sink.reported(
                    codes::UNKNOWN_NAME,
                    line.at(index),
                    format!("no `track_group` named `{value}` stands above"),
                    "it is ignored",
                ),
                _ => rule.options.extend([word.to_owned(), value.to_owned()]),
            }
        } else {
            line.reject(
                index,
                format!("`{word}` is no word of a rule"),
                "the rule is left out",
                scope,
            );
            return None;
        }
        index += 1;
    }
    if !has_action(&rule.options) {
        line.reject(
            0,
            "a rule needs an action",
            "write `table`, `goto`, `blackhole`, `prohibit`, `unreachable` or `nop`; it is left out",
            scope,
        );
        return None;
    }
    rule.preference = preference.unwrap_or_else(|| {
        scope.sink.reported(
            codes::MISSING_SETTING,
            line.span(),
            "the rule has no preference",
            format!("it is {DEFAULT_PREFERENCE}, which hardly is what you want"),
        );
        DEFAULT_PREFERENCE
    });
    Some(rule)
}

fn has_action(options: &[String]) -> bool {
    const ACTIONS: &[&str] = &[
        "table",
        "lookup",
        "goto",
        "nop",
        "blackhole",
        "prohibit",
        "unreachable",
        "l3mdev",
        "type",
    ];
    options
        .iter()
        .any(|option| ACTIONS.contains(&option.as_str()))
}
