//! `/graphql`, by the GraphQL-over-HTTP specification: POST with a JSON body, GET for queries, no batches, no uploads.
//!
//! Written by hand: the ready-made extractor runs mutations over GET, takes JSON sent as text/plain or multipart (which
//! lets other sites post it), answers 200 to everything and reads bodies without a limit.

use std::sync::Arc;

use async_graphql::Response as Answer;
use async_graphql_axum::GraphQLResponse;
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::body::{self, BodyError, JsonError, Memory, Sender};
use super::idempotency::{self, key_in};
use super::media_type::{JSON, RESPONSE_JSON, acceptable, content_type, is_json, prefers_page};
use super::request::{About, Left, Statements, authenticate};
use super::{App, cookie, front_ends};
use crate::graphql::documents::Asked;
use crate::graphql::guard::Refused;
use crate::graphql::{Keeper, Kept, code, error_response, execute, failed, fingerprint, refused, spliced};
use crate::identity::{Allowance, Before, Error, Principal, Repeatable};

/// Bytes of a URL's query string: longer ones are not safe on the way through other servers either.
const MAX_URL_QUERY: usize = 16 * 1024;

/// An answer that is not run for: what is wrong with the request.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// The methods that would be answered, where this one is not.
    allow: Option<&'static str>,
}

impl Refusal {
    fn told(self, about: &About, media_type: &'static str) -> Response {
        let mut response = respond(about, media_type, self.status, error_response(self.code, self.message));
        if let Some(methods) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let code = if let BodyError::Busy = error { code::UNAVAILABLE } else { code::BAD_USER_INPUT };
        Self { code, ..refuse(error.status(), error.to_string()) }
    }
}

fn refuse(status: StatusCode, message: impl Into<String>) -> Refusal {
    Refusal { status, code: code::BAD_USER_INPUT, message: message.into(), allow: None }
}

fn not_by_this_method(message: &str, allow: &'static str) -> Refusal {
    Refusal { allow: Some(allow), ..refuse(StatusCode::METHOD_NOT_ALLOWED, message) }
}

pub async fn endpoint(State(app): State<Arc<App>>, Extension(about): Extension<About>, request: Request) -> Response {
    let headers = request.headers();
    let is_get = is_get(request.method());
    if is_get && app.options.explorer && prefers_page(headers) && !asks_to_run(&request) {
        return front_ends::explorer_page(headers);
    }
    let Some(media_type) = acceptable(headers) else {
        let message = format!("this endpoint answers with {RESPONSE_JSON} or {JSON}: accept one of them");
        return respond(
            &about,
            RESPONSE_JSON,
            StatusCode::NOT_ACCEPTABLE,
            error_response(code::BAD_USER_INPUT, message),
        );
    };
    let kept_token = cookie::presented(&app, request.uri(), headers);
    let (parts, body) = request.into_parts();
    if let Err(refusal) = check_head(&parts) {
        return refusal.told(&about, media_type);
    }
    let mut authenticated = authenticate(&app, &about, &parts.headers).await;
    if let Ok(Principal::Known(actor)) = &authenticated {
        let span = tracing::Span::current();
        span.record("user_id", actor.user_id().map(tracing::field::display));
        span.record("api_key_id", actor.api_key_id().map(tracing::field::display));
    }
    // Whoever sends what does not hold is a stranger, and counted as one. Before anything of the body is read.
    let mut allowance = app.identity.allowance(authenticated.as_ref().unwrap_or(&Principal::Anonymous), &about.client);
    let may_ask = allowance.retry_after.is_none();
    let sender = match &authenticated {
        Ok(Principal::Known(_)) if may_ask => Sender::Known,
        // Who may ask no more may still sign in again, as a stranger.
        Ok(Principal::Known(_)) => Sender::Stranger,
        _ if may_ask => Sender::Stranger,
        _ => return limited(&about, media_type, allowance),
    };
    let (asked, memory) = match asked_by(&parts, body, &app, &about, sender).await {
        Ok(asked) => asked,
        Err(refusal) if refusal.status == StatusCode::PAYLOAD_TOO_LARGE && sender == Sender::Stranger => {
            // What would be taken of somebody else: why this is nobody else.
            return match authenticated {
                _ if !may_ask => limited(&about, media_type, allowance),
                Err(error) => respond_failed(&about, media_type, &error),
                Ok(_) => refusal.told(&about, media_type),
            };
        }
        Err(refusal) => return refusal.told(&about, media_type),
    };
    // Signing in again must work whatever token the client still sends along, and is a stranger's request. What has not
    // been looked at before is looked at for whoever may ask once more.
    let known = app.documents.known(&asked);
    if known.as_ref().is_some_and(|known| known.signs_in(&asked)) {
        if let Ok(Principal::Known(_)) = authenticated {
            allowance = app.identity.allowance(&Principal::Anonymous, &about.client);
        }
        authenticated = Ok(Principal::Anonymous);
    }
    let is_known = known.is_some();
    let key = match key_in(&parts.headers) {
        Ok(key) => key,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, problem).told(&about, media_type),
    };
    let call = Call { app: &app, about: &about, media_type, is_get, asked, memory, is_known, kept_token, key };
    let mut response = match allowance.retry_after {
        Some(retry_after) => call.failed(&Error::RateLimited { retry_after }),
        None => call.answer(authenticated).await,
    };
    response.extensions_mut().insert(Left(allowance));
    response
}

