//! From the configuration to what is to be checked, and back from a name to who has it.

use std::{collections::HashMap, collections::HashSet, sync::Arc, time::Duration};

use xvs_check::{
    CheckerConfig, Kind, Quorum, RealServerConfig, SorryServer, Timing, VirtualServerConfig,
};
use xvs_conf::{
    Config,
    config::{self, CheckKind, Checker, RealServer, Target, VirtualServer},
};
use xvs_probe::Probe;
use xvs_types::{Endpoint, Protocol, Thresholds, VirtualServerId, Weight};

/// What the machine of the checks gets.
pub(crate) type Checked = VirtualServerConfig<Arc<Probe>>;

/// A configuration as its checks need it.
#[derive(Debug)]
pub(crate) struct Translated {
    /// The virtual servers.
    pub(crate) virtual_servers: Vec<Checked>,
    /// Who has which name.
    pub(crate) names: Names,
    /// What the operator should know: a line each.
    pub(crate) warnings: Vec<String>,
}

/// The names of a configuration's virtual and real servers, with the places they have in it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    config: Arc<Config>,
    virtual_servers: HashMap<Arc<str>, Places>,
}

#[derive(Debug, Default)]
struct Places {
    virtual_server: usize,
    real_servers: HashMap<Arc<str>, usize>,
}

impl Names {
    /// The configuration that the names belong to.
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The virtual server of this name.
    pub(crate) fn virtual_server(&self, name: &str) -> Option<&VirtualServer> {
        let places = self.virtual_servers.get(name)?;
        self.config.virtual_servers.get(places.virtual_server)
    }

    /// The real server of this name behind the virtual server of that name.
    pub(crate) fn real_server(&self, virtual_server: &str, name: &str) -> Option<&RealServer> {
        let places = self.virtual_servers.get(virtual_server)?;
        let place = *places.real_servers.get(name)?;
        let virtual_server = self.config.virtual_servers.get(places.virtual_server)?;
        virtual_server.real_servers.get(place)
    }
}

/// Translates a whole configuration.
pub(crate) fn translate(config: &Arc<Config>) -> Translated {
    let mut translated = Translated {
        virtual_servers: Vec::with_capacity(config.virtual_servers.len()),
        names: Names {
            config: Arc::clone(config),
            virtual_servers: HashMap::new(),
        },
        warnings: Vec::new(),
    };
    let mut taken = HashSet::new();
    for (place, virtual_server) in config.virtual_servers.iter().enumerate() {
        let name = unique(name_of(virtual_server), virtual_server, |name| {
            translated.names.virtual_servers.contains_key(name)
        });
        let rules = config.rules_of(virtual_server);
        let (rules, twice): (Vec<_>, Vec<_>) =
            rules.into_iter().partition(|rule| taken.insert(rule.id));
        for rule in twice {
            translated.warnings.push(format!(
                "{} stands in the configuration twice; {name} is without it",
                rule.id
            ));
        }
        let mut places = Places {
            virtual_server: place,
            ..Places::default()
        };
        let mut real_servers = Vec::with_capacity(virtual_server.real_servers.len());
        for (place, real_server) in virtual_server.real_servers.iter().enumerate() {
            let checked = checked(
                config,
                virtual_server,
                real_server,
                &mut translated.warnings,
            );
            places.real_servers.insert(Arc::clone(&checked.name), place);
            real_servers.push(checked);
        }
        translated.virtual_servers.push(VirtualServerConfig {
            name: Arc::clone(&name),
            rules,
            real_servers,
            quorum: Quorum {
                weight: virtual_server.quorum,
                hysteresis: virtual_server.hysteresis,
            },
            sorry_server: virtual_server.sorry_server.map(sorry_server),
            alpha: virtual_server.alpha,
            omega: virtual_server.omega,
            ha_suspend: virtual_server.ha_suspend,
        });
        translated.names.virtual_servers.insert(name, places);
    }
    translated
}

/// What every rule of `virtual_servers` is for.
pub(crate) fn ids(virtual_servers: &[Checked]) -> Vec<VirtualServerId> {
    virtual_servers
        .iter()
        .flat_map(|one| &one.rules)
        .map(|rule| rule.id)
        .collect()
}

