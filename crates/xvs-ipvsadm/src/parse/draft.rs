//! A command line while it is read: each value is checked when its switch is met.
//!
//! What a value means may depend on what stands before it: the family for `-M`, the protocol for a
//! service name, the port of the virtual server for `-r` without one. So the order of switches
//! matters here exactly where it matters to ipvsadm.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use xvs_types::{
    Endpoint, Family, ForwardingMethod, PersistenceMask, Protocol, SyncRole, Thresholds, Tunnel,
    TunnelChecksum, TunnelKind, VirtualServerId, Weight,
};

use super::{
    Refusal,
    address::{address_and_port, host_address},
    number::{fit, leading_number, number},
};
use crate::{
    names::Names,
    options::{Opt, OptionSet, Switch, Word},
};

/// ipvsadm's `MAX_TIMEOUT`: 31 days in seconds.
pub(super) const MAX_TIMEOUT: i64 = 86_400 * 31;

/// `-p` without a value, `IP_VS_DEFAULT_PERSISTENCE`, in seconds.
const DEFAULT_PERSISTENCE: i64 = 360;

/// The greatest `--sync-maxlen`: a UDP datagram in IPv4.
const MAX_SYNC_LENGTH: i64 = 65_535 - 20 - 8;

/// What was read so far.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) word: Word,
    pub(super) given: OptionSet,
    pub(super) virtual_server: Option<VirtualServerId>,
    pub(super) scheduler: String,
    /// `-b`, judged at the end, when the scheduler is known.
    pub(super) scheduler_flags: Option<String>,
    pub(super) persistence_timeout: Option<Duration>,
    pub(super) mask: PersistenceMask,
    pub(super) engine: String,
    pub(super) local_addresses: Vec<IpAddr>,
    pub(super) real_server: Option<Endpoint>,
    pub(super) forwarding: ForwardingMethod,
    pub(super) tunnel: Tunnel,
    pub(super) weight: Weight,
    pub(super) thresholds: Thresholds,
    /// Of the daemon's commands; without meaning for the others.
    pub(super) role: SyncRole,
    pub(super) interface: String,
    pub(super) sync_id: u8,
    pub(super) max_length: Option<u16>,
    pub(super) group: Option<IpAddr>,
    pub(super) port: Option<u16>,
    pub(super) ttl: Option<u8>,
}

impl Draft {
    pub(super) fn new(word: Word) -> Self {
        Self {
            word,
            given: OptionSet::default(),
            virtual_server: None,
            scheduler: String::new(),
            scheduler_flags: None,
            persistence_timeout: None,
            mask: PersistenceMask::V4(Ipv4Addr::BROADCAST),
            engine: String::new(),
            local_addresses: Vec::new(),
            real_server: None,
            forwarding: ForwardingMethod::Direct,
            tunnel: Tunnel::default(),
            weight: Weight::default(),
            thresholds: Thresholds::default(),
            role: SyncRole::Master,
            interface: String::new(),
            sync_id: 0,
            max_length: None,
            group: None,
            port: None,
            ttl: None,
        }
    }

    /// Takes the value of `--start-daemon` or `--stop-daemon`.
    pub(super) fn role(&mut self, value: Option<&str>) -> Result<(), Refusal> {
        let message = match self.word {
            Word::StartDaemon => "illegal start-daemon parameter specified",
            Word::StopDaemon => "illegal start_daemon specified",
            _ => return Ok(()),
        };
        self.role = match value {
            Some("master") => SyncRole::Master,
            Some("backup") => SyncRole::Backup,
            _ => return Err(Refusal::usage(message)),
        };
        Ok(())
    }

