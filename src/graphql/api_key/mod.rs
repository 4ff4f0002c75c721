//! API keys: the type and its list. Making and revoking them is in [`mutations`].

pub mod mutations;

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, Object};

use crate::graphql::connection::{
    PageArguments, TotalCount, connection, key_cursor, read_key_cursor, read_text_cursor,
};
use crate::graphql::context::RequestContext;
use crate::graphql::errors::Result;
use crate::graphql::hotel::{HotelConnection, hotel_connection};
use crate::graphql::ids::GlobalId;
use crate::graphql::loaders::{HotelCount, HotelPage};
use crate::graphql::scalars::DateTime;
use crate::graphql::user::{HotelScope, User, load_user};
use crate::store::api_keys::{self, KeyCursor};
use crate::store::hotels::{Holder, HotelsOf};
use crate::store::users;

pub struct ApiKey(pub api_keys::ApiKey);

/// A credential of a back-end service, sent as `X-API-Key` or `Authorization: ApiKey <key>`.
///
/// Visible to itself, and with system:admin to users who reach every hotel that it reaches.
#[Object]
impl ApiKey {
    /// apikey:<uuid>
    pub async fn id(&self) -> ID {
        GlobalId::ApiKey(self.0.id).to_id()
    }

    /// For people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The service that holds it.
    async fn service_name(&self) -> &str {
        &self.0.service_name
    }

    /// First characters of the key, to recognise it by; the key itself is shown once, at creation.
    async fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// What it may do, sorted.
    async fn permissions(&self) -> &[String] {
        &self.0.permissions
    }

    /// Whether it reaches every hotel, or only those assigned.
    async fn hotel_scope(&self) -> HotelScope {
        self.0.hotel_scope.into()
    }

    /// Hotels it reaches: all active hotels under scope ALL, else those assigned. By id; only those that the caller reaches
    /// too.
    async fn hotels(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<HotelConnection> {
        let page = PageArguments { first, after, last, before }.request(|cursor| read_text_cursor("hotel", cursor))?;
        let every = self.0.hotel_scope == users::HotelScope::All;
        let of = HotelsOf { holder: Holder::ApiKey, id: self.0.id, every, only_active: false };
        let hotels = context.load(HotelPage { of, page }).await?;
        Ok(hotel_connection(hotels, TotalCount::HotelsOf(HotelCount { of, at_most: None })))
    }

    /// Who made it and answers for it: it is honoured only as long as they could make it anew. Null where the caller may not see
    /// them, and where they are gone.
    async fn owner(&self, context: &Context<'_>) -> Result<Option<User>> {
        load_user(context, self.0.created_by).await
    }

    /// False once revoked or expired. One that is active is refused all the same while its owner could not make it anew.
    async fn active(&self, context: &Context<'_>) -> bool {
        self.0.is_active(context.identity().clock().now())
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// Exact to about a minute; null if never.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(DateTime)
    }

    /// From when on it is refused; null for one of before keys had to have an end.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }

    /// When it was revoked.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }
}

pub type ApiKeyConnection = Connection<String, ApiKey, TotalCount>;

#[derive(Default)]
pub struct ApiKeyQueries;

#[Object]
impl ApiKeyQueries {
    /// The API keys whose every hotel the caller reaches, revoked ones too, newest first. Needs system:admin, held by a user.
    async fn api_keys(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<ApiKeyConnection> {
        let page = PageArguments { first, after, last, before }.request(read_key_cursor)?;
        let keys = context.identity().api_key_page(&context.caller(), &page).await?;
        let cursor = |key: &api_keys::ApiKey| key_cursor(&KeyCursor { created_at: key.created_at, id: key.id });
        Ok(connection(keys, TotalCount::ApiKeys, cursor, ApiKey))
    }
}
