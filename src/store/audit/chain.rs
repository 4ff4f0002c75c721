//! What proves the trail whole: the hash of each event, and the seals that chain them. The key of the chain is not here.

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::store::time::StoredTime;
use crate::store::{Result, Transaction};

/// An advisory lock: the ASCII codes of "voicesea".
const SEALING: i64 = 0x766f_6963_6573_6561;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Feeds a part so that no two sequences of parts feed the same bytes.
pub(super) fn frame(hash: &mut Sha256, part: Option<&[u8]>) {
    match part {
        None => hash.update([0]),
        Some(bytes) => {
            hash.update([1]);
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        }
    }
}

/// An event with everything that its hash and its digests are made of.
pub struct StoredEvent {
    pub id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub event_type: String,
    outcome: String,
    pub actor: Option<String>,
    pub subject: Option<String>,
    pub about: Option<Uuid>,
    hotels: Vec<String>,
    request_id: Option<String>,
    detail: String,
    ip_address: Option<String>,
    user_agent: Option<String>,
    origin_salt: Option<Vec<u8>>,
    origin_digest: Option<Vec<u8>>,
    personal: Option<String>,
    personal_salt: Option<Vec<u8>>,
    personal_digest: Option<Vec<u8>>,
}

/// How an erasable part of an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it was written, be that nothing.
    Whole,
    Erased,
    Changed,
}

impl StoredEvent {
    /// The hash of what is never erased, and of the digests of what may be.
    pub fn hash(&self) -> Hash {
        let mut hash = Sha256::new();
        hash.update(b"voicehive audit event 1");
        frame(&mut hash, Some(self.id.as_bytes()));
        frame(&mut hash, Some(&self.occurred_at.timestamp_micros().to_be_bytes()));
        frame(&mut hash, Some(self.event_type.as_bytes()));
        frame(&mut hash, Some(self.outcome.as_bytes()));
        frame(&mut hash, self.actor.as_deref().map(str::as_bytes));
        frame(&mut hash, self.subject.as_deref().map(str::as_bytes));
        frame(&mut hash, self.about.as_ref().map(|id| &id.as_bytes()[..]));
        frame(&mut hash, Some(&(self.hotels.len() as u64).to_be_bytes()));
        for hotel in &self.hotels {
            frame(&mut hash, Some(hotel.as_bytes()));
        }
        frame(&mut hash, self.request_id.as_deref().map(str::as_bytes));
        frame(&mut hash, Some(self.detail.as_bytes()));
        frame(&mut hash, self.origin_digest.as_deref());
        frame(&mut hash, self.personal_digest.as_deref());
        hash.finalize().into()
    }

    /// The months that it says were dropped.
    pub fn expired_months(&self) -> Vec<String> {
        #[derive(Default, serde::Deserialize)]
        struct Detail {
            months: Vec<String>,
        }
        serde_json::from_str::<Detail>(&self.detail).unwrap_or_default().months
    }

    /// Where it came from.
    pub fn origin(&self) -> Part {
        part(
            &[self.ip_address.as_deref(), self.user_agent.as_deref()],
            self.origin_salt.as_deref(),
            self.origin_digest.as_deref(),
        )
    }

    /// What it tells of a person.
    pub fn personal(&self) -> Part {
        part(&[self.personal.as_deref()], self.personal_salt.as_deref(), self.personal_digest.as_deref())
    }
}

fn part(texts: &[Option<&str>], salt: Option<&[u8]>, digest: Option<&[u8]>) -> Part {
    let empty = texts.iter().all(Option::is_none);
    match (salt, digest) {
        (None, None) if empty => Part::Whole,
        (None, Some(_)) if empty => Part::Erased,
        (Some(salt), Some(digest)) if super::salted_digest(salt, texts) == digest => Part::Whole,
        _ => Part::Changed,
    }
}

/// A link of the chain.
#[derive(Clone, Debug)]
pub struct Seal {
    pub number: i64,
    pub month: NaiveDate,
    pub first_occurred_at: DateTime<Utc>,
    pub last_occurred_at: DateTime<Utc>,
    /// The events and, in their order, 32 bytes of hash for each; None once their month was dropped.
    pub event_ids: Option<Vec<Uuid>>,
    pub event_hashes: Option<Vec<u8>>,
    pub events: i32,
    pub events_hash: Vec<u8>,
    pub previous_hash: Vec<u8>,
    pub hash: Vec<u8>,
    pub key_id: String,
    pub sealed_at: DateTime<Utc>,
}

/// Makes this transaction the only one that seals, until it ends. False where another one is at it.
pub async fn try_lock(transaction: &mut Transaction) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "locked!""#, SEALING)
        .fetch_one(transaction.statement())
        .await?)
}

