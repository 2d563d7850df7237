//! Sockets as a checker wants them: bound, marked, connected, within the timeout.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use xvs_conf::config::Connection;
use xvs_types::Endpoint;

use crate::{Failure, Probe};

/// The runtime's timers round up to whole milliseconds: a timeout that is set this much shorter ends when it
/// is over, and not up to two milliseconds later, with each retry once more.
const ROUNDING: Duration = Duration::from_millis(1);

/// A TCP connection.
pub(crate) async fn tcp(probe: &Probe) -> Result<TcpStream, Failure> {
    let connection = connection(probe)?;
    let socket = socket(connection, Type::STREAM, Some(Protocol::TCP))?;
    let socket = TcpSocket::from_std_stream(socket.into());
    let connecting = socket.connect(peer(connection));
    let timeout = probe.timeout.saturating_sub(ROUNDING);
    match tokio::time::timeout(timeout, connecting).await {
        Ok(stream) => stream.map_err(Failure::Connect),
        Err(_elapsed) => Err(Failure::Timeout {
            what: "connecting",
            after: probe.timeout,
        }),
    }
}

/// A connected UDP socket.
pub(crate) async fn udp(probe: &Probe) -> Result<UdpSocket, Failure> {
    let connection = connection(probe)?;
    let socket = socket(connection, Type::DGRAM, Some(Protocol::UDP))?;
    datagram(socket, peer(connection)).await
}

/// `socket` connected to `peer` and driven by the runtime; raw and ICMP sockets send and receive in the
/// same way as UDP ones.
pub(crate) async fn datagram(socket: Socket, peer: SocketAddr) -> Result<UdpSocket, Failure> {
    let socket = UdpSocket::from_std(socket.into()).map_err(|source| Failure::Socket {
        what: "watch the socket",
        source,
    })?;
    socket.connect(peer).await.map_err(Failure::Connect)?;
    Ok(socket)
}

/// A socket that is bound and marked, and does not block.
pub(crate) fn socket(
    connection: &Connection,
    kind: Type,
    protocol: Option<Protocol>,
) -> Result<Socket, Failure> {
    let failed = |what| move |source| Failure::Socket { what, source };
    let address = connection.to.address;
    let socket = Socket::new(
        Domain::for_address(peer(connection)),
        kind.nonblocking(),
        protocol,
    )
    .map_err(failed("open a socket"))?;
    if connection.mark != 0 {
        let marked = socket.set_mark(connection.mark);
        marked.map_err(failed("set the mark (`fwmark`)"))?;
    }
    if let Some(interface) = &connection.interface {
        let bound = socket.bind_device(Some(interface.as_bytes()));
        bound.map_err(failed("bind to the interface (`bind_if`)"))?;
    }
    let from = connection.from.or_else(|| {
        let port = connection.from_port?;
        Some(Endpoint::new(unspecified(address), port))
    });
    if let Some(from) = from {
        // A fixed port is still in TIME_WAIT from the check before.
        socket.set_reuse_address(true).map_err(failed("bind"))?;
        let bound = socket.bind(&SocketAddr::new(from.address, from.port).into());
        bound.map_err(failed("bind to the address (`bindto`)"))?;
    }
    Ok(socket)
}

/// Where a check connects to.
pub(crate) fn connection(probe: &Probe) -> Result<&Connection, Failure> {
    probe.connection.as_ref().ok_or(Failure::NotAProbe)
}

/// The peer's address, with the interface as its scope where it is link-local.
pub(crate) fn peer(connection: &Connection) -> SocketAddr {
    let mut peer = SocketAddr::new(connection.to.address, connection.to.port);
    if let (SocketAddr::V6(v6), Some(interface)) = (&mut peer, &connection.interface)
        && v6.ip().is_unicast_link_local()
        && let Ok(name) = std::ffi::CString::new(interface.as_str())
    {
        // SAFETY: `name` is a string that ends in a zero byte and outlives the call.
        v6.set_scope_id(unsafe { libc::if_nametoindex(name.as_ptr()) });
    }
    peer
}

/// Waits for `work` no longer than the timeout.
pub(crate) async fn within<T>(
    timeout: Duration,
    what: &'static str,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result.map_err(Failure::Broken),
        Err(_elapsed) => Err(Failure::Timeout {
            what,
            after: timeout,
        }),
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
