//! How virtual and real servers are named on the command line of `xvs`.

use std::str::FromStr;

use xvs_control::wire::Target as Address;
use xvs_types::{Endpoint, Family, Protocol, VirtualServerId};

/// `VIP:PORT`, `tcp/VIP:PORT`, `udp/VIP:PORT`, `mark/N` or `mark/N/v6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VirtualServerName(pub(crate) VirtualServerId);

impl FromStr for VirtualServerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let explain = || {
            format!(
                "`{text}` names no virtual server; write `192.0.2.1:80` (TCP), `udp/192.0.2.1:53`, `[2001:db8::1]:80` or `mark/1`"
            )
        };
        let Some((kind, rest)) = text.split_once('/') else {
            let endpoint = text.parse::<Endpoint>().map_err(|_error| explain())?;
            return Ok(Self(VirtualServerId::tcp(endpoint)));
        };
        let protocol = match kind {
            "mark" => return mark(rest).map(Self).ok_or_else(explain),
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => return Err(explain()),
        };
        let endpoint = rest.parse::<Endpoint>().map_err(|_error| explain())?;
        Ok(Self(VirtualServerId::Address { protocol, endpoint }))
    }
}

fn mark(text: &str) -> Option<VirtualServerId> {
    let (number, family) = match text.split_once('/') {
        None => (text, Family::V4),
        Some((number, "v6")) => (number, Family::V6),
        Some(_) => return None,
    };
    let mark = number.parse().ok().filter(|mark| *mark != 0)?;
    Some(VirtualServerId::Mark { family, mark })
}

/// The name of a virtual server as [`VirtualServerName`] takes it.
pub(crate) fn name(id: &VirtualServerId) -> String {
    match id {
        VirtualServerId::Address { protocol, endpoint } => {
            format!("{}/{endpoint}", protocol.to_string().to_ascii_lowercase())
        }
        VirtualServerId::Mark {
            family: Family::V4,
            mark,
        } => format!("mark/{mark}"),
        VirtualServerId::Mark {
            family: Family::V6,
            mark,
        } => format!("mark/{mark}/v6"),
    }
}

/// A real server: an address with a port, or an address alone that takes the port of its virtual
/// server.
pub(crate) fn real_endpoint(address: Address, virtual_server: &VirtualServerId) -> Endpoint {
    let port = address.port.unwrap_or_else(|| virtual_server.port());
    Endpoint::new(address.address, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for text in [
            "tcp/192.0.2.1:80",
            "udp/[2001:db8::1]:53",
            "sctp/192.0.2.1:9",
            "mark/7",
            "mark/4294967295/v6",
        ] {
            let parsed: VirtualServerName = text.parse().unwrap();
            assert_eq!(name(&parsed.0), text);
        }
        let tcp: VirtualServerName = "192.0.2.1:80".parse().unwrap();
        assert_eq!(name(&tcp.0), "tcp/192.0.2.1:80");
    }

    #[test]
    fn what_names_nothing_is_explained() {
        for text in [
            "",
            "192.0.2.1",
            "web",
            "mark/0",
            "mark/x",
            "mark/1/v4",
            "icmp/1.2.3.4:1",
        ] {
            let error = text.parse::<VirtualServerName>().unwrap_err();
            assert!(error.contains("names no virtual server"), "{error}");
        }
    }

    #[test]
    fn a_real_server_without_a_port_has_that_of_its_virtual_server() {
        let VirtualServerName(id) = "192.0.2.1:80".parse().unwrap();
        let endpoint = |text: &str| real_endpoint(text.parse().unwrap(), &id).to_string();
        assert_eq!(endpoint("10.0.0.1"), "10.0.0.1:80");
        assert_eq!(endpoint("10.0.0.1:8080"), "10.0.0.1:8080");
    }
}