/// What was asked for, and how it is to be answered.
struct Call<'a> {
    app: &'a Arc<App>,
    about: &'a About,
    media_type: &'static str,
    is_get: bool,
    asked: Asked,
    /// What is asked takes it.
    memory: Memory,
    /// It has been looked at before.
    is_known: bool,
    kept_token: Option<String>,
    /// Under which it may be sent again.
    key: Option<String>,
}

fn respond_failed(about: &About, media_type: &'static str, error: &Error) -> Response {
    let answer = failed(error);
    respond(about, media_type, status_of(&answer), answer)
}

/// To whoever has asked too often.
fn limited(about: &About, media_type: &'static str, allowance: Allowance) -> Response {
    let error = Error::RateLimited { retry_after: allowance.retry_after.unwrap_or_default() };
    let mut response = respond_failed(about, media_type, &error);
    response.extensions_mut().insert(Left(allowance));
    response
}

impl Call<'_> {
    fn failed(&self, error: &Error) -> Response {
        respond_failed(self.about, self.media_type, error)
    }

    fn refused(&self, reasons: Vec<Refused>) -> Response {
        respond(self.about, self.media_type, StatusCode::BAD_REQUEST, refused(reasons))
    }

    /// The answer to what was done under this key; None where nothing was.
    async fn done_before(&self, repeatable: &Repeatable) -> Option<Response> {
        let before = match self.app.identity.done_before(repeatable).await {
            Ok(before) => before?,
            Err(error) => return Some(self.failed(&error)),
        };
        if let Some((status, message)) = idempotency::refusal(&before) {
            return Some(refuse(status, message).told(self.about, self.media_type));
        }
        let Before::Answered(answer) = before else { return None };
        let like = respond(self.about, self.media_type, StatusCode::OK, Answer::default());
        Some(idempotency::replayed(answer, like))
    }

    async fn answer(mut self, mut authenticated: Result<Principal, Error>) -> Response {
        let Self { app, about, media_type, .. } = self;
        // A new document takes time to look at, and whoever sends it need not have signed in.
        if !self.is_known
            && let Err(error) = app.identity.allow_new_document(&about.client)
        {
            return self.failed(&error);
        }
        let known = match app.documents.find(&self.asked) {
            Ok(known) => known,
            Err(reasons) => return self.refused(reasons),
        };
        if known.signs_in(&self.asked) {
            authenticated = Ok(Principal::Anonymous);
        }
        // Signing out must work when the access token does not any more: by the refresh token, or it is refused there.
        let signs_out = known.signs_out(&self.asked);
        let ready = match app.documents.ready(&known, std::mem::take(&mut self.asked)) {
            Ok(ready) => ready,
            Err(reasons) => return self.refused(reasons),
        };
        self.memory.keep_one_form();
        if self.is_get && ready.guarded.is_mutation {
            return not_by_this_method("mutations go by POST", "POST").told(about, media_type);
        }
        let principal = match authenticated {
            Ok(principal) => principal,
            Err(Error::Unauthenticated(_)) if signs_out => Principal::Anonymous,
            Err(error) => return self.failed(&error),
        };
        let repeatable = match (&self.key, &principal) {
            (Some(key), Principal::Known(actor)) if ready.guarded.is_mutation => {
                if !ready.is_one_field() {
                    let message =
                        "a request with an Idempotency-Key asks for one mutation: send each in a request of its own";
                    return refuse(StatusCode::BAD_REQUEST, message).told(about, media_type);
                }
                let request = fingerprint(&ready).await;
                app.identity.repeatable(actor, key, &request).map(Arc::new)
            }
            _ => None,
        };
        if let Some(repeatable) = &repeatable
            && let Some(response) = self.done_before(repeatable).await
        {
            return response;
        }
        let allowed = match &repeatable {
            Some(repeatable) => app.identity.allow_key(repeatable),
            None => Ok(()),
        };
        let changes = if ready.guarded.is_mutation { ready.root_fields() } else { 0 };
        if let Err(error) = allowed.and_then(|()| app.identity.allow_changes(&principal, changes)) {
            return self.failed(&error);
        }
        let caller = app.identity.caller(principal, about.client.clone(), about.request_id.clone());
        let caller = caller.once(repeatable.clone());
        let statements = caller.statements.clone();
        let keeper = app.options.refresh_cookie.then(|| Arc::new(Keeper::new(self.kept_token.clone())));
        let answer = execute(&app.schema, app.identity.clone(), caller, ready, keeper.clone()).await;
        let status = status_of(&answer);
        let mut response = respond(about, media_type, status, answer);
        if let Some(repeatable) = &repeatable {
            // Another request under this key was faster.
            if repeatable.was_done()
                && let Some(response) = self.done_before(repeatable).await
            {
                return response;
            }
            response = idempotency::kept(&app.identity, repeatable, response).await;
        }
        match keeper.and_then(|keeper| keeper.next()) {
            Some(Kept::Token(token)) => cookie::keep(app, &mut response, &token),
            Some(Kept::Nothing) => {
                cookie::forget_ended(app, &statements, self.kept_token.as_deref(), &mut response).await;
            }
            None => {}
        }
        response.extensions_mut().insert(Statements(statements.get()));
        response
    }
}

