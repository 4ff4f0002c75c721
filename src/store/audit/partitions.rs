//! The trail by the month: new partitions are made ahead, old ones are dropped whole.

use chrono::{DateTime, NaiveDate, Utc};

use crate::store::{Result, Transaction};

/// An advisory lock: the ASCII codes of "voicepar".
const PARTITIONS: i64 = 0x766f_6963_6570_6172;

/// Makes this transaction the only one that makes or drops partitions, until it ends. False where another one is at it.
pub async fn try_lock(transaction: &mut Transaction) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "locked!""#, PARTITIONS)
        .fetch_one(transaction.statement())
        .await?)
}

/// Makes the partitions of this many months from `first` on, where they are missing; how many were made.
pub async fn prepare(transaction: &mut Transaction, first: NaiveDate, months: i32) -> Result<i32> {
    Ok(sqlx::query_scalar!(r#"SELECT prepare_audit_partitions($1, $2) AS "made!""#, first, months)
        .fetch_one(transaction.statement())
        .await?)
}

/// Drops the months that were over before this; which. The database refuses what is less than 30 days ago.
pub async fn drop_before(transaction: &mut Transaction, before: DateTime<Utc>) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(r#"SELECT drop_audit_partitions($1) AS "month!""#, before)
        .fetch_all(transaction.statement())
        .await?)
}
