//! The audit trail: the type and its list.

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, ID, InputObject, Json, Object};

use super::api_key::ApiKey;
use super::connection::{PageArguments, TotalCount, connection, event_cursor, read_event_cursor};
use super::context::RequestContext;
use super::errors::{GraphqlError, Result};
use super::ids::{self, GlobalId};
use super::loaders::{ApiKeyById, UserById};
use super::node::{self, Node};
use super::scalars::{DateTime, address_filter};
use super::user::User;
use super::viewer::Actor;
use crate::identity::{origin_is_visible, require_ready, whole_detail};
use crate::store::audit::events::{self, EventCursor, Subject};

const MAX_TYPES: usize = 50;

/// How something ended.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum AuditOutcome {
    /// It was done.
    Success,
    /// It was tried and refused.
    Failure,
}

pub struct AuditEvent(pub events::AuditEvent);

/// Something that happened, kept forever or for the configured retention; append-only.
///
/// Visible to whom it is about, and with system:monitor or system:admin within the hotel scope.
#[Object]
impl AuditEvent {
    /// audit:<uuid>
    pub async fn id(&self) -> ID {
        GlobalId::AuditEvent(self.0.id).to_id()
    }

    /// When it happened.
    async fn occurred_at(&self) -> DateTime {
        self.0.occurred_at.into()
    }

    /// Lower snake case, e.g. user_authenticated, login_failed, account_locked, session_revoked, role_updated.
    #[graphql(name = "type")]
    async fn event_type(&self) -> &str {
        &self.0.event_type
    }

    /// Whether it was done, or tried and refused.
    async fn outcome(&self) -> AuditOutcome {
        if self.0.outcome == "SUCCESS" { AuditOutcome::Success } else { AuditOutcome::Failure }
    }

    /// Who did it; null for the system itself and for failed sign-ins of unknown accounts, and where the caller may not see
    /// them.
    async fn actor(&self, context: &Context<'_>) -> Result<Option<Actor>> {
        Ok(match self.0.actor.as_deref().and_then(parse) {
            Some(GlobalId::User(id)) => context.load(UserById(id)).await?.map(User::from).map(Actor::User),
            Some(GlobalId::ApiKey(id)) => context.load(ApiKeyById(id)).await?.map(ApiKey).map(Actor::ApiKey),
            _ => None,
        })
    }

    /// The id of who did it, kept when the account is gone. For callers with system:monitor or system:admin, and of oneself.
    async fn actor_id(&self, context: &Context<'_>) -> Option<ID> {
        let actor = self.0.actor.as_ref().filter(|_| self.shows_origin(context))?;
        Some(ID(actor.clone()))
    }

    /// What it was done to, where that still exists and the caller may see it.
    async fn subject(&self, context: &Context<'_>) -> Result<Option<Node>> {
        match self.0.subject.as_deref().and_then(parse) {
            Some(id) => node::load(context, id).await,
            None => Ok(None),
        }
    }

    /// The id of what it was done to, kept when that is gone.
    async fn subject_id(&self) -> Option<ID> {
        self.0.subject.clone().map(ID)
    }

    /// The client address of who did it, or tried to. Of others, for callers with system:monitor or system:admin.
    async fn ip_address(&self, context: &Context<'_>) -> Option<&str> {
        self.0.ip_address.as_deref().filter(|_| self.shows_origin(context))
    }

    /// The `User-Agent` of who did it, or tried to. Of others, for callers with system:monitor or system:admin.
    async fn user_agent(&self, context: &Context<'_>) -> Option<&str> {
        self.0.user_agent.as_deref().filter(|_| self.shows_origin(context))
    }

    /// The `requestId` of the answer that it came about with.
    async fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// What else there is to tell. `changes` holds each changed field with its value `before` and `after`; a field that reads
    /// null held personal data that has been erased. Never a secret.
    async fn detail(&self) -> Json<serde_json::Value> {
        Json(whole_detail(&self.0))
    }
}

impl AuditEvent {
    fn shows_origin(&self, context: &Context<'_>) -> bool {
        origin_is_visible(&context.caller().principal, &self.0)
    }
}

fn parse(id: &str) -> Option<GlobalId> {
    GlobalId::parse(&ID(id.to_owned()), "id").ok()
}

pub type AuditEventConnection = Connection<String, AuditEvent, TotalCount>;

/// Narrows the audit trail; what is left out does not.
#[derive(Default, InputObject)]
pub struct AuditEventFilter {
    /// Any of these types, at most 50.
    types: Option<Vec<String>>,
    /// Whether it was done, or tried and refused.
    outcome: Option<AuditOutcome>,
    /// Done by this user or API key, by id.
    actor: Option<ID>,
    /// Done to this object, by id; of a user, what was done to their sessions too, and what they tried in vain.
    subject: Option<ID>,
    /// Done to this hotel, or to people of it, by id.
    hotel: Option<ID>,
    /// From exactly this address, in whichever form of RFC 4291 it is written.
    ip_address: Option<String>,
    /// In the request whose answer had this id.
    request_id: Option<String>,
    /// At this instant or later.
    occurred_after: Option<DateTime>,
    /// Before this instant.
    occurred_before: Option<DateTime>,
}

impl AuditEventFilter {
    fn into_store(self) -> Result<events::AuditEventFilter> {
        let types = self.types.map(|mut types| {
            types.sort_unstable();
            types.dedup();
            types
        });
        if types.as_ref().is_some_and(|types| types.len() > MAX_TYPES) {
            return Err(GraphqlError::bad_input("filter.types", "holds at most 50 types"));
        }
        let text = |id: &ID, argument: &str| GlobalId::parse(id, argument).map(|id| id.to_id().0);
        let subject = match &self.subject {
            None => None,
            Some(id) => Some(match GlobalId::parse(id, "filter.subject")? {
                GlobalId::User(id) => Subject::User(id),
                other => Subject::Other(other.to_id().0),
            }),
        };
        Ok(events::AuditEventFilter {
            types,
            success: self.outcome.map(|outcome| outcome == AuditOutcome::Success),
            actor: self.actor.map(|id| text(&id, "filter.actor")).transpose()?,
            subject,
            hotel: self.hotel.map(|id| ids::hotel_id(&id, "filter.hotel")).transpose()?,
            ip_address: address_filter(self.ip_address)?,
            request_id: self.request_id,
            occurred_after: self.occurred_after.map(|time| time.0),
            occurred_before: self.occurred_before.map(|time| time.0),
        })
    }
}

#[derive(Default)]
pub struct AuditQueries;

#[Object]
impl AuditQueries {
    /// What happened, newest first: what is about oneself, and with system:monitor or system:admin what happened at the
    /// hotels one reaches; under scope ALL everything.
    async fn audit_events(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<AuditEventFilter>,
    ) -> Result<AuditEventConnection> {
        require_ready(&context.caller())?;
        let page = PageArguments { first, after, last, before }.request(read_event_cursor)?;
        let filter = filter.unwrap_or_default().into_store()?;
        let events = context.identity().audit_event_page(&context.caller(), &filter, &page).await?;
        let cursor =
            |event: &events::AuditEvent| event_cursor(&EventCursor { occurred_at: event.occurred_at, id: event.id });
        Ok(connection(events, TotalCount::AuditEvents(filter), cursor, AuditEvent))
    }
}