/// What a request's head alone tells to be wrong with it.
fn check_head(parts: &Parts) -> Result<(), Refusal> {
    if parts.uri.query().is_some_and(|query| query.len() > MAX_URL_QUERY) {
        let message = format!("the URL's query string is longer than {MAX_URL_QUERY} bytes: send the request by POST");
        return Err(refuse(StatusCode::URI_TOO_LONG, message));
    }
    match parts.method {
        Method::GET | Method::HEAD => Ok(()),
        Method::POST => {
            if is_json(&parts.headers) {
                return Ok(());
            }
            let message = "send the request as application/json, in UTF-8";
            Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
        _ => Err(not_by_this_method("send queries by POST or GET, mutations by POST", "GET, HEAD, POST")),
    }
}

async fn asked_by(
    parts: &Parts,
    body: Body,
    app: &App,
    about: &About,
    sender: Sender,
) -> Result<(Asked, Memory), Refusal> {
    if is_get(&parts.method) {
        return from_url(&parts.uri, app, about, sender).await;
    }
    from_body(body::read(app, about, sender, body).await?).await
}

/// An answer that is nothing but this error, to whatever was asked.
pub fn failure(about: &About, headers: &HeaderMap, error: &Error) -> Response {
    let answer = failed(error);
    respond(about, acceptable(headers).unwrap_or(RESPONSE_JSON), status_of(&answer), answer)
}

/// An answer to a request that is refused for what it is, whatever it asks.
pub fn not_taken(about: &About, headers: &HeaderMap, status: StatusCode, problem: String) -> Response {
    refuse(status, problem).told(about, acceptable(headers).unwrap_or(RESPONSE_JSON))
}

/// The status of an answer: 200 where there is data; without, what kept it from being there.
fn status_of(answer: &Answer) -> StatusCode {
    if answer.data != async_graphql::Value::Null || answer.errors.is_empty() {
        return StatusCode::OK;
    }
    let has = |wanted: &str| {
        answer.errors.iter().any(|error| {
            let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
            matches!(code, Some(async_graphql::Value::String(code)) if code == wanted)
        })
    };
    if has(code::UNAVAILABLE) {
        StatusCode::SERVICE_UNAVAILABLE
    } else if has(code::INTERNAL) {
        StatusCode::INTERNAL_SERVER_ERROR
    } else if has(code::RATE_LIMITED) {
        StatusCode::TOO_MANY_REQUESTS
    } else if has(code::UNAUTHENTICATED) {
        StatusCode::UNAUTHORIZED
    } else if has(code::PASSWORD_CHANGE_REQUIRED) {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::BAD_REQUEST
    }
}

fn respond(about: &About, media_type: &'static str, status: StatusCode, answer: Answer) -> Response {
    let retry_after = answer.errors.iter().find_map(|error| match error.extensions.as_ref()?.get("retryAfter")? {
        async_graphql::Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    });
    let answer = answer.extension("requestId", async_graphql::Value::String(about.request_id.clone()));
    let mut response = if let Some(json) = spliced(&answer) {
        json.into_response()
    } else if was_run(&answer) {
        GraphQLResponse::from(answer).into_response()
    } else {
        // Where nothing was run there is no data, not even null.
        Json(json!({ "errors": answer.errors, "extensions": answer.extensions })).into_response()
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type(media_type));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Whether the operation was run: what goes wrong in it does so at some path.
fn was_run(answer: &Answer) -> bool {
    answer.data != async_graphql::Value::Null || answer.errors.iter().any(|error| !error.path.is_empty())
}

fn is_get(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn asks_to_run(request: &Request) -> bool {
    Query::<UrlParameters>::try_from_uri(request.uri())
        .is_ok_and(|Query(asked)| asked.query.is_some() || asked.extensions.is_some())
}

#[derive(Deserialize)]
struct UrlParameters {
    query: Option<String>,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

async fn from_url(uri: &Uri, app: &App, about: &About, sender: Sender) -> Result<(Asked, Memory), Refusal> {
    let Query(parameters) = Query::<UrlParameters>::try_from_uri(uri)
        .map_err(|_| refuse(StatusCode::BAD_REQUEST, "the URL's query string cannot be read"))?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "null".to_owned());
    let (variables, extensions) = (given(parameters.variables), given(parameters.extensions));
    let memory = body::memory_of(app, about, sender, &[variables.as_bytes(), extensions.as_bytes()]).await?;
    let json = |name: &str, text: &str| {
        serde_json::from_str(text)
            .map_err(|_| refuse(StatusCode::BAD_REQUEST, format!("`{name}` must be a JSON object")))
    };
    let (variables, extensions) = (json("variables", &variables)?, json("extensions", &extensions)?);
    let operation_name = parameters.operation_name.filter(|name| !name.is_empty());
    Ok((asked(parameters.query, operation_name, variables, extensions)?, memory))
}

async fn from_body(body: body::Whole<'_>) -> Result<(Asked, Memory), Refusal> {
    let (body, memory) = body.json().await.map_err(|error| match error {
        JsonError::Body(error) => error.into(),
        JsonError::Json(error) => refuse(StatusCode::BAD_REQUEST, format!("the body is no JSON in UTF-8: {error}")),
    })?;
    let Value::Object(mut body) = body else {
        return Err(refuse(StatusCode::BAD_REQUEST, "the body must be one JSON object; batches are not answered"));
    };
    let mut text = |name: &str| match body.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(refuse(StatusCode::BAD_REQUEST, format!("`{name}` must be a string"))),
    };
    let (query, operation_name) = (text("query")?, text("operationName")?.filter(|name| !name.is_empty()));
    let mut object = |name: &str| body.remove(name).unwrap_or_default();
    Ok((asked(query, operation_name, object("variables"), object("extensions"))?, memory))
}

fn asked(
    query: Option<String>,
    operation_name: Option<String>,
    variables: Value,
    extensions: Value,
) -> Result<Asked, Refusal> {
    let object = |name: &str, value: Value| match value {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map),
        _ => Err(refuse(StatusCode::BAD_REQUEST, format!("`{name}` must be an object"))),
    };
    let (variables, extensions) = (object("variables", variables)?, object("extensions", extensions)?);
    // As clients of automatic persisted queries name the document that they mean.
    let hash = extensions.get("persistedQuery").and_then(|persisted| persisted["sha256Hash"].as_str());
    if query.is_none() && hash.is_none() {
        return Err(refuse(StatusCode::BAD_REQUEST, "`query` is missing"));
    }
    let hash = hash.map(str::to_owned);
    Ok(Asked { query, hash, operation_name, variables })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_accepted_media_type_is_sent() {
        let table: [(&[&str], Option<&str>); 12] = [
            (&[], Some(RESPONSE_JSON)),
            (&["*/*"], Some(RESPONSE_JSON)),
            (&["application/*"], Some(RESPONSE_JSON)),
            (&["application/json"], Some(JSON)),
            (&["application/json, */*;q=0.1"], Some(JSON)),
            (
                &["APPLICATION/GRAPHQL-RESPONSE+JSON; charset=utf-8, application/json; charset=utf-8"],
                Some(RESPONSE_JSON),
            ),
            (&["application/json", "application/graphql-response+json;q=0.9"], Some(JSON)),
            (&["application/graphql-response+json;q=0, */*"], Some(JSON)),
            (&["text/html, application/json;q=0.5"], Some(JSON)),
            (&["text/html"], None),
            (&["application/json;q=0"], None),
            (&[""], None),
        ];
        for (accept, expected) in table {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(acceptable(&headers), expected, "{accept:?}");
        }
    }
}
