//! Reads the output of `nft -j list ruleset`: libnftables-json(5).

use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive};

use serde_json::Value;
use xvs_types::Family;

use super::{
    model::{Chain, ChainKey, Condition, Rule, Ruleset, Span, Verdict, prefix_range},
    nft_text,
};

/// The hooks whose packets balanced traffic no longer meets.
const HOOKS: [&str; 4] = ["forward", "ingress", "input", "prerouting"];

/// A listing is not what nft writes.
#[derive(Debug, thiserror::Error)]
pub(super) enum NftError {
    #[error("it is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it has no list named `nftables`")]
    NoList,
}

/// Reads a listing; objects that are not understood are no rules.
pub(super) fn parse(text: &str) -> Result<Ruleset, NftError> {
    let listing: Value = serde_json::from_str(text)?;
    let objects = listing
        .get("nftables")
        .and_then(Value::as_array)
        .ok_or(NftError::NoList)?;
    // Rules refer to sets and chains that the listing may bring later.
    let mut sets = Sets::new();
    for (kind, object) in objects.iter().filter_map(single) {
        if let ("set" | "map", Some(key)) = (kind, key(object, "name")) {
            sets.insert(key, elements(object.get("elem")));
        }
    }
    let mut ruleset = Ruleset::default();
    for (kind, object) in objects.iter().filter_map(single) {
        if let ("chain", Some(key)) = (kind, key(object, "name")) {
            ruleset.chains.insert(key, chain(object));
        }
    }
    for (kind, object) in objects.iter().filter_map(single) {
        if let ("rule", Some(key)) = (kind, key(object, "chain")) {
            let rules = rules(object, &key.0, &sets);
            if let Some(chain) = ruleset.chains.get_mut(&key) {
                chain.rules.extend(rules);
            }
        }
    }
    Ok(ruleset)
}

/// The elements of named sets and maps, by table and name.
type Sets = BTreeMap<(String, String), Vec<Value>>;

/// The name and value of an object with one member, the shape of every statement and expression.
pub(super) fn single(object: &Value) -> Option<(&str, &Value)> {
    object
        .as_object()?
        .iter()
        .next()
        .map(|(name, value)| (name.as_str(), value))
}

fn text<'a>(object: &'a Value, member: &str) -> Option<&'a str> {
    object.get(member).and_then(Value::as_str)
}

/// Table with family, and the name under `member`.
fn key(object: &Value, member: &str) -> Option<ChainKey> {
    let table = format!("{} {}", text(object, "family")?, text(object, "table")?);
    Some((table, text(object, member)?.to_owned()))
}

/// The elements of a set: one that stands alone is not in a list.
fn elements(value: Option<&Value>) -> Vec<Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(values)) => values.clone(),
        Some(value) => vec![value.clone()],
    }
}

fn chain(object: &Value) -> Chain {
    let is_base = text(object, "type") == Some("filter")
        && text(object, "hook").is_some_and(|hook| HOOKS.contains(&hook));
    Chain {
        is_base,
        family: match text(object, "family") {
            Some("ip") => Some(Family::V4),
            Some("ip6") => Some(Family::V6),
            _ => None,
        },
        drops_the_rest: is_base && text(object, "policy") == Some("drop"),
        rules: Vec::new(),
    }
}

/// The rules of one rule object: several when a verdict map decides.
fn rules(object: &Value, table: &str, sets: &Sets) -> Vec<Rule> {
    let empty = Vec::new();
    let statements = object.get("expr").and_then(Value::as_array);
    let statements = statements.unwrap_or(&empty);
    let mut rule = Rule {
        text: nft_text::rule(statements, text(object, "comment")),
        conditions: Vec::new(),
        verdict: Verdict::Pass,
    };
    let mut rules = Vec::new();
    let scope = Scope { table, sets };
    for (kind, value) in statements.iter().filter_map(single) {
        match kind {
            "match" => rule.conditions.extend(scope.conditions(value)),
            "vmap" => rules.extend(scope.branches(&rule, value)),
            _ => {
                if let Some(verdict) = verdict(kind, value) {
                    rule.verdict = verdict;
                }
            }
        }
    }
    if rules.is_empty() || rule.verdict != Verdict::Pass {
        rules.push(rule);
    }
    rules
}

/// The verdict of a statement; none for one that decides nothing, such as a counter.
fn verdict(kind: &str, value: &Value) -> Option<Verdict> {
    match kind {
        "drop" | "queue" | "reject" => Some(Verdict::Drop),
        "goto" | "jump" => Some(Verdict::Jump(text(value, "target")?.to_owned())),
        // What `iptables` made and nft has no word for.
        "xt" => matches!(text(value, "name"), Some("NFQUEUE" | "REJECT" | "TARPIT"))
            .then_some(Verdict::Drop),
        _ => None,
    }
}

/// What the names in a rule refer to.
struct Scope<'a> {
    table: &'a str,
    sets: &'a Sets,
}

