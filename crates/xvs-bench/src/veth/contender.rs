//! Who carries the frames, and how each is set up and taken away.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use xvs_dataplane::Hook;
use xvs_types::Scheduler;

use super::{
    FAMILY, guest,
    wires::{On, Wires},
};
use crate::{
    director::{Director, Method, NEIGHBOUR, PORT},
    kernel,
    program::frame::{ACK, SYN, Segment, WHOLE},
};

/// Real servers behind the VIP.
const SERVERS: u32 = 8;
/// The ruleset of the kernel's NAT: the real servers in turn.
pub(crate) const RULES: &str = "table ip bench {
  chain pre {
    type nat hook prerouting priority -100
    ip daddr 10.200.0.1 tcp dport 80 dnat to 10.128.0.0:8080
  }
}
";

/// What carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Dropped at the ingress of a hook: what generator and link cost.
    Drop(Hook),
    /// The kernel's forwarding.
    Forwarding,
    /// The kernel's IPVS.
    Ipvs(Method),
    /// The kernel's NAT, set up by nft.
    Nftables,
    /// Redirected without a look.
    Redirect(Hook),
    /// Sent back where it came from at XDP, its link-layer addresses swapped (`XDP_TX`).
    Return,
    /// xvs.
    Xvs(Hook, Method),
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) kind: Kind,
}

/// A contender that is set up.
pub(super) struct Standing {
    director: Option<Director>,
    on: Vec<On>,
    undo: Vec<(&'static str, String)>,
}

impl Standing {
    /// Lets the daemon's part be done.
    pub(super) fn keep_alive(&mut self) {
        if let Some(director) = &mut self.director {
            director.keep_alive();
        }
    }

    /// Takes it away.
    pub(super) fn end(self) -> anyhow::Result<()> {
        drop((self.director, self.on));
        for (program, arguments) in self.undo {
            kernel::command(program, &arguments)?;
        }
        Ok(())
    }
}

impl Contender {
    /// All that this kernel has, floors first.
    pub(super) fn all() -> Vec<Self> {
        let mut kinds = vec![
            Kind::Drop(Hook::Xdp),
            Kind::Drop(Hook::Tcx),
            Kind::Redirect(Hook::Xdp),
            Kind::Redirect(Hook::Tcx),
            Kind::Return,
            Kind::Forwarding,
            Kind::Nftables,
        ];
        if guest::has_ipvs() {
            // The kernel has no FULLNAT.
            kinds.extend([Method::Nat, Method::Dr, Method::Tun].map(Kind::Ipvs));
        }
        for hook in [Hook::Xdp, Hook::Tcx] {
            kinds.extend(Method::ALL.map(|method| Kind::Xvs(hook, method)));
        }
        kinds.into_iter().map(|kind| Self { kind }).collect()
    }

    /// As it stands in the table.
    pub(super) fn name(self) -> String {
        match self.kind {
            Kind::Drop(hook) => format!("dropped at {hook}"),
            Kind::Forwarding => "kernel forwarding".to_owned(),
            Kind::Ipvs(method) => format!("kernel IPVS {}", method.name()),
            Kind::Nftables => "nftables DNAT".to_owned(),
            Kind::Redirect(hook) => format!("plain redirect at {hook}"),
            Kind::Return => "addresses swapped and sent back at xdp".to_owned(),
            Kind::Xvs(hook, method) => format!("xvs {} {hook}", method.name()),
        }
    }

    /// Whose cost is taken off.
    pub(super) fn floor(self) -> Kind {
        Kind::Drop(self.hook())
    }

    /// Whether the frames reach the sink.
    pub(super) fn delivers(self) -> bool {
        !matches!(self.kind, Kind::Drop(_))
    }

    /// Whether it knows connections, so that new ones are worth measuring.
    pub(super) fn connects(self) -> bool {
        matches!(self.kind, Kind::Ipvs(_) | Kind::Xvs(..))
    }

