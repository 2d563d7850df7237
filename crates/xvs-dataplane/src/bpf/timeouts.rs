//! Timeouts as the maps have them, in jiffies.

use std::time::Duration;

use xvs_datapath::{
    abi::Settings,
    state::{tcp, udp},
};
use xvs_types::Timeouts;

use super::Bpf;

impl Bpf {
    /// Brings the maps to the timeouts of the rule base.
    pub(super) fn apply_timeouts(&mut self) {
        let timeouts = self.rules.timeouts();
        let hz = self.hz;
        if let Some(mut value) = self.settings.read(0) {
            let jiffies = |duration: Duration| {
                u32::try_from(duration.as_secs())
                    .unwrap_or(u32::MAX)
                    .saturating_mul(hz)
            };
            value.tcp_timeouts[usize::from(tcp::ESTABLISHED)] = jiffies(timeouts.tcp);
            value.tcp_timeouts[usize::from(tcp::FIN_WAIT)] = jiffies(timeouts.tcp_fin);
            value.udp_timeouts = udp_timeouts(jiffies(timeouts.udp), hz);
            self.settings.write(0, value);
        }
    }
}

/// The timeouts that `ipvsadm --set` changes, as the maps have them.
pub(super) fn timeouts_of(settings: &Settings) -> Timeouts {
    let seconds = |jiffies: u32| Duration::from_secs(u64::from(jiffies / settings.hz.max(1)));
    Timeouts {
        tcp: seconds(settings.tcp_timeouts[usize::from(tcp::ESTABLISHED)]),
        tcp_fin: seconds(settings.tcp_timeouts[usize::from(tcp::FIN_WAIT)]),
        udp: seconds(settings.udp_timeouts[usize::from(udp::ASSURED)]),
    }
}

/// Sets what a kernel has that nobody told otherwise.
pub(super) fn default_timeouts(settings: &mut Settings, hz: u32) {
    for (slot, seconds) in settings.tcp_timeouts.iter_mut().zip(tcp::TIMEOUTS) {
        *slot = seconds * hz;
    }
    settings.udp_timeouts = udp_timeouts(udp::TIMEOUT * hz, hz);
    settings.sctp_timeouts = [900 * hz; 16];
}

/// The timeouts of UDP's states, of which all that saw a packet have one.
fn udp_timeouts(all: u32, hz: u32) -> [u32; 4] {
    let mut timeouts = [all; 4];
    timeouts[usize::from(udp::QUOTED)] = udp::QUOTED_TIMEOUT * hz;
    timeouts
}