impl Scope<'_> {
    /// The conditions of a `match` statement.
    fn conditions(&self, statement: &Value) -> Vec<Condition> {
        let (Some(left), Some(right)) = (statement.get("left"), statement.get("right")) else {
            return vec![Condition::Unknown];
        };
        let negated = match text(statement, "op") {
            Some("==" | "in") => false,
            Some("!=") => true,
            _ => return vec![Condition::Unknown],
        };
        match self.values(right) {
            Some(values) => compared(left, &values, negated),
            None => vec![Condition::Unknown],
        }
    }

    /// The rules that `rule` becomes by a verdict map, one for each of the map's elements.
    fn branches(&self, rule: &Rule, statement: &Value) -> Vec<Rule> {
        let map = statement.get("data").and_then(|data| self.values(data));
        let pairs = map.unwrap_or_default();
        let branch = |pair: &Value| -> Option<Rule> {
            let (from, to) = (pair.get(0)?, pair.get(1)?);
            let (kind, value) = single(to)?;
            let mut branch = rule.clone();
            // `*` stands for every other value.
            if from != "*" {
                let from = [from.clone()];
                branch
                    .conditions
                    .extend(compared(statement.get("key")?, &from, false));
            }
            branch.verdict = verdict(kind, value).unwrap_or(Verdict::Pass);
            Some(branch)
        };
        pairs.iter().filter_map(branch).collect()
    }

    /// The values on the right of a comparison; none for a set that the listing does not have.
    fn values(&self, right: &Value) -> Option<Vec<Value>> {
        if let Some(name) = right.as_str().and_then(|name| name.strip_prefix('@')) {
            let key = (self.table.to_owned(), name.to_owned());
            return self.sets.get(&key).cloned();
        }
        match single(right) {
            Some(("set", set)) => Some(elements(Some(set))),
            _ => Some(elements(Some(right))),
        }
    }
}

/// What it means that `left` is (or is not) among `values`.
fn compared(left: &Value, values: &[Value], negated: bool) -> Vec<Condition> {
    let unknown = || vec![Condition::Unknown];
    let Some((kind, operand)) = single(left) else {
        return unknown();
    };
    let is_loopback = || !negated && values == [Value::from("lo")];
    match kind {
        "payload" => payload(operand, values, negated),
        "meta" => vec![match text(operand, "key") {
            Some("l4proto") => protocols(values, negated),
            Some("nfproto" | "protocol") => families(values, negated),
            Some("iif" | "iifname") if is_loopback() => Condition::Loopback,
            _ => Condition::Unknown,
        }],
        // Each part on its own: more than what the whole demands may hold, never less.
        "concat" if !negated => {
            let parts = operand.as_array().map(Vec::as_slice).unwrap_or_default();
            let part = |(index, left): (usize, &Value)| {
                let column: Option<Vec<_>> = values
                    .iter()
                    .map(|value| unwrapped(value).get("concat")?.get(index).cloned())
                    .collect();
                column.map_or_else(unknown, |values| compared(left, &values, false))
            };
            parts.iter().enumerate().flat_map(part).collect()
        }
        _ => unknown(),
    }
}

/// A comparison with a field of a header, which demands that the packet has that header.
fn payload(operand: &Value, values: &[Value], negated: bool) -> Vec<Condition> {
    let field = text(operand, "field");
    let Some(protocol) = text(operand, "protocol") else {
        return vec![Condition::Unknown];
    };
    let header = match protocol {
        "ip" => Condition::Family(Family::V4),
        "ip6" => Condition::Family(Family::V6),
        "th" => Condition::Unknown,
        protocol => Condition::protocols([protocol], false),
    };
    let compared = match (protocol, field) {
        ("ip" | "ip6", Some("daddr")) => {
            spans(values, address_range, negated).map_or(Condition::Unknown, Condition::Destination)
        }
        ("ip", Some("protocol")) | ("ip6", Some("nexthdr")) => protocols(values, negated),
        (_, Some("dport")) => {
            spans(values, port_range, negated).map_or(Condition::Unknown, Condition::Port)
        }
        _ => Condition::Unknown,
    };
    vec![header, compared]
}

fn protocols(values: &[Value], negated: bool) -> Condition {
    let names: Vec<_> = values
        .iter()
        .map(|v| nft_text::value(unwrapped(v)))
        .collect();
    Condition::protocols(names.iter().map(String::as_str), negated)
}

fn families(values: &[Value], negated: bool) -> Condition {
    match (values, negated) {
        ([value], false) => match value.as_str() {
            Some("ip" | "ipv4") => Condition::Family(Family::V4),
            Some("ip6" | "ipv6") => Condition::Family(Family::V6),
            _ => Condition::Unknown,
        },
        _ => Condition::Unknown,
    }
}

/// The ranges that the values stand for; none when one of them is not understood.
fn spans<T>(
    values: &[Value],
    range: impl Fn(&Value) -> Option<RangeInclusive<T>>,
    negated: bool,
) -> Option<Span<T>> {
    let ranges: Option<Vec<_>> = values.iter().map(|value| range(unwrapped(value))).collect();
    ranges.map(|ranges| Span { ranges, negated })
}

fn address_range(value: &Value) -> Option<RangeInclusive<IpAddr>> {
    match single(value) {
        Some(("prefix", prefix)) => {
            let length = prefix.get("len")?.as_u64()?;
            prefix_range(&format!("{}/{length}", text(prefix, "addr")?))
        }
        Some(("range", range)) => {
            let end = |index: usize| range.get(index)?.as_str()?.parse::<IpAddr>().ok();
            Some(end(0)?..=end(1)?)
        }
        _ => prefix_range(value.as_str()?),
    }
}

fn port_range(value: &Value) -> Option<RangeInclusive<u16>> {
    let port = |value: &Value| u16::try_from(value.as_u64()?).ok();
    match single(value) {
        Some(("range", range)) => Some(port(range.get(0)?)?..=port(range.get(1)?)?),
        _ => port(value).map(|port| port..=port),
    }
}

/// The value of an element that has a timeout, a counter or a comment.
fn unwrapped(value: &Value) -> &Value {
    match single(value) {
        Some(("elem", element)) => element.get("val").unwrap_or(value),
        _ => value,
    }
}

#[cfg(test)]
mod tests;
