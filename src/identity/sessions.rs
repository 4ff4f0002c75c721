//! Sessions: reading them, and ending those of others.

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use super::audit::{Happening, user_gid};
use super::fields::{self, Problems};
use super::rules::{self, UserAction};
use super::users::MAX_REASON;
use super::{Caller, Error, Failure, Identity, Result};
use crate::store::page::{Page, PageRequest};
use crate::store::session_batches::{self, Revocation};
use crate::store::sessions::{self, Ending, Session, SessionCursor, SessionFilter, SessionsOf};
use crate::store::{self, Writes, session_ends};

/// Sessions of one transaction.
const SHORTENED_AT_ONCE: i64 = 1000;

/// Sessions that are ended in one transaction where it is everybody's.
const BATCH: i64 = 1_000;

impl Identity {
    /// How long a refresh token can be good at the most.
    pub fn longest_session(&self) -> Duration {
        self.settings.session_lifetimes.longest()
    }

    /// Has running sessions end by lifetimes that were lowered since they were refreshed, so that lists tell what is so already:
    /// whoever uses a session is held to them anyway. How many there were.
    pub async fn shorten_sessions(&self) -> store::Result<u64> {
        let (mut last, mut shortened) = (None, 0);
        loop {
            let mut transaction = self.database.background().await?;
            let lifetimes = self.settings.session_lifetimes;
            let batch = session_ends::shorten(&mut transaction, lifetimes, last, SHORTENED_AT_ONCE).await?;
            transaction.commit().await?;
            shortened += batch.sessions;
            last = batch.last;
            if last.is_none() {
                break;
            }
        }
        if shortened > 0 {
            tracing::info!(shortened, "user_sessions_shortened");
        }
        Ok(shortened)
    }

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

    /// Ends one session: the caller's own, or that of a user whom the caller may change.
    pub async fn revoke_session(&self, caller: &Caller, id: Uuid, reason: Option<&str>) -> Result<(), Failure> {
        let outcome = self.try_revoke_session(caller, id, reason).await;
        self.noting_refusals(caller, "revoke_session", Some(format!("session:{id}")), outcome).await
    }

    async fn try_revoke_session(&self, caller: &Caller, id: Uuid, reason: Option<&str>) -> Result<(), Failure> {
        let user = rules::ready(&caller.principal)?;
        let mut problems = Problems::default();
        let reason = problems.check(fields::optional("reason", reason, MAX_REASON));
        problems.settle()?;
        // With the caller's own eyes: what they may not see takes the same steps as what does not exist.
        let session = sessions::by_ids(&mut *caller.read().await?, &[id]).await?.into_iter().next();
        let owner = session.map(|session| session.user_id);
        rules::may_begin(user, UserAction::EndSessions, owner.is_some() && owner == user.user_id())?;
        let owner = owner.ok_or_else(|| rules::no_such("session", "id"))?;
        self.end_sessions(caller, owner, Ending::One(id), reason, "id").await?;
        Ok(())
    }

    /// Ends every session of a user, the one that asks only where that is wanted; how many were going.
    pub async fn revoke_user_sessions(
        &self,
        caller: &Caller,
        user_id: Uuid,
        reason: Option<&str>,
        include_current: bool,
    ) -> Result<u64, Failure> {
        let outcome = self.try_revoke_user_sessions(caller, user_id, reason, include_current).await;
        self.noting_refusals(caller, "revoke_user_sessions", Some(user_gid(user_id)), outcome).await
    }

    async fn try_revoke_user_sessions(
        &self,
        caller: &Caller,
        user_id: Uuid,
        reason: Option<&str>,
        include_current: bool,
    ) -> Result<u64, Failure> {
        let user = rules::ready(&caller.principal)?;
        rules::may_begin(user, UserAction::EndSessions, user.user_id() == Some(user_id))?;
        let mut problems = Problems::default();
        let reason = problems.check(fields::optional("reason", reason, MAX_REASON));
        problems.settle()?;
        let which = match caller.session_id() {
            Some(current) if !include_current => Ending::AllBut(current),
            _ => Ending::All,
        };
        self.end_sessions(caller, user_id, which, reason, "user").await
    }

