//! The old REST calls for API keys: made, listed and revoked by whoever holds system:admin.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{App, failed, instant, known, malformed, read, with_detail};
use crate::http::body::Sender;
use crate::http::request::{About, counted};
use crate::identity::{Failure, NewApiKey, Principal, RefusalCode};
use crate::store::api_keys::{ApiKey, KeyCursor};
use crate::store::page::PageRequest;
use crate::store::users::HotelScope;

/// The longest life that one is made with: a hundred years.
const MAX_DAYS: i64 = 36_525;
const PAGE: u32 = 100;

#[derive(Deserialize)]
struct NewKey {
    name: String,
    service_name: String,
    permissions: Vec<String>,
    /// None and 0: a year.
    #[serde(default)]
    expires_days: Option<i64>,
    /// Not of the old service: the hotels that it reaches. None: those that its maker reaches.
    #[serde(default)]
    hotel_ids: Option<Vec<String>>,
}

pub async fn create(
    State(app): State<Arc<App>>,
    Extension(about): Extension<About>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (caller, left) = match known(&app, &about, &headers).await {
        Ok(known) => known,
        Err(response) => return response,
    };
    let new: NewKey = match read(&app, &about, Sender::Known, &headers, body).await {
        Ok(new) => new,
        Err(response) => return counted(&caller, left, response),
    };
    let expires_at = match new.expires_days.filter(|days| *days != 0) {
        None => None,
        Some(days) if (1..=MAX_DAYS).contains(&days) => Some(app.identity.clock().now() + TimeDelta::days(days)),
        Some(_) => return counted(&caller, left, malformed("expires_days", "is a number of days from 1 to 36525")),
    };
    let Principal::Known(maker) = &caller.principal else {
        return with_detail(StatusCode::UNAUTHORIZED, "Not authenticated");
    };
    let (hotel_scope, hotels) = match new.hotel_ids {
        Some(hotels) => (HotelScope::Assigned, hotels),
        None if maker.hotel_scope() == HotelScope::All => (HotelScope::All, Vec::new()),
        None => (HotelScope::Assigned, maker.hotels().to_vec()),
    };
    let NewKey { name, service_name, permissions, .. } = new;
    let new = NewApiKey { name, service_name, permissions, hotel_scope, hotels, expires_at };
    let response = match app.identity.create_api_key(&caller, new).await {
        Ok((key, secret)) => Json(Told { api_key: Some(&secret), ..told(&key) }).into_response(),
        Err(failure) if is_not_found(&failure) => malformed("hotel_ids", "names a hotel that is not there"),
        Err(failure) => failed(&failure),
    };
    counted(&caller, left, response)
}

#[derive(Deserialize)]
pub struct Narrowing {
    service_name: Option<String>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Extension(about): Extension<About>,
    Query(narrowing): Query<Narrowing>,
    headers: HeaderMap,
) -> Response {
    let (caller, left) = match known(&app, &about, &headers).await {
        Ok(known) => known,
        Err(response) => return response,
    };
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: PAGE, backward: false, cursor };
        let page = match app.identity.api_key_page(&caller, &page).await {
            Ok(page) => page,
            Err(error) => return counted(&caller, left, failed(&Failure::Error(error))),
        };
        cursor = page.rows.last().map(|key| KeyCursor { created_at: key.created_at, id: key.id });
        let wanted = |key: &&ApiKey| narrowing.service_name.as_ref().is_none_or(|name| *name == key.service_name);
        let now = app.identity.clock().now();
        keys.extend(page.rows.iter().filter(wanted).map(|key| {
            let listed =
                Told { active: Some(key.is_active(now)), revoked_at: key.revoked_at.map(instant), ..told(key) };
            json!(listed)
        }));
        if !page.has_next {
            return counted(&caller, left, Json(json!({ "api_keys": keys })).into_response());
        }
    }
}

pub async fn revoke(
    State(app): State<Arc<App>>,
    Extension(about): Extension<About>,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Response {
    let (caller, left) = match known(&app, &about, &headers).await {
        Ok(known) => known,
        Err(response) => return response,
    };
    let not_found = || with_detail(StatusCode::NOT_FOUND, "API key not found");
    let Ok(id) = text.strip_prefix("apikey:").unwrap_or(&text).parse::<Uuid>() else {
        return counted(&caller, left, not_found());
    };
    let response = match app.identity.revoke_api_key(&caller, id, None).await {
        Ok(()) => Json(json!({ "message": format!("API key {id} revoked successfully") })).into_response(),
        Err(failure) if is_not_found(&failure) => not_found(),
        Err(failure) => failed(&failure),
    };
    counted(&caller, left, response)
}

fn is_not_found(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(refusals) if refusals.iter().any(|refusal| refusal.code == RefusalCode::NotFound))
}

#[derive(Serialize)]
struct Told<'a> {
    api_key_id: Uuid,
    /// The key itself, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
    name: &'a str,
    service_name: &'a str,
    permissions: &'a [String],
    /// None under scope ALL.
    hotel_ids: Option<&'a [String]>,
    created_at: String,
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

fn told(key: &ApiKey) -> Told<'_> {
    Told {
        api_key_id: key.id,
        api_key: None,
        name: &key.name,
        service_name: &key.service_name,
        permissions: &key.permissions,
        hotel_ids: (key.hotel_scope != HotelScope::All).then_some(key.hotels.as_slice()),
        created_at: instant(key.created_at),
        expires_at: key.expires_at.map(instant),
        active: None,
        revoked_at: None,
    }
}
