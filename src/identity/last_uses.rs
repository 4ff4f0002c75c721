//! When sessions and API keys were last used: gathered in memory, and written down for many at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Identity;
use crate::clock::after;
use crate::store::{self, api_keys, session_ends};

/// How often at most it is written down of one.
const INTERVAL: Duration = Duration::from_mins(1);

/// Which one was used, and when.
type Use = (Uuid, DateTime<Utc>);

/// Of one kind, as far as it is not written down yet.
#[derive(Default)]
pub(super) struct LastUses(Mutex<HashMap<Uuid, DateTime<Utc>>>);

impl LastUses {
    /// Notes that this one is used now, unless what was noted before is recent enough; whether it did.
    pub fn note(&self, id: Uuid, noted: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let is_due = noted.is_none_or(|noted| after(noted, INTERVAL) <= now);
        if is_due {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, now);
        }
        is_due
    }

    /// In the order of their ids: two servers that write at once then lock the rows in one order.
    fn take(&self) -> Vec<Use> {
        let mut used: Vec<_> =
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect();
        used.sort_unstable();
        used
    }
}

impl LastUses {
    /// They were not written down after all; what was noted since is newer.
    fn put_back(&self, uses: Vec<Use>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, at) in uses {
            noted.entry(id).or_insert(at);
        }
    }
}

impl Identity {
    /// Writes down which sessions and API keys were used since the last time; a background job does it.
    pub async fn write_last_uses(&self) -> store::Result<()> {
        let (used_sessions, used_keys) = (self.used_sessions.take(), self.used_api_keys.take());
        if used_sessions.is_empty() && used_keys.is_empty() {
            return Ok(());
        }
        let written = self.try_write_last_uses(&used_sessions, &used_keys).await;
        if written.is_err() {
            self.used_sessions.put_back(used_sessions);
            self.used_api_keys.put_back(used_keys);
        }
        written
    }

    async fn try_write_last_uses(&self, sessions: &[Use], keys: &[Use]) -> store::Result<()> {
        let mut transaction = self.database.background().await?;
        if !sessions.is_empty() {
            // Until the next refresh, which comes when the access token ends, nothing else moves a session's end on.
            let lag = self.settings.access_token_lifetime + INTERVAL;
            session_ends::touch(&mut transaction, sessions, self.settings.session_lifetimes, lag).await?;
        }
        if !keys.is_empty() {
            api_keys::touch(&mut transaction, keys).await?;
        }
        transaction.commit().await
    }
}
