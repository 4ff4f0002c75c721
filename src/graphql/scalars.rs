//! The contract's own scalars.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{SecondsFormat, Utc};

use super::errors::{GraphqlError, Result};
use crate::address;

#[derive(Clone, Copy, Debug)]
pub struct DateTime(pub chrono::DateTime<Utc>);

/// An instant, RFC 3339 in UTC, e.g. 2026-01-15T10:30:00Z.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let time = chrono::DateTime::parse_from_rfc3339(text)
            .map_err(|_| InputValueError::custom("an instant reads like 2026-01-15T10:30:00Z (RFC 3339)"))?;
        let time = time.to_utc();
        // PostgreSQL's calendar ends before chrono's.
        if !(-4000..=200_000).contains(&chrono::Datelike::year(&time)) {
            return Err(InputValueError::custom("an instant lies between the years -4000 and 200000"));
        }
        Ok(Self(time))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(time: chrono::DateTime<Utc>) -> Self {
        Self(time)
    }
}

/// An address to look for, in the one form in which addresses are kept.
pub fn address_filter(text: Option<String>) -> Result<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    let problem = "is no address: it reads like 192.0.2.1 or 2001:db8::1";
    let address = address::parse(&text).ok_or_else(|| GraphqlError::bad_input("filter.ipAddress", problem))?;
    Ok(Some(address.to_string()))
}
