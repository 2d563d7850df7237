//! The server: a loop that accepts, a task a connection.
//!
//! ```text
//!   listener --accept--> [slot free?] --spawn--> connection task: HTTP/1.1
//!                                                  peer credentials -> routes -> Director
//! ```
//!
//! It is bounded everywhere: connections at a time, seconds for a request's head and for its answer,
//! bytes of a body, seconds of a whole connection. A peer that stalls costs its own connection only.

mod bind;
mod configuration;
mod listing;
mod openapi;
mod peer;
mod routes;
mod schemas;
mod tcp;
mod vrrp;

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::Extension;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tower_service::Service;
use tracing::{debug, warn};

pub use self::{
    bind::{BindError, WRITERS_GROUP, adopt, bind},
    peer::{Access, Peer},
    tcp::{Token, TokenError},
};
use self::{peer::Caller, tcp::Remote};
use crate::Director;

/// Connections served at a time; more wait in the listen queue.
const CONNECTIONS: usize = 64;
/// Time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the head of a request.
const HEAD_BYTES: usize = 16 * 1024;
/// The longest life of a connection: room for the listing of millions of connections.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);
/// How long `accept` rests after an error such as "too many open files".
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How long connections may go on after `shutdown`.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves the API on `listener` until `shutdown` completes, then lets the requests under way finish
/// for two seconds.
pub async fn serve<D: Director>(
    listener: UnixListener,
    access: Access,
    director: D,
    shutdown: impl Future<Output = ()>,
) {
    serve_on(Door::Local(listener, access), director, shutdown).await;
}

/// Serves the API on TCP like [`serve`]: everybody may read; who sends `token` may write, and nobody
/// where there is none.
pub async fn serve_tcp<D: Director>(
    listener: TcpListener,
    token: Option<Token>,
    director: D,
    shutdown: impl Future<Output = ()>,
) {
    serve_on(Door::Remote(listener, token), director, shutdown).await;
}

/// Where connections come in.
enum Door {
    Local(UnixListener, Access),
    Remote(TcpListener, Option<Token>),
}

/// A connection that came in.
enum Stream {
    Local(UnixStream),
    Remote(TcpStream),
}

impl Door {
    async fn accept(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Local(listener, _) => Stream::Local(listener.accept().await?.0),
            Self::Remote(listener, _) => Stream::Remote(listener.accept().await?.0),
        })
    }

    /// Who is at the other end of `stream`.
    fn caller(&self, stream: &Stream) -> io::Result<Caller> {
        match (self, stream) {
            (Self::Local(_, access), Stream::Local(stream)) => {
                Peer::of(stream, access).map(Caller::Local)
            }
            (Self::Remote(_, token), Stream::Remote(stream)) => Ok(Caller::Remote(Remote {
                local: stream.local_addr()?,
                token: token.clone(),
            })),
            // `accept` gives each door its own streams.
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

async fn serve_on<D: Director>(door: Door, director: D, shutdown: impl Future<Output = ()>) {
    let router = routes::router(director);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut tasks = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        // The semaphore is never closed, so acquiring a permit cannot fail.
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, door.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut shutdown => break,
            next = next => next,
        };
        while tasks.try_join_next().is_some() {}
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                warn!(%error, "cannot accept a connection to the control socket");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let caller = match door.caller(&stream) {
            Ok(caller) => caller,
            Err(error) => {
                warn!(%error, "cannot read the credentials of a peer: its connection is closed");
                continue;
            }
        };
        let router = router.clone().layer(Extension(caller));
        tasks.spawn(async move {
            match stream {
                Stream::Local(stream) => connection(stream, router).await,
                Stream::Remote(stream) => connection(stream, router).await,
            }
            drop(slot);
        });
    }
    let drained = timeout(LAST_WORDS, async {
        while tasks.join_next().await.is_some() {}
    })
    .await;
    if drained.is_err() {
        debug!("connections to the control socket were cut short");
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, router: axum::Router) {
    let service = service_fn(move |request: Request<Incoming>| router.clone().call(request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_LIFE, served).await {
        Ok(Ok(())) => {}
        // The peer's doing: it went away or spoke no HTTP.
        Ok(Err(error)) => debug!(%error, "a connection to the control socket ended early"),
        Err(_elapsed) => debug!("a connection to the control socket was open too long"),
    }
}
