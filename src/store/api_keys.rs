//! API keys: lists and look-ups, what one of them may do, and how they are made, used and revoked. Newest first.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use super::batch::push_is_any;
use super::changes::Topic;
use super::page::{Page, PageRequest, push_after, reads_descending};
use super::time::{MaybeTime, StoredTime};
use super::users::HotelScope;
use super::{Result, Transaction};

/// A back-end service's credential, as those who may see it see it. The key itself is stored nowhere.
#[derive(Clone, Debug, FromRow)]
pub struct ApiKey {
    pub id: Uuid,
    pub name: String,
    pub service_name: String,
    /// Its first characters.
    pub prefix: String,
    /// Sorted.
    pub permissions: Vec<String>,
    pub hotel_scope: HotelScope,
    #[sqlx(try_from = "StoredTime")]
    pub created_at: DateTime<Utc>,
    pub created_by: Option<Uuid>,
    #[sqlx(try_from = "MaybeTime")]
    pub last_used_at: Option<DateTime<Utc>>,
    #[sqlx(try_from = "MaybeTime")]
    pub expires_at: Option<DateTime<Utc>>,
    #[sqlx(try_from = "MaybeTime")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Ids of hotels, sorted; empty under scope ALL.
    pub hotels: Vec<String>,
}

impl ApiKey {
    /// Neither revoked nor expired.
    pub fn is_active(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|until| until > now)
    }
}

const COLUMNS: &str = "k.id, k.name, k.service_name, k.prefix, k.permissions, k.hotel_scope, k.created_at, k.created_by, \
    k.last_used_at, k.expires_at, k.revoked_at, \
    ARRAY(SELECT given.hotel_id FROM api_key_hotels given WHERE given.api_key_id = k.id ORDER BY given.hotel_id) AS hotels";

/// An API key's place among the others: when it was made, and its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyCursor {
    pub created_at: DateTime<Utc>,
    pub id: Uuid,
}

/// A key that is honoured, and what it holds: the check that every request with one begins with.
#[derive(Clone, Debug)]
pub struct KeyAccess {
    pub id: Uuid,
    pub service_name: String,
    pub last_used_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub hotel_scope: HotelScope,
    pub permissions: Vec<String>,
    /// The active ones of the hotels assigned, sorted; under scope ALL they add nothing.
    pub hotels: Vec<String>,
    /// Every hotel assigned, sorted.
    pub assigned_hotels: Vec<String>,
    /// None: it was put into the database by hand.
    pub owner: Option<KeyOwner>,
}

/// Who made a key and answers for it, as they stand now.
#[derive(Clone, Debug)]
pub struct KeyOwner {
    pub id: Uuid,
    /// The account is there, active and verified.
    pub can_sign_in: bool,
    pub hotel_scope: HotelScope,
    /// What their active roles grant.
    pub permissions: Vec<String>,
    /// Every hotel assigned to them.
    pub hotels: Vec<String>,
}

/// By what a key is looked up.
#[derive(Clone, Copy)]
pub enum KeyBy<'a> {
    Digest(&'a [u8]),
    Id(Uuid),
}

/// This key, if it is neither revoked nor expired. Whether it is honoured, its owner decides, too.
pub async fn access(transaction: &mut Transaction, by: KeyBy<'_>, now: DateTime<Utc>) -> Result<Option<KeyAccess>> {
    let (digest, id) = match by {
        KeyBy::Digest(digest) => (Some(digest), None),
        KeyBy::Id(id) => (None, Some(id)),
    };
    let found = sqlx::query!(
        r#"SELECT k.id, k.service_name, k.last_used_at AS "last_used_at!: MaybeTime",
                  k.expires_at AS "expires_at!: MaybeTime", k.hotel_scope AS "hotel_scope: HotelScope", k.permissions,
                  ARRAY(SELECT hotel_id FROM api_key_hotels given JOIN hotels h ON h.id = given.hotel_id
                         WHERE given.api_key_id = k.id AND h.active ORDER BY hotel_id) AS "hotels!",
                  ARRAY(SELECT hotel_id FROM api_key_hotels given
                         WHERE given.api_key_id = k.id ORDER BY hotel_id) AS "assigned_hotels!",
                  k.created_by AS owner_id, coalesce(o.active AND o.email_verified, false) AS "owner_can_sign_in!",
                  coalesce(o.hotel_scope, 'ASSIGNED') AS "owner_scope!: HotelScope",
                  ARRAY(SELECT DISTINCT granted FROM user_roles held JOIN roles r ON r.id = held.role_id,
                               unnest(r.permissions) AS granted
                         WHERE held.user_id = o.id AND r.active) AS "owner_permissions!",
                  ARRAY(SELECT hotel_id FROM user_hotels reach WHERE reach.user_id = o.id) AS "owner_hotels!"
             FROM api_keys k LEFT JOIN users o ON o.id = k.created_by
            WHERE k.secret_hash = coalesce($1, (SELECT secret_hash FROM api_keys WHERE id = $3))
              AND k.active AND k.revoked_at IS NULL AND coalesce(k.expires_at > $2, true)"#,
        digest,
        now,
        id
    )
    .fetch_optional(transaction.statement())
    .await?;
    Ok(found.map(|row| KeyAccess {
        id: row.id,
        service_name: row.service_name,
        last_used_at: row.last_used_at.into(),
        expires_at: row.expires_at.into(),
        hotel_scope: row.hotel_scope,
        permissions: row.permissions,
        hotels: row.hotels,
        assigned_hotels: row.assigned_hotels,
        owner: row.owner_id.map(|id| KeyOwner {
            id,
            can_sign_in: row.owner_can_sign_in,
            hotel_scope: row.owner_scope,
            permissions: row.owner_permissions,
            hotels: row.owner_hotels,
        }),
    }))
}

