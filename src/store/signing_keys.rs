//! The keys that tokens are signed with, as all servers share them.

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::{Result, Transaction};

/// A key as it is kept. The private half is a PKCS#8 PEM text.
pub struct SigningKey {
    pub id: String,
    pub private_key: Zeroizing<String>,
    pub created_at: DateTime<Utc>,
    pub signs_from: DateTime<Utc>,
    /// Set when another key takes over.
    pub honoured_until: Option<DateTime<Utc>>,
}

/// Lets nobody else add keys until the transaction ends; reading goes on.
pub async fn lock(transaction: &mut Transaction) -> Result<()> {
    sqlx::query!("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE").execute(transaction.statement()).await?;
    Ok(())
}

/// The keys whose tokens are honoured now, those that will sign last first.
pub async fn honoured(transaction: &mut Transaction, now: DateTime<Utc>) -> Result<Vec<SigningKey>> {
    Ok(sqlx::query_as!(
        SigningKey,
        "SELECT id, private_key, created_at, signs_from, honoured_until FROM signing_keys
          WHERE honoured_until IS NULL OR honoured_until > $1 ORDER BY signs_from DESC, id",
        now
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// Adds a key that takes over from the one that signs, which is honoured until then. What is honoured longer than
/// `all_until` no longer is.
pub async fn succeed(
    transaction: &mut Transaction,
    key: &SigningKey,
    last_until: DateTime<Utc>,
    all_until: Option<DateTime<Utc>>,
) -> Result<()> {
    // Keys that have not signed yet never will.
    sqlx::query!("DELETE FROM signing_keys WHERE signs_from > $1", key.created_at)
        .execute(transaction.statement())
        .await?;
    // It signs on until the new one does, whatever was meant to follow it before.
    sqlx::query!(
        "UPDATE signing_keys SET honoured_until = $1
          WHERE signs_from = (SELECT max(signs_from) FROM signing_keys) OR honoured_until IS NULL",
        last_until
    )
    .execute(transaction.statement())
    .await?;
    if let Some(until) = all_until {
        sqlx::query!("UPDATE signing_keys SET honoured_until = $1 WHERE honoured_until > $1", until)
            .execute(transaction.statement())
            .await?;
    }
    sqlx::query!(
        "INSERT INTO signing_keys (id, private_key, created_at, signs_from) VALUES ($1, $2, $3, $4)",
        key.id,
        key.private_key.as_str(),
        key.created_at,
        key.signs_from
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// Deletes keys whose every token has expired; how many.
pub async fn forget(transaction: &mut Transaction, now: DateTime<Utc>) -> Result<u64> {
    let done = sqlx::query!("DELETE FROM signing_keys WHERE honoured_until <= $1", now)
        .execute(transaction.statement())
        .await?;
    Ok(done.rows_affected())
}

/// When the last refresh token of those that are out expires.
pub async fn last_expiry(transaction: &mut Transaction, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar!(
        "SELECT max(expires_at) FROM user_sessions WHERE active AND NOT revoked AND expires_at > $1",
        now
    )
    .fetch_one(transaction.statement())
    .await?)
}
