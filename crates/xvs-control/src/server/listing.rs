//! The listing of connections, made while it is read.
//!
//! The daemon is asked for the next page only when the client has taken the last one, so a listing
//! of any length holds one page in memory, and a client that stalls holds nothing up.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;

use crate::{
    Director,
    wire::{Code, ConnectionPage, ConnectionQuery, Problem},
};

/// Connections in a page: about 1 MB of JSON.
const PAGE: usize = 2048;

/// The answer to a listing: JSON lines.
///
/// # Errors
///
/// When the first page fails. A later failure breaks the body off, which the client notices.
pub(super) async fn answer<D: Director>(
    director: D,
    query: ConnectionQuery,
) -> Result<Response, Problem> {
    let left = query
        .limit
        .map_or(Ok(usize::MAX), usize::try_from)
        .map_err(|_huge| Problem::new(Code::BadRequest, "the limit is too great"))?;
    let mut listing = Listing {
        director,
        query,
        left,
        cursor: Some(0),
    };
    let first = listing.next_page().await?;
    let rest = stream::try_unfold(listing, |mut listing| async move {
        match listing.next_page().await {
            Ok(Some(lines)) => Ok(Some((lines, listing))),
            Ok(None) => Ok(None),
            Err(problem) => Err(axum::Error::new(std::io::Error::other(problem.to_string()))),
        }
    });
    let first = stream::iter(first.map(Ok));
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

struct Listing<D> {
    director: D,
    query: ConnectionQuery,
    /// How many more the client wants.
    left: usize,
    /// Where the next page begins; none at the end.
    cursor: Option<u64>,
}

impl<D: Director> Listing<D> {
    /// The lines of the next page that has any; none at the end.
    async fn next_page(&mut self) -> Result<Option<Bytes>, Problem> {
        while let Some(cursor) = self.cursor {
            let most = self.left.min(PAGE);
            if most == 0 {
                break;
            }
            let query = self.query.clone();
            let page = self.director.connections(query, cursor, most).await?;
            self.left = self.left.saturating_sub(page.connections.len());
            self.cursor = page.next;
            if !page.connections.is_empty() {
                return lines(&page).map(Some);
            }
        }
        self.cursor = None;
        Ok(None)
    }
}

fn lines(page: &ConnectionPage) -> Result<Bytes, Problem> {
    let mut text = Vec::with_capacity(page.connections.len().saturating_mul(512));
    for connection in &page.connections {
        serde_json::to_writer(&mut text, connection).map_err(|error| {
            Problem::new(
                Code::Internal,
                format!("cannot write a connection: {error}"),
            )
        })?;
        text.push(b'\n');
    }
    Ok(text.into())
}
