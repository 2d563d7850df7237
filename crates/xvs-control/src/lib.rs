//! The control API of xvs: HTTP/JSON on a Unix socket, and on TCP where that is asked for.
//!
//! This crate owns the routes under `/v1`, the JSON they speak ([`wire`]), who may write
//! ([`Access`]), the server ([`serve`]) and the blocking client that command lines use ([`Client`]).
//! It also knows where the files of an instance are ([`Instance`]). What the routes *do* is the
//! caller's: the server drives anything that is a [`Director`].
//!
//! | Route | Method | Does |
//! | --- | --- | --- |
//! | `/v1/checks` | GET | what health checks have found |
//! | `/v1/configuration` | GET, POST | the configuration in force; puts another into force |
//! | `/v1/configuration/confirm` | POST | keeps the one that waits for it |
//! | `/v1/configuration/plan` | POST | what another one would change |
//! | `/v1/configuration/reload` | POST | reads its file again |
//! | `/v1/connections` | GET, DELETE | lists as JSON lines, ends connections; filters in the query |
//! | `/v1/connections/count` | GET | counts connections |
//! | `/v1/events` | GET | what happens, as JSON lines without an end |
//! | `/v1/hook` | GET, PUT | where on its links the datapath runs |
//! | `/v1/interfaces` | GET, PUT | the links that carry the datapath |
//! | `/v1/openapi.json` | GET | this table for machines |
//! | `/v1/ops` | POST | changes the rules: a batch of ops |
//! | `/v1/status` | GET | what the daemon says of itself |
//! | `/v1/stop` | POST | ends the daemon |
//! | `/v1/sync-daemons` | GET | the sync daemons that were asked for |
//! | `/v1/timeouts` | GET, PUT | connection timeouts |
//! | `/v1/version` | GET | the versions of the daemon and of the API |
//! | `/v1/virtual-servers` | GET | virtual and real servers with counts; one of them, or no totals, by the query |
//! | `/v1/vrrp` | GET | virtual routers: states, reasons, counters |
//! | `/v1/vrrp/failover` | POST | makes a master hand over |
//! | `/v1/vrrp/priority` | POST | sets a priority, or takes it back |

mod client;
mod director;
mod instance;
mod server;
pub mod wire;

pub use client::{Client, ClientError};
pub use director::Director;
pub use instance::{DEFAULT_RUNTIME_DIRECTORY, Instance, InstanceError};
pub use server::{
    Access, BindError, Peer, Token, TokenError, WRITERS_GROUP, adopt, bind, serve, serve_tcp,
};
