//! The sockets of BFD: who listens on which port, and from where packets go out (RFC 5881 4 and 5).

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket},
    os::fd::AsRawFd,
};

use nix::{
    cmsg_space,
    sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};
use xvs_bfd::SessionConfig;
use xvs_wire::bfd;

/// The longest packet that is looked at; an authenticated one has up to 53 bytes.
pub(super) const BUFFER: usize = 128;
/// Internetwork control, as for VRRP.
const TOS: u32 = 0xc0;

/// BFD cannot use a port.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BfdSocketError {
    /// Nobody could send to us.
    #[error("cannot listen for BFD on UDP port {port} ({family}): {source}")]
    Listen {
        /// The port; another BFD daemon may have it.
        port: u16,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// We could send to nobody.
    #[error("BFD_Instance({session}) cannot send from {address}: {reason}")]
    Send {
        /// Whose.
        session: String,
        /// The source address, unspecified for the kernel's choice.
        address: IpAddr,
        /// Why not.
        reason: io::Error,
    },
}

/// A packet that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) source: IpAddr,
    pub(super) ttl: u8,
    pub(super) multihop: bool,
    pub(super) length: usize,
}

/// The sockets that packets come to, each open once it is needed.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// IPv4 and IPv6, a single hop and several.
    open: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    socket: UdpSocket,
    v6: bool,
    multihop: bool,
}

impl Listeners {
    /// Opens what these sessions need.
    pub(super) fn open(&mut self, sessions: &[SessionConfig]) -> Result<(), BfdSocketError> {
        for config in sessions {
            let (v6, multihop) = (config.neighbour.is_ipv6(), config.multihop);
            let there = |open: &Listener| (open.v6, open.multihop) == (v6, multihop);
            if self.open.iter().any(there) {
                continue;
            }
            let port = if multihop {
                bfd::PORT_MULTIHOP
            } else {
                bfd::PORT
            };
            let socket = listen(v6, port).map_err(|source| BfdSocketError::Listen {
                port,
                family: if v6 { "IPv6" } else { "IPv4" },
                source,
            })?;
            self.open.push(Listener {
                socket,
                v6,
                multihop,
            });
        }
        Ok(())
    }

    /// The next packet of any of them; may be given up and called again.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let listener = match self.open.as_slice() {
            [] => return std::future::pending().await,
            [only] => only,
            several => {
                let ready = several
                    .iter()
                    .map(|listener| Box::pin(listener.socket.readable()));
                let (_, place, _) = futures_util::future::select_all(ready).await;
                match several.get(place) {
                    Some(listener) => listener,
                    None => return Err(io::ErrorKind::NotFound.into()),
                }
            }
        };
        let receive = || receive(&listener.socket, listener.multihop, buffer);
        if self.open.len() == 1 {
            listener.socket.async_io(Interest::READABLE, receive).await
        } else {
            listener.socket.try_io(Interest::READABLE, receive)
        }
    }
}

fn listen(v6: bool, port: u16) -> io::Result<UdpSocket> {
    let socket = socket(v6)?;
    let address: IpAddr = if v6 {
        socket.set_only_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
        Ipv4Addr::UNSPECIFIED.into()
    };
    socket.bind(&SocketAddr::new(address, port).into())?;
    UdpSocket::from_std(StdUdpSocket::from(socket))
}

fn socket(v6: bool) -> io::Result<Socket> {
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn receive(socket: &UdpSocket, multihop: bool, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = cmsg_space!(i32);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::empty(),
    )?;
    let address = message.address.as_ref();
    let source = address.and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    let ttl = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
            u8::try_from(ttl).ok()
        }
        _ => None,
    });
    match (source, ttl) {
        (Some(source), Some(ttl)) => Ok(Received {
            source,
            ttl,
            multihop,
            length: message.bytes,
        }),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Where a session's packets go out.
#[derive(Debug)]
pub(super) struct Outgoing {
    socket: StdUdpSocket,
    neighbour: SocketAddr,
    /// What went wrong last, to tell it once.
    failed: Option<io::ErrorKind>,
}

impl Outgoing {
    pub(super) fn open(config: &SessionConfig) -> Result<Self, BfdSocketError> {
        let v6 = config.neighbour.is_ipv6();
        let any: IpAddr = if v6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        let address = config.source.unwrap_or(any);
        let failed = |reason| BfdSocketError::Send {
            session: config.name.to_string(),
            address,
            reason,
        };
        let socket = socket(v6).map_err(failed)?;
        let ttl = u32::from(config.ttl);
        if v6 {
            socket.set_unicast_hops_v6(ttl).map_err(failed)?;
            socket.set_tclass_v6(TOS).map_err(failed)?;
        } else {
            socket.set_ttl_v4(ttl).map_err(failed)?;
            socket.set_tos_v4(TOS).map_err(failed)?;
        }
        bind_high(&socket, address).map_err(failed)?;
        let port = if config.multihop {
            bfd::PORT_MULTIHOP
        } else {
            bfd::PORT
        };
        Ok(Self {
            socket: socket.into(),
            neighbour: SocketAddr::new(config.neighbour, port),
            failed: None,
        })
    }

    /// Sends a packet; returns an error that is another than the one before.
    pub(super) fn send(&mut self, packet: &[u8]) -> Option<io::Error> {
        match self.socket.send_to(packet, self.neighbour) {
            Ok(_) => {
                self.failed = None;
                None
            }
            // A neighbour without BFD answers with ICMP, which is its right.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => None,
            Err(error) if self.failed == Some(error.kind()) => None,
            Err(error) => {
                self.failed = Some(error.kind());
                Some(error)
            }
        }
    }
}

/// Binds to the first free port that a packet may come from.
fn bind_high(socket: &Socket, address: IpAddr) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for port in bfd::SOURCE_PORT_FIRST..=u16::MAX {
        match socket.bind(&SocketAddr::new(address, port).into()) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
