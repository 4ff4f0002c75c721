//! Hotels: the type, its look-ups and its lists. Changing them is in [`mutations`], what of them is written at once in [`at_hand`].

mod at_hand;
pub mod mutations;

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, InputObject, Json, Object, OneofObject};
pub use at_hand::ReachedHotels;

use crate::graphql::connection::{PageArguments, TotalCount, connection, read_text_cursor, text_cursor};
use crate::graphql::context::RequestContext;
use crate::graphql::errors::Result;
use crate::graphql::ids::{self, GlobalId};
use crate::graphql::loaders::HotelById;
use crate::graphql::scalars::DateTime;
use crate::graphql::user::{UserConnection, UserFilter, UserOrder, list_users, search_text};
use crate::identity::{pms_config_of, require_ready};
use crate::store::hotels;
use crate::store::page::Page;
use crate::store::users::UsersOf;

pub struct Hotel(pub Arc<hotels::Hotel>);

/// A tenant. Its key is the hotel id of the property-management system (PMS). Visible to callers who reach it.
#[Object]
impl Hotel {
    /// hotel:<PMS hotel id>
    pub async fn id(&self) -> ID {
        GlobalId::Hotel(self.0.id.clone()).to_id()
    }

    /// The bare PMS hotel id, e.g. hotel-001.
    async fn pms_hotel_id(&self) -> &str {
        &self.0.id
    }

    /// For people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The chain or label it belongs to.
    async fn brand(&self) -> Option<&str> {
        self.0.brand.as_deref()
    }

    /// ISO 3166-1 alpha-2.
    async fn country(&self) -> Option<&str> {
        self.0.country.as_deref()
    }

    /// Town.
    async fn city(&self) -> Option<&str> {
        self.0.city.as_deref()
    }

    /// Street and number.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// apaleo, mews, opera, ...
    async fn pms_type(&self) -> &str {
        &self.0.pms_type
    }

    /// Null without hotel:update on this hotel; settings that are not known to be harmless are masked, whatever they hold.
    async fn pms_config(&self, context: &Context<'_>) -> Option<Json<serde_json::Value>> {
        pms_config_of(&context.caller().principal, &self.0).map(Json)
    }

    /// An inactive hotel is seen by callers with hotel scope ALL, and reached by nobody.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// Users who may access this hotel, those with scope ALL included, as far as the caller may see them.
    #[allow(clippy::too_many_arguments, reason = "the contract's arguments")]
    async fn users(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<UserFilter>,
        order_by: Option<UserOrder>,
    ) -> Result<UserConnection> {
        let parent = UsersOf::Hotel(self.0.id.clone());
        let page = PageArguments { first, after, last, before };
        Box::pin(list_users(context, parent, page, filter, order_by)).await
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }
}

pub type HotelConnection = Connection<String, Hotel, TotalCount>;

pub fn hotel_connection(page: Option<Page<Arc<hotels::Hotel>>>, total: TotalCount) -> HotelConnection {
    let Some(page) = page else { return Connection::with_additional_fields(false, false, total) };
    connection(page, total, |hotel| text_cursor("hotel", &hotel.id), Hotel)
}

/// Names one hotel, by id or by the bare PMS hotel id.
#[derive(OneofObject)]
pub enum HotelBy {
    /// hotel:<PMS hotel id>
    Id(ID),
    /// e.g. hotel-001
    PmsHotelId(String),
}

/// Narrows a list of hotels; what is left out does not.
#[derive(Default, InputObject)]
pub struct HotelFilter {
    /// Case-insensitive, and accents do not matter; each word matches anywhere in id, name, brand or city. At least 2 characters, or one that
    /// is a word, such as 李.
    search: Option<String>,
    /// Active, or not.
    active: Option<bool>,
    /// Exactly this brand.
    brand: Option<String>,
    /// Exactly this kind of PMS.
    pms_type: Option<String>,
    /// ISO 3166-1 alpha-2.
    country: Option<String>,
}

#[derive(Default)]
pub struct HotelQueries;

#[Object]
impl HotelQueries {
    /// One hotel; null where there is none that the caller may see.
    async fn hotel(&self, context: &Context<'_>, by: HotelBy) -> Result<Option<Hotel>> {
        require_ready(&context.caller())?;
        let id = match by {
            HotelBy::Id(id) => ids::hotel_id(&id, "by.id")?,
            HotelBy::PmsHotelId(id) => id,
        };
        Ok(context.load(HotelById(id)).await?.map(Hotel))
    }

    /// The hotels the caller reaches, by id.
    async fn hotels(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<HotelFilter>,
    ) -> Result<HotelConnection> {
        let page = PageArguments { first, after, last, before }.request(|cursor| read_text_cursor("hotel", cursor))?;
        let filter = filter.unwrap_or_default();
        let filter = hotels::HotelFilter {
            search: search_text(filter.search)?,
            active: filter.active,
            brand: filter.brand,
            pms_type: filter.pms_type,
            country: filter.country,
        };
        let hotels = context.identity().hotel_page(&context.caller(), &filter, &page).await?;
        Ok(hotel_connection(Some(hotels.map(Arc::new)), TotalCount::Hotels(filter)))
    }
}
