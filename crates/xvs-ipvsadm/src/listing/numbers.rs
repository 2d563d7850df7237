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
    fn exact_numbers_keep_all_digits_and_a_space() {
        assert_eq!(shown(12, true), "       12");
        assert_eq!(shown(99_999_999, true), " 99999999");
        assert_eq!(shown(100_000_000, true), " 100000000");
        assert_eq!(shown(u64::MAX, true), " 18446744073709551615");
    }
}
