//! A director that is a dataplane without network: frames are handed to the programs.

use std::{io, path::Path, sync::Arc, time::Duration};

use xvs_datapath::native::{Sizes, Tables, World};
use xvs_dataplane::{
    Atomicity, Bpf, BpfOptions, Dataplane, Hook,
    testing::{Action, Clock, Ran},
};
use xvs_ipvsadm::{Face, NumericNames, Streams};
use xvs_types::{Op, Setting};

use crate::{
    Answer, Director, Network, Seen, command,
    firewall::Firewall,
    host,
    namespace::{self, Namespace},
    network::Arrival,
    plane::Plane,
    receiver,
    wire::Wire,
};

/// Milliseconds between two frames, as the recorder left them.
const QUIET: u64 = 8;
/// How long the kernel takes to let a frame come in once more.
const RETURN: Duration = Duration::from_millis(2);

/// Bytes of a frame that `BPF_PROG_TEST_RUN` takes: Ethernet and IPv4 header. The host drops what is
/// shorter.
const SHORTEST: usize = 34;

/// A dataplane whose network is told, not read.
pub struct Offline {
    plane: Plane,
    firewall: Firewall,
    hook: Hook,
    time: Time,
    /// Frames that come in once more.
    again: Vec<Vec<u8>>,
    /// What arrives at the legs of the kernel.
    legs: Vec<(String, Wire)>,
}

/// What passes for time.
enum Time {
    /// A clock of ours.
    Told {
        clock: Clock,
        /// Milliseconds times jiffies a second that are not yet a jiffy.
        rest: u64,
    },
    /// The kernel's; what did not pass is added to the age of every connection. The programs ask the
    /// routing table of the namespace.
    Kernel(Option<Seat>),
}

/// A namespace with the legs, and their far ends.
struct Seat {
    _namespace: Namespace,
    wires: Vec<Wire>,
}

impl Offline {
    /// A dataplane whose maps and programs are in this process, with a virtual clock.
    ///
    /// # Errors
    ///
    /// None is known; the dataplane's own.
    pub fn native(network: &Network, hook: Hook) -> Result<Self, String> {
        let sizes = Sizes {
            set_bits: 9,
            overflow: 1024,
            virtual_servers: 1024,
            real_servers: 512,
            blocks: 1024,
            locals: 16,
            next_hops: 65_536,
        };
        let clock = Clock::new(World::START);
        let tables = Arc::new(Tables::empty(World::SEED, &sizes));
        let dataplane = Bpf::in_process(&tables, &clock, network.routes());
        let dataplane = dataplane.map_err(|error| error.to_string())?;
        let mut offline = Self {
            plane: Plane::new(dataplane, network),
            firewall: Firewall::default(),
            hook,
            time: Time::Told { clock, rest: 0 },
            again: Vec::new(),
            legs: Vec::new(),
        };
        offline.begin(network, hook)?;
        Ok(offline)
    }

    /// The loaded programs, run by `BPF_PROG_TEST_RUN`; their pins are under `pins`. Needs root, and
    /// [`Offline::begin`] before the first frame.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses the programs.
    pub fn programs(pins: &Path) -> Result<Self, String> {
        let options = BpfOptions {
            pins: pins.to_owned(),
            connections: Some(4096),
        };
        let dataplane = Bpf::open(&options).map_err(|error| error.to_string())?;
        Ok(Self {
            plane: Plane::new(dataplane, &Network::default()),
            firewall: Firewall::default(),
            hook: Hook::Tcx,
            time: Time::Kernel(None),
            again: Vec::new(),
            legs: Vec::new(),
        })
    }

