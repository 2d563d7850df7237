//! A configuration that LVS users published, unchanged, with packets: the address comes by VRRP, nginx
//! answers behind direct routing, a client stays with its real server, and goes on when that dies.

use std::{collections::HashSet, fs};

use xvs_lab::{WebServer, curl};

use crate::net::{Net, has, output_of, wait_until};

const FILE: &str = include_str!("../../../xvs-conf/tests/fixtures/seeds/lvs_tcp_check.conf");
const VIP: &str = "172.16.100.1";

#[test]
fn root_a_client_stays_with_its_real_server_until_that_dies() {
    if !has("nginx") || !has("curl") {
        return;
    }
    let Some(mut net) = Net::new("published") else {
        return;
    };
    net.router.address("eth1", "172.16.0.1/16").unwrap();
    net.director.address("eth0", "172.16.100.10/16").unwrap();
    let mut servers = Vec::new();
    for (web, last) in net.webs.iter().zip([11, 12]) {
        web.address("eth0", &format!("172.16.100.{last}/16"))
            .unwrap();
        // What direct routing asks of a real server.
        web.sysctl("net.ipv4.conf.all.arp_ignore", "1").unwrap();
        web.sysctl("net.ipv4.conf.all.arp_announce", "2").unwrap();
        web.address("lo", &format!("{VIP}/32")).unwrap();
        servers.push((web.name().to_owned(), WebServer::start(web, 80).unwrap()));
    }
    let file = net.director.folder().join("keepalived.conf");
    fs::write(&file, FILE).unwrap();
    net.daemon(&["-f", file.to_str().unwrap()]);
    wait_until("the address", || {
        output_of(&net.director, "ip addr show dev eth0").contains(&format!("{VIP}/16"))
    });
    let asked = || curl::get(&net.client, &format!("http://{VIP}/")).map(|answer| answer.body);
    let mut first = None;
    wait_until("an answer", || {
        first = asked().ok();
        first.is_some()
    });
    // `lb_algo rr` alone would take turns.
    let answers: HashSet<String> = (0..6).map(|_| asked().unwrap()).collect();
    let first = first.unwrap();
    assert_eq!(answers, HashSet::from([first.clone()]));
    let place = servers.iter().position(|(name, _)| *name == first);
    let (_, dead) = servers.remove(place.unwrap());
    dead.stop().unwrap();
    let other = &servers[0].0;
    wait_until("the other one", || asked().is_ok_and(|body| body == *other));
    let answers: HashSet<String> = (0..6).map(|_| asked().unwrap()).collect();
    assert_eq!(answers, HashSet::from([other.clone()]));
}
