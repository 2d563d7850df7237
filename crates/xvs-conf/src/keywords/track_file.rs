//! `track_file`.

use super::{Keyword, Line, Scope, Tier};
use crate::{codes, config::TrackFile};

type Key = Keyword<TrackFile>;

/// The keywords of `track_file`.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::optional("file", Tier::Common, |file, line, scope| {
        if line.count() == 0 {
            line.reject(0, "`file` has no value", "it is ignored", scope);
        } else if file.path.is_empty() {
            line.word(1).clone_into(&mut file.path);
        } else {
            line.duplicate(scope);
        }
    }),
    Key::words("weight", 0, Tier::Common, |file, line, scope| {
        if line.count() == 0 {
            line.reject(0, "`weight` has no value", "the weight 1 stays", scope);
        } else if let Some(weight) = line.lax_integer(1, -254..=254, "the weight 1 stays", scope) {
            file.weight.weight = weight;
        }
        file.weight.reverse |= reverse(line, 2, scope);
    })
    .at_most(2),
    Key::words("init_file", 0, Tier::Rare, init_file).at_most(2),
];

/// Whether the word at `index` is `reverse`; another word is reported.
pub(crate) fn reverse(line: &Line<'_>, index: usize, scope: &mut Scope<'_>) -> bool {
    match line.get(index) {
        None => false,
        Some("reverse") => true,
        Some(other) => {
            line.reject(
                index,
                format!("`{other}` is no option of a weight"),
                "only `reverse` may stand here; it is ignored",
                scope,
            );
            false
        }
    }
}

fn init_file(file: &mut TrackFile, line: &Line<'_>, scope: &mut Scope<'_>) {
    file.initial_value = Some(0);
    for index in 1..=line.count() {
        let word = line.word(index);
        if word == "overwrite" {
            file.overwrite = true;
        } else if word.starts_with(|sign: char| sign.is_ascii_digit() || sign == '-') {
            let range = i64::from(i32::MIN)..=i64::from(i32::MAX);
            let value: i32 = line
                .integer(index, range, "the value 0 is written", scope)
                .unwrap_or(0);
            if value.unsigned_abs() > 254 {
                scope.sink.reported(
                    codes::INVALID_NUMBER,
                    line.at(index),
                    format!("`{value}` is more than a priority can change"),
                    "write -254 to 254; it is written as it is",
                );
            }
            file.initial_value = Some(value);
        } else {
            line.reject(
                index,
                format!("`{word}` is no option of `init_file`"),
                "it takes a number and `overwrite`",
                scope,
            );
        }
    }
}
