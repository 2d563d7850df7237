//! The kernel's settings as the programs read them, and the defences that memory turns on.

use std::fs;

use xvs_datapath::abi::setting_flag;
use xvs_types::Setting;

use super::Bpf;

/// When a defence of three modes acts (kernel `update_defense_level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    /// While memory is short.
    Automatic,
    Always,
}

impl Bpf {
    /// Brings the maps to the settings of the rule base, and the defences to the memory there is.
    pub(super) fn apply_settings(&mut self) {
        let settings = self.rules.settings();
        let short = self.memory_is_short();
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let flags = flag(settings.is_on(Setting::SloppyTcp), setting_flag::SLOPPY_TCP)
            | flag(
                settings.is_on(Setting::SloppySctp),
                setting_flag::SLOPPY_SCTP,
            )
            | flag(
                settings.is_on(Setting::ExpireNodestConn),
                setting_flag::EXPIRE_NODEST_CONN,
            )
            | flag(
                settings.is_on(Setting::ExpireQuiescentTemplate),
                setting_flag::EXPIRE_QUIESCENT_TEMPLATE,
            )
            | flag(
                settings.is_on(Setting::ScheduleIcmp),
                setting_flag::SCHEDULE_ICMP,
            )
            | flag(
                !settings.is_on(Setting::PmtuDisc),
                setting_flag::NO_PMTU_DISC,
            )
            | flag(
                !settings.is_on(Setting::SnatReroute),
                setting_flag::NO_SNAT_REROUTE,
            )
            | flag(
                self.acts(Setting::SecureTcp, short.is_some()),
                setting_flag::SECURE_TCP,
            );
        let drop_rate = match self.mode(Setting::DropPacket) {
            Mode::Off => 0,
            Mode::Automatic => short.unwrap_or(0),
            Mode::Always => settings.unsigned(Setting::AmDroprate),
        };
        let Some(mut value) = self.settings.read(0) else {
            return;
        };
        let before = value;
        value.flags = flags;
        value.reuse_mode = settings.unsigned(Setting::ConnReuseMode);
        value.lblc_expiration = settings.unsigned(Setting::LblcExpiration) * self.hz;
        value.lblcr_expiration = settings.unsigned(Setting::LblcrExpiration) * self.hz;
        value.drop_rate = drop_rate;
        if before != value {
            self.settings.write(0, value);
        }
    }

    /// What the kernel does each second: turns the defences on and off with the memory there is.
    pub(super) fn defend(&mut self) {
        let defences = [Setting::DropEntry, Setting::DropPacket, Setting::SecureTcp];
        if defences
            .iter()
            .any(|defence| self.mode(*defence) == Mode::Automatic)
        {
            self.apply_settings();
        }
        if self.acts(Setting::DropEntry, self.memory_is_short().is_some()) {
            self.thin_out();
        }
    }

    /// Ends a share of what is only begun or idle.
    fn thin_out(&mut self) {
        let now = self.now();
        let reals = &self.servers.real_servers;
        let ended = self
            .table4
            .thin_out(now, self.hz, &mut self.thinning, reals)
            + self
                .table6
                .thin_out(now, self.hz, &mut self.thinning, reals);
        if ended != 0 {
            tracing::debug!(ended, "`drop_entry` ended connections");
        }
    }

    fn mode(&self, defence: Setting) -> Mode {
        match self.rules.settings().value(defence) {
            0 => Mode::Off,
            3 => Mode::Always,
            _ => Mode::Automatic,
        }
    }

    fn acts(&self, defence: Setting, memory_is_short: bool) -> bool {
        match self.mode(defence) {
            Mode::Off => false,
            Mode::Automatic => memory_is_short,
            Mode::Always => true,
        }
    }

    /// The kernel's drop rate while memory is short: `amemthresh / (amemthresh - free)` in pages; none
    /// while there is enough.
    fn memory_is_short(&self) -> Option<u32> {
        let threshold = u64::from(self.rules.settings().unsigned(Setting::Amemthresh));
        let free = free_pages()?;
        if free >= threshold {
            return None;
        }
        u32::try_from(threshold / (threshold - free)).ok()
    }
}

/// Free memory and buffers in pages of 4096 bytes (kernel `si_meminfo`: `freeram + bufferram`).
fn free_pages() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Some((kibibytes("MemFree:")? + kibibytes("Buffers:")?) / 4)
}
