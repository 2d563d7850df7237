//! The table of switches, and which option goes with which command.
//!
//! Three lists, each in ipvsadm's order: the switches as typed, the options as its messages name
//! them (several switches may be one option), and the rules of each command.

/// Whether a switch takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    None,
    Optional,
    Required,
}

/// A switch as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    AddServer,
    AddService,
    Anywhere,
    Atomic,
    Clear,
    Connection,
    Daemon,
    DeleteServer,
    DeleteService,
    EditServer,
    EditService,
    Exact,
    FullNat,
    FullSave,
    FwmarkService,
    Gatewaying,
    Help,
    Instance,
    Ipip,
    Ipv6,
    Json,
    LocalAddress,
    LowerThreshold,
    List,
    Masquerading,
    McastGroup,
    McastInterface,
    McastPort,
    McastTtl,
    Netmask,
    NoSort,
    Numeric,
    OnePacket,
    PersistenceEngine,
    Persistent,
    PersistentConnections,
    Rate,
    RealServer,
    Restore,
    Save,
    SchedulerFlags,
    Scheduler,
    SctpService,
    Set,
    Sort,
    StartDaemon,
    Stats,
    StopDaemon,
    SyncId,
    SyncMaxLength,
    TcpService,
    Thresholds,
    Timeout,
    TunnelChecksum,
    TunnelInfo,
    TunnelNoChecksum,
    TunnelPort,
    TunnelRemoteChecksum,
    TunnelType,
    UdpService,
    UpperThreshold,
    Version,
    Weight,
    Zero,
}

/// One row of [`SWITCHES`].
#[derive(Debug)]
pub(crate) struct SwitchDefinition {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) value: Value,
    pub(crate) switch: Switch,
}

const fn flag(long: &'static str, short: char, switch: Switch) -> SwitchDefinition {
    SwitchDefinition {
        long,
        short: Some(short),
        value: Value::None,
        switch,
    }
}

const fn long_flag(long: &'static str, switch: Switch) -> SwitchDefinition {
    SwitchDefinition {
        long,
        short: None,
        value: Value::None,
        switch,
    }
}

const fn valued(long: &'static str, short: char, switch: Switch) -> SwitchDefinition {
    SwitchDefinition {
        long,
        short: Some(short),
        value: Value::Required,
        switch,
    }
}

const fn long_valued(long: &'static str, switch: Switch) -> SwitchDefinition {
    SwitchDefinition {
        long,
        short: None,
        value: Value::Required,
        switch,
    }
}

/// Every switch.
pub(crate) const SWITCHES: &[SwitchDefinition] = &[
    flag("add-service", 'A', Switch::AddService),
    flag("edit-service", 'E', Switch::EditService),
    flag("delete-service", 'D', Switch::DeleteService),
    flag("clear", 'C', Switch::Clear),
    flag("list", 'L', Switch::List),
    flag("list", 'l', Switch::List),
    flag("zero", 'Z', Switch::Zero),
    flag("add-server", 'a', Switch::AddServer),
    flag("edit-server", 'e', Switch::EditServer),
    flag("delete-server", 'd', Switch::DeleteServer),
    long_flag("set", Switch::Set),
    flag("help", 'h', Switch::Help),
    flag("version", 'v', Switch::Version),
    flag("restore", 'R', Switch::Restore),
    flag("save", 'S', Switch::Save),
    long_valued("start-daemon", Switch::StartDaemon),
    long_valued("stop-daemon", Switch::StopDaemon),
    valued("tcp-service", 't', Switch::TcpService),
    valued("udp-service", 'u', Switch::UdpService),
    long_valued("sctp-service", Switch::SctpService),
    valued("fwmark-service", 'f', Switch::FwmarkService),
    valued("scheduler", 's', Switch::Scheduler),
    SwitchDefinition {
        long: "persistent",
        short: Some('p'),
        value: Value::Optional,
        switch: Switch::Persistent,
    },
    valued("netmask", 'M', Switch::Netmask),
    valued("real-server", 'r', Switch::RealServer),
    flag("masquerading", 'm', Switch::Masquerading),
    flag("ipip", 'i', Switch::Ipip),
    flag("gatewaying", 'g', Switch::Gatewaying),
    valued("weight", 'w', Switch::Weight),
    valued("u-threshold", 'x', Switch::UpperThreshold),
    valued("l-threshold", 'y', Switch::LowerThreshold),
    flag("numeric", 'n', Switch::Numeric),
    flag("connection", 'c', Switch::Connection),
    long_valued("mcast-interface", Switch::McastInterface),
    long_valued("syncid", Switch::SyncId),
    long_flag("timeout", Switch::Timeout),
    long_flag("daemon", Switch::Daemon),
    long_flag("stats", Switch::Stats),
    long_flag("rate", Switch::Rate),
    long_flag("thresholds", Switch::Thresholds),
    long_flag("persistent-conn", Switch::PersistentConnections),
    long_flag("nosort", Switch::NoSort),
    long_flag("sort", Switch::Sort),
    flag("exact", 'X', Switch::Exact),
    flag("ipv6", '6', Switch::Ipv6),
    flag("ops", 'o', Switch::OnePacket),
    long_valued("pe", Switch::PersistenceEngine),
    valued("sched-flags", 'b', Switch::SchedulerFlags),
    long_valued("mcast-group", Switch::McastGroup),
    long_valued("mcast-port", Switch::McastPort),
    long_valued("mcast-ttl", Switch::McastTtl),
    long_valued("sync-maxlen", Switch::SyncMaxLength),
    long_flag("tun-info", Switch::TunnelInfo),
    long_valued("tun-type", Switch::TunnelType),
    long_valued("tun-port", Switch::TunnelPort),
    long_flag("tun-nocsum", Switch::TunnelNoChecksum),
    long_flag("tun-csum", Switch::TunnelChecksum),
    long_flag("tun-remcsum", Switch::TunnelRemoteChecksum),
    // Beyond ipvsadm, long names only.
    long_flag("anywhere", Switch::Anywhere),
    long_flag("atomic", Switch::Atomic),
    long_flag("full-save", Switch::FullSave),
    long_flag("fullnat", Switch::FullNat),
    long_valued("instance", Switch::Instance),
    long_flag("json", Switch::Json),
    long_valued("laddr", Switch::LocalAddress),
];