/// The first wall: a key sees itself; a user who may, those of which every hotel is their own.
fn push_visible(query: &mut QueryBuilder<Postgres>, transaction: &Transaction) {
    let scope = transaction.scope();
    if scope.see_api_keys && scope.all_hotels {
        return;
    }
    query.push(" AND (k.id = ").push_bind(scope.api_key_id);
    if scope.see_api_keys {
        query.push(" OR (k.hotel_scope = 'ASSIGNED' AND NOT EXISTS (SELECT 1 FROM api_key_hotels other ");
        query
            .push("WHERE other.api_key_id = k.id AND other.hotel_id <> ALL(")
            .push_bind(scope.assigned_hotels.to_vec());
        query.push(")) AND (k.created_by = ").push_bind(scope.user_id);
        query.push(" OR EXISTS (SELECT 1 FROM api_key_hotels any_of WHERE any_of.api_key_id = k.id)))");
    }
    query.push(")");
}

/// A page of keys, revoked ones too.
pub async fn page(transaction: &mut Transaction, page: &PageRequest<KeyCursor>) -> Result<Page<ApiKey>> {
    let descending = reads_descending(true, page.backward);
    let direction = if descending { "DESC" } else { "ASC" };
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM api_keys k WHERE true"));
    push_visible(&mut query, transaction);
    if let Some(cursor) = &page.cursor {
        push_after(&mut query, "k.created_at, k.id", descending, |query| {
            query.push_bind(cursor.created_at).push(", ").push_bind(cursor.id);
        });
    }
    query.push(format_args!(" ORDER BY k.created_at {direction}, k.id {direction} LIMIT {}", page.rows_to_read()));
    let rows = query.build_query_as().fetch_all(transaction.statement()).await?;
    Ok(Page::from_read(rows, page))
}

/// How many keys there are, at most `at_most` where that is given.
pub async fn count(transaction: &mut Transaction, at_most: Option<i64>) -> Result<i64> {
    let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT 1 FROM api_keys k WHERE true");
    push_visible(&mut query, transaction);
    query.push(" LIMIT ").push_bind(at_most).push(") listed");
    Ok(query.build_query_scalar().fetch_one(transaction.statement()).await?)
}

/// The visible ones among these keys.
pub async fn by_ids(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<ApiKey>> {
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM api_keys k WHERE k.id"));
    push_is_any(&mut query, ids);
    push_visible(&mut query, transaction);
    Ok(query.build_query_as().fetch_all(transaction.statement()).await?)
}

/// Adds a key, known from now on by `digest`, with its hotels.
pub async fn insert(transaction: &mut Transaction, key: &ApiKey, digest: &[u8]) -> Result<()> {
    sqlx::query!(
        "INSERT INTO api_keys (id, name, service_name, prefix, secret_hash, permissions, hotel_scope, created_at, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        key.id,
        key.name,
        key.service_name,
        key.prefix,
        digest,
        &key.permissions,
        key.hotel_scope as HotelScope,
        key.created_at,
        key.created_by,
        key.expires_at
    )
    .execute(transaction.statement())
    .await?;
    if !key.hotels.is_empty() {
        sqlx::query!(
            "INSERT INTO api_key_hotels (api_key_id, hotel_id, created_at, created_by)
             SELECT $1, hotel_id, $3, $4 FROM unnest($2::text[]) AS hotel_id",
            key.id,
            &key.hotels,
            key.created_at,
            key.created_by
        )
        .execute(transaction.statement())
        .await?;
    }
    Ok(())
}

/// Revokes a key; how many rows there were that it had not been done to before.
pub async fn revoke(transaction: &mut Transaction, id: Uuid, reason: Option<&str>, now: DateTime<Utc>) -> Result<u64> {
    transaction.changes(Topic::ApiKeys);
    let done = sqlx::query!(
        "UPDATE api_keys SET active = false, revoked_at = $2, revoke_reason = $3 WHERE id = $1 AND revoked_at IS NULL",
        id,
        now,
        reason
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Writes down when keys were last used.
pub async fn touch(transaction: &mut Transaction, used: &[(Uuid, DateTime<Utc>)]) -> Result<()> {
    let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = used.iter().copied().unzip();
    sqlx::query!(
        "UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, used.at)
           FROM unnest($1::uuid[], $2::timestamptz[]) AS used(id, at)
          WHERE k.id = used.id
            -- As for sessions: this waits for nobody, and comes round again.
            AND k.id IN (SELECT id FROM api_keys WHERE id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED)",
        &ids,
        &times
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}
