//! What is tried again and again within a minute: counted, and told by one event when the minute is over.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{NewEvent, Origin};
use crate::store::{Result, Transaction};

/// How many of them are told in one transaction.
const BATCH: i64 = 200;

/// What was tried again in a minute that is over.
#[derive(Debug)]
pub struct Repeated {
    pub event_type: String,
    /// How often, beside the first time.
    pub repeats: i64,
    /// Each with how often.
    pub reasons: Value,
    pub actor: Option<String>,
    pub subject: Option<String>,
    pub about: Option<Uuid>,
    pub hotels: Vec<String>,
    pub detail: Value,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub minute: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
}

/// The minute in which this moment lies.
fn minute_of(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(TimeDelta::minutes(1)).unwrap_or(time)
}

/// Counts this among what is `whose` in its minute. Whether it is the first one, which is written at once.
pub async fn is_first(
    transaction: &mut Transaction,
    origin: Origin<'_>,
    event: &NewEvent,
    whose: &str,
    reason: &str,
) -> Result<bool> {
    let repeats = sqlx::query_scalar!(
        "INSERT INTO audit_repeats AS r (minute, type, whose, actor, subject, about, hotels, detail, ip_address, user_agent, last_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (minute, type, whose) DO UPDATE
            SET repeats = r.repeats + 1,
                reasons = r.reasons || jsonb_build_object($12::text, coalesce((r.reasons ->> $12)::bigint, 0) + 1),
                subject = CASE WHEN r.subject = excluded.subject THEN r.subject END,
                ip_address = CASE WHEN r.ip_address = excluded.ip_address THEN r.ip_address END,
                user_agent = CASE WHEN r.user_agent = excluded.user_agent THEN r.user_agent END,
                last_at = greatest(r.last_at, excluded.last_at)
         RETURNING repeats",
        minute_of(event.occurred_at),
        event.event_type,
        whose,
        event.actor,
        event.subject,
        event.about,
        &event.hotels,
        event.detail,
        origin.ip_address,
        origin.user_agent,
        event.occurred_at,
        reason
    )
    .fetch_one(transaction.statement())
    .await?;
    Ok(repeats == 0)
}

/// Takes what was counted in minutes that are over, as long as there is some; no two transactions take the same.
pub async fn take(transaction: &mut Transaction, now: DateTime<Utc>) -> Result<Vec<Repeated>> {
    Ok(sqlx::query_as!(
        Repeated,
        r#"DELETE FROM audit_repeats WHERE (minute, type, whose) IN (
               SELECT minute, type, whose FROM audit_repeats WHERE minute < $1
                ORDER BY minute LIMIT $2 FOR UPDATE SKIP LOCKED)
           RETURNING type AS event_type, repeats, reasons, actor, subject, about, hotels, detail, ip_address, user_agent,
                     minute, last_at"#,
        minute_of(now),
        BATCH
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// Leaves out where a person was whose account has been deleted.
pub async fn erase_person(transaction: &mut Transaction, person: Uuid) -> Result<()> {
    sqlx::query!(
        "UPDATE audit_repeats SET ip_address = NULL, user_agent = NULL WHERE about = $1 OR actor = 'user:' || $1::uuid",
        person
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}
