//! Numbers as the C library reads them.

/// `strtol` in base 10, to the end of `text`: leading white space and a sign are fine, nothing may
/// follow, and the number must be within `minimum..=maximum`.
pub(super) fn number(text: &str, minimum: i64, maximum: i64) -> Option<i64> {
    let text = text.trim_start_matches(is_space);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // What does not fit is what `strtol` calls ERANGE.
    let number = text.parse().ok()?;
    (minimum..=maximum).contains(&number).then_some(number)
}

/// `number` as the type that its range fits.
pub(super) fn fit<T: TryFrom<i64>>(text: &str, minimum: i64, maximum: i64) -> Option<T> {
    number(text, minimum, maximum).and_then(|number| T::try_from(number).ok())
}

/// `atoi`: the digits at the start count, and no digits are 0; too many are as good as a wrong
/// number to every caller.
pub(super) fn leading_number(text: &str) -> i64 {
    let text = text.trim_start_matches(is_space);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(digits.len());
    let magnitude = match digits.get(..end) {
        Some("") | None => 0,
        Some(digits) => digits.parse().unwrap_or(i64::MAX),
    };
    if negative { -magnitude } else { magnitude }
}

/// `isspace` of the C locale.
pub(super) fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_and_end_with_the_text() {
        assert_eq!(number("010", 0, 99), Some(10));
        assert_eq!(number(" +7", 0, 99), Some(7));
        assert_eq!(number("-1", -5, 99), Some(-1));
        for text in [
            "",
            "+",
            "0x10",
            "3x",
            "7 ",
            "1e3",
            "--1",
            "99999999999999999999",
        ] {
            assert_eq!(number(text, i64::MIN, i64::MAX), None, "{text}");
        }
    }

    #[test]
    fn a_number_outside_its_range_is_none() {
        assert_eq!(number("100", 0, 99), None);
        assert_eq!(fit::<u16>("65535", 0, 65_535), Some(65_535));
        assert_eq!(fit::<u16>("65536", 0, 65_535), None);
    }

    #[test]
    fn leading_digits_count() {
        assert_eq!(leading_number("64x"), 64);
        assert_eq!(leading_number("255.255.255.0"), 255);
        assert_eq!(leading_number("x"), 0);
        assert_eq!(leading_number("-3"), -3);
        assert_eq!(leading_number("99999999999999999999"), i64::MAX);
    }
}
