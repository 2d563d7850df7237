//! The check value of version 2's authentication header: HMAC-MD5-96 (RFC 2403).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use xvs_wire::vrrp::ah;

/// Bytes of a password or key; longer ones are cut, shorter ones padded with 0, as keepalived does.
const KEY: usize = 8;

/// The first eight bytes of `text`, padded with 0.
#[must_use]
pub fn key(text: &str) -> [u8; KEY] {
    let mut key = [0; KEY];
    for (slot, byte) in key.iter_mut().zip(text.bytes()) {
        *slot = byte;
    }
    key
}

/// The check value of `datagram`, if it has an authentication header right after a plain IPv4 header.
pub(crate) fn check_value(
    key: [u8; KEY],
    datagram: &[u8],
    unicast: bool,
) -> Option<[u8; ah::CHECK_VALUE]> {
    let mut hmac = Hmac::<Md5>::new_from_slice(&key).ok()?;
    if !ah::authenticated(datagram, unicast, |bytes| hmac.update(bytes)) {
        return None;
    }
    hmac.finalize().into_bytes().first_chunk().copied()
}

/// Whether `expected` and `actual` are equal, in a time that does not tell where they differ.
pub(crate) fn same(expected: &[u8], actual: &[u8]) -> bool {
    expected.len() == actual.len()
        && expected
            .iter()
            .zip(actual)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first advertisement of keepalived with `auth_type AH` and `auth_pass secret`.
    const RECORDED: &str = "45c0004400010000ff33d04f0a630001e0000012700400000a630001000000013281727c\
                            bd135a21bc919849213396020201313a0a6300640a6300650000000000000000";

    #[test]
    fn the_recorded_check_value_is_computed() {
        let bytes: Vec<u8> = (0..RECORDED.len() / 2)
            .map(|at| u8::from_str_radix(&RECORDED[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        let value = check_value(key("secret"), &bytes, false).unwrap();
        assert!(same(&value, &bytes[32..44]));
        let other = check_value(key("Secret"), &bytes, false).unwrap();
        assert!(!same(&other, &bytes[32..44]));
    }

    #[test]
    fn keys_are_cut_and_padded_to_eight_bytes() {
        assert_eq!(&key("secret"), b"secret\0\0");
        assert_eq!(&key("secret12345"), b"secret12");
    }
}
