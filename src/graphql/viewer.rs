//! Who makes this request.

use async_graphql::{Context, Object, Union};

use super::api_key::ApiKey;
use super::context::RequestContext;
use super::errors::Result;
use super::loaders::{ApiKeyById, SessionById};
use super::session::Session;
use super::user::User;
use super::written::Written;
use crate::identity::Principal;

/// Who does something: a signed-in user, or a back-end service.
#[derive(Union)]
pub enum Actor {
    User(User),
    ApiKey(ApiKey),
}

#[derive(Default)]
pub struct ViewerQueries;

#[Object]
impl ViewerQueries {
    /// Who makes this request: a signed-in user or an API key; null without credentials.
    async fn viewer(&self, context: &Context<'_>) -> Result<Option<Actor>> {
        let Principal::Known(actor) = &context.caller().principal else { return Ok(None) };
        match actor.api_key_id() {
            None => Ok(me(context).await?.map(Actor::User)),
            Some(id) => Ok(context.load(ApiKeyById(id)).await?.map(|key| Actor::ApiKey(ApiKey(key)))),
        }
    }

    /// The signed-in user; null for an API key or without a token.
    async fn me(&self, context: &Context<'_>) -> Result<Option<Written<User>>> {
        Ok(me(context).await?.map(|user| Written::alone(context, user)))
    }

    /// The session that makes this request; null for an API key or without a token.
    async fn current_session(&self, context: &Context<'_>) -> Result<Option<Session>> {
        let Some(id) = context.caller().session_id() else { return Ok(None) };
        Ok(context.load(SessionById(id)).await?.map(Session))
    }
}

async fn me(context: &Context<'_>) -> Result<Option<User>> {
    let Principal::Known(actor) = &context.caller().principal else { return Ok(None) };
    let Some(access) = actor.user() else { return Ok(None) };
    Ok(Some(User::of_principal(access.user.clone())))
}
