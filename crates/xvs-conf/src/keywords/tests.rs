//! The table against the list of keywords.

use std::collections::BTreeSet;

use super::*;

#[test]
fn no_block_has_a_keyword_twice() {
    for block in Block::ALL {
        let mut seen = BTreeSet::new();
        for (other, spec) in all_keywords() {
            if other == block {
                assert!(seen.insert(spec.name), "{} twice in {block}", spec.name);
            }
        }
    }
}

#[test]
fn every_keyword_of_keepalived_is_known() {
    let known: BTreeSet<&str> = all_keywords().iter().map(|(_, spec)| spec.name).collect();
    let listed = include_str!("../../tests/fixtures/keepalived/keywords.txt");
    let missing: Vec<&str> = listed
        .lines()
        .filter(|name| !known.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
    assert!(listed.lines().count() >= 361);
}

#[test]
fn rare_keywords_alone_have_no_effect() {
    for (block, spec) in all_keywords() {
        // v3_checksum_as_v2 works in an instance; the global default of later versions does not.
        let global_default = spec.name == "v3_checksum_as_v2";
        assert!(
            !spec.inert || spec.tier == Tier::Rare || global_default,
            "{} of {block} is common and does nothing",
            spec.name
        );
    }
}

#[test]
fn slips_are_recognised() {
    assert_eq!(nearest(Block::VrrpInstance, "priorty"), Some("priority"));
    assert_eq!(nearest(Block::VirtualServer, "lb_alg"), Some("lb_algo"));
    assert_eq!(nearest(Block::VrrpInstance, "grpc"), None);
    assert_eq!(home_of("delay_before_retry"), Some(Block::DnsCheck));
}

#[test]
fn our_own_keywords_are_read_and_what_they_cannot_mean_is_told() {
    let read = |lines: &str| {
        let text = format!("global_defs {{\n{lines}\n}}\n");
        let files = crate::MemoryFiles::new().with("k.conf", text);
        let host = crate::StaticHost::default();
        crate::parse("k.conf", &files, &host, crate::Stance::Compatible)
    };
    let outcome = read(
        "xvs_smtp_tls starttls mail.example.com\nxvs_smtp_user ka /etc/xvs/mail\n\
         xvs_webhook https://example.com/hook - /ca.pem\nxvs_script_timeout 5",
    );
    assert_eq!(outcome.render_text(false), "");
    let own = outcome.config.unwrap().global.own;
    assert!(!own.smtp_tls.unwrap().immediate);
    assert_eq!(own.smtp_user.unwrap().password_file, "/etc/xvs/mail");
    let webhook = own.webhook.unwrap();
    assert_eq!(
        (webhook.token_file, webhook.ca),
        (None, Some("/ca.pem".to_owned()))
    );
    assert_eq!(own.script_timeout, Some(std::time::Duration::from_secs(5)));
    for (line, place) in [
        ("xvs_smtp_tls ssl mail.example.com", "k.conf:2:14"),
        ("xvs_webhook example.com", "k.conf:2:13"),
        ("xvs_webhook http:///hook", "k.conf:2:13"),
        ("xvs_script_timeout 0", "k.conf:2:20"),
    ] {
        let outcome = read(line);
        let findings = outcome.render_text(false);
        assert!(findings.contains(place), "{line}: {findings}");
        assert!(outcome.config.unwrap().global.own.is_default(), "{line}");
    }
}
