//! Audit events: appended in the transaction that does what they tell of, read by [`events`], proved whole by [`chain`],
//! kept by the month by [`partitions`], and silent about people who are gone by [`erasures`].

pub mod chain;
pub mod erasures;
pub mod events;
pub mod partitions;
pub mod repeats;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Error, Result, Transaction};

/// Something that happened. `actor` and `subject` are global ids, such as `user:<uuid>`. Nothing in it is a secret.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub event_type: String,
    pub success: bool,
    pub actor: Option<String>,
    pub subject: Option<String>,
    /// The user it is about.
    pub about: Option<Uuid>,
    /// That user's hotels, or the hotel that it is about.
    pub hotels: Vec<String>,
    pub detail: Value,
    /// What it tells of the user it is about, and what is erased with them.
    pub personal: Option<Value>,
}

/// Where a request that events tell of came from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    pub ip_address: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub request_id: Option<&'a str>,
}

/// What is erased one day, and what stays to prove it until then.
struct Erasable {
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Erasable {
    fn new(parts: &[Option<&str>]) -> Result<Self> {
        let mut salt = vec![0; 16];
        getrandom::fill(&mut salt).map_err(|error| Error::Refused(sqlx::Error::Encode(error.to_string().into())))?;
        let digest = salted_digest(&salt, parts);
        Ok(Self { salt, digest })
    }
}

/// A digest in which ("ab", "c") and ("a", "bc") differ, and nothing and an empty text.
fn salted_digest(salt: &[u8], parts: &[Option<&str>]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(salt);
    for part in parts {
        chain::frame(&mut hash, part.map(str::as_bytes));
    }
    hash.finalize().to_vec()
}

/// Appends events that one request brought about, in one statement.
pub async fn append(transaction: &mut Transaction, origin: Origin<'_>, events: &[NewEvent]) -> Result<()> {
    let from_somewhere = origin.ip_address.is_some() || origin.user_agent.is_some();
    let mut origins = Vec::with_capacity(events.len());
    let mut personal = Vec::with_capacity(events.len());
    for event in events {
        origins.push(from_somewhere.then(|| Erasable::new(&[origin.ip_address, origin.user_agent])).transpose()?);
        let text = event.personal.as_ref().map(Value::to_string);
        let erasable = text.as_deref().map(|text| Erasable::new(&[Some(text)])).transpose()?;
        personal.push((text, erasable));
    }
    let salt = |erasable: &Option<Erasable>| erasable.as_ref().map(|erasable| erasable.salt.clone());
    let digest = |erasable: &Option<Erasable>| erasable.as_ref().map(|erasable| erasable.digest.clone());
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    let times: Vec<_> = events.iter().map(|event| event.occurred_at).collect();
    let types: Vec<_> = events.iter().map(|event| event.event_type.clone()).collect();
    let outcomes: Vec<_> = events.iter().map(|event| outcome(event.success).to_owned()).collect();
    let actors: Vec<_> = events.iter().map(|event| event.actor.clone()).collect();
    let subjects: Vec<_> = events.iter().map(|event| event.subject.clone()).collect();
    let about: Vec<_> = events.iter().map(|event| event.about).collect();
    // An array of arrays would have to be rectangular.
    let hotels: Vec<_> = events.iter().map(|event| Value::from(event.hotels.clone())).collect();
    let details: Vec<_> = events.iter().map(|event| event.detail.clone()).collect();
    let personal_texts: Vec<_> = personal.iter().map(|(text, _)| text.clone()).collect();
    let personal_salts: Vec<_> = personal.iter().map(|(_, erasable)| salt(erasable)).collect();
    let personal_digests: Vec<_> = personal.iter().map(|(_, erasable)| digest(erasable)).collect();
    let origin_salts: Vec<_> = origins.iter().map(salt).collect();
    let origin_digests: Vec<_> = origins.iter().map(digest).collect();
    sqlx::query!(
        "INSERT INTO audit_events (id, occurred_at, type, outcome, actor, subject, about, hotels, detail, personal,
                personal_salt, personal_digest, origin_salt, origin_digest, ip_address, user_agent, request_id)
         SELECT new.id, new.occurred_at, new.type, new.outcome, new.actor, new.subject, new.about,
                ARRAY(SELECT jsonb_array_elements_text(new.hotels)), new.detail, new.personal::json,
                new.personal_salt, new.personal_digest, new.origin_salt, new.origin_digest, $15, $16, $17
           FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[],
                       $8::jsonb[], $9::jsonb[], $10::text[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bytea[])
                AS new(id, occurred_at, type, outcome, actor, subject, about, hotels, detail, personal,
                       personal_salt, personal_digest, origin_salt, origin_digest)",
        &ids,
        &times,
        &types,
        &outcomes,
        &actors as &[Option<String>],
        &subjects as &[Option<String>],
        &about as &[Option<Uuid>],
        &hotels,
        &details,
        &personal_texts as &[Option<String>],
        &personal_salts as &[Option<Vec<u8>>],
        &personal_digests as &[Option<Vec<u8>>],
        &origin_salts as &[Option<Vec<u8>>],
        &origin_digests as &[Option<Vec<u8>>],
        origin.ip_address,
        origin.user_agent,
        origin.request_id
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

fn outcome(success: bool) -> &'static str {
    if success { "SUCCESS" } else { "FAILURE" }
}
