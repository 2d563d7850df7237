//! Words of keywords that name a script: both kinds of quotes, `\` escapes, quotes within words.

use super::words::is_blank;

/// Splits a whole line; the first word is the keyword.
///
/// # Errors
/// A sentence: a quote or an escape that does not end.
pub(crate) fn script_words(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    loop {
        while characters.next_if(|next| is_blank(*next)).is_some() {}
        if characters.peek().is_none() {
            return Ok(words);
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(&next) = characters.peek() {
            if quote.is_none() && is_blank(next) {
                break;
            }
            characters.next();
            match (next, quote) {
                ('\\', _) => word.push(escape(&mut characters)?),
                (_, Some(open)) if next == open => quote = None,
                ('"' | '\'', None) => quote = Some(next),
                _ => word.push(next),
            }
        }
        match quote {
            Some('"') => return Err("a `\"` does not end"),
            Some(_) => return Err("a `'` does not end"),
            None => words.push(word),
        }
    }
}

/// The character behind a backslash.
fn escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, &'static str> {
    let first = characters.next().ok_or("a `\\` stands last")?;
    Ok(match first {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'E' => '\u{1b}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' if characters.peek().is_some_and(char::is_ascii_hexdigit) => {
            number(characters, 16, usize::MAX, 0)
        }
        'c' if characters.peek().is_some_and(char::is_ascii) => {
            let control = characters.next().map_or(0, u32::from) & 0x1f;
            char::from_u32(control).unwrap_or('\0')
        }
        '0'..='7' => number(characters, 8, 2, first.to_digit(8).unwrap_or(0)),
        other => other,
    })
}

/// Up to `most` more digits; what passes a byte wraps, as in C.
fn number(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    radix: u32,
    most: usize,
    first: u32,
) -> char {
    let mut value = first;
    for _ in 0..most {
        let Some(digit) = characters.peek().and_then(|next| next.to_digit(radix)) else {
            break;
        };
        characters.next();
        value = (value * radix + digit) & 0xff;
    }
    char::from_u32(value & 0xff).unwrap_or('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_like_a_shell() {
        assert_eq!(
            script_words(r#"script "/bin/x 'a b'" c\ d e"f"'g'"#).unwrap(),
            ["script", "/bin/x 'a b'", "c d", "efg"]
        );
    }

    #[test]
    fn escapes_are_those_of_c() {
        assert_eq!(script_words(r"\x41\102\n\cA\q").unwrap(), ["AB\n\u{1}q"]);
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        assert!(script_words("a \"b").is_err());
        assert!(script_words("a 'b").is_err());
        assert!(script_words("a \\").is_err());
    }
}
