//! The routes: what each takes, asks of the [`Director`] and answers.

use std::{future::Future, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, Request, State, rejection::QueryRejection},
    http::{Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use xvs_types::{Op, Timeouts};

use super::{configuration, listing, openapi, peer::Caller, vrrp};
use crate::{
    Director,
    wire::{
        API_VERSION, Batch, Code, ConnectionCount, ConnectionQuery, Problem, ServerQuery,
        SettingChanges, SettingListing, Version, WithoutCounters,
    },
};

/// Bytes of a body: a batch of some 200,000 ops.
const BODY_BYTES: usize = 64 * 1024 * 1024;
/// Time from the head of a request to the head of its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) type Answer = Result<Response, Problem>;

/// All routes, driving `director`.
pub(super) fn router<D: Director>(director: D) -> Router {
    Router::new()
        .route("/v1/connections", get(connections::<D>).delete(kill::<D>))
        .route("/v1/connections/count", get(count::<D>))
        .route("/v1/hook", get(hook::<D>).put(set_hook::<D>))
        .route(
            "/v1/interfaces",
            get(interfaces::<D>).put(set_interfaces::<D>),
        )
        .route("/v1/openapi.json", get(document))
        .route("/v1/ops", post(ops::<D>))
        .route("/v1/settings", get(settings::<D>).put(change_settings::<D>))
        .route("/v1/status", get(status::<D>))
        .route("/v1/stop", post(stop::<D>))
        .route("/v1/sync-daemons", get(sync_daemons::<D>))
        .route("/v1/timeouts", get(timeouts::<D>).put(set_timeouts::<D>))
        .route("/v1/version", get(version))
        .route("/v1/virtual-servers", get(virtual_servers::<D>))
        .merge(configuration::router())
        .merge(vrrp::router())
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(guard))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(director)
}

/// Before every route: may this peer do this; after too long: no.
async fn guard(Extension(caller): Extension<Caller>, request: Request, next: Next) -> Response {
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let names_file = writes && configuration::NAME_A_FILE.contains(&request.uri().path());
    let judged = match caller {
        // Whoever names a file makes a daemon with all rights read it, and run the programs in it.
        Caller::Local(peer) if names_file && peer.uid != 0 => Err(Problem::new(
            Code::Forbidden,
            format!(
                "user {} may not name a configuration; only root may",
                peer.uid
            ),
        )
        .with_hint("`xvs reload` reads the file in force again")),
        Caller::Remote(_) if names_file => Err(Problem::new(
            Code::Forbidden,
            "a configuration is not named over TCP",
        )
        .with_hint("use the socket, as root")),
        Caller::Local(peer) if writes && !peer.may_write => Err(Problem::new(
            Code::Forbidden,
            format!("user {} may look but not change anything", peer.uid),
        )
        .with_hint("run this as root or as a member of the group `xvs`")),
        Caller::Local(_) => Ok(()),
        Caller::Remote(remote) => remote.judge(request.headers(), writes),
    };
    if let Err(problem) = judged {
        return problem.into_response();
    }
    // The limit of the body's reader counts bytes as they come; an announced length is not waited for.
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_BYTES) {
        return too_large().into_response();
    }
    match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => Problem::new(Code::Timeout, "the request took too long").into_response(),
    }
}

async fn connections<D: Director>(
    State(director): State<D>,
    query: Result<Query<ConnectionQuery>, QueryRejection>,
) -> Answer {
    let query = conditions(query)?;
    if query.all {
        return Err(Problem::new(
            Code::BadRequest,
            "`all` is for ending connections",
        ));
    }
    listing::answer(director, query).await
}

async fn count<D: Director>(
    State(director): State<D>,
    query: Result<Query<ConnectionQuery>, QueryRejection>,
) -> Answer {
    let query = unlimited(conditions(query)?)?;
    if query.all {
        return Err(Problem::new(
            Code::BadRequest,
            "`all` is for ending connections",
        ));
    }
    json(async {
        let connections = director.count_connections(query).await?;
        Ok(ConnectionCount { connections })
    })
    .await
}

async fn kill<D: Director>(
    State(director): State<D>,
    query: Result<Query<ConnectionQuery>, QueryRejection>,
) -> Answer {
    let query = unlimited(conditions(query)?)?;
    if query.is_unconditional() != query.all {
        let problem = if query.all {
            Problem::new(Code::BadRequest, "`all` and conditions exclude each other")
        } else {
            Problem::new(Code::BadRequest, "ending connections needs a condition")
                .with_hint("say `all=true` to end every connection")
        };
        return Err(problem);
    }
    json(async {
        let connections = director.kill_connections(query).await?;
        Ok(ConnectionCount { connections })
    })
    .await
}

