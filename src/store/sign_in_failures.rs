//! Wrong passwords, counted by email address, by known device, by client address and by signed-in user, shared by all servers.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::time::{MaybeTime, StoredTime};
use super::{Result, Transaction};
use crate::clock::after;

/// What failures are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedFor {
    Email,
    Device,
    Address,
    /// Who is signed in and proves once more who they are.
    Proof,
}

impl CountedFor {
    fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            // A proof is asked for on a device that is signed in. A kind of its own would have to lock the table against every
            // sign-in to be let in; what the subject is a digest of keeps the two apart.
            Self::Device | Self::Proof => "device",
            Self::Address => "address",
        }
    }
}

/// A counter: its kind, and a digest of what it counts for.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    pub counted_for: CountedFor,
    pub subject: [u8; 32],
}

/// Where a counter stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub failures: i32,
    pub locked_until: Option<DateTime<Utc>>,
}

/// How many failures within `duration` lock, and for how long from then on.
#[derive(Clone, Copy, Debug)]
pub struct Threshold {
    pub failures: i32,
    pub duration: Duration,
}

impl Threshold {
    /// Until when the counter was locked already when the failure came that was counted last.
    pub fn locked_before(self, count: Count) -> Option<DateTime<Utc>> {
        count.locked_until.filter(|_| count.failures > self.failures)
    }
}

struct Row {
    place: i64,
    failures: i32,
    counting_since: DateTime<Utc>,
    locked_until: Option<DateTime<Utc>>,
}

/// Where these counters stand, in their order; zero where nothing was counted within `window`.
pub async fn read(
    transaction: &mut Transaction,
    counters: &[Counter],
    window: Duration,
    now: DateTime<Utc>,
) -> Result<Vec<Count>> {
    let (kinds, subjects) = columns(counters);
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT asked.place AS "place!", f.failures, f.counting_since AS "counting_since: StoredTime",
                  f.locked_until AS "locked_until!: MaybeTime" FROM sign_in_failures f
             JOIN unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS asked(kind, subject, place)
               ON f.kind = asked.kind AND f.subject = asked.subject"#,
        &kinds,
        &subjects
    )
    .fetch_all(transaction.statement())
    .await?;
    let count_of = |place: i64| {
        rows.iter()
            .find(|row| row.place == place)
            .filter(|row| row.locked_until.map_or_else(|| after(row.counting_since, window) > now, |until| until > now))
            .map_or_else(Count::default, |row| Count { failures: row.failures, locked_until: row.locked_until })
    };
    Ok((1..).take(counters.len()).map(count_of).collect())
}

/// Counts one more failure; where the counter stands now. Two at once are both counted.
pub async fn add(
    transaction: &mut Transaction,
    counter: &Counter,
    threshold: Threshold,
    now: DateTime<Utc>,
) -> Result<Count> {
    let forgotten_before = now - threshold.duration;
    Ok(sqlx::query_as!(
        Count,
        // What was counted is over where its lock has run out, or where it never came to a lock within the time.
        r#"INSERT INTO sign_in_failures AS f (kind, subject, failures, counting_since, locked_until)
         VALUES ($1, $2, 1, $3, CASE WHEN 1 >= $5 THEN $6::timestamptz END)
         ON CONFLICT (kind, subject) DO UPDATE SET (failures, counting_since, locked_until) = (
             SELECT counted.failures, counted.since,
                    CASE WHEN counted.failures >= $5 THEN coalesce(counted.locked_until, $6) END
               FROM (SELECT CASE WHEN over THEN 1 ELSE f.failures + 1 END AS failures,
                            CASE WHEN over THEN $3 ELSE f.counting_since END AS since,
                            CASE WHEN NOT over THEN f.locked_until END AS locked_until
                       FROM (SELECT coalesce(f.locked_until <= $3, f.counting_since <= $4) AS over) AS judged) AS counted)
         RETURNING failures, locked_until AS "locked_until!: MaybeTime""#,
        counter.counted_for.as_str(),
        &counter.subject[..],
        now,
        forgotten_before,
        threshold.failures,
        after(now, threshold.duration)
    )
    .fetch_one(transaction.statement())
    .await?)
}

/// Until when each of these counters locks, all held in their order until the transaction ends: what must be looked at once
/// a password was found right, because guesses made at the same time were counted meanwhile.
pub async fn hold(transaction: &mut Transaction, counters: &[Counter]) -> Result<Vec<Option<DateTime<Utc>>>> {
    let (kinds, subjects) = columns(counters);
    let rows = sqlx::query!(
        r#"SELECT asked.place AS "place!", f.locked_until AS "locked_until!: MaybeTime" FROM sign_in_failures f
             JOIN unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS asked(kind, subject, place)
               ON f.kind = asked.kind AND f.subject = asked.subject
            ORDER BY f.kind DESC, f.subject FOR UPDATE OF f"#,
        &kinds,
        &subjects
    )
    .fetch_all(transaction.statement())
    .await?;
    let lock_of = |place: i64| rows.iter().find(|row| row.place == place).and_then(|row| row.locked_until.into());
    Ok((1..).take(counters.len()).map(lock_of).collect())
}

fn columns(counters: &[Counter]) -> (Vec<String>, Vec<Vec<u8>>) {
    counters.iter().map(|counter| (counter.counted_for.as_str().to_owned(), counter.subject.to_vec())).unzip()
}

/// Forgets what was counted; how many counters there were. They are locked in the order in which everyone locks them:
/// email addresses, devices and proofs, client addresses.
pub async fn clear(transaction: &mut Transaction, counters: &[Counter]) -> Result<u64> {
    let (kinds, subjects) = columns(counters);
    let done = sqlx::query!(
        "DELETE FROM sign_in_failures WHERE (kind, subject) IN (
             SELECT f.kind, f.subject FROM sign_in_failures f
               JOIN unnest($1::text[], $2::bytea[]) AS cleared(kind, subject)
                 ON f.kind = cleared.kind AND f.subject = cleared.subject
              ORDER BY f.kind DESC, f.subject FOR UPDATE OF f)",
        &kinds,
        &subjects
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Drops counters that no longer count, up to `limit` of them; how many.
pub async fn sweep(transaction: &mut Transaction, before: DateTime<Utc>, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM sign_in_failures WHERE (kind, subject) IN (
             SELECT kind, subject FROM sign_in_failures
              WHERE counting_since < $1 AND coalesce(locked_until < $1, true)
              ORDER BY counting_since LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        limit
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}