    /// Begins anew with this network, at this hook.
    ///
    /// # Errors
    ///
    /// Where its links cannot be made.
    pub fn begin(&mut self, network: &Network, hook: Hook) -> Result<(), String> {
        self.hook = hook;
        self.plane.begin(network);
        self.firewall = Firewall::default();
        if let Time::Kernel(held) = &mut self.time {
            let failed = |error| format!("cannot make the links: {error}");
            let namespace = Namespace::new().map_err(failed)?;
            namespace.enter().map_err(failed)?;
            namespace::set();
            namespace::ip(&network.wires(None)).map_err(failed)?;
            self.legs = network
                .legs()
                .map(|leg| Ok((leg.to_owned(), Wire::open(leg)?)))
                .collect::<io::Result<_>>()
                .map_err(failed)?;
            let wires = network.legs().map(|leg| Wire::open(&format!("far-{leg}")));
            let wires = wires.collect::<io::Result<_>>();
            *held = Some(Seat {
                wires: wires.map_err(|error| format!("cannot listen on the wires: {error}"))?,
                _namespace: namespace,
            });
        }
        let links = network.attachments(self.hook);
        self.plane.dataplane.know_links(&links);
        Ok(())
    }

    fn pass_time(&mut self, milliseconds: u64) {
        match &mut self.time {
            Time::Told { clock, rest } => {
                let due = *rest + milliseconds * u64::from(World::HZ);
                *rest = due % 1000;
                clock.advance(u32::try_from(due / 1000).unwrap_or(u32::MAX));
            }
            Time::Kernel(_) => self.plane.dataplane.age(milliseconds),
        }
    }

