//! Addresses that this host has and does not answer for: `no_accept` of a virtual router.
//!
//! A table of nftables of our own drops what reaches the host itself for such an address. It meets no
//! balanced packet, which is taken at ingress, and it is there before the address is, so that nothing
//! slips through while a backup becomes master.

use std::net::IpAddr;

use crate::{CommandError, command};

/// Before the kernel's filter chains (priority 0), as keepalived has it.
const PRIORITY: i8 = -1;

/// The table could not be changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot refuse packets to {addresses} addresses (install `nftables`): {source}")]
pub struct RefuseError {
    addresses: usize,
    source: CommandError,
}

/// A table of nftables that drops what the host would accept for some addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    table: String,
    /// The table as it was listed when it was last made; none while there is none.
    listed: Option<String>,
}

impl Refused {
    /// The table of `owner`; what a name cannot have becomes `_`.
    #[must_use]
    pub fn of(owner: &str) -> Self {
        let owner: String = owner
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        Self {
            table: format!("xvs_vrrp_{owner}"),
            listed: None,
        }
    }

    /// Drops what comes for these addresses and no others, in one step; without addresses the table
    /// goes. Neighbour discovery goes on: others must find the address.
    ///
    /// # Errors
    ///
    /// `nft` is not there, or the kernel has no nftables; nothing has changed.
    pub async fn set(&mut self, addresses: &[IpAddr]) -> Result<(), RefuseError> {
        let failed = |source| RefuseError {
            addresses: addresses.len(),
            source,
        };
        let script = self.script(addresses);
        command::output(&["nft", &script]).await.map_err(failed)?;
        self.listed = match addresses {
            [] => None,
            _ => Some(self.list().await.map_err(failed)?),
        };
        Ok(())
    }

    /// Whether the table is as it was made: nobody removed or changed it.
    pub async fn stands(&self) -> bool {
        match &self.listed {
            Some(listed) => self.list().await.is_ok_and(|now| now == *listed),
            None => true,
        }
    }

    /// The table without its counters, which change by themselves.
    async fn list(&self) -> Result<String, CommandError> {
        command::output(&["nft", "-s", "list", "table", "inet", &self.table]).await
    }

    /// A table that is not there cannot be deleted, so it is made first.
    fn script(&self, addresses: &[IpAddr]) -> String {
        let table = &self.table;
        let anew = format!("add table inet {table}; delete table inet {table}");
        if addresses.is_empty() {
            return anew;
        }
        let list = |of: fn(&IpAddr) -> bool| {
            let texts: Vec<String> = addresses
                .iter()
                .filter(|one| of(one))
                .map(ToString::to_string)
                .collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        };
        let mut rules = String::new();
        if let Some(v4) = list(IpAddr::is_ipv4) {
            rules.push_str(&format!("ip daddr {{ {v4} }} counter drop; "));
        }
        if let Some(v6) = list(IpAddr::is_ipv6) {
            rules.push_str(&format!(
                "ip6 daddr {{ {v6} }} icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} \
                 accept; ip6 daddr {{ {v6} }} counter drop; "
            ));
        }
        format!(
            "{anew}; table inet {table} {{ chain input {{ type filter hook input priority {PRIORITY}; \
             policy accept; {rules}}}; }}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_made_anew_with_the_addresses_of_each_family() {
        let refused = Refused::of("edge-1");
        let begin = "add table inet xvs_vrrp_edge_1; delete table inet xvs_vrrp_edge_1";
        assert_eq!(refused.script(&[]), begin);
        let addresses = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let script = refused.script(&addresses);
        assert!(script.starts_with(begin), "{script}");
        assert!(
            script.contains("ip daddr { 192.0.2.1 } counter drop"),
            "{script}"
        );
        assert!(
            script.contains("ip6 daddr { 2001:db8::1 } counter drop"),
            "{script}"
        );
        let v4 = refused.script(&addresses[..1]);
        assert!(!v4.contains("ip6"), "{v4}");
    }
}
