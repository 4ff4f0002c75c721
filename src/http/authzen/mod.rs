//! Access decisions by the OpenID AuthZEN Authorization API 1.0, for gateways that speak it: a subject is a user by uuid, an
//! action a permission, a resource a hotel by its PMS id. What was made of them stands in `context` beside the decision.
//!
//! [`search`] answers the other way round: who may, where, and what.

pub mod search;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, FromRequest, FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::App;
use super::body::{self, BodyError, JsonError, Memory, Sender};
use super::client::{base_url, metadata_cache};
use super::media_type::is_json;
use super::request::{About, Left, begin_known, counted};
use crate::clock::whole_seconds;
use crate::identity::{Caller, Check, Decision, Error, MAX_CHECKS, Reason};

/// The longest type, id or name, in bytes: longer ones are none of ours.
const MAX_TEXT: usize = 256;

/// A subject or a resource.
struct Entity {
    kind: String,
    id: String,
}

/// May this subject do this to this resource?
struct Evaluation {
    subject: Entity,
    action: String,
    resource: Entity,
}

/// What is wrong with a question. It repeats nothing of it.
type Wrong = &'static str;

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str().filter(|text| text.len() <= MAX_TEXT && !text.contains('\0'))?;
    Some(text.to_owned())
}

fn entity(value: Option<&Value>, wrong: Wrong) -> Result<Entity, Wrong> {
    let member = |name| text(value?.get(name));
    Ok(Entity { kind: member("type").ok_or(wrong)?, id: member("id").ok_or(wrong)? })
}

fn subject_of(value: Option<&Value>) -> Result<Entity, Wrong> {
    entity(value, "`subject` must be an object with `type` and `id`, texts of at most 256 bytes")
}

fn resource_of(value: Option<&Value>) -> Result<Entity, Wrong> {
    entity(value, "`resource` must be an object with `type` and `id`, texts of at most 256 bytes")
}

fn action_of(value: Option<&Value>) -> Result<String, Wrong> {
    let name = value.and_then(|action| text(action.get("name")));
    name.ok_or("`action` must be an object with `name`, a text of at most 256 bytes")
}

/// An evaluation; what it leaves out, `defaults` say: whole, never member by member.
fn evaluation_of(item: &Value, defaults: &Map<String, Value>) -> Result<Evaluation, Wrong> {
    let Value::Object(item) = item else { return Err("an evaluation must be an object") };
    let member = |name| item.get(name).or_else(|| defaults.get(name));
    Ok(Evaluation {
        subject: subject_of(member("subject"))?,
        action: action_of(member("action"))?,
        resource: resource_of(member("resource"))?,
    })
}

/// Something wrong with a request: its status, and one line.
pub struct Refusal(pub StatusCode, pub String);

fn invalid(problem: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, problem.into())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        let mut response = (status, message).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn failed(error: &Error) -> Response {
    let (status, wait) = match error {
        Error::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, None),
        Error::Forbidden(_) | Error::PasswordChangeRequired => (StatusCode::FORBIDDEN, None),
        Error::BadInput { .. } => (StatusCode::BAD_REQUEST, None),
        Error::RateLimited { retry_after } => (StatusCode::TOO_MANY_REQUESTS, Some(whole_seconds(*retry_after))),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
        Error::Internal(cause) => {
            tracing::error!(cause, "request_failed");
            let message = "something went wrong on our side; tell the operators the X-Request-ID of this answer";
            return Refusal(StatusCode::INTERNAL_SERVER_ERROR, message.to_owned()).into_response();
        }
    };
    let mut response = Refusal(status, error.to_string()).into_response();
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Who asks, and what: a JSON object, whose unknown members are not looked at.
pub struct Asked {
    caller: Caller,
    left: Left,
    object: Map<String, Value>,
    /// The object takes it.
    memory: Memory,
}

impl FromRequest<Arc<App>> for Asked {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let about =
            Extension::<About>::from_request_parts(&mut parts, app).await.map_err(IntoResponse::into_response)?.0;
        let headers = &parts.headers;
        let begun = begin_known(app, &about, headers).await;
        let (caller, left) = begun.map_err(|stopped| stopped.told(|error| failed(&error)))?;
        // Before anything is made of the body, which may be large.
        if let Err(error) = app.identity.may_check_access(&caller) {
            return Err(counted(&caller, left, failed(&error)));
        }
        match read_object(app, &about, headers, body).await {
            Ok((object, memory)) => Ok(Self { caller, left, object, memory }),
            Err(refusal) => Err(counted(&caller, left, refusal.into_response())),
        }
    }
}

async fn read_object(
    app: &App,
    about: &About,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Map<String, Value>, Memory), Refusal> {
    if !is_json(headers) {
        return Err(invalid("send the request as application/json"));
    }
    let refuse = |error: &BodyError| Refusal(error.status(), error.to_string());
    let body = body::read(app, about, Sender::Known, body).await.map_err(|error| refuse(&error))?;
    match body.json().await {
        Ok((Value::Object(object), memory)) => Ok((object, memory)),
        Ok(_) => Err(invalid("the body must be a JSON object")),
        Err(JsonError::Body(error)) => Err(refuse(&error)),
        Err(JsonError::Json(error)) => Err(invalid(format!("the body is no JSON: {error}"))),
    }
}

/// One question, one answer.
pub async fn evaluation(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let Asked { caller, left, object, memory: _memory } = asked;
    let response = one(&app, &caller, object).await;
    counted(&caller, left, response)
}

