//! `real_server` and the checkers in it.

use xvs_types::Weight;

use super::{
    Block, CheckerDraft, Keyword, Line, RealServerDraft, Scope, Tier, apply_all, checker,
    draft::{ConnectionDraft, MiscDraft, TimingDraft},
    http_get,
    virtual_server::{forwarding_method, notify_script},
};
use crate::{
    codes,
    config::{
        BfdCheck, CheckKind, DnsCheck, DnsType, FileCheck, HttpCheck, HttpVersion, MiscCheck,
        Script, ScriptUser, SmtpCheck, TlsCheck, TrackWeight, UdpCheck,
    },
    diagnostic::Consequence,
    span::Span,
};

type Key = Keyword<RealServerDraft>;

/// The keywords of `real_server` but for checkers.
pub(crate) static KEYWORDS: &[Key] = &[
    Key::value("weight", Tier::Everywhere, |server, line, scope| {
        let range = 0..=i64::from(Weight::MAX.get());
        if let Some(weight) = line.lax_integer(1, range, "the virtual server's weight stays", scope)
        {
            server.weight = Weight::new(weight);
        }
    }),
    Key::words("lvs_method", 1, Tier::Common, |server, line, scope| {
        server.method = forwarding_method(line, scope).or(server.method);
    }),
    Key::value("uthreshold", Tier::Rare, |server, line, scope| {
        if let Some(threshold) = line.lax_integer(1, 0..=4_294_967_295, "it is ignored", scope) {
            server.thresholds.upper = threshold;
        }
    }),
    Key::value("lthreshold", Tier::Rare, |server, line, scope| {
        if let Some(threshold) = line.lax_integer(1, 0..=4_294_967_295, "it is ignored", scope) {
            server.thresholds.lower = threshold;
        }
    }),
    Key::optional(
        "inhibit_on_failure",
        Tier::Everywhere,
        |server, line, scope| {
            server.inhibit_on_failure = line.switch(scope).or(server.inhibit_on_failure);
        },
    ),
    Key::words("notify_up", 1, Tier::Common, |server, line, scope| {
        notify_script(&mut server.notify_up, line, scope);
    }),
    Key::words("notify_down", 1, Tier::Common, |server, line, scope| {
        notify_script(&mut server.notify_down, line, scope);
    }),
    Key::optional("alpha", Tier::Rare, |server, line, scope| {
        server.alpha = line.switch(scope).or(server.alpha);
    }),
    Key::value("retry", Tier::Common, |server, line, scope| {
        server.timing.retry = line
            .integer(1, 1..=4_294_967_295, "the virtual server's stays", scope)
            .or(server.timing.retry);
    }),
    Key::value("delay_before_retry", Tier::Common, |server, line, scope| {
        server.timing.delay_before_retry = line
            .timer(1, 0, "the virtual server's stays", scope)
            .or(server.timing.delay_before_retry);
    }),
    Key::value("warmup", Tier::Common, |server, line, scope| {
        server.timing.warmup = line
            .timer(1, 0, "the virtual server's stays", scope)
            .or(server.timing.warmup);
    }),
    Key::value("connect_timeout", Tier::Common, |server, line, scope| {
        server.timing.connect_timeout = line
            .seconds(1, 1..=4_294_967_295, "the virtual server's stays", scope)
            .or(server.timing.connect_timeout);
    }),
    Key::value("delay_loop", Tier::Common, |server, line, scope| {
        server.timing.delay_loop = line
            .timer(1, 1, "the virtual server's stays", scope)
            .or(server.timing.delay_loop);
    }),
    Key::optional("smtp_alert", Tier::Rare, |server, line, scope| {
        server.smtp_alert = line.switch(scope).or(server.smtp_alert);
    }),
    Key::optional(
        "virtualhost",
        Tier::Rare,
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
];

/// The checkers. Adding one is adding a line here and a [`CheckKind`].
pub(crate) static CHECKERS: &[Key] = &[
    Key::flag("BFD_CHECK", Tier::Rare, |server, line, scope| {
        let kind = CheckKind::Bfd(BfdCheck {
            instance: String::new(),
        });
        let checker = read(kind, &[checker::BFD], line, scope);
        let named = matches!(&checker.kind, CheckKind::Bfd(bfd) if !bfd.instance.is_empty());
        keep_if(named, "a `name`", checker, server, scope);
    })
    .block(Block::BfdCheck),
    Key::flag("DNS_CHECK", Tier::Common, |server, line, scope| {
        let kind = CheckKind::Dns(DnsCheck {
            question: DnsType::default(),
            name: ".".to_owned(),
        });
        let checker = read(kind, &[checker::DNS, checker::COMMON], line, scope);
        server.checkers.push(checker);
    })
    .block(Block::DnsCheck),
    Key::flag("FILE_CHECK", Tier::Rare, |server, line, scope| {
        let kind = CheckKind::File(FileCheck {
            file: String::new(),
            weight: TrackWeight::default(),
        });
        let checker = read(kind, &[checker::FILE], line, scope);
        let named = matches!(&checker.kind, CheckKind::File(file) if !file.file.is_empty());
        keep_if(named, "a `track_file`", checker, server, scope);
    })
    .block(Block::FileCheck),
    Key::flag("HTTP_GET", Tier::Everywhere, |server, line, scope| {
        let tables = [http_get::HTTP, checker::COMMON];
        let checker = read(http(None), &tables, line, scope);
        keep_http(checker, server, scope);
    })
    .block(Block::HttpGet),
    Key::flag("MISC_CHECK", Tier::Everywhere, |server, line, scope| {
        let kind = CheckKind::Misc(MiscCheck {
            script: Script {
                arguments: Vec::new(),
                user: ScriptUser {
                    user: String::new(),
                    group: None,
                },
                span: line.span(),
            },
            timeout: std::time::Duration::ZERO,
            dynamic: false,
        });
        let mut checker = read(kind, &[checker::MISC, checker::TIMES], line, scope);
        let named = !checker.misc.arguments.is_empty();
        if named && !finish_misc(&mut checker, scope) {
            return;
        }
        keep_if(named, "a `misc_path`", checker, server, scope);
    })
    .block(Block::MiscCheck),
    Key::flag("PING_CHECK", Tier::Common, |server, line, scope| {
        let checker = read(CheckKind::Ping, &[checker::COMMON], line, scope);
        server.checkers.push(checker);
    })
    .block(Block::PingCheck),
    Key::flag("SMTP_CHECK", Tier::Common, |server, line, scope| {
        let kind = CheckKind::Smtp(SmtpCheck {
            helo_name: "smtpchecker.keepalived.org".to_owned(),
        });
        let checker = read(kind, &[checker::SMTP, checker::COMMON], line, scope);
        server.checkers.push(checker);
    })
    .block(Block::SmtpCheck),
    Key::flag("SSL_GET", Tier::Everywhere, |server, line, scope| {
        let tables = [http_get::HTTP, http_get::TLS, checker::COMMON];
        let checker = read(http(Some(TlsCheck::default())), &tables, line, scope);
        keep_http(checker, server, scope);
    })
    .block(Block::SslGet),
    Key::flag("TCP_CHECK", Tier::Everywhere, |server, line, scope| {
        let checker = read(CheckKind::Tcp, &[checker::COMMON], line, scope);
        server.checkers.push(checker);
    })
    .block(Block::TcpCheck),
    Key::flag("UDP_CHECK", Tier::Common, |server, line, scope| {
        let kind = CheckKind::Udp(UdpCheck {
            max_reply_length: 255,
            ..UdpCheck::default()
        });
        let checker = read(kind, &[checker::UDP, checker::COMMON], line, scope);
        if let CheckKind::Udp(udp) = &checker.kind
            && udp.min_reply_length > udp.max_reply_length
        {
            scope.sink.reported(
                codes::CONFLICT,
                checker.span,
                "`min_reply_length` is above `max_reply_length`",
                "no reply can ever fit",
            );
        }
        server.checkers.push(checker);
    })
    .block(Block::UdpCheck),
];

fn read(
    kind: CheckKind,
    tables: &[&'static [Keyword<CheckerDraft>]],
    line: &Line<'_>,
    scope: &mut Scope<'_>,
) -> CheckerDraft {
    let mut draft = CheckerDraft {
        kind,
        span: line.at(0),
        timing: TimingDraft::default(),
        alpha: None,
        log_all_failures: false,
        connection: ConnectionDraft::default(),
        misc: MiscDraft::default(),
        own_weight: false,
    };
    apply_all(tables, line.body(), &mut draft, scope);
    draft
}

/// Settles who runs the program; false when nobody can.
fn finish_misc(checker: &mut CheckerDraft, scope: &mut Scope<'_>) -> bool {
    if checker.misc.user_failed {
        return false;
    }
    let user = match checker.misc.user.take() {
        Some(user) => Some(user),
        None => scope.default_user(checker.misc.span),
    };
    if let (CheckKind::Misc(misc), Some(user)) = (&mut checker.kind, user) {
        misc.script = Script {
            arguments: std::mem::take(&mut checker.misc.arguments),
            user,
            span: checker.misc.span,
        };
        return true;
    }
    false
}

fn http(tls: Option<TlsCheck>) -> CheckKind {
    CheckKind::Http(HttpCheck {
        tls,
        urls: Vec::new(),
        virtualhost: None,
        version: HttpVersion::default(),
        fast_recovery: false,
    })
}

fn keep_if(
    complete: bool,
    what: &str,
    checker: CheckerDraft,
    server: &mut RealServerDraft,
    scope: &mut Scope<'_>,
) {
    if complete {
        server.checkers.push(checker);
    } else {
        missing(
            what,
            checker.span,
            Consequence::Reported,
            "it is left out",
            scope,
        );
    }
}

/// keepalived 2.2.7 reports a missing `url` and then follows a dangling pointer.
fn keep_http(checker: CheckerDraft, server: &mut RealServerDraft, scope: &mut Scope<'_>) {
    if matches!(&checker.kind, CheckKind::Http(http) if http.urls.is_empty()) {
        missing(
            "a `url`",
            checker.span,
            Consequence::Broken,
            "keepalived 2.2.7 crashes on it; write `url { path / }`",
            scope,
        );
    } else {
        server.checkers.push(checker);
    }
}

fn missing(what: &str, span: Span, consequence: Consequence, hint: &str, scope: &mut Scope<'_>) {
    scope.sink.add(
        codes::MISSING_SETTING,
        consequence,
        span,
        format!("this check needs {what}"),
        hint,
    );
}
