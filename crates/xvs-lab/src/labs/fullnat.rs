//! FULLNAT: the real servers are behind a router that knows no way to the client. They answer the
//! director's local address, and still learn who the client is, from an option in the SYN.

use super::{Family, HostPlan, Method, Plan, Role, Step, endpoint};

pub(super) fn plan(family: Family) -> Plan {
    let client = family.pick("202.100.1.2", "fd00:202:100:1::2");
    let client_gateway = family.pick("202.100.1.1", "fd00:202:100:1::1");
    let outside = family.pick("202.103.106.2", "fd00:202:103:106::2");
    let outside_gateway = family.pick("202.103.106.1", "fd00:202:103:106::1");
    let vip = family.pick("202.103.106.5", "fd00:202:103:106::5");
    let inside = family.pick("172.24.101.1", "fd00:172:24:101::1");
    let inside_gateway = family.pick("172.24.101.254", "fd00:172:24:101::254");
    let local_address = family.pick("172.24.101.135", "fd00:172:24:101::135");
    let web_network = family.pick("172.16.0.0/24", "fd00:172:16::/64");
    let web_gateway = family.pick("172.16.0.1", "fd00:172:16::1");
    let web1 = family.pick("172.16.0.2", "fd00:172:16::2");
    let web2 = family.pick("172.16.0.3", "fd00:172:16::3");
    let service = endpoint(vip, 80);
    let web = |name, address| {
        HostPlan::new(name, Role::RealServer)
            .address("eth0", family.on_link(address))
            .gateway(web_gateway)
    };
    let add = |web| {
        Step::ipvsadm(format!(
            "-a -t {service} -r {} --fullnat",
            endpoint(web, 8_000)
        ))
    };
    let realserver = |host| Step::realserver(host, Method::Fullnat, vip).note(TRUE_CLIENT);
    Plan {
        method: Method::Fullnat,
        family,
        title: "FULLNAT: the director rewrites both addresses; the real servers need no route to clients",
        hosts: vec![
            HostPlan::new("client", Role::Client)
                .address("eth0", family.on_link(client))
                .gateway(client_gateway),
            HostPlan::new("internet", Role::Router)
                .address("eth0", family.on_link(client_gateway))
                .address("eth1", family.on_link(outside_gateway)),
            HostPlan::new("director", Role::Director)
                .address("eth0", family.on_link(outside))
                .address("eth1", family.on_link(inside))
                .gateway(outside_gateway)
                .route(web_network, inside_gateway),
            HostPlan::new("router", Role::Router)
                .address("eth0", family.on_link(inside_gateway))
                .address("eth1", family.on_link(web_gateway)),
            HostPlan::new("switch", Role::Switch),
            web("web1", web1),
            web("web2", web2),
        ],
        wires: vec![
            ("client.eth0", "internet.eth0"),
            ("internet.eth1", "director.eth0"),
            ("director.eth1", "router.eth0"),
            ("router.eth1", "switch.port1"),
            ("web1.eth0", "switch.port2"),
            ("web2.eth0", "switch.port3"),
        ],
        vip,
        client,
        web_port: 8_000,
        steps: vec![
            realserver("web1"),
            realserver("web2"),
            Step::director(vip),
            Step::ipvsadm(format!("-A -t {service} -s rr --laddr {local_address}")),
            add(web1),
            add(web2),
        ],
    }
}

const TRUE_CLIENT: &str = "gives nginx the client's address from the TOA option";
