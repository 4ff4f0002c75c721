//! Sessions: lists and look-ups, and how they begin, rotate their tokens and end. Newest first.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use super::batch::push_is_any;
use super::changes::Topic;
use super::page::{Page, PageRequest, pages_by_parent, push_after, reads_descending};
use super::session_batches::tell_as_many_of;
use super::session_ends::Lifetimes;
use super::time::{MaybeTime, StoredTime};
use super::{Result, Transaction};

/// One sign-in on one device.
#[derive(Clone, Debug, FromRow)]
pub struct Session {
    pub id: Uuid,
    pub user_id: Uuid,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub device_fingerprint: Option<String>,
    #[sqlx(try_from = "StoredTime")]
    pub created_at: DateTime<Utc>,
    #[sqlx(try_from = "StoredTime")]
    pub accessed_at: DateTime<Utc>,
    #[sqlx(try_from = "StoredTime")]
    pub expires_at: DateTime<Utc>,
    pub active: bool,
    pub revoked: bool,
    #[sqlx(try_from = "MaybeTime")]
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoke_reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    Active,
    Expired,
    Revoked,
}

impl Session {
    pub fn status(&self, now: DateTime<Utc>) -> SessionStatus {
        if self.revoked {
            SessionStatus::Revoked
        } else if self.active && self.expires_at > now {
            SessionStatus::Active
        } else {
            SessionStatus::Expired
        }
    }
}

const COLUMNS: &str = "s.id, s.user_id, s.ip_address, s.user_agent, s.device_fingerprint, s.created_at, s.accessed_at, \
    s.expires_at, s.active, s.revoked, s.revoked_at, s.revoke_reason";

/// Which sessions a list holds; what is None does not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionFilter {
    pub user: Option<Uuid>,
    /// The status at the given time.
    pub status: Option<(SessionStatus, DateTime<Utc>)>,
    pub ip_address: Option<String>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
}

/// A session's place among the others: when it began, and its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionCursor {
    pub created_at: DateTime<Utc>,
    pub id: Uuid,
}

/// Whose sessions are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionsOf {
    Everyone,
    User(Uuid),
}

#[derive(FromRow)]
struct ListedSession {
    parent: Option<Uuid>,
    #[sqlx(flatten)]
    session: Session,
}

/// A page of sessions for each of `parents`, in one statement.
pub async fn pages(
    transaction: &mut Transaction,
    parents: &[SessionsOf],
    filter: &SessionFilter,
    page: &PageRequest<SessionCursor>,
) -> Result<HashMap<SessionsOf, Page<Session>>> {
    let descending = reads_descending(true, page.backward);
    let direction = if descending { "DESC" } else { "ASC" };
    let mut query = QueryBuilder::new(format!("SELECT parent.user_id AS parent, {COLUMNS}"));
    push_parents(&mut query, parents);
    query.push(" CROSS JOIN LATERAL (SELECT s.* FROM user_sessions s WHERE true");
    push_conditions(&mut query, transaction, parents, filter);
    if let Some(cursor) = &page.cursor {
        push_after(&mut query, "s.created_at, s.id", descending, |query| {
            query.push_bind(cursor.created_at).push(", ").push_bind(cursor.id);
        });
    }
    query.push(format_args!(" ORDER BY s.created_at {direction}, s.id {direction} LIMIT {}", page.rows_to_read()));
    query.push(format_args!(") s ORDER BY s.created_at {direction}, s.id {direction}"));
    let rows: Vec<ListedSession> = query.build_query_as().fetch_all(transaction.statement()).await?;
    let rows =
        rows.into_iter().map(|row| (row.parent.map_or(SessionsOf::Everyone, SessionsOf::User), row.session)).collect();
    Ok(pages_by_parent(parents, rows, page))
}

