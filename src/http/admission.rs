//! Which requests are taken: as many at once as there is room for. A panic in one of them is an answer like others.
//!
//! A request keeps its place until its answer has been taken: answers that nobody reads take memory, too.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::extract::{Extension, MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::body::Arriving;
use super::request::About;
use super::shares::Share;
use super::{App, graphql, rest};
use crate::identity::{Client, Error, Failure};

/// What is answered however busy the server is: whoever looks after it must be able to see. A page is no use without all of its
/// files, which cost nothing: their answers are parts of this program.
const ALWAYS: [&str; 9] = [
    "/healthz",
    "/livez",
    "/readyz",
    "/metrics",
    "/.well-known/jwks.json",
    "/admin",
    "/admin/",
    "/admin/{*path}",
    "/explorer/{*path}",
];
/// Bytes of an answer that are handed on at a time.
const PORTION: usize = 16 * 1024;

/// Among all requests, and among those of its client.
struct Place {
    _all: OwnedSemaphorePermit,
    _share: Option<Share>,
}

pub async fn admit(
    State(app): State<Arc<App>>,
    Extension(about): Extension<About>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let accepted = request.headers().get_all(ACCEPT).iter().cloned();
    let headers: HeaderMap = accepted.map(|value| (ACCEPT, value)).collect();
    // In the form of the surface that was asked.
    let refuse = |error: Error| match route.as_str() {
        "/graphql" => graphql::failure(&about, &headers, &error),
        _ => rest::failed(&Failure::Error(error)),
    };
    let needs_place = !ALWAYS.contains(&route.as_str());
    let place = if needs_place { place_of(&app, &about.client) } else { None };
    if needs_place && place.is_none() {
        // At once: what waits takes memory, and is answered too late for whoever asked.
        return refuse(Error::Unavailable(None));
    }
    let version = request.version();
    let request = request.map(|body| Arriving::of(&app, version, body));
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = answered.unwrap_or_else(|_| refuse(Error::Internal("panicked".to_owned())));
    response.map(|body| Body::new(Portions { body, rest: Bytes::new(), _place: place }))
}

fn place_of(app: &App, client: &Client) -> Option<Place> {
    let share = match client.address() {
        // Bodies that never come would otherwise take every place from one address.
        Some(address) => Some(app.places_by_address.take(address, 1)?),
        None => None,
    };
    Some(Place { _all: app.places.clone().try_acquire_owned().ok()?, _share: share })
}

/// A body that is taken portion by portion: what is not taken yet keeps the place.
struct Portions {
    body: Body,
    rest: Bytes,
    _place: Option<Place>,
}

impl HttpBody for Portions {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let length = self.rest.len().min(PORTION);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}
