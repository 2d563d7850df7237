//! A director that is a dataplane without network: frames are handed to the programs.

use xvs_datapath::{
    abi::setting_flag,
    native::{Sizes, Tables, World},
};
use xvs_dataplane::{
    Atomicity, Bpf, ConnectionFilter, Dataplane, Hook, OpenError,
    testing::{Action, Clock},
};
use xvs_ipvsadm::{Backend, BackendError, Face, NumericNames, Streams};
use xvs_types::{
    ConnectionListing, Op, OpError, SyncDaemon, Timeouts, VirtualServerId, VirtualServerListing,
};

use crate::{Answer, Director, Network, Seen, command};

/// Milliseconds between two frames, as the recorder left them.
const QUIET: u64 = 8;

/// A dataplane whose network is told, not read.
pub struct Offline {
    plane: Plane,
    hook: Hook,
    clock: Clock,
    /// Milliseconds that are not yet a jiffy.
    rest: u64,
}

/// The dataplane and what the director around it knows.
struct Plane {
    dataplane: Bpf,
    network: Network,
}

impl Offline {
    /// A dataplane in this process.
    ///
    /// # Errors
    ///
    /// As [`Bpf::in_process`].
    pub fn native(network: &Network, hook: Hook) -> Result<Self, OpenError> {
        let sizes = Sizes {
            set_bits: 9,
            overflow: 1024,
            virtual_servers: 64,
            real_servers: 512,
            blocks: 1024,
            locals: 16,
            next_hops: 65_536,
        };
        let clock = Clock::new(World::START);
        let tables = Tables::empty(World::SEED, &sizes).into();
        let mut dataplane = Bpf::in_process(&tables, &clock, network.routes())?;
        dataplane.set_local_prefixes(network.local_prefixes());
        dataplane.attach(&network.attachments(hook));
        Ok(Self {
            plane: Plane {
                dataplane,
                network: network.clone(),
            },
            hook,
            clock,
            rest: 0,
        })
    }

