//! Sockets for VRRP: one for each interface, family and protocol, shared by up to 255 virtual routers.
//!
//! A socket hears its groups and unicast alike on its interface alone, and hears nothing that it sent.
//! Nothing is judged here: what came in goes to the election as it came, with what the kernel says of
//! it (`xvs-vrrp` counts what it rejects, so a wrong TTL must reach it). Only whose identifier is
//! nobody's here can be left out, by a filter in the kernel: neighbours with many virtual routers then
//! do not wake a director that has few.

mod filter;

use std::{
    collections::BTreeSet,
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv6Addr, SocketAddrV4, SocketAddrV6},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use xvs_types::Family;
use xvs_vrrp::{Ingress, Transmit, Vrid};
use xvs_wire::vrrp::{PROTOCOL, TOS, ah};

/// `TC_PRIO_CONTROL` of `linux/pkt_sched.h`: the band of network control in the default queue.
const PRIORITY_CONTROL: u32 = 6;
/// Bytes of the longest advertisement, of 255 IPv6 addresses, and more than any link carries at once.
const LARGEST: usize = 9_216;
/// Bytes of the receive buffer. An advertisement costs the kernel some 800 bytes of it, so that 255
/// virtual routers at 10 ms fill it in a fifth of a second that nobody read.
const RECEIVE_BUFFER: usize = 4 << 20;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VrrpProtocol {
    /// IP protocol 112.
    Advertisement,
    /// IP protocol 51: version 2 over IPv4 with `auth_type AH`. Sending them works on either.
    AuthenticationHeader,
}

/// A socket for VRRP cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot open a socket for VRRP on `{link}`: {action}: {source}")]
pub struct VrrpSocketError {
    /// The interface.
    pub link: String,
    /// What failed.
    pub action: &'static str,
    /// The system's reason; raw sockets take CAP_NET_RAW.
    pub source: io::Error,
}

/// A raw socket for VRRP on one interface; it never blocks.
#[derive(Debug)]
pub struct VrrpSocket {
    socket: Socket,
    family: Family,
    ifindex: u32,
    groups: BTreeSet<IpAddr>,
    buffer: Vec<u8>,
}

impl VrrpSocket {
    /// Opens a socket that hears unicast on `link`, in the network namespace of the
    /// calling thread.
    ///
    /// # Errors
    ///
    /// The right is lacking, or there is no such link.
    pub fn open(
        link: &str,
        ifindex: u32,
        family: Family,
        protocol: VrrpProtocol,
    ) -> Result<Self, VrrpSocketError> {
        let failed = |action| {
            move |source: io::Error| VrrpSocketError {
                link: link.to_owned(),
                action,
                source,
            }
        };
        let opened = Self::bound(link, ifindex, family, protocol)?;
        // The buffer may go beyond `net.core.rmem_max` for the administrator of the namespace alone.
        setsockopt(&opened.socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .or_else(|_refused| setsockopt(&opened.socket, sockopt::RcvBuf, &RECEIVE_BUFFER))
            .map_err(io::Error::from)
            .map_err(failed("set the size of the receive buffer"))?;
        Ok(opened)
    }

    /// Hears these groups and no others.
    ///
    /// # Errors
    ///
    /// The kernel lets it join or leave no more groups (`net.ipv4.igmp_max_memberships`), or the
    /// interface is gone; the groups before that one have changed.
    pub fn hear_groups(&mut self, groups: &BTreeSet<IpAddr>) -> io::Result<()> {
        let link = InterfaceIndexOrAddress::Index(self.ifindex);
        for group in groups {
            if !self.groups.contains(group) {
                match group {
                    IpAddr::V4(group) => self.socket.join_multicast_v4_n(group, &link),
                    IpAddr::V6(group) => self.socket.join_multicast_v6(group, self.ifindex),
                }?;
                self.groups.insert(*group);
            }
        }
        let others: Vec<IpAddr> = self.groups.difference(groups).copied().collect();
        for group in others {
            match group {
                IpAddr::V4(group) => self.socket.leave_multicast_v4_n(&group, &link),
                IpAddr::V6(group) => self.socket.leave_multicast_v6(&group, self.ifindex),
            }?;
            self.groups.remove(&group);
        }
        Ok(())
    }

    fn bound(
        link: &str,
        ifindex: u32,
        family: Family,
        protocol: VrrpProtocol,
    ) -> Result<Self, VrrpSocketError> {
        let failed = |action| {
            move |source: io::Error| VrrpSocketError {
                link: link.to_owned(),
                action,
                source,
            }
        };
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let number = match protocol {
            VrrpProtocol::Advertisement => PROTOCOL,
            VrrpProtocol::AuthenticationHeader => ah::PROTOCOL,
        };
        let socket = Socket::new(
            domain,
            Type::RAW.nonblocking().cloexec(),
            Some(Protocol::from(i32::from(number))),
        )
        .map_err(failed("open a raw socket"))?;
        socket
            .bind_device(Some(link.as_bytes()))
            .map_err(failed("bind it to the interface"))?;
        socket
            .set_priority(PRIORITY_CONTROL)
            .map_err(failed("set its priority"))?;
        match family {
            Family::V4 => set_up_v4(&socket),
            Family::V6 => set_up_v6(&socket),
        }
        .map_err(failed("set its options"))?;
        Ok(Self {
            socket,
            family,
            ifindex,
            groups: BTreeSet::new(),
            buffer: vec![0; LARGEST],
        })
    }

    /// Lets only advertisements of these virtual routers through.
    ///
    /// # Errors
    ///
    /// The kernel refuses the filter; the one before stays.
    pub fn hear_only(&self, vrids: &[Vrid]) -> io::Result<()> {
        let program = filter::by_vrid(self.family, vrids, filter::Others::Dropped);
        self.socket.attach_filter(&program)
    }

    /// Lets everything through but advertisements of these virtual routers.
    ///
    /// # Errors
    ///
    /// The kernel refuses the filter; the one before stays.
    pub fn hear_all_but(&self, vrids: &[Vrid]) -> io::Result<()> {
        let program = filter::by_vrid(self.family, vrids, filter::Others::Taken);
        self.socket.attach_filter(&program)
    }

    /// The next packet; none when there is none. A packet longer than an advertisement can be comes
    /// cut, and does not pass for one.
    ///
    /// # Errors
    ///
    /// The interface went down or away.
    pub fn receive(&mut self) -> io::Result<Option<Ingress<'_>>> {
        match self.family {
            Family::V4 => receive_v4(&self.socket, &mut self.buffer),
            Family::V6 => receive_v6(&self.socket, &mut self.buffer),
        }
    }

