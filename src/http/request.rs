//! What every request passes: its id, its client, its own task, its line in the log and its part in the metrics.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::runtime::Handle;
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

use super::App;
use super::client::{client_of, is_encrypted};
use super::headers::STRICT_TRANSPORT;
use crate::clock::whole_seconds;
use crate::identity::{Allowance, Caller, Client, Error, Principal};
use crate::telemetry::metrics;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const SQL_STATEMENTS: HeaderName = HeaderName::from_static("x-sql-statements");

/// What a handler learns of its request beside what it asks for.
#[derive(Clone, Debug)]
pub struct About {
    pub request_id: String,
    pub client: Client,
}

/// Left on an answer by its handler: how many requests are left to whoever asked.
#[derive(Clone, Copy)]
pub struct Left(pub Allowance);

/// Left on an answer by its handler: how many SQL statements it took.
#[derive(Clone, Copy)]
pub struct Statements(pub u64);

/// Work that goes on by itself where nobody waits for it any more.
struct ToTheEnd<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(work) = &mut self.0 else { return Poll::Ready(None) };
        let done = ready!(work.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(Some(done))
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        // What has panicked has come to its end.
        if let Some(rest) = self.0.take()
            && !std::thread::panicking()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(rest);
        }
    }
}

/// Runs the request to its end, even if nobody waits for the answer any more.
pub async fn run_to_the_end(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let running = metrics::RunningRequest::begin();
    let request_id = request_id(&request, &app);
    let client = client_of(&request, app.options.believed());
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    // Who calls us may be in the middle of a trace (W3C Trace Context).
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let traceparent = traceparent.filter(is_traceparent);
    // At the highest level, so that every event of the request carries its id, whatever is logged.
    let span = tracing::error_span!(
        "request",
        request_id,
        method,
        route,
        traceparent,
        user_id = Empty,
        api_key_id = Empty,
        status = Empty
    );
    let encrypted = is_encrypted(&request, app.options.believed());
    let about = About { request_id: request_id.clone(), client };
    request.extensions_mut().insert(about);

    // What is told of it is told in there, too: nobody may be waiting for the answer any more.
    let told = span.clone();
    let whole = async move {
        let response = next.run(request).await;
        drop(running);
        let status = response.status().as_u16();
        told.record("status", status);
        let took = began.elapsed();
        let statements = response.extensions().get::<Statements>().map_or(0, |statements| statements.0);
        metrics::request(method, &route, status, took);
        metrics::sql_statements(statements);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(duration_ms, sql_statements = statements, "request_completed");
        response
    };
    let whole = ToTheEnd(Some(Box::pin(whole.instrument(span)))).await;
    let mut response = whole.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    if encrypted {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
    if let Some(Left(allowance)) = response.extensions().get::<Left>().copied() {
        tell_left(&mut response, &allowance);
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let statements = response.extensions().get::<Statements>().copied();
    if let Some(Statements(statements)) = statements.filter(|_| app.options.show_statements) {
        response.headers_mut().insert(SQL_STATEMENTS, statements.into());
    }
    response
}

/// In the fields of the IETF's draft on rate limits (draft-ietf-httpapi-ratelimit-headers).
fn tell_left(response: &mut Response, allowance: &Allowance) {
    let policy = format!("\"requests\";q={};w={}", allowance.limit, allowance.window.as_secs());
    let wait = allowance.retry_after.map_or(0, whole_seconds);
    let left = format!("\"requests\";r={};t={wait}", allowance.remaining);
    for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// The id that came along, if it is one we are willing to log, or a new one.
fn request_id(request: &Request, app: &App) -> String {
    // Of two, one by a proxy, nobody can tell which is meant.
    let mut given = request.headers().get_all(REQUEST_ID).iter();
    let given = given.next().filter(|_| given.next().is_none()).and_then(|value| value.to_str().ok());
    let fits = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    given.filter(fits).map_or_else(|| app.identity.clock().new_id().as_simple().to_string(), str::to_owned)
}

/// Version, trace, parent and flags in hexadecimal: nothing else goes into a log.
fn is_traceparent(value: &&str) -> bool {
    value.len() == 55 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A method for a label: clients can invent methods, and each would be a time series.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

/// Why a request is not run: an error, and what is left to whoever made it.
pub struct Stopped {
    pub error: Error,
    pub left: Left,
}

impl Stopped {
    /// The answer, with the error as the surface that was asked tells it.
    pub fn told(self, failed: impl FnOnce(Error) -> Response) -> Response {
        let mut response = failed(self.error);
        response.extensions_mut().insert(self.left);
        response
    }
}

/// The media type of a request's body, without its parameters.
pub fn media_type(headers: &HeaderMap) -> &str {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim()
}

/// A request of this principal, who may ask once more.
pub fn begin(app: &App, about: &About, principal: Principal) -> Result<(Caller, Left), Box<Stopped>> {
    let allowance = app.identity.allowance(&principal, &about.client);
    match allowance.retry_after {
        Some(retry_after) => {
            Err(Box::new(Stopped { error: Error::RateLimited { retry_after }, left: Left(allowance) }))
        }
        None => Ok((app.identity.caller(principal, about.client.clone(), about.request_id.clone()), Left(allowance))),
    }
}

/// A request of whoever has a credential that holds. Others are strangers, and counted as such.
pub async fn begin_known(app: &App, about: &About, headers: &HeaderMap) -> Result<(Caller, Left), Box<Stopped>> {
    let missing =
        Error::Unauthenticated("send an API key as `X-API-Key`, or an access token as `Authorization: Bearer <token>`");
    let error = match authenticate(app, about, headers).await {
        Ok(principal @ Principal::Known(_)) => return begin(app, about, principal),
        Ok(Principal::Anonymous) => missing,
        Err(error) => error,
    };
    let (_, left) = begin(app, about, Principal::Anonymous)?;
    Err(Box::new(Stopped { error, left }))
}

/// The answer, with what it took.
pub fn counted(caller: &Caller, left: Left, mut response: Response) -> Response {
    response.extensions_mut().insert(left);
    response.extensions_mut().insert(Statements(caller.statements.get()));
    response
}

/// Who asks, by an access token (`Authorization: Bearer`) or an API key (`X-API-Key`, `Authorization: ApiKey`).
pub async fn authenticate(app: &App, about: &About, headers: &HeaderMap) -> Result<Principal, Error> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    match (text(header::AUTHORIZATION), text(API_KEY)) {
        (None, None) => Ok(Principal::Anonymous),
        (None, Some(key)) => app.identity.authenticate_key(key, &about.client).await,
        (Some(credential), None) => {
            let (scheme, value) = credential.split_once(' ').unwrap_or((credential, ""));
            if scheme.eq_ignore_ascii_case("apikey") {
                return app.identity.authenticate_key(value.trim(), &about.client).await;
            }
            // Another scheme is a token that does not hold.
            let token = if scheme.eq_ignore_ascii_case("bearer") { value.trim() } else { "" };
            app.identity.authenticate(token, &about.client).await
        }
        (Some(_), Some(_)) => {
            Err(Error::bad_input("X-API-Key", "cannot stand beside `Authorization`: send one of them"))
        }
    }
}

pub async fn not_found() -> Response {
    let detail = "Not Found: the API is at /graphql, the old calls are below /auth/";
    (StatusCode::NOT_FOUND, Json(json!({ "detail": detail }))).into_response()
}

/// Reads a uuid that a client sent in the form of a session id.
pub fn session_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}