async fn hook<D: Director>(State(director): State<D>) -> Answer {
    json(director.hook()).await
}

async fn set_hook<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    json(director.set_hook(parsed(body)?)).await
}

async fn interfaces<D: Director>(State(director): State<D>) -> Answer {
    json(director.interfaces()).await
}

async fn set_interfaces<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    json(director.set_interfaces(parsed(body)?)).await
}

async fn document() -> Answer {
    json(async { Ok(openapi::document()) }).await
}

async fn ops<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    json(director.apply(parsed(body)?)).await
}

async fn settings<D: Director>(State(director): State<D>) -> Answer {
    json(async { Ok(SettingListing::all(&director.settings().await?)) }).await
}

async fn change_settings<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    let changes: SettingChanges = parsed(body)?;
    applied(&director, changes.into_ops()).await?;
    settings(State(director)).await
}

async fn status<D: Director>(State(director): State<D>) -> Answer {
    json(director.status()).await
}

async fn stop<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    json(director.stop(parsed(body)?)).await
}

async fn sync_daemons<D: Director>(State(director): State<D>) -> Answer {
    json(director.sync_daemons()).await
}

async fn timeouts<D: Director>(State(director): State<D>) -> Answer {
    json(director.timeouts()).await
}

async fn set_timeouts<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    let timeouts: Timeouts = parsed(body)?;
    applied(&director, vec![Op::SetTimeouts { timeouts }]).await?;
    json(director.timeouts()).await
}

/// Applies ops that a route is made of, all or none.
async fn applied<D: Director>(director: &D, ops: Vec<Op>) -> Result<(), Problem> {
    let outcome = director.apply(Batch::atomic(ops)).await?;
    match outcome.first_error() {
        Some((_index, error)) => Err(Problem::new(Code::BadRequest, error.to_string())),
        None => Ok(()),
    }
}

async fn version() -> Answer {
    json(async {
        Ok(Version {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api: API_VERSION,
        })
    })
    .await
}

async fn virtual_servers<D: Director>(
    State(director): State<D>,
    query: Result<Query<ServerQuery>, QueryRejection>,
) -> Answer {
    let Query(query) =
        query.map_err(|rejection| Problem::new(Code::BadRequest, rejection.body_text()))?;
    let scope = query.scope()?;
    let found = director.virtual_servers(scope).await?;
    if scope.counters {
        written(&found)
    } else {
        written(&WithoutCounters(&found))
    }
}

async fn no_such_route(request: Request) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("no route `{}`", request.uri().path()),
    )
    .with_hint("`/v1/openapi.json` lists the routes")
}

async fn no_such_method(request: Request) -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        format!(
            "`{}` is not for `{}`",
            request.method(),
            request.uri().path()
        ),
    )
    .with_hint("`/v1/openapi.json` lists the routes")
}

/// The body of a request, or why it could not be read: it may be above the limit.
pub(super) type BodyResult = Result<Bytes, axum::extract::rejection::BytesRejection>;

pub(super) fn parsed<T: DeserializeOwned>(body: BodyResult) -> Result<T, Problem> {
    let bytes = body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            too_large()
        } else {
            Problem::new(Code::BadRequest, rejection.body_text())
        }
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(
            Code::BadRequest,
            format!("the body is not understood: {error}"),
        )
    })
}

fn too_large() -> Problem {
    Problem::new(
        Code::TooLarge,
        format!("the body is above {BODY_BYTES} bytes"),
    )
    .with_hint("send the ops in several batches")
}

fn conditions(
    query: Result<Query<ConnectionQuery>, QueryRejection>,
) -> Result<ConnectionQuery, Problem> {
    match query {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => Err(Problem::new(Code::BadRequest, rejection.body_text())),
    }
}

fn unlimited(query: ConnectionQuery) -> Result<ConnectionQuery, Problem> {
    match query.limit {
        None => Ok(query),
        Some(_) => Err(Problem::new(Code::BadRequest, "`limit` is for listings")),
    }
}

pub(super) async fn json<T: Serialize>(answer: impl Future<Output = Result<T, Problem>>) -> Answer {
    written(&answer.await?)
}

fn written<T: Serialize>(answer: &T) -> Answer {
    let text = serde_json::to_vec(answer).map_err(|error| {
        Problem::new(Code::Internal, format!("cannot write the answer: {error}"))
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Strings and a unit enum: there is no value of this type that serde_json refuses.
        let text = serde_json::to_vec(&self).unwrap_or_default();
        (
            status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            Body::from(text),
        )
            .into_response()
    }
}
