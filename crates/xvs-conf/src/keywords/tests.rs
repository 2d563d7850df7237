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
