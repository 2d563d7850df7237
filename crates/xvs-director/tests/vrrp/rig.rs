//! Two hosts on a bridge, the programs on them, and what goes over the wire.

use std::{
    io::{BufRead, BufReader, Write},
    net::IpAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

/// The MAC address of host `a`: that of the recordings.
const MAC_A: &str = "c6:3b:40:34:4c:09";

/// Whether the test can run; else it says why not, or fails where it must run.
pub(crate) fn can_run(needs_keepalived: bool) -> bool {
    let missing = if !nix::unistd::Uid::effective().is_root() {
        "root"
    } else if needs_keepalived && !Path::new("/usr/sbin/keepalived").exists() {
        "keepalived"
    } else {
        return true;
    };
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "CI has {missing}"
    );
    eprintln!("skipped: needs {missing}");
    false
}

/// Waits until `done` says so: for `most`, as often as there are processes that want each core.
pub(crate) fn wait_for(what: &str, most: Duration, mut done: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < most || start.elapsed() < most.mul_f64(wanted_by()),
            "waited {:?} for {what}",
            start.elapsed()
        );
        thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

/// How many processes wanted each core within the last minute, one at least.
fn wanted_by() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let load: f64 = load.split(' ').next().unwrap().parse().unwrap();
    let cores = thread::available_parallelism().unwrap().get();
    (load / f64::from(u32::try_from(cores).unwrap())).max(1.0)
}

/// The machine, which tests share unless they measure it.
static MACHINE: RwLock<()> = RwLock::new(());

