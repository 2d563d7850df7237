//! Runs one lab: builds its hosts, configures them, sends the requests and gathers what they show.

use std::{
    collections::BTreeMap,
    env,
    io::{self, IsTerminal, Write},
};

use crate::{
    Capture, Host, LabError, RunArgs, Running, Topology, Walk, WebServer, curl, interrupt,
    labs::{Action, CLIENT, DIRECTOR, Family, HostPlan, Method, Plan, Role, plan},
    report::{Answers, Command, HostReport, Report, ServerReport, Tables, macs},
    xvs::Xvs,
};

/// Runs the lab of `method`. Whatever happens, nothing of it is left, unless it is to be kept and
/// came up.
pub(crate) fn conduct(method: Method, run: &RunArgs) -> Result<Report, LabError> {
    require_tools(run)?;
    let family = if run.ipv6 { Family::V6 } else { Family::V4 };
    let plan = plan(method, family);
    progress(method, "building its hosts");
    let lab = Lab::build(plan, run)?;
    progress(method, &format!("sending {} requests", run.requests));
    let mut report = lab.experiment(run)?;
    let left = if run.keep {
        lab.topology.keep()
    } else {
        lab.topology.down()
    };
    // What the lab showed is told even when its end went wrong.
    report
        .problems
        .extend(left.err().map(|error| error.to_string()));
    Ok(report)
}

/// A lab whose hosts are up and configured.
struct Lab {
    plan: Plan,
    topology: Topology,
    hosts: BTreeMap<&'static str, Host>,
    servers: BTreeMap<&'static str, WebServer>,
    xvs: Xvs,
    commands: Vec<Command>,
    /// Held so that it is reaped when it ends; the topology ends it.
    _daemon: Running,
}

impl Lab {
    fn build(plan: Plan, run: &RunArgs) -> Result<Self, LabError> {
        let topology = Topology::named(&plan.method.lab())?;
        let hosts = make_hosts(&topology, &plan, run)?;
        let mut servers = BTreeMap::new();
        for server in plan.real_servers() {
            interrupt::check()?;
            let host = host(&hosts, server.name)?;
            servers.insert(server.name, WebServer::start(host, plan.web_port)?);
        }
        let xvs = Xvs::new(&plan.method.lab())?;
        let director = host(&hosts, DIRECTOR)?;
        interrupt::check()?;
        let daemon = xvs.start(&topology, director, run.hook.name())?;
        let mut commands = vec![Command {
            host: DIRECTOR.to_owned(),
            line: format!("xvs {}", xvs.run_line(director, run.hook.name())),
            seed: None,
            note: None,
        }];
        for step in &plan.steps {
            interrupt::check()?;
            xvs.take(&topology, host(&hosts, step.host)?, step)?;
            commands.push(Command {
                host: step.host.to_owned(),
                line: match &step.action {
                    Action::Done(line) => line.clone(),
                    Action::Ipvsadm(arguments) => format!("ipvsadm {arguments}"),
                    Action::Xvs { up, .. } => format!("xvs {up}"),
                },
                seed: step.seed.clone(),
                note: step.note.map(str::to_owned),
            });
        }
        Ok(Self {
            plan,
            topology,
            hosts,
            servers,
            xvs,
            commands,
            _daemon: daemon,
        })
    }

    fn experiment(&self, run: &RunArgs) -> Result<Report, LabError> {
        let wiring = self.topology.wiring()?;
        let client = host(&self.hosts, CLIENT)?;
        let url = self.url();
        let mut answers = Answers::expecting(self.servers.keys().copied(), run.requests);
        for _ in 1..run.requests {
            interrupt::check()?;
            answers.count(curl::get(client, &url));
        }
        // The last request is the one that is walked: by then every neighbour is known.
        interrupt::check()?;
        let capture = Capture::start(&self.hosts.values().cloned().collect::<Vec<_>>())?;
        let last = curl::get(client, &url);
        let sightings = capture.finish()?;
        interrupt::check()?;
        let walk = last
            .as_ref()
            .ok()
            .map(|answer| Walk::assemble(&sightings, &wiring, answer.client_port));
        answers.count(last);
        let mut servers = Vec::new();
        for (name, server) in &self.servers {
            servers.push(ServerReport::new(
                name,
                &server.files().clients()?,
                self.plan.client,
            ));
        }
        let tables = Tables {
            virtual_servers: self.xvs.ipvsadm("-Ln")?,
            connections: self.xvs.ipvsadm("-Lnc")?,
        };
        let report = Report {
            lab: self.plan.method,
            title: self.plan.title,
            family: self.plan.family,
            hook: run.hook.name(),
            hosts: self.plan.hosts.iter().map(HostReport::new).collect(),
            commands: self.commands.clone(),
            url,
            macs: macs(&wiring),
            replies_pass_the_director: walk.as_ref().map(|walk| walk.returns_through(DIRECTOR)),
            walk,
            answers,
            real_servers: servers,
            tables,
            problems: Vec::new(),
        };
        Ok(report.judged())
    }

