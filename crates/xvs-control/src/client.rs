//! The client of command lines: one call, one answer, no runtime to care about.

mod configuration;
mod vrrp;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::UnixStream,
    runtime::{Builder, Runtime},
    time::timeout,
};
use xvs_types::{
    ConnectionListing, Op, ServerScope, SyncDaemon, Timeouts, VirtualServerId, VirtualServerListing,
};

use crate::{
    Instance,
    wire::{
        Batch, BatchOutcome, Code, ConnectionCount, ConnectionQuery, HookSetting, InterfaceSetting,
        Problem, ServerQuery, SettingChanges, SettingListing, Status, StopRequest, Version,
    },
};

/// How long the daemon may be silent, to a request or within its answer. It is above what the
/// daemon allows itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nothing listens on the socket.
    #[error("no xvs daemon listens on `{socket}`; start one with `{run_command}`")]
    NoDaemon {
        /// The socket.
        socket: PathBuf,
        /// The command that starts a daemon for this instance.
        run_command: String,
    },
    /// The socket is closed to this user.
    #[error("user may not open `{socket}`; run this as root or as a member of the group `xvs`")]
    NotAllowed {
        /// The socket.
        socket: PathBuf,
    },
    /// The daemon said no.
    #[error("{0}")]
    Problem(Problem),
    /// The daemon was silent for too long.
    #[error("the xvs daemon on `{socket}` does not answer; its log may say why")]
    Silent {
        /// The socket.
        socket: PathBuf,
    },
    /// The connection failed.
    #[error("the connection to the xvs daemon on `{socket}` failed: {reason}")]
    Connection {
        /// The socket.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
    /// The answer is not what this version expects.
    #[error("the answer of the xvs daemon is not understood: {reason}; are both of one version?")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// The code of the daemon's problem; none when the failure is another.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Problem(problem) => Some(problem.code),
            _ => None,
        }
    }
}

/// A connection to the daemon of an instance. Calls wait for their answers.
///
/// It has a small runtime of its own, so it cannot be used from within another.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    socket: PathBuf,
}

impl Client {
    /// Connects to the daemon of `instance`.
    ///
    /// # Errors
    ///
    /// When no daemon listens, or this user may not open its socket.
    pub fn connect(instance: &Instance) -> Result<Self, ClientError> {
        let socket = instance.socket();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoDaemon {
                socket: instance.socket(),
                run_command: instance.run_command(),
            },
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed {
                socket: instance.socket(),
            },
            _ => broken(&instance.socket(), &error),
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let stream = runtime
            .block_on(UnixStream::connect(&socket))
            .map_err(failed)?;
        let (sender, connection) = runtime
            .block_on(http1::handshake(TokioIo::new(stream)))
            .map_err(|error| broken(&socket, &error))?;
        runtime.spawn(async move {
            // Its failure is that of the request under way, which reports it.
            let _ended = connection.await;
        });
        Ok(Self {
            runtime,
            sender,
            socket,
        })
    }

    /// The versions of the daemon and of its API.
    ///
    /// # Errors
    ///
    /// As every call: when the daemon says no ([`ClientError::Problem`]), is silent, or goes away.
    pub fn version(&mut self) -> Result<Version, ClientError> {
        self.get("/v1/version")
    }