    /// Sends an advertisement.
    ///
    /// # Errors
    ///
    /// The interface is down, its queue is full, or a unicast peer has no route.
    pub fn send(&self, transmit: &Transmit) -> io::Result<()> {
        match transmit {
            Transmit::V4 {
                destination,
                datagram,
            } => {
                let to = SockAddr::from(SocketAddrV4::new(*destination, 0));
                self.socket.send_to(datagram, &to).map(drop)
            }
            Transmit::V6 {
                source,
                destination,
                hop_limit,
                message,
            } => self.send_v6(*source, *destination, *hop_limit, message),
        }
    }

    fn send_v6(
        &self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        hop_limit: u8,
        message: &[u8],
    ) -> io::Result<()> {
        let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, self.ifindex));
        let from = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr {
                s6_addr: source.octets(),
            },
            ipi6_ifindex: self.ifindex,
        };
        let hop_limit = libc::c_int::from(hop_limit);
        sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(message)],
            &[
                ControlMessage::Ipv6PacketInfo(&from),
                ControlMessage::Ipv6HopLimit(&hop_limit),
            ],
            MsgFlags::empty(),
            Some(&to),
        )?;
        Ok(())
    }
}

impl AsFd for VrrpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn set_up_v4(socket: &Socket) -> io::Result<()> {
    // The election writes the header, with an identification that the kernel would not count so.
    socket.set_header_included_v4(true)?;
    socket.set_multicast_loop_v4(false)?;
    // Without this the groups of every socket of the host come in too.
    socket.set_multicast_all_v4(false)?;
    Ok(())
}

fn set_up_v6(socket: &Socket) -> io::Result<()> {
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_all_v6(false)?;
    socket.set_tclass_v6(u32::from(TOS))?;
    // A virtual MAC interface sends from the link-local address of the interface below it.
    socket.set_freebind_v6(true)?;
    setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true)?;
    Ok(())
}

fn receive_v4<'a>(socket: &Socket, buffer: &'a mut [u8]) -> io::Result<Option<Ingress<'a>>> {
    let mut parts = [IoSliceMut::new(buffer)];
    let Some(length) = unless_empty(recvmsg::<()>(
        socket.as_raw_fd(),
        &mut parts,
        None,
        MsgFlags::empty(),
    ))?
    .map(|message| message.bytes) else {
        return Ok(None);
    };
    Ok(buffer
        .get(..length)
        .map(|datagram| Ingress::V4 { datagram }))
}

fn receive_v6<'a>(socket: &Socket, buffer: &'a mut [u8]) -> io::Result<Option<Ingress<'a>>> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
    let mut parts = [IoSliceMut::new(buffer)];
    let Some(received) = unless_empty(recvmsg::<SockaddrIn6>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::empty(),
    ))?
    else {
        return Ok(None);
    };
    let mut destination = Ipv6Addr::UNSPECIFIED;
    // What the kernel does not tell counts as what no advertisement has.
    let mut hop_limit = 0;
    for message in received.cmsgs()? {
        match message {
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                destination = info.ipi6_addr.s6_addr.into();
            }
            ControlMessageOwned::Ipv6HopLimit(value) => {
                hop_limit = u8::try_from(value).unwrap_or(0);
            }
            _ => {}
        }
    }
    let source = received
        .address
        .map_or(Ipv6Addr::UNSPECIFIED, |address| address.ip());
    let length = received.bytes;
    Ok(buffer.get(..length).map(|message| Ingress::V6 {
        source,
        destination,
        hop_limit,
        message,
    }))
}

/// None when nothing waits.
fn unless_empty<T>(result: nix::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(received) => Ok(Some(received)),
        Err(nix::Error::EAGAIN | nix::Error::EINTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