/// The keyword of a checker.
pub(crate) fn keyword(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bfd(_) => "BFD_CHECK",
        Kind::Dns => "DNS_CHECK",
        Kind::File(_) => "FILE_CHECK",
        Kind::Http => "HTTP_GET",
        Kind::Misc(_) => "MISC_CHECK",
        Kind::Ping => "PING_CHECK",
        Kind::Smtp => "SMTP_CHECK",
        Kind::Ssl => "SSL_GET",
        Kind::Tcp => "TCP_CHECK",
        Kind::Udp => "UDP_CHECK",
        _ => "check",
    }
}

fn checked(
    config: &Config,
    virtual_server: &VirtualServer,
    real_server: &RealServer,
    warnings: &mut Vec<String>,
) -> RealServerConfig<Arc<Probe>> {
    let name: Arc<str> = endpoint_name(real_server.endpoint, virtual_server.protocol).into();
    let mut checkers = Vec::with_capacity(real_server.checkers.len());
    for checker in &real_server.checkers {
        match Probe::new(config, virtual_server, real_server, checker) {
            Some(probe) => checkers.push(checker_config(checker, probe)),
            None => warnings.push(format!(
                "a FILE_CHECK of real server {name} of {} is not performed: its file is not known",
                name_of(virtual_server)
            )),
        }
        if let Some(session) = session_of_vrrp(config, checker) {
            warnings.push(format!(
                "the BFD_CHECK of real server {name} of {} listens to `bfd_instance {session}`, \
                 though that says `vrrp` and not `checker`",
                name_of(virtual_server)
            ));
        }
    }
    RealServerConfig {
        name,
        server: xvs_types::RealServer {
            endpoint: real_server.endpoint,
            method: real_server.method,
            weight: real_server.weight,
            thresholds: real_server.thresholds,
        },
        inhibit_on_failure: real_server.inhibit_on_failure,
        checkers,
    }
}

/// The session of a BFD_CHECK, if it is meant for VRRP alone.
fn session_of_vrrp<'a>(config: &'a Config, checker: &Checker) -> Option<&'a str> {
    let CheckKind::Bfd(check) = &checker.kind else {
        return None;
    };
    let mut sessions = config.bfd_instances.iter();
    let session = sessions.find(|session| session.name == check.instance)?;
    (!session.for_checkers).then_some(session.name.as_str())
}

fn checker_config(checker: &Checker, probe: Probe) -> CheckerConfig<Arc<Probe>> {
    let (urls, fast_recovery) = match &probe.kind {
        CheckKind::Http(check) => (check.urls.len(), check.fast_recovery),
        _ => (1, false),
    };
    CheckerConfig {
        kind: kind(&checker.kind),
        timing: timing(checker),
        alpha: checker.alpha,
        urls,
        fast_recovery,
        log_all_failures: checker.log_all_failures,
        probe: Arc::new(probe),
    }
}

/// When a check runs; what a BFD session says counts at once.
fn timing(checker: &Checker) -> Timing {
    if matches!(checker.kind, CheckKind::Bfd(_)) {
        return Timing {
            delay_loop: Duration::ZERO,
            retry: 0,
            delay_before_retry: Duration::ZERO,
            warmup: Duration::ZERO,
        };
    }
    Timing {
        delay_loop: checker.timing.delay_loop,
        retry: checker.timing.retry,
        delay_before_retry: checker.timing.delay_before_retry,
        warmup: checker.timing.warmup,
    }
}

fn kind(kind: &CheckKind) -> Kind {
    match kind {
        CheckKind::Bfd(check) => Kind::Bfd(check.instance.as_str().into()),
        CheckKind::Dns(_) => Kind::Dns,
        CheckKind::File(check) => Kind::File(check.file.as_str().into()),
        CheckKind::Http(check) if check.tls.is_some() => Kind::Ssl,
        CheckKind::Http(_) => Kind::Http,
        CheckKind::Misc(check) => {
            let program = check.script.arguments.first();
            Kind::Misc(program.map_or("", String::as_str).into())
        }
        CheckKind::Ping => Kind::Ping,
        CheckKind::Smtp(_) => Kind::Smtp,
        CheckKind::Udp(_) => Kind::Udp,
        // `CheckKind` may grow; what is new is a connection until it has a word of its own.
        _ => Kind::Tcp,
    }
}

