//! `-L --timeout`.

use std::io;

use xvs_types::Timeouts;

use super::json;
use crate::command::Style;

/// One line with the three timeouts in seconds.
pub(crate) fn timeouts(timeouts: Timeouts, style: Style) -> io::Result<String> {
    if style.json {
        return json(&timeouts);
    }
    Ok(format!(
        "Timeout (tcp tcpfin udp): {} {} {}\n",
        timeouts.tcp.as_secs(),
        timeouts.tcp_fin.as_secs(),
        timeouts.udp.as_secs()
    ))
}
