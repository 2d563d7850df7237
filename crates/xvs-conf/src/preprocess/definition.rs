//! Definitions: `$NAME=VALUE`, over several lines when they end in `\`, and where `$NAME` stands.

use std::{collections::HashMap, ops::Range};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// One line.
    Line(String),
    /// Several lines; the first replaces the name, the others follow.
    Lines(Vec<String>),
    /// A predefined name; what it stands for is asked for at each use.
    Predefined(Predefined),
}

/// The names that need no definition (`keepalived.conf(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predefined {
    /// `!`.
    Bang,
    /// An environment variable; not in 2.2.7.
    Env,
    /// `#`.
    Hash,
    /// The instance's name.
    Instance,
    /// The directory of the current file.
    Pwd,
    /// A number, 0 to 32767, or within given bounds.
    Random,
}

/// All definitions made so far.
#[derive(Debug)]
pub(crate) struct Definitions {
    values: HashMap<String, Value>,
}

/// A name found in a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// From the `$` to the end of the name or its brace.
    pub(crate) range: Range<usize>,
    /// The name.
    pub(crate) name: String,
    /// What stands behind the name in braces: the bounds of `_RANDOM`, the variable of `_ENV`.
    pub(crate) parameters: String,
}

impl Definitions {
    /// The predefined names alone.
    pub(crate) fn new() -> Self {
        let values = [
            ("_BANG", Predefined::Bang),
            ("_ENV", Predefined::Env),
            ("_HASH", Predefined::Hash),
            ("_INSTANCE", Predefined::Instance),
            ("_PWD", Predefined::Pwd),
            ("_RANDOM", Predefined::Random),
        ]
        .map(|(name, which)| (name.to_owned(), Value::Predefined(which)));
        Self {
            values: HashMap::from(values),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The first defined name in `line` at or behind `from`.
    ///
    /// A definition of several lines counts only at the end of the line, as it brings lines of its own.
    pub(crate) fn find(&self, line: &str, from: usize) -> Option<Use> {
        let mut at = from;
        loop {
            let dollar = at + line.get(at..)?.find('$')?;
            if let Some(found) = use_at(line, dollar) {
                let fits = match self.values.get(&found.name) {
                    None => false,
                    Some(Value::Line(_)) => found.parameters.is_empty(),
                    Some(Value::Lines(_)) => {
                        found.parameters.is_empty() && found.range.end == line.len()
                    }
                    Some(Value::Predefined(Predefined::Env)) => !found.parameters.is_empty(),
                    Some(Value::Predefined(Predefined::Random)) => found
                        .parameters
                        .bytes()
                        .all(|byte| byte == b' ' || byte.is_ascii_digit()),
                    Some(Value::Predefined(_)) => found.parameters.is_empty(),
                };
                if fits {
                    return Some(found);
                }
            }
            at = dollar + 1;
        }
    }
}

/// The name and the first value of `$NAME=VALUE`, when `line` is a definition.
pub(crate) fn parse_definition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('$')?.split_once('=')?;
    is_name(name).then(|| (name, value.trim_start_matches([' ', '\t'])))
}

fn use_at(line: &str, dollar: usize) -> Option<Use> {
    let behind = line.get(dollar + 1..)?;
    if let Some(inner) = behind.strip_prefix('{') {
        let close = inner.find('}')?;
        let content = &inner[..close];
        let end = content
            .find(|character: char| !is_name_character(character))
            .unwrap_or(content.len());
        let (name, parameters) = content.split_at(end);
        if !parameters.is_empty() && !parameters.starts_with(' ') {
            return None;
        }
        return is_name(name).then(|| Use {
            range: dollar..dollar + close + 3,
            name: name.to_owned(),
            parameters: parameters.trim().to_owned(),
        });
    }
    let end = behind
        .find(|character: char| !is_name_character(character))
        .unwrap_or(behind.len());
    let followed = matches!(
        behind[end..].chars().next(),
        None | Some(' ' | '\t' | ',' | ')')
    );
    (followed && is_name(&behind[..end])).then(|| Use {
        range: dollar..dollar + 1 + end,
        name: behind[..end].to_owned(),
        parameters: String::new(),
    })
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(is_name_character)
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_needs_its_sign_at_once() {
        assert_eq!(parse_definition("$A=1"), Some(("A", "1")));
        assert_eq!(parse_definition("$A= 1 2"), Some(("A", "1 2")));
        assert_eq!(parse_definition("$A =1"), None);
        assert_eq!(parse_definition("$1=1"), None);
    }

    #[test]
    fn a_bare_name_ends_at_a_blank_a_comma_or_a_bracket() {
        let mut definitions = Definitions::new();
        definitions.set("N", Value::Line("5".to_owned()));
        assert_eq!(definitions.find("a $N b", 0).unwrap().range, 2..4);
        assert_eq!(definitions.find("10.0.0.${N}/24", 0).unwrap().range, 7..11);
        assert!(definitions.find("$N.5 $M", 0).is_none());
    }

    #[test]
    fn a_definition_of_lines_stands_last() {
        let mut definitions = Definitions::new();
        definitions.set("L", Value::Lines(vec!["a".to_owned(), "b".to_owned()]));
        assert!(definitions.find("x $L", 0).is_some());
        assert!(definitions.find("$L x", 0).is_none());
    }

    #[test]
    fn only_random_and_env_take_parameters() {
        let definitions = Definitions::new();
        let random = definitions.find("${_RANDOM 1 6}", 0).unwrap();
        assert_eq!(random.parameters, "1 6");
        assert!(definitions.find("${_HASH 3}", 0).is_none());
        assert!(definitions.find("${_ENV}", 0).is_none());
    }
}
