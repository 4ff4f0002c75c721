//! Reading the audit trail: lists, newest first, with every filter answered from an index.
//!
//! A list is gathered from one or more sources, each of which yields its newest events in order: every event, those of
//! one type each, those of one hotel each, those about the caller. However many events there are, no more are read than
//! a page holds for each source.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::store::page::{Page, PageRequest, push_after, reads_descending};
use crate::store::time::StoredTime;
use crate::store::{Result, Transaction};

/// An event as everyone who may see it sees it, `detail` and `personal` apart.
#[derive(Clone, Debug, FromRow)]
pub struct AuditEvent {
    pub id: Uuid,
    #[sqlx(try_from = "StoredTime")]
    pub occurred_at: DateTime<Utc>,
    #[sqlx(rename = "type")]
    pub event_type: String,
    pub outcome: String,
    pub actor: Option<String>,
    pub subject: Option<String>,
    pub about: Option<Uuid>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub detail: Value,
    pub personal: Option<Value>,
}

const COLUMNS: &str = "e.id, e.occurred_at, e.type, e.outcome, e.actor, e.subject, e.about, e.ip_address, e.user_agent, \
    e.request_id, e.detail, e.personal";

/// Which events a list holds; what is None does not narrow it.
#[derive(Clone, Debug, Default)]
pub struct AuditEventFilter {
    pub types: Option<Vec<String>>,
    pub success: Option<bool>,
    /// A global id.
    pub actor: Option<String>,
    pub subject: Option<Subject>,
    /// A hotel's id.
    pub hotel: Option<String>,
    pub ip_address: Option<String>,
    pub request_id: Option<String>,
    pub occurred_after: Option<DateTime<Utc>>,
    pub occurred_before: Option<DateTime<Utc>>,
}

/// What an event was done to.
#[derive(Clone, Debug)]
pub enum Subject {
    /// This user, their sessions included.
    User(Uuid),
    /// By global id.
    Other(String),
}

/// An event's place in the trail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventCursor {
    pub occurred_at: DateTime<Utc>,
    pub id: Uuid,
}

/// Where the events of a list come from.
enum Source {
    /// Every event, or by the index of whichever filter narrows it most.
    Every,
    /// Of one type.
    OfType(String),
    /// One source for each hotel.
    OfHotels(Vec<String>),
    /// About this user.
    About(Uuid),
    /// Done to this user by name, whoever it is about.
    DoneTo(Uuid),
    /// About the caller, who needs no right to read it.
    Own(Uuid),
}

fn sources(transaction: &Transaction, filter: &AuditEventFilter) -> Vec<Source> {
    let scope = transaction.scope();
    let mut sources = Vec::new();
    let narrow = filter.actor.is_some()
        || filter.subject.is_some()
        || filter.ip_address.is_some()
        || filter.request_id.is_some();
    let in_reach = |hotel: &String| scope.all_hotels || scope.hotels.contains(hotel);
    if scope.read_audit && filter.hotel.as_ref().is_none_or(in_reach) {
        match (&filter.subject, &filter.hotel, &filter.types) {
            (Some(Subject::User(user)), ..) => sources.extend([Source::About(*user), Source::DoneTo(*user)]),
            _ if narrow => sources.push(Source::Every),
            (_, Some(hotel), _) => sources.push(Source::OfHotels(vec![hotel.clone()])),
            _ if !scope.all_hotels => sources.push(Source::OfHotels(scope.hotels.to_vec())),
            (_, None, Some(types)) => sources.extend(types.iter().cloned().map(Source::OfType)),
            (_, None, None) => sources.push(Source::Every),
        }
    }
    if let Some(me) = scope.user_id.filter(|_| !scope.all_events()) {
        sources.push(Source::Own(me));
    }
    sources
}

