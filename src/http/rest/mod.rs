//! The old REST calls, as the clients of the service before us know them. The same operations as the mutations: only the
//! shapes differ. Those for API keys are in [`api_keys`].

pub mod api_keys;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::body::{self, BodyError, JsonError, Sender};
use super::media_type::is_json_of_any_kind;
use super::request::{About, Left, begin, begin_known, counted, session_id};
use super::{App, cookie};
use crate::clock::whole_seconds;
use crate::graphql::shortened;
use crate::identity::{Caller, Error, Failure, Principal, RefusalCode, SignIn, SignOut, SignedIn};
use crate::store::access::SessionAccess;
use crate::store::users::HotelScope;

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
    #[serde(default)]
    remember_me: bool,
}

#[derive(Default, Deserialize)]
struct Refresh {
    /// Left out where a cookie keeps it.
    #[serde(default)]
    refresh_token: String,
}

#[derive(Default, Deserialize)]
struct Logout {
    session_id: Option<String>,
    #[serde(default)]
    all_sessions: bool,
    /// Not of the old service: whose session is the current one, where the access token has expired.
    refresh_token: Option<String>,
}

pub async fn login(
    State(app): State<Arc<App>>,
    Extension(about): Extension<About>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if !cookie::may_be_set(&app, &uri, &headers) {
        return with_detail(StatusCode::FORBIDDEN, "Not from another site");
    }
    let (caller, left) = match begin(&app, &about, Principal::Anonymous) {
        Ok(begun) => begun,
        Err(refused) => return refused.told(|error| failed(&Failure::Error(error))),
    };
    let login: Login = match read(&app, &about, Sender::Stranger, &headers, body).await {
        Ok(login) => login,
        Err(response) => return counted(&caller, left, response),
    };
    let sign_in = SignIn { email: &login.email, password: &login.password, remember_me: login.remember_me };
    let outcome = app.identity.sign_in(&caller, sign_in).await;
    counted(&caller, left, outcome.map_or_else(|failure| failed(&failure), |signed_in| tokens(&app, &signed_in)))
}

pub async fn refresh(
    State(app): State<Arc<App>>,
    Extension(about): Extension<About>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if !cookie::may_be_set(&app, &uri, &headers) {
        return with_detail(StatusCode::FORBIDDEN, "Not from another site");
    }
    let (caller, left) = match begin(&app, &about, Principal::Anonymous) {
        Ok(begun) => begun,
        Err(refused) => return refused.told(|error| failed(&Failure::Error(error))),
    };
    let kept = cookie::presented(&app, &uri, &headers);
    let read = match &kept {
        Some(_) => read_optional(&app, &about, Sender::Stranger, &headers, body).await.map(Option::unwrap_or_default),
        None => read(&app, &about, Sender::Stranger, &headers, body).await,
    };
    let refresh: Refresh = match read {
        Ok(refresh) => refresh,
        Err(response) => return counted(&caller, left, response),
    };
    if refresh.refresh_token.is_empty() && kept.is_none() {
        return counted(&caller, left, malformed("refresh_token", "is missing"));
    }
    let token = kept.filter(|_| refresh.refresh_token.is_empty()).unwrap_or(refresh.refresh_token);
    let outcome = app.identity.refresh(&caller, &token).await;
    counted(&caller, left, outcome.map_or_else(|failure| failed(&failure), |signed_in| tokens(&app, &signed_in)))
}

