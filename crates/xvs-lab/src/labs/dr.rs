//! DR: client, director, web1 and web2 on one switch. The real servers have the VIP on their
//! loopback link and answer the client themselves.

use super::{Family, HostPlan, Method, Plan, Role, Step, endpoint};

pub(super) fn plan(family: Family) -> Plan {
    let client = family.pick("192.168.56.1", "fd00:192:168:56::1");
    let director = family.pick("192.168.56.34", "fd00:192:168:56::34");
    let vip = family.pick("192.168.56.40", "fd00:192:168:56::40");
    let web1 = family.pick("192.168.56.37", "fd00:192:168:56::37");
    let web2 = family.pick("192.168.56.38", "fd00:192:168:56::38");
    let service = endpoint(vip, 80);
    let host =
        |name, role, address| HostPlan::new(name, role).address("eth0", family.on_link(address));
    let add = |web| Step::ipvsadm(format!("-a -t {service} -r {} -g", endpoint(web, 80)));
    let realserver = |host| {
        Step::realserver(host, Method::Dr, vip).seed(format!(
            "ifconfig lo:0 {vip} netmask 255.255.255.255 up; arp_ignore 1, arp_announce 2 on lo and all"
        ))
    };
    Plan {
        method: Method::Dr,
        family,
        title: "DR: the director rewrites MAC addresses only; replies do not pass it",
        hosts: vec![
            host("client", Role::Client, client),
            HostPlan::new("switch", Role::Switch),
            host("director", Role::Director, director),
            host("web1", Role::RealServer, web1),
            host("web2", Role::RealServer, web2),
        ],
        wires: vec![
            ("client.eth0", "switch.port1"),
            ("director.eth0", "switch.port2"),
            ("web1.eth0", "switch.port3"),
            ("web2.eth0", "switch.port4"),
        ],
        vip,
        client,
        web_port: 80,
        steps: vec![
            realserver("web1"),
            realserver("web2"),
            Step::director(vip).seed(format!(
                "IPADDR2={vip} NETMASK2=255.255.255.255; sysctl net.ipv4.ip_forward=1, send_redirects=0"
            )),
            Step::ipvsadm(format!("-A -t {service} -s rr")),
            add(web1),
            add(web2),
        ],
    }
}
