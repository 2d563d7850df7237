//! `virtual_server`.

use std::{net::Ipv4Addr, time::Duration};

use xvs_types::{
    Endpoint, Family, ForwardingMethod, PersistenceEngine, PersistenceMask, Protocol, Scheduler,
    SchedulerFlags, Tunnel, TunnelChecksum, TunnelKind, Weight,
};

use super::{
    Block, Draft, Keyword, Line, RealServerDraft, Scope, Tier, VirtualServerDraft, apply_all,
    draft::{SorryDraft, TimingDraft},
    real_server,
};
use crate::{
    codes,
    config::{Script, Target},
};

/// What `persistence_timeout` alone means.
const DEFAULT_PERSISTENCE: Duration = Duration::from_secs(360);
/// The longest timeout of IPVS: 31 days.
const MAX_TIMEOUT: i64 = 2_678_400;

type Key = Keyword<VirtualServerDraft>;

/// The keywords of `virtual_server`.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::value("ip_family", Tier::Rare, ip_family),
    Key::value("retry", Tier::Common, |server, line, scope| {
        server.timing.retry = line
            .integer(1, 1..=4_294_967_295, "the checks' default stays", scope)
            .or(server.timing.retry);
    }),
    Key::value("delay_before_retry", Tier::Common, |server, line, scope| {
        server.timing.delay_before_retry = line
            .timer(1, 0, "the checks' default stays", scope)
            .or(server.timing.delay_before_retry);
    }),
    Key::value("warmup", Tier::Common, |server, line, scope| {
        server.timing.warmup = line
            .timer(1, 0, "it is the `delay_loop`", scope)
            .or(server.timing.warmup);
    }),
    Key::value("connect_timeout", Tier::Common, |server, line, scope| {
        server.timing.connect_timeout = line
            .seconds(1, 1..=4_294_967_295, "it is 5 seconds", scope)
            .or(server.timing.connect_timeout);
    }),
    Key::value("delay_loop", Tier::Everywhere, |server, line, scope| {
        server.timing.delay_loop = line
            .timer(1, 1, "it is 60 seconds", scope)
            .or(server.timing.delay_loop);
    }),
    Key::flag("inhibit_on_failure", Tier::Common, |server, _, _| {
        server.inhibit_on_failure = true;
    }),
    Key::value("lb_algo", Tier::Everywhere, scheduler),
    Key::value("lvs_sched", Tier::Everywhere, scheduler),
    Key::flag("hashed", Tier::Rare, |server, line, scope| {
        if !matches!(server.scheduler, Some(Scheduler::Sh | Scheduler::Mh)) {
            line.reject(
                0,
                "`hashed` is for the scheduler sh",
                "it is ignored",
                scope,
            );
        }
    })
    .inert(),
    Key::flag("ops", Tier::Rare, |server, _, _| server.one_packet = true),
    Key::flag("flag-1", Tier::Rare, |server, _, _| {
        add_flag(server, SchedulerFlags::FALLBACK);
    }),
    Key::flag("flag-2", Tier::Rare, |server, _, _| {
        add_flag(server, SchedulerFlags::PORT);
    }),
    Key::flag("flag-3", Tier::Rare, |server, _, _| {
        add_flag(server, SchedulerFlags::THIRD);
    }),
    Key::flag("sh-port", Tier::Rare, named_flag),
    Key::flag("sh-fallback", Tier::Rare, named_flag),
    Key::flag("mh-port", Tier::Rare, named_flag),
    Key::flag("mh-fallback", Tier::Rare, named_flag),
    Key::words("lb_kind", 1, Tier::Everywhere, method),
    Key::words("lvs_method", 1, Tier::Everywhere, method),
    Key::value("persistence_engine", Tier::Rare, |server, line, scope| {
        if line.word(1) == "sip" {
            server.engine = Some(PersistenceEngine::Sip);
        } else {
            scope.sink.silent(
                codes::INVALID_VALUE,
                line.at(1),
                format!("there is no persistence engine `{}`", line.word(1)),
                "only `sip` exists; the line is ignored",
            );
        }
    }),
    Key::optional(
        "persistence_timeout",
        Tier::Everywhere,
        |server, line, scope| {
            if line.count() == 0 {
                server.persistence_timeout = Some(DEFAULT_PERSISTENCE);
            } else if let Some(seconds) = line.integer(
                1,
                1..=MAX_TIMEOUT,
                "without a valid one persistence is off",
                scope,
            ) {
                server.persistence_timeout = Some(Duration::from_secs(seconds));
            }
        },
    ),
    Key::value("persistence_granularity", Tier::Rare, granularity),
    Key::value("protocol", Tier::Everywhere, |server, line, scope| {
        server.protocol = match line.word(1).to_ascii_uppercase().as_str() {
            "TCP" => Some(Protocol::Tcp),
            "UDP" => Some(Protocol::Udp),
            "SCTP" => Some(Protocol::Sctp),
            _ => {
                line.reject(
                    1,
                    format!("`{}` is no protocol that is balanced", line.word(1)),
                    "write TCP, UDP or SCTP; the line is ignored",
                    scope,
                );
                server.protocol
            }
        };
    }),
    Key::flag("ha_suspend", Tier::Common, |server, _, _| {
        server.ha_suspend = true;
    }),
    Key::optional("smtp_alert", Tier::Rare, |server, line, scope| {
        server.smtp_alert = line.switch(scope).or(server.smtp_alert);
    }),
    Key::optional(
        "virtualhost",
        Tier::Common,
        |server, line, scope| match line.get(1) {
            Some(host) => server.virtualhost = Some(host.to_owned()),
            None => line.reject(0, "`virtualhost` has no value", "it is ignored", scope),
        },
    ),
    Key::optional("snmp_name", Tier::Rare, |_, line, scope| {
        if line.count() == 0 {
            line.reject(0, "`snmp_name` has no value", "it is ignored", scope);
        }
    })
    .inert(),
    Key::flag("alpha", Tier::Common, |server, _, _| server.alpha = true),
    Key::flag("omega", Tier::Common, |server, _, _| server.omega = true),
    Key::words("quorum_up", 1, Tier::Common, |server, line, scope| {
        notify_script(&mut server.quorum_up, line, scope);
    }),
    Key::words("quorum_down", 1, Tier::Common, |server, line, scope| {
        notify_script(&mut server.quorum_down, line, scope);
    }),
    Key::value("quorum", Tier::Common, |server, line, scope| {
        server.quorum = line
            .lax_integer(1, 1..=4_294_967_295, "it is 1", scope)
            .unwrap_or(1);
    }),
    Key::value("hysteresis", Tier::Common, |server, line, scope| {
        if let Some(hysteresis) = line.lax_integer(1, 0..=4_294_967_295, "it is 0", scope) {
            server.hysteresis = hysteresis;
        }
    }),
    Key::value("weight", Tier::Rare, |server, line, scope| {
        let range = 1..=i64::from(Weight::MAX.get());
        if let Some(weight) = line.lax_integer(1, range, "it is 1", scope) {
            server.weight = Weight::new(weight).unwrap_or(server.weight);
        }
    }),
    Key::words("sorry_server", 1, Tier::Common, sorry_server).at_most(2),
    Key::flag(
        "sorry_server_inhibit",
        Tier::Rare,
        |server, line, scope| match &mut server.sorry_server {
            Some(sorry) => sorry.inhibit = true,
            None => no_sorry_server(line, scope),
        },
    ),
    Key::words(
        "sorry_server_lvs_method",
        1,
        Tier::Rare,
        |server, line, scope| {
            let Some(sorry) = &mut server.sorry_server else {
                no_sorry_server(line, scope);
                return;
            };
            sorry.method = forwarding_method(line, scope).or(sorry.method);
        },
    ),
    Key::words("real_server", 1, Tier::Everywhere, |server, line, scope| {
        if let Some(real_server) = read_real_server(server, line, scope) {
            server.real_servers.push(real_server);
        }
    })
    .at_most(2)
    .block(Block::RealServer),
];

