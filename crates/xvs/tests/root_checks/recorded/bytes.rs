//! What checks send, byte for byte and in the same rounds, but for the identifiers of DNS queries.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{
    bed::Bed,
    support::{Place, can_run},
};

/// Rounds of the recording, and the time between two of them (`delay_loop`).
const ROUNDS: usize = 5;
const PACE: Duration = Duration::from_secs(3);
/// What a busy machine may add to a round.
const SLACK: Duration = Duration::from_millis(1_500);

/// By `tcp:PORT` or `udp:PORT`, the requests in their order with their times.
type Requests = BTreeMap<String, Vec<(f64, String)>>;

#[test]
fn root_checks_send_what_those_of_keepalived_were_recorded_to_send() {
    if !can_run() {
        return;
    }
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keepalived");
    let read = |name: &str| fs::read_to_string(format!("{fixtures}/{name}")).unwrap();
    let recorded = recorded(&read("checker_bytes.txt"));
    let bed = Bed::new(&read("checker_bytes.conf"));
    let servers = Servers::start(&bed.place);
    let daemon = bed.daemon();
    let last = |requests: &Requests| {
        let all = recorded.iter();
        all.clone().all(|(port, wanted)| {
            requests
                .get(port)
                .is_some_and(|seen| seen.len() >= wanted.len())
        })
    };
    // Each wait has a patience of its own; five rounds take twelve seconds.
    let deadline = Instant::now() + PACE * u32::try_from(ROUNDS).unwrap() + SLACK * 4;
    while !last(&servers.seen()) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    let seen = servers.seen();
    assert_eq!(
        seen.keys().collect::<Vec<_>>(),
        recorded.keys().collect::<Vec<_>>()
    );
    for (port, wanted) in &recorded {
        let seen = &seen[port];
        let texts = |requests: &[(f64, String)]| -> Vec<String> {
            let first = requests.iter().take(wanted.len());
            first.map(|(_, text)| text.clone()).collect()
        };
        assert_eq!(texts(seen), texts(wanted), "{port}");
        // Each comes as long after the first as it was recorded to.
        for ((at, _), (wanted_at, text)) in seen.iter().zip(wanted) {
            let (after, wanted_after) = (at - seen[0].0, wanted_at - wanted[0].0);
            assert!(
                (after - wanted_after).abs() < SLACK.as_secs_f64(),
                "{port}: {text:?} after {after} s, recorded after {wanted_after} s"
            );
        }
    }
    // keepalived's log of the recording: two are found down, the others up.
    let up = || {
        let mut servers = bed.real_servers();
        servers.sort();
        servers
    };
    let wanted = [9025, 9053, 9054, 9055, 9080, 9081, 9082, 9090];
    assert_eq!(up(), wanted.map(|port| format!("127.0.0.1:{port} 1")));
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    for line in [
        "HTTP_CHECK on service [127.0.0.1]:tcp:9083 failed",
        "UDP_CHECK on service [127.0.0.1]:udp:9056 failed",
        "Remote Web server [127.0.0.1]:tcp:9081 succeed on service",
        "Remote SMTP server [127.0.0.1]:tcp:9025 succeed on service",
    ] {
        assert!(log.contains(line), "no {line:?} in\n{log}");
    }
}

/// The lines of the recording.
fn recorded(text: &str) -> Requests {
    let mut requests = Requests::new();
    for line in text.lines() {
        let (at, rest) = line.split_once(' ').unwrap();
        let (port, what) = rest.split_once(' ').unwrap();
        let request = match what.strip_prefix("b'") {
            Some(quoted) => {
                let quoted = quoted.strip_suffix('\'').unwrap();
                quoted.replace("\\r\\n", "\r\n")
            }
            None if port.starts_with("udp:") => without_identifier(port, what.to_owned()),
            None => what.to_owned(),
        };
        let list = requests.entry(port.to_owned()).or_default();
        list.push((at.parse().unwrap(), request));
    }
    requests
}

/// A DNS query begins with a number that nobody foresees.
fn without_identifier(port: &str, mut hex: String) -> String {
    if ["udp:9053", "udp:9054"].contains(&port) {
        hex.replace_range(..4, "xxxx");
    }
    hex
}

/// Servers that keep what they are asked.
struct Servers {
    begin: Instant,
    seen: Arc<Mutex<Requests>>,
}

impl Servers {
    fn start(place: &Place) -> Self {
        let servers = Self {
            begin: Instant::now(),
            seen: Arc::default(),
        };
        for port in [9080, 9081, 9082, 9083, 9025] {
            servers.serve(place, move |servers, ready| servers.tcp(port, &ready));
        }
        for port in [9053, 9054, 9055] {
            servers.serve(place, move |servers, ready| servers.udp(port, &ready));
        }
        servers
    }

    fn seen(&self) -> Requests {
        self.seen.lock().unwrap().clone()
    }

    /// Runs a server in the place until the process ends, and returns when it listens.
    fn serve(&self, place: &Place, run: impl FnOnce(&Self, mpsc::Sender<()>) + Send + 'static) {
        let servers = Self {
            begin: self.begin,
            seen: Arc::clone(&self.seen),
        };
        let namespace = format!("/proc/{}/ns/net", place.pid());
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            // This thread alone moves.
            let namespace = fs::File::open(namespace).unwrap();
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            run(&servers, ready);
        });
        is_ready.recv().unwrap();
    }

    fn keep(&self, port: String, request: String) {
        let at = self.begin.elapsed().as_secs_f64();
        let mut seen = self.seen.lock().unwrap();
        seen.entry(port).or_default().push((at, request));
    }

    fn tcp(&self, port: u16, ready: &mpsc::Sender<()>) {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        ready.send(()).unwrap();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(PACE)).unwrap();
            // A peer that hangs up in the middle shows in what was kept.
            if port == 9025 {
                let _hung_up = self.talk(&stream);
                self.keep("tcp:9025".to_owned(), "peer closed".to_owned());
            } else {
                let _hung_up = self.answer(port, &stream);
            }
        }
    }

    /// One HTTP request.
    fn answer(&self, port: u16, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        let mut part = [0; 1_024];
        while !request.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut part)?;
            if length == 0 {
                break;
            }
            request.extend(&part[..length]);
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        self.keep(format!("tcp:{port}"), text);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    /// One talk with a mail server, until the peer has gone.
    fn talk(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        stream.write_all(b"220 sink\r\n")?;
        let mut lines = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let answer: &[u8] = match line.as_str() {
                "QUIT\r\n" => b"221 bye\r\n",
                _ => b"250 well\r\n",
            };
            self.keep("tcp:9025".to_owned(), line);
            stream.write_all(answer)?;
        }
    }

    /// Queries are answered by themselves as answers.
    fn udp(&self, port: u16, ready: &mpsc::Sender<()>) {
        let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        ready.send(()).unwrap();
        let mut buffer = [0; 1_024];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            let name = format!("udp:{port}");
            let hex: String = buffer[..length]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            self.keep(name.clone(), without_identifier(&name, hex));
            // QR, RD, RA and no error, which is as good a reply to what is no query.
            (buffer[2], buffer[3]) = (0x81, 0x80);
            socket.send_to(&buffer[..length], from).unwrap();
        }
    }
}
