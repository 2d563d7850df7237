//! FULLNAT virtual servers that run out of local ports: told in the log, at most once a minute each.

use std::{
    collections::HashMap as StdMap,
    time::{Duration, Instant},
};

use xvs_types::{ForwardingMethod, Rule};

use super::Bpf;

/// Between two lines about one virtual server.
const SILENCE: Duration = Duration::from_secs(60);

/// What was told of virtual servers, by their slots.
#[derive(Debug, Default)]
pub(super) struct Told(StdMap<u32, (u64, Instant)>);

impl Told {
    /// How many connections found no port since the last line, when a line is due.
    fn due(&mut self, slot: u32, count: u64, now: Instant) -> Option<u64> {
        if count == 0 {
            self.0.remove(&slot);
            return None;
        }
        let (before, last) = self
            .0
            .get(&slot)
            .map_or((0, None), |one| (one.0, Some(one.1)));
        // A slot that was given back counts anew.
        let before = if count < before { 0 } else { before };
        if count == before || last.is_some_and(|last| now.duration_since(last) < SILENCE) {
            return None;
        }
        self.0.insert(slot, (count, now));
        Some(count - before)
    }
}

impl Bpf {
    /// Tells of the virtual servers whose connections find no local port.
    pub(super) fn tell_of_ports(&mut self) {
        let now = Instant::now();
        for rule in self.rules.rules() {
            if rule.0.local_addresses.is_empty() {
                continue;
            }
            let Some(slot) = self.servers.slot_of(&rule.0.id) else {
                continue;
            };
            let found = self.servers.virtual_servers.read(slot);
            let count = found.map_or(0, |found| found.portless);
            if let Some(dropped) = self.told.due(slot, count, now) {
                tracing::warn!("{}", line(rule, dropped));
            }
        }
    }
}

fn line((virtual_server, real_servers): &Rule, dropped: u64) -> String {
    let locals: Vec<String> = virtual_server
        .local_addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    let full_nat = real_servers
        .iter()
        .filter(|server| server.method == ForwardingMethod::FullNat)
        .count();
    format!(
        "virtual server `{}` dropped {dropped} new connections: no port of its local addresses ({}) is \
         free towards its {full_nat} real servers; add a local address (`--laddr`) or a real server",
        virtual_server.id,
        locals.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use xvs_types::{RealServer, VirtualServer, VirtualServerId};

    use super::*;

    #[test]
    fn a_virtual_server_is_told_of_at_most_once_a_minute_with_all_that_was_dropped() {
        let mut told = Told::default();
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(told.due(1, 0, begin), None);
        assert_eq!(told.due(1, 3, begin), Some(3));
        assert_eq!(
            told.due(2, 5, begin),
            Some(5),
            "another one has a line of its own"
        );
        assert_eq!(told.due(1, 9, after(59)), None);
        assert_eq!(told.due(1, 10, after(60)), Some(7));
        assert_eq!(told.due(1, 10, after(600)), None, "nothing happened since");
    }

    #[test]
    fn the_line_names_the_virtual_server_its_local_addresses_and_a_cure() {
        let id = VirtualServerId::tcp("192.0.2.1:80".parse().unwrap());
        let mut virtual_server = VirtualServer::new(id);
        virtual_server.local_addresses = vec!["10.0.0.100".parse().unwrap()];
        let mut real_server = RealServer::new("10.0.0.1:80".parse().unwrap());
        real_server.method = ForwardingMethod::FullNat;
        let line = line(&(virtual_server, vec![real_server]), 7);
        for word in [
            "TCP 192.0.2.1:80",
            "7 new",
            "10.0.0.100",
            "1 real",
            "`--laddr`",
        ] {
            assert!(line.contains(word), "{word}: {line}");
        }
    }
}