/// An option as messages name it, in the order in which ipvsadm checks them; ours come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opt {
    Numeric,
    Connection,
    ServiceAddress,
    Scheduler,
    Persistent,
    Netmask,
    RealServer,
    ForwardingMethod,
    Weight,
    UpperThreshold,
    LowerThreshold,
    McastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConnections,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    PersistenceEngine,
    SchedulerFlags,
    McastGroup,
    McastPort,
    McastTtl,
    SyncMaxLength,
    TunnelInfo,
    TunnelType,
    TunnelPort,
    TunnelNoChecksum,
    TunnelChecksum,
    TunnelRemoteChecksum,
    LocalAddress,
    Anywhere,
    Json,
    FullSave,
    Atomic,
}

/// Every option, in checking order.
pub(crate) const OPTIONS: &[Opt] = &[
    Opt::Numeric,
    Opt::Connection,
    Opt::ServiceAddress,
    Opt::Scheduler,
    Opt::Persistent,
    Opt::Netmask,
    Opt::RealServer,
    Opt::ForwardingMethod,
    Opt::Weight,
    Opt::UpperThreshold,
    Opt::LowerThreshold,
    Opt::McastInterface,
    Opt::Timeout,
    Opt::Daemon,
    Opt::Stats,
    Opt::Rate,
    Opt::Thresholds,
    Opt::PersistentConnections,
    Opt::NoSort,
    Opt::SyncId,
    Opt::Exact,
    Opt::OnePacket,
    Opt::PersistenceEngine,
    Opt::SchedulerFlags,
    Opt::McastGroup,
    Opt::McastPort,
    Opt::McastTtl,
    Opt::SyncMaxLength,
    Opt::TunnelInfo,
    Opt::TunnelType,
    Opt::TunnelPort,
    Opt::TunnelNoChecksum,
    Opt::TunnelChecksum,
    Opt::TunnelRemoteChecksum,
    Opt::LocalAddress,
    Opt::Anywhere,
    Opt::Json,
    Opt::FullSave,
    Opt::Atomic,
];

impl Opt {
    /// The name that messages use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Connection => "connection",
            Self::ServiceAddress => "service-address",
            Self::Scheduler => "scheduler",
            Self::Persistent => "persistent",
            Self::Netmask => "netmask",
            Self::RealServer => "real-server",
            Self::ForwardingMethod => "forwarding-method",
            Self::Weight => "weight",
            Self::UpperThreshold => "u-threshold",
            Self::LowerThreshold => "l-threshold",
            Self::McastInterface => "mcast-interface",
            Self::Timeout => "timeout",
            Self::Daemon => "daemon",
            Self::Stats => "stats",
            Self::Rate => "rate",
            Self::Thresholds => "thresholds",
            Self::PersistentConnections => "persistent-conn",
            Self::NoSort => "nosort",
            Self::SyncId => "syncid",
            Self::Exact => "exact",
            Self::OnePacket => "ops",
            Self::PersistenceEngine => "pe",
            Self::SchedulerFlags => "sched-flags",
            Self::McastGroup => "mcast-group",
            Self::McastPort => "mcast-port",
            Self::McastTtl => "mcast-ttl",
            Self::SyncMaxLength => "sync-maxlen",
            Self::TunnelInfo => "tun-info",
            Self::TunnelType => "tun-type",
            Self::TunnelPort => "tun-port",
            Self::TunnelNoChecksum => "tun-nocsum",
            Self::TunnelChecksum => "tun-csum",
            Self::TunnelRemoteChecksum => "tun-remcsum",
            Self::LocalAddress => "laddr",
            Self::Anywhere => "anywhere",
            Self::Json => "json",
            Self::FullSave => "full-save",
            Self::Atomic => "atomic",
        }
    }
}

