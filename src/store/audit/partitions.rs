//! The trail by the month: new partitions are made ahead, old ones are dropped whole.

use chrono::{DateTime, NaiveDate, Utc};

use crate::store::{Result, Transaction};

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