    /// What the daemon says of itself.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn status(&mut self) -> Result<Status, ClientError> {
        self.get("/v1/status")
    }

    /// Virtual and real servers with all their counts.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn virtual_servers(&mut self) -> Result<Vec<VirtualServerListing>, ClientError> {
        self.list(&ServerScope::default())
    }

    /// One virtual server with all its counts, if it exists.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn virtual_server(
        &mut self,
        id: &VirtualServerId,
    ) -> Result<Option<VirtualServerListing>, ClientError> {
        let scope = ServerScope {
            only: Some(*id),
            ..ServerScope::default()
        };
        self.list(&scope).map(|mut found| found.pop())
    }

    /// Virtual and real servers, as far as `scope` wants them.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn list(&mut self, scope: &ServerScope) -> Result<Vec<VirtualServerListing>, ClientError> {
        let path = with_query("/v1/virtual-servers", &ServerQuery::from(scope))?;
        self.get(&path)
    }

    /// Applies a batch; that ops were refused is in the outcome, not an error.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn apply(&mut self, batch: &Batch) -> Result<BatchOutcome, ClientError> {
        self.send(Method::POST, "/v1/ops", batch)
    }

    /// Applies one op.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; a refused op is the inner error.
    pub fn apply_one(&mut self, op: Op) -> Result<Result<(), xvs_types::OpError>, ClientError> {
        let outcome = self.apply(&Batch::atomic(vec![op]))?;
        Ok(outcome.into_results().into_iter().collect())
    }

    /// Calls `visit` for each connection that `query` matches, as they arrive, until it answers
    /// `false`. The connection to the daemon is of no use after an early end.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; also in the middle of a listing.
    pub fn connections(
        &mut self,
        query: &ConnectionQuery,
        visit: impl FnMut(ConnectionListing) -> bool,
    ) -> Result<(), ClientError> {
        let path = with_query("/v1/connections", query)?;
        self.lines(&path, true, visit)
    }

    /// How many connections `query` matches.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn count_connections(&mut self, query: &ConnectionQuery) -> Result<u64, ClientError> {
        let path = with_query("/v1/connections/count", query)?;
        self.get(&path)
            .map(|count: ConnectionCount| count.connections)
    }

    /// Ends the connections that `query` matches; answers how many.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; a query without a condition is refused unless it says `all`.
    pub fn kill_connections(&mut self, query: &ConnectionQuery) -> Result<u64, ClientError> {
        let path = with_query("/v1/connections", query)?;
        self.call(Method::DELETE, &path, Bytes::new())
            .map(|count: ConnectionCount| count.connections)
    }

    /// The settings of `net.ipv4.vs`.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn settings(&mut self) -> Result<Vec<SettingListing>, ClientError> {
        self.get("/v1/settings")
    }

    /// Changes settings, all or none.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; a value out of range is [`Code::BadRequest`](crate::wire::Code::BadRequest).
    pub fn change_settings(
        &mut self,
        changes: &SettingChanges,
    ) -> Result<Vec<SettingListing>, ClientError> {
        self.send(Method::PUT, "/v1/settings", changes)
    }

    /// The timeouts in force.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn timeouts(&mut self) -> Result<Timeouts, ClientError> {
        self.get("/v1/timeouts")
    }

    /// The sync daemons that were asked for.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, ClientError> {
        self.get("/v1/sync-daemons")
    }

    /// Where on its links the datapath shall run.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn hook(&mut self) -> Result<HookSetting, ClientError> {
        self.get("/v1/hook")
    }

    /// Changes where on its links the datapath runs.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; a link that cannot is [`Code::HookUnsupported`].
    pub fn set_hook(&mut self, setting: HookSetting) -> Result<HookSetting, ClientError> {
        self.send(Method::PUT, "/v1/hook", &setting)
    }

    /// The links that shall carry the datapath.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn interfaces(&mut self) -> Result<InterfaceSetting, ClientError> {
        self.get("/v1/interfaces")
    }

    /// Changes the links that carry the datapath.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; a link that is not there is [`Code::UnknownInterface`].
    pub fn set_interfaces(
        &mut self,
        setting: &InterfaceSetting,
    ) -> Result<InterfaceSetting, ClientError> {
        self.send(Method::PUT, "/v1/interfaces", setting)
    }

    /// Makes the daemon end; it may still be about to when this returns.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn stop(&mut self, request: StopRequest) -> Result<(), ClientError> {
        self.send(Method::POST, "/v1/stop", &request)
    }

    fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, Bytes::new())
    }

    fn send<B: Serialize, T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Answer {
            reason: error.to_string(),
        })?;
        self.call(method, path, body.into())
    }

    fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let response = self.exchange(method, path, body)?;
        let body = self.collect(response)?;
        understood(&body)
    }

    /// Sends a request and reads the head of its answer; a problem becomes an error.
    fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "xvs")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| ClientError::Answer {
                reason: error.to_string(),
            })?;
        let response = self.sender.send_request(request);
        let response = wait(&self.runtime, &self.socket, response)?
            .map_err(|error| broken(&self.socket, &error))?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let body = self.collect(response)?;
        Err(match serde_json::from_slice(&body) {
            Ok(problem) => ClientError::Problem(problem),
            Err(_foreign) => ClientError::Answer {
                reason: format!("status {status}"),
            },
        })
    }

    /// Calls `visit` for each JSON line of an answer until it answers `false`; between two lines the
    /// daemon may be silent for ever unless `hurry`.
    fn lines<T: DeserializeOwned>(
        &mut self,
        path: &str,
        hurry: bool,
        mut visit: impl FnMut(T) -> bool,
    ) -> Result<(), ClientError> {
        let mut body = self.exchange(Method::GET, path, Bytes::new())?.into_body();
        let mut unread: Vec<u8> = Vec::new();
        loop {
            let frame = if hurry {
                self.wait(body.frame())?
            } else {
                self.runtime.block_on(body.frame())
            };
            let Some(frame) = frame else { return Ok(()) };
            let frame = frame.map_err(|error| broken(&self.socket, &error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            unread.extend_from_slice(&data);
            let complete = unread.iter().rposition(|byte| *byte == b'\n');
            let Some(last) = complete else { continue };
            for line in unread[..last].split(|byte| *byte == b'\n') {
                if !visit(understood(line)?) {
                    return Ok(());
                }
            }
            unread.drain(..=last);
        }
    }

    fn collect(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        self.wait(response.into_body().collect())?
            .map(http_body_util::Collected::to_bytes)
            .map_err(|error| broken(&self.socket, &error))
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, ClientError> {
        wait(&self.runtime, &self.socket, future)
    }
}

fn wait<T>(
    runtime: &Runtime,
    socket: &Path,
    future: impl Future<Output = T>,
) -> Result<T, ClientError> {
    runtime
        .block_on(async { timeout(PATIENCE, future).await })
        .map_err(|_elapsed| ClientError::Silent {
            socket: socket.to_owned(),
        })
}

fn broken(socket: &Path, error: &dyn std::error::Error) -> ClientError {
    ClientError::Connection {
        socket: socket.to_owned(),
        reason: error.to_string(),
    }
}

fn understood<T: DeserializeOwned>(text: &[u8]) -> Result<T, ClientError> {
    let failed = |reason: String| ClientError::Answer { reason };
    // Checked once as a whole: from bytes, each string and each name would be checked for itself.
    let text = std::str::from_utf8(text).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| failed(error.to_string()))
}

fn with_query(path: &str, query: &impl Serialize) -> Result<String, ClientError> {
    let query = serde_urlencoded::to_string(query).map_err(|error| ClientError::Answer {
        reason: error.to_string(),
    })?;
    Ok(if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    })
}
