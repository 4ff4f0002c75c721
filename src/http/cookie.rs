//! The refresh token as a cookie, where `http.refresh_cookie` is on: the browser keeps it, and scripts never see it.
//!
//! Another site's page can do nothing with it: the browser sends it to no request that another site began (`SameSite`), no
//! other host can set it (`__Host-`), and a request that says it comes from elsewhere is answered as if it had none.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;

use super::App;
use crate::store::StatementCount;

const NAME: &str = "__Host-voicehive-refresh";

/// The token that came along; None where there is none, or where it was another site that had it sent.
pub fn presented(app: &App, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if !app.options.refresh_cookie || !is_own_site(uri, headers) {
        return None;
    }
    tokens(headers).next().map(str::to_owned)
}

/// Every one that came along.
fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).map(|(_, token)| token)
}

/// Whether more than one came along: no browser of ours sends two.
pub fn stands_twice(headers: &HeaderMap) -> bool {
    tokens(headers).nth(1).is_some()
}

/// Has the browser keep this token.
pub fn keep(app: &App, response: &mut Response, token: &str) {
    set(response, token, app.identity.longest_session().as_secs());
}

/// Has the browser forget the token that came along, if its session has ended: it may be another one's than whoever signs out.
pub async fn forget_ended(app: &App, statements: &StatementCount, presented: Option<&str>, response: &mut Response) {
    let goes_on = match presented {
        // Where nobody can say, it stays.
        Some(token) => app.identity.goes_on(statements, token).await.unwrap_or(true),
        None => false,
    };
    if !goes_on {
        forget(response);
    }
}

fn forget(response: &mut Response) {
    set(response, "", 0);
}

fn set(response: &mut Response, token: &str, seconds: u64) {
    let cookie = format!("{NAME}={token}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict");
    if let Ok(mut value) = HeaderValue::from_str(&cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Whether this request may set the cookie: another site's form must not sign somebody in as somebody else.
pub fn may_be_set(app: &App, uri: &Uri, headers: &HeaderMap) -> bool {
    !app.options.refresh_cookie || is_own_site(uri, headers)
}

/// What browsers say of where a request comes from (Fetch Metadata, and the older Origin) does not speak against it.
fn is_own_site(uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    // HTTP/2 has the host in the place of a header.
    let host = uri.authority().map(Authority::as_str).or(text("host")).unwrap_or_default();
    text("origin").is_none_or(|origin| origin.split_once("://").is_some_and(|(_, from)| from == host))
}
