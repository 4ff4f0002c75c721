//! Ending sessions.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::Session;
use crate::graphql::context::RequestContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::loaders::SessionById;
use crate::graphql::payload::{MutationError, settled};

/// A session to end.
#[derive(InputObject)]
pub struct RevokeSessionInput {
    /// session:<uuid>
    id: ID,
    /// Shown at the session and in the audit trail; at most 500 characters.
    reason: Option<String>,
}

/// The session that was ended.
#[derive(SimpleObject)]
pub struct RevokeSessionPayload {
    /// The session as it is now; null where there are errors.
    session: Option<Session>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// Whose sessions to end.
#[derive(InputObject)]
pub struct RevokeUserSessionsInput {
    /// user:<uuid>
    user: ID,
    /// Shown at the sessions and in the audit trail; at most 500 characters.
    reason: Option<String>,
    /// Also the session that makes this request, where it is among them.
    #[graphql(default = false)]
    include_current: bool,
}

/// How many sessions ended.
#[derive(SimpleObject)]
pub struct RevokeUserSessionsPayload {
    /// Sessions that were going and are not any more.
    revoked_sessions: i32,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

#[derive(Default)]
pub struct SessionMutations;

#[Object]
impl SessionMutations {
    /// Ends one session at once: one's own, or with user:update and user:view that of a user of whom the caller reaches every
    /// hotel and holds every permission.
    async fn revoke_session(&self, context: &Context<'_>, input: RevokeSessionInput) -> Result<RevokeSessionPayload> {
        let id = ids::session_id(&input.id, "input.id")?;
        let outcome = context.identity().revoke_session(&context.caller(), id, input.reason.as_deref()).await;
        let (ended, errors) = settled(context, outcome.map(|()| true))?;
        let session = if ended { context.load(SessionById(id)).await?.map(Session) } else { None };
        Ok(RevokeSessionPayload { session, errors })
    }

    /// Ends every session of one user, the caller's own current one only where asked for. One's own, or with user:update those
    /// of a user of whom the caller reaches every hotel and holds every permission.
    async fn revoke_user_sessions(
        &self,
        context: &Context<'_>,
        input: RevokeUserSessionsInput,
    ) -> Result<RevokeUserSessionsPayload> {
        let user = ids::user_id(&input.user, "input.user")?;
        let identity = context.identity();
        let outcome = identity
            .revoke_user_sessions(&context.caller(), user, input.reason.as_deref(), input.include_current)
            .await;
        let (ended, errors) = settled(context, outcome)?;
        Ok(RevokeUserSessionsPayload { revoked_sessions: i32::try_from(ended).unwrap_or(i32::MAX), errors })
    }
}
