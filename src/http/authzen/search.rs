//! AuthZEN's searches: who may do something at a hotel, at which hotels a user may do it, and what a user may do there.
//! What does not exist finds nothing. A page's token goes on with the same question, and with no other.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    App, Asked, MAX_TEXT, Refusal, Wrong, action_of, counted, failed, hotel_of, invalid, resource_of, subject_of, text,
    user_of,
};
use crate::identity::permissions::PERMISSIONS;
use crate::identity::{Caller, Check, Error, Reach, Reason};
use crate::store::page::PageRequest;
use crate::store::users::{SortKey, UserCursor, UserOrderField};

/// The most results of a page, and how many there are where nothing is said.
const MAX_ROWS: u32 = 100;

/// The page that is asked for.
#[derive(Default)]
struct PageAsked {
    token: Option<String>,
    limit: Option<u32>,
}

/// Of a subject or a resource that is searched for, its kind alone is looked at.
fn kind_of(value: Option<&Value>, wrong: Wrong) -> Result<String, Wrong> {
    value.and_then(|entity| text(entity.get("type"))).ok_or(wrong)
}

fn page_asked(object: &Map<String, Value>) -> Result<PageAsked, Wrong> {
    let page = match object.get("page") {
        None | Some(Value::Null) => return Ok(PageAsked::default()),
        Some(Value::Object(page)) => page,
        Some(_) => return Err("`page` must be an object"),
    };
    let token = match page.get("token") {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) => Some(token.clone()),
        Some(_) => return Err("`page.token` must be a text"),
    };
    let limit = match page.get("limit") {
        None | Some(Value::Null) => None,
        Some(limit) => {
            let limit = limit.as_u64().ok_or("`page.limit` must be a number from 0 on")?;
            Some(u32::try_from(limit).unwrap_or(MAX_ROWS))
        }
    };
    Ok(PageAsked { token, limit })
}

/// Where a search goes on.
#[derive(Deserialize, Serialize)]
struct Token {
    /// A digest of the question.
    question: String,
    limit: u32,
    after: Option<String>,
}

