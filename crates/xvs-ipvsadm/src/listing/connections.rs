//! `-L -c`: connections, in the order of the dataplane.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use xvs_types::{ConnectionListing, Endpoint, Family, VirtualServerId};

use super::text;
use crate::{
    backend::{Backend, BackendError},
    command::Style,
    names::Names,
};

/// Writes a line for each connection while the backend goes through them.
///
/// The outer error is the backend's, the inner one the stream's.
pub(crate) fn connections(
    backend: &mut dyn Backend,
    style: Style,
    names: &dyn Names,
    stdout: &mut dyn Write,
) -> Result<io::Result<()>, BackendError> {
    let mut written = start(style, stdout);
    let mut first = true;
    backend.connections(&mut |connection| {
        if written.is_ok() {
            written = if style.json {
                json_item(&connection, first, stdout)
            } else {
                stdout.write_all(line(&connection, style, names).as_bytes())
            };
            first = false;
        }
        written.is_ok()
    })?;
    Ok(written.and_then(|()| {
        if style.json {
            stdout.write_all(b"]\n")
        } else {
            Ok(())
        }
    }))
}

fn start(style: Style, stdout: &mut dyn Write) -> io::Result<()> {
    if style.json {
        return stdout.write_all(b"[");
    }
    stdout.write_all(b"IPVS connection entries\n")?;
    stdout.write_all(if style.persistent_connections {
        b"pro expire state       source             virtual            destination        pe name          pe_data\n"
    } else {
        b"pro expire state       source             virtual            destination\n"
    })
}

fn json_item(
    connection: &ConnectionListing,
    first: bool,
    stdout: &mut dyn Write,
) -> io::Result<()> {
    if !first {
        stdout.write_all(b",")?;
    }
    serde_json::to_writer(stdout, connection).map_err(io::Error::from)
}

fn line(connection: &ConnectionListing, style: Style, names: &dyn Names) -> String {
    let protocol = connection.protocol;
    let name = |endpoint| text::endpoint(endpoint, protocol, style.numeric, names);
    let seconds = connection.expires.as_secs();
    let expires = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    let shown = protocol.map_or_else(|| "IP".to_owned(), |protocol| protocol.to_string());
    let start = format!(
        "{shown:<3} {expires:<6} {:<11} {:<18} {:<18}",
        connection.state.name(),
        name(connection.client),
        name(virtual_endpoint(connection)),
    );
    let destination = name(connection.real_endpoint);
    match &connection.engine_data {
        Some(data) if style.persistent_connections => {
            format!("{start} {destination:<16} {:<18} {data}\n", "sip")
        }
        _ => format!("{start} {destination}\n"),
    }
}

/// What the client talks to. The kernel keys the template of a mark by the mark, in the first bytes
/// of an address.
fn virtual_endpoint(connection: &ConnectionListing) -> Endpoint {
    match (connection.protocol, connection.virtual_server) {
        (None, Some(VirtualServerId::Mark { family, mark })) => Endpoint {
            address: match family {
                Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(mark)),
                Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(u128::from(mark) << 96)),
            },
            port: 0,
        },
        _ => connection.virtual_endpoint,
    }
}