pub async fn logout(
    State(app): State<Arc<App>>,
    Extension(about): Extension<About>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let known = match signed_in(&app, &about, &headers).await {
        // Whoever may not ask at all is told before anything of the body is read.
        Err(refused) if refused.status() != StatusCode::UNAUTHORIZED => return refused,
        known => known,
    };
    let sender = if known.is_ok() { Sender::Known } else { Sender::Stranger };
    let logout = read_optional(&app, &about, sender, &headers, body).await.map(Option::<Logout>::unwrap_or_default);
    let kept = cookie::presented(&app, &uri, &headers);
    let token = logout.as_ref().ok().and_then(|logout| logout.refresh_token.clone()).filter(|token| !token.is_empty());
    let refresh_token = token.as_deref().or(kept.as_deref());
    let (caller, left) = match known {
        Ok((caller, _, left)) => (caller, left),
        // Signing out must work when the access token does not any more: by the refresh token.
        Err(_) if refresh_token.is_some() => match begin(&app, &about, Principal::Anonymous) {
            Ok(begun) => begun,
            Err(refused) => return refused.told(|error| failed(&Failure::Error(error))),
        },
        Err(refused) => return refused,
    };
    let logout = match logout {
        Ok(logout) => logout,
        Err(response) => return counted(&caller, left, response),
    };
    let which = match (&logout.session_id, logout.all_sessions) {
        (_, true) => SignOut::All,
        (None, false) => SignOut::Current,
        (Some(text), false) => match session_id(text) {
            Some(id) => SignOut::Session(id),
            None => return malformed("session_id", "is no session id"),
        },
    };
    let outcome = app.identity.sign_out(&caller, which, refresh_token).await;
    let signed_out = outcome.is_ok();
    let mut response = match outcome {
        Ok(_) => Json(json!({ "message": "Logged out successfully" })).into_response(),
        Err(failure) => failed(&failure),
    };
    if app.options.refresh_cookie && (signed_out || kept.is_some()) {
        cookie::forget_ended(&app, &caller.statements, kept.as_deref(), &mut response).await;
    }
    counted(&caller, left, response)
}

pub async fn me(State(app): State<Arc<App>>, Extension(about): Extension<About>, headers: HeaderMap) -> Response {
    match signed_in(&app, &about, &headers).await {
        Ok((caller, access, left)) => {
            let authenticated_at = instant(access.session_created_at);
            counted(
                &caller,
                left,
                Json(json!({ "user": user_of(&app, &access), "authenticated_at": authenticated_at })).into_response(),
            )
        }
        Err(response) => response,
    }
}

/// The user who asks, in their session.
async fn signed_in(app: &App, about: &About, headers: &HeaderMap) -> Result<(Caller, SessionAccess, Left), Response> {
    let (caller, left) = known(app, about, headers).await?;
    let Principal::Known(actor) = &caller.principal else { return Err(unauthorized("Not authenticated")) };
    let Some(access) = actor.user().cloned() else {
        return Err(with_detail(StatusCode::FORBIDDEN, "An API key has no session"));
    };
    Ok((caller, access, left))
}

/// Whoever asks with a credential that holds.
async fn known(app: &App, about: &About, headers: &HeaderMap) -> Result<(Caller, Left), Response> {
    begin_known(app, about, headers).await.map_err(|refused| refused.told(|error| failed(&Failure::Error(error))))
}

fn tokens(app: &App, signed_in: &SignedIn) -> Response {
    let refresh_token = &signed_in.tokens.refresh_token;
    let kept = app.options.refresh_cookie;
    let mut response = Json(json!({
        "access_token": signed_in.tokens.access_token,
        "refresh_token": if kept { "" } else { refresh_token.as_str() },
        "token_type": "bearer",
        "expires_in": signed_in.tokens.expires_in.as_secs(),
        "user": user_of(app, &signed_in.access),
    }))
    .into_response();
    if kept {
        cookie::keep(app, &mut response, refresh_token);
    }
    response
}

fn user_of(app: &App, access: &SessionAccess) -> Value {
    let access = app.identity.as_told(access);
    json!({
        "user_id": access.user_id,
        "email": access.email,
        "roles": access.roles,
        "permissions": access.permissions,
        "session_id": access.session_id,
        "expires_at": instant(access.session_expires_at),
        "hotel_ids": (access.hotel_scope != HotelScope::All).then_some(&access.hotels),
    })
}

