//! The world around a director: its legs, who is there, and the ways.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Deserialize;

/// What `topology.json` says of one topology.
#[derive(Clone, Debug, Deserialize)]
pub struct Topology {
    /// The director's links by name.
    pub legs: BTreeMap<String, Leg>,
    /// Who is there: address, MAC address, leg.
    pub neigh: Vec<(IpAddr, String, String)>,
    /// Routes: prefix, gateway.
    pub routes: Vec<(String, IpAddr)>,
}

/// A link of the director.
#[derive(Clone, Debug, Deserialize)]
pub struct Leg {
    /// Its MAC address.
    pub mac: String,
    /// Bytes of the largest IP packet.
    pub mtu: u32,
    /// Its addresses with their prefix lengths.
    pub addrs: Vec<String>,
}
