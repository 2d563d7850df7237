//! Addresses, with and without ports, as the C library and ipvsadm read them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use xvs_types::Protocol;

use super::number::{fit, is_space};
use crate::names::Names;

/// An address as typed, with its port if there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
}

/// `HOST[:PORT]`, `[IPV6]:PORT` or `IPV6`; none if it is neither.
///
/// ipvsadm's quirks are kept: a text of digits alone is no address, `[IPV6]` needs a port, and
/// `[IPV4]:PORT` loses its port.
pub(super) fn address_and_port(
    text: &str,
    protocol: Option<Protocol>,
    names: &dyn Names,
) -> Option<Parsed> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (host, bracketed_port) = match text.strip_prefix('[') {
        None => (text, None),
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, Some(port.strip_prefix(':')?))
        }
    };
    let (address, port) = match host.parse::<Ipv6Addr>() {
        Ok(address) => (IpAddr::V6(address), bracketed_port),
        Err(_) => {
            let (host, port) = match host.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (host, None),
            };
            (IpAddr::V4(host_address(host, names)?), port)
        }
    };
    let port = match port {
        Some(text) => Some(port_number(text, protocol, names)?),
        None => None,
    };
    Some(Parsed { address, port })
}

/// An IPv4 address by number or name.
pub(super) fn host_address(text: &str, names: &dyn Names) -> Option<Ipv4Addr> {
    inet_aton(text).or_else(|| names.host_address(text))
}

fn port_number(text: &str, protocol: Option<Protocol>, names: &dyn Names) -> Option<u16> {
    fit(text, 0, 65_535).or_else(|| names.service_port(text, protocol?))
}

/// `inet_aton` of glibc: one to four parts, each decimal, octal (`0`) or hexadecimal (`0x`), the
/// last one filling the rest of the address; whatever follows white space is ignored.
pub(super) fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let text = text.split(is_space).next()?;
    let mut value = 0_u32;
    let mut parts = text.split('.').peekable();
    let mut free_bits = 32_u32;
    while let Some(part) = parts.next() {
        let number = part_number(part)?;
        if parts.peek().is_some() {
            // A fifth part has no place, and a part before the last is one octet.
            if free_bits == 8 || number > 0xff {
                return None;
            }
            free_bits -= 8;
            value |= u32::try_from(number).ok()? << free_bits;
        } else {
            if number >> free_bits != 0 {
                return None;
            }
            value |= u32::try_from(number).ok()?;
        }
    }
    Some(Ipv4Addr::from_bits(value))
}

fn part_number(part: &str) -> Option<u64> {
    if !part.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let (digits, radix) = match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if part.len() > 1 && part.starts_with('0') => (&part[1..], 8),
        None => (part, 10),
    };
    // `from_str_radix` would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::NumericNames;

    #[test]
    fn ipv4_addresses_come_in_one_to_four_parts_and_three_bases() {
        for (text, address) in [
            ("10.9.0", "10.9.0.0"),
            ("10.9", "10.0.0.9"),
            ("24", "0.0.0.24"),
            ("010.9.0.5", "8.9.0.5"),
            ("0x7f.1", "127.0.0.1"),
            ("255.255.255.255", "255.255.255.255"),
            ("4294967295", "255.255.255.255"),
            ("10.9.0.1 junk", "10.9.0.1"),
        ] {
            assert_eq!(inet_aton(text).unwrap().to_string(), address, "{text}");
        }
        for text in [
            "",
            " ",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.2.3.256",
            "1.2.65536",
            "4294967296",
            "1..2",
            "1.2.3.",
            "08",
            "0x",
            "a",
            "+1",
            "0x+1",
            "0+1",
        ] {
            assert_eq!(inet_aton(text), None, "{text}");
        }
    }

    #[test]
    fn brackets_demand_a_port_for_ipv6_and_lose_it_for_ipv4() {
        let parse = |text| address_and_port(text, Some(Protocol::Tcp), &NumericNames);
        let port = |text| parse(text).map(|parsed| parsed.port);
        assert_eq!(port("[2001:db8::1]:80"), Some(Some(80)));
        assert_eq!(port("[2001:db8::1]"), None);
        assert_eq!(port("2001:db8::1:80"), Some(None));
        assert_eq!(port("[10.0.0.1]:80"), Some(None));
        assert_eq!(port("10.0.0.1:80"), Some(Some(80)));
        for text in [
            "",
            "80",
            ":80",
            "10.0.0.1:",
            "10.0.0.1:80:80",
            "[::1:80",
            "[fe80::1%lo]:80",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
