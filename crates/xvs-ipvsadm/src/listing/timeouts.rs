//! `-L --timeout`.

use xvs_types::Timeouts;

use super::json;
use crate::command::Style;

/// One line with the three timeouts in seconds.
pub(crate) fn timeouts(timeouts: Timeouts, style: Style) -> String {
    if style.json {
        return json(&timeouts);
    }
    format!(
        "Timeout (tcp tcpfin udp): {} {} {}\n",
        timeouts.tcp.as_secs(),
        timeouts.tcp_fin.as_secs(),
        timeouts.udp.as_secs()
    )
}