/// Held for as long as a test runs.
#[expect(dead_code, reason = "a lock is held, not read")]
enum Machine {
    Alone(RwLockWriteGuard<'static, ()>),
    Shared(RwLockReadGuard<'static, ()>),
}

/// Removes the namespaces of tests that were killed; their programs were killed with them.
fn remove_left() {
    let Ok(named) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for namespace in named.flatten() {
        let name = namespace.file_name().into_string().unwrap_or_default();
        let owner = name
            .strip_prefix("xvr")
            .and_then(|rest| rest.split_once('-'))
            .and_then(|(owner, _)| owner.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            // Another test may remove it at the same time.
            let mut remove = Command::new("ip");
            let _gone = remove
                .args(["netns", "del", &name])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Two hosts on a bridge; gone when dropped, or with the next one's begin where the test was killed.
pub(crate) struct Rig {
    name: String,
    folder: tempfile::TempDir,
    frames: Arc<Mutex<Vec<Frame>>>,
    stop: Arc<AtomicBool>,
    capture: Option<JoinHandle<()>>,
    _machine: Machine,
}

/// A frame that host `a` or host `b` sent.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) at: Instant,
    pub(crate) bytes: Vec<u8>,
}

impl Frame {
    /// The sender and the priority, if it is an advertisement.
    pub(crate) fn advert(&self) -> Option<(IpAddr, u8)> {
        let kind = u16::from_be_bytes(*self.bytes.get(12..)?.first_chunk()?);
        match kind {
            0x0800 => {
                let source: [u8; 4] = *self.bytes.get(26..)?.first_chunk()?;
                let message = match self.bytes.get(23)? {
                    112 => 34,
                    51 => 58,
                    _ => return None,
                };
                Some((source.into(), *self.bytes.get(message + 2)?))
            }
            0x86dd if *self.bytes.get(20)? == 112 => {
                let source: [u8; 16] = *self.bytes.get(22..)?.first_chunk()?;
                Some((source.into(), *self.bytes.get(56)?))
            }
            _ => None,
        }
    }

    /// Whether it announces an address: gratuitous ARP or neighbor advertisement.
    pub(crate) fn announces(&self) -> bool {
        match self.bytes.get(12..14) {
            Some([0x08, 0x06]) => self.bytes.get(28..32) == self.bytes.get(38..42),
            Some([0x86, 0xdd]) => {
                self.bytes.get(20) == Some(&58) && self.bytes.get(54) == Some(&136)
            }
            _ => false,
        }
    }
}

impl Rig {
    pub(crate) fn new(area: &str) -> Self {
        let shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        Self::on(Machine::Shared(shared), area)
    }

    /// While no other test runs, for what measures the machine or keeps it busy.
    pub(crate) fn alone(area: &str) -> Self {
        let alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        Self::on(Machine::Alone(alone), area)
    }

    fn on(machine: Machine, area: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static LEFT: Once = Once::new();
        LEFT.call_once(remove_left);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xvr{}-{area}{count}", std::process::id());
        let mut rig = Self {
            name,
            folder: tempfile::tempdir().unwrap(),
            frames: Arc::default(),
            stop: Arc::default(),
            capture: None,
            _machine: machine,
        };
        for host in ["s", "a", "b"] {
            ip(&["netns", "add", &rig.netns(host)]);
            rig.ip(host, "link set lo up");
        }
        rig.ip("s", "link add br0 type bridge mcast_snooping 0");
        rig.ip("s", "link set br0 up");
        for (number, host) in [(1, "a"), (2, "b")] {
            let peer = rig.netns(host);
            rig.ip(
                "s",
                &format!("link add to-{host} type veth peer name eth0 netns {peer}"),
            );
            rig.ip("s", &format!("link set to-{host} master br0 up"));
            if host == "a" {
                rig.ip(host, &format!("link set eth0 address {MAC_A}"));
            }
            rig.sysctl(host, "net.ipv6.conf.eth0.accept_dad=0");
            rig.sysctl(host, "net.ipv6.conf.eth0.router_solicitations=0");
            rig.ip(host, &format!("addr add 10.99.0.{number}/24 dev eth0"));
            rig.ip(host, "link set eth0 up");
        }
        rig.capture = Some(rig.capture());
        rig
    }

    /// The name of the namespace of a host: `a`, `b`, or `s` for the bridge.
    pub(crate) fn netns(&self, host: &str) -> String {
        format!("{}{host}", self.name)
    }

    /// A folder of the test's own.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Runs `ip` on a host.
    pub(crate) fn ip(&self, host: &str, arguments: &str) -> String {
        let netns = self.netns(host);
        let mut all = vec!["-n", &netns];
        all.extend(arguments.split(' '));
        ip(&all)
    }

    pub(crate) fn sysctl(&self, host: &str, setting: &str) {
        let status = Command::new("ip")
            .args(["netns", "exec", &self.netns(host), "sysctl", "-qw", setting])
            .status();
        assert!(status.unwrap().success(), "{setting}");
    }

    /// Keeps the hosts from hearing each other.
    pub(crate) fn part(&self) {
        for host in ["a", "b"] {
            self.ip(
                "s",
                &format!("link set to-{host} type bridge_slave isolated on"),
            );
        }
    }

    /// How many packets a host has sent.
    pub(crate) fn packets_sent(&self, host: &str) -> u64 {
        let shown = self.ip(host, "-j -s link show eth0");
        let (_, sent) = shown.split_once("\"tx\"").unwrap();
        let (_, packets) = sent.split_once("\"packets\":").unwrap();
        packets.split(',').next().unwrap().parse().unwrap()
    }

    /// Whether host `b` hears from the host with an address: nobody listens there, which is told.
    pub(crate) fn answers(&self, address: &str) -> bool {
        let netns = self.netns("b");
        let address = format!("{address}:7").parse().unwrap();
        let refused = thread::spawn(move || {
            xvs_net::enter_netns(&netns).unwrap();
            let limit = Duration::from_millis(300);
            let error = std::net::TcpStream::connect_timeout(&address, limit).unwrap_err();
            error.kind() == std::io::ErrorKind::ConnectionRefused
        });
        refused.join().unwrap()
    }

    /// What a program writes on a host.
    pub(crate) fn output(&self, host: &str, program: &str, arguments: &str) -> String {
        let mut command = self.command(host, Path::new(program));
        command.args(arguments.split(' '));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// Whether a host has an address.
    pub(crate) fn has(&self, host: &str, address: &str) -> bool {
        self.ip(host, "-o addr show")
            .contains(&format!(" {address}/"))
    }

    /// All that was sent so far.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.frames.lock().unwrap().clone()
    }

    /// The advertisements of one host since `from`, with their priorities.
    pub(crate) fn adverts(&self, host: &str, from: Instant) -> Vec<(Instant, u8)> {
        let last = if host == "a" { 1 } else { 2 };
        let frames = self.frames();
        let ours = frames
            .iter()
            .filter(|frame| frame.at >= from)
            .filter_map(|frame| {
                let (source, priority) = frame.advert()?;
                let of_host = match source {
                    IpAddr::V4(source) => source.octets()[3] == last,
                    // The first byte of a MAC address that only host `a` has, in its link-local address.
                    IpAddr::V6(source) => (source.octets()[8..10] == [0xc4, 0x3b]) == (host == "a"),
                };
                of_host.then_some((frame.at, priority))
            });
        ours.collect()
    }

    /// The priority of the last advertisement of one host that was captured since `from`, which may be a
    /// little after it was sent.
    pub(crate) fn last_priority(&self, host: &str, from: Instant) -> Option<u8> {
        self.adverts(host, from)
            .last()
            .map(|(_, priority)| *priority)
    }

    fn capture(&self) -> JoinHandle<()> {
        let netns = self.netns("s");
        let frames = Arc::clone(&self.frames);
        let stop = Arc::clone(&self.stop);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let capture = thread::spawn(move || {
            xvs_net::enter_netns(&netns).unwrap();
            let all = Protocol::from(i32::from(0x0003_u16.to_be()));
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(all)).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            let stamped = nix::sys::socket::sockopt::ReceiveTimestampns;
            nix::sys::socket::setsockopt(&socket, stamped, &true).unwrap();
            let bridge = usize::try_from(nix::net::if_::if_nametoindex("br0").unwrap()).unwrap();
            ready.send(()).unwrap();
            let mut buffer = [0; 2_048];
            while !stop.load(Ordering::Relaxed) {
                let Some((length, from, at)) = recv(&socket, &mut buffer) else {
                    continue;
                };
                // What a host sent comes in by its port; copies on the way out do not count, nor do those
                // that the bridge's own interface shows.
                if from.pkttype() == libc::PACKET_OUTGOING || from.ifindex() == bridge {
                    continue;
                }
                let bytes = buffer[..length].to_vec();
                frames.lock().unwrap().push(Frame { at, bytes });
            }
        });
        is_ready.recv().unwrap();
        capture
    }

    /// Sends a frame out of a port of the bridge, as if a host there had sent it.
    pub(crate) fn inject(&self, port: &str, frame: &[u8]) {
        let netns = self.netns("s");
        let port = port.to_owned();
        let frame = frame.to_vec();
        thread::spawn(move || {
            xvs_net::enter_netns(&netns).unwrap();
            let index = nix::net::if_::if_nametoindex(port.as_str()).unwrap();
            let socket = Socket::new(Domain::PACKET, Type::RAW, None).unwrap();
            let mut storage = socket2::SockAddrStorage::zeroed();
            // SAFETY: `sockaddr_ll` is one of the socket addresses that the storage is made to hold.
            let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
            address.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
            address.sll_ifindex = i32::try_from(index).unwrap();
            let length = u32::try_from(size_of::<libc::sockaddr_ll>()).unwrap();
            // SAFETY: the storage holds a `sockaddr_ll` of this length, its family set accordingly.
            let to = unsafe { socket2::SockAddr::new(storage, length) };
            socket.send_to(&frame, &to).unwrap();
        })
        .join()
        .unwrap();
    }

    /// Starts our virtual routers on a host.
    pub(crate) fn routers(&self, host: &str, configuration: &str) -> Routers {
        let folder = self.folder(&format!("xvs-{host}"));
        let path = folder.join("routers.conf");
        std::fs::write(&path, configuration).unwrap();
        let program = std::env::current_exe().unwrap();
        let program = program.parent().unwrap().parent().unwrap();
        let mut child = self
            .command(host, &program.join("examples/routers"))
            .arg(&path)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let output = child.stdout.take().unwrap();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Routers {
            input: child.stdin.take(),
            child,
            path,
            lines,
        }
    }

    /// Starts keepalived on a host.
    pub(crate) fn keepalived(&self, host: &str, configuration: &str) -> Keepalived {
        let folder = self.folder(&format!("keepalived-{host}"));
        let path = folder.join("keepalived.conf");
        std::fs::write(&path, configuration).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = self
            .command(host, Path::new("/usr/sbin/keepalived"))
            .args(["-n", "-l", "-P", "-D", "-f"])
            .arg(&path)
            .arg("-p")
            .arg(folder.join("pid"))
            .arg("-r")
            .arg(folder.join("vrrp.pid"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Keepalived {
            child,
            log: folder.join("log"),
        }
    }

    /// A program in a host's namespace, without another process between it and us: what is killed is
    /// the program.
    fn command(&self, host: &str, program: &Path) -> Command {
        let netns = std::fs::File::open(Path::new("/run/netns").join(self.netns(host))).unwrap();
        let mut command = Command::new(program);
        // SAFETY: between fork and exec only `setns` and `prctl` are called, which are safe there.
        unsafe {
            command.pre_exec(move || {
                nix::sched::setns(&netns, nix::sched::CloneFlags::CLONE_NEWNET)?;
                // A test that is killed takes its programs with it.
                nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
                Ok(())
            });
        }
        command
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(capture) = self.capture.take() {
            let _ended = capture.join();
        }
        for host in ["a", "b", "s"] {
            let _gone = Command::new("ip")
                .args(["netns", "del", &self.netns(host)])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Our virtual routers as a process.
pub(crate) struct Routers {
    child: Child,
    input: Option<ChildStdin>,
    path: PathBuf,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Routers {
    /// What they told so far, a line each.
    pub(crate) fn told(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Whether a line has `part` in it.
    pub(crate) fn says(&self, part: &str) -> bool {
        self.told().iter().any(|line| line.contains(part))
    }

    /// Waits until a line has `part` in it: what happened shows on the host before it is read here.
    pub(crate) fn must_say(&self, part: &str) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.says(part) {
            assert!(
                Instant::now() < deadline,
                "no {part:?} in {:#?}",
                self.told()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn command(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn reload(&mut self, configuration: &str) {
        std::fs::write(&self.path, configuration).unwrap();
        self.command("reload");
    }

    /// A stop in good order.
    pub(crate) fn stop(&mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success(), "{:?}", self.told());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Routers {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// keepalived as a process.
pub(crate) struct Keepalived {
    child: Child,
    log: PathBuf,
}

impl Keepalived {
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A stop in good order.
    pub(crate) fn stop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.stop();
        }
    }
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "ip {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// One frame with its length, its direction (`sll_pkttype`) and when the kernel had it: this thread may be
/// late on a busy machine.
fn recv(
    socket: &Socket,
    buffer: &mut [u8],
) -> Option<(usize, nix::sys::socket::LinkAddr, Instant)> {
    use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg};
    use std::{io::IoSliceMut, os::fd::AsRawFd, time::SystemTime};
    let mut control = nix::cmsg_space!(libc::timespec);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::empty();
    let message =
        recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
    let at = message.cmsgs().ok()?.find_map(|one| match one {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    });
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let ago = now.saturating_sub(at.unwrap());
    Some((message.bytes, message.address?, Instant::now() - ago))
}