/// The options that were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct OptionSet(Vec<Opt>);

impl OptionSet {
    /// Notes `option`; answers whether it is new.
    pub(crate) fn insert(&mut self, option: Opt) -> bool {
        let new = !self.contains(option);
        if new {
            self.0.push(option);
        }
        new
    }

    pub(crate) fn contains(&self, option: Opt) -> bool {
        self.0.contains(&option)
    }

    pub(crate) fn any(&self, options: &[Opt]) -> bool {
        options.iter().any(|option| self.contains(*option))
    }
}

/// A command as messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    AddService,
    EditService,
    DeleteService,
    Flush,
    List,
    AddServer,
    DeleteServer,
    EditServer,
    Set,
    StartDaemon,
    StopDaemon,
    Restore,
    Save,
    Zero,
}

/// What a command (or a tunnel type) demands, takes, and takes only one of; the rest is illegal.
#[derive(Debug)]
pub(crate) struct Demands {
    pub(crate) required: &'static [Opt],
    pub(crate) optional: &'static [Opt],
    pub(crate) exclusive: &'static [Opt],
}

const SERVER_SETTINGS: &[Opt] = &[
    Opt::ForwardingMethod,
    Opt::Weight,
    Opt::UpperThreshold,
    Opt::LowerThreshold,
    Opt::TunnelType,
    Opt::TunnelPort,
    Opt::TunnelNoChecksum,
    Opt::TunnelChecksum,
    Opt::TunnelRemoteChecksum,
];

const SERVICE_SETTINGS: &[Opt] = &[
    Opt::Scheduler,
    Opt::Persistent,
    Opt::Netmask,
    Opt::OnePacket,
    Opt::PersistenceEngine,
    Opt::SchedulerFlags,
    Opt::LocalAddress,
    Opt::Anywhere,
];

impl Word {
    /// The name that messages use; `-C` is `flush` there.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::Flush => "flush",
            Self::List => "list",
            Self::AddServer => "add-server",
            Self::DeleteServer => "delete-server",
            Self::EditServer => "edit-server",
            Self::Set => "set",
            Self::StartDaemon => "start-daemon",
            Self::StopDaemon => "stop-daemon",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::Zero => "zero",
        }
    }

    /// Which options go with the command.
    pub(crate) fn demands(self) -> Demands {
        const SERVICE: &[Opt] = &[Opt::ServiceAddress];
        const SERVICE_AND_SERVER: &[Opt] = &[Opt::ServiceAddress, Opt::RealServer];
        let (required, optional): (&[Opt], &[Opt]) = match self {
            Self::AddService | Self::EditService => (SERVICE, SERVICE_SETTINGS),
            Self::DeleteService => (SERVICE, &[]),
            Self::Flush | Self::Set => (&[], &[]),
            Self::List => (
                &[],
                &[
                    Opt::Numeric,
                    Opt::Stats,
                    Opt::Rate,
                    Opt::Thresholds,
                    Opt::PersistentConnections,
                    Opt::NoSort,
                    Opt::SyncId,
                    Opt::Exact,
                    Opt::TunnelInfo,
                    Opt::Json,
                ],
            ),
            Self::AddServer | Self::EditServer => (SERVICE_AND_SERVER, SERVER_SETTINGS),
            Self::DeleteServer => (SERVICE_AND_SERVER, &[]),
            Self::StartDaemon => (
                &[],
                &[
                    Opt::McastInterface,
                    Opt::SyncId,
                    Opt::McastGroup,
                    Opt::McastPort,
                    Opt::McastTtl,
                    Opt::SyncMaxLength,
                ],
            ),
            Self::StopDaemon => (&[], &[Opt::SyncId]),
            Self::Restore => (&[], &[Opt::Atomic]),
            Self::Save => (&[], &[Opt::Numeric, Opt::FullSave]),
            Self::Zero => (&[], SERVICE),
        };
        let exclusive: &[Opt] = match self {
            Self::List => &[
                Opt::Connection,
                Opt::ServiceAddress,
                Opt::Timeout,
                Opt::Daemon,
            ],
            _ => &[],
        };
        Demands {
            required,
            optional,
            exclusive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_and_letters_are_unique_but_for_list() {
        for (place, one) in SWITCHES.iter().enumerate() {
            for other in &SWITCHES[place + 1..] {
                assert!(one.long != other.long || one.long == "list", "{}", one.long);
                assert!(
                    one.short.is_none() || one.short != other.short,
                    "{}",
                    one.long
                );
            }
        }
    }

    #[test]
    fn a_second_of_an_option_is_noticed() {
        let mut given = OptionSet::default();
        assert!(given.insert(Opt::Weight));
        assert!(!given.insert(Opt::Weight));
        assert!(given.any(&[Opt::Numeric, Opt::Weight]));
    }
}
