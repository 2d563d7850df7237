//! Virtual servers: what keepalived's `validate_check_config` settles.

use std::time::Duration;

use xvs_types::{Endpoint, Family, ForwardingMethod, Protocol, Scheduler};

use super::checker::{self, DELAY_LOOP, Inherited};
use crate::{
    codes,
    config::{Config, GroupEntry, RealServer, SorryServer, Target, VirtualServer},
    keywords::{RealServerDraft, Scope, TimingDraft, VirtualServerDraft},
};

/// Completes a virtual server; none when keepalived leaves it out.
pub(super) fn complete(
    mut draft: VirtualServerDraft,
    config: &Config,
    scope: &mut Scope<'_>,
) -> Option<VirtualServer> {
    let shape = Shape::of(&draft, config, scope)?;
    settle_sorry_family(&mut draft, scope);
    if draft.real_servers.is_empty() {
        say(
            codes::EMPTY_BLOCK,
            &draft,
            "the virtual server has no real server",
            "it is left out",
            scope,
        );
        return None;
    }
    settle_family(&mut draft);
    settle_service(&mut draft, &shape, scope);
    remove_duplicates(&mut draft, scope);
    settle_methods(&mut draft, scope);
    settle_quorum(&mut draft, scope);
    let port = match &draft.target {
        Target::Address(endpoint) => Some(endpoint.port),
        Target::Mark(_) => Some(0),
        Target::Group(_) => None,
    };
    let method = draft.method.unwrap_or(ForwardingMethod::Nat);
    let sorry_server = sorry_server(&draft, port, method, &shape, scope);
    let global = &config.global;
    let mut real_servers = Vec::with_capacity(draft.real_servers.len());
    for real_server in std::mem::take(&mut draft.real_servers) {
        let place = Place {
            draft: &draft,
            port,
            method,
            shape: &shape,
        };
        real_servers.push(complete_real_server(real_server, &place, config, scope));
    }
    Some(VirtualServer {
        family: draft.family,
        target: draft.target,
        protocol: draft.protocol,
        scheduler: draft.scheduler.unwrap_or_default(),
        scheduler_flags: draft.scheduler_flags,
        one_packet: draft.one_packet,
        method,
        persistence_timeout: draft.persistence_timeout,
        persistence_mask: draft.persistence_mask,
        engine: draft.engine,
        alpha: draft.alpha,
        omega: draft.omega,
        quorum: draft.quorum,
        hysteresis: draft.hysteresis,
        quorum_up: draft.quorum_up,
        quorum_down: draft.quorum_down,
        ha_suspend: draft.ha_suspend,
        smtp_alert: draft
            .smtp_alert
            .or(global.smtp_alert_checker)
            .or(global.smtp_alert)
            .unwrap_or(false),
        virtualhost: draft.virtualhost,
        sorry_server,
        real_servers,
    })
}

/// What a virtual server is reached by.
struct Shape {
    has_address: bool,
    has_mark: bool,
    has_all_ports: bool,
    ports: Vec<u16>,
}

impl Shape {
    fn of(draft: &VirtualServerDraft, config: &Config, scope: &mut Scope<'_>) -> Option<Self> {
        let mut shape = Self {
            has_address: false,
            has_mark: false,
            has_all_ports: false,
            ports: Vec::new(),
        };
        match &draft.target {
            Target::Address(endpoint) => shape.add_port(endpoint.port),
            Target::Mark(_) => shape.has_mark = true,
            Target::Group(name) => {
                let Some(group) = config
                    .virtual_server_groups
                    .iter()
                    .find(|group| group.name == *name)
                else {
                    scope.sink.silent(
                        codes::UNKNOWN_NAME,
                        draft.span,
                        format!("there is no `virtual_server_group` `{name}`"),
                        "the virtual server is left out",
                    );
                    return None;
                };
                for entry in &group.entries {
                    match entry {
                        GroupEntry::Addresses { port, .. } => shape.add_port(*port),
                        GroupEntry::Mark { .. } => shape.has_mark = true,
                    }
                }
            }
        }
        Some(shape)
    }

    fn add_port(&mut self, port: u16) {
        self.has_address = true;
        self.has_all_ports |= port == 0;
        if !self.ports.contains(&port) {
            self.ports.push(port);
        }
    }
}

fn settle_sorry_family(draft: &mut VirtualServerDraft, scope: &mut Scope<'_>) {
    let Some(sorry) = draft.sorry_server else {
        return;
    };
    if matches!(sorry.method, Some(ForwardingMethod::Tunnel(_))) {
        return;
    }
    let family = Family::of(sorry.address);
    if *draft.family.get_or_insert(family) != family {
        scope.sink.reported(
            codes::INVALID_ADDRESS,
            sorry.span,
            "the sorry server is of another family than its virtual server",
            "it is left out",
        );
        draft.sorry_server = None;
    }
}

