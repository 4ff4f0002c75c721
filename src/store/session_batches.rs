//! Sessions by the thousand: what has expired, what was kept long enough, and what ends for everybody. Each of these does a
//! batch, for a transaction of its own: however many there are, no statement takes long, and what is done stays done.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::changes::Topic;
use super::{Result, Transaction};

/// Sessions that end in one transaction and are told of by themselves; of more it is told that everything has changed.
const TOLD_ONE_BY_ONE: i64 = 1_000;

/// Marks expired sessions as over, up to `limit` of them; how many. Those that somebody is changing are left for later.
pub async fn expire(transaction: &mut Transaction, now: DateTime<Utc>, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "UPDATE user_sessions SET active = false
          WHERE id IN (SELECT id FROM user_sessions WHERE active AND expires_at <= $1
                        ORDER BY expires_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)",
        now,
        limit
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Deletes sessions that ended before `keep_since`, up to `limit` of them; how many.
pub async fn delete(transaction: &mut Transaction, keep_since: DateTime<Utc>, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM user_sessions
          WHERE id IN (SELECT id FROM user_sessions
                        WHERE NOT active AND least(expires_at, revoked_at) < $1
                        ORDER BY least(expires_at, revoked_at) LIMIT $2 FOR UPDATE SKIP LOCKED)",
        keep_since,
        limit
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// The last time that everybody's sessions were ended.
pub struct Revocation {
    /// Sessions that began later go on.
    pub begun_before: DateTime<Utc>,
    pub reason: String,
    /// How many were ended so far.
    pub sessions: i64,
    pub is_finished: bool,
}

/// Has no session honoured that began before now, on any server from the moment this transaction is kept.
pub async fn revoke_everywhere(transaction: &mut Transaction, reason: &str, now: DateTime<Utc>) -> Result<()> {
    transaction.changes(Topic::Everything);
    sqlx::query!(
        "INSERT INTO session_revocation (begun_before, reason) VALUES ($1, $2)
             ON CONFLICT (is_last) DO UPDATE
            SET begun_before = greatest(session_revocation.begun_before, excluded.begun_before), reason = excluded.reason, sessions = 0, finished_at = NULL",
        now,
        reason
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// The revocation, for this transaction to go on with. None where there was none. Unless it `waits`, none either where it is
/// finished or somebody else is at it: then this locks nothing.
pub async fn revocation(transaction: &mut Transaction, waits: bool) -> Result<Option<Revocation>> {
    if waits {
        sqlx::query!("SELECT FROM session_revocation FOR UPDATE").fetch_optional(transaction.statement()).await?;
    }
    Ok(sqlx::query_as!(
        Revocation,
        r#"SELECT begun_before, reason, sessions, finished_at IS NOT NULL AS "is_finished!" FROM session_revocation
            WHERE $1 OR finished_at IS NULL FOR UPDATE SKIP LOCKED"#,
        waits
    )
    .fetch_optional(transaction.statement())
    .await?)
}

/// Has the triggers tell once that everything has changed until this transaction ends, and not of each session.
async fn tell_as_many(transaction: &mut Transaction) -> Result<()> {
    sqlx::query!("SELECT set_config('app.changes', 'many', true)").fetch_one(transaction.statement()).await?;
    Ok(())
}

/// The same where sessions of these users are going by the thousand, before they end: each would be told of by itself.
pub async fn tell_as_many_of(transaction: &mut Transaction, users: &[Uuid]) -> Result<()> {
    let many = sqlx::query_scalar!(
        r#"SELECT count(*) > $2 AS "many!"
             FROM (SELECT FROM user_sessions WHERE user_id = ANY($1) AND active AND NOT revoked LIMIT $2::bigint + 1) going"#,
        users,
        TOLD_ONE_BY_ONE
    )
    .fetch_one(transaction.statement())
    .await?;
    if many { tell_as_many(transaction).await } else { Ok(()) }
}

/// Has the rows of revoked sessions say so, up to `limit` of them; how many. Those that somebody is changing are left for
/// later, and waited for where nothing else is left.
pub async fn end_revoked(
    transaction: &mut Transaction,
    revocation: &Revocation,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<u64> {
    tell_as_many(transaction).await?;
    let done = sqlx::query!(
        "UPDATE user_sessions SET active = false, revoked = true, revoked_at = $1, revoke_reason = $2
          WHERE id IN (SELECT id FROM user_sessions WHERE active AND NOT revoked AND expires_at > $1 AND created_at <= $3
                        ORDER BY expires_at DESC LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED)",
        now,
        revocation.reason,
        revocation.begun_before,
        limit
    )
    .execute(transaction.statement())
    .await?;
    let mut ended = done.rows_affected();
    if ended == 0 {
        let done = sqlx::query!(
            // In the order of their ids, as everyone waits who locks several sessions.
            "UPDATE user_sessions SET active = false, revoked = true, revoked_at = $1, revoke_reason = $2
              WHERE id IN (SELECT id FROM user_sessions WHERE active AND NOT revoked AND expires_at > $1 AND created_at <= $3
                            ORDER BY id FOR NO KEY UPDATE)",
            now,
            revocation.reason,
            revocation.begun_before
        )
        .execute(transaction.statement())
        .await?;
        ended = done.rows_affected();
    }
    sqlx::query!(
        "UPDATE session_revocation SET sessions = sessions + $1, finished_at = CASE WHEN $1 = 0 THEN $2::timestamptz END",
        i64::try_from(ended).unwrap_or(i64::MAX),
        now
    )
    .execute(transaction.statement())
    .await?;
    Ok(ended)
}
