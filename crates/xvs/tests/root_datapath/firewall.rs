//! Filter rules that balanced packets no longer pass.

use crate::net::{Net, VIP, has, wait_until};

#[test]
fn root_filter_rules_on_a_vip_are_named_in_log_and_status() {
    let Some(mut net) = Net::new("filter") else {
        return;
    };
    if !has("nft") || !has("iptables") {
        return;
    }
    net.on_director("nft add table inet guard");
    net.on_director("nft add chain inet guard in { type filter hook input priority 0 ; }");
    net.on_director(&format!("nft add rule inet guard in ip daddr {VIP} drop"));
    net.on_director("nft add rule inet guard in ip daddr 10.2.0.77 drop");
    net.on_director(&format!(
        "iptables -A INPUT -d {VIP} -p tcp --dport 80 -j DROP"
    ));
    net.daemon(&[]).line(&format!("vs add {VIP}:80"));
    let warnings = || {
        let status = net.status();
        let lines = status["warnings"].as_array().unwrap().iter();
        let lines = lines.map(|line| line.as_str().unwrap().to_owned());
        lines
            .filter(|line| line.contains("filter rule"))
            .collect::<Vec<_>>()
    };
    wait_until("the warnings", || warnings().len() == 2);
    let found = warnings();
    let about = |words: &[&str]| {
        found
            .iter()
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .count()
    };
    assert_eq!(about(&["inet guard", VIP]), 1, "{found:?}");
    assert_eq!(about(&["filter", "INPUT", VIP]), 1, "{found:?}");
    let log = net.log();
    for line in &found {
        assert!(log.contains(line), "`{line}` is missing in {log}");
    }
    let status = net.done(&["status"]);
    assert_eq!(status.matches("warning: ").count(), 2, "{status}");
    net.line(&format!("vs del {VIP}:80"));
    wait_until("their end", || warnings().is_empty());
}
