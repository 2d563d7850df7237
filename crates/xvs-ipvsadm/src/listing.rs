//! Tables, a file for each; this one puts them together.

mod connections;
mod daemons;
mod numbers;
mod order;
mod save;
mod servers;
mod text;
mod timeouts;

use std::io;

use serde::Serialize;
use xvs_types::VirtualServerListing;

use crate::{command::Style, names::Names};

pub(crate) use self::{connections::connections, daemons::daemons, save::save, timeouts::timeouts};

/// The kernel's version and size of the connection table (12 bits), which this line always showed.
const BANNER: &str = "IP Virtual Server version 1.2.1 (size=4096)\n";

/// `-L`: every virtual server.
pub(crate) fn all(
    mut virtual_servers: Vec<VirtualServerListing>,
    style: Style,
    names: &dyn Names,
) -> io::Result<String> {
    if !style.nosort {
        order::sort(&mut virtual_servers);
    }
    if style.json {
        return json(&virtual_servers);
    }
    let mut table = String::from(BANNER);
    servers::title(style.columns, &mut table);
    for virtual_server in &virtual_servers {
        servers::entry(virtual_server, style, names, &mut table);
    }
    Ok(table)
}

/// `-L` of one virtual server: no banner.
pub(crate) fn one(
    mut virtual_server: VirtualServerListing,
    style: Style,
    names: &dyn Names,
) -> io::Result<String> {
    if !style.nosort {
        order::sort_real_servers(&mut virtual_server.real_servers);
    }
    if style.json {
        return json(&[virtual_server]);
    }
    let mut table = String::new();
    servers::title(style.columns, &mut table);
    servers::entry(&virtual_server, style, names, &mut table);
    Ok(table)
}

/// The listing as one line of JSON.
fn json<T: Serialize + ?Sized>(listing: &T) -> io::Result<String> {
    let mut text = serde_json::to_string(listing)?;
    text.push('\n');
    Ok(text)
}
