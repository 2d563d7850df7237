//! Which connections a listing, count or kill means.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use xvs_types::{ConnectionListing, ConnectionState, Endpoint, Protocol};

/// Conditions that a connection must all meet; the default matches every connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionFilter {
    /// Any of its addresses.
    pub address: Option<IpAddr>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// Its protocol.
    pub protocol: Option<Protocol>,
    /// The address of its real server.
    pub real_address: Option<IpAddr>,
    /// Its real server.
    pub real_server: Option<Endpoint>,
    /// Its state.
    pub state: Option<ConnectionState>,
    /// The address that the client talks to.
    pub virtual_address: Option<IpAddr>,
    /// What the client talks to.
    pub virtual_endpoint: Option<Endpoint>,
}

impl ConnectionFilter {
    /// Whether `connection` meets every condition.
    #[must_use]
    pub fn matches(&self, connection: &ConnectionListing) -> bool {
        self.address
            .is_none_or(|address| connection.touches(address))
            && self
                .client
                .is_none_or(|client| connection.client.address == client)
            && self
                .protocol
                .is_none_or(|protocol| connection.protocol == Some(protocol))
            && self
                .real_address
                .is_none_or(|address| connection.real_endpoint.address == address)
            && self
                .real_server
                .is_none_or(|endpoint| connection.real_endpoint == endpoint)
            && self.state.is_none_or(|state| connection.state == state)
            && self
                .virtual_address
                .is_none_or(|address| connection.virtual_endpoint.address == address)
            && self
                .virtual_endpoint
                .is_none_or(|endpoint| connection.virtual_endpoint == endpoint)
    }
}
