//! Hosts, links, captures and walks, with plain routing and with the kernel's own NAT.

mod common;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::IpAddr,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use common::ready;
use xvs_lab::{Capture, Host, LabError, ProcessId, Topology, Walk, WebServer, curl, folder};

/// client - router - switch - web1, web2.
struct Net {
    topology: Topology,
    client: Host,
    router: Host,
    switch: Host,
    servers: [Host; 2],
}

impl Net {
    fn new(name: &str) -> Result<Self, LabError> {
        let topology = Topology::new(name)?;
        let [client, router, switch, web1, web2] =
            ["client", "router", "switch", "web1", "web2"].map(|host| topology.host(host));
        let (client, router, switch, web1, web2) = (client?, router?, switch?, web1?, web2?);
        topology.link((&client, "eth0"), (&router, "eth0"))?;
        topology.link((&router, "eth1"), (&switch, "p0"))?;
        topology.link((&web1, "eth0"), (&switch, "p1"))?;
        topology.link((&web2, "eth0"), (&switch, "p2"))?;
        switch.bridge("br0", &["p0", "p1", "p2"])?;
        client.address("eth0", "10.1.0.2/24")?;
        client.address("eth0", "fd00:1::2/64")?;
        client.route("default", "10.1.0.1")?;
        client.route("default", "fd00:1::1")?;
        router.address("eth0", "10.1.0.1/24")?;
        router.address("eth0", "fd00:1::1/64")?;
        router.address("eth1", "10.2.0.1/24")?;
        router.address("eth1", "fd00:2::1/64")?;
        router.sysctl("net.ipv4.ip_forward", "1")?;
        router.sysctl("net.ipv6.conf.all.forwarding", "1")?;
        for (host, number) in [(&web1, 2), (&web2, 3)] {
            host.address("eth0", &format!("10.2.0.{number}/24"))?;
            host.address("eth0", &format!("fd00:2::{number}/64"))?;
            host.route("default", "10.2.0.1")?;
            host.route("default", "fd00:2::1")?;
        }
        Ok(Self {
            topology,
            client,
            router,
            switch,
            servers: [web1, web2],
        })
    }

    fn hosts(&self) -> Vec<Host> {
        let [web1, web2] = &self.servers;
        [&self.client, &self.router, &self.switch, web1, web2]
            .map(Clone::clone)
            .into()
    }

    /// One request and its walk.
    fn walk(&self, url: &str) -> Result<(String, Walk), LabError> {
        let wiring = self.topology.wiring()?;
        let capture = Capture::start(&self.hosts())?;
        let answer = curl::get(&self.client, url)?;
        let sightings = capture.finish()?;
        assert_eq!(answer.status, 200);
        let walk = Walk::assemble(&sightings, &wiring, answer.client_port);
        Ok((answer.body, walk))
    }
}

