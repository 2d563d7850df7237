//! `~SEQ(var,start,step,end) text`, `~SEQx` in hexadecimal, and `~LST(var,v1,...) text`.

/// A line to be read once for each set of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    rounds: Rounds,
    /// The line.
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rounds {
    List {
        names: Vec<String>,
        values: std::collections::VecDeque<Vec<String>>,
    },
    Numbers {
        name: String,
        next: Option<i64>,
        step: i64,
        end: i64,
        hexadecimal: bool,
    },
}

impl Sequence {
    /// The names and values of the next round; none when all are done.
    pub(crate) fn next_round(&mut self) -> Option<Vec<(String, String)>> {
        match &mut self.rounds {
            Rounds::List { names, values } => {
                let values = values.pop_front()?;
                Some(names.iter().cloned().zip(values).collect())
            }
            Rounds::Numbers {
                name,
                next,
                step,
                end,
                hexadecimal,
            } => {
                let value = (*next)?;
                *next = value.checked_add(*step).filter(|following| {
                    if *step > 0 {
                        following <= end
                    } else {
                        following >= end
                    }
                });
                let text = if *hexadecimal {
                    format!("{value:x}")
                } else {
                    value.to_string()
                };
                Some(vec![(name.clone(), text)])
            }
        }
    }
}

/// Reads `~SEQ...` or `~LST...`; `expand` replaces definitions in the numbers of a `~SEQ`.
///
/// # Errors
/// A sentence that says what is wrong.
pub(crate) fn parse(line: &str, expand: impl FnOnce(&str) -> String) -> Result<Sequence, String> {
    if let Some(rest) = line.strip_prefix("~LST") {
        return list(rest);
    }
    let rest = line.strip_prefix("~SEQ").unwrap_or(line);
    let (hexadecimal, rest) = match rest.strip_prefix('x') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    numbers(rest, hexadecimal, expand)
}

fn numbers(
    rest: &str,
    hexadecimal: bool,
    expand: impl FnOnce(&str) -> String,
) -> Result<Sequence, String> {
    let inner = trim(rest)
        .strip_prefix('(')
        .ok_or("`~SEQ` needs `(` behind it")?;
    let (arguments, text) = inner.split_once(')').ok_or("`~SEQ(` has no `)`")?;
    let (name, values) = arguments
        .split_once(',')
        .ok_or("`~SEQ` needs a variable and at least one number")?;
    if trim(name).is_empty() {
        return Err("`~SEQ` needs a variable before the first comma".to_owned());
    }
    let expanded = expand(values);
    let values: Vec<i64> = expanded
        .split(',')
        .map(|value| {
            number(trim(value)).ok_or_else(|| format!("`{}` is not a number", trim(value)))
        })
        .collect::<Result<_, _>>()?;
    let (start, step, end) = match *values.as_slice() {
        [end] => (
            if end < 0 { -1 } else { 1 },
            if end < 1 { -1 } else { 1 },
            end,
        ),
        [start, end] => (start, if start <= end { 1 } else { -1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Err("`~SEQ` takes one to three numbers".to_owned()),
    };
    if step == 0 || (start < end && step < 0) || (start > end && step > 0) {
        return Err(format!("steps of {step} never lead from {start} to {end}"));
    }
    if hexadecimal && (start < 0 || end < 0) {
        return Err("`~SEQx` takes no negative number".to_owned());
    }
    Ok(Sequence {
        rounds: Rounds::Numbers {
            name: trim(name).to_owned(),
            next: Some(start),
            step,
            end,
            hexadecimal,
        },
        text: trim(text).to_owned(),
    })
}

fn list(rest: &str) -> Result<Sequence, String> {
    let inner = trim(rest)
        .strip_prefix('(')
        .ok_or("`~LST` needs `(` behind it")?;
    let (arguments, text) = inner.split_once(')').ok_or("`~LST(` has no `)`")?;
    let mut groups = groups(arguments)?.into_iter();
    let names = groups.next().unwrap_or_default();
    if names.iter().any(String::is_empty) || names.is_empty() {
        return Err("`~LST` needs a variable first".to_owned());
    }
    let values = groups
        .map(|mut group| {
            if group.len() > names.len() {
                return Err(format!(
                    "{} values stand for {} variables",
                    group.len(),
                    names.len()
                ));
            }
            group.resize(names.len(), String::new());
            Ok(group)
        })
        .collect::<Result<std::collections::VecDeque<_>, _>>()?;
    if values.is_empty() {
        return Err("`~LST` needs at least one value".to_owned());
    }
    Ok(Sequence {
        rounds: Rounds::List { names, values },
        text: trim(text).to_owned(),
    })
}

/// `a, {b, c}, d` as three groups.
fn groups(arguments: &str) -> Result<Vec<Vec<String>>, String> {
    let mut groups = Vec::new();
    let mut rest = trim(arguments);
    loop {
        let behind = if let Some(inner) = rest.strip_prefix('{') {
            let (group, behind) = inner.split_once('}').ok_or("a `{` has no `}`")?;
            groups.push(
                group
                    .split(',')
                    .map(|value| trim(value).to_owned())
                    .collect(),
            );
            trim(behind)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            groups.push(vec![trim(&rest[..end]).to_owned()]);
            &rest[end..]
        };
        match behind.strip_prefix(',') {
            Some(next) => rest = trim(next),
            None if behind.is_empty() => return Ok(groups),
            None => return Err(format!("a comma is missing before `{behind}`")),
        }
    }
}

fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16).ok()?,
        None if digits.len() > 1 && digits.starts_with('0') => {
            i64::from_str_radix(digits, 8).ok()?
        }
        None => digits.parse().ok()?,
    };
    Some(if negative { -value } else { value })
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(line: &str) -> Vec<String> {
        let mut sequence = parse(line, str::to_owned).unwrap();
        std::iter::from_fn(|| sequence.next_round())
            .map(|round| {
                let pairs: Vec<String> = round
                    .into_iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                pairs.join(" ")
            })
            .collect()
    }

    #[test]
    fn numbers_run_both_ways_and_in_steps() {
        assert_eq!(rounds("~SEQ(N, 3) x"), ["N=1", "N=2", "N=3"]);
        assert_eq!(rounds("~SEQ(N, 7, 5) x"), ["N=7", "N=6", "N=5"]);
        assert_eq!(rounds("~SEQ(N, 1, 4, 10) x"), ["N=1", "N=5", "N=9"]);
        assert_eq!(rounds("~SEQx(N, 9, 11) x"), ["N=9", "N=a", "N=b"]);
    }

    #[test]
    fn lists_take_single_values_and_groups() {
        assert_eq!(rounds("~LST(A, x, y) t"), ["A=x", "A=y"]);
        assert_eq!(rounds("~LST({A,B}, {1,2}, {3}) t"), ["A=1 B=2", "A=3 B="]);
    }

    #[test]
    fn what_never_ends_or_makes_no_sense_is_an_error() {
        for line in [
            "~SEQ(N, 1, 0, 9) x",
            "~SEQ(N, 1, -1, 9) x",
            "~SEQ N",
            "~SEQ(N",
            "~SEQ(,1) x",
            "~SEQx(N, -1, 3) x",
            "~LST(A)",
            "~LST(A, {1,2}) t",
        ] {
            assert!(parse(line, str::to_owned).is_err(), "{line}");
        }
    }

    #[test]
    fn the_last_number_of_all_ends_the_sequence() {
        assert_eq!(
            rounds("~SEQ(N, 9223372036854775806, 9223372036854775807) x").len(),
            2
        );
    }
}
