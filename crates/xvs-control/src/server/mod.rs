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
mod listing;
mod openapi;
mod peer;
mod routes;

use std::{future::Future, sync::Arc, time::Duration};

use axum::Extension;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tower_service::Service;
use tracing::{debug, warn};

pub use self::{
    bind::{BindError, WRITERS_GROUP, adopt, bind},
    peer::{Access, Peer},
};
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
    let router = routes::router(director);
    let access = Arc::new(access);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut tasks = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        // The semaphore is never closed, so acquiring a permit cannot fail.
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut shutdown => break,
            next = next => next,
        };
        while tasks.try_join_next().is_some() {}
        let stream = match accepted {
            Ok((stream, _address)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept a connection to the control socket");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let peer = match Peer::of(&stream, &access) {
            Ok(peer) => peer,
            Err(error) => {
                warn!(%error, "cannot read the credentials of a peer: its connection is closed");
                continue;
            }
        };
        let router = router.clone().layer(Extension(peer));
        tasks.spawn(async move {
            connection(stream, router).await;
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

async fn connection(stream: UnixStream, router: axum::Router) {
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
