//! Users as other systems export them. Roles, groups and second factors do not come along: they mean something else here.

mod auth0;
mod firebase;
mod keycloak;
mod users_of;

use std::io::{Read, Result};

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde_json::{Map, Value};

use super::format::{self, Format, Row};
use crate::identity::{FirebaseParameters, UserRecord};

pub use firebase::parameters as firebase_parameters;

/// What stands where a hash came along that cannot be written in any form that is known. It is no hash.
const UNKNOWN_HASH: &str = "!";

/// Whose export a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// A realm with its users, by kc.sh export.
    Keycloak,
    /// JSON Lines of an export job, or of password hashes.
    Auth0,
    /// JSON by firebase auth:export.
    Firebase,
}

/// Where users come from, and what it takes to read them.
pub enum Source {
    OwnFile(Format),
    Keycloak,
    Auth0,
    Firebase(FirebaseParameters),
}

impl Source {
    /// Reads user after user, whatever is wrong with one, until `take` wants no more.
    pub fn read(&self, input: impl Read, take: &mut dyn FnMut(Row) -> bool) -> Result<()> {
        match self {
            Self::OwnFile(format) => format::read(*format, input, take),
            Self::Auth0 => format::read_lines(input, |line| auth0::user(&Fields::parse(line)?), take),
            Self::Keycloak => users_of::read(input, &keycloak::user, take),
            Self::Firebase(parameters) => users_of::read(input, &|fields| firebase::user(parameters, fields), take),
        }
    }
}

/// An object of an export. What is wrong with one of its fields is said by name, and not quoted: it may be a secret.
pub struct Fields(Map<String, Value>);

type Found<T> = std::result::Result<Option<T>, String>;

impl Fields {
    fn parse(text: &[u8]) -> std::result::Result<Self, String> {
        let value = serde_json::from_slice(text).map_err(|error| format::place_in_line(&error))?;
        Self::of(value)
    }

    fn of(value: Value) -> std::result::Result<Self, String> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err("is no object with a user's fields".to_owned()),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Found<&str> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| format!("{name} is no text"))).transpose()
    }

    fn truth(&self, name: &str) -> Found<bool> {
        self.get(name)
            .map(|value| value.as_bool().ok_or_else(|| format!("{name} is neither true nor false")))
            .transpose()
    }

    /// A time in milliseconds since 1970, as a number or as a text.
    fn milliseconds(&self, name: &str) -> Found<DateTime<Utc>> {
        let read = |value: &Value| {
            let since = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            since.and_then(DateTime::from_timestamp_millis).ok_or_else(|| format!("{name} is no time in milliseconds"))
        };
        self.get(name).map(read).transpose()
    }

    /// A time as RFC 3339 has it, or as MongoDB writes it: `{"$date": ...}`.
    fn time(&self, name: &str) -> Found<DateTime<Utc>> {
        let read = |value: &Value| {
            let value = value.get("$date").unwrap_or(value);
            let milliseconds = || value.get("$numberLong").and_then(Value::as_str)?.parse().ok();
            let time = match value.as_str() {
                Some(text) => text.parse().ok(),
                None => value.as_i64().or_else(milliseconds).and_then(DateTime::from_timestamp_millis),
            };
            time.ok_or_else(|| format!("{name} is no time such as 2026-03-02T08:15:00Z"))
        };
        self.get(name).map(read).transpose()
    }

    fn object(&self, name: &str) -> std::result::Result<Self, String> {
        match self.get(name) {
            None => Ok(Self(Map::new())),
            Some(value) => Self::of(value.clone()).map_err(|_| format!("{name} is no object")),
        }
    }
}

/// A user of whom nothing but the email address is known.
fn user(email: &str) -> UserRecord {
    UserRecord {
        id: None,
        email: email.to_owned(),
        password_hash: None,
        first_name: None,
        last_name: None,
        active: true,
        email_verified: false,
        must_change_password: false,
        hotel_scope: "ASSIGNED".to_owned(),
        roles: Vec::new(),
        hotels: Vec::new(),
        created_at: None,
        password_changed_at: None,
        last_login_at: None,
    }
}

/// First and last name, where only the whole is known: what stands behind the last space is taken for the last name.
fn names(whole: &str) -> (Option<String>, Option<String>) {
    let whole = whole.trim();
    match whole.rsplit_once(char::is_whitespace) {
        Some((first, last)) => (Some(first.trim().to_owned()), Some(last.to_owned())),
        None => (Some(whole.to_owned()).filter(|name| !name.is_empty()), None),
    }
}
