//! An address with a port.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::Family;

/// An address and a port; port 0 stands for every port where a virtual server may have it.
///
/// Its text is `10.0.0.1:80` or `[2001:db8::1]:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port, 0 to 65535.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint from its parts.
    #[must_use]
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self { address, port }
    }

    /// The family of the address.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

/// A text is no `ADDRESS:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address with a port; write `10.0.0.1:80` or `[2001:db8::1]:80`")]
pub struct ParseEndpointError {
    /// What was given.
    pub text: String,
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseEndpointError {
            text: text.to_owned(),
        };
        let (address, port) = text.rsplit_once(':').ok_or_else(error)?;
        let address = match address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(inner) => IpAddr::V6(inner.parse::<Ipv6Addr>().map_err(|_source| error())?),
            None => IpAddr::V4(address.parse().map_err(|_source| error())?),
        };
        let port = port.parse().map_err(|_source| error())?;
        Ok(Self { address, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_an_endpoint_parses_back() {
        for text in ["10.0.0.1:80", "[2001:db8::1]:443", "0.0.0.0:0"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_ipv6_address_needs_brackets() {
        assert!("2001:db8::1:80".parse::<Endpoint>().is_err());
        assert!("[10.0.0.1]:80".parse::<Endpoint>().is_err());
        assert!("10.0.0.1".parse::<Endpoint>().is_err());
        assert!("10.0.0.1:65536".parse::<Endpoint>().is_err());
    }
}
