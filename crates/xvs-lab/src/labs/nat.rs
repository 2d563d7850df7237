//! NAT: client - director - switch - web1, web2, which have the director as their gateway.

use super::{Family, HostPlan, Method, Plan, Role, Step, bare, endpoint};

pub(super) fn plan(family: Family) -> Plan {
    let client = family.pick("192.168.1.110", "fd00:192:168:1::110");
    let vip = family.pick("192.168.1.241", "fd00:192:168:1::241");
    let inside = family.pick("192.168.2.251", "fd00:192:168:2::251");
    let web1 = family.pick("192.168.2.250", "fd00:192:168:2::250");
    let web2 = family.pick("192.168.2.249", "fd00:192:168:2::249");
    let service = endpoint(vip, 80);
    let flag = family.pick("", "-6 ");
    let gateway = |host| {
        let line = format!("ip {flag}route add default via {inside}");
        Step::done(host, line).seed(format!("route add default gw {inside}"))
    };
    let add = |web: &str| {
        let (real_server, note) = match family {
            Family::V4 => (bare(web), PORT),
            Family::V6 => (endpoint(web, 80), PORTS),
        };
        Step::ipvsadm(format!("-at {service} -r {real_server} -m"))
            .seed(format!("ipvsadm -at {} -r {} -m", bare(vip), bare(web)))
            .note(note)
    };
    Plan {
        method: Method::Nat,
        family,
        title: "NAT: the director rewrites the destination, and the source of replies",
        hosts: vec![
            HostPlan::new("client", Role::Client).address("eth0", family.on_link(client)),
            HostPlan::new("director", Role::Director)
                .address("eth0", family.on_link(vip))
                .address("eth1", family.on_link(inside)),
            HostPlan::new("switch", Role::Switch),
            HostPlan::new("web1", Role::RealServer)
                .address("eth0", family.on_link(web1))
                .gateway(inside),
            HostPlan::new("web2", Role::RealServer)
                .address("eth0", family.on_link(web2))
                .gateway(inside),
        ],
        wires: vec![
            ("client.eth0", "director.eth0"),
            ("director.eth1", "switch.port1"),
            ("web1.eth0", "switch.port2"),
            ("web2.eth0", "switch.port3"),
        ],
        vip,
        client,
        web_port: 80,
        steps: vec![
            gateway("web1"),
            gateway("web2"),
            Step::director(&family.on_link(vip)).seed("echo 1 > /proc/sys/net/ipv4/ip_forward"),
            Step::ipvsadm("-C".to_owned()),
            Step::ipvsadm(format!("-At {service} -s rr"))
                .seed(format!("ipvsadm -At {} -s rr", bare(vip)))
                .note(PORT),
            add(web2),
            add(web1),
        ],
    }
}

const PORT: &str = "ipvsadm 1.31 refuses a virtual server without a port";
const PORTS: &str = "ipvsadm 1.31 refuses a virtual server without a port, and an IPv6 address in brackets without one";
