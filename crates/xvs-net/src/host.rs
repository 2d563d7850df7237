//! The handle through which the daemon reads and changes the host's network.
//!
//! [`Host`] owns one netlink socket, served by one task, and offers two ways to ask: a *dump* of a
//! table, repeated while the kernel says that the table changed under it, and a request that is
//! answered or acknowledged. What is asked lives in the files beside this one: `links`, `addresses`,
//! `routes`, `neighbours`.

use std::{io, sync::Arc};

use futures_util::StreamExt;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::AsyncSocket;
use tokio::task::JoinHandle;
use xvs_types::Family;

use crate::HostError;

/// How often a dump that the kernel calls inconsistent is repeated.
const DUMP_ATTEMPTS: u32 = 8;

/// The network of the namespace in which it was opened; cheap to clone.
#[derive(Clone, Debug)]
pub struct Host {
    handle: rtnetlink::Handle,
    _connection: Arc<Connection>,
}

impl Host {
    /// Opens a netlink socket in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// The socket cannot be opened.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn open() -> Result<Self, HostError> {
        let (mut connection, handle, _unsolicited) =
            rtnetlink::new_connection().map_err(|source| HostError::Open { source })?;
        // With strict checks the kernel filters dumps by table, which keeps a full BGP table out of
        // a look at the `local` one.
        connection
            .socket_mut()
            .socket_ref()
            .set_netlink_get_strict_chk(true)
            .map_err(|source| HostError::Open { source })?;
        // The end of every answer is forwarded: without it a connection that died half way through
        // a dump would look like a short table.
        connection.set_forward_done(true);
        connection.set_forward_ack(true);
        Ok(Self {
            handle,
            _connection: Arc::new(Connection(tokio::spawn(connection))),
        })
    }

    /// Reads a whole table.
    pub(crate) async fn dump(
        &self,
        action: &str,
        request: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, HostError> {
        for _attempt in 0..DUMP_ATTEMPTS {
            let answer = self.exchange(action, request.clone(), NLM_F_DUMP).await?;
            if !answer.interrupted {
                return Ok(answer.messages);
            }
        }
        Err(HostError::Unsteady {
            action: action.to_owned(),
            attempts: DUMP_ATTEMPTS,
        })
    }

    /// Sends one request and returns what the kernel answered before its acknowledgement.
    ///
    /// `flags` are added to `NLM_F_REQUEST | NLM_F_ACK`.
    pub(crate) async fn request(
        &self,
        action: &str,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>, HostError> {
        let answer = self.exchange(action, request, flags | NLM_F_ACK).await?;
        Ok(answer.messages)
    }

    async fn exchange(
        &self,
        action: &str,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Exchange, HostError> {
        let gone = || HostError::Gone {
            action: action.to_owned(),
        };
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | flags;
        let mut answers = self
            .handle
            .clone()
            .request(message)
            .map_err(|_closed| gone())?;
        let mut exchange = Exchange::default();
        while let Some(answer) = answers.next().await {
            exchange.interrupted |= answer.header.flags & NLM_F_DUMP_INTR != 0;
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => exchange.messages.push(message),
                NetlinkPayload::Error(error) => match error.code {
                    None => return Ok(exchange),
                    Some(code) => {
                        return Err(HostError::Refused {
                            action: action.to_owned(),
                            source: io::Error::from_raw_os_error(code.get().saturating_neg()),
                        });
                    }
                },
                NetlinkPayload::Done(done) if done.code < 0 => {
                    return Err(HostError::Refused {
                        action: action.to_owned(),
                        source: io::Error::from_raw_os_error(done.code.saturating_neg()),
                    });
                }
                NetlinkPayload::Done(_) => return Ok(exchange),
                NetlinkPayload::Noop | NetlinkPayload::Overrun(_) => {}
                _ => {}
            }
        }
        Err(gone())
    }
}

/// What came back for one request.
#[derive(Default)]
struct Exchange {
    messages: Vec<RouteNetlinkMessage>,
    /// The kernel said that the table changed during the dump.
    interrupted: bool,
}

/// The task that owns the socket; it ends with the last [`Host`].
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// netlink's name of a family.
pub(crate) fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

/// Both families, in the order in which tables are read.
pub(crate) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