fn instant(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

pub fn failed(failure: &Failure) -> Response {
    match failure {
        Failure::Refused(refusals) => {
            let refusal = refusals.first();
            let mut response = match refusal.map(|refusal| (refusal.code, &refusal.message)) {
                Some((RefusalCode::InvalidToken, _)) => unauthorized("Invalid refresh token"),
                Some((RefusalCode::AccountLocked, message)) => unauthorized(message),
                Some((RefusalCode::NotFound, _)) => with_detail(StatusCode::NOT_FOUND, "Session not found"),
                Some((RefusalCode::InvalidValue, message)) => {
                    malformed(refusal.and_then(|refusal| refusal.field).unwrap_or_default(), message)
                }
                Some((RefusalCode::PrivilegeEscalation, message)) => with_detail(StatusCode::FORBIDDEN, message),
                _ => unauthorized("Invalid credentials"),
            };
            retry_after(&mut response, refusal.and_then(|refusal| refusal.retry_after));
            response
        }
        Failure::Error(Error::Unauthenticated(_)) => unauthorized("Could not validate credentials"),
        Failure::Error(Error::RateLimited { retry_after: wait }) => {
            let mut response = with_detail(StatusCode::TOO_MANY_REQUESTS, "Too many attempts");
            retry_after(&mut response, Some(*wait));
            response
        }
        Failure::Error(Error::Unavailable(cause)) => {
            if let Some(cause) = cause {
                tracing::warn!(%cause, "request_unavailable");
            }
            let mut response = with_detail(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable");
            retry_after(&mut response, Some(std::time::Duration::from_secs(1)));
            response
        }
        Failure::Error(Error::Forbidden(_)) => with_detail(StatusCode::FORBIDDEN, "Not enough permissions"),
        Failure::Error(Error::PasswordChangeRequired) => with_detail(StatusCode::FORBIDDEN, "Password change required"),
        Failure::Error(Error::BadInput { argument, problem }) => malformed(argument, problem),
        Failure::Error(Error::Internal(cause)) => {
            tracing::error!(cause, "request_failed");
            with_detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
        }
    }
}

pub fn with_detail(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}

fn unauthorized(detail: &str) -> Response {
    let mut response = with_detail(StatusCode::UNAUTHORIZED, detail);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn retry_after(response: &mut Response, wait: Option<std::time::Duration>) {
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait).into());
    }
}

/// 422, in the shape that the old service's framework gave it.
fn malformed(field: &str, problem: &str) -> Response {
    let problem = shortened(problem.to_owned());
    let detail = json!({ "detail": [{ "loc": ["body", field], "msg": problem, "type": "value_error" }] });
    (StatusCode::UNPROCESSABLE_ENTITY, Json(detail)).into_response()
}

/// The body as a `T`.
async fn read<T: DeserializeOwned>(
    app: &App,
    about: &About,
    sender: Sender,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Response> {
    read_optional(app, about, sender, headers, body).await?.ok_or_else(|| malformed("", "the body is empty"))
}

async fn read_optional<T: DeserializeOwned>(
    app: &App,
    about: &About,
    sender: Sender,
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<T>, Response> {
    let body = body::read(app, about, sender, body).await.map_err(|error| not_read(&error))?;
    if body.bytes.is_empty() {
        return Ok(None);
    }
    // A form of another site's page can hold JSON, and browsers send it without asking.
    if !is_json_of_any_kind(headers) {
        return Err(with_detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json, in UTF-8"));
    }
    let (value, _memory) = body.json().await.map_err(|error| match error {
        JsonError::Body(error) => not_read(&error),
        JsonError::Json(error) => malformed("", &format!("no JSON: {error}")),
    })?;
    if value.is_null() {
        return Ok(None);
    }
    serde_json::from_value(value).map(Some).map_err(|error| malformed("", &error.to_string()))
}

fn not_read(error: &BodyError) -> Response {
    if let BodyError::Busy = error {
        return failed(&Failure::Error(Error::Unavailable(None)));
    }
    with_detail(error.status(), &format!("Not taken: {error}"))
}