/// A mark whose servers are all tunnelled takes their family when they have one in common.
fn settle_family(draft: &mut VirtualServerDraft) {
    if draft.family.is_some() || matches!(draft.target, Target::Group(_)) {
        return;
    }
    let mut families = draft
        .sorry_server
        .iter()
        .map(|sorry| sorry.address)
        .chain(draft.real_servers.iter().map(|server| server.address))
        .map(Family::of);
    let first = families.next().unwrap_or(Family::V4);
    let common = families.all(|family| family == first);
    draft.family = Some(if common { first } else { Family::V4 });
}

fn settle_service(draft: &mut VirtualServerDraft, shape: &Shape, scope: &mut Scope<'_>) {
    if draft.ha_suspend && shape.has_mark {
        say(
            codes::CONFLICT,
            draft,
            "`ha_suspend` needs an address, not a firewall mark",
            "it is ignored",
            scope,
        );
        draft.ha_suspend = false;
    }
    if shape.has_address {
        if draft.protocol.is_none() {
            say(
                codes::MISSING_SETTING,
                draft,
                "the virtual server has no `protocol`",
                "it is UDP",
                scope,
            );
            draft.protocol = Some(Protocol::Udp);
        }
        if draft.one_packet && draft.protocol != Some(Protocol::Udp) {
            say(
                codes::CONFLICT,
                draft,
                "one-packet scheduling needs `protocol UDP`",
                "`ops` is ignored",
                scope,
            );
            draft.one_packet = false;
        }
    }
    if draft.persistence_timeout.is_none() && shape.has_all_ports {
        say(
            codes::MISSING_SETTING,
            draft,
            "a virtual server on every port needs persistence",
            "`persistence_timeout` is 360",
            scope,
        );
        draft.persistence_timeout = Some(Duration::from_secs(360));
    }
    if draft.protocol.is_some() && !shape.has_address {
        say(
            codes::CONFLICT,
            draft,
            "a firewall mark has no protocol",
            "`protocol` is ignored",
            scope,
        );
        draft.protocol = None;
    }
    if draft.scheduler.is_none() {
        say(
            codes::MISSING_SETTING,
            draft,
            "the virtual server has no scheduler",
            "`lb_algo` is wlc",
            scope,
        );
        draft.scheduler = Some(Scheduler::Wlc);
    }
}

fn remove_duplicates(draft: &mut VirtualServerDraft, scope: &mut Scope<'_>) {
    let mut seen = std::collections::HashSet::new();
    draft.real_servers.retain(|server| {
        let new = seen.insert((server.address, server.port));
        if !new {
            scope.sink.reported(
                codes::DUPLICATE,
                server.span,
                format!(
                    "the virtual server already has real server {}",
                    Endpoint::new(server.address, server.port)
                ),
                "the first one stays, this one is left out",
            );
        }
        new
    });
}

fn settle_methods(draft: &mut VirtualServerDraft, scope: &mut Scope<'_>) {
    let sorry_needs = draft
        .sorry_server
        .is_some_and(|sorry| sorry.method.is_none());
    let needed = sorry_needs
        || draft
            .real_servers
            .iter()
            .any(|server| server.method.is_none());
    if needed && draft.method.is_none() {
        say(
            codes::MISSING_SETTING,
            draft,
            "the virtual server has no forwarding method",
            "`lb_kind` is NAT",
            scope,
        );
        draft.method = Some(ForwardingMethod::Nat);
    }
}

fn settle_quorum(draft: &mut VirtualServerDraft, scope: &mut Scope<'_>) {
    let default = draft.weight;
    let sum: u64 = draft
        .real_servers
        .iter()
        .map(|server| u64::from(server.weight.unwrap_or(default).get()))
        .sum();
    if draft.quorum > sum {
        say(
            codes::CONFLICT,
            draft,
            &format!("the quorum {} is above the sum of weights", draft.quorum),
            &format!("it is {sum}"),
            scope,
        );
        draft.quorum = sum;
    }
    if draft.hysteresis >= draft.quorum {
        let most = draft.quorum.saturating_sub(1);
        say(
            codes::CONFLICT,
            draft,
            &format!(
                "the hysteresis {} is not below the quorum",
                draft.hysteresis
            ),
            &format!("it is {most}"),
            scope,
        );
        draft.hysteresis = most;
    }
}