/// How many sessions each of `parents` has, at most `at_most` where that is given.
pub async fn counts(
    transaction: &mut Transaction,
    parents: &[SessionsOf],
    filter: &SessionFilter,
    at_most: Option<i64>,
) -> Result<HashMap<SessionsOf, i64>> {
    let mut query = QueryBuilder::new("SELECT parent.user_id, counted.sessions");
    push_parents(&mut query, parents);
    query.push(" CROSS JOIN LATERAL (SELECT count(*) AS sessions FROM (SELECT 1 FROM user_sessions s WHERE true");
    push_conditions(&mut query, transaction, parents, filter);
    query.push(" LIMIT ").push_bind(at_most).push(") listed) counted");
    let rows: Vec<(Option<Uuid>, i64)> = query.build_query_as().fetch_all(transaction.statement()).await?;
    Ok(rows
        .into_iter()
        .map(|(user, sessions)| (user.map_or(SessionsOf::Everyone, SessionsOf::User), sessions))
        .collect())
}

/// The visible ones among these sessions.
pub async fn by_ids(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<Session>> {
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM user_sessions s WHERE s.id"));
    push_is_any(&mut query, ids);
    push_visible(&mut query, transaction);
    Ok(query.build_query_as().fetch_all(transaction.statement()).await?)
}

fn push_parents(query: &mut QueryBuilder<Postgres>, parents: &[SessionsOf]) {
    let users: Vec<Uuid> = parents
        .iter()
        .filter_map(|parent| match parent {
            SessionsOf::User(id) => Some(*id),
            SessionsOf::Everyone => None,
        })
        .collect();
    if users.is_empty() {
        query.push(" FROM (VALUES (NULL::uuid)) AS parent(user_id)");
    } else {
        // Also where it is one: PostgreSQL would see who it is, and go over everybody's sessions for whoever has most of them.
        query.push(" FROM unnest(").push_bind(users).push("::uuid[]) AS parent(user_id)");
    }
}

fn push_conditions(
    query: &mut QueryBuilder<Postgres>,
    transaction: &Transaction,
    parents: &[SessionsOf],
    filter: &SessionFilter,
) {
    if !matches!(parents, [SessionsOf::Everyone, ..]) {
        query.push(" AND s.user_id = parent.user_id");
    }
    push_visible(query, transaction);
    if let Some(user) = filter.user {
        query.push(" AND s.user_id = ").push_bind(user);
    }
    if let Some((status, now)) = filter.status {
        match status {
            SessionStatus::Revoked => query.push(" AND s.revoked"),
            SessionStatus::Active => query.push(" AND s.active AND NOT s.revoked AND s.expires_at > ").push_bind(now),
            SessionStatus::Expired => {
                query.push(" AND NOT s.revoked AND NOT (s.active AND s.expires_at > ").push_bind(now).push(")")
            }
        };
    }
    if let Some(address) = &filter.ip_address {
        query.push(" AND s.ip_address = ").push_bind(address.clone());
    }
    for (comparison, time) in
        [(" AND s.created_at >= ", filter.created_after), (" AND s.created_at < ", filter.created_before)]
    {
        if let Some(time) = time {
            query.push(comparison).push_bind(time);
        }
    }
}

/// The first wall: one's own sessions, and with user:view those of visible people.
fn push_visible(query: &mut QueryBuilder<Postgres>, transaction: &Transaction) {
    let scope = transaction.scope();
    if scope.all_users() {
        return;
    }
    query.push(" AND (s.user_id = ").push_bind(scope.user_id);
    if scope.view_users {
        query.push(" OR EXISTS (SELECT 1 FROM user_hotels shared WHERE shared.user_id = s.user_id AND shared.hotel_id");
        push_is_any(query, &scope.hotels_of_people());
        query.push(")");
    }
    query.push(")");
}

/// What a session begins with.
pub struct NewSession {
    pub id: Uuid,
    pub user_id: Uuid,
    pub access_token_jti: Uuid,
    pub refresh_token_jti: Uuid,
    pub remember_me: bool,
    pub ip_address: Option<String>,
    pub ip_network: Option<String>,
    pub user_agent: Option<String>,
    pub device_fingerprint: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Begins a session.
pub async fn insert(transaction: &mut Transaction, new: &NewSession) -> Result<()> {
    sqlx::query!(
        "INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, remember_me, ip_address,
                user_agent, device_fingerprint, created_at, accessed_at, rotated_at, expires_at, ip_network)
         VALUES ($1, $1::uuid::text, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9, $10, $11)",
        new.id,
        new.user_id,
        new.access_token_jti,
        new.refresh_token_jti,
        new.remember_me,
        new.ip_address,
        new.user_agent,
        new.device_fingerprint,
        new.created_at,
        new.expires_at,
        new.ip_network
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// A device, as far as it can be told from others.
pub struct Device {
    pub fingerprint: String,
    pub ip_address: Option<String>,
    /// What stands for the address: one within the same network is as good.
    pub ip_network: Option<String>,
}

/// Whether this user has signed in before from this device in this network.
pub async fn device_is_known(transaction: &mut Transaction, user_id: Option<Uuid>, device: &Device) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        // Sessions of earlier releases have no network.
        r#"SELECT EXISTS (SELECT 1 FROM user_sessions
                           WHERE user_id = $1 AND device_fingerprint = $2
                             AND (ip_network = $4 OR ip_network IS NULL AND ip_address IS NOT DISTINCT FROM $3)) AS "known!""#,
        user_id,
        device.fingerprint,
        device.ip_address,
        device.ip_network
    )
    .fetch_one(transaction.statement())
    .await?)
}