/// The newest seal's number and hash.
pub async fn head(transaction: &mut Transaction) -> Result<Option<(i64, Vec<u8>)>> {
    let row = sqlx::query!("SELECT number, hash FROM audit_seals ORDER BY number DESC LIMIT 1")
        .fetch_optional(transaction.statement())
        .await?;
    Ok(row.map(|row| (row.number, row.hash)))
}

/// Up to `limit` events that no seal holds yet, oldest first.
pub async fn unsealed(transaction: &mut Transaction, limit: i64) -> Result<Vec<StoredEvent>> {
    Ok(sqlx::query_as!(
        StoredEvent,
        r#"SELECT e.id, e.occurred_at AS "occurred_at: StoredTime", e.type AS event_type, e.outcome, e.actor, e.subject, e.about, e.hotels,
                  e.request_id, e.detail::text AS "detail!", e.ip_address, e.user_agent, e.origin_salt, e.origin_digest,
                  e.personal::text AS personal, e.personal_salt, e.personal_digest
             FROM audit_events_unsealed u JOIN audit_events e ON e.occurred_at = u.occurred_at AND e.id = u.event_id
            ORDER BY u.occurred_at, u.event_id LIMIT $1"#,
        limit
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// Adds a seal; its events do not await one any more.
pub async fn seal(transaction: &mut Transaction, seal: &Seal) -> Result<()> {
    sqlx::query!(
        "WITH sealed AS (DELETE FROM audit_events_unsealed WHERE event_id = ANY($5))
         INSERT INTO audit_seals (number, month, first_occurred_at, last_occurred_at, event_ids, event_hashes, events,
                events_hash, previous_hash, hash, key_id, sealed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        seal.number,
        seal.month,
        seal.first_occurred_at,
        seal.last_occurred_at,
        seal.event_ids.as_deref().unwrap_or_default(),
        seal.event_hashes,
        seal.events,
        seal.events_hash,
        seal.previous_hash,
        seal.hash,
        seal.key_id,
        seal.sealed_at
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// Up to `limit` seals after this number.
pub async fn seals_after(transaction: &mut Transaction, number: i64, limit: i64) -> Result<Vec<Seal>> {
    Ok(sqlx::query_as!(
        Seal,
        "SELECT number, month, first_occurred_at, last_occurred_at, event_ids, event_hashes, events, events_hash,
                previous_hash, hash, key_id, sealed_at
           FROM audit_seals WHERE number > $1 ORDER BY number LIMIT $2",
        number,
        limit
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// The events of a seal that are there.
pub async fn events_of(transaction: &mut Transaction, seal: &Seal) -> Result<Vec<StoredEvent>> {
    Ok(sqlx::query_as!(
        StoredEvent,
        r#"SELECT e.id, e.occurred_at AS "occurred_at: StoredTime", e.type AS event_type, e.outcome, e.actor, e.subject, e.about, e.hotels,
                  e.request_id, e.detail::text AS "detail!", e.ip_address, e.user_agent, e.origin_salt, e.origin_digest,
                  e.personal::text AS personal, e.personal_salt, e.personal_digest
             FROM audit_events e WHERE e.id = ANY($1)"#,
        seal.event_ids.as_deref().unwrap_or_default()
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// How many events there are, and how many await their seal.
pub async fn counts(transaction: &mut Transaction) -> Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM audit_events) AS "events!",
                  (SELECT count(*) FROM audit_events_unsealed u JOIN audit_events e ON e.id = u.event_id) AS "unsealed!""#
    )
    .fetch_one(transaction.statement())
    .await?;
    Ok((row.events, row.unsealed))
}

/// Some events that await their seal and are not there.
pub async fn lost(transaction: &mut Transaction, limit: i64) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT event_id FROM audit_events_unsealed u
          WHERE NOT EXISTS (SELECT 1 FROM audit_events e WHERE e.id = u.event_id) LIMIT $1",
        limit
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// Some events that neither a seal holds nor one awaits: nothing of ours wrote or kept them like that.
pub async fn strays(transaction: &mut Transaction, limit: i64) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT e.id FROM audit_events e
          WHERE NOT EXISTS (SELECT 1 FROM audit_events_unsealed u WHERE u.event_id = e.id)
            AND NOT EXISTS (SELECT 1 FROM (SELECT unnest(event_ids) AS id FROM audit_seals) sealed WHERE sealed.id = e.id)
          LIMIT $1",
        limit
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// How many events await their seal; counted up to 100,000.
pub async fn backlog(transaction: &mut Transaction) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "events!" FROM (SELECT FROM audit_events_unsealed LIMIT 100000) waiting"#
    )
    .fetch_one(transaction.statement())
    .await?)
}
