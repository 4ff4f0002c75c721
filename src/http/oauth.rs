//! What OAuth 2.0 has standards for: tokens as they stand (RFC 7662), their end (RFC 7009), and where to find what (RFC 8414).

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use super::body::{self, BodyError, Sender};
use super::client::{base_url, metadata_cache};
use super::request::{About, begin, begin_known, counted, media_type};
use crate::clock::whole_seconds;
use crate::identity::permissions::PERMISSIONS;
use crate::identity::{Error, Failure, LiveToken, Principal};
use crate::store::users::HotelScope;

/// The live answer to what a token is worth. For callers who hold user:view, of the users whom they may see.
pub async fn introspect(
    State(app): State<Arc<App>>,
    Extension(about): Extension<About>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (caller, left) = match begin_known(&app, &about, &headers).await {
        Ok(begun) => begun,
        Err(refused) => return refused.told(|error| failed(&error)),
    };
    let token = match token_of(&app, &about, Sender::Known, &headers, body).await {
        Ok(token) => token,
        Err(response) => return counted(&caller, left, response),
    };
    let response = match app.identity.introspect(&caller, &token).await {
        Ok(Some(token)) => Json(told(&app, &token)).into_response(),
        Ok(None) => Json(json!({ "active": false })).into_response(),
        Err(error) => failed(&error),
    };
    counted(&caller, left, response)
}

fn told(app: &App, token: &LiveToken) -> serde_json::Value {
    let access = &token.access;
    let all = access.hotel_scope == HotelScope::All;
    json!({
        "active": true,
        "scope": access.permissions.join(" "),
        "token_type": if token.is_refresh_token { "refresh_token" } else { "Bearer" },
        "iss": app.identity.issuer(),
        "aud": if token.is_refresh_token { app.identity.issuer() } else { app.identity.audience() },
        "sub": access.user_id,
        "jti": token.jti,
        "sid": access.session_id,
        "iat": token.issued_at,
        "nbf": token.issued_at,
        "exp": token.expires_at,
        "roles": access.roles,
        "permissions": access.permissions,
        "hotel_scope": if all { "ALL" } else { "ASSIGNED" },
        "hotel_ids": (!all).then_some(&access.hotels),
    })
}

/// Ends the session of a token. Whoever holds the token may; what is none is answered alike.
pub async fn revoke(
    State(app): State<Arc<App>>,
    Extension(about): Extension<About>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (caller, left) = match begin(&app, &about, Principal::Anonymous) {
        Ok(begun) => begun,
        Err(refused) => return refused.told(|error| failed(&error)),
    };
    let token = match token_of(&app, &about, Sender::Stranger, &headers, body).await {
        Ok(token) => token,
        Err(response) => return counted(&caller, left, response),
    };
    let response = match app.identity.revoke_token(&caller, &token).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(Failure::Error(error)) => failed(&error),
        Err(Failure::Refused(_)) => refuse(StatusCode::BAD_REQUEST, "invalid_request", "the token cannot be revoked"),
    };
    counted(&caller, left, response)
}

pub async fn metadata(State(app): State<Arc<App>>, request: Request) -> Response {
    let Some(base) = base_url(&app, &request) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_request", "the Host header names no host");
    };
    let issuer = app.identity.issuer();
    // Tokens name the issuer by it; where it is no URL, what can be found is found at this server's.
    let issuer = if issuer.contains("://") { issuer } else { base.as_str() };
    let scopes: Vec<&str> = PERMISSIONS.iter().map(|(name, _)| *name).collect();
    let body = json!({
        "issuer": issuer,
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "introspection_endpoint": format!("{base}/oauth2/introspect"),
        "revocation_endpoint": format!("{base}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": scopes,
        // Tokens are given by the GraphQL mutations login and refresh, and by no grant of OAuth.
        "response_types_supported": [],
        "grant_types_supported": [],
    });
    ([(header::CACHE_CONTROL, metadata_cache(&app))], Json(body)).into_response()
}

/// The token of a form (application/x-www-form-urlencoded), as both RFCs want it sent.
async fn token_of(
    app: &App,
    about: &About,
    sender: Sender,
    headers: &HeaderMap,
    body: Body,
) -> Result<String, Response> {
    let invalid = |problem: &str| refuse(StatusCode::BAD_REQUEST, "invalid_request", problem);
    if !media_type(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(invalid("send the token as a form, application/x-www-form-urlencoded"));
    }
    let body = body::read(app, about, sender, body).await.map_err(|error| not_read(&error))?;
    body.check_values(b'&').map_err(|error| not_read(&error))?;
    let form: Vec<(String, String)> =
        serde_urlencoded::from_bytes(&body.bytes).map_err(|_| invalid("the body is no form in UTF-8"))?;
    if form.iter().filter(|(name, _)| name == "token").count() > 1 {
        return Err(invalid("`token` stands twice"));
    }
    let mut form: HashMap<String, String> = form.into_iter().collect();
    form.remove("token").filter(|token| !token.is_empty()).ok_or_else(|| invalid("`token` is missing"))
}

fn not_read(error: &BodyError) -> Response {
    if let BodyError::Busy = error {
        return failed(&Error::Unavailable(None));
    }
    refuse(error.status(), "invalid_request", &error.to_string())
}

/// In the shape of RFC 6749, section 5.2.
pub fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    let mut response = (status, Json(json!({ "error": error, "error_description": description }))).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
    }
    response
}

fn failed(error: &Error) -> Response {
    let (status, code) = match error {
        Error::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "invalid_client"),
        Error::Forbidden(_) | Error::PasswordChangeRequired => (StatusCode::FORBIDDEN, "insufficient_scope"),
        Error::BadInput { .. } => (StatusCode::BAD_REQUEST, "invalid_request"),
        Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        Error::Internal(cause) => {
            tracing::error!(cause, "request_failed");
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "something went wrong on our side");
        }
    };
    let mut response = refuse(status, code, &error.to_string());
    let wait = match error {
        Error::RateLimited { retry_after } => Some(whole_seconds(*retry_after)),
        Error::Unavailable(_) => Some(1),
        _ => None,
    };
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