    fn ipvsadm(&mut self, words: &[String]) -> Answer {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let status = xvs_ipvsadm::run(
            Face::Ipvsadm,
            words,
            &mut self.plane,
            &NumericNames,
            &mut Streams {
                stdin: &mut io::empty(),
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
        let Some((name, value)) = setting.split_once('=') else {
            return Answer::refused(format!("`{setting}` is no setting"));
        };
        if let Some(name) = name.strip_prefix("net.ipv4.vs.") {
            return self.setting(name, value);
        }
        if name == "net.ipv4.ip_forward" {
            self.plane.network.set_forwarding(value == "1");
            self.plane.route();
        }
        if matches!(self.time, Time::Kernel(_)) {
            let path = format!("/proc/sys/{}", path_of(name));
            if let Err(error) = std::fs::write(&path, value) {
                return Answer::refused(format!("cannot write `{path}`: {error}"));
            }
        }
        Answer::default()
    }

    fn setting(&mut self, name: &str, value: &str) -> Answer {
        let parsed = name
            .parse::<Setting>()
            .and_then(|setting| Ok((setting, setting.parse_value(value)?)));
        match parsed {
            Ok((setting, Some(value))) => {
                let op = Op::SetSetting { setting, value };
                let applied = self.plane.dataplane.apply(&[op], Atomicity::AllOrNothing);
                match applied.into_iter().find_map(Result::err) {
                    Some(error) => Answer::refused(error.to_string()),
                    None => Answer::default(),
                }
            }
            Ok((_, None)) => Answer::default(),
            Err(error) => Answer::refused(error.to_string()),
        }
    }

    fn ip_route(&mut self, line: &str, words: &[&str]) -> Answer {
        if let Err(error) = self.plane.network.ip_route(words) {
            return Answer::refused(error);
        }
        let command = line.strip_prefix("ip ").unwrap_or(line);
        let command = command.strip_prefix("-6 ").unwrap_or(command);
        if matches!(self.time, Time::Kernel(_))
            && let Err(error) = namespace::ip(&format!("{command}\n"))
        {
            return Answer::refused(error.to_string());
        }
        self.plane.route();
        Answer::default()
    }

    /// Puts a frame into the programs; those that leave join `frames`.
    fn put(
        &mut self,
        leg: &str,
        frame: &[u8],
        frames: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<Seen, String> {
        let Some(ran) = self.take(leg, frame)? else {
            return Ok(Seen::nothing());
        };
        self.again.extend(ran.again);
        if ran.action == Action::Pass {
            return Ok(Seen::Passed(ran.frame));
        }
        if ran.action == Action::Drop {
            return Ok(Seen::nothing());
        }
        let (to, from) = (ran.frame.get(..6), ran.frame.get(6..12));
        // The kernel writes the addresses when it has resolved them.
        if from == Some(&[0; 6]) || to == frame.get(..6) {
            return Ok(Seen::Waiting);
        }
        let copies = self.copies(ran.copies).map_err(|error| error.to_string())?;
        for frame in copies.into_iter().chain([ran.frame]) {
            let sent = self.plane.network.depart(frame);
            frames.push(sent.ok_or("a frame left with an address that is no leg's")?);
        }
        Ok(Seen::nothing())
    }

    /// Frames that the programs in the kernel let come in once more by a leg: only fragments do.
    fn returned(&self, leg: &str, frame: &[u8]) -> Vec<Vec<u8>> {
        let mut returned = Vec::new();
        let Some((_, link)) = self.legs.iter().find(|(name, _)| name == leg) else {
            return returned;
        };
        if receiver::is_fragment(frame) {
            std::thread::sleep(RETURN);
        }
        while let Ok(Some(frame)) = link.receive() {
            returned.push(frame);
        }
        // The namespace's own stack gets them too; what it answers is nobody's.
        if let (false, Time::Kernel(Some(seat))) = (returned.is_empty(), &self.time) {
            for wire in &seat.wires {
                while let Ok(Some(_answer)) = wire.receive() {}
            }
        }
        returned
    }

    fn ip_link(&mut self, words: &[&str]) -> Answer {
        let commands = match self.plane.network.ip_link(words) {
            Ok(commands) => commands,
            Err(error) => return Answer::refused(error),
        };
        if matches!(self.time, Time::Kernel(_))
            && let Err(error) = namespace::ip(&commands)
        {
            return Answer::refused(error.to_string());
        }
        let links = self.plane.network.attachments(self.hook);
        self.plane.dataplane.know_links(&links);
        self.plane.route();
        Answer::default()
    }

    /// What the director makes of a frame: a tagged one XDP passes, and tcx sees it without its tag.
    fn take(&mut self, leg: &str, frame: &[u8]) -> Result<Option<Ran>, String> {
        let ifindex = self.plane.network.ifindex(leg);
        let ifindex = ifindex.ok_or_else(|| format!("there is no leg `{leg}`"))?;
        if frame.len() < SHORTEST && matches!(self.time, Time::Kernel(_)) {
            return Ok(None);
        }
        let (ifindex, inner) = match self.plane.network.arrive(leg, frame) {
            Arrival::Own { frame, tagged } if !tagged => {
                return self.decide(ifindex, &frame).map(Some);
            }
            Arrival::Own { frame, .. } => (ifindex, Some(frame)),
            Arrival::Vlan { ifindex, frame } => (ifindex, Some(frame)),
            Arrival::Lost => (ifindex, None),
        };
        if self.hook != Hook::Tcx {
            let below = self.plane.network.ifindex(leg).unwrap_or(ifindex);
            let ran = self.plane.dataplane.run(self.hook, below, frame);
            let ran = ran.map_err(|error| error.to_string())?;
            if ran.action != Action::Pass {
                return Ok(Some(ran));
            }
        }
        let Some(inner) = inner else {
            return Ok(None);
        };
        let ran = self.plane.dataplane.run(Hook::Tcx, ifindex, &inner);
        ran.map(Some).map_err(|error| error.to_string())
    }

    /// Runs the programs of the hook, and where XDP passes the frame those of its companion.
    fn decide(&mut self, ifindex: u32, frame: &[u8]) -> Result<Ran, String> {
        let dataplane = &mut self.plane.dataplane;
        let mut ran = dataplane.run(self.hook, ifindex, frame);
        if self.hook != Hook::Tcx
            && let Ok(passed) = &ran
            && passed.action == Action::Pass
        {
            ran = dataplane.run(Hook::Tcx, ifindex, &passed.frame);
        }
        let ran = ran.map_err(|error| error.to_string())?;
        if ran.action == Action::Pass {
            self.bring(ran)
        } else {
            Ok(ran)
        }
    }

    /// The frames that left before the last: what the programs of this process sent, or what is on the
    /// wires of the kernel's.
    fn copies(&self, told: Vec<Vec<u8>>) -> io::Result<Vec<Vec<u8>>> {
        let mut frames = told;
        if let Time::Kernel(Some(seat)) = &self.time {
            for wire in &seat.wires {
                while let Some(frame) = wire.receive()? {
                    if !host::is_noise(&frame) {
                        frames.push(frame);
                    }
                }
            }
        }
        Ok(frames)
    }

    /// Marks a packet that was passed, and brings it back where the daemon's routing rules do.
    fn bring(&mut self, passed: Ran) -> Result<Ran, String> {
        let mark = self.firewall.mark(&passed.frame);
        let Some(frame) = self.plane.brought(mark, &passed.frame) else {
            return Ok(passed);
        };
        let dataplane = &mut self.plane.dataplane;
        let ran = dataplane.run_marked(Network::BROUGHT_BY, mark, &frame);
        ran.map_err(|error| error.to_string())
    }
}

impl Director for Offline {
    fn run(&mut self, line: &str) -> Answer {
        let words = command::words(line);
        let refs: Vec<&str> = words.iter().map(String::as_str).collect();
        match refs.as_slice() {
            ["ipvsadm", ..] => self.ipvsadm(&words),
            ["sysctl", "-qw", setting] => self.sysctl(setting),
            ["nft", command] if self.firewall.take(command) => Answer::default(),
            ["nft", "add", "table", ..] => Answer::default(),
            ["ip", "route", rest @ ..] | ["ip", "-6", "route", rest @ ..] => {
                self.ip_route(line, rest)
            }
            ["ip", rest @ ..] => self.ip_link(rest),
            _ => Answer::refused(format!("there is no `{line}` without a network")),
        }
    }

    fn inject(&mut self, leg: &str, frame: &[u8], _awaited: usize) -> Result<Seen, String> {
        self.pass_time(QUIET);
        if self.plane.dataplane.rules().is_empty() {
            // The daemon attaches nothing while there is no virtual server.
            return Ok(Seen::Passed(frame.to_vec()));
        }
        let mut frames = Vec::new();
        let seen = self.put(leg, frame, &mut frames)?;
        self.plane.follow();
        // What comes in once more is as any other frame; what the host takes of it sends nothing.
        let mut again = std::mem::take(&mut self.again);
        again.extend(self.returned(leg, frame));
        for frame in again {
            if self.put(leg, &frame, &mut frames)? == Seen::Waiting {
                return Err("a fragment waits for its neighbour".to_owned());
            }
        }
        Ok(match seen {
            Seen::Passed(_) | Seen::Waiting if frames.is_empty() => seen,
            _ => Seen::Frames(frames),
        })
    }

    fn leave(&mut self, leg: &str, frame: &[u8]) -> Result<Seen, String> {
        let ifindex = self.plane.network.ifindex(leg);
        let ifindex = ifindex.ok_or_else(|| format!("there is no leg `{leg}`"))?;
        let ran = self.plane.dataplane.leave(ifindex, frame);
        let ran = ran.map_err(|error| error.to_string())?;
        Ok(match ran.action {
            Action::Pass => Seen::Frames(vec![(leg.to_owned(), ran.frame)]),
            Action::Drop | Action::Send => Seen::nothing(),
        })
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

/// The path of a setting below `/proc/sys`: in its name a slash stands for a dot of a link's name.
fn path_of(name: &str) -> String {
    let swap = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    name.chars().map(swap).collect()
}
