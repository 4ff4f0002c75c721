//! Relay connections: the four page arguments, opaque cursors, and totals that are counted only when asked for.

use std::borrow::Cow;

use async_graphql::connection::{Connection, Edge, PageInfo};
use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaType, Registry};
use async_graphql::{
    Context, ContextSelectionSet, Object, OutputType, Positioned, SelectionField, ServerResult, Value,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::context::RequestContext;
use super::errors::{GraphqlError, Result};
use super::loaders::{HotelCount, SessionCount, UserCount};
use super::written::{Fields, Write};
use crate::store::api_keys::KeyCursor;
use crate::store::audit::events::{AuditEventFilter, EventCursor};
use crate::store::hotels::HotelFilter;
use crate::store::page::{Page, PageRequest};
use crate::store::roles::RoleFilter;
use crate::store::sessions::SessionCursor;
use crate::store::users::{SortKey, UserCursor, UserOrderField};

const DEFAULT_ROWS: u32 = 25;
const MAX_ROWS: u32 = 100;

/// The arguments of every list, as they came.
#[derive(Default)]
pub struct PageArguments {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

impl PageArguments {
    /// The page they ask for; `decode` reads a cursor of this list.
    pub fn request<C>(self, decode: impl Fn(&str) -> Option<C>) -> Result<PageRequest<C>> {
        match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(GraphqlError::bad_input("last", "cannot stand beside `first`: ask for one of them"));
            }
            (Some(_), None) if self.before.is_some() => {
                return Err(GraphqlError::bad_input("before", "goes with `last`; with `first` goes `after`"));
            }
            (None, Some(_)) if self.after.is_some() => {
                return Err(GraphqlError::bad_input("after", "goes with `first`; with `last` goes `before`"));
            }
            _ => {}
        }
        if self.after.is_some() && self.before.is_some() {
            return Err(GraphqlError::bad_input("before", "cannot stand beside `after`: ask for one of them"));
        }
        let backward = self.last.is_some() || self.before.is_some();
        let (argument, rows) = if backward { ("last", self.last) } else { ("first", self.first) };
        let limit = match rows.map(u32::try_from) {
            None => DEFAULT_ROWS,
            Some(Ok(rows)) if (1..=MAX_ROWS).contains(&rows) => rows,
            Some(_) => return Err(GraphqlError::bad_input(argument, "is a number of rows from 1 to 100")),
        };
        let cursor = match (self.after, self.before) {
            (Some(text), _) => Some(("after", text)),
            (None, Some(text)) => Some(("before", text)),
            (None, None) => None,
        };
        let cursor = cursor
            .map(|(argument, text)| {
                let problem = "is no cursor of this list in this order; take one from an edge or from pageInfo";
                decode(&text).ok_or_else(|| GraphqlError::bad_input(argument, problem))
            })
            .transpose()?;
        Ok(PageRequest { limit, backward, cursor })
    }
}

fn encode(content: &impl Serialize) -> String {
    // Strings and numbers in a tuple always serialise.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(content).unwrap_or_default())
}

fn decode<T: DeserializeOwned>(cursor: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

/// A cursor of a list that is sorted by one text, such as a name; `list` keeps cursors of other lists out.
pub fn text_cursor(list: &str, text: &str) -> String {
    encode(&(list, text))
}

pub fn read_text_cursor(list: &str, cursor: &str) -> Option<String> {
    let (kind, text): (String, String) = decode(cursor)?;
    (kind == list && text.len() <= 1024 && !text.contains('\0')).then_some(text)
}

/// An instant that PostgreSQL's calendar has.
fn instant(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).filter(|time| (-4000..=200_000).contains(&time.year()))
}

pub fn session_cursor(cursor: &SessionCursor) -> String {
    encode(&("session", cursor.created_at.timestamp_micros(), cursor.id))
}

pub fn read_session_cursor(cursor: &str) -> Option<SessionCursor> {
    let (kind, micros, id): (String, i64, Uuid) = decode(cursor)?;
    let created_at = instant(micros)?;
    (kind == "session").then_some(SessionCursor { created_at, id })
}

pub fn event_cursor(cursor: &EventCursor) -> String {
    encode(&("audit", cursor.occurred_at.timestamp_micros(), cursor.id))
}

pub fn read_event_cursor(cursor: &str) -> Option<EventCursor> {
    let (kind, micros, id): (String, i64, Uuid) = decode(cursor)?;
    let occurred_at = instant(micros)?;
    (kind == "audit").then_some(EventCursor { occurred_at, id })
}

