//! What the tests ask with: sockets in the client's namespace.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use xvs_lab::Host;

/// How long an answer may take before a request has failed: above a lost SYN's second.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// How long nothing must come before nothing comes.
const SILENCE: Duration = Duration::from_millis(700);

/// An open TCP connection.
pub(crate) struct Session {
    stream: BufReader<TcpStream>,
    /// The first word of the server's greeting: the name of its host.
    pub(crate) server: String,
    /// Where the server says the client is.
    pub(crate) seen_as: SocketAddr,
}

impl Session {
    /// Connects to `address:port` and reads the greeting.
    pub(crate) fn open(host: &Host, address: &str, port: u16) -> io::Result<Self> {
        Self::open_within(host, address, port, PATIENCE)
    }

    fn open_within(host: &Host, address: &str, port: u16, limit: Duration) -> io::Result<Self> {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        let stream = host
            .namespace()
            .enter(|| TcpStream::connect_timeout(&address, limit))
            .unwrap()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut stream = BufReader::new(stream);
        let mut greeting = String::new();
        stream.read_line(&mut greeting)?;
        let (server, seen_as) = greeting.trim_end().split_once(' ').unwrap_or_default();
        Ok(Self {
            server: server.to_owned(),
            seen_as: seen_as.parse().map_err(io::Error::other)?,
            stream,
        })
    }

    /// Sends a word and waits for it to come back.
    pub(crate) fn echo(&mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(b"hello")?;
        let mut answer = [0; 5];
        self.stream.read_exact(&mut answer)?;
        assert_eq!(&answer, b"hello");
        Ok(())
    }

    /// Sends `length` bytes while it reads them back, and compares them.
    pub(crate) fn echo_bulk(&mut self, length: usize) -> io::Result<()> {
        let sent: Vec<u8> = (0..=250).cycle().take(length).collect();
        let mut writer = self.stream.get_ref().try_clone()?;
        let received = thread::scope(|scope| {
            let written = scope.spawn(|| writer.write_all(&sent));
            let mut received = vec![0; length];
            let read = self.stream.read_exact(&mut received);
            written.join().unwrap()?;
            read.map(|()| received)
        })?;
        assert!(received == sent, "bytes changed on the way");
        Ok(())
    }
}

/// The host that answers a new connection to `address:port`.
#[track_caller]
pub(crate) fn server_of(host: &Host, address: &str, port: u16) -> String {
    Session::open(host, address, port).unwrap().server
}

/// Why no connection to `address:port` can be opened.
#[track_caller]
pub(crate) fn no_session(host: &Host, address: &str, port: u16) -> io::ErrorKind {
    match Session::open_within(host, address, port, SILENCE) {
        Ok(session) => panic!("{} answers on {address} port {port}", session.server),
        Err(error) => error.kind(),
    }
}

/// A UDP socket of `host` that is connected to `address:port`.
pub(crate) fn udp(host: &Host, address: &str, port: u16) -> UdpSocket {
    let address = SocketAddr::new(address.parse().unwrap(), port);
    let any = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = host.namespace().enter(|| UdpSocket::bind(any));
    let socket = socket.unwrap().unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// What the UDP servers of these tests say of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) server: String,
    pub(crate) seen_as: SocketAddr,
    pub(crate) ttl: i32,
}

/// Asks until there is an answer: the hosts on the way resolve each other, and nobody sends a datagram
/// again that was lost meanwhile.
pub(crate) fn warm_up(socket: &UdpSocket) {
    for _ in 0..10 {
        if ask(socket, 8).is_ok() {
            // Answers to earlier ones that came late are nobody's.
            socket.set_nonblocking(true).unwrap();
            while socket.recv(&mut [0; 256]).is_ok() {}
            socket.set_nonblocking(false).unwrap();
            return;
        }
    }
    panic!("nobody answers");
}

/// Sends a datagram of `length` bytes and waits for what the server says of it.
pub(crate) fn ask(socket: &UdpSocket, length: usize) -> io::Result<Answer> {
    socket.send(&vec![0; length])?;
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    Ok(Answer {
        server: word(),
        seen_as: word().parse().map_err(io::Error::other)?,
        ttl: word().parse().map_err(io::Error::other)?,
    })
}
