//! Reading sessions, and noting when they were last used.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Caller, Identity, Result};
use crate::clock::after;
use crate::store;
use crate::store::access::SessionAccess;
use crate::store::page::{Page, PageRequest};
use crate::store::sessions::{self, Session, SessionCursor, SessionFilter, SessionsOf};

/// How often at most a session's last use is written down.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);

impl Identity {
    /// A page of sessions for each of `parents`, which are of one kind.
    pub async fn session_pages(
        &self,
        caller: &Caller,
        parents: &[SessionsOf],
        filter: &SessionFilter,
        page: &PageRequest<SessionCursor>,
    ) -> Result<HashMap<SessionsOf, Page<Session>>> {
        Ok(sessions::pages(&mut *caller.read_own().await?, parents, filter, page).await?)
    }

    /// How many sessions each of `parents` has, at most `at_most`.
    pub async fn session_counts(
        &self,
        caller: &Caller,
        parents: &[SessionsOf],
        filter: &SessionFilter,
        at_most: Option<i64>,
    ) -> Result<HashMap<SessionsOf, i64>> {
        Ok(sessions::counts(&mut *caller.read_own().await?, parents, filter, at_most).await?)
    }

    pub async fn sessions_by_id(&self, caller: &Caller, ids: &[Uuid]) -> Result<Vec<Session>> {
        Ok(sessions::by_ids(&mut *caller.read_own().await?, ids).await?)
    }

    /// Writes down which sessions were used since the last time; a background job does it for many at once.
    pub async fn write_used_sessions(&self) -> store::Result<()> {
        let used = self.used_sessions.take();
        if used.is_empty() {
            return Ok(());
        }
        let mut transaction = self.database.background().await?;
        sessions::touch(&mut transaction, &used).await?;
        transaction.commit().await
    }
}

/// When sessions were last used, as far as it is not written down yet.
#[derive(Default)]
pub(super) struct UsedSessions(Mutex<HashMap<Uuid, DateTime<Utc>>>);

impl UsedSessions {
    /// Notes that a session is used now, unless its stored time is recent enough.
    pub fn note(&self, access: &SessionAccess, now: DateTime<Utc>) {
        if after(access.session_accessed_at, TOUCH_INTERVAL) <= now {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(access.session_id, now);
        }
    }

    /// In the order of their ids: two servers that write at once then lock the rows in one order.
    fn take(&self) -> Vec<(Uuid, DateTime<Utc>)> {
        let mut used: Vec<_> =
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect();
        used.sort_unstable();
        used
    }
}