    /// The network as commands have left it.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.plane.network
    }

    fn pass_time(&mut self, milliseconds: u64) {
        let due = self.rest + milliseconds * u64::from(World::HZ);
        self.rest = due % 1000;
        self.clock
            .advance(u32::try_from(due / 1000).unwrap_or(u32::MAX));
    }

    fn ipvsadm(&mut self, words: &[String]) -> Answer {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let status = xvs_ipvsadm::run(
            Face::Ipvsadm,
            words,
            &mut self.plane,
            &NumericNames,
            &mut Streams {
                stdin: &mut std::io::empty(),
                stdout: &mut stdout,
                stderr: &mut stderr,
            },
        );
        self.plane.follow();
        Answer {
            status: status.into(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    fn sysctl(&mut self, setting: &str) -> Answer {
        match setting.split_once('=') {
            Some(("net.ipv4.ip_forward", value)) => {
                self.plane.network.set_forwarding(value == "1");
                self.plane.route();
                Answer::default()
            }
            // The host's, and of no meaning for frames that are handed to the programs.
            Some((name, _)) if name.starts_with("net.ipv4.conf.") => Answer::default(),
            Some((name, value)) => match name.strip_prefix("net.ipv4.vs.") {
                Some(name) => self.setting(name, value),
                None => unsupported(&format!("the setting `{setting}`")),
            },
            None => unsupported(&format!("the setting `{setting}`")),
        }
    }

    fn setting(&mut self, name: &str, value: &str) -> Answer {
        let flag = match name {
            "conn_reuse_mode" => {
                let mode = value.parse().unwrap_or(1);
                let dataplane = &mut self.plane.dataplane;
                dataplane.edit_settings(|settings| settings.reuse_mode = mode);
                return Answer::default();
            }
            "expire_nodest_conn" => setting_flag::EXPIRE_NODEST_CONN,
            "expire_quiescent_template" => setting_flag::EXPIRE_QUIESCENT_TEMPLATE,
            "sloppy_tcp" => setting_flag::SLOPPY_TCP,
            _ => return unsupported(&format!("the setting `{name}`")),
        };
        self.plane.dataplane.edit_settings(|settings| {
            if value == "0" {
                settings.flags &= !flag;
            } else {
                settings.flags |= flag;
            }
        });
        Answer::default()
    }
}

impl Director for Offline {
    fn run(&mut self, line: &str) -> Answer {
        let words = command::words(line);
        let refs: Vec<&str> = words.iter().map(String::as_str).collect();
        match refs.as_slice() {
            ["ipvsadm", ..] => self.ipvsadm(&words),
            ["sysctl", "-qw", setting] => self.sysctl(setting),
            ["ip", "route", rest @ ..] | ["ip", "-6", "route", rest @ ..] => {
                match self.plane.network.ip_route(rest) {
                    Ok(()) => {
                        self.plane.route();
                        Answer::default()
                    }
                    Err(error) => unsupported(&error),
                }
            }
            _ => unsupported(&format!("`{line}`")),
        }
    }

    fn inject(&mut self, leg: &str, frame: &[u8]) -> Seen {
        self.pass_time(QUIET);
        let Some(ifindex) = self.plane.network.ifindex(leg) else {
            return Seen::nothing();
        };
        let mut ran = self.plane.dataplane.run(self.hook, ifindex, frame);
        if self.hook != Hook::Tcx
            && let Ok(passed) = &ran
            && passed.action == Action::Pass
        {
            // The companion sees what XDP leaves.
            ran = self.plane.dataplane.run(Hook::Tcx, ifindex, &passed.frame);
        }
        self.plane.follow();
        match ran {
            Ok(ran) if ran.action == Action::Pass => Seen::Passed(ran.frame),
            Ok(ran) if ran.action == Action::Send => {
                let network = &self.plane.network;
                let (to, from) = (ran.frame.get(..6), ran.frame.get(6..12));
                // The kernel writes the addresses when it has resolved them.
                if from == Some(&[0; 6]) || to == frame.get(..6) {
                    return Seen::Waiting;
                }
                let leg = from.and_then(|from| network.leg_of(from)).unwrap_or("none");
                Seen::Frames(vec![(leg.to_owned(), ran.frame)])
            }
            Ok(_) => Seen::nothing(),
            Err(error) => Seen::Frames(vec![("none".to_owned(), error.to_string().into_bytes())]),
        }
    }

    fn wait(&mut self, milliseconds: u64) -> Seen {
        // The daemon looks at its tables every second.
        let mut left = milliseconds;
        while left > 0 {
            let step = left.min(1000);
            self.pass_time(step);
            self.plane.dataplane.housekeep();
            left -= step;
        }
        Seen::nothing()
    }
}

fn unsupported(what: &str) -> Answer {
    Answer {
        status: -1,
        stderr: format!("not supported: {what}"),
        ..Answer::default()
    }
}

impl Plane {
    /// Tells the dataplane what it needs to know of the network, as the daemon does.
    fn follow(&mut self) {
        for destination in self.dataplane.destinations() {
            let route = self.network.route(destination);
            self.dataplane.set_route(destination, route);
        }
        for neighbour in self.dataplane.neighbours() {
            let resolved = self.network.resolve(neighbour.ifindex, neighbour.address);
            self.dataplane.set_neighbour(neighbour, resolved);
        }
    }

    /// Makes the routing table what commands have left.
    fn route(&mut self) {
        self.dataplane
            .set_local_prefixes(self.network.local_prefixes());
        self.dataplane.set_routes(self.network.routes());
        self.dataplane.forget_client_routes();
        self.follow();
    }
}

impl Backend for Plane {
    fn open(&mut self, _instance: Option<&str>) -> Result<(), BackendError> {
        Ok(())
    }

    fn apply_each(&mut self, ops: &[Op]) -> Result<Vec<Result<(), OpError>>, BackendError> {
        Ok(self.dataplane.apply(ops, Atomicity::OneByOne))
    }

    fn apply_all(&mut self, ops: &[Op]) -> Result<Result<(), (usize, OpError)>, BackendError> {
        let results = self.dataplane.apply(ops, Atomicity::AllOrNothing);
        let refused = results
            .into_iter()
            .enumerate()
            .find_map(|(place, result)| Some((place, result.err()?)));
        Ok(refused.map_or(Ok(()), Err))
    }

    fn virtual_servers(&mut self) -> Result<Vec<VirtualServerListing>, BackendError> {
        Ok(self.dataplane.virtual_servers())
    }

    fn virtual_server(
        &mut self,
        id: &VirtualServerId,
    ) -> Result<Option<VirtualServerListing>, BackendError> {
        let all = self.dataplane.virtual_servers();
        Ok(all.into_iter().find(|listing| listing.config.id == *id))
    }

    fn connections(
        &mut self,
        visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Result<(), BackendError> {
        self.dataplane
            .connections(&ConnectionFilter::default(), visit);
        Ok(())
    }

    fn timeouts(&mut self) -> Result<Timeouts, BackendError> {
        Ok(self.dataplane.timeouts())
    }

    fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, BackendError> {
        Ok(self.dataplane.sync_daemons())
    }
}