    /// Takes an option. Only `-p` may come without the value its switch wants.
    pub(super) fn take(
        &mut self,
        switch: Switch,
        value: Option<&str>,
        names: &dyn Names,
    ) -> Result<(), Refusal> {
        let text = value.unwrap_or_default();
        match switch {
            Switch::TcpService => self.service(Protocol::Tcp, text, names),
            Switch::UdpService => self.service(Protocol::Udp, text, names),
            Switch::SctpService => self.service(Protocol::Sctp, text, names),
            Switch::FwmarkService => self.mark(text),
            Switch::Ipv6 => self.ipv6(),
            Switch::Scheduler => {
                self.once(Opt::Scheduler)?;
                text.clone_into(&mut self.scheduler);
                Ok(())
            }
            Switch::SchedulerFlags => {
                self.once(Opt::SchedulerFlags)?;
                self.scheduler_flags = Some(text.to_owned());
                Ok(())
            }
            Switch::Persistent => {
                self.once(Opt::Persistent)?;
                let seconds = match value {
                    None => DEFAULT_PERSISTENCE,
                    Some(text) => timeout(text, 1)?,
                };
                self.persistence_timeout = Some(Duration::from_secs(seconds.unsigned_abs()));
                Ok(())
            }
            Switch::PersistenceEngine => {
                self.once(Opt::PersistenceEngine)?;
                text.clone_into(&mut self.engine);
                Ok(())
            }
            Switch::Netmask => self.netmask(text, names),
            Switch::LocalAddress => self.local_address(text, names),
            Switch::RealServer => self.server(text, names),
            Switch::Gatewaying => self.method(ForwardingMethod::Direct),
            Switch::Masquerading => self.method(ForwardingMethod::Nat),
            Switch::FullNat => self.method(ForwardingMethod::FullNat),
            Switch::Ipip => self.method(ForwardingMethod::Tunnel(Tunnel::default())),
            Switch::Weight => {
                self.once(Opt::Weight)?;
                self.weight = fit(text, 0, i64::from(i32::MAX))
                    .and_then(Weight::new)
                    .ok_or_else(|| Refusal::usage("illegal weight specified"))?;
                Ok(())
            }
            Switch::UpperThreshold => {
                self.once(Opt::UpperThreshold)?;
                self.thresholds.upper = fit(text, 0, i64::from(i32::MAX))
                    .ok_or_else(|| Refusal::usage("illegal u_threshold specified"))?;
                Ok(())
            }
            Switch::LowerThreshold => {
                self.once(Opt::LowerThreshold)?;
                self.thresholds.lower = fit(text, 0, i64::from(i32::MAX))
                    .ok_or_else(|| Refusal::usage("illegal l_threshold specified"))?;
                Ok(())
            }
            Switch::TunnelType
            | Switch::TunnelPort
            | Switch::TunnelNoChecksum
            | Switch::TunnelChecksum
            | Switch::TunnelRemoteChecksum => self.tunnel(switch, text),
            Switch::McastInterface
            | Switch::SyncId
            | Switch::SyncMaxLength
            | Switch::McastGroup
            | Switch::McastPort
            | Switch::McastTtl => self.daemon(switch, text),
            // The one option that may come twice: it does nothing.
            Switch::Sort => Ok(()),
            other => plain(other).map_or(Ok(()), |option| self.once(option)),
        }
    }

    fn once(&mut self, option: Opt) -> Result<(), Refusal> {
        if self.given.insert(option) {
            Ok(())
        } else {
            Err(Refusal::usage(format!(
                "multiple '{}' options specified",
                option.name()
            )))
        }
    }

    fn service(
        &mut self,
        protocol: Protocol,
        text: &str,
        names: &dyn Names,
    ) -> Result<(), Refusal> {
        self.once(Opt::ServiceAddress)?;
        let parsed = address_and_port(text, Some(protocol), names)
            .ok_or_else(|| Refusal::usage("illegal virtual server address[:port] specified"))?;
        let endpoint = Endpoint::new(parsed.address, parsed.port.unwrap_or(0));
        if endpoint.family() == Family::V6 {
            self.mask = PersistenceMask::V6(128);
        }
        self.virtual_server = Some(VirtualServerId::Address { protocol, endpoint });
        Ok(())
    }

    fn mark(&mut self, text: &str) -> Result<(), Refusal> {
        self.once(Opt::ServiceAddress)?;
        let mark = fit(text, 1, i64::from(u32::MAX))
            .ok_or_else(|| Refusal::usage(format!("invalid fwmark value `{text}' specified")))?;
        self.virtual_server = Some(VirtualServerId::Mark {
            family: Family::V4,
            mark,
        });
        Ok(())
    }

    fn ipv6(&mut self) -> Result<(), Refusal> {
        let Some(VirtualServerId::Mark { family, .. }) = &mut self.virtual_server else {
            // ipvsadm's message ends with a newline of its own.
            return Err(Refusal::usage("-6 used before -f\n"));
        };
        *family = Family::V6;
        self.mask = PersistenceMask::V6(128);
        Ok(())
    }

    fn netmask(&mut self, text: &str, names: &dyn Names) -> Result<(), Refusal> {
        self.once(Opt::Netmask)?;
        self.mask = match self.virtual_server.map(|id| id.family()) {
            Some(Family::V6) => match u8::try_from(leading_number(text)) {
                Ok(prefix @ 1..=128) => PersistenceMask::V6(prefix),
                _ => return Err(Refusal::usage("illegal ipv6 netmask specified")),
            },
            _ => PersistenceMask::V4(host_address(text, names).ok_or_else(|| {
                Refusal::usage("illegal virtual server persistent mask specified")
            })?),
        };
        Ok(())
    }

    fn local_address(&mut self, text: &str, names: &dyn Names) -> Result<(), Refusal> {
        self.given.insert(Opt::LocalAddress);
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        match address_and_port(bare, None, names) {
            Some(parsed) if parsed.port.is_none() => {
                self.local_addresses.push(parsed.address);
                Ok(())
            }
            _ => Err(Refusal::usage(format!(
                "illegal local address `{text}' specified"
            ))),
        }
    }

