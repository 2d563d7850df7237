//! Who is where in the pair of directors, and how each is configured.

use std::time::Duration;

use crate::HaArgs;

/// The address that both directors share.
pub(super) const VIP: &str = "10.99.0.100";

/// A host on the switch.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
    /// The TTL of its answers, by which the probe tells directors apart.
    pub(super) ttl: u8,
    /// In elections; directors only.
    priority: u8,
}

/// The lab.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) client: Place,
    pub(super) directors: [Place; 2],
    /// Two real servers and the sorry server.
    pub(super) webs: [Place; 3],
    version: u8,
    interval: String,
}

impl Plan {
    pub(super) fn of(arguments: &HaArgs) -> Self {
        let place = |name, address| Place {
            name,
            address,
            ttl: 64,
            priority: 0,
        };
        let director = |name, address, ttl, priority| Place {
            name,
            address,
            ttl,
            priority,
        };
        Self {
            client: place("client", "10.99.0.9"),
            directors: [
                director("director1", "10.99.0.1", 61, 150),
                director("director2", "10.99.0.2", 62, 100),
            ],
            webs: [
                place("web1", "10.99.0.11"),
                place("web2", "10.99.0.12"),
                place("sorry", "10.99.0.13"),
            ],
            version: if arguments.v3 { 3 } else { 2 },
            interval: arguments.interval.clone(),
        }
    }

    /// How long it takes until checks have found what died: two rounds, and what a busy machine adds.
    pub(super) fn check_time(&self) -> Duration {
        Duration::from_secs(4)
    }

    /// The time between two advertisements.
    pub(super) fn interval(&self) -> Duration {
        // The daemons refuse what is no number.
        Duration::from_secs_f64(self.interval.parse().unwrap_or(1.0))
    }

    /// How much later than due director 2 takes over: (256 - 100) / 256 s in version 2, of the interval
    /// in version 3 (RFC 3768 6.1, RFC 5798 6.1).
    pub(super) fn skew(&self) -> Duration {
        let unit = if self.version == 2 {
            Duration::from_secs(1)
        } else {
            self.interval()
        };
        unit * (256 - u32::from(self.directors[1].priority)) / 256
    }

    /// How long director 2 waits for a silent master.
    pub(super) fn master_down(&self) -> Duration {
        self.interval() * 3 + self.skew()
    }

    /// The configuration of a director; keepalived without IPVS has virtual routers alone.
    pub(super) fn configuration(&self, director: &Place, vrrp_alone: bool) -> String {
        let vrrp = self.virtual_router(director);
        if vrrp_alone {
            return vrrp;
        }
        format!("{vrrp}{}", self.virtual_server())
    }

    /// The virtual router of a director.
    pub(super) fn virtual_router(&self, director: &Place) -> String {
        let Self {
            version, interval, ..
        } = self;
        let priority = director.priority;
        format!(
            "vrrp_instance VI_1 {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    version {version}
    priority {priority}
    advert_int {interval}
    virtual_ipaddress {{
        {VIP}/24
    }}
}}
"
        )
    }

    fn virtual_server(&self) -> String {
        let mut servers = format!(
            "virtual_server {VIP} 80 {{
    delay_loop 1
    lb_algo rr
    lb_kind DR
    protocol TCP
"
        );
        for (place, block) in self
            .webs
            .iter()
            .zip(["real_server", "real_server", "sorry_server"])
        {
            let body = if block == "sorry_server" {
                ""
            } else {
                " {
        TCP_CHECK {
            connect_timeout 1
        }
    }"
            };
            servers.push_str(&format!("    {block} {} 80{body}\n", place.address));
        }
        servers.push_str("}\n");
        servers
    }
}
