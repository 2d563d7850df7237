//! Which connections a request means, and how a listing travels.
//!
//! A listing is sent as JSON lines (`application/x-ndjson`): one
//! [`ConnectionListing`](xvs_types::ConnectionListing) a line, made page by page as the client reads,
//! so that a million connections need no memory on either side.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use xvs_types::{ConnectionListing, ConnectionState, Endpoint, Protocol};

/// An address with or without a port: `10.0.0.1`, `10.0.0.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    /// The address.
    pub address: IpAddr,
    /// The port; none means every port.
    pub port: Option<u16>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => Endpoint::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}

/// A text is no address, with or without a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no address; write `10.0.0.1`, `10.0.0.1:80`, `2001:db8::1` or `[2001:db8::1]:80`"
)]
pub struct ParseTargetError {
    /// What was given.
    pub text: String,
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self {
                address,
                port: None,
            });
        }
        match text.parse::<Endpoint>() {
            Ok(endpoint) => Ok(Self {
                address: endpoint.address,
                port: Some(endpoint.port),
            }),
            Err(_no_endpoint) => Err(ParseTargetError {
                text: text.to_owned(),
            }),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = ParseTargetError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// Conditions that a connection must all meet; without any, every connection is meant.
///
/// In a request it is the query string: `?client=198.51.100.7&state=ESTABLISHED&limit=100`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionQuery {
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// What the client talks to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<Target>,
    /// The real server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rs: Option<Target>,
    /// The state, by its name in listings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ConnectionState>,
    /// The protocol: `tcp`, `udp`, `sctp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proto: Option<Protocol>,
    /// List at most so many; default no limit. Counting and killing refuse it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Killing without any condition needs this to be true, so that a forgotten filter ends nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

impl ConnectionQuery {
    /// Whether it has no condition: every connection is meant.
    #[must_use]
    pub fn is_unconditional(&self) -> bool {
        let Self {
            client,
            vip,
            rs,
            state,
            proto,
            limit: _,
            all: _,
        } = self;
        client.is_none() && vip.is_none() && rs.is_none() && state.is_none() && proto.is_none()
    }
}

/// The state named `text` in listings; case does not matter.
#[must_use]
pub fn parse_state(text: &str) -> Option<ConnectionState> {
    let name = serde_json::Value::String(text.to_ascii_uppercase());
    serde_json::from_value(name).ok()
}

/// Some connections, and where the next ones begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionPage {
    /// The connections.
    pub connections: Vec<ConnectionListing>,
    /// The cursor to go on from; none at the end.
    pub next: Option<u64>,
}

/// The answer of `GET /v1/connections/count` and `DELETE /v1/connections`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionCount {
    /// How many connections were counted, or ended.
    pub connections: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_port_or_means_them_all() {
        for (text, port) in [
            ("10.0.0.1", None),
            ("10.0.0.1:80", Some(80)),
            ("2001:db8::1", None),
            ("[2001:db8::1]:80", Some(80)),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.port, port, "{text}");
            assert_eq!(target.to_string(), text);
        }
        assert!("web1".parse::<Target>().is_err());
        assert!("10.0.0.1:x".parse::<Target>().is_err());
    }

    #[test]
    fn a_query_travels_as_a_query_string() {
        let query = ConnectionQuery {
            client: Some("198.51.100.7".parse().unwrap()),
            vip: Some("[2001:db8::1]:80".parse().unwrap()),
            state: parse_state("established"),
            proto: Some(Protocol::Tcp),
            limit: Some(5),
            ..ConnectionQuery::default()
        };
        let text = serde_urlencoded::to_string(&query).unwrap();
        assert_eq!(
            text,
            "client=198.51.100.7&vip=%5B2001%3Adb8%3A%3A1%5D%3A80&state=ESTABLISHED&proto=tcp&limit=5"
        );
        assert_eq!(
            serde_urlencoded::from_str::<ConnectionQuery>(&text).unwrap(),
            query
        );
        assert!(serde_urlencoded::from_str::<ConnectionQuery>("clinet=1.2.3.4").is_err());
    }

    #[test]
    fn a_limit_is_no_condition() {
        let query = ConnectionQuery {
            limit: Some(1),
            ..ConnectionQuery::default()
        };
        assert!(query.is_unconditional());
    }
}
