//! People whose accounts were deleted, until the trail tells nothing of them any more: a row each, which says how far it was
//! gone over. Whichever server comes first goes on with it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{Result, Transaction};

/// Has what the trail tells of a person erased, once this transaction has deleted the account.
pub async fn begin(transaction: &mut Transaction, person: Uuid, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!("INSERT INTO erasures (user_id, begun_at) VALUES ($1, $2)", person, now)
        .execute(transaction.statement())
        .await?;
    Ok(())
}

/// Whose traces are to be erased next, and for this transaction to erase. None where nothing is left to do, or others are at it.
pub async fn next(transaction: &mut Transaction) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!("SELECT user_id FROM erasures ORDER BY begun_at, user_id LIMIT 1 FOR UPDATE SKIP LOCKED")
        .fetch_optional(transaction.statement())
        .await?)
}

/// Goes over up to `limit` more events of a person; how many there were. Fewer, and nothing is left.
pub async fn go_on(transaction: &mut Transaction, person: Uuid, limit: i32) -> Result<i32> {
    Ok(sqlx::query_scalar!(r#"SELECT erase_person_from_audit_events($1, $2) AS "events!""#, person, limit)
        .fetch_one(transaction.statement())
        .await?)
}

/// Notes that nothing is left; how many events were gone over.
pub async fn finish(transaction: &mut Transaction, person: Uuid) -> Result<i64> {
    Ok(sqlx::query_scalar!("DELETE FROM erasures WHERE user_id = $1 RETURNING events", person)
        .fetch_one(transaction.statement())
        .await?)
}
