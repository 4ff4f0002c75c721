//! From an error of `identity` to what a client may read of it. Every error passes here: what has no code of the contract
//! becomes INTERNAL, its cause goes to the log, and nothing of it to the client.
//!
//! [`GraphqlError`] has no `Display` on purpose: the library would turn anything that has one into an answer.

use std::sync::Arc;

use async_graphql::{ErrorExtensions, Response, ServerError, Value};

use super::guard::{Exceeded, Refused};
use crate::clock::whole_seconds;
use crate::identity;
use crate::telemetry::metrics;

/// The codes of the contract that `extensions.code` holds.
pub mod code {
    pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    pub const FORBIDDEN: &str = "FORBIDDEN";
    pub const PASSWORD_CHANGE_REQUIRED: &str = "PASSWORD_CHANGE_REQUIRED";
    pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
    pub const QUERY_TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";
    pub const RATE_LIMITED: &str = "RATE_LIMITED";
    pub const UNAVAILABLE: &str = "UNAVAILABLE";
    pub const INTERNAL: &str = "INTERNAL";
    /// Not of the contract: what clients of automatic persisted queries look for.
    pub const PERSISTED_QUERY_NOT_FOUND: &str = "PERSISTED_QUERY_NOT_FOUND";
}

pub type Result<T, E = GraphqlError> = std::result::Result<T, E>;

/// An error as the client will read it.
pub struct GraphqlError {
    message: String,
    code: &'static str,
    argument: Option<String>,
    retry_after: Option<u64>,
}

impl GraphqlError {
    /// The same, of an item of a list: `argument` becomes `list.place.argument`.
    pub fn within(mut self, list: &str, place: usize) -> Self {
        let whole = self.argument.map(|argument| (format!("`{argument}`"), format!("{list}.{place}.{argument}")));
        if let Some((named, whole)) = &whole {
            self.message = self.message.replacen(named.as_str(), &format!("`{whole}`"), 1);
        }
        Self { argument: whole.map(|(_, whole)| whole), ..self }
    }

    /// BAD_USER_INPUT, naming the argument.
    pub fn bad_input(argument: impl Into<String>, problem: &str) -> Self {
        identity::Error::bad_input(argument, problem).into()
    }
}

impl From<&identity::Error> for GraphqlError {
    fn from(error: &identity::Error) -> Self {
        use identity::Error;
        let (code, argument, retry_after) = match error {
            Error::Unauthenticated(_) => (code::UNAUTHENTICATED, None, None),
            Error::Forbidden(_) => (code::FORBIDDEN, None, None),
            Error::PasswordChangeRequired => (code::PASSWORD_CHANGE_REQUIRED, None, None),
            Error::BadInput { argument, .. } => (code::BAD_USER_INPUT, Some(argument.clone()), None),
            Error::RateLimited { retry_after } => (code::RATE_LIMITED, None, Some(whole_seconds(*retry_after))),
            Error::Unavailable(cause) => {
                if let Some(cause) = cause {
                    tracing::warn!(%cause, "request_unavailable");
                }
                (code::UNAVAILABLE, None, Some(1))
            }
            Error::Internal(cause) => {
                tracing::error!(cause, "request_failed");
                return Self {
                    message: INTERNAL_MESSAGE.to_owned(),
                    code: code::INTERNAL,
                    argument: None,
                    retry_after: None,
                };
            }
        };
        Self { message: error.to_string(), code, argument, retry_after }
    }
}

const INTERNAL_MESSAGE: &str = "something went wrong on our side; tell the operators the requestId of this answer";

impl From<identity::Error> for GraphqlError {
    fn from(error: identity::Error) -> Self {
        Self::from(&error)
    }
}

impl From<Arc<identity::Error>> for GraphqlError {
    fn from(error: Arc<identity::Error>) -> Self {
        Self::from(&*error)
    }
}

