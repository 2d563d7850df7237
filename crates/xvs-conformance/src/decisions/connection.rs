//! One connection of a scheduler's recording, as frames of its client and its real server.

use std::net::SocketAddr;

use xvs_datapath::native::Datagram;
use xvs_wire::tcp;

use super::network::{CLIENTS, ROUTER, SERVERS, number_of};
use crate::{Director, Seen, host::Packet};

/// What the recorder's client was told when there was no real server.
const REFUSED: &str = "errno111";

/// A connection through a director.
pub(super) struct Connection<'d> {
    director: &'d mut dyn Director,
    client: SocketAddr,
    service: SocketAddr,
    server: Option<Server>,
}

/// Who got a connection.
struct Server {
    mac: [u8; 6],
    /// How it sees the two ends; none where it answers past the director.
    ends: Option<(SocketAddr, SocketAddr)>,
}

impl<'d> Connection<'d> {
    /// A connection that is not yet there.
    pub(super) fn new(
        director: &'d mut dyn Director,
        client: SocketAddr,
        service: SocketAddr,
    ) -> Self {
        Self {
            director,
            client,
            service,
            server: None,
        }
    }

    /// Sends one datagram; answers who got it.
    pub(super) fn datagram(mut self) -> Result<String, String> {
        let (client, service) = (self.client.to_string(), self.service.to_string());
        self.begin(&Datagram::udp(&client, &service))
    }

    /// Opens it and leaves it so; answers who got it.
    pub(super) fn hold(&mut self) -> Result<String, String> {
        let (client, service) = (self.client.to_string(), self.service.to_string());
        let who = self.begin(&Datagram::syn(&client, &service))?;
        self.answer(tcp::SYN | tcp::ACK)?;
        self.send(tcp::ACK)?;
        Ok(who)
    }

    /// Opens and closes it; answers who got it.
    pub(super) fn visit(mut self) -> Result<String, String> {
        let who = self.hold()?;
        self.send(tcp::FIN | tcp::ACK)?;
        self.answer(tcp::FIN | tcp::ACK)?;
        self.send(tcp::ACK)?;
        Ok(who)
    }

    fn begin(&mut self, datagram: &Datagram) -> Result<String, String> {
        let frame = datagram.clone().macs(CLIENTS.1, ROUTER).bytes();
        let (leg, frame) = self.exchange(CLIENTS.0, &frame)?;
        let packet = Packet::of(&frame).ok_or("what left is no IP packet")?;
        if leg == CLIENTS.0 && packet.is_icmp() {
            return Ok(REFUSED.to_owned());
        }
        let mac = frame.get(..6).and_then(|mac| mac.try_into().ok());
        let mac: [u8; 6] = mac.ok_or("what left is no frame")?;
        let number = number_of(mac).ok_or("it went to no real server")?;
        let ends = packet.ends(&frame);
        self.server = Some(Server {
            mac,
            ends: ends.filter(|(_, to)| to.ip() != self.service.ip()),
        });
        Ok(format!("rs{number}"))
    }

    /// Sends a segment of the client on, if there is a server.
    fn send(&mut self, flags: u8) -> Result<(), String> {
        if self.server.is_none() {
            return Ok(());
        }
        let datagram = Datagram::tcp(&self.client.to_string(), &self.service.to_string(), flags);
        let frame = datagram.macs(CLIENTS.1, ROUTER).bytes();
        self.exchange(CLIENTS.0, &frame).map(|_frame| ())
    }

    /// Sends a segment of the server back, if it answers through the director.
    fn answer(&mut self, flags: u8) -> Result<(), String> {
        let Some(server) = &self.server else {
            return Ok(());
        };
        let Some((client, own)) = server.ends else {
            return Ok(());
        };
        let datagram = Datagram::tcp(&own.to_string(), &client.to_string(), flags);
        let frame = datagram.macs(SERVERS.1, server.mac).bytes();
        self.exchange(SERVERS.0, &frame).map(|_frame| ())
    }

    /// The one frame that leaves when this one comes in.
    fn exchange(&mut self, leg: &str, frame: &[u8]) -> Result<(String, Vec<u8>), String> {
        match self.director.inject(leg, frame, 1)? {
            Seen::Frames(frames) => {
                let count = frames.len();
                let mut frames = frames.into_iter();
                match (frames.next(), count) {
                    (Some(only), 1) => Ok(only),
                    _ => Err(format!("{count} frames left")),
                }
            }
            Seen::Passed(_) => Err("it was passed to the host".to_owned()),
            Seen::Waiting => Err("it waits for a neighbour".to_owned()),
        }
    }
}