    /// Ends every session of everybody, the caller's own included; how many were going. None is honoured any more from the
    /// moment on when that is kept; then each says so, many at a time, of which `progress` hears. The operator's alone to ask for.
    pub async fn revoke_all_sessions(
        &self,
        caller: &Caller,
        reason: Option<&str>,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, Failure> {
        if !rules::ready(&caller.principal)?.is_operator() {
            return Err(Error::Forbidden("the command line").into());
        }
        let reason = fields::optional("reason", reason, MAX_REASON)?;
        let now = self.clock.now();
        let mut transaction = self.begin_change(caller).await?;
        let told = reason.as_deref().unwrap_or("revoked_by_administrator");
        session_batches::revoke_everywhere(&mut transaction, told, now).await?;
        let happening =
            Happening::new("sessions_revoked").with("of", "everyone").with_personal("reason", reason.as_deref());
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!("all_sessions_revoked");
        progress(0);
        loop {
            let revocation = self.end_some_revoked_sessions(true).await?;
            let Some(revocation) = revocation else { return Ok(0) };
            let ended = revocation.sessions.unsigned_abs();
            progress(ended);
            if revocation.is_finished {
                return Ok(ended);
            }
        }
    }

    /// Goes on with ending everybody's sessions where whoever began it was cut off.
    pub(super) async fn end_revoked_sessions(&self) -> store::Result<()> {
        while self.end_some_revoked_sessions(false).await?.is_some_and(|revocation| !revocation.is_finished) {}
        Ok(())
    }

    async fn end_some_revoked_sessions(&self, waits: bool) -> store::Result<Option<Revocation>> {
        let now = self.clock.now();
        let mut transaction = self.database.background().await?;
        let Some(mut revocation) = session_batches::revocation(&mut transaction, waits).await? else { return Ok(None) };
        if revocation.is_finished {
            return Ok(Some(revocation));
        }
        let ended = session_batches::end_revoked(&mut transaction, &revocation, now, BATCH).await?;
        revocation.sessions = revocation.sessions.saturating_add_unsigned(ended);
        revocation.is_finished = ended == 0;
        if revocation.is_finished {
            let happening = Happening::new("sessions_revocation_finished").with("sessions", revocation.sessions);
            self.record_own(&mut transaction, happening, now).await?;
            tracing::info!(sessions = revocation.sessions, "sessions_revocation_finished");
        }
        transaction.commit().await?;
        Ok(Some(revocation))
    }

    async fn end_sessions(
        &self,
        caller: &Caller,
        owner: Uuid,
        which: Ending,
        reason: Option<String>,
        field: &'static str,
    ) -> Result<u64, Failure> {
        let action = UserAction::EndSessions;
        let transaction = self.begin_change(caller).await?;
        let change = self.begin_user_change(transaction, caller, action, &[owner], field).await?;
        let (mut transaction, actor, now) = (change.transaction, change.actor, change.now);
        let by = actor.id();
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Sessions).await?;
        let told =
            reason.as_deref().unwrap_or(if by == Some(owner) { "revoked_by_user" } else { "revoked_by_administrator" });
        let ended = sessions::end(&mut transaction, owner, which, told, now).await?;
        if ended == 0 {
            return Ok(0);
        }
        let happening =
            Happening::new(if matches!(which, Ending::One(_)) { "session_revoked" } else { "sessions_revoked" })
                .by(&actor)
                .with("sessions", ended)
                .with_personal("reason", reason.as_deref());
        let happening = change.users.iter().fold(happening, |happening, user| happening.about(user.into()));
        let happening = match which {
            Ending::One(id) => happening.to(format!("session:{id}")),
            Ending::AllBut(_) | Ending::All => happening,
        };
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, user_id = %owner, sessions = ended, "user_sessions_revoked");
        Ok(ended)
    }
}
