//! Who makes this request.

use async_graphql::{Context, Object, Union};

use super::context::RequestContext;
use super::errors::Result;
use super::loaders::{SessionById, UserById};
use super::session::Session;
use super::user::User;
use crate::identity::Principal;

/// Who does something: a signed-in user, or a back-end service.
#[derive(Union)]
pub enum Actor {
    User(User),
}

#[derive(Default)]
pub struct ViewerQueries;

#[Object]
impl ViewerQueries {
    /// Who makes this request: a signed-in user or an API key; null without credentials.
    async fn viewer(&self, context: &Context<'_>) -> Result<Option<Actor>> {
        Ok(me(context).await?.map(Actor::User))
    }

    /// The signed-in user; null for an API key or without a token.
    async fn me(&self, context: &Context<'_>) -> Result<Option<User>> {
        me(context).await
    }

    /// The session that makes this request; null for an API key or without a token.
    async fn current_session(&self, context: &Context<'_>) -> Result<Option<Session>> {
        let Principal::User(user) = &context.caller().principal else { return Ok(None) };
        Ok(context.loader().load_one(SessionById(user.access.session_id)).await?.map(Session))
    }
}

async fn me(context: &Context<'_>) -> Result<Option<User>> {
    let Principal::User(user) = &context.caller().principal else { return Ok(None) };
    Ok(context.loader().load_one(UserById(user.access.user_id)).await?.map(User))
}
