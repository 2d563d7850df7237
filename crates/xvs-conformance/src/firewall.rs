//! The director's netfilter, as far as recordings need it: which mark a packet gets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use xvs_wire::ipv4;

/// Rules that mark packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Firewall(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    destinations: Vec<IpAddr>,
    protocols: Vec<u8>,
    mark: u32,
}

impl Firewall {
    /// Takes a command of `nft`; answers whether it is one that recordings have.
    pub(crate) fn take(&mut self, command: &str) -> bool {
        let Some(added) = command.strip_prefix("add ") else {
            return false;
        };
        if added.starts_with("table ") || added.starts_with("chain ") {
            return true;
        }
        let rule = Rule::of(added);
        self.0.extend(rule.clone());
        rule.is_some()
    }

    /// The mark that a frame's packet gets; 0 for none.
    pub(crate) fn mark(&self, frame: &[u8]) -> u32 {
        let Some((destination, protocol)) = packet(frame) else {
            return 0;
        };
        let marks = self.0.iter().filter(|rule| {
            rule.destinations.contains(&destination) && rule.protocols.contains(&protocol)
        });
        marks.last().map_or(0, |rule| rule.mark)
    }
}

impl Rule {
    /// `rule FAMILY TABLE CHAIN FAMILY daddr { .. } meta l4proto { .. } meta mark set N`.
    fn of(text: &str) -> Option<Self> {
        let (rest, mark) = text.split_once(" meta mark set ")?;
        let (rest, protocols) = rest.split_once(" meta l4proto ")?;
        let (_, destinations) = rest.split_once(" daddr ")?;
        let protocol = |name| match name {
            "tcp" => Some(ipv4::PROTOCOL_TCP),
            "udp" => Some(ipv4::PROTOCOL_UDP),
            "sctp" => Some(ipv4::PROTOCOL_SCTP),
            _ => None,
        };
        Some(Self {
            destinations: set(destinations)
                .map(|one| one.parse().ok())
                .collect::<Option<_>>()?,
            protocols: set(protocols).map(protocol).collect::<Option<_>>()?,
            mark: mark.trim().parse().ok()?,
        })
    }
}

/// The members of `{ a, b }`, or the one that stands without braces.
fn set(text: &str) -> impl Iterator<Item = &str> {
    let separators = |c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}');
    text.split(separators).filter(|word| !word.is_empty())
}

/// Destination and protocol of a frame's packet.
fn packet(frame: &[u8]) -> Option<(IpAddr, u8)> {
    let ip = frame.get(14..)?;
    match frame.get(12..14)? {
        [0x08, 0x00] => {
            let destination = <[u8; 4]>::try_from(ip.get(16..20)?).ok()?;
            Some((Ipv4Addr::from(destination).into(), *ip.get(9)?))
        }
        [0x86, 0xdd] => {
            let destination = <[u8; 16]>::try_from(ip.get(24..40)?).ok()?;
            Some((Ipv6Addr::from(destination).into(), *ip.get(6)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_marks_what_it_names_and_nothing_else() {
        let mut firewall = Firewall::default();
        assert!(firewall.take("add table ip m"));
        assert!(firewall.take(
            "add rule ip m p ip daddr { 192.0.2.1, 192.0.2.2 } meta l4proto { tcp } meta mark set 7"
        ));
        assert!(!firewall.take("add rule ip m p ip saddr 192.0.2.1 drop"));
        let mut frame = [0; 34];
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[23] = 6;
        frame[30..34].copy_from_slice(&[192, 0, 2, 2]);
        assert_eq!(firewall.mark(&frame), 7);
        frame[23] = 17;
        assert_eq!(firewall.mark(&frame), 0);
    }
}
