//! Adding and changing hotels.

use async_graphql::{Context, ID, InputObject, Json, MaybeUndefined, Object, SimpleObject};

use super::Hotel;
use crate::graphql::context::RequestContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::loaders::HotelById;
use crate::graphql::payload::{MutationError, edit, settled};
use crate::identity::{HotelUpdate, NewHotel};

/// A hotel to add.
#[derive(InputObject)]
pub struct CreateHotelInput {
    /// The hotel's id in its PMS, at most 100 bytes. Unique, and for good.
    pms_hotel_id: String,
    /// For people, at most 200 characters.
    name: String,
    /// The chain or label it belongs to, at most 100 characters.
    brand: Option<String>,
    /// ISO 3166-1 alpha-2.
    country: Option<String>,
    /// Town, at most 100 characters.
    city: Option<String>,
    /// Street and number, at most 300 characters.
    address: Option<String>,
    /// One word: apaleo, mews, opera, ...
    pms_type: String,
    /// An object of at most 16 KiB. What is not known to be harmless is never shown again.
    #[graphql(secret)]
    pms_config: Option<Json<serde_json::Value>>,
}

/// The hotel that was added.
#[derive(SimpleObject)]
pub struct CreateHotelPayload {
    /// The hotel; null where there are errors.
    hotel: Option<Hotel>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// Fields left out stay as they are; null clears where the field may be null.
#[derive(InputObject)]
pub struct UpdateHotelInput {
    /// hotel:<PMS hotel id>
    id: ID,
    /// For people, at most 200 characters.
    name: MaybeUndefined<String>,
    /// The chain or label it belongs to, at most 100 characters.
    brand: MaybeUndefined<String>,
    /// ISO 3166-1 alpha-2.
    country: MaybeUndefined<String>,
    /// Town, at most 100 characters.
    city: MaybeUndefined<String>,
    /// Street and number, at most 300 characters.
    address: MaybeUndefined<String>,
    /// One word: apaleo, mews, opera, ...
    pms_type: MaybeUndefined<String>,
    /// All the settings anew, an object of at most 16 KiB. Sent back just as they were shown, they stay as they are stored; with
    /// anything changed, or another `pmsType`, every secret is given anew.
    #[graphql(secret)]
    pms_config: MaybeUndefined<Json<serde_json::Value>>,
    /// Whether the hotel is open. Takes hotel scope ALL: an inactive hotel is reached by nobody, and seen by those with
    /// scope ALL alone.
    active: MaybeUndefined<bool>,
}

/// The hotel that was changed.
#[derive(SimpleObject)]
pub struct UpdateHotelPayload {
    /// The hotel as it is now; null where there are errors.
    hotel: Option<Hotel>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

#[derive(Default)]
pub struct HotelMutations;

#[Object]
impl HotelMutations {
    /// Adds a hotel. Needs hotel:create and hotel scope ALL.
    async fn create_hotel(&self, context: &Context<'_>, input: CreateHotelInput) -> Result<CreateHotelPayload> {
        let new = NewHotel {
            pms_hotel_id: input.pms_hotel_id,
            name: input.name,
            brand: input.brand,
            country: input.country,
            city: input.city,
            address: input.address,
            pms_type: input.pms_type,
            pms_config: input.pms_config.map(|config| config.0),
        };
        let outcome = context.identity().create_hotel(&context.caller(), new).await;
        let (id, errors) = settled(context, outcome.map(Some))?;
        Ok(CreateHotelPayload { hotel: load_hotel(context, id).await?, errors })
    }

    /// Changes a hotel. Needs hotel:update, and that the caller reaches it.
    async fn update_hotel(&self, context: &Context<'_>, input: UpdateHotelInput) -> Result<UpdateHotelPayload> {
        let id = ids::hotel_id(&input.id, "input.id")?;
        let update = HotelUpdate {
            name: edit(input.name),
            brand: edit(input.brand),
            country: edit(input.country),
            city: edit(input.city),
            address: edit(input.address),
            pms_type: edit(input.pms_type),
            pms_config: edit(input.pms_config.map_value(|config| config.0)),
            active: edit(input.active),
        };
        let outcome = context.identity().update_hotel(&context.caller(), &id, update).await;
        let (id, errors) = settled(context, outcome.map(|()| Some(id)))?;
        Ok(UpdateHotelPayload { hotel: load_hotel(context, id).await?, errors })
    }
}

async fn load_hotel(context: &Context<'_>, id: Option<String>) -> Result<Option<Hotel>> {
    let Some(id) = id else { return Ok(None) };
    Ok(context.load(HotelById(id)).await?.map(Hotel))
}
