//! The keys by which users are found and sorted, where a migration has left them for later because there were many: filled
//! in a batch at a time while everything else goes on, and then indexed. What ends half-way goes on at the next start.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Database, Result};

/// The advisory lock of the server that is at it: the ASCII codes of "voicekey".
const LOCK: i64 = 0x766f_6963_656b_6579;
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Users that are filled in at a time, and kept from being changed meanwhile.
const BATCH: i64 = 1000;
const INDEXES: [&str; 3] = ["idx_users_last_name_key", "idx_users_without_search_key", "idx_users_search_key"];

/// Looks for rows without keys, from time to time, until it is cancelled: whoever loads users with triggers switched off
/// leaves some.
pub async fn follow(database: &Database, stop: CancellationToken) {
    loop {
        let filled = tokio::select! {
            () = stop.cancelled() => return,
            filled = fill_in(database) => filled,
        };
        match filled {
            Ok(0) => {}
            Ok(users) => tracing::info!(users, "text_keys_filled_in"),
            Err(error) => tracing::warn!(%error, "text_keys_not_filled_in"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Fills in what is missing and makes the indexes; how many users there were without; none where another server is at it.
pub async fn fill_in(database: &Database) -> Result<u64> {
    let mut transaction = database.background().await?;
    let complete = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) = 3 FROM pg_index
                    WHERE indrelid = 'users'::regclass AND indisvalid AND indexrelid::regclass::text = ANY($1))
                  AND NOT EXISTS (SELECT 1 FROM users WHERE search_key IS NULL) AS "complete!""#,
        &INDEXES.map(String::from)
    )
    .fetch_one(transaction.statement())
    .await?;
    transaction.commit().await?;
    if complete {
        return Ok(0);
    }
    let mut connection = database.owner_connection().await?;
    // An index that is made beside everything else waits for whoever is at work, however long that takes.
    connection.execute("SET lock_timeout = 0").await?;
    let taken =
        sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "taken!""#, LOCK).fetch_one(&mut connection).await?;
    let filled = if taken { fill_in_on(&mut connection).await } else { Ok(0) };
    // The lock ends with the connection, whichever way this went.
    connection.close().await?;
    filled
}

async fn fill_in_on(connection: &mut PgConnection) -> Result<u64> {
    let (mut filled, mut last) = (0, Uuid::nil());
    loop {
        let mut transaction = connection.begin().await?;
        transaction.execute("SELECT set_config('app.principal', 'system', true)").await?;
        // The trigger puts in what belongs there. Whoever is being changed in this moment gets it by that.
        let ids = sqlx::query_scalar!(
            "UPDATE users SET search_key = NULL
              WHERE id IN (SELECT id FROM users WHERE search_key IS NULL AND id > $2
                            ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
              RETURNING id",
            BATCH,
            last
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        // Not from the start again: it would go over all that is filled in by now, each time.
        let Some(furthest) = ids.iter().max() else { break };
        last = *furthest;
        filled += ids.len() as u64;
    }
    let trigrams: String = sqlx::query_scalar!(
        r#"SELECT format('%I.gin_trgm_ops', n.nspname) AS "operators!"
             FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'"#
    )
    .fetch_one(&mut *connection)
    .await?;
    let ways = ["(last_name_key, id)", "(id) WHERE search_key IS NULL", &format!("USING gin (search_key {trigrams})")];
    for (index, way) in INDEXES.into_iter().zip(ways) {
        let valid = sqlx::query_scalar!("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", index)
            .fetch_optional(&mut *connection)
            .await?;
        match valid {
            Some(true) => continue,
            // It was broken off.
            Some(false) => {
                connection.execute(AssertSqlSafe(format!("DROP INDEX CONCURRENTLY {index}"))).await?;
            }
            None => {}
        }
        connection.execute(AssertSqlSafe(format!("CREATE INDEX CONCURRENTLY {index} ON users {way}"))).await?;
    }
    Ok(filled)
}
