//! Every common keyword does something, or a warning says that it does not.
//!
//! Each is tried in a small configuration, without it and with it: what the parts of the daemon make of
//! the two must differ. A keyword that the reader keeps and nobody looks at fails here, and so does a new
//! one without a case.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use xvs_conf::{Block, Config, MemoryFiles, Stance, StaticHost, Tier, all_keywords, parse};
use xvs_net::bfd_session;
use xvs_notify::Event;
use xvs_vrrp::{Notification, NotifyKind, Reason, Subject};

use super::control::notifications;
use crate::{checks::translate, vrrp::convert};

/// Keywords that ask for what is always so.
const ALWAYS: [(Block, &str); 1] = [
    // A reload judges the whole file first.
    (Block::GlobalDefs, "reload_check_config"),
];

/// A keyword in its block, and lines that differ by it.
struct Case {
    block: Block,
    keyword: &'static str,
    without: String,
    with: String,
}

#[test]
fn every_common_keyword_has_an_effect_or_a_warning() {
    let cases = cases();
    let mut failures = Vec::new();
    for (block, spec) in all_keywords() {
        if spec.tier == Tier::Rare || spec.inert || ALWAYS.contains(&(block, spec.name)) {
            continue;
        }
        let mut of_it = cases
            .iter()
            .filter(|case| case.block == block && case.keyword == spec.name)
            .peekable();
        if of_it.peek().is_none() {
            failures.push(format!("{} of {block} has no case", spec.name));
        }
        for case in of_it {
            let (without, with) = (text(block, &case.without), text(block, &case.with));
            // Else any difference would prove nothing.
            assert_eq!(effect(&with), effect(&format!("# the same\n{with}")));
            if effect(&without) == effect(&with) {
                failures.push(format!("{} of {block} does nothing:\n{with}", spec.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_has_no_effect_is_told_with_its_place() {
    let known: BTreeSet<&str> = all_keywords()
        .into_iter()
        .filter(|(block, spec)| *block == Block::GlobalDefs && spec.inert)
        .map(|(_, spec)| spec.name)
        .collect();
    for keyword in known {
        let text = format!("global_defs {{\n  {keyword} 1\n}}\n");
        let files = MemoryFiles::new().with("k.conf", text.as_str());
        let outcome = parse("k.conf", &files, &StaticHost::default(), Stance::Compatible);
        let findings = outcome.render_text(false);
        assert!(findings.contains("k.conf:2:3"), "{keyword}: {findings}");
        assert!(findings.contains("has no effect"), "{keyword}: {findings}");
    }
}

/// What the parts of the daemon make of a configuration.
fn effect(text: &str) -> String {
    let files = MemoryFiles::new().with("k.conf", text);
    let mut host = StaticHost::default().with_interfaces(&["eth0", "eth1"]);
    host.users.insert("alice".to_owned());
    let outcome = parse("k.conf", &files, &host, Stance::Compatible);
    let warned = outcome.diagnostics.iter();
    let warned = warned.filter(|one| one.message.contains("has no effect"));
    let mut effect: String = warned.map(|one| one.message.as_str()).collect();
    let Some(config) = outcome.config else {
        return format!("refused with {}", outcome.start_status);
    };
    let config = Arc::new(config);
    let mut add = |part: &dyn std::fmt::Debug| {
        // Writing to a string does not fail.
        let _written = writeln!(effect, "{part:?}");
    };
    let translated = translate(&config);
    add(&translated.virtual_servers);
    add(&translated.warnings);
    add(&convert(&config));
    add(&notifications(&config));
    let sessions: Vec<_> = config.bfd_instances.iter().map(bfd_session).collect();
    add(&sessions);
    add(&crate::lvs::sync_daemon(&config));
    // Trackers get these whole.
    add(&(
        &config.scripts,
        &config.track_files,
        &config.track_processes,
    ));
    add(&told(&config));
    // Where a script is written and when something is told does nothing.
    let effect = without(&effect, "span: Span {");
    without(&effect, "time: SystemTime {")
}

/// `text` without what begins so, up to its brace.
fn without(text: &str, beginning: &str) -> String {
    let mut parts = text.split(beginning);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        all + part.split_once('}').map_or(part, |(_left_out, rest)| rest)
    })
}

/// What is told, to whom, when everything changes.
fn told(config: &Config) -> Vec<Event> {
    let mut events = Vec::new();
    for one in &config.virtual_servers {
        for up in [true, false] {
            events.push(Event::quorum(&"VS".into(), up, "", one));
            for real_server in &one.real_servers {
                let (name, owner) = ("RS".into(), "VS".into());
                events.push(Event::real_server(&name, &owner, up, "", real_server));
            }
        }
    }
    let kinds = [
        NotifyKind::Backup,
        NotifyKind::Fault,
        NotifyKind::Master,
        NotifyKind::Stop,
    ];
    let routers = config.instances.iter().map(|one| {
        let subject = Subject::Router(one.name.as_str().into());
        (subject, &one.notification)
    });
    let groups = config.sync_groups.iter().map(|one| {
        let subject = Subject::Group(one.name.as_str().into());
        (subject, &one.notification)
    });
    for (subject, wanted) in routers.chain(groups) {
        for kind in kinds {
            let notification = Notification {
                subject: subject.clone(),
                kind,
                priority: 100,
                reason: Reason::Startup,
            };
            events.push(Event::vrrp(&notification, wanted));
        }
    }
    events
}

/// A configuration with `lines` in `block`.
fn text(block: Block, lines: &str) -> String {
    let checker = |kind: &str, more: &str| real_server(&format!("{kind} {{\n{more}{lines}\n}}"));
    match block {
        Block::Root => lines.to_owned(),
        Block::GlobalDefs => format!(
            "global_defs {{\n{lines}\n}}\nvrrp_script s {{\n script /bin/true\n}}\n{}{}",
            real_server("MISC_CHECK {\n misc_path /bin/true\n}\n notify_up /bin/up"),
            instance("V", "virtual_routes {\n 192.0.2.0/24\n}")
        ),
        Block::VirtualServer => format!(
            "virtual_server 192.0.2.1 80 {{\n{lines}\n real_server 10.0.0.1 80 {{\n weight 5\n \
             HTTP_GET {{\n url {{\n path /\n}}\n}}\n}}\n}}\n"
        ),
        Block::RealServer => real_server(lines),
        Block::DnsCheck => checker("DNS_CHECK", ""),
        Block::HttpGet => checker("HTTP_GET", "url {\n path /\n}\n"),
        Block::SslGet => checker("SSL_GET", "url {\n path /\n}\n"),
        Block::Url => checker("HTTP_GET", "url {\n path /\n").replace("\n}\n}", "\n}\n}\n}"),
        Block::MiscCheck => checker("MISC_CHECK", "misc_path /bin/true\n"),
        Block::PingCheck => checker("PING_CHECK", ""),
        Block::SmtpCheck => checker("SMTP_CHECK", ""),
        Block::SmtpHost => checker("SMTP_CHECK", "host {\n").replace("\n}\n}", "\n}\n}\n}"),
        Block::TcpCheck => checker("TCP_CHECK", ""),
        Block::UdpCheck => checker("UDP_CHECK", ""),
        Block::VrrpInstance => format!("{TRACKED}{}", instance("V", lines)),
        Block::Authentication => instance("V", &format!("authentication {{\n{lines}\n}}")),
        Block::VrrpScript => format!(
            "vrrp_script s {{\n script /bin/true\n{lines}\n}}\n{}",
            instance("V", "track_script {\n s\n}")
        ),
        Block::TrackFile => format!(
            "track_file f {{\n{}{lines}\n}}\n{}",
            unless(lines, "file /f\n"),
            instance("V", "track_file {\n f\n}")
        ),
        Block::TrackProcess => format!(
            "vrrp_track_process p {{\n{}{lines}\n}}\n{}",
            unless(lines, "process p\n"),
            instance("V", "track_process {\n p\n}")
        ),
        Block::VrrpSyncGroup => format!(
            "{TRACKED}{}{}vrrp_sync_group G {{\n{lines}\n}}\n",
            instance("V", ""),
            instance("W", "").replace("_id 7", "_id 8")
        ),
        other => panic!("no common keyword stands in {other}"),
    }
}

/// What a block needs, unless `lines` have it already.
fn unless(lines: &str, needed: &'static str) -> &'static str {
    let keyword = first(needed);
    if lines.starts_with(keyword) {
        ""
    } else {
        needed
    }
}

const TRACKED: &str = "\
vrrp_script s {
 script /bin/true
}
track_file f {
 file /f
}
vrrp_track_process p {
 process p
}
bfd_instance b {
 neighbor_ip 192.0.2.77
}
";

fn real_server(lines: &str) -> String {
    format!(
        "virtual_server 192.0.2.1 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n \
         real_server 10.0.0.1 80 {{\n{lines}\n}}\n}}\n"
    )
}

fn instance(name: &str, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n interface eth0\n virtual_router_id 7\n \
         virtual_ipaddress {{\n 192.0.2.9\n }}\n{lines}\n}}\n"
    )
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |block: Block, keyword, without: &str, with: &str| {
        cases.push(Case {
            block,
            keyword,
            without: without.to_owned(),
            with: with.to_owned(),
        });
    };
    for (keyword, with) in [
        (
            "global_defs",
            "global_defs {\n router_id r\n script_user root\n smtp_server 192.0.2.25\n notification_email {\n a@example.com\n }\n}",
        ),
        ("track_file", "track_file f {\n file /f\n}"),
        ("vrrp_track_file", "vrrp_track_file f {\n file /f\n}"),
        (
            "vrrp_track_process",
            "vrrp_track_process p {\n process p\n}",
        ),
        ("vrrp_script", "vrrp_script s {\n script /bin/true\n}"),
        ("vrrp_instance", &instance("V", "")),
        ("virtual_server", &real_server("")),
    ] {
        add(Block::Root, keyword, "", with);
    }
    let both = format!(
        "{}{}",
        instance("V", ""),
        instance("W", "").replace("_id 7", "_id 8")
    );
    let group = "vrrp_sync_group G {\n group {\n V\n W\n }\n}\n";
    add(
        Block::Root,
        "vrrp_sync_group",
        &both,
        &format!("{both}{group}"),
    );
    let server = "virtual_server group g {\n protocol TCP\n real_server 10.0.0.1 80 {\n}\n}\n";
    let group = "virtual_server_group g {\n 192.0.2.1 80\n}\n";
    add(
        Block::Root,
        "virtual_server_group",
        server,
        &format!("{group}{server}"),
    );

    let mail = "smtp_server 192.0.2.25\n notification_email {\n a@example.com\n }\n";
    for line in [
        "router_id r",
        "notification_email_from b@example.com",
        "smtp_connect_timeout 7",
        "smtp_alert true",
    ] {
        add(
            Block::GlobalDefs,
            first(line),
            mail,
            &format!("{mail}{line}"),
        );
    }
    let recipient = "notification_email {\n a@example.com\n }";
    add(Block::GlobalDefs, "smtp_server", recipient, mail);
    add(
        Block::GlobalDefs,
        "notification_email",
        "smtp_server 192.0.2.25",
        mail,
    );
    for line in [
        "script_user alice",
        "enable_script_security",
        "vrrp_version 3",
        "vrrp_strict",
        "vrrp_skip_check_adv_addr",
        "vrrp_mcast_group4 224.0.0.99",
        "vrrp_garp_interval 2",
        "vrrp_gna_interval 2",
        "vrrp_garp_master_delay 9",
        "vrrp_garp_master_repeat 9",
        "vrrp_garp_master_refresh 9",
        "vrrp_garp_master_refresh_repeat 9",
        "vrrp_startup_delay 9",
    ] {
        add(Block::GlobalDefs, first(line), "", line);
    }

    for line in [
        "retry 4",
        "delay_before_retry 4",
        "warmup 4",
        "connect_timeout 4",
        "delay_loop 4",
        "inhibit_on_failure",
        "lb_algo rr",
        "lvs_sched rr",
        "lb_kind DR",
        "lvs_method DR",
        "persistence_timeout 60",
        "protocol TCP",
        "ha_suspend",
        "virtualhost v",
        "alpha",
        "omega",
        "quorum_up /bin/up",
        "quorum_down /bin/down",
        "quorum 3",
        "sorry_server 10.0.0.9 80",
        "real_server 10.0.0.2 80 {\n}",
    ] {
        add(Block::VirtualServer, first(line), "", line);
    }
    add(
        Block::VirtualServer,
        "hysteresis",
        "quorum 3",
        "quorum 3\n hysteresis 1",
    );

    let checker = "TCP_CHECK {\n}";
    for line in [
        "weight 7",
        "lvs_method DR",
        "inhibit_on_failure",
        "notify_up /bin/up",
        "notify_down /bin/down",
        "retry 4",
        "delay_before_retry 4",
        "warmup 4",
        "connect_timeout 4",
        "delay_loop 4",
    ] {
        add(
            Block::RealServer,
            first(line),
            checker,
            &format!("{line}\n{checker}"),
        );
    }
    for line in [
        "DNS_CHECK {\n}",
        "HTTP_GET {\n url {\n path /\n}\n}",
        "MISC_CHECK {\n misc_path /bin/true\n}",
        "PING_CHECK {\n}",
        "SMTP_CHECK {\n}",
        "SSL_GET {\n url {\n path /\n}\n}",
        "TCP_CHECK {\n}",
        "UDP_CHECK {\n}",
    ] {
        add(Block::RealServer, first(line), "", line);
    }

    let connecting = [
        Block::DnsCheck,
        Block::HttpGet,
        Block::PingCheck,
        Block::SmtpCheck,
        Block::SmtpHost,
        Block::SslGet,
        Block::TcpCheck,
        Block::UdpCheck,
    ];
    for block in connecting {
        for line in [
            "connect_ip 10.0.0.7",
            "connect_port 8080",
            "connect_timeout 4",
            "retry 4",
            "delay_before_retry 4",
            "delay_loop 4",
        ] {
            add(block, first(line), "", line);
        }
    }
    for block in [Block::HttpGet, Block::SslGet] {
        for line in ["nb_get_retry 4", "virtualhost v", "url {\n path /two\n}"] {
            add(block, first(line), "", line);
        }
    }
    add(Block::SslGet, "enable_sni", "", "enable_sni");
    // Without TLS it is told.
    add(Block::HttpGet, "enable_sni", "", "enable_sni");
    for line in ["type A", "name example.com"] {
        add(Block::DnsCheck, first(line), "", line);
    }
    for line in [
        "misc_path /bin/false",
        "misc_timeout 4",
        "misc_dynamic",
        "user alice",
        "retry 4",
        "delay_before_retry 4",
        "delay_loop 4",
    ] {
        add(Block::MiscCheck, first(line), "", line);
    }
    add(Block::SmtpCheck, "helo_name", "", "helo_name h");
    add(Block::SmtpCheck, "host", "", "host {\n connect_port 26\n}");
    for line in [
        "payload 0102",
        "require_reply",
        "min_reply_length 4",
        "max_reply_length 4",
    ] {
        add(Block::UdpCheck, first(line), "", line);
    }
    for line in [
        "path /two",
        "digest 0123456789abcdef0123456789abcdef",
        "status_code 404",
        "virtualhost v",
    ] {
        add(Block::Url, first(line), "", line);
    }

    for line in [
        "use_vmac",
        "unicast_peer {\n 192.0.2.3\n}",
        "v3_checksum_as_v2",
        "state MASTER",
        "interface eth1",
        "dont_track_primary",
        "track_interface {\n eth1\n}",
        "track_script {\n s\n}",
        "track_file {\n f\n}",
        "track_process {\n p\n}",
        "mcast_src_ip 192.0.2.4",
        "unicast_src_ip 192.0.2.4",
        "virtual_router_id 9",
        "version 3",
        "priority 9",
        "advert_int 3",
        "virtual_ipaddress {\n 192.0.2.10\n}",
        "virtual_ipaddress_excluded {\n 192.0.2.10\n}",
        "virtual_routes {\n 198.51.100.0/24 via 192.0.2.1\n}",
        "no_accept",
        "nopreempt",
        "preempt_delay 9",
        "notify_backup /bin/n",
        "notify_master /bin/n",
        "notify_fault /bin/n",
        "notify_stop /bin/n",
        "notify /bin/n",
        "smtp_alert",
        "lvs_sync_daemon_interface eth1",
        "garp_master_delay 9",
        "garp_master_refresh 9",
        "garp_master_repeat 9",
        "garp_master_refresh_repeat 9",
        "authentication {\n auth_type PASS\n auth_pass secret\n}",
    ] {
        add(Block::VrrpInstance, first(line), "", line);
    }
    add(
        Block::VrrpInstance,
        "vmac_xmit_base",
        "use_vmac",
        "use_vmac\n vmac_xmit_base",
    );
    add(
        Block::VrrpInstance,
        "accept",
        "no_accept",
        "no_accept\n accept",
    );
    add(
        Block::VrrpInstance,
        "preempt",
        "nopreempt",
        "nopreempt\n preempt",
    );
    let password = "auth_type PASS\n auth_pass secret";
    // Passwords are not printed; that there is one is seen.
    add(
        Block::Authentication,
        "auth_type",
        password,
        "auth_type AH\n auth_pass secret",
    );
    add(
        Block::Authentication,
        "auth_pass",
        "auth_type PASS",
        password,
    );
    for line in [
        "script /bin/false",
        "interval 4",
        "timeout 4",
        "weight 4",
        "rise 4",
        "fall 4",
        "user alice",
    ] {
        add(Block::VrrpScript, first(line), "", line);
    }
    add(Block::TrackFile, "file", "file /f", "file /other");
    add(Block::TrackFile, "weight", "", "weight 4");
    add(Block::TrackProcess, "process", "process p", "process other");
    add(Block::TrackProcess, "weight", "", "weight 4");
    let group = "group {\n V\n W\n}\n";
    add(Block::VrrpSyncGroup, "group", "", group);
    for line in [
        "track_interface {\n eth1\n}",
        "track_script {\n s\n}",
        "track_file {\n f\n}",
        "track_process {\n p\n}",
        "track_bfd {\n b\n}",
        "notify_backup /bin/n",
        "notify_master /bin/n",
        "notify_fault /bin/n",
        "notify_stop /bin/n",
        "notify /bin/n",
        "smtp_alert",
    ] {
        add(
            Block::VrrpSyncGroup,
            first(line),
            group,
            &format!("{group}{line}"),
        );
    }
    // A missing interface may come later.
    let missing = "}\nvrrp_instance M {\n interface later\n virtual_router_id 9\n \
                   virtual_ipaddress {\n 192.0.2.99\n}";
    add(
        Block::GlobalDefs,
        "dynamic_interfaces",
        missing,
        &format!("dynamic_interfaces\n{missing}"),
    );
    cases
}

/// The keyword of a line.
fn first(line: &'static str) -> &'static str {
    line.split(' ').next().unwrap_or_default()
}