fn sorry_server(
    draft: &VirtualServerDraft,
    port: Option<u16>,
    method: ForwardingMethod,
    shape: &Shape,
    scope: &mut Scope<'_>,
) -> Option<SorryServer> {
    let sorry = draft.sorry_server?;
    let method = sorry.method.unwrap_or(method);
    let endpoint = Endpoint::new(sorry.address, sorry.port);
    let endpoint = forward_port(endpoint, port, method, shape, sorry.span, scope);
    let mut inhibit = sorry.inhibit;
    let same = draft
        .real_servers
        .iter()
        .find(|server| (server.address, server.port) == (sorry.address, sorry.port));
    if let Some(same) = same {
        let wanted = same.inhibit_on_failure.unwrap_or(draft.inhibit_on_failure);
        if wanted != inhibit {
            scope.sink.reported(
                codes::CONFLICT,
                sorry.span,
                "the sorry server is a real server too, and only one of them is inhibited",
                "the real server's setting counts for both",
            );
            inhibit = wanted;
        }
    }
    Some(SorryServer {
        endpoint,
        method,
        inhibit,
    })
}

/// The virtual server of a real server.
struct Place<'a> {
    draft: &'a VirtualServerDraft,
    port: Option<u16>,
    method: ForwardingMethod,
    shape: &'a Shape,
}

fn complete_real_server(
    server: RealServerDraft,
    place: &Place<'_>,
    config: &Config,
    scope: &mut Scope<'_>,
) -> RealServer {
    let above = place.draft;
    let global = &config.global;
    let method = server.method.unwrap_or(place.method);
    let written = Endpoint::new(server.address, server.port);
    let endpoint = forward_port(written, place.port, method, place.shape, server.span, scope);
    let timing = TimingDraft {
        delay_loop: server.timing.delay_loop.or(above.timing.delay_loop),
        retry: server.timing.retry.or(above.timing.retry),
        delay_before_retry: server
            .timing
            .delay_before_retry
            .or(above.timing.delay_before_retry),
        warmup: server.timing.warmup.or(above.timing.warmup),
        connect_timeout: server
            .timing
            .connect_timeout
            .or(above.timing.connect_timeout),
    };
    let alpha = server.alpha.unwrap_or(above.alpha);
    let checked = if written.port == 0 { endpoint } else { written };
    let inherited = Inherited {
        endpoint: checked,
        timing,
        alpha,
        virtual_delay_loop: above.timing.delay_loop.unwrap_or(DELAY_LOOP),
        log_all_failures: global.checker_log_all_failures,
    };
    let checkers = server
        .checkers
        .into_iter()
        .filter_map(|draft| checker::complete(draft, inherited, scope))
        .collect();
    RealServer {
        endpoint,
        written_port: written.port,
        method,
        weight: server.weight.unwrap_or(above.weight),
        thresholds: server.thresholds,
        inhibit_on_failure: server
            .inhibit_on_failure
            .unwrap_or(above.inhibit_on_failure),
        alpha,
        notify_up: server.notify_up,
        notify_down: server.notify_down,
        smtp_alert: server
            .smtp_alert
            .or(global.smtp_alert_checker)
            .or(global.smtp_alert)
            .unwrap_or(true),
        virtualhost: server.virtualhost.or_else(|| above.virtualhost.clone()),
        checkers,
    }
}

/// The port packets are sent to: only NAT can change it.
fn forward_port(
    mut endpoint: Endpoint,
    port: Option<u16>,
    method: ForwardingMethod,
    shape: &Shape,
    span: crate::span::Span,
    scope: &mut Scope<'_>,
) -> Endpoint {
    let translates = matches!(method, ForwardingMethod::Nat | ForwardingMethod::FullNat);
    let written = endpoint.port;
    if translates {
        if written == 0
            && let Some(port) = port
        {
            endpoint.port = port;
        }
        return endpoint;
    }
    let clashes = match port {
        Some(port) => {
            endpoint.port = port;
            written != 0 && written != port
        }
        None => written != 0 && (shape.has_mark || shape.ports.iter().any(|port| *port != written)),
    };
    if clashes {
        let hint = match port {
            Some(0) => "packets keep their port; the check still connects to this one".to_owned(),
            Some(port) => {
                format!("packets go to port {port}; the check still connects to this one")
            }
            None => "packets keep their port; the check still connects to this one".to_owned(),
        };
        scope.sink.reported(
            codes::CONFLICT,
            span,
            "only NAT can change the port of packets",
            hint,
        );
    }
    endpoint
}

fn say(
    code: &'static str,
    draft: &VirtualServerDraft,
    message: &str,
    hint: &str,
    scope: &mut Scope<'_>,
) {
    scope.sink.reported(code, draft.span, message, hint);
}
