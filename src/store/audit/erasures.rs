//! People whose accounts were deleted, until the trail tells nothing of them any more: a row each, which says how far it was
//! gone over. Whichever server comes first goes on with it.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::store::time::StoredTime;
use crate::store::{Result, Transaction};

/// What was under way when an account went is over by then: requests, and what was counted in that minute.
const SETTLED_AFTER: TimeDelta = TimeDelta::minutes(5);

/// Somebody whose traces are to be erased.
pub struct Erasure {
    pub user_id: Uuid,
    pub begun_at: DateTime<Utc>,
    /// Nothing comes late any more.
    pub is_last_time: bool,
}

/// Has what the trail tells of a person erased, once this transaction has deleted the account; all over again where that was
/// begun before.
pub async fn begin(transaction: &mut Transaction, person: Uuid, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "INSERT INTO erasures (user_id, begun_at, due_at) VALUES ($1, $2, $2)
             ON CONFLICT (user_id) DO UPDATE
            SET begun_at = excluded.begun_at, due_at = excluded.due_at, is_last_time = DEFAULT, about_until = DEFAULT,
                about_until_id = DEFAULT, done_by_until = DEFAULT, done_by_until_id = DEFAULT",
        person,
        now
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// Whose traces are to be erased next, and for this transaction to erase. None where nothing is left to do by now, or others
/// are at it.
pub async fn next(transaction: &mut Transaction, now: DateTime<Utc>) -> Result<Option<Erasure>> {
    Ok(sqlx::query_as!(
        Erasure,
        r#"SELECT user_id, begun_at AS "begun_at: StoredTime", is_last_time FROM erasures WHERE due_at <= $1
            ORDER BY due_at, user_id LIMIT 1 FOR UPDATE SKIP LOCKED"#,
        now
    )
    .fetch_optional(transaction.statement())
    .await?)
}

/// Goes over up to `limit` more events of a person; how many there were. Fewer, and nothing is left.
pub async fn go_on(transaction: &mut Transaction, person: Uuid, limit: i32) -> Result<i32> {
    Ok(sqlx::query_scalar!(r#"SELECT erase_person_from_audit_events($1, $2) AS "events!""#, person, limit)
        .fetch_one(transaction.statement())
        .await?)
}

/// Has the last events before the account went, and all since, gone over once more when nothing comes late any more.
pub async fn go_over_again(transaction: &mut Transaction, erasure: &Erasure) -> Result<()> {
    sqlx::query!(
        "UPDATE erasures
            SET is_last_time = true, due_at = $3, about_until = least(about_until, $2), about_until_id = DEFAULT,
                done_by_until = least(done_by_until, $2), done_by_until_id = DEFAULT
          WHERE user_id = $1",
        erasure.user_id,
        erasure.begun_at - SETTLED_AFTER,
        erasure.begun_at + SETTLED_AFTER
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// Has everybody else come before this person.
pub async fn put_off(transaction: &mut Transaction, person: Uuid, due_at: DateTime<Utc>) -> Result<()> {
    sqlx::query!("UPDATE erasures SET due_at = $2 WHERE user_id = $1", person, due_at)
        .execute(transaction.statement())
        .await?;
    Ok(())
}

/// Notes that nothing is left; how many events were gone over.
pub async fn finish(transaction: &mut Transaction, person: Uuid) -> Result<i64> {
    Ok(sqlx::query_scalar!("DELETE FROM erasures WHERE user_id = $1 RETURNING events", person)
        .fetch_one(transaction.statement())
        .await?)
}
