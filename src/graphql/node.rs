//! `node` and `nodes`: any object by its id.

use async_graphql::{Context, ID, Interface, Object};
use futures_util::future::try_join_all;

use super::api_key::ApiKey;
use super::audit::AuditEvent;
use super::context::RequestContext;
use super::errors::{GraphqlError, Result};
use super::hotel::Hotel;
use super::ids::GlobalId;
use super::loaders::{ApiKeyById, AuditEventById, HotelById, RoleById, SessionById, UserById};
use super::role::Role;
use super::session::Session;
use super::user::User;
use crate::identity::require_ready;

const MAX_IDS: usize = 100;

/// Anything with a globally unique id. Ids read `<kind>:<key>`: user:<uuid>, role:<uuid>, hotel:<PMS hotel id>,
/// session:<uuid>, audit:<uuid>, apikey:<uuid>.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Unique among all objects."))]
pub enum Node {
    User(User),
    Role(Role),
    Hotel(Hotel),
    Session(Session),
    AuditEvent(AuditEvent),
    ApiKey(ApiKey),
}

#[derive(Default)]
pub struct NodeQueries;

#[Object]
impl NodeQueries {
    /// Re-fetch any object by its id. Null where there is none that the caller may see.
    async fn node(&self, context: &Context<'_>, id: ID) -> Result<Option<Node>> {
        require_ready(&context.caller())?;
        load(context, GlobalId::parse(&id, "id")?).await
    }

    /// Re-fetch many objects by their ids, at most 100; null stands where there is none that the caller may see.
    async fn nodes(&self, context: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<Node>>> {
        require_ready(&context.caller())?;
        if ids.len() > MAX_IDS {
            return Err(GraphqlError::bad_input("ids", "holds at most 100 ids"));
        }
        let ids = ids.iter().map(|id| GlobalId::parse(id, "ids")).collect::<Result<Vec<_>>>()?;
        try_join_all(ids.into_iter().map(|id| load(context, id))).await
    }
}

/// An object by its id, if the caller may see it.
pub async fn load(context: &Context<'_>, id: GlobalId) -> Result<Option<Node>> {
    Ok(match id {
        GlobalId::User(id) => context.load(UserById(id)).await?.map(|user| Node::User(user.into())),
        GlobalId::Role(id) => context.load(RoleById(id)).await?.map(|role| Node::Role(Role(role))),
        GlobalId::Hotel(id) => context.load(HotelById(id)).await?.map(|hotel| Node::Hotel(Hotel(hotel))),
        GlobalId::Session(id) => context.load(SessionById(id)).await?.map(|session| Node::Session(Session(session))),
        GlobalId::AuditEvent(id) => {
            context.load(AuditEventById(id)).await?.map(|event| Node::AuditEvent(AuditEvent(event)))
        }
        GlobalId::ApiKey(id) => context.load(ApiKeyById(id)).await?.map(|key| Node::ApiKey(ApiKey(key))),
    })
}
