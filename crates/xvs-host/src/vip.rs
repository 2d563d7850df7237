//! A VIP as the command line names it.

use std::{fmt, net::IpAddr, str::FromStr};

use xvs_net::Prefix;

/// `VIP[/LEN]`: an address with the length of its prefix, /32 or /128 unless given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VipPrefix(pub Prefix);

/// A text is no VIP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseVipError {
    /// The address.
    #[error("`{text}` is no IP address")]
    Address {
        /// What was given.
        text: String,
    },
    /// The length.
    #[error("`{text}`: the prefix length is 0 to {most}")]
    Length {
        /// What was given.
        text: String,
        /// The longest prefix of the family.
        most: u8,
    },
    /// The address can be no host's.
    #[error("`{text}` cannot be a VIP: it is {kind}")]
    Unusable {
        /// What was given.
        text: String,
        /// What it is instead.
        kind: &'static str,
    },
}

impl FromStr for VipPrefix {
    type Err = ParseVipError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_not| ParseVipError::Address {
            text: text.to_owned(),
        })?;
        if let Some(kind) = unusable(address) {
            return Err(ParseVipError::Unusable {
                text: text.to_owned(),
                kind,
            });
        }
        let mut prefix = Prefix::host(address);
        if let Some(length) = length {
            let most = prefix.length;
            prefix.length = length
                .parse()
                .ok()
                .filter(|length| *length <= most)
                .ok_or_else(|| ParseVipError::Length {
                    text: text.to_owned(),
                    most,
                })?;
        }
        Ok(Self(prefix))
    }
}

/// Parses a VIP that stands alone: an address without a length.
pub(crate) fn parse_vip(text: &str) -> Result<IpAddr, ParseVipError> {
    if text.contains('/') {
        return Err(ParseVipError::Address {
            text: text.to_owned(),
        });
    }
    Ok(text.parse::<VipPrefix>()?.0.address)
}

impl fmt::Display for VipPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why clients can have no connection with an address; none when they can.
fn unusable(address: IpAddr) -> Option<&'static str> {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() {
        Some("unspecified")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else if address.is_loopback() {
        Some("a loopback address")
    } else if broadcast {
        Some("the broadcast address")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, ParseVipError> {
        text.parse::<VipPrefix>().map(|vip| vip.to_string())
    }

    #[test]
    fn a_vip_stands_alone_unless_a_length_is_given() {
        assert_eq!(parsed("10.0.0.1").unwrap(), "10.0.0.1/32");
        assert_eq!(parsed("10.0.0.1/24").unwrap(), "10.0.0.1/24");
        assert_eq!(parsed("2001:db8::1").unwrap(), "2001:db8::1/128");
    }

    #[test]
    fn what_no_client_can_reach_is_refused() {
        for text in [
            "0.0.0.0",
            "::",
            "224.0.0.18",
            "127.0.0.1",
            "255.255.255.255",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
        assert!(parsed("10.0.0.1/33").is_err());
        assert!(parsed("web").is_err());
    }
}
