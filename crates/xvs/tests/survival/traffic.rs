//! Traffic of the tests of survival: servers that answer and clients that notice what is lost.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use xvs_lab::Host;

/// The port on which whatever comes is sent back, TCP and UDP.
pub(crate) const ECHO: u16 = 7;
/// How long a client waits for an answer.
const ANSWER: Duration = Duration::from_secs(20);

/// Serves echo by TCP on a host, on all its addresses. The threads end with the process.
pub(crate) fn serve(host: &Host) {
    let tcp = host
        .namespace()
        .enter(|| TcpListener::bind(("0.0.0.0", ECHO)).unwrap())
        .unwrap();
    thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            thread::Builder::new()
                .stack_size(64 << 10)
                .spawn(move || echo(stream))
                .unwrap();
        }
    });
}

/// Serves UDP echo at one address of a host: the answers come from there.
pub(crate) fn serve_udp_at(host: &Host, address: &str) {
    let udp = host
        .namespace()
        .enter(|| UdpSocket::bind((address, ECHO)).unwrap())
        .unwrap();
    thread::spawn(move || {
        let mut room = [0; 64];
        while let Ok((length, from)) = udp.recv_from(&mut room) {
            let _lost = udp.send_to(&room[..length], from);
        }
    });
}

fn echo(mut stream: TcpStream) {
    let mut room = [0; 4096];
    while let Ok(length) = stream.read(&mut room) {
        if length == 0 || stream.write_all(&room[..length]).is_err() {
            return;
        }
    }
}

/// Opens a connection from a host.
pub(crate) fn connect(host: &Host, to: SocketAddr) -> io::Result<TcpStream> {
    host.namespace()
        .enter(|| {
            let stream = TcpStream::connect_timeout(&to, ANSWER)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWER))?;
            Ok(stream)
        })
        .unwrap()
}

/// Sends a number and waits for it to come back.
pub(crate) fn exchange(stream: &mut TcpStream, number: u64) -> io::Result<()> {
    stream.write_all(&number.to_be_bytes())?;
    let mut answer = [0; 8];
    stream.read_exact(&mut answer)?;
    assert_eq!(u64::from_be_bytes(answer), number);
    Ok(())
}

/// Ends a connection by RST, whose entry is kept for 10 s instead of two minutes.
pub(crate) fn reset(stream: TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the descriptor is open and the option's value is of its type.
    let done = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            u32::try_from(size_of::<libc::linger>()).unwrap(),
        )
    };
    assert_eq!(done, 0);
    drop(stream);
}

/// Segments that the kernel sent again because they, or their acknowledgements, were lost.
fn lost_segments(stream: &TcpStream) -> u32 {
    // SAFETY: all zeroes are a valid value of plain numbers.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = u32::try_from(size_of::<libc::tcp_info>()).unwrap();
    // SAFETY: the descriptor is open, the room is of the type and length that is told.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    assert_eq!(done, 0);
    info.tcpi_total_retrans
}

/// What long-lived connections went through.
#[derive(Debug, Default)]
pub(crate) struct Lived {
    /// Exchanges of all connections.
    pub(crate) exchanges: u64,
    /// Segments that were lost on the way.
    pub(crate) lost: u32,
    /// Longest time that one exchange took.
    pub(crate) longest: Duration,
}

/// Connections that stay open and exchange a number every few milliseconds.
pub(crate) struct Steady {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Lived>>,
}

impl Steady {
    /// Opens `count` connections to each of `targets`.
    pub(crate) fn start(host: &Host, targets: &[SocketAddr], count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = targets
            .iter()
            .flat_map(|target| std::iter::repeat_n(*target, count))
            .map(|target| {
                let mut stream = connect(host, target).unwrap();
                let stop = Arc::clone(&stop);
                thread::spawn(move || {
                    let mut lived = Lived::default();
                    while !stop.load(Ordering::Relaxed) {
                        let begun = Instant::now();
                        if let Err(error) = exchange(&mut stream, lived.exchanges) {
                            panic!("a connection to {target} was lost: {error}");
                        }
                        lived.longest = lived.longest.max(begun.elapsed());
                        lived.exchanges += 1;
                        thread::sleep(Duration::from_millis(5));
                    }
                    lived.lost = lost_segments(&stream);
                    lived
                })
            })
            .collect();
        Self { stop, threads }
    }