/// Reads a `virtual_server` block.
pub(super) fn read(draft: &mut Draft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let Some(target) = target(line, scope) else {
        return;
    };
    let span = line.at(0).to(line.at(line.count().min(2)));
    let mut server = VirtualServerDraft::new(target, span);
    apply_all(&[KEYWORDS], line.body(), &mut server, scope);
    draft.virtual_servers.push(server);
}

fn target(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Target> {
    match line.word(1) {
        "group" => match line.get(2) {
            Some(name) => Some(Target::Group(name.to_owned())),
            None => {
                missing(line, "a name", scope);
                None
            }
        },
        "fwmark" if line.count() < 2 => {
            missing(line, "a mark", scope);
            None
        }
        "fwmark" => line
            .lax_integer(
                2,
                0..=4_294_967_295,
                "the virtual server is left out",
                scope,
            )
            .map(Target::Mark),
        _ => endpoint(line, "the virtual server is left out", scope).map(Target::Address),
    }
}

/// keepalived 2.2.7 reads from address 0 here.
fn missing(line: &Line<'_>, what: &str, scope: &mut Scope<'_>) {
    scope.sink.add(
        codes::MISSING_VALUE,
        crate::diagnostic::Consequence::Broken,
        line.at(1),
        format!("`{}` needs {what}", line.word(1)),
        "keepalived 2.2.7 crashes on it",
    );
}

/// An address and, behind it, a port; no port and port 0 are the same.
fn endpoint(line: &Line<'_>, keeps: &str, scope: &mut Scope<'_>) -> Option<Endpoint> {
    let address = line.word(1);
    let port = match line.get(2) {
        Some(word) if word.bytes().any(|byte| byte != b'0') => {
            line.lax_integer(2, 1..=65_535, keeps, scope)?
        }
        _ => 0,
    };
    // As in keepalived, a range or a prefix behind the address is cut off.
    let bare = address
        .find(['-', '/'])
        .map_or(address, |cut| &address[..cut]);
    if bare != address {
        scope.sink.silent(
            codes::INVALID_ADDRESS,
            line.at(1),
            format!("`{address}` is more than an address"),
            format!("only `{bare}` counts; ranges stand in a `virtual_server_group`"),
        );
    }
    match bare.parse() {
        Ok(address) => Some(Endpoint::new(address, port)),
        Err(_) => {
            scope.sink.reported(
                codes::INVALID_ADDRESS,
                line.at(1),
                format!("`{address}` is not an IP address"),
                keeps,
            );
            None
        }
    }
}

fn read_real_server(
    server: &mut VirtualServerDraft,
    line: &Line<'_>,
    scope: &mut Scope<'_>,
) -> Option<RealServerDraft> {
    let endpoint = endpoint(line, "the real server is left out", scope)?;
    let mut draft = RealServerDraft {
        address: endpoint.address,
        port: endpoint.port,
        span: line.at(0).to(line.at(line.count().min(2))),
        method: server.method,
        weight: None,
        thresholds: xvs_types::Thresholds::default(),
        inhibit_on_failure: None,
        alpha: None,
        notify_up: None,
        notify_down: None,
        smtp_alert: None,
        virtualhost: None,
        timing: TimingDraft::default(),
        checkers: Vec::new(),
    };
    let tables = [real_server::KEYWORDS, real_server::CHECKERS];
    apply_all(&tables, line.body(), &mut draft, scope);
    // Only a tunnel crosses families; with lb_kind further down the method is not known yet.
    if !matches!(draft.method, Some(ForwardingMethod::Tunnel(_))) {
        let family = endpoint.family();
        if *server.family.get_or_insert(family) != family {
            scope.sink.reported(
                codes::INVALID_ADDRESS,
                draft.span,
                "the real server is of another family than its virtual server",
                "it is left out; only `lvs_method TUN` crosses families",
            );
            return None;
        }
    }
    Some(draft)
}

fn ip_family(server: &mut VirtualServerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let family = match line.word(1) {
        "inet" => Family::V4,
        "inet6" => Family::V6,
        other => {
            line.reject(
                1,
                format!("`{other}` is no address family"),
                "write `inet` or `inet6`; the line is ignored",
                scope,
            );
            return;
        }
    };
    if *server.family.get_or_insert(family) != family {
        scope.sink.reported(
            codes::CONFLICT,
            line.at(1),
            "the virtual server already is of the other family",
            "the line is ignored",
        );
    }
}

fn scheduler(server: &mut VirtualServerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    match line.word(1).parse::<Scheduler>() {
        Ok(scheduler) => server.scheduler = Some(scheduler),
        Err(error) => line.reject(1, error.to_string(), "the line is ignored", scope),
    }
}

fn method(server: &mut VirtualServerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    server.method = forwarding_method(line, scope).or(server.method);
}

fn add_flag(server: &mut VirtualServerDraft, flag: SchedulerFlags) {
    server.scheduler_flags = server.scheduler_flags.union(flag);
}

/// `sh-port` and its kin count for their scheduler alone, which must stand further up.
fn named_flag(server: &mut VirtualServerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let name = line.keyword();
    match server.scheduler {
        Some(scheduler @ (Scheduler::Sh | Scheduler::Mh)) if name.starts_with(scheduler.name()) => {
            let flag = if name.ends_with("port") {
                SchedulerFlags::PORT
            } else {
                SchedulerFlags::FALLBACK
            };
            add_flag(server, flag);
        }
        Some(Scheduler::Sh | Scheduler::Mh) => scope.sink.silent(
            codes::CONFLICT,
            line.at(0),
            format!("`{name}` is for another scheduler"),
            "the line is ignored",
        ),
        _ => scope.sink.reported(
            codes::CONFLICT,
            line.at(0),
            format!("`{name}` needs its scheduler in an `lb_algo` further up"),
            "the line is ignored",
        ),
    }
}

fn granularity(server: &mut VirtualServerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let word = line.word(1);
    let family = server.family.unwrap_or_else(|| {
        if word.contains('.') {
            Family::V4
        } else {
            Family::V6
        }
    });
    let mask = match family {
        Family::V4 => netmask(line, scope).map(PersistenceMask::V4),
        Family::V6 => word
            .parse::<u8>()
            .ok()
            .filter(|bits| (1..=128).contains(bits))
            .map(PersistenceMask::V6),
    };
    let Some(mask) = mask else {
        line.reject(
            1,
            format!("`{word}` is no persistence granularity"),
            "write a netmask for IPv4 and 1 to 128 for IPv6; the line is ignored",
            scope,
        );
        return;
    };
    server.family = Some(family);
    server.persistence_mask = Some(mask);
    server
        .persistence_timeout
        .get_or_insert(DEFAULT_PERSISTENCE);
}

/// A netmask; a plain number is the whole 32 bits, as inet_aton(3) reads it.
fn netmask(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Ipv4Addr> {
    let word = line.word(1);
    if let Ok(bits) = word.parse::<u32>() {
        let mask = Ipv4Addr::from_bits(bits);
        scope.sink.silent(
            codes::INVALID_VALUE,
            line.at(1),
            format!("as a netmask `{word}` is {mask}"),
            "write a netmask such as 255.255.255.0",
        );
        return Some(mask);
    }
    word.parse().ok()
}

fn sorry_server(server: &mut VirtualServerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if let Some(endpoint) = endpoint(line, "there is no sorry server", scope) {
        server.sorry_server = Some(SorryDraft {
            address: endpoint.address,
            port: endpoint.port,
            span: line.span(),
            method: server.method,
            inhibit: false,
        });
    }
}

fn no_sorry_server(line: &Line<'_>, scope: &mut Scope<'_>) {
    line.reject(
        0,
        format!("`{}` needs a `sorry_server` further up", line.keyword()),
        "the line is ignored",
        scope,
    );
}

/// A script that may be set once.
pub(super) fn notify_script(field: &mut Option<Script>, line: &Line<'_>, scope: &mut Scope<'_>) {
    if field.is_some() {
        line.duplicate(scope);
    } else {
        *field = line.script(scope);
    }
}

/// `NAT`, `DR` or `TUN` with the options of its tunnel.
pub(super) fn forwarding_method(
    line: &Line<'_>,
    scope: &mut Scope<'_>,
) -> Option<ForwardingMethod> {
    let method = match line.word(1) {
        "NAT" => ForwardingMethod::Nat,
        "DR" => ForwardingMethod::Direct,
        "TUN" => return tunnel(line, scope).map(ForwardingMethod::Tunnel),
        other => {
            let hint = if matches!(other.to_ascii_uppercase().as_str(), "NAT" | "DR" | "TUN") {
                format!(
                    "keepalived takes it in upper case only and ignores this line; write `{}`",
                    other.to_ascii_uppercase()
                )
            } else {
                "write NAT, DR or TUN; the line is ignored".to_owned()
            };
            line.reject(1, format!("`{other}` is no forwarding method"), hint, scope);
            return None;
        }
    };
    if line.count() > 1 {
        let _ = tunnel(line, scope);
    }
    Some(method)
}

fn tunnel(line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Tunnel> {
    let mut kind = "ipip";
    let mut port = None;
    let mut checksum = TunnelChecksum::None;
    let mut index = 2;
    while let Some(option) = line.get(index) {
        index += 1;
        match option {
            "nocsum" => checksum = TunnelChecksum::None,
            "csum" => checksum = TunnelChecksum::Outer,
            "remcsum" => checksum = TunnelChecksum::Remote,
            "type" => {
                kind = line.get(index).unwrap_or_default();
                index += 1;
            }
            "port" => {
                port = Some(line.integer(index, 1..=65_535, "it is plain IPIP", scope)?);
                index += 1;
            }
            other => {
                line.reject(
                    index - 1,
                    format!("`{other}` is no option of a tunnel"),
                    "it is plain IPIP",
                    scope,
                );
                return Some(Tunnel::default());
            }
        }
    }
    let kind = match (kind, port) {
        ("ipip", None) if checksum == TunnelChecksum::None => TunnelKind::Ipip,
        ("gre", None) if checksum != TunnelChecksum::Remote => TunnelKind::Gre,
        ("gue", Some(port)) => TunnelKind::Gue { port },
        _ => {
            line.reject(
                2,
                "this tunnel cannot be",
                "write `type ipip`, `type gre [csum]` or `type gue port N [csum|remcsum]`; \
                 it is plain IPIP",
                scope,
            );
            return Some(Tunnel::default());
        }
    };
    Some(Tunnel { kind, checksum })
}