pub fn key_cursor(cursor: &KeyCursor) -> String {
    encode(&("apikey", cursor.created_at.timestamp_micros(), cursor.id))
}

pub fn read_key_cursor(cursor: &str) -> Option<KeyCursor> {
    let (kind, micros, id): (String, i64, Uuid) = decode(cursor)?;
    let created_at = instant(micros)?;
    (kind == "apikey").then_some(KeyCursor { created_at, id })
}

fn order_name(field: UserOrderField) -> &'static str {
    match field {
        UserOrderField::CreatedAt => "created",
        UserOrderField::Email => "email",
        UserOrderField::LastName => "last-name",
        UserOrderField::LastLoginAt => "last-login",
    }
}

pub fn user_cursor(field: UserOrderField, cursor: &UserCursor) -> String {
    match &cursor.key {
        SortKey::Time(time) => encode(&(order_name(field), time.timestamp_micros(), cursor.id)),
        SortKey::Text(text) => encode(&(order_name(field), text, cursor.id)),
    }
}

/// A cursor holds in the order that it was made in, and in no other.
pub fn read_user_cursor(field: UserOrderField, cursor: &str) -> Option<UserCursor> {
    let (name, key, id) = match field {
        UserOrderField::CreatedAt | UserOrderField::LastLoginAt => {
            let (name, micros, id): (String, i64, Uuid) = decode(cursor)?;
            (name, SortKey::Time(instant(micros)?), id)
        }
        UserOrderField::Email | UserOrderField::LastName => {
            let (name, text, id): (String, String, Uuid) = decode(cursor)?;
            (name, SortKey::Text(Some(text).filter(|text| text.len() <= 1024 && !text.contains('\0'))?), id)
        }
    };
    (name == order_name(field)).then_some(UserCursor { key, id })
}

/// A connection from a page of rows.
pub fn connection<T, N: OutputType>(
    page: Page<T>,
    total: TotalCount,
    cursor: impl Fn(&T) -> String,
    node: impl Fn(T) -> N,
) -> Connection<String, N, TotalCount> {
    let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, total);
    connection.edges.extend(page.rows.into_iter().map(|row| Edge::new(cursor(&row), node(row))));
    connection
}

/// Says of each connection what it is a list of, which the library leaves out; a type of the schema it is not.
pub struct Descriptions;

impl OutputType for Descriptions {
    fn type_name() -> Cow<'static, str> {
        "Descriptions".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        for (connection, rows) in [
            ("ApiKeyConnection", "API keys"),
            ("AuditEventConnection", "audit events"),
            ("HotelConnection", "hotels"),
            ("RoleConnection", "roles"),
            ("SessionConnection", "sessions"),
            ("UserConnection", "users"),
        ] {
            if let Some(MetaType::Object { description, .. }) = registry.types.get_mut(connection) {
                *description = Some(format!("A page of {rows}."));
            }
        }
        String::new()
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Null)
    }
}

impl Fields for PageInfo {
    const TYPE_NAME: &'static str = "PageInfo";

    fn write(field: &SelectionField<'_>) -> Option<Write<Self>> {
        Some(match field.name() {
            "hasNextPage" => Box::new(|it, _, json| json.value(&it.has_next_page)),
            "hasPreviousPage" => Box::new(|it, _, json| json.value(&it.has_previous_page)),
            "startCursor" => Box::new(|it, _, json| json.value(&it.start_cursor)),
            "endCursor" => Box::new(|it, _, json| json.value(&it.end_cursor)),
            _ => return None,
        })
    }
}

/// What a connection's total counts.
pub enum TotalCount {
    Users(UserCount),
    Roles(RoleFilter),
    Hotels(HotelFilter),
    HotelsOf(HotelCount),
    Sessions(SessionCount),
    AuditEvents(AuditEventFilter),
    ApiKeys,
    /// It is known already.
    Known(usize),
}

impl TotalCount {
    async fn count(&self, context: &Context<'_>, at_most: Option<i64>) -> Result<i64> {
        let (identity, caller) = (context.identity(), context.caller());
        Ok(match self {
            Self::Users(count) => context.load(UserCount { at_most, ..count.clone() }).await?.unwrap_or(0),
            Self::Sessions(count) => context.load(SessionCount { at_most, ..count.clone() }).await?.unwrap_or(0),
            Self::HotelsOf(count) => context.load(HotelCount { at_most, ..*count }).await?.unwrap_or(0),
            Self::Roles(filter) => identity.role_count(&caller, filter, at_most).await?,
            Self::Hotels(filter) => identity.hotel_count(&caller, filter, at_most).await?,
            Self::AuditEvents(filter) => identity.audit_event_count(&caller, filter, at_most).await?,
            Self::ApiKeys => identity.api_key_count(&caller, at_most).await?,
            Self::Known(count) => {
                let count = i64::try_from(*count).unwrap_or(i64::MAX);
                at_most.map_or(count, |at_most| count.min(at_most))
            }
        })
    }
}