    /// Closes the connections. Fails when one was lost.
    pub(crate) fn finish(self) -> Lived {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Lived::default();
        for thread in self.threads {
            let one = thread.join().unwrap();
            assert!(one.exchanges > 0);
            all.exchanges += one.exchanges;
            all.lost += one.lost;
            all.longest = all.longest.max(one.longest);
        }
        all
    }
}

/// Short connections, one after the other, by several threads.
pub(crate) struct Churn {
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Churn {
    /// Opens connections to each of `targets`, at most one in `pause` a target.
    pub(crate) fn start(host: &Host, targets: &[SocketAddr], pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let opened = Arc::new(AtomicU64::new(0));
        let threads = targets
            .iter()
            .map(|target| {
                let (host, target) = (host.clone(), *target);
                let (stop, opened) = (Arc::clone(&stop), Arc::clone(&opened));
                thread::spawn(move || {
                    let work = || {
                        let mut failures = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            let done = TcpStream::connect_timeout(&target, ANSWER).and_then(
                                |mut stream| {
                                    stream.set_nodelay(true)?;
                                    stream.set_read_timeout(Some(ANSWER))?;
                                    exchange(&mut stream, 1)?;
                                    reset(stream);
                                    Ok(())
                                },
                            );
                            match done {
                                Ok(()) => opened.fetch_add(1, Ordering::Relaxed),
                                Err(error) => {
                                    failures.push(format!("{target}: {error}"));
                                    0
                                }
                            };
                            thread::sleep(pause);
                        }
                        failures
                    };
                    host.namespace().enter(work).unwrap()
                })
            })
            .collect();
        Self {
            stop,
            opened,
            threads,
        }
    }

    /// Ends it; answers how many connections were opened. Fails when one failed.
    pub(crate) fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let failures: Vec<String> = self
            .threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(failures, Vec::<String>::new());
        self.opened.load(Ordering::Relaxed)
    }
}

/// One UDP flow of a datagram every 5 ms, which measures how long no answer comes.
pub(crate) struct Pulse {
    stop: Arc<AtomicBool>,
    last: Arc<AtomicU64>,
    sender: JoinHandle<()>,
    receiver: JoinHandle<Duration>,
}

impl Pulse {
    pub(crate) fn start(host: &Host, target: SocketAddr) -> Self {
        let socket = host
            .namespace()
            .enter(|| {
                let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                socket.connect(target).unwrap();
                socket
            })
            .unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let last = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let sender = {
            let (socket, stop) = (socket.try_clone().unwrap(), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // An ICMP error of an earlier datagram is told here; the gap shows it too.
                    let _refused = socket.send(b"pulse");
                    thread::sleep(Duration::from_millis(5));
                }
            })
        };
        let receiver = {
            let (stop, last) = (Arc::clone(&stop), Arc::clone(&last));
            thread::spawn(move || {
                let (mut longest, mut before) = (Duration::ZERO, Instant::now());
                let mut room = [0; 16];
                while !stop.load(Ordering::Relaxed) {
                    if socket.recv(&mut room).is_ok() {
                        longest = longest.max(before.elapsed());
                        before = Instant::now();
                        let at = u64::try_from(begun.elapsed().as_millis()).unwrap();
                        last.store(at + 1, Ordering::Relaxed);
                    }
                }
                longest.max(before.elapsed())
            })
        };
        let pulse = Self {
            stop,
            last,
            sender,
            receiver,
        };
        super::bed::wait_until("the first answer", || pulse.beats());
        pulse
    }

    /// Whether an answer came since the last call.
    pub(crate) fn beats(&self) -> bool {
        self.last.swap(0, Ordering::Relaxed) != 0
    }

    /// Ends it; answers the longest time without an answer.
    pub(crate) fn finish(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().unwrap();
        self.receiver.join().unwrap()
    }
}