/// A session's tokens as they stand, locked until the transaction ends.
#[derive(Clone, Debug)]
pub struct Rotation {
    pub user_id: Uuid,
    pub access_token_jti: Uuid,
    pub refresh_token_jti: Uuid,
    pub refresh_token_generation: i32,
    pub previous_refresh_token_jti: Option<Uuid>,
    pub rotated_at: DateTime<Utc>,
    pub remember_me: bool,
    pub created_at: DateTime<Utc>,
    pub accessed_at: DateTime<Utc>,
}

/// The tokens of a session that can still be refreshed: neither ended nor expired, and its user active.
pub async fn rotation(
    transaction: &mut Transaction,
    id: Uuid,
    lifetimes: Lifetimes,
    now: DateTime<Utc>,
) -> Result<Option<Rotation>> {
    let rotation = sqlx::query_as!(
        Rotation,
        r#"SELECT s.user_id, s.access_token_jti, s.refresh_token_jti, s.refresh_token_generation,
                s.previous_refresh_token_jti, s.rotated_at AS "rotated_at: StoredTime",
                s.remember_me, s.created_at AS "created_at: StoredTime", s.accessed_at AS "accessed_at: StoredTime"
           FROM user_sessions s JOIN users u ON u.id = s.user_id
          WHERE s.id = $1 AND s.active AND NOT s.revoked AND s.expires_at > $2 AND u.active
            AND NOT EXISTS (SELECT FROM session_revocation r WHERE s.created_at <= r.begun_before)"#,
        id,
        now
    )
    .fetch_optional(transaction.statement())
    .await?;
    Ok(rotation.filter(|session| lifetimes.end(session.remember_me, session.created_at, session.accessed_at) > now))
}