async fn one(app: &App, caller: &Caller, object: Map<String, Value>) -> Response {
    let evaluation = match evaluation_of(&Value::Object(object), &Map::new()) {
        Ok(evaluation) => evaluation,
        Err(problem) => return invalid(problem).into_response(),
    };
    match decide(app, caller, &[Ok(evaluation)]).await {
        Ok(decisions) => Json(decisions.into_iter().next().unwrap_or_default()).into_response(),
        Err(error) => failed(&error),
    }
}

/// Many questions, answered in their order. Without `evaluations`, the one that the object itself asks.
pub async fn evaluations(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let Asked { caller, left, object, memory } = asked;
    let response = many(&app, &caller, object, memory).await;
    counted(&caller, left, response)
}

async fn many(app: &App, caller: &Caller, mut object: Map<String, Value>, memory: Memory) -> Response {
    let items = match object.remove("evaluations") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => return invalid("`evaluations` must be a list").into_response(),
    };
    let stops_at = match semantic(object.remove("options")) {
        Ok(stops_at) => stops_at,
        Err(refusal) => return refusal.into_response(),
    };
    if items.is_empty() {
        return one(app, caller, object).await;
    }
    if items.len() > MAX_CHECKS {
        let problem = format!("`evaluations` holds {}; one call takes at most {MAX_CHECKS}", items.len());
        return invalid(problem).into_response();
    }
    let asked: Vec<_> = items.iter().map(|item| evaluation_of(item, &object)).collect();
    // What was asked is known: others need not wait until it is answered.
    drop((items, object, memory));
    match decide(app, caller, &asked).await {
        Ok(mut decisions) => {
            if let Some(last) = stops_at
                && let Some(place) = decisions.iter().position(|one| one.get("decision") == Some(&Value::Bool(last)))
            {
                decisions.truncate(place + 1);
            }
            Json(json!({ "evaluations": decisions })).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// The decision after which no more are wanted, if any is.
fn semantic(options: Option<Value>) -> Result<Option<bool>, Refusal> {
    let options = match options {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(invalid("`options` must be an object")),
    };
    match options.get("evaluations_semantic") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) if word == "execute_all" => Ok(None),
        Some(Value::String(word)) if word == "deny_on_first_deny" => Ok(Some(false)),
        Some(Value::String(word)) if word == "permit_on_first_permit" => Ok(Some(true)),
        Some(_) => {
            let words = "execute_all, deny_on_first_deny or permit_on_first_permit";
            Err(invalid(format!("`options.evaluations_semantic` must be {words}")))
        }
    }
}

/// The decisions on all that can be understood; what cannot is denied, and says why.
async fn decide(app: &App, caller: &Caller, asked: &[Result<Evaluation, Wrong>]) -> Result<Vec<Value>, Error> {
    let checks: Vec<Option<Check>> = asked.iter().map(|one| one.as_ref().ok().and_then(check_of)).collect();
    let mut distinct: Vec<Check> = Vec::new();
    let mut places: HashMap<&Check, usize> = HashMap::new();
    for check in checks.iter().flatten() {
        places.entry(check).or_insert_with(|| {
            distinct.push(check.clone());
            distinct.len() - 1
        });
    }
    let decisions = app.identity.check_access(caller, &distinct).await?;
    let decided = |check: &Check| places.get(check).and_then(|place| decisions.get(*place)).map(told);
    let answer = |(one, check): (&Result<Evaluation, Wrong>, &Option<Check>)| match (one, check) {
        (Err(problem), _) => {
            json!({ "decision": false, "context": { "error": { "status": 400, "message": problem } } })
        }
        (Ok(_), Some(check)) => decided(check).unwrap_or_default(),
        (Ok(one), None) => {
            denied(if user_of(&one.subject).is_none() { Reason::NoSuchUser } else { Reason::NoSuchHotel })
        }
    };
    Ok(asked.iter().zip(&checks).map(answer).collect())
}

fn told(decision: &Decision) -> Value {
    let roles: Vec<&str> = decision.granted_by.iter().map(|role| role.name.as_str()).collect();
    let context = json!({ "reason": decision.reason.as_str(), "granted_by": roles });
    json!({ "decision": decision.reason == Reason::Granted, "context": context })
}

fn denied(reason: Reason) -> Value {
    json!({ "decision": false, "context": { "reason": reason.as_str() } })
}

/// What is asked, in our words; None where the subject is no user or the resource no hotel.
fn check_of(asked: &Evaluation) -> Option<Check> {
    let user = user_of(&asked.subject)?;
    let hotel = hotel_of(&asked.resource)?;
    Some(Check { user, permission: asked.action.clone(), hotel: Some(hotel) })
}

fn user_of(subject: &Entity) -> Option<Uuid> {
    let id = subject.id.strip_prefix("user:").unwrap_or(&subject.id);
    (subject.kind == "user").then(|| Uuid::try_parse(id).ok()).flatten()
}

fn hotel_of(resource: &Entity) -> Option<String> {
    (resource.kind == "hotel").then(|| resource.id.clone())
}

/// Where to find what.
pub async fn metadata(State(app): State<Arc<App>>, request: Request) -> Response {
    let Some(base) = base_url(&app, &request) else {
        return invalid("the Host header names no host").into_response();
    };
    let at = |path: &str| format!("{base}/access/v1/{path}");
    let body = json!({
        "policy_decision_point": base,
        "access_evaluation_endpoint": at("evaluation"),
        "access_evaluations_endpoint": at("evaluations"),
        "search_subject_endpoint": at("search/subject"),
        "search_resource_endpoint": at("search/resource"),
        "search_action_endpoint": at("search/action"),
    });
    ([(header::CACHE_CONTROL, metadata_cache(&app))], Json(body)).into_response()
}
