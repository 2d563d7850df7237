//! The routes of configuration, checks and events.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::stream;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::routes::{Answer, BodyResult, json, parsed};
use crate::{
    Director,
    wire::{ConfigurationRequest, Event, EventKind},
};

/// The routes whose requests name a file; they are root's alone, and for the socket.
pub(super) const NAME_A_FILE: [&str; 2] = ["/v1/configuration", "/v1/configuration/plan"];

/// The routes, driving a director.
pub(super) fn router<D: Director>() -> Router<D> {
    Router::new()
        .route("/v1/checks", get(checks::<D>))
        .route(
            "/v1/configuration",
            get(configuration::<D>).post(apply::<D>),
        )
        .route("/v1/configuration/confirm", post(confirm::<D>))
        .route("/v1/configuration/plan", post(plan::<D>))
        .route("/v1/configuration/reload", post(reload::<D>))
        .route("/v1/events", get(events::<D>))
}

async fn checks<D: Director>(State(director): State<D>) -> Answer {
    json(director.checks()).await
}

async fn configuration<D: Director>(State(director): State<D>) -> Answer {
    json(director.configuration()).await
}

async fn apply<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    let request: ConfigurationRequest = parsed(body)?;
    json(director.apply_configuration(request)).await
}

async fn confirm<D: Director>(State(director): State<D>) -> Answer {
    json(director.confirm_configuration()).await
}

/// Changes nothing, yet takes a body and makes the daemon read a file: it is a write.
async fn plan<D: Director>(State(director): State<D>, body: BodyResult) -> Answer {
    json(director.plan_configuration(parsed(body)?)).await
}

async fn reload<D: Director>(State(director): State<D>) -> Answer {
    json(director.reload_configuration()).await
}

/// Events as JSON lines, until the client has enough or the daemon ends.
async fn events<D: Director>(State(director): State<D>) -> Response {
    let lines = stream::unfold(director.events(), |mut events| async move {
        let line = next_line(&mut events).await?;
        Some((Ok::<_, std::convert::Infallible>(line), events))
    });
    let body = Body::from_stream(lines);
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

async fn next_line(events: &mut Receiver<Event>) -> Option<Bytes> {
    let event = match events.recv().await {
        Ok(event) => event,
        Err(RecvError::Lagged(count)) => Event {
            at_ms: 0,
            kind: EventKind::Lost,
            virtual_server: None,
            real_server: None,
            up: None,
            text: format!("{count} events are lost: they were not read in time"),
        },
        Err(RecvError::Closed) => return None,
    };
    // Strings, numbers and unit enums: there is no value of this type that serde_json refuses.
    let mut line = serde_json::to_vec(&event).ok()?;
    line.push(b'\n');
    Some(line.into())
}
