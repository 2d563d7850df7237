use std::time::Duration;

use xvs_conf::{MemoryFiles, Stance, StaticHost, parse};

use super::*;

fn plan(text: &str) -> (Plan, String) {
    let files = MemoryFiles::new().with("keepalived.conf", text);
    let outcome = parse(
        "keepalived.conf",
        &files,
        &StaticHost::default(),
        Stance::Compatible,
    );
    let findings = outcome.render_text(false);
    let converted = convert(&outcome.config.unwrap()).unwrap();
    (converted.plan, findings)
}

fn router(lines: &str) -> String {
    format!(
        "vrrp_instance VI {{\n interface eth0\n virtual_router_id 51\n priority 100\n advert_int 1\n {lines}\n \
         virtual_ipaddress {{\n 10.99.0.100\n }}\n}}\n"
    )
}

#[test]
fn a_delay_of_an_interface_that_advertises_ends_before_others_give_up_waiting() {
    let text = format!(
        "interface_up_down_delays {{\n eth0 200 9\n eth1 7\n}}\n{}",
        router("")
    );
    let (plan, _findings) = plan(&text);
    let delay = |link: &str| {
        let delay = plan.delays[&Name::from(link)];
        (delay.down.as_secs(), delay.up.as_secs())
    };
    assert_eq!(delay("eth0"), (2, 9));
    assert_eq!(delay("eth1"), (7, 7));
}

#[test]
fn extra_announcements_are_for_virtual_macs_that_do_not_advertise() {
    let refresh = |lines: &str| {
        let (plan, _findings) = plan(&router(lines));
        plan.config.routers()[0].announce.refresh
    };
    let (usual, extra) = (refresh(""), Some(Duration::from_secs(20)));
    assert_eq!(refresh("garp_extra_if 20"), usual);
    assert_eq!(refresh("use_vmac\n garp_extra_if 20"), usual);
    assert_eq!(refresh("use_vmac\n garp_extra_if all 20"), extra);
    assert_eq!(
        refresh("use_vmac\n vmac_xmit_base\n garp_extra_if 20"),
        extra
    );
}

#[test]
fn an_ipvlan_is_told_where_it_stands() {
    let (_plan, findings) = plan(&router("use_ipvlan 10.99.0.1"));
    assert!(findings.contains("keepalived.conf:6:2"), "{findings}");
    assert!(findings.contains("no ipvlan interfaces"), "{findings}");
}

#[test]
fn without_accept_the_host_refuses_all_but_the_addresses_of_an_owner() {
    let refused = |text: &str| plan(text).0.refused();
    assert_eq!(
        refused(&router("no_accept")),
        ["10.99.0.100".parse::<IpAddr>().unwrap()]
    );
    assert!(refused(&router("")).is_empty());
    let owner = router("no_accept").replace("priority 100", "priority 255");
    assert!(refused(&owner).is_empty());
}

#[test]
fn in_a_sync_group_an_interface_loses_its_weight_and_a_script_is_not_followed() {
    let group = "vrrp_script s {\n script /bin/true\n weight 5\n}\nvrrp_sync_group G {\n group {\n VI\n }\n}\n";
    let lines = "track_interface {\n eth1 weight 5\n }\n track_script {\n s\n }";
    let text = format!("{group}{}", router(lines));
    let (bound, _findings) = plan(&text);
    let followed = |plan: &Plan| -> Vec<(String, TrackWeight)> {
        let tracks = plan.config.routers()[0].tracks.iter();
        tracks
            .map(|track| (track.tracker.to_string(), track.weight))
            .collect()
    };
    assert_eq!(
        followed(&bound),
        [("interface eth1".to_owned(), TrackWeight::FAULT)]
    );
    let allowed = text.replace("group {", "sync_group_tracking_weight\n group {");
    assert_eq!(followed(&plan(&allowed).0).len(), 2);
}
