//! The firewall that is examined is that of the namespace.

use std::{fs, path::Path, process::Command};

use xvs_net::{FirewallTarget, examine_firewall};

use crate::support::Namespace;

#[test]
fn root_rules_of_this_namespace_are_found() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    if !Path::new("/usr/sbin/nft").exists() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "needed in CI: nft"
        );
        eprintln!("skipped: `nft` is not installed");
        return;
    }
    let target = FirewallTarget {
        address: "10.0.0.100".parse().unwrap(),
        service: None,
    };
    namespace.block_on(|| async {
        let report = examine_firewall(&[target]).await.unwrap();
        assert_eq!(report.examined, ["nft -j list ruleset"]);
        assert_eq!(report.rules, []);

        let rules = "table ip xvs_test {\n chain in {\n type filter hook input priority 0\n \
                     ip daddr 10.0.0.0/24 drop\n }\n}\n";
        let file = std::env::temp_dir().join(format!("{}.nft", namespace.name()));
        fs::write(&file, rules).unwrap();
        let loaded = Command::new("nft").arg("-f").arg(&file).status();
        fs::remove_file(&file).unwrap();
        assert!(loaded.unwrap().success());
        let report = examine_firewall(&[target]).await.unwrap();
        assert_eq!(report.rules.len(), 1);
        assert_eq!(report.rules[0].table, "ip xvs_test");
        assert_eq!(report.rules[0].text, "ip daddr 10.0.0.0/24 drop");
        assert!(report.rules[0].names_vip);
    });
}