fn places(walk: &Walk) -> String {
    let names = |hops: &[xvs_lab::Hop]| {
        hops.iter()
            .map(|hop| hop.to.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    format!("{} | {}", names(&walk.forward), names(&walk.back))
}

#[test]
fn root_a_routed_request_is_walked_wire_by_wire_in_both_families() {
    if !ready(&["ip", "nginx", "curl"]) {
        return;
    }
    let net = Net::new("routed").unwrap();
    let _web = WebServer::start(&net.servers[0], 80).unwrap();
    for url in ["http://10.2.0.2/", "http://[fd00:2::2]/"] {
        let (body, walk) = net.walk(url).unwrap();
        assert_eq!(body, "web1");
        assert_eq!(walk.gap("client"), None);
        assert_eq!(places(&walk), "router switch web1 | switch router client");
        assert_eq!(walk.forward[1].rewritten, ["TTL 64 > 63", "MACs"]);
        let to = walk.forward[2].destination_mac.port.as_deref();
        assert_eq!(to, Some("web1.eth0"));
    }
    net.topology.down().unwrap();
}

#[test]
fn root_kernel_nat_shows_what_it_rewrites() {
    if !ready(&["ip", "nginx", "curl", "nft"]) {
        return;
    }
    let net = Net::new("kernel-nat").unwrap();
    let webs = net
        .servers
        .each_ref()
        .map(|host| WebServer::start(host, 8_000).unwrap());
    let rules = "add table ip t; \
        add chain ip t pre { type nat hook prerouting priority -100; }; \
        add rule ip t pre ip daddr 10.1.0.1 tcp dport 80 dnat to \
            numgen inc mod 2 map { 0 : 10.2.0.2, 1 : 10.2.0.3 } : 8000; \
        add chain ip t post { type nat hook postrouting priority 100; }; \
        add rule ip t post oifname eth1 masquerade";
    net.router.run("nft", &[rules]).unwrap();
    let mut counts = [0, 0];
    for _ in 0..4 {
        let (body, walk) = net.walk("http://10.1.0.1/").unwrap();
        counts[usize::from(body == "web2")] += 1;
        assert_eq!(walk.gap("client"), None);
        let changed = &walk.forward[1].rewritten;
        assert_eq!(changed[..2], ["source", "destination"]);
        assert_eq!(walk.back[2].source, "10.1.0.1:80".parse().unwrap());
    }
    assert_eq!(counts, [2, 2]);
    let router: IpAddr = "10.2.0.1".parse().unwrap();
    for web in &webs {
        let clients = web.files().clients().unwrap();
        assert_eq!(clients.len(), 2);
        assert!(clients.iter().all(|client| client.ip() == router));
    }
    let files = webs.each_ref().map(|web| web.files().clone());
    let size = 20_000_000;
    assert!(curl::download_is_intact(&net.client, "http://10.1.0.1", &files, size).unwrap());
    assert!(curl::upload_is_intact(&net.client, "http://10.1.0.1", &files, size).unwrap());
    net.topology.down().unwrap();
}

#[test]
fn root_nothing_is_left_of_a_topology_that_was_dropped() {
    if !ready(&["ip"]) {
        return;
    }
    let topology = Topology::new("dropped").unwrap();
    let name = topology.name();
    let host = topology.host("one").unwrap();
    let sleeper = host
        .spawn(Command::new("sleep").arg("600"), "sleep.log")
        .unwrap();
    let process = sleeper.process();
    assert!(host.processes().contains(&process));
    let namespace = format!("/run/netns/xvs-{name}-one");
    assert!(fs::exists(&namespace).unwrap() && folder(&name).exists());
    drop(topology);
    assert!(!process.is_alive());
    assert!(!fs::exists(&namespace).unwrap());
    assert!(!folder(&name).exists());
}

#[test]
fn root_a_name_is_taken_once() {
    if !ready(&["ip"]) {
        return;
    }
    let _first = Topology::new("twice").unwrap();
    let second = Topology::new("twice");
    assert!(
        matches!(second, Err(LabError::AlreadyUp { .. })),
        "{second:?}"
    );
}

#[test]
fn root_a_command_that_does_not_end_is_killed() {
    if !ready(&["ip"]) {
        return;
    }
    let topology = Topology::new("endless").unwrap();
    let host = topology.host("one").unwrap();
    let limit = Duration::from_millis(100);
    let result = host.output(Command::new("sleep").arg("600"), limit);
    assert!(
        matches!(result, Err(LabError::TimedOut { .. })),
        "{result:?}"
    );
    assert_eq!(host.processes(), []);
}

/// The environment variable that makes the next test the maker that is killed.
const MAKER: &str = "XVS_TEST_MAKER";

#[test]
fn root_what_a_killed_maker_left_is_swept_by_the_next() {
    if !ready(&["ip"]) {
        return;
    }
    if env::var_os(MAKER).is_some() {
        let topology = Topology::new("killed").unwrap();
        let host = topology.host("one").unwrap();
        let mut command = Command::new("sleep");
        let sleeper = host.spawn(command.arg("600"), "sleep.log").unwrap();
        println!("made {} {}", topology.name(), sleeper.process().pid);
        thread::sleep(Duration::from_secs(600));
    }
    let mut maker = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("root_what_a_killed_maker_left_is_swept_by_the_next")
        .env(MAKER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(maker.stdout.take().unwrap()).lines();
    let made = lines
        .map(Result::unwrap)
        .find_map(|line| Some(line.split_once("made ")?.1.to_owned()))
        .unwrap();
    let (name, pid) = made.split_once(' ').unwrap();
    let sleeper = ProcessId::of(pid.parse().unwrap()).unwrap();
    assert!(folder(name).exists());
    maker.kill().unwrap();
    maker.wait().unwrap();
    assert!(sleeper.is_alive());

    let _next = Topology::new("next").unwrap();
    assert!(!sleeper.is_alive());
    assert!(!folder(name).exists());
    assert!(!fs::exists(format!("/run/netns/xvs-{name}-one")).unwrap());
}
