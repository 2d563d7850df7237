//! Numbers in columns.

use std::fmt::Write;

/// A count in a column of nine: beyond 100 million in K, M, G or T, unless exact.
pub(super) fn large(number: u64, exact: bool, out: &mut String) {
    if exact || number < 100_000_000 {
        // An exact number that fills its column keeps a space in front.
        let digits = number.to_string();
        let width = if digits.len() <= 8 {
            9
        } else {
            digits.len() + 1
        };
        let _infallible = write!(out, "{digits:>width$}");
        return;
    }
    let (divisor, unit) = if number < 1_000_000_000 {
        (1_000, 'K')
    } else if number < 100_000_000_000 {
        (1_000_000, 'M')
    } else if number < 100_000_000_000_000 {
        (1_000_000_000, 'G')
    } else {
        (1_000_000_000_000, 'T')
    };
    let _infallible = write!(out, "{:>8}{unit}", number / divisor);
}

/// A number at the left of a column of `width` characters. A long table is mostly these, so the
/// digits are made here: the general way costs four times as much.
pub(super) fn left(number: u32, width: usize, out: &mut String) {
    let start = out.len();
    digits(number, out);
    let written = out.len() - start;
    blanks(width.saturating_sub(written), out);
}

/// The digits of a number.
pub(super) fn digits(number: u32, out: &mut String) {
    let mut divisor = 1;
    while number / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        let digit = char::from_digit(number / divisor % 10, 10);
        out.push(digit.unwrap_or('0'));
        divisor /= 10;
    }
}

/// So many blanks.
pub(super) fn blanks(mut count: usize, out: &mut String) {
    const SOME: &str = "                                ";
    while count > 0 {
        let now = count.min(SOME.len());
        out.push_str(&SOME[..now]);
        count -= now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: u64, exact: bool) -> String {
        let mut out = String::new();
        large(number, exact, &mut out);
        out
    }

    #[test]
    fn large_numbers_are_scaled_and_fit_their_column() {
        for (number, text) in [
            (0, "        0"),
            (99_999_999, " 99999999"),
            (100_000_000, "  100000K"),
            (999_999_999, "  999999K"),
            (1_000_000_000, "    1000M"),
            (99_999_999_999, "   99999M"),
            (100_000_000_000, "     100G"),
            (99_999_999_999_999, "   99999G"),
            (100_000_000_000_000, "     100T"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(shown(number, false), text);
        }
    }

    #[test]
    fn a_column_from_the_left_is_what_the_formatter_makes_of_it() {
        for number in [0, 7, 10, 100, 12_345, 1_000_000, u32::MAX] {
            let mut out = String::from("|");
            left(number, 10, &mut out);
            assert_eq!(out, format!("|{number:<10}"));
        }
        let mut out = String::new();
        blanks(70, &mut out);
        assert_eq!(out, " ".repeat(70));
    }

    #[test]
    fn exact_numbers_keep_all_digits_and_a_space() {
        assert_eq!(shown(12, true), "       12");
        assert_eq!(shown(99_999_999, true), " 99999999");
        assert_eq!(shown(100_000_000, true), " 100000000");
        assert_eq!(shown(u64::MAX, true), " 18446744073709551615");
    }
}
