//! TUN: client and real servers are in other networks than the director; a router joins them. The
//! real servers unpack what the director sends and answer the client themselves.

use super::{Family, HostPlan, Method, Plan, Role, Step, endpoint};

pub(super) fn plan(family: Family) -> Plan {
    let client = family.pick("10.0.0.2", "fd00:10::2");
    let client_gateway = family.pick("10.0.0.1", "fd00:10::1");
    let director = family.pick("192.168.10.1", "fd00:192:168:10::1");
    let director_gateway = family.pick("192.168.10.254", "fd00:192:168:10::254");
    let vip = family.pick("192.168.10.10", "fd00:192:168:10::10");
    let web1 = family.pick("172.16.0.2", "fd00:172:16::2");
    let web2 = family.pick("172.16.0.3", "fd00:172:16::3");
    let web_gateway = family.pick("172.16.0.1", "fd00:172:16::1");
    let service = endpoint(vip, 80);
    let web = |name, address| {
        HostPlan::new(name, Role::RealServer)
            .address("eth0", family.on_link(address))
            .gateway(web_gateway)
    };
    let add = |web| Step::ipvsadm(format!("-a -t {service} -r {} -i", endpoint(web, 80)));
    let realserver = |host| {
        Step::realserver(host, Method::Tun, vip).seed(format!(
            "ifconfig tunl0 {vip} netmask 255.255.255.255 up; route add -host {vip} dev tunl0; \
             arp_ignore 1, arp_announce 2 on tunl0 and all"
        ))
    };
    Plan {
        method: Method::Tun,
        family,
        title: "TUN: the director wraps packets for real servers elsewhere; replies do not pass it",
        hosts: vec![
            HostPlan::new("client", Role::Client)
                .address("eth0", family.on_link(client))
                .gateway(client_gateway),
            HostPlan::new("router", Role::Router)
                .address("eth0", family.on_link(client_gateway))
                .address("eth1", family.on_link(director_gateway))
                .address("eth2", family.on_link(web_gateway)),
            HostPlan::new("director", Role::Director)
                .address("eth0", family.on_link(director))
                .gateway(director_gateway),
            HostPlan::new("switch", Role::Switch),
            web("web1", web1),
            web("web2", web2),
        ],
        wires: vec![
            ("client.eth0", "router.eth0"),
            ("director.eth0", "router.eth1"),
            ("router.eth2", "switch.port1"),
            ("web1.eth0", "switch.port2"),
            ("web2.eth0", "switch.port3"),
        ],
        vip,
        client,
        web_port: 80,
        steps: vec![
            realserver("web1"),
            realserver("web2"),
            Step::director(vip),
            Step::ipvsadm(format!("-A -t {service} -s rr")),
            add(web1),
            add(web2),
        ],
    }
}