#[Object]
impl TotalCount {
    /// Counted only when asked for; with `atMost`, counting stops there and the answer is then `atMost`.
    async fn total_count(&self, context: &Context<'_>, at_most: Option<i32>) -> Result<i32> {
        if at_most.is_some_and(|at_most| at_most < 1) {
            return Err(GraphqlError::bad_input("atMost", "is a number from 1 on"));
        }
        let at_most = at_most.map(i64::from);
        // On the heap: every field of a connection would take as much room as this one.
        let count = Box::pin(self.count(context, at_most)).await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_arguments_are_one_way_or_the_other() {
        let request = |first, after: Option<&str>, last, before: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let arguments = PageArguments { first, after: text(after), last, before: text(before) };
            arguments
                .request(|cursor| cursor.strip_prefix("c").map(str::to_owned))
                .ok()
                .map(|request| (request.limit, request.backward, request.cursor))
        };
        let at = |key: &str| Some(key.to_owned());
        assert_eq!(request(None, None, None, None), Some((25, false, None)));
        assert_eq!(request(Some(1), None, None, None), Some((1, false, None)));
        assert_eq!(request(Some(100), Some("c7"), None, None), Some((100, false, at("7"))));
        assert_eq!(request(None, Some("c7"), None, None), Some((25, false, at("7"))));
        assert_eq!(request(None, None, Some(3), None), Some((3, true, None)));
        assert_eq!(request(None, None, Some(3), Some("c7")), Some((3, true, at("7"))));
        assert_eq!(request(None, None, None, Some("c7")), Some((25, true, at("7"))));
        for refused in [
            request(Some(0), None, None, None),
            request(Some(101), None, None, None),
            request(Some(-1), None, None, None),
            request(None, None, Some(0), None),
            request(None, None, Some(i32::MIN), None),
            request(Some(1), None, Some(1), None),
            request(Some(1), None, None, Some("c7")),
            request(None, Some("c7"), Some(1), None),
            request(None, Some("c7"), None, Some("c8")),
            request(Some(1), Some("7"), None, None),
            request(Some(1), Some(""), None, None),
        ] {
            assert_eq!(refused, None);
        }
    }

    #[test]
    fn cursors_read_back_in_their_own_list_and_order_alone() {
        let time = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let by_time = UserCursor { key: SortKey::Time(time), id: Uuid::max() };
        let by_text = UserCursor { key: SortKey::Text("Ünal \"q\"".to_owned()), id: Uuid::max() };
        let orders = [
            (UserOrderField::CreatedAt, &by_time),
            (UserOrderField::LastLoginAt, &by_time),
            (UserOrderField::Email, &by_text),
            (UserOrderField::LastName, &by_text),
        ];
        for (field, cursor) in orders {
            let text = user_cursor(field, cursor);
            for (other, _) in orders {
                assert_eq!(read_user_cursor(other, &text), (other == field).then(|| cursor.clone()));
            }
            assert_eq!(read_session_cursor(&text), None);
        }
        let session = SessionCursor { created_at: time, id: Uuid::nil() };
        assert_eq!(read_session_cursor(&session_cursor(&session)), Some(session));
        let event = EventCursor { occurred_at: time, id: Uuid::max() };
        assert_eq!(read_event_cursor(&event_cursor(&event)), Some(event.clone()));
        assert_eq!(read_session_cursor(&event_cursor(&event)), None);
        let key = KeyCursor { created_at: time, id: Uuid::max() };
        assert_eq!(read_key_cursor(&key_cursor(&key)), Some(key));
        assert_eq!(read_key_cursor(&event_cursor(&event)), None);
        assert_eq!(read_text_cursor("role", &text_cursor("role", "ADMIN")).as_deref(), Some("ADMIN"));
        assert_eq!(read_text_cursor("hotel", &text_cursor("role", "ADMIN")), None);
        assert_eq!(read_text_cursor("role", &text_cursor("role", "a\0")), None);
        for nonsense in ["", "!", "e30", "bnVsbA", "WyJyb2xlIl0"] {
            assert_eq!(read_text_cursor("role", nonsense), None);
            assert_eq!(read_session_cursor(nonsense), None);
        }
    }
}
