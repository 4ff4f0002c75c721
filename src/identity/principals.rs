//! Principals that have been looked up, kept in memory: a hot request asks the database nothing about who makes it.
//!
//! What is kept holds only while everything it depends on is as it was (`store::changes`), and never past the end of the
//! session or the key. So a revoked session is refused at once on this server, and within a second on every other.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::{Actor, Identity};
use crate::store::changes::Topic;

/// Principals of each kind that are kept at most; about 2 KiB each.
const KEPT: usize = 10_000;

/// By which an API key is known.
type Digest = [u8; 32];

pub(super) struct Principals {
    sessions: Cache<Uuid, Arc<Kept>>,
    api_keys: Cache<Digest, Arc<Kept>>,
}

/// A principal as of `version`.
pub(super) struct Kept {
    pub actor: Arc<Actor>,
    version: u64,
    /// When the session or the key ends by itself.
    ends_at: Option<DateTime<Utc>>,
    /// When it was last used as far as is written down or will be, in microseconds since 1970; the least number where never.
    noted: AtomicI64,
}

impl Kept {
    pub fn new(
        actor: Arc<Actor>,
        version: u64,
        ends_at: Option<DateTime<Utc>>,
        used: Option<DateTime<Utc>>,
    ) -> Arc<Self> {
        let noted = AtomicI64::new(used.map_or(i64::MIN, |time| time.timestamp_micros()));
        Arc::new(Self { actor, version, ends_at, noted })
    }

    pub fn noted(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.noted.load(Ordering::Relaxed))
    }

    pub fn note(&self, now: DateTime<Utc>) {
        self.noted.store(now.timestamp_micros(), Ordering::Relaxed);
    }
}

/// What a principal in a session depends on.
pub(super) fn topics_of_session(session: Uuid, user: Uuid) -> [Topic; 4] {
    [Topic::Session(session), Topic::User(user), Topic::Roles, Topic::Hotels]
}

/// What an API key depends on: its owner is part of it.
pub(super) fn topics_of_api_key(owner: Option<Uuid>) -> Vec<Topic> {
    let own = [Topic::ApiKeys, Topic::Hotels, Topic::Roles];
    own.into_iter().chain(owner.map(Topic::User)).collect()
}

impl Default for Principals {
    fn default() -> Self {
        Self { sessions: Cache::new(KEPT), api_keys: Cache::new(KEPT) }
    }
}

impl Identity {
    /// The principal of this session, where it is kept and holds.
    pub(super) fn kept_session(&self, id: Uuid, topics: &[Topic], now: DateTime<Utc>) -> Option<Arc<Kept>> {
        self.holding(self.principals.sessions.get(&id)?, topics, now)
    }

    /// The principal of this API key, where it is kept and holds.
    pub(super) fn kept_api_key(&self, digest: &Digest, now: DateTime<Utc>) -> Option<Arc<Kept>> {
        let kept = self.principals.api_keys.get(digest)?;
        let topics = topics_of_api_key(kept.actor.key_owner());
        self.holding(kept, &topics, now)
    }

    /// The owner of this API key, where it was looked up before; that does not change.
    pub(super) fn known_owner(&self, digest: &Digest) -> Option<Uuid> {
        self.principals.api_keys.get(digest)?.actor.key_owner()
    }

    fn holding(&self, kept: Arc<Kept>, topics: &[Topic], now: DateTime<Utc>) -> Option<Arc<Kept>> {
        let goes_on = kept.ends_at.is_none_or(|end| now < end);
        (goes_on && self.database.changes().holds(kept.version, topics)).then_some(kept)
    }

    pub(super) fn keep_session(&self, id: Uuid, kept: Arc<Kept>) {
        if self.database.changes().is_trusted() {
            self.principals.sessions.insert(id, kept);
        }
    }

    pub(super) fn keep_api_key(&self, digest: Digest, kept: Arc<Kept>) {
        if self.database.changes().is_trusted() {
            self.principals.api_keys.insert(digest, kept);
        }
    }
}
