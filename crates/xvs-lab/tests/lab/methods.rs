//! Each forwarding method: the way of a request, 20 MB both ways, and what the lab prints.

use std::{
    env,
    time::{Duration, Instant},
};

use serde_json::Value;
use xvs_lab::{Host, WebFiles, curl};

use crate::xvs::{Xvs, listed_connections};

const SIZE: usize = 20_000_000;

/// The hosts that a request reaches, forward and back, with the web server's number left out.
fn way(report: &Value) -> String {
    let places = |way: &str| {
        let hops = report["walk"][way].as_array().unwrap();
        let names = hops.iter().map(|hop| hop["to"].as_str().unwrap());
        names.collect::<Vec<_>>().join(" ").replace(['1', '2'], "")
    };
    format!("{} | {}", places("forward"), places("back"))
}

/// What the frames of the way forward carry around their packets, or beside them.
fn encapsulations(report: &Value) -> Vec<String> {
    let hops = report["walk"]["forward"].as_array().unwrap();
    hops.iter()
        .filter_map(|hop| Some(hop["encapsulation"].as_str()?.to_owned()))
        .collect()
}

/// The families in which a method is tried on a hook. XDP has a sample of them unless `XVS_LAB_ALL`
/// is set: NAT and TUN over IPv4, DR and FULLNAT over IPv6.
fn families(method: &str, hook: &str) -> &'static [&'static str] {
    let all = env::var_os("XVS_LAB_ALL").is_some_and(|value| !value.is_empty());
    match (hook, method) {
        _ if all => &["", " --ipv6"],
        ("tcx", _) => &["", " --ipv6"],
        (_, "nat" | "tun") => &[""],
        _ => &[" --ipv6"],
    }
}

/// Runs the lab of `method`, then moves 20 MB both ways through it.
fn method_works(method: &str, hook: &str, expected_way: &str) {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    for family in families(method, hook) {
        let what = format!("{method} --hook {hook}{family}");
        let report = xvs.report(&format!("{what} --requests 20 --keep"));
        assert_eq!(way(&report), expected_way, "{what}");
        assert_eq!(listed_connections(&report), 20, "{what}");
        let around = match method {
            "tun" => "IPIP",
            "fullnat" => "TOA",
            _ => "nothing",
        };
        let seen = encapsulations(&report);
        assert!(
            seen.iter().all(|text| text.starts_with(around)),
            "{what}: {seen:?}"
        );
        assert_eq!(seen.is_empty(), around == "nothing", "{what}");

        let lab = format!("lab-{method}");
        let client = Host::of(&lab, "client").unwrap();
        let files = ["web1", "web2"].map(|web| WebFiles::of(&Host::of(&lab, web).unwrap()));
        let base = report["url"].as_str().unwrap().trim_end_matches('/');
        // Round robin: the download is from one real server, the upload to the other.
        let intact = curl::download_is_intact(&client, base, &files, SIZE);
        assert!(intact.unwrap(), "{what}: download");
        let intact = curl::upload_is_intact(&client, base, &files, SIZE);
        assert!(intact.unwrap(), "{what}: upload");
        xvs.down();
    }
}

const NAT_WAY: &str = "director switch web | switch director client";
const DR_WAY: &str = "switch director switch web | switch client";
const TUN_WAY: &str = "router director router switch web | switch router client";
const FULLNAT_WAY: &str =
    "internet director router switch web | switch router director internet client";

#[test]
fn root_nat_works_on_tcx() {
    method_works("nat", "tcx", NAT_WAY);
}

#[test]
fn root_nat_works_on_xdp() {
    method_works("nat", "xdp", NAT_WAY);
}

#[test]
fn root_nat_works_on_generic_xdp() {
    method_works("nat", "xdp-generic", NAT_WAY);
}

#[test]
fn root_dr_works_on_tcx() {
    method_works("dr", "tcx", DR_WAY);
}

#[test]
fn root_dr_works_on_xdp() {
    method_works("dr", "xdp", DR_WAY);
}

#[test]
fn root_tun_works_on_tcx() {
    method_works("tun", "tcx", TUN_WAY);
}

#[test]
fn root_tun_works_on_xdp() {
    method_works("tun", "xdp", TUN_WAY);
}

#[test]
fn root_fullnat_works_on_tcx() {
    method_works("fullnat", "tcx", FULLNAT_WAY);
}

#[test]
fn root_fullnat_works_on_xdp() {
    method_works("fullnat", "xdp", FULLNAT_WAY);
}

#[test]
fn root_all_labs_with_200_requests_take_less_than_a_minute() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let start = Instant::now();
    xvs.report("all --requests 200");
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn root_the_text_shows_walks_answers_and_tables() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let output = xvs.lab("nat --requests 4");
    let text = String::from_utf8_lossy(&output.stdout);
    for line in [
        "director# ipvsadm -At 192.168.1.241:80 -s rr",
        "stands for: ipvsadm -At 192.168.1.241 -s rr",
        "because: ipvsadm 1.31 refuses a virtual server without a port",
        "Replies pass the director.",
        "Answers: 4 of 4 requests, scheduler rr",
        "web1 answered 2",
        "TCP  192.168.1.241:80 rr",
        "lab nat: as it should be",
    ] {
        assert!(text.contains(line), "`{line}` is missing in:\n{text}");
    }
}