impl Token {
    fn text(&self) -> String {
        // Strings and a number always serialise.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The page that is asked for, of the search with this question.
fn page_of(asked: PageAsked, question: &[&str]) -> Result<Token, Refusal> {
    let mut digest = Sha256::new();
    for part in question {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let question = URL_SAFE_NO_PAD.encode(digest.finalize());
    let Some(token) = asked.token.filter(|token| !token.is_empty()) else {
        return Ok(Token { question, limit: asked.limit.unwrap_or(MAX_ROWS).min(MAX_ROWS), after: None });
    };
    let read = URL_SAFE_NO_PAD.decode(token).ok().and_then(|json| serde_json::from_slice::<Token>(&json).ok());
    let is_ours = |token: &Token| {
        token.question == question
            && token.limit <= MAX_ROWS
            && token.after.as_ref().is_none_or(|after| after.len() <= MAX_TEXT && !after.contains('\0'))
    };
    let token = read.filter(is_ours);
    let token = token.ok_or_else(|| invalid("`page.token` is none of this search: begin anew, without it"))?;
    if asked.limit.is_some_and(|limit| limit.min(MAX_ROWS) != token.limit) {
        return Err(invalid("`page.limit` must stay as it was for the pages before: begin anew, without the token"));
    }
    Ok(token)
}

/// An answer with these results; `next` is where to go on, if there is more.
fn found(results: &[Value], page: Token, next: Option<String>) -> Response {
    let count = results.len();
    let next_token = next.map_or_else(String::new, |after| Token { after: Some(after), ..page }.text());
    Json(json!({ "page": { "next_token": next_token, "count": count }, "results": results })).into_response()
}

/// Nothing was asked for: what there is comes later.
fn later(page: &Token) -> Response {
    Json(json!({ "page": { "next_token": page.text(), "count": 0 }, "results": [] })).into_response()
}

fn nothing(page: Token) -> Response {
    found(&[], page, None)
}

pub async fn subject(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let Asked { caller, left, object, memory: _memory } = asked;
    let response = find_subjects(&app, &caller, object).await.unwrap_or_else(|error| failed(&error));
    counted(&caller, left, response)
}

async fn find_subjects(app: &App, caller: &Caller, object: Map<String, Value>) -> Result<Response, Error> {
    let read = || -> Result<_, Wrong> {
        let wrong = "`subject` must be an object with `type`";
        let member = |name| object.get(name);
        let asked = page_asked(&object)?;
        Ok((kind_of(member("subject"), wrong)?, action_of(member("action"))?, resource_of(member("resource"))?, asked))
    };
    let (kind, action, resource, asked) = match read() {
        Ok(read) => read,
        Err(problem) => return Ok(invalid(problem).into_response()),
    };
    let page = match page_of(asked, &["subject", &kind, &action, &resource.kind, &resource.id]) {
        Ok(page) => page,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let cursor = match page.after.as_deref().map(read_cursor) {
        Some(None) => return Ok(invalid("`page.token` is none of this search").into_response()),
        Some(cursor) => cursor,
        None => None,
    };
    let Some(hotel) = hotel_of(&resource).filter(|_| kind == "user") else { return Ok(nothing(page)) };
    let request = PageRequest { limit: page.limit.max(1), backward: false, cursor };
    let Some(users) = app.identity.users_with_access(caller, &hotel, &action, &request).await? else {
        return Ok(nothing(page));
    };
    if page.limit == 0 {
        return Ok(later(&page));
    }
    let last =
        users.rows.last().filter(|_| users.has_next).map(|user| cursor_text(&user.cursor(UserOrderField::CreatedAt)));
    let results: Vec<Value> = users.rows.iter().map(|user| json!({ "type": "user", "id": user.id })).collect();
    Ok(found(&results, page, last.flatten()))
}

fn cursor_text(cursor: &UserCursor) -> Option<String> {
    let SortKey::Time(time) = &cursor.key else { return None };
    Some(format!("{}:{}", time.timestamp_micros(), cursor.id))
}

fn read_cursor(text: &str) -> Option<UserCursor> {
    let (micros, id) = text.split_once(':')?;
    let time = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
    // PostgreSQL's calendar begins later than that.
    let time = (time.year() > -4000).then_some(time)?;
    Some(UserCursor { key: SortKey::Time(time), id: Uuid::try_parse(id).ok()? })
}

pub async fn resource(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let Asked { caller, left, object, memory: _memory } = asked;
    let response = find_resources(&app, &caller, object).await.unwrap_or_else(|error| failed(&error));
    counted(&caller, left, response)
}

async fn find_resources(app: &App, caller: &Caller, object: Map<String, Value>) -> Result<Response, Error> {
    let read = || -> Result<_, Wrong> {
        let wrong = "`resource` must be an object with `type`";
        let member = |name| object.get(name);
        let asked = page_asked(&object)?;
        Ok((subject_of(member("subject"))?, action_of(member("action"))?, kind_of(member("resource"), wrong)?, asked))
    };
    let (subject, action, kind, asked) = match read() {
        Ok(read) => read,
        Err(problem) => return Ok(invalid(problem).into_response()),
    };
    let page = match page_of(asked, &["resource", &subject.kind, &subject.id, &action, &kind]) {
        Ok(page) => page,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let Some(user) = user_of(&subject).filter(|_| kind == "hotel") else { return Ok(nothing(page)) };
    let asked = [(user, Some(action))];
    let reaches = app.identity.reaches(caller, &asked).await?;
    let Some(Reach::At(of)) = reaches.into_values().next() else { return Ok(nothing(page)) };
    if page.limit == 0 {
        return Ok(later(&page));
    }
    let request = PageRequest { limit: page.limit, backward: false, cursor: page.after.clone() };
    let mut pages = app.identity.hotel_pages_by_holder(caller, &[of], &request).await?;
    let Some(hotels) = pages.remove(&of) else { return Ok(nothing(page)) };
    let last = hotels.rows.last().filter(|_| hotels.has_next).map(|hotel| hotel.id.clone());
    let results: Vec<Value> = hotels.rows.iter().map(|hotel| json!({ "type": "hotel", "id": hotel.id })).collect();
    Ok(found(&results, page, last))
}

pub async fn action(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let Asked { caller, left, object, memory: _memory } = asked;
    let response = find_actions(&app, &caller, object).await.unwrap_or_else(|error| failed(&error));
    counted(&caller, left, response)
}

/// All of them at once: there are few permissions.
async fn find_actions(app: &App, caller: &Caller, object: Map<String, Value>) -> Result<Response, Error> {
    let asked =
        subject_of(object.get("subject")).and_then(|subject| Ok((subject, resource_of(object.get("resource"))?)));
    let (subject, resource) = match asked {
        Ok(asked) => asked,
        Err(problem) => return Ok(invalid(problem).into_response()),
    };
    let checks: Vec<Check> = match (user_of(&subject), hotel_of(&resource)) {
        (Some(user), Some(hotel)) => {
            let check =
                |(name, _): &(&str, &str)| Check { user, permission: (*name).to_owned(), hotel: Some(hotel.clone()) };
            PERMISSIONS.iter().map(check).collect()
        }
        _ => Vec::new(),
    };
    let decisions = app.identity.check_access(caller, &checks).await?;
    let granted = checks.iter().zip(decisions).filter(|(_, decision)| decision.reason == Reason::Granted);
    let results: Vec<Value> = granted.map(|(check, _)| json!({ "name": check.permission })).collect();
    Ok(Json(json!({ "results": results })).into_response())
}
