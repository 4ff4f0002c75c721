//! When sessions end by themselves: so long after they were used last, and so long after they began, whatever is done in them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Result, Transaction};
use crate::clock::after;

/// A session that lives longer is one without an end, and PostgreSQL's times have one.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Without use.
    pub idle: Duration,
    /// The same for those that began with "remember me".
    pub remembered: Duration,
    /// In all.
    pub absolute: Duration,
}

impl Lifetimes {
    /// When a session ends that began and was used last at these times.
    pub fn end(self, remember_me: bool, began_at: DateTime<Utc>, used_at: DateTime<Utc>) -> DateTime<Utc> {
        let idle = if remember_me { self.remembered } else { self.idle };
        after(used_at, idle).min(after(began_at, self.absolute))
    }

    /// The longest that a token can be good, of a session that is not refreshed.
    pub fn longest(self) -> Duration {
        self.idle.max(self.remembered).min(self.absolute)
    }

    /// In seconds, as statements take them: without and with "remember me", and in all.
    fn seconds(self) -> [f64; 3] {
        [self.idle, self.remembered, self.absolute].map(|lifetime| lifetime.min(LONGEST).as_secs_f64())
    }
}

/// Notes that these sessions were used, each at its time; never moves one back. Where a session would end earlier than `lag` before
/// its time, counted from then, that moves on, too. It seldom does: a refresh has moved it, and it stands in an index.
pub async fn touch(
    transaction: &mut Transaction,
    used: &[(Uuid, DateTime<Utc>)],
    lifetimes: Lifetimes,
    lag: Duration,
) -> Result<()> {
    let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = used.iter().copied().unzip();
    let [idle, remembered, absolute] = lifetimes.seconds();
    sqlx::query!(
        "UPDATE user_sessions s
            SET accessed_at = used.at,
                expires_at = CASE
                    WHEN s.active AND NOT s.revoked AND s.expires_at > used.at
                     AND s.expires_at + make_interval(secs => $6)
                         < least(s.created_at + make_interval(secs => $5),
                                 used.at + make_interval(secs => CASE WHEN s.remember_me THEN $4 ELSE $3::float8 END))
                    THEN least(s.created_at + make_interval(secs => $5),
                               used.at + make_interval(secs => CASE WHEN s.remember_me THEN $4 ELSE $3 END))
                    ELSE s.expires_at END
           FROM unnest($1::uuid[], $2::timestamptz[]) AS used(id, at)
          WHERE s.id = used.id AND s.accessed_at < used.at
            -- One that is being changed is left out: this waits for nobody, and comes round again.
            AND s.id IN (SELECT id FROM user_sessions WHERE id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED)",
        &ids,
        &times,
        idle,
        remembered,
        absolute,
        lag.min(LONGEST).as_secs_f64()
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// Up to where sessions have been looked at; None where there are no more.
pub struct Shortened {
    pub last: Option<Uuid>,
    pub sessions: u64,
}

/// Has sessions end by these lifetimes that were to end later, of the `at_most` next after `last`, whatever these are: so each
/// batch looks at so many. One that is being changed is left out: whoever uses it next asks for the same.
pub async fn shorten(
    transaction: &mut Transaction,
    lifetimes: Lifetimes,
    last: Option<Uuid>,
    at_most: i64,
) -> Result<Shortened> {
    let [idle, remembered, absolute] = lifetimes.seconds();
    let looked_at = sqlx::query_scalar!(
        "SELECT id FROM user_sessions WHERE id > coalesce($1, '00000000-0000-0000-0000-000000000000'::uuid) ORDER BY id LIMIT $2",
        last,
        at_most
    )
    .fetch_all(transaction.statement())
    .await?;
    let done = sqlx::query!(
        "WITH found AS (
             SELECT s.id, ends.at FROM user_sessions s
              CROSS JOIN LATERAL (
                  SELECT least(s.created_at + make_interval(secs => $4),
                               s.accessed_at + make_interval(secs => CASE WHEN s.remember_me THEN $3 ELSE $2::float8 END)) AS at) ends
              WHERE s.id = ANY($1) AND s.active AND s.expires_at > ends.at
              FOR NO KEY UPDATE OF s SKIP LOCKED)
         UPDATE user_sessions s SET expires_at = found.at FROM found WHERE s.id = found.id",
        &looked_at,
        idle,
        remembered,
        absolute
    )
    .execute(transaction.statement())
    .await?;
    Ok(Shortened { last: looked_at.last().copied(), sessions: done.rows_affected() })
}
