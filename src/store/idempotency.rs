//! What was done under a key of the client's, so that it is not done again.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Result, Transaction};

/// What is known of a key.
pub struct Done {
    /// Of the server key that the rest is derived under; None of what a release without one kept.
    pub key_id: Option<String>,
    /// Of the request that it came with.
    pub request_hash: Vec<u8>,
    /// Encrypted. None: not kept yet, or lost with the server that was to keep it.
    pub answer: Option<Vec<u8>>,
}

/// Takes the key for what this transaction does. False where something was done under it; a transaction that is at it in
/// this moment is waited for.
pub async fn claim(
    transaction: &mut Transaction,
    (caller, key_hash): (&str, &[u8]),
    (key_id, request_hash): (&str, &[u8]),
    claim: Uuid,
    now: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO idempotency_keys (caller, key_hash, request_hash, claim, created_at, key_id)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (caller, key_hash) DO NOTHING",
        caller,
        key_hash,
        request_hash,
        claim,
        now,
        key_id
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What was done under a key; None where nothing was.
pub async fn find(transaction: &mut Transaction, (caller, key_hash): (&str, &[u8])) -> Result<Option<Done>> {
    Ok(sqlx::query_as!(
        Done,
        "SELECT key_id, request_hash, answer FROM idempotency_keys WHERE caller = $1 AND key_hash = $2",
        caller,
        key_hash
    )
    .fetch_optional(transaction.statement())
    .await?)
}

/// Keeps the answer to what was done under this claim, where that was kept itself.
pub async fn keep_answer(
    transaction: &mut Transaction,
    (caller, key_hash): (&str, &[u8]),
    claim: Uuid,
    answer: &[u8],
) -> Result<()> {
    sqlx::query!(
        "UPDATE idempotency_keys SET answer = $4 WHERE caller = $1 AND key_hash = $2 AND claim = $3",
        caller,
        key_hash,
        claim,
        answer
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// Forgets keys from before, up to `limit` of them; how many.
pub async fn sweep(transaction: &mut Transaction, before: DateTime<Utc>, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM idempotency_keys WHERE (caller, key_hash) IN (
             SELECT caller, key_hash FROM idempotency_keys
              WHERE created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        limit
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}
