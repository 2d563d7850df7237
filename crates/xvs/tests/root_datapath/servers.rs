//! What answers on real servers, and on hosts that are none: threads of the test with sockets in the
//! host's namespace.

use std::{
    io::{self, IoSliceMut, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use xvs_lab::Host;

/// How often a server looks whether it shall end.
const TICK: Duration = Duration::from_millis(50);

/// A server that runs until this is dropped.
pub(crate) struct Server {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// A TCP server that says its host's name and the client's address in a line, then sends back
    /// whatever it gets.
    pub(crate) fn tcp(host: &Host, address: &str, port: u16) -> Self {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        let listener = host.namespace().enter(|| TcpListener::bind(address));
        let listener = listener.unwrap().unwrap();
        listener.set_nonblocking(true).unwrap();
        let name = host.name().to_owned();
        Self::run(move |end| {
            let mut sessions = Vec::new();
            while !end.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, client)) => {
                        let (name, end) = (name.clone(), Arc::clone(end));
                        sessions.push(thread::spawn(move || {
                            // A client that went away is no failure of the server.
                            let _ended = session(stream, &name, client, &end);
                        }));
                    }
                    Err(_none) => thread::sleep(Duration::from_millis(5)),
                }
            }
            for session in sessions {
                session.join().unwrap();
            }
        })
    }

    /// A UDP server that answers each datagram with its host's name, where it came from and the time
    /// to live it came with.
    pub(crate) fn udp(host: &Host, address: &str, port: u16) -> Self {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        let socket = host.namespace().enter(|| UdpSocket::bind(address));
        let socket = socket.unwrap().unwrap();
        match address.ip() {
            IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvTtl, &true).unwrap(),
            IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true).unwrap(),
        }
        socket.set_read_timeout(Some(TICK)).unwrap();
        let name = host.name().to_owned();
        Self::run(move |end| {
            while !end.load(Ordering::Relaxed) {
                if let Some((client, ttl)) = receive(&socket) {
                    let answer = format!("{name} {client} {ttl}");
                    // A client that went away is no failure of the server.
                    let _sent = socket.send_to(answer.as_bytes(), client);
                }
            }
        })
    }

    fn run(work: impl FnOnce(&Arc<AtomicBool>) + Send + 'static) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        Self {
            end,
            thread: Some(thread::spawn(move || work(&told))),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed already.
            let _ended = thread.join();
        }
    }
}

fn session(
    mut stream: TcpStream,
    name: &str,
    client: SocketAddr,
    end: &AtomicBool,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("{name} {client}\n").as_bytes())?;
    let mut buffer = vec![0; 65_536];
    while !end.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => stream.write_all(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn receive(socket: &UdpSocket) -> Option<(SocketAddr, i32)> {
    let mut buffer = [0; 4096];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let mut control = nix::cmsg_space!(libc::c_int);
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::empty(),
    )
    .ok()?;
    let client = message.address?;
    let client = client
        .as_sockaddr_in()
        .map(|one| SocketAddr::from(*one))
        .or_else(|| Some(SocketAddr::from(*client.as_sockaddr_in6()?)))?;
    let ttl = message.cmsgs().ok()?.find_map(|one| match one {
        ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => Some(ttl),
        _ => None,
    })?;
    Some((client, ttl))
}
