//! Names of hosts and services.

use std::net::Ipv4Addr;

use xvs_types::Protocol;

/// The resolver of hosts and services (the C library's `gethostbyname` and `getservbyname`).
///
/// Only IPv4: ipvsadm 1.31 never resolves an IPv6 address.
pub trait Names {
    /// The first IPv4 address of the host `name`.
    fn host_address(&self, name: &str) -> Option<Ipv4Addr>;

    /// The canonical name of the host with `address`.
    fn host_name(&self, address: Ipv4Addr) -> Option<String>;

    /// The port of the service `name`.
    fn service_port(&self, name: &str, protocol: Protocol) -> Option<u16>;

    /// The name of the service on `port`.
    fn service_name(&self, port: u16, protocol: Protocol) -> Option<String>;
}

/// A resolver that knows no name: everything is numeric.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumericNames;

impl Names for NumericNames {
    fn host_address(&self, _name: &str) -> Option<Ipv4Addr> {
        None
    }

    fn host_name(&self, _address: Ipv4Addr) -> Option<String> {
        None
    }

    fn service_port(&self, _name: &str, _protocol: Protocol) -> Option<u16> {
        None
    }

    fn service_name(&self, _port: u16, _protocol: Protocol) -> Option<String> {
        None
    }
}