    fn server(&mut self, text: &str, names: &dyn Names) -> Result<(), Refusal> {
        self.once(Opt::RealServer)?;
        let protocol = match self.virtual_server {
            Some(VirtualServerId::Address { protocol, .. }) => Some(protocol),
            // ipvsadm gives a mark the protocol TCP.
            Some(VirtualServerId::Mark { .. }) => Some(Protocol::Tcp),
            None => None,
        };
        let parsed = address_and_port(text, protocol, names)
            .ok_or_else(|| Refusal::usage("illegal real server address[:port] specified"))?;
        let port = parsed
            .port
            .unwrap_or_else(|| self.virtual_server.map_or(0, |id| id.port()));
        self.real_server = Some(Endpoint::new(parsed.address, port));
        Ok(())
    }

    fn method(&mut self, method: ForwardingMethod) -> Result<(), Refusal> {
        self.once(Opt::ForwardingMethod)?;
        self.forwarding = method;
        Ok(())
    }

    fn tunnel(&mut self, switch: Switch, text: &str) -> Result<(), Refusal> {
        match switch {
            Switch::TunnelType => {
                self.once(Opt::TunnelType)?;
                self.tunnel.kind = match text {
                    "gre" => TunnelKind::Gre,
                    "gue" => TunnelKind::Gue { port: 0 },
                    "ipip" => TunnelKind::Ipip,
                    _ => return Err(Refusal::usage("illegal tunnel type specified")),
                };
            }
            Switch::TunnelPort => {
                self.once(Opt::TunnelPort)?;
                self.port = Some(
                    fit(text, 1, 65_535)
                        .ok_or_else(|| Refusal::usage("illegal tunnel port specified"))?,
                );
            }
            Switch::TunnelChecksum => {
                self.once(Opt::TunnelChecksum)?;
                self.tunnel.checksum = TunnelChecksum::Outer;
            }
            Switch::TunnelRemoteChecksum => {
                self.once(Opt::TunnelRemoteChecksum)?;
                self.tunnel.checksum = TunnelChecksum::Remote;
            }
            _ => {
                self.once(Opt::TunnelNoChecksum)?;
                self.tunnel.checksum = TunnelChecksum::None;
            }
        }
        Ok(())
    }

    fn daemon(&mut self, switch: Switch, text: &str) -> Result<(), Refusal> {
        let illegal = |what: &str| Refusal::usage(format!("illegal {what} specified"));
        match switch {
            Switch::McastInterface => {
                self.once(Opt::McastInterface)?;
                text.clone_into(&mut self.interface);
            }
            Switch::SyncId => {
                self.once(Opt::SyncId)?;
                self.sync_id = fit(text, 0, 255).ok_or_else(|| illegal("syncid"))?;
            }
            Switch::SyncMaxLength => {
                self.once(Opt::SyncMaxLength)?;
                let length = fit(text, 1, MAX_SYNC_LENGTH);
                self.max_length = Some(length.ok_or_else(|| illegal("sync-maxlen"))?);
            }
            Switch::McastGroup => {
                self.once(Opt::McastGroup)?;
                self.group = Some(group(text)?);
            }
            Switch::McastPort => {
                self.once(Opt::McastPort)?;
                self.port = Some(fit(text, 1, 65_535).ok_or_else(|| illegal("mcast-port"))?);
            }
            _ => {
                self.once(Opt::McastTtl)?;
                self.ttl = Some(fit(text, 1, 255).ok_or_else(|| illegal("mcast-ttl"))?);
            }
        }
        Ok(())
    }
}

/// Seconds from `minimum` to 31 days.
pub(super) fn timeout(text: &str, minimum: i64) -> Result<i64, Refusal> {
    number(text, minimum, MAX_TIMEOUT)
        .ok_or_else(|| Refusal::usage(format!("invalid timeout value `{text}' specified")))
}

fn group(text: &str) -> Result<IpAddr, Refusal> {
    let (family, address) = if text.contains(':') {
        ("IPv6", text.parse().map(IpAddr::V6))
    } else {
        ("IPv4", text.parse().map(IpAddr::V4))
    };
    address
        .ok()
        .filter(IpAddr::is_multicast)
        .ok_or_else(|| Refusal::usage(format!("invalid {family} mcast-group `{text}'")))
}

/// The option of a switch that is nothing but its option.
fn plain(switch: Switch) -> Option<Opt> {
    Some(match switch {
        Switch::Anywhere => Opt::Anywhere,
        Switch::Atomic => Opt::Atomic,
        Switch::Connection => Opt::Connection,
        Switch::Daemon => Opt::Daemon,
        Switch::Exact => Opt::Exact,
        Switch::FullSave => Opt::FullSave,
        Switch::Json => Opt::Json,
        Switch::NoSort => Opt::NoSort,
        Switch::Numeric => Opt::Numeric,
        Switch::OnePacket => Opt::OnePacket,
        Switch::PersistentConnections => Opt::PersistentConnections,
        Switch::Rate => Opt::Rate,
        Switch::Stats => Opt::Stats,
        Switch::Thresholds => Opt::Thresholds,
        Switch::Timeout => Opt::Timeout,
        Switch::TunnelInfo => Opt::TunnelInfo,
        _ => return None,
    })
}