    /// The segments that open a connection.
    pub(super) fn opening(self) -> &'static [u8] {
        match self.kind {
            // Without the server's answer an acknowledgement would be invalid to the kernel's
            // connection tracking; one in the middle of a connection is taken up.
            Kind::Nftables => &[ACK],
            Kind::Ipvs(_) | Kind::Xvs(..) => &[SYN, ACK],
            _ => &[],
        }
    }

    /// The frame of client 0 for this contender.
    pub(super) fn segment(self, wires: &Wires, flags: u8) -> Segment {
        let to = match self.kind {
            Kind::Forwarding => (FAMILY.server(0), 8080),
            Kind::Ipvs(method) => (FAMILY.vip(), ipvs_port(method)),
            _ => (FAMILY.vip(), PORT),
        };
        Segment {
            macs: [wires.clients().1, NEIGHBOUR],
            source: (FAMILY.client(), 0),
            destination: to,
            flags,
            fragment: WHOLE,
        }
    }

    /// Sets it up.
    pub(super) fn stand(self, wires: &mut Wires) -> anyhow::Result<Standing> {
        let mut standing = Standing {
            director: None,
            on: vec![if self.kind == Kind::Return {
                wires.sink_of_client()?
            } else {
                wires.sink(self.hook())?
            }],
            undo: Vec::new(),
        };
        match self.kind {
            Kind::Drop(hook) => {
                let name = if hook == Hook::Tcx {
                    "sink_tcx"
                } else {
                    "sink_xdp"
                };
                standing.on.push(wires.at_ingress(name)?);
            }
            Kind::Redirect(hook) => {
                let name = if hook == Hook::Tcx {
                    "wire_tcx"
                } else {
                    "wire_xdp"
                };
                standing.on.push(wires.at_ingress(name)?);
            }
            Kind::Return => standing.on.push(wires.at_ingress("floor_xdp_swap")?),
            Kind::Forwarding => {}
            Kind::Nftables => {
                feed("nft", &["-f", "-"], RULES)?;
                standing.undo = vec![("nft", "delete table ip bench".to_owned())];
            }
            Kind::Ipvs(method) => {
                feed("ipvsadm", &["-R"], &ipvs_rules(method))?;
                kernel::ip(&format!("addr add {}/32 dev lo", FAMILY.vip()))?;
                standing.undo = vec![
                    ("ipvsadm", "-C".to_owned()),
                    ("ip", format!("addr del {}/32 dev lo", FAMILY.vip())),
                ];
            }
            Kind::Xvs(hook, method) => {
                let mut director = Director::open(1 << 20, hook)?;
                director.serve(FAMILY, method, Scheduler::Rr, SERVERS)?;
                standing.director = Some(director);
            }
        }
        Ok(standing)
    }

    /// Where its floor and its sink are.
    fn hook(self) -> Hook {
        match self.kind {
            Kind::Drop(hook) | Kind::Redirect(hook) | Kind::Xvs(hook, _) => hook,
            Kind::Return => Hook::Xdp,
            _ => Hook::Tcx,
        }
    }
}

/// The port of a method: the kernel keeps the connections of a virtual server that is gone, and drops
/// their packets.
fn ipvs_port(method: Method) -> u16 {
    match method {
        Method::Nat | Method::Fullnat => PORT,
        Method::Dr => PORT + 1,
        Method::Tun => PORT + 2,
    }
}

fn ipvs_rules(method: Method) -> String {
    let own = ipvs_port(method);
    let (flag, port) = match method {
        Method::Tun => ("-i", own),
        Method::Dr => ("-g", own),
        Method::Nat | Method::Fullnat => ("-m", 8080),
    };
    let vip = format!("{}:{own}", FAMILY.vip());
    let mut rules = format!("-A -t {vip} -s rr\n");
    for number in 0..SERVERS {
        let server = FAMILY.server(number);
        rules.push_str(&format!("-a -t {vip} -r {server}:{port} {flag}\n"));
    }
    rules
}

/// Runs a program on an input.
pub(crate) fn feed(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("run `{program}`"))?;
    child
        .stdin
        .take()
        .context("the program's input")?
        .write_all(input.as_bytes())?;
    let status = child.wait()?;
    ensure!(status.success(), "`{program}` ended with {status}");
    Ok(())
}
