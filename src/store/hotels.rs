//! Hotels: lists, look-ups, and which of them a user or an API key reaches. Always in the order of their ids.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use super::batch::push_is_any;
use super::changes::Topic;
use super::page::{Page, PageRequest, pages_by_parent, push_after, push_contains, reads_descending};
use super::time::StoredTime;
use super::{Result, Transaction};
use crate::text::folding::search_words;
use crate::text::nfc;

/// A tenant.
#[derive(Clone, FromRow)]
pub struct Hotel {
    pub id: String,
    pub name: String,
    pub brand: Option<String>,
    pub country: Option<String>,
    pub city: Option<String>,
    pub address: Option<String>,
    pub pms_type: String,
    /// Holds credentials of other systems: never shown as it is.
    pub pms_config: Option<Value>,
    pub active: bool,
    #[sqlx(try_from = "StoredTime")]
    pub created_at: DateTime<Utc>,
    #[sqlx(try_from = "StoredTime")]
    pub updated_at: DateTime<Utc>,
}

pub(super) const COLUMNS: &str = "h.id, h.name, h.brand, h.country, h.city, h.address, h.pms_type, h.pms_config, h.active, \
    h.created_at, h.updated_at";

/// Which hotels a list holds; what is None does not narrow it.
#[derive(Clone, Debug, Default)]
pub struct HotelFilter {
    pub search: Option<String>,
    pub active: Option<bool>,
    pub brand: Option<String>,
    pub pms_type: Option<String>,
    pub country: Option<String>,
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &HotelFilter) {
    if let Some(search) = &filter.search {
        push_contains(query, "h.search_key", "concat_ws(' ', h.id, h.name, h.brand, h.city)", &search_words(search));
    }
    if let Some(active) = filter.active {
        query.push(" AND h.active = ").push_bind(active);
    }
    for (comparison, value) in [
        (" AND h.brand = ", &filter.brand),
        (" AND h.pms_type = ", &filter.pms_type),
        (" AND h.country = ", &filter.country),
    ] {
        if let Some(value) = value {
            query.push(comparison).push_bind(nfc(value).into_owned());
        }
    }
}

/// The first wall: the hotels of the scope.
pub(super) fn push_visible(query: &mut QueryBuilder<Postgres>, transaction: &Transaction) {
    let scope = transaction.scope();
    if !scope.all_hotels {
        query.push(" AND h.id");
        push_is_any(query, &scope.hotels);
    }
}

fn push_page_start(query: &mut QueryBuilder<Postgres>, page: &PageRequest<String>) {
    if let Some(id) = &page.cursor {
        push_after(query, "h.id", reads_descending(false, page.backward), |query| {
            query.push_bind(id.clone());
        });
    }
}

fn push_order(query: &mut QueryBuilder<Postgres>, page: &PageRequest<String>) {
    query.push(format_args!(" ORDER BY h.id {}", if page.backward { "DESC" } else { "ASC" }));
}

/// A page of hotels; the cursor is a hotel's id.
pub async fn page(
    transaction: &mut Transaction,
    filter: &HotelFilter,
    page: &PageRequest<String>,
) -> Result<Page<Hotel>> {
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM hotels h WHERE true"));
    push_visible(&mut query, transaction);
    push_filter(&mut query, filter);
    push_page_start(&mut query, page);
    push_order(&mut query, page);
    query.push(format_args!(" LIMIT {}", page.rows_to_read()));
    let rows = query.build_query_as().fetch_all(transaction.statement()).await?;
    Ok(Page::from_read(rows, page))
}

/// How many hotels there are, at most `at_most` where that is given.
pub async fn count(transaction: &mut Transaction, filter: &HotelFilter, at_most: Option<i64>) -> Result<i64> {
    let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT 1 FROM hotels h WHERE true");
    push_visible(&mut query, transaction);
    push_filter(&mut query, filter);
    query.push(" LIMIT ").push_bind(at_most).push(") listed");
    Ok(query.build_query_scalar().fetch_one(transaction.statement()).await?)
}