/// The tokens that replace the current ones.
pub struct NextTokens {
    pub access_token_jti: Uuid,
    pub refresh_token_jti: Uuid,
    /// When the session was used last.
    pub used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Moves a session on to its next tokens, unless another request has moved it since `current` was read.
pub async fn rotate(
    transaction: &mut Transaction,
    id: Uuid,
    current: &Rotation,
    next: &NextTokens,
    now: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE user_sessions
            SET refresh_token_generation = refresh_token_generation + 1, previous_refresh_token_jti = refresh_token_jti,
                refresh_token_jti = $4, access_token_jti = $5, rotated_at = $6, expires_at = $7,
                accessed_at = greatest(accessed_at, $8)
          WHERE id = $1 AND refresh_token_generation = $2 AND refresh_token_jti = $3 AND active AND NOT revoked",
        id,
        current.refresh_token_generation,
        current.refresh_token_jti,
        next.refresh_token_jti,
        next.access_token_jti,
        now,
        next.expires_at,
        next.used_at
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Which of a user's sessions are to end.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    One(Uuid),
    AllBut(Uuid),
    All,
}

/// Ends sessions of a user; how many were still going.
pub async fn end(
    transaction: &mut Transaction,
    user_id: Uuid,
    which: Ending,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<u64> {
    transaction.changes(Topic::User(user_id));
    let (only, except) = match which {
        Ending::One(id) => (Some(id), None),
        Ending::AllBut(id) => (None, Some(id)),
        Ending::All => (None, None),
    };
    if only.is_none() {
        tell_as_many_of(transaction, &[user_id]).await?;
    }
    let done = sqlx::query!(
        // In the order of their ids, as everyone locks several sessions.
        "UPDATE user_sessions SET active = false, revoked = true, revoked_at = $4, revoke_reason = $5
          WHERE id IN (SELECT id FROM user_sessions
                        WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) AND id IS DISTINCT FROM $3::uuid
                          AND active AND NOT revoked AND expires_at > $4
                        ORDER BY id FOR NO KEY UPDATE)",
        user_id,
        only,
        except,
        now,
        reason
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Ends the oldest of a user's sessions, so that no more than `most` are left beside a new one; how many. A hundred at a time: the
/// next sign-in goes on with it.
pub async fn end_oldest(
    transaction: &mut Transaction,
    (user_id, new): (Uuid, Uuid),
    most: i64,
    now: DateTime<Utc>,
) -> Result<u64> {
    let done = sqlx::query!(
        "UPDATE user_sessions SET active = false, revoked = true, revoked_at = $3, revoke_reason = 'too_many_sessions'
          WHERE id IN (SELECT id FROM user_sessions
                        WHERE id IN (SELECT id FROM user_sessions
                                      WHERE user_id = $1 AND active AND id <> $4 AND NOT revoked AND expires_at > $3
                                      ORDER BY id DESC OFFSET $2 LIMIT 100)
                        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)",
        user_id,
        most,
        now,
        new
    )
    .execute(transaction.statement())
    .await?;
    if done.rows_affected() > 0 {
        transaction.changes(Topic::User(user_id));
    }
    Ok(done.rows_affected())
}

/// Ends every session of each of these users; how many of each were still going.
pub async fn end_all_of(
    transaction: &mut Transaction,
    users: &[Uuid],
    reason: &str,
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, u64>> {
    for user in users {
        transaction.changes(Topic::User(*user));
    }
    tell_as_many_of(transaction, users).await?;
    let ended = sqlx::query_scalar!(
        "UPDATE user_sessions SET active = false, revoked = true, revoked_at = $2, revoke_reason = $3
          WHERE id IN (SELECT id FROM user_sessions
                        WHERE user_id = ANY($1) AND active AND NOT revoked AND expires_at > $2
                        ORDER BY id FOR NO KEY UPDATE)
          RETURNING user_id",
        users,
        now,
        reason
    )
    .fetch_all(transaction.statement())
    .await?;
    let mut counts = HashMap::new();
    for user in ended {
        *counts.entry(user).or_insert(0) += 1;
    }
    Ok(counts)
}

/// Where a user has signed in from: device fingerprint and network, or address where that is not known, each pair once.
pub async fn devices(transaction: &mut Transaction, user_id: Uuid) -> Result<Vec<(Option<String>, Option<String>)>> {
    let rows = sqlx::query!(
        "SELECT DISTINCT device_fingerprint, coalesce(ip_network, ip_address) AS ip_network
           FROM user_sessions WHERE user_id = $1 ORDER BY 1, 2",
        user_id
    )
    .fetch_all(transaction.statement())
    .await?;
    Ok(rows.into_iter().map(|row| (row.device_fingerprint, row.ip_network)).collect())
}

/// How many sessions are going.
pub async fn count_active(transaction: &mut Transaction, now: DateTime<Utc>) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "sessions!" FROM user_sessions WHERE active AND expires_at > $1"#,
        now
    )
    .fetch_one(transaction.statement())
    .await?)
}