    fn url(&self) -> String {
        match self.plan.family {
            Family::V4 => format!("http://{}/", self.plan.vip),
            Family::V6 => format!("http://[{}]/", self.plan.vip),
        }
    }
}

fn make_hosts(
    topology: &Topology,
    plan: &Plan,
    run: &RunArgs,
) -> Result<BTreeMap<&'static str, Host>, LabError> {
    let mut hosts = BTreeMap::new();
    for host in &plan.hosts {
        interrupt::check()?;
        hosts.insert(host.name, topology.host(host.name)?);
    }
    for (number, wire) in (1..).zip(&plan.wires) {
        interrupt::check()?;
        let ends = [wire.0, wire.1].map(|end| end.split_once('.').unwrap_or((end, "")));
        let [(near, near_link), (far, far_link)] = ends;
        let (near, far) = (host(&hosts, near)?, host(&hosts, far)?);
        topology.link((near, near_link), (far, far_link))?;
        for (side, (host, link)) in [(1, (near, near_link)), (2, (far, far_link))] {
            // Locally administered addresses that a learner can tell apart.
            host.mac(link, &format!("02:00:00:00:{number:02x}:{side:02x}"))?;
            if run.hook.is_xdp() {
                // A frame that XDP redirects into a veth is lost unless the far end does GRO, and a
                // frame whose checksum was left to an offload never gets one.
                host.offload(link, "gro", true)?;
                host.offload(link, "tx", false)?;
            }
        }
    }
    for host_plan in &plan.hosts {
        interrupt::check()?;
        set_up(host(&hosts, host_plan.name)?, host_plan, plan)?;
    }
    Ok(hosts)
}

/// Addresses, routes and what the role asks for; what concerns xvs is left to its own commands.
fn set_up(host: &Host, plan: &HostPlan, lab: &Plan) -> Result<(), LabError> {
    for (link, address) in &plan.addresses {
        host.address(link, address)?;
    }
    match plan.role {
        Role::Router => {
            host.sysctl("net.ipv4.ip_forward", "1")?;
            host.sysctl("net.ipv6.conf.all.forwarding", "1")?;
            // Real servers of TUN answer from the VIP, whose network is behind another link.
            for link in ["all", "default"]
                .into_iter()
                .chain(plan.addresses.iter().map(|(link, _)| *link))
            {
                host.sysctl(&format!("net/ipv4/conf/{link}/rp_filter"), "0")?;
            }
        }
        Role::Switch => {
            let ports: Vec<_> = lab
                .wires
                .iter()
                .flat_map(|wire| [wire.0, wire.1])
                .filter_map(|end| end.split_once('.'))
                .filter_map(|(name, link)| (name == plan.name).then_some(link))
                .collect();
            host.bridge("bridge", &ports)?;
        }
        Role::Client | Role::Director | Role::RealServer => {}
    }
    for (destination, gateway) in &plan.routes {
        host.route(destination, gateway)?;
    }
    Ok(())
}

fn host<'h>(hosts: &'h BTreeMap<&'static str, Host>, name: &str) -> Result<&'h Host, LabError> {
    hosts.get(name).ok_or_else(|| LabError::NoSuchHost {
        host: name.to_owned(),
        hosts: hosts.keys().copied().collect::<Vec<_>>().join(" "),
    })
}

/// Says on a terminal what takes its time.
fn progress(method: Method, what: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        // Progress that cannot be shown changes nothing.
        let _ = writeln!(stderr, "xvs lab {}: {what}", method.name());
    }
}

fn require_tools(run: &RunArgs) -> Result<(), LabError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let ethtool = run.hook.is_xdp().then_some(("ethtool", "ethtool"));
    let needed = [
        ("ip", "iproute2"),
        ("nginx", "nginx-light"),
        ("curl", "curl"),
    ];
    for (tool, package) in needed.into_iter().chain(ethtool) {
        if !env::split_paths(&path).any(|folder| folder.join(tool).is_file()) {
            return Err(LabError::ToolMissing { tool, package });
        }
    }
    Ok(())
}
