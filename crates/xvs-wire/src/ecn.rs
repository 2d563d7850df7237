//! Explicit congestion notification across a tunnel's end.
//!
//! The two low bits of the traffic class (IPv4: type of service) say whether the ends understand
//! congestion marks and whether a router has met congestion. A tunnel's end must hand a mark on the
//! outer header to the inner one.

/// The ends do not understand marks.
pub const NOT_ECT: u8 = 0b00;
/// The ends understand marks, codepoint 1.
pub const ECT_1: u8 = 0b01;
/// The ends understand marks, codepoint 0.
pub const ECT_0: u8 = 0b10;
/// A router has met congestion.
pub const CE: u8 = 0b11;

/// What [`decapsulate`] answers for a packet that must be dropped.
pub const DROP: u8 = 0b100;

/// The inner codepoint after decapsulation, or [`DROP`]; both arguments are codepoints.
///
/// RFC 6040 section 4.2, figure 4: congestion that the inner packet cannot express drops it.
#[inline(always)]
#[must_use]
pub const fn decapsulate(outer: u8, inner: u8) -> u8 {
    match (outer & CE, inner & CE) {
        (CE, NOT_ECT) => DROP,
        (_, NOT_ECT) => NOT_ECT,
        (CE, _) => CE,
        (ECT_1, ECT_0) => ECT_1,
        (_, inner) => inner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decapsulation_follows_figure_4_of_rfc_6040() {
        // rows: inner; columns: outer not-ECT, ECT(0), ECT(1), CE
        let figure = [
            (NOT_ECT, [NOT_ECT, NOT_ECT, NOT_ECT, DROP]),
            (ECT_0, [ECT_0, ECT_0, ECT_1, CE]),
            (ECT_1, [ECT_1, ECT_1, ECT_1, CE]),
            (CE, [CE, CE, CE, CE]),
        ];
        for (inner, row) in figure {
            for (outer, expected) in [NOT_ECT, ECT_0, ECT_1, CE].into_iter().zip(row) {
                assert_eq!(
                    decapsulate(outer, inner),
                    expected,
                    "outer {outer} inner {inner}"
                );
            }
        }
    }
}
