//! Commands of `ip`: those that make a network in a namespace, and those of recordings that change it.

use xvs_dataplane::Prefix;

use super::{Link, Network, fib};

impl Network {
    /// The commands of `ip` that make the far ends of wires ready, in their namespace.
    #[must_use]
    pub fn far_ends(&self) -> String {
        self.legs()
            .map(|name| format!("link set far-{name} mtu 1600 arp off up\n"))
            .collect()
    }

    /// The commands of `ip` that make the legs in a namespace, each one end of a wire; the far ends
    /// stay here, or go to the namespace at the path `far`.
    #[must_use]
    pub fn wires(&self, far: Option<&str>) -> String {
        let mut commands = String::from("link set lo up\n");
        let place = far.map_or(String::new(), |path| format!(" netns {path}"));
        for (index, link) in (Self::FIRST..).zip(&self.legs) {
            let Link {
                name,
                mac,
                mtu,
                addresses,
                ..
            } = link;
            commands += &format!(
                "link add name {name} index {index} address {mac} mtu {mtu} type veth peer name far-{name} index {}{place}\n\
                 link set {name} up\n",
                index + 100
            );
            for (address, length) in addresses {
                let flag = if address.is_ipv6() { " nodad" } else { "" };
                commands += &format!("addr add {address}/{length} dev {name}{flag}\n");
            }
        }
        if far.is_none() {
            commands += &self.far_ends();
            commands += &format!(
                "link add name {name} index {} address {} type veth peer name far-{name} index {}\n\
                 link set {name} up\n",
                Self::BROUGHT_BY,
                Self::BROUGHT_MAC,
                Self::BROUGHT_BY + 100,
                name = Self::BROUGHT_NAME,
            );
        }
        for (address, mac, index) in &self.neighbours {
            let name = self.leg(*index).map_or("", |link| link.name.as_str());
            commands += &format!("neigh add {address} lladdr {mac} dev {name} nud permanent\n");
        }
        for (prefix, gateway) in &self.routes {
            let Prefix { address, length } = prefix;
            commands += &format!("route add {address}/{length} via {gateway}\n");
        }
        commands
    }

    /// Takes `ip route` with the words behind it.
    ///
    /// # Errors
    ///
    /// When it is another command than the recordings have.
    pub fn ip_route(&mut self, words: &[&str]) -> Result<(), String> {
        let (kind, prefix) = match words {
            ["add", kind, prefix, ..] => (*kind, prefix.parse()?),
            _ => return Err(format!("`ip route {}`", words.join(" "))),
        };
        match kind {
            "blackhole" => self.nowhere.push((prefix, fib::BLACKHOLE)),
            "local" => self.local.push(prefix),
            "prohibit" => self.nowhere.push((prefix, fib::PROHIBIT)),
            "unreachable" => self.nowhere.push((prefix, fib::UNREACHABLE)),
            _ => return Err(format!("`ip route {}`", words.join(" "))),
        }
        Ok(())
    }
}
