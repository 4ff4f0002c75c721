//! Making and revoking API keys.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::ApiKey;
use crate::graphql::context::RequestContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::loaders::ApiKeyById;
use crate::graphql::payload::{MutationError, settled};
use crate::graphql::scalars::DateTime;
use crate::graphql::user::HotelScope;
use crate::identity::NewApiKey;

/// An API key to make. It can hold nothing that its maker does not hold.
#[derive(InputObject)]
pub struct CreateApiKeyInput {
    /// For people, at most 100 characters.
    name: String,
    /// The service that will hold it, at most 100 characters.
    service_name: String,
    /// What it may do.
    permissions: Vec<String>,
    /// Whether it reaches every hotel, or only those assigned.
    #[graphql(default_with = "HotelScope::Assigned")]
    hotel_scope: HotelScope,
    /// The hotels assigned, at most 100; none under scope ALL.
    #[graphql(default)]
    hotels: Vec<ID>,
    /// From when on it is refused; left out, a year from now.
    expires_at: Option<DateTime>,
}

/// The API key that was made.
#[derive(SimpleObject)]
pub struct CreateApiKeyPayload {
    /// The API key; null where there are errors.
    api_key: Option<ApiKey>,
    /// The key itself. Shown once: it is stored nowhere.
    secret: Option<String>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// An API key to revoke.
#[derive(InputObject)]
pub struct RevokeApiKeyInput {
    /// apikey:<uuid>
    id: ID,
    /// Why, at most 500 characters; kept in the audit trail.
    reason: Option<String>,
}

/// The API key that was revoked.
#[derive(SimpleObject)]
pub struct RevokeApiKeyPayload {
    /// The API key as it is now; null where there are errors.
    api_key: Option<ApiKey>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

#[derive(Default)]
pub struct ApiKeyMutations;

#[Object]
impl ApiKeyMutations {
    /// Makes an API key for a back-end service. Needs system:admin, held by a user, and whatever the key is to hold.
    async fn create_api_key(&self, context: &Context<'_>, input: CreateApiKeyInput) -> Result<CreateApiKeyPayload> {
        let hotels = input.hotels.iter().map(|id| ids::hotel_id(id, "input.hotels")).collect::<Result<_>>()?;
        let new = NewApiKey {
            name: input.name,
            service_name: input.service_name,
            permissions: input.permissions,
            hotel_scope: input.hotel_scope.into(),
            hotels,
            expires_at: input.expires_at.map(|time| time.0),
        };
        let outcome = context.identity().create_api_key(&context.caller(), new).await;
        let (made, errors) = settled(context, outcome.map(Some))?;
        // As it was made, and not read again: the key itself must not be lost to a database that has just gone away.
        let (api_key, secret) = made.map(|(key, secret)| (ApiKey(key), secret.to_string())).unzip();
        Ok(CreateApiKeyPayload { api_key, secret, errors })
    }

    /// Revokes an API key, at once on every server. Needs system:admin, held by a user who reaches what the key reaches.
    async fn revoke_api_key(&self, context: &Context<'_>, input: RevokeApiKeyInput) -> Result<RevokeApiKeyPayload> {
        let id = ids::api_key_id(&input.id, "input.id")?;
        let outcome = context.identity().revoke_api_key(&context.caller(), id, input.reason.as_deref()).await;
        let (revoked, errors) = settled(context, outcome.map(Some))?;
        let api_key = match revoked {
            Some(()) => context.load(ApiKeyById(id)).await?.map(ApiKey),
            None => None,
        };
        Ok(RevokeApiKeyPayload { api_key, errors })
    }
}
