//! What a configuration asks for that this daemon has not the rights for any more.
//!
//! A daemon that starts without a configuration gives up what only the programs and checks of one need
//! ([`KEPT_FOR_PROGRAMS`]), and cannot have it back. When it is given one later, the operator hears what
//! does not work and how it would.

use caps::{CapSet, Capability};
use xvs_conf::config::{Config, GlobalDefs};

use crate::privileges::KEPT_FOR_PROGRAMS;

/// Ports below this one take CAP_NET_BIND_SERVICE.
const FIRST_OPEN_PORT: u16 = 1024;

/// What of `config` this thread cannot do for want of rights: a warning, or none.
pub(super) fn unmet(config: &Config) -> Option<String> {
    let held = caps::read(None, CapSet::Permitted).unwrap_or_default();
    let lacking: Vec<Capability> = KEPT_FOR_PROGRAMS
        .into_iter()
        .filter(|one| !held.contains(one))
        .collect();
    warning(config, &lacking)
}

fn warning(config: &Config, lacking: &[Capability]) -> Option<String> {
    let lacks = |capability| lacking.contains(&capability);
    let mut unmet = Vec::new();
    if lacks(Capability::CAP_SETUID) || lacks(Capability::CAP_SETGID) {
        unmet.extend(programs(config));
    }
    if lacks(Capability::CAP_CHOWN) && has_owned_fifo(&config.global) {
        unmet.push("FIFOs do not get their owner".to_owned());
    }
    if lacks(Capability::CAP_NET_BIND_SERVICE) && checks_from_low_port(config) {
        unmet.push("checks from ports below 1024 fail".to_owned());
    }
    let lacking: Vec<String> = lacking.iter().map(ToString::to_string).collect();
    (!unmet.is_empty()).then(|| {
        format!(
            "{}: the daemon started without a configuration and gave up {}; start it with one, by `xvs \
             run -f FILE` (a service by XVS_OPTIONS=\"-f FILE\" in /etc/default/xvs)",
            unmet.join("; "),
            lacking.join(", ")
        )
    })
}

/// What does not work of programs, each of which is named once.
fn programs(config: &Config) -> Option<String> {
    let mut names: Vec<String> = config
        .programs()
        .into_iter()
        .filter_map(|script| {
            let program = script.arguments.first()?;
            Some(format!("`{program}` as {}", script.user.user))
        })
        .collect();
    names.sort();
    names.dedup();
    (!names.is_empty()).then(|| {
        format!(
            "programs cannot run as another user, and those of root have few of its rights ({})",
            names.join(", ")
        )
    })
}

fn has_owned_fifo(global: &GlobalDefs) -> bool {
    let fifos = [
        &global.notify_fifo,
        &global.lvs_notify_fifo,
        &global.vrrp_notify_fifo,
    ];
    fifos
        .iter()
        .any(|fifo| fifo.path.is_some() && fifo.owner.is_some())
}

fn checks_from_low_port(config: &Config) -> bool {
    let servers = config.virtual_servers.iter();
    let mut connections = servers
        .flat_map(|server| &server.real_servers)
        .flat_map(|real_server| &real_server.checkers)
        .filter_map(|checker| checker.connection.as_ref());
    connections.any(|connection| {
        let from = connection.from.map(|from| from.port);
        from.or(connection.from_port)
            .is_some_and(|port| (1..FIRST_OPEN_PORT).contains(&port))
    })
}

#[cfg(test)]
mod tests {
    use xvs_conf::{MemoryFiles, Stance, StaticHost, parse};

    use super::*;

    fn config(text: &str) -> Config {
        let files = MemoryFiles::new().with("k.conf", text);
        let outcome = parse("k.conf", &files, &StaticHost::default(), Stance::Compatible);
        outcome.config.unwrap()
    }

    #[test]
    fn what_does_not_work_is_said_with_cause_and_cure() {
        let server = |lines: &str| {
            format!(
                "virtual_server 192.0.2.1 80 {{\n lb_kind NAT\n real_server 10.0.0.1 80 {{\n {lines}\n }}\n}}\n"
            )
        };
        let script = config(&server("notify_down \"/bin/true x\" 65534"));
        let said = warning(&script, &[Capability::CAP_SETUID]).unwrap();
        for part in [
            "`/bin/true` as 65534",
            "CAP_SETUID",
            "xvs run -f",
            "without a configuration",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(warning(&script, &[]), None);
        assert_eq!(warning(&script, &[Capability::CAP_KILL]), None);
        let plain = config(&server("TCP_CHECK {\n }"));
        assert_eq!(warning(&plain, &KEPT_FOR_PROGRAMS), None);
        let low = config(&server("TCP_CHECK {\n bind_port 99\n }"));
        assert!(warning(&low, &KEPT_FOR_PROGRAMS).unwrap().contains("1024"));
        let fifo = config("global_defs {\n lvs_notify_fifo /run/f 65534\n}\n");
        assert!(warning(&fifo, &KEPT_FOR_PROGRAMS).unwrap().contains("FIFO"));
    }
}
