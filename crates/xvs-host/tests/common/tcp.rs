//! A TCP client made of frames, and the server that it talks to.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener},
    os::fd::AsRawFd,
    sync::mpsc,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{
    MAC_C, MAC_S, Wire,
    frames::{Received, Segment, ethernet, received},
};

const SYN: u8 = 0x02;
const PUSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// `ETH_P_ALL` of `linux/if_ether.h`.
const EVERY_PROTOCOL: u16 = 3;

/// How long an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// What a server saw of one client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// As `accept` said.
    pub accepted: SocketAddr,
    /// As `getpeername` said after the client's data had come.
    pub peer: SocketAddr,
    /// What the client sent.
    pub data: Vec<u8>,
}

/// Starts a server in `s`, which answers one client with `hello`.
pub(crate) fn serve(wire: &Wire, address: SocketAddr) -> mpsc::Receiver<Seen> {
    let (ready, started) = mpsc::channel();
    let (seen, report) = mpsc::channel();
    drop(wire.inside("s", move || {
        let listener = TcpListener::bind(address).unwrap();
        ready.send(()).unwrap();
        let (mut stream, accepted) = listener.accept().unwrap();
        let mut data = vec![0; 64];
        let count = stream.read(&mut data).unwrap();
        data.truncate(count);
        let peer = stream.peer_addr().unwrap();
        stream.write_all(b"hello").unwrap();
        // nobody may be waiting any more
        let _unheard = seen.send(Seen {
            accepted,
            peer,
            data,
        });
    }));
    started.recv_timeout(PATIENCE).unwrap();
    report
}

/// A client whose every packet goes through `wrap` on its way to `s`.
pub(crate) struct Client<W> {
    socket: Socket,
    pub local: (IpAddr, u16),
    pub remote: (IpAddr, u16),
    /// TCP options of the SYN.
    pub options: Vec<u8>,
    /// Congestion codepoint of each packet.
    pub class: u8,
    wrap: W,
}

impl<W: Fn(Vec<u8>) -> Vec<u8>> Client<W> {
    pub(crate) fn new(wire: &Wire, local: SocketAddr, remote: SocketAddr, wrap: W) -> Self {
        let socket = wire.inside("c", packet_socket).join().unwrap();
        Self {
            socket,
            local: (local.ip(), local.port()),
            remote: (remote.ip(), remote.port()),
            options: Vec::new(),
            class: 0,
            wrap,
        }
    }

    /// Opens a connection, sends `data` and returns the answer.
    pub(crate) fn exchange(&self, data: &[u8]) -> Result<Vec<u8>, String> {
        let start = 1_000;
        self.send(start, 0, SYN, &self.options, b"");
        let answer = self.wait("SYN-ACK", |segment| segment.flags & SYN != 0)?;
        let next = answer.sequence.wrapping_add(1);
        self.send(start + 1, next, ACK, &[], b"");
        self.send(start + 1, next, ACK | PUSH, &[], data);
        let answer = self.wait("data", |segment| !segment.payload.is_empty())?;
        Ok(answer.payload)
    }

    /// Sends a SYN and tells whether it is answered.
    pub(crate) fn syn_is_answered(&self) -> bool {
        self.send(1_000, 0, SYN, &self.options, b"");
        self.wait("SYN-ACK", |segment| segment.flags & SYN != 0)
            .is_ok()
    }

    fn send(&self, sequence: u32, acknowledgement: u32, flags: u8, options: &[u8], payload: &[u8]) {
        let packet = Segment {
            source: self.local,
            destination: self.remote,
            sequence,
            acknowledgement,
            flags,
            options,
            payload,
        }
        .packet(self.class);
        let frame = ethernet(MAC_S, MAC_C, &(self.wrap)(packet));
        assert_eq!(self.socket.send(&frame).unwrap(), frame.len());
    }

    fn wait(&self, what: &str, wanted: impl Fn(&Received) -> bool) -> Result<Received, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 2048];
        while Instant::now() < deadline {
            let count = match (&self.socket).read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.to_string()),
            };
            if let Some(segment) = received(&buffer[..count])
                && segment.source == self.remote
                && segment.destination == self.local
                && wanted(&segment)
            {
                return Ok(segment);
            }
        }
        Err(format!("no {what} from {:?}", self.remote))
    }
}

/// A socket for whole frames on `veth0` of the calling thread's namespace.
fn packet_socket() -> Socket {
    let protocol = Protocol::from(i32::from(EVERY_PROTOCOL.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    // SAFETY: the name is a string that ends with zero.
    let ifindex = unsafe { libc::if_nametoindex(c"veth0".as_ptr()) };
    // SAFETY: plain numbers, for which zeros are valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET.try_into().unwrap();
    address.sll_protocol = EVERY_PROTOCOL.to_be();
    address.sll_ifindex = ifindex.try_into().unwrap();
    let length = size_of::<libc::sockaddr_ll>().try_into().unwrap();
    // SAFETY: the socket is open, and the address is whole and of that length.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(bound, 0, "{}", io::Error::last_os_error());
    socket
}
