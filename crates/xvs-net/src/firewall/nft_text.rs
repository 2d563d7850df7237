//! Writes a rule of nft's JSON as nft writes it in its own language.
//!
//! For an operator to recognise the rule, not for nft to read: statements of which only the kind
//! matters here are written as their name.

use serde_json::Value;

use super::nft::single;

/// A whole rule: its statements, then its comment.
pub(super) fn rule(statements: &[Value], comment: Option<&str>) -> String {
    let mut words: Vec<_> = statements
        .iter()
        .filter_map(single)
        .map(statement)
        .collect();
    words.extend(comment.map(|comment| format!("comment \"{comment}\"")));
    words.join(" ")
}

fn statement((kind, object): (&str, &Value)) -> String {
    let member = |name: &str| object.get(name).map(value).unwrap_or_default();
    match kind {
        "goto" | "jump" => format!("{kind} {}", member("target")),
        "limit" => format!("limit rate {}/{}", member("rate"), member("per")),
        "log" if object.get("prefix").is_some() => format!("log prefix \"{}\"", member("prefix")),
        "match" => comparison(object),
        "reject" if object.get("type").is_some() => {
            format!("reject with {} {}", member("type"), member("expr"))
                .trim_end()
                .to_owned()
        }
        "vmap" => format!("{} vmap {}", member("key"), member("data")),
        "xt" => format!("xt {} {}", member("type"), member("name")),
        other => other.to_owned(),
    }
}

fn comparison(object: &Value) -> String {
    let (left, right) = (object.get("left"), object.get("right"));
    let is_mask = left.and_then(single).is_some_and(|(kind, _)| kind == "&");
    let operator = match object.get("op").and_then(Value::as_str) {
        Some("in") => "",
        Some("==") if !is_mask => "",
        operator => operator.unwrap_or_default(),
    };
    let is_name = left.is_some_and(|left| {
        let key = left.get("meta").and_then(|meta| meta.get("key"));
        matches!(key.and_then(Value::as_str), Some("iifname" | "oifname"))
    });
    let right = match right {
        Some(Value::String(name)) if is_name => format!("\"{name}\""),
        right => right.map(value).unwrap_or_default(),
    };
    let words = [
        left.map(value).unwrap_or_default(),
        operator.to_owned(),
        right,
    ];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// An expression: a value, or what is compared with it.
pub(super) fn value(expression: &Value) -> String {
    match expression {
        Value::Array(values) => joined(values, ","),
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(_) => match single(expression) {
            Some((kind, operand)) => object(kind, operand),
            None => String::new(),
        },
        other => other.to_string(),
    }
}

fn object(kind: &str, operand: &Value) -> String {
    let member = |name: &str| operand.get(name).map(value).unwrap_or_default();
    let list = |separator| match operand {
        Value::Array(values) => joined(values, separator),
        other => value(other),
    };
    match kind {
        "&" => list(" & "),
        "concat" => list(" . "),
        "ct" => format!("ct {}", member("key")),
        "elem" => member("val"),
        // nft writes these keys without the word.
        "meta" => match member("key").as_str() {
            key @ ("iif" | "iifname" | "oif" | "oifname" | "mark") => key.to_owned(),
            key => format!("meta {key}"),
        },
        "payload" => format!("{} {}", member("protocol"), member("field")),
        "prefix" => format!("{}/{}", member("addr"), member("len")),
        "range" => list("-"),
        "set" => match operand {
            Value::Array(values) => {
                let elements: Vec<_> = values.iter().map(element).collect();
                format!("{{ {} }}", elements.join(", "))
            }
            other => value(other),
        },
        _ => statement((kind, operand)),
    }
}

/// An element of a set, or of a map: a pair of key and verdict.
fn element(element: &Value) -> String {
    match element {
        Value::Array(pair) => joined(pair, " : "),
        other => value(other),
    }
}

fn joined(values: &[Value], separator: &str) -> String {
    let values: Vec<_> = values.iter().map(value).collect();
    values.join(separator)
}