/// Bytes of a message at most: what it repeats of a request may be as long as the request.
const MAX_MESSAGE: usize = 600;
/// Of a longer one, as many are kept at either end.
const KEPT: usize = 250;

/// A message of a length that a person can read: of a longer one, the beginning and the end.
pub fn shortened(message: String) -> String {
    if message.len() <= MAX_MESSAGE {
        return message;
    }
    let (head, tail) = (message.floor_char_boundary(KEPT), message.ceil_char_boundary(message.len() - KEPT));
    format!("{} [...] {}", message.get(..head).unwrap_or_default(), message.get(tail..).unwrap_or_default())
}

impl From<GraphqlError> for async_graphql::Error {
    fn from(error: GraphqlError) -> Self {
        metrics::graphql_error(error.code);
        Self::new(shortened(error.message)).extend_with(|_, extensions| {
            extensions.set("code", error.code);
            if let Some(argument) = &error.argument {
                extensions.set("argument", argument.as_str());
            }
            if let Some(seconds) = error.retry_after {
                extensions.set("retryAfter", seconds);
            }
        })
    }
}

/// An answer that is nothing but this error: for what is refused before it is run.
pub fn failed(error: &identity::Error) -> Response {
    let error: async_graphql::Error = GraphqlError::from(error).into();
    Response::from_errors(vec![error.into_server_error(async_graphql::Pos::default())]).without_positions()
}

/// An answer that is nothing but an error with this code.
pub fn error_response(code: &'static str, message: impl Into<String>) -> Response {
    let error = GraphqlError { message: message.into(), code, argument: None, retry_after: None };
    let error: async_graphql::Error = error.into();
    Response::from_errors(vec![error.into_server_error(async_graphql::Pos::default())]).without_positions()
}

/// An answer that says why a document is not run.
pub fn refused(reasons: Vec<Refused>) -> Response {
    let told = reasons.into_iter().map(|refused| {
        metrics::graphql_error(refused.code);
        let mut error = ServerError::new(shortened(refused.message), refused.at);
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", refused.code);
        if let Some(Exceeded { limit, asked, allowed }) = refused.exceeded {
            extensions.set("limit", limit);
            extensions.set("asked", asked);
            extensions.set("allowed", allowed);
        }
        error
    });
    Response::from_errors(told.collect())
}

trait WithoutPositions {
    fn without_positions(self) -> Self;
}

impl WithoutPositions for Response {
    fn without_positions(mut self) -> Self {
        self.errors.iter_mut().for_each(|error| error.locations.clear());
        self
    }
}

/// How many errors one answer holds at most: more help nobody, and a document can cause thousands.
pub(super) const MAX_ERRORS: usize = 20;

/// Sees to it that an answer's errors all have a code, and that its data is whole or null.
///
/// The library drops a non-null field that failed and leaves the hole in its parent. Where anything below a root field
/// failed, or a root field that cannot be null, the data is null as a whole.
pub(super) fn settle(mut response: Response) -> Response {
    let whole = response.errors.iter().all(|error| is_null_at_root(&response.data, error));
    if !whole {
        response.data = Value::Null;
    }
    if response.errors.is_empty() && response.data == Value::Null {
        // Every field was left out by a directive.
        response.data = Value::Object(async_graphql::indexmap::IndexMap::default());
    }
    response.errors.truncate(MAX_ERRORS);
    for error in &mut response.errors {
        error.message = shortened(std::mem::take(&mut error.message));
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            // Found by the library itself: a document that cannot be parsed, is not valid, or has wrong variables.
            extensions.set("code", code::BAD_USER_INPUT);
            metrics::graphql_error(code::BAD_USER_INPUT);
        }
    }
    response
}

fn is_null_at_root(data: &Value, error: &ServerError) -> bool {
    match (data, error.path.as_slice()) {
        (Value::Object(fields), [async_graphql::PathSegment::Field(name)]) => {
            matches!(fields.get(name.as_str()), Some(Value::Null))
        }
        _ => false,
    }
}
