//! Sessions: the type, its look-up and its lists. Changing them is in [`mutations`].

pub mod mutations;

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, ID, InputObject, Object};

use crate::graphql::connection::{PageArguments, TotalCount, connection, read_session_cursor, session_cursor};
use crate::graphql::context::RequestContext;
use crate::graphql::errors::{GraphqlError, Result};
use crate::graphql::ids::{self, GlobalId};
use crate::graphql::loaders::{SessionById, SessionCount, SessionPage, UserById};
use crate::graphql::scalars::{DateTime, address_filter};
use crate::graphql::user::User;
use crate::identity::{Error, require_ready};
use crate::store::page::Page;
use crate::store::sessions::{self, SessionCursor, SessionsOf};

/// Whether a session's tokens are honoured.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "sessions::SessionStatus")]
pub enum SessionStatus {
    /// Going: its tokens are honoured.
    Active,
    /// Over by itself, at `expiresAt`.
    Expired,
    /// Ended, by sign-out or by somebody's decision.
    Revoked,
}

pub struct Session(pub sessions::Session);

/// One sign-in on one device; its access and refresh tokens live and die with it.
///
/// Visible to its user, and with user:view to those who may see the user.
#[Object]
impl Session {
    /// session:<uuid>
    pub async fn id(&self) -> ID {
        GlobalId::Session(self.0.id).to_id()
    }

    /// Whose session it is.
    async fn user(&self, context: &Context<'_>) -> Result<User> {
        let user = context.load(UserById(self.0.user_id)).await?;
        // Both walls show a session only with its user.
        let missing = || GraphqlError::from(Error::Internal("a visible session's user is out of sight".to_owned()));
        user.map(User::from).ok_or_else(missing)
    }

    /// Whether its tokens are honoured, and if not, why.
    async fn status(&self, context: &Context<'_>) -> SessionStatus {
        self.0.status(context.identity().clock().now()).into()
    }

    /// True for the session that makes this request.
    async fn current(&self, context: &Context<'_>) -> bool {
        context.caller().session_id() == Some(self.0.id)
    }

    /// The client address of the sign-in.
    async fn ip_address(&self) -> Option<&str> {
        self.0.ip_address.as_deref()
    }

    /// The `User-Agent` of the sign-in.
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }

    /// A digest by which the same device is recognised.
    async fn device_fingerprint(&self) -> Option<&str> {
        self.0.device_fingerprint.as_deref()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// Exact to about a minute. What is sent with `X-Background: true`, because nobody has asked for it at the moment, is no use.
    async fn last_used_at(&self) -> DateTime {
        self.0.accessed_at.into()
    }

    /// Moves on with every refresh, but with none that is sent with `X-Background: true`, and to no later than the day on which
    /// every session ends.
    async fn expires_at(&self) -> DateTime {
        self.0.expires_at.into()
    }

    /// When it was ended.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }

    /// Lower snake case where the system gave it, e.g. signed_out, password_changed, refresh_token_reused.
    async fn revoke_reason(&self) -> Option<&str> {
        self.0.revoke_reason.as_deref()
    }
}

pub type SessionConnection = Connection<String, Session, TotalCount>;

pub fn session_connection(page: Option<Page<sessions::Session>>, total: TotalCount) -> SessionConnection {
    let Some(page) = page else { return Connection::with_additional_fields(false, false, total) };
    let cursor =
        |session: &sessions::Session| session_cursor(&SessionCursor { created_at: session.created_at, id: session.id });
    connection(page, total, cursor, Session)
}

/// Narrows a list of sessions; what is left out does not.
#[derive(Default, InputObject)]
pub struct SessionFilter {
    /// user:<uuid>
    user: Option<ID>,
    /// The status at this moment.
    status: Option<SessionStatus>,
    /// Signed in from exactly this address, in whichever form of RFC 4291 it is written.
    ip_address: Option<String>,
    /// At this instant or later.
    created_after: Option<DateTime>,
    /// Before this instant.
    created_before: Option<DateTime>,
}

impl SessionFilter {
    pub fn into_store(self, context: &Context<'_>) -> Result<sessions::SessionFilter> {
        let now = context.now();
        Ok(sessions::SessionFilter {
            user: self.user.map(|id| ids::user_id(&id, "filter.user")).transpose()?,
            status: self.status.map(|status| (status.into(), now)),
            ip_address: address_filter(self.ip_address)?,
            created_after: self.created_after.map(|time| time.0),
            created_before: self.created_before.map(|time| time.0),
        })
    }
}

#[derive(Default)]
pub struct SessionQueries;

#[Object]
impl SessionQueries {
    /// One session; null where there is none that the caller may see.
    async fn session(&self, context: &Context<'_>, id: ID) -> Result<Option<Session>> {
        require_ready(&context.caller())?;
        Ok(context.load(SessionById(ids::session_id(&id, "id")?)).await?.map(Session))
    }

    /// One's own sessions, and with user:view those of the users one may see; newest first.
    async fn sessions(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<SessionFilter>,
    ) -> Result<SessionConnection> {
        require_ready(&context.caller())?;
        let page = PageArguments { first, after, last, before }.request(read_session_cursor)?;
        let parent = SessionsOf::Everyone;
        let filter = Arc::new(filter.unwrap_or_default().into_store(context)?);
        let sessions = context.load(SessionPage { parent, filter: filter.clone(), page }).await?;
        Ok(session_connection(sessions, TotalCount::Sessions(SessionCount { parent, filter, at_most: None })))
    }
}