/// The visible ones among these hotels.
pub async fn by_ids(transaction: &mut Transaction, ids: &[String]) -> Result<Vec<Hotel>> {
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM hotels h WHERE h.id"));
    push_is_any(&mut query, ids);
    push_visible(&mut query, transaction);
    Ok(query.build_query_as().fetch_all(transaction.statement()).await?)
}

/// Which of these hotels, of those in sight, are active and which are not.
pub async fn active_ones(transaction: &mut Transaction, ids: &[String]) -> Result<Vec<(String, bool)>> {
    let mut query = QueryBuilder::new("SELECT h.id, h.active FROM hotels h WHERE h.id");
    push_is_any(&mut query, ids);
    push_visible(&mut query, transaction);
    Ok(query.build_query_as().fetch_all(transaction.statement()).await?)
}

/// Who can have hotels assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    User,
    ApiKey,
}

impl Holder {
    /// `FROM <the assignments> AS reach(holder_id, hotel_id)`.
    fn assignments(self) -> &'static str {
        match self {
            Self::User => "(SELECT user_id, hotel_id FROM user_hotels) AS reach(holder_id, hotel_id)",
            Self::ApiKey => "(SELECT api_key_id, hotel_id FROM api_key_hotels) AS reach(holder_id, hotel_id)",
        }
    }
}

/// Whose hotels are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HotelsOf {
    pub holder: Holder,
    pub id: Uuid,
    /// Scope ALL: every active hotel instead of those assigned.
    pub every: bool,
    /// Leaves out inactive ones, though they be assigned.
    pub only_active: bool,
}

#[derive(FromRow)]
struct ReachedHotel {
    holder_id: Uuid,
    every: bool,
    only_active: bool,
    #[sqlx(flatten)]
    hotel: Hotel,
}

/// A page of hotels for each of these, who are of one kind, in one statement.
pub async fn pages_by_holders(
    transaction: &mut Transaction,
    holders: &[HotelsOf],
    page: &PageRequest<String>,
) -> Result<HashMap<HotelsOf, Page<Arc<Hotel>>>> {
    let Some(kind) = holders.first().map(|of| of.holder) else { return Ok(HashMap::new()) };
    let mut query = QueryBuilder::new(format!("SELECT reader.holder_id, reader.every, reader.only_active, {COLUMNS}"));
    push_holders(&mut query, holders);
    // Two branches instead of one condition: each stops at its own index after as many rows as the page needs.
    query.push(" CROSS JOIN LATERAL ((SELECT h.* FROM hotels h WHERE reader.every AND h.active");
    push_visible(&mut query, transaction);
    push_page_start(&mut query, page);
    push_order(&mut query, page);
    query.push(format_args!(" LIMIT {}", page.rows_to_read()));
    query.push(format_args!(
        ") UNION ALL (SELECT h.* FROM {} JOIN hotels h ON h.id = reach.hotel_id",
        kind.assignments()
    ));
    query.push(
        " WHERE NOT reader.every AND reach.holder_id = reader.holder_id AND (h.active OR NOT reader.only_active)",
    );
    push_visible(&mut query, transaction);
    push_page_start(&mut query, page);
    push_order(&mut query, page);
    query.push(format_args!(" LIMIT {}", page.rows_to_read()));
    query.push(")) h");
    push_order(&mut query, page);

    let rows: Vec<ReachedHotel> = query.build_query_as().fetch_all(transaction.statement()).await?;
    let rows = rows.into_iter().map(|row| {
        let of = HotelsOf { holder: kind, id: row.holder_id, every: row.every, only_active: row.only_active };
        (of, Arc::new(row.hotel))
    });
    Ok(pages_by_parent(holders, rows.collect(), page))
}