/// A page of the trail.
pub async fn page(
    transaction: &mut Transaction,
    filter: &AuditEventFilter,
    page: &PageRequest<EventCursor>,
) -> Result<Page<AuditEvent>> {
    let descending = reads_descending(true, page.backward);
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM ("));
    if !push_sources(&mut query, transaction, filter, Some(page), page.rows_to_read()) {
        return Ok(Page::from_read(Vec::new(), page));
    }
    query.push(") found JOIN audit_events e ON e.occurred_at = found.occurred_at AND e.id = found.id");
    push_order(&mut query, "e.occurred_at", "e.id", descending);
    query.push(format_args!(" LIMIT {}", page.rows_to_read()));
    let rows = query.build_query_as().fetch_all(transaction.statement()).await?;
    Ok(Page::from_read(rows, page))
}

/// How many events there are, at most `at_most` where that is given.
pub async fn count(transaction: &mut Transaction, filter: &AuditEventFilter, at_most: Option<i64>) -> Result<i64> {
    let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT 1 FROM (");
    if !push_sources(&mut query, transaction, filter, None, at_most.unwrap_or(i64::MAX)) {
        return Ok(0);
    }
    query.push(") found LIMIT ").push_bind(at_most).push(") listed");
    Ok(query.build_query_scalar().fetch_one(transaction.statement()).await?)
}

/// The visible ones among these events.
pub async fn by_ids(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<AuditEvent>> {
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM audit_events e WHERE e.id = ANY("));
    query.push_bind(ids.to_vec()).push(")");
    let scope = transaction.scope();
    if !scope.all_events() {
        query.push(" AND (e.about = ").push_bind(scope.user_id);
        if scope.read_audit {
            query.push(" OR (e.hotels <> '{}' AND e.hotels <@ ").push_bind(scope.hotels.to_vec()).push(")");
        }
        query.push(")");
    }
    Ok(query.build_query_as().fetch_all(transaction.statement()).await?)
}

/// A page of everything that is about a person or was done by them, oldest first: for the person's own records. To be
/// asked by the system.
pub async fn of_person(
    transaction: &mut Transaction,
    person: Uuid,
    after: &EventCursor,
    limit: i64,
) -> Result<Vec<AuditEvent>> {
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM ("));
    for (index, column) in ["about", "actor"].into_iter().enumerate() {
        query.push(if index == 0 { "" } else { " UNION " });
        query.push(format_args!("(SELECT e.occurred_at, e.id FROM audit_events e WHERE e.{column} = "));
        if column == "about" {
            query.push_bind(person);
        } else {
            query.push_bind(format!("user:{person}"));
        }
        push_after(&mut query, "e.occurred_at, e.id", false, |query| {
            query.push_bind(after.occurred_at).push(", ").push_bind(after.id);
        });
        push_order(&mut query, "e.occurred_at", "e.id", false);
        query.push(" LIMIT ").push_bind(limit).push(")");
    }
    query.push(") found JOIN audit_events e ON e.occurred_at = found.occurred_at AND e.id = found.id");
    push_order(&mut query, "e.occurred_at", "e.id", false);
    query.push(" LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(transaction.statement()).await?)
}

fn push_order(query: &mut QueryBuilder<Postgres>, time: &str, id: &str, descending: bool) {
    let direction = if descending { "DESC" } else { "ASC" };
    query.push(format_args!(" ORDER BY {time} {direction}, {id} {direction}"));
}

/// Pushes the union of all sources, at most `limit` places of each; false where there is none.
fn push_sources(
    query: &mut QueryBuilder<Postgres>,
    transaction: &Transaction,
    filter: &AuditEventFilter,
    page: Option<&PageRequest<EventCursor>>,
    limit: i64,
) -> bool {
    let sources = sources(transaction, filter);
    let descending = page.is_none_or(|page| reads_descending(true, page.backward));
    for (index, source) in sources.iter().enumerate() {
        // UNION, because an event may lie in several sources.
        query.push(if index == 0 { "(" } else { " UNION (" });
        let (time, id) = push_source(query, source);
        if let Some(cursor) = page.and_then(|page| page.cursor.as_ref()) {
            push_after(query, &format!("{time}, {id}"), descending, |query| {
                query.push_bind(cursor.occurred_at).push(", ").push_bind(cursor.id);
            });
        }
        push_times(query, time, filter);
        push_filter(query, transaction, source, filter);
        if page.is_some() {
            push_order(query, time, id, descending);
        }
        query.push(" LIMIT ").push_bind(limit);
        query.push(if matches!(source, Source::OfHotels(_)) { ") newest)" } else { ")" });
    }
    !sources.is_empty()
}

/// Pushes a source up to its WHERE; the columns of its order.
fn push_source(query: &mut QueryBuilder<Postgres>, source: &Source) -> (&'static str, &'static str) {
    match source {
        Source::Every => {
            query.push("SELECT e.occurred_at, e.id FROM audit_events e WHERE true");
            ("e.occurred_at", "e.id")
        }
        Source::About(user) | Source::Own(user) => {
            query.push("SELECT e.occurred_at, e.id FROM audit_events e WHERE e.about = ").push_bind(*user);
            ("e.occurred_at", "e.id")
        }
        Source::DoneTo(user) => {
            query.push("SELECT e.occurred_at, e.id FROM audit_events e WHERE e.subject = ");
            query.push_bind(format!("user:{user}"));
            ("e.occurred_at", "e.id")
        }
        Source::OfType(wanted) => {
            query.push("SELECT e.occurred_at, e.id FROM audit_events e WHERE e.type = ").push_bind(wanted.clone());
            ("e.occurred_at", "e.id")
        }
        Source::OfHotels(hotels) => {
            // OFFSET 0 keeps the planner from turning it round: it takes few events to be of some hotels alone, and would
            // rather read all events of a type than those of a hotel in their order.
            query.push("SELECT newest.* FROM unnest(").push_bind(hotels.clone());
            query.push("::text[]) AS wanted(hotel_id) CROSS JOIN LATERAL (SELECT h.occurred_at, h.event_id AS id");
            query.push(" FROM audit_event_hotels h CROSS JOIN LATERAL (SELECT * FROM audit_events e");
            query.push(" WHERE e.occurred_at = h.occurred_at AND e.id = h.event_id OFFSET 0) e");
            query.push(" WHERE h.hotel_id = wanted.hotel_id");
            ("h.occurred_at", "h.event_id")
        }
    }
}

fn push_times(query: &mut QueryBuilder<Postgres>, time: &str, filter: &AuditEventFilter) {
    if let Some(after) = filter.occurred_after {
        query.push(format_args!(" AND {time} >= ")).push_bind(after);
    }
    if let Some(before) = filter.occurred_before {
        query.push(format_args!(" AND {time} < ")).push_bind(before);
    }
}

fn push_filter(
    query: &mut QueryBuilder<Postgres>,
    transaction: &Transaction,
    source: &Source,
    filter: &AuditEventFilter,
) {
    let scope = transaction.scope();
    if !scope.all_hotels && !matches!(source, Source::Own(_)) {
        // What is also of a hotel elsewhere would tell of it.
        query.push(" AND e.hotels <> '{}' AND e.hotels <@ ").push_bind(scope.hotels.to_vec());
    }
    if let Some(hotel) = filter.hotel.as_ref().filter(|_| !matches!(source, Source::OfHotels(_))) {
        query.push(" AND e.hotels @> ARRAY[").push_bind(hotel.clone()).push("]");
    }
    if let Some(types) = filter.types.as_ref().filter(|_| !matches!(source, Source::OfType(_))) {
        query.push(" AND e.type = ANY(").push_bind(types.clone()).push(")");
    }
    if let Some(success) = filter.success {
        // As a word of ours and not a parameter, so that the planner can prove the partial index to fit.
        query.push(if success { " AND e.outcome = 'SUCCESS'" } else { " AND e.outcome = 'FAILURE'" });
    }
    if let Some(actor) = &filter.actor {
        query.push(" AND e.actor = ").push_bind(actor.clone());
    }
    match &filter.subject {
        Some(Subject::User(id)) if matches!(source, Source::Own(_)) => {
            query.push(" AND (e.about = ").push_bind(*id).push(" OR e.subject = ");
            query.push_bind(format!("user:{id}")).push(")");
        }
        Some(Subject::Other(subject)) => {
            query.push(" AND e.subject = ").push_bind(subject.clone());
        }
        // Else the source itself is of this user.
        Some(Subject::User(_)) | None => {}
    }
    if let Some(address) = &filter.ip_address {
        query.push(" AND e.ip_address = ").push_bind(address.clone());
    }
    if let Some(request_id) = &filter.request_id {
        query.push(" AND e.request_id = ").push_bind(request_id.clone());
    }
}