fn sorry_server(sorry: config::SorryServer) -> SorryServer {
    SorryServer {
        server: xvs_types::RealServer {
            endpoint: sorry.endpoint,
            method: sorry.method,
            weight: Weight::default(),
            thresholds: Thresholds::default(),
        },
        inhibit: sorry.inhibit,
    }
}

/// The name in logs: `[192.0.2.1]:tcp:80`, `FWM 10`, or that of the group.
fn name_of(virtual_server: &VirtualServer) -> String {
    match &virtual_server.target {
        Target::Address(endpoint) => endpoint_name(*endpoint, virtual_server.protocol),
        Target::Group(name) => name.clone(),
        Target::Mark(mark) => format!("FWM {mark}"),
    }
}

/// As keepalived writes an endpoint: `[10.0.0.1]:tcp:80`.
fn endpoint_name(endpoint: Endpoint, protocol: Option<Protocol>) -> String {
    let protocol = protocol.map_or_else(
        || "none".to_owned(),
        |protocol| protocol.to_string().to_lowercase(),
    );
    format!("[{}]:{protocol}:{}", endpoint.address, endpoint.port)
}

/// `name`, told apart from those that are `taken`: a group may serve TCP and UDP.
fn unique(name: String, virtual_server: &VirtualServer, taken: impl Fn(&str) -> bool) -> Arc<str> {
    if !taken(&name) {
        return name.into();
    }
    let protocol = virtual_server.protocol.map(|protocol| protocol.to_string());
    let mut other = format!("{name} {}", protocol.unwrap_or_default().to_lowercase());
    let mut number = 2;
    while taken(&other) {
        other = format!("{name} ({number})");
        number += 1;
    }
    other.into()
}

#[cfg(test)]
mod tests {
    use xvs_conf::{MemoryFiles, Stance, StaticHost, parse};

    use super::*;

    fn translated(text: &str) -> Translated {
        let files = MemoryFiles::new().with("k.conf", text);
        let outcome = parse("k.conf", &files, &StaticHost::default(), Stance::Compatible);
        translate(&Arc::new(outcome.config.unwrap()))
    }

    #[test]
    fn names_are_those_that_keepalived_logs() {
        let translated = translated(
            "virtual_server 192.0.2.1 80 {\n lb_kind DR\n protocol TCP\n real_server 10.0.0.1 8080 {\n weight 3\n \
             TCP_CHECK {\n connect_timeout 2\n }\n }\n}\n\
             virtual_server fwmark 10 {\n real_server 2001:db8::1 80 {\n }\n}\n",
        );
        let [first, mark] = translated.virtual_servers.as_slice() else {
            panic!("{translated:?}");
        };
        assert_eq!(&*first.name, "[192.0.2.1]:tcp:80");
        assert_eq!(&*mark.name, "FWM 10");
        // Direct routing keeps the port; the check goes to the one that is written.
        let real_server = &first.real_servers[0];
        assert_eq!(&*real_server.name, "[10.0.0.1]:tcp:80");
        let probe = &real_server.checkers[0].probe;
        assert_eq!(probe.connection.as_ref().unwrap().to.port, 8080);
        let found = translated
            .names
            .real_server("[192.0.2.1]:tcp:80", "[10.0.0.1]:tcp:80");
        assert_eq!(found.unwrap().weight.get(), 3);
        assert!(translated.names.virtual_server("FWM 10").is_some());
        assert!(translated.names.virtual_server("FWM 11").is_none());
    }

    #[test]
    fn a_group_for_two_protocols_has_two_names_and_its_rules_once() {
        let group = "virtual_server_group g {\n 192.0.2.1-2 53\n}\n";
        let server = |protocol| {
            format!(
                "virtual_server group g {{\n protocol {protocol}\n real_server 10.0.0.1 53 {{\n }}\n}}\n"
            )
        };
        let translated = translated(&format!("{group}{}{}", server("TCP"), server("UDP")));
        let names: Vec<&str> = translated
            .virtual_servers
            .iter()
            .map(|one| &*one.name)
            .collect();
        assert_eq!(names, ["g", "g udp"]);
        assert_eq!(ids(&translated.virtual_servers).len(), 4);
        assert_eq!(translated.warnings, Vec::<String>::new());
    }
}