/// How many hotels each of these, who are of one kind, reaches, at most `at_most` where that is given.
pub async fn counts_by_holders(
    transaction: &mut Transaction,
    holders: &[HotelsOf],
    at_most: Option<i64>,
) -> Result<HashMap<HotelsOf, i64>> {
    let Some(kind) = holders.first().map(|of| of.holder) else { return Ok(HashMap::new()) };
    let mut query = QueryBuilder::new("SELECT reader.holder_id, reader.every, reader.only_active, counted.hotels");
    push_holders(&mut query, holders);
    query.push(" CROSS JOIN LATERAL (SELECT count(*) AS hotels FROM (SELECT 1 FROM hotels h");
    query.push(" WHERE CASE WHEN reader.every THEN h.active ELSE (h.active OR NOT reader.only_active)");
    query.push(format_args!(" AND EXISTS (SELECT 1 FROM {}", kind.assignments()));
    query.push(" WHERE reach.holder_id = reader.holder_id AND reach.hotel_id = h.id) END");
    push_visible(&mut query, transaction);
    query.push(" LIMIT ").push_bind(at_most).push(") listed) counted");
    let rows: Vec<(Uuid, bool, bool, i64)> = query.build_query_as().fetch_all(transaction.statement()).await?;
    let counted = |(id, every, only_active, hotels)| (HotelsOf { holder: kind, id, every, only_active }, hotels);
    Ok(rows.into_iter().map(counted).collect())
}

fn push_holders(query: &mut QueryBuilder<Postgres>, holders: &[HotelsOf]) {
    query.push(" FROM unnest(").push_bind(holders.iter().map(|of| of.id).collect::<Vec<_>>());
    query.push("::uuid[], ").push_bind(holders.iter().map(|of| of.every).collect::<Vec<_>>());
    query.push("::boolean[], ").push_bind(holders.iter().map(|of| of.only_active).collect::<Vec<_>>());
    query.push("::boolean[]) AS reader(holder_id, every, only_active)");
}

/// Locks the visible ones among these hotels against being changed until the transaction ends; their ids, sorted.
pub async fn lock_shared(transaction: &mut Transaction, ids: &[String]) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!("SELECT id FROM hotels WHERE id = ANY($1) ORDER BY id FOR SHARE", ids)
        .fetch_all(transaction.statement())
        .await?)
}

/// Locks a hotel for a change.
pub async fn lock(transaction: &mut Transaction, id: &str) -> Result<Option<Hotel>> {
    Ok(sqlx::query_as!(
        Hotel,
        r#"SELECT id, name, brand, country::text, city, address, pms_type, pms_config, active,
                created_at AS "created_at: StoredTime", updated_at AS "updated_at: StoredTime"
           FROM hotels WHERE id = $1 FOR NO KEY UPDATE"#,
        id
    )
    .fetch_optional(transaction.statement())
    .await?)
}

/// Adds a hotel. False where the id is taken.
pub async fn insert(transaction: &mut Transaction, hotel: &Hotel, created_by: Option<Uuid>) -> Result<bool> {
    transaction.changes(Topic::Hotels);
    let done = sqlx::query!(
        "INSERT INTO hotels (id, name, brand, country, city, address, pms_type, pms_config, active, created_at, updated_at,
                created_by, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) ON CONFLICT DO NOTHING",
        hotel.id,
        hotel.name,
        hotel.brand,
        hotel.country,
        hotel.city,
        hotel.address,
        hotel.pms_type,
        hotel.pms_config,
        hotel.active,
        hotel.created_at,
        hotel.updated_at,
        created_by
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes what may change of a hotel; how many rows there were.
pub async fn update(transaction: &mut Transaction, hotel: &Hotel, updated_by: Option<Uuid>) -> Result<u64> {
    transaction.changes(Topic::Hotels);
    let done = sqlx::query!(
        "UPDATE hotels SET name = $2, brand = $3, country = $4, city = $5, address = $6, pms_type = $7, pms_config = $8,
                active = $9, updated_at = $10, updated_by = $11
          WHERE id = $1",
        hotel.id,
        hotel.name,
        hotel.brand,
        hotel.country,
        hotel.city,
        hotel.address,
        hotel.pms_type,
        hotel.pms_config,
        hotel.active,
        hotel.updated_at,
        updated_by
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}
