//! Hotels: reading them and which of them a user may access, adding and changing them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::audit::{Happening, fields_of_hotel};
use super::fields::{self, Edit, Problems};
use super::masking::{is_whole, settled};
use super::users::{as_allowed, later_than};
use super::{Caller, Failure, Identity, Refusal, RefusalCode, Result, rules};
use crate::store::Writes;
use crate::store::hotels::{self, Hotel, HotelFilter, HotelsOf};
use crate::store::page::{Page, PageRequest};
use crate::store::users::{HOTELS_READ, HotelScope, User};

const MAX_NAME: usize = 200;
const MAX_BRAND_OR_CITY: usize = 100;
const MAX_ADDRESS: usize = 300;

/// A hotel to add.
pub struct NewHotel {
    pub pms_hotel_id: String,
    pub name: String,
    pub brand: Option<String>,
    pub country: Option<String>,
    pub city: Option<String>,
    pub address: Option<String>,
    pub pms_type: String,
    pub pms_config: Option<Value>,
}

/// What is to change; what is kept stays, `Edit::Clear` clears what can be cleared.
#[derive(Default)]
pub struct HotelUpdate {
    pub name: Edit<String>,
    pub brand: Edit<String>,
    pub country: Edit<String>,
    pub city: Edit<String>,
    pub address: Edit<String>,
    pub pms_type: Edit<String>,
    /// What reads as it was shown stays as it is stored.
    pub pms_config: Edit<Value>,
    pub active: Edit<bool>,
}

impl Identity {
    pub async fn hotel_page(
        &self,
        caller: &Caller,
        filter: &HotelFilter,
        page: &PageRequest<String>,
    ) -> Result<Page<Hotel>> {
        Ok(hotels::page(&mut *caller.read().await?, filter, page).await?)
    }

    pub async fn hotel_count(&self, caller: &Caller, filter: &HotelFilter, at_most: Option<i64>) -> Result<i64> {
        Ok(hotels::count(&mut *caller.read().await?, filter, at_most).await?)
    }

    pub async fn hotels_by_id(&self, caller: &Caller, ids: &[String]) -> Result<Vec<Arc<Hotel>>> {
        rules::ready(&caller.principal)?;
        if let Some(catalogue) = self.database.catalogue() {
            return Ok(ids.iter().filter_map(|id| catalogue.hotel(caller.scope(), id).cloned()).collect());
        }
        Ok(hotels::by_ids(&mut *caller.read().await?, ids).await?.into_iter().map(Arc::new).collect())
    }

    /// A page of the hotels of a user in sight, as far as the caller reaches them, where they need not be read; how many there
    /// are where that is known, too.
    pub fn hotels_at_hand(
        &self,
        caller: &Caller,
        user: &User,
        page: &PageRequest<String>,
    ) -> Option<(Page<Arc<Hotel>>, Option<usize>)> {
        let catalogue = self.database.catalogue()?;
        if user.hotel_scope == HotelScope::All {
            return Some((catalogue.active_hotels(caller.scope(), page), None));
        }
        let read = user.hotel_ids.as_ref()?;
        let scope = caller.scope();
        let in_sight = || read.iter().filter(|id| scope.sees_hotel(id));
        let count = in_sight().count();
        if read.len() < HOTELS_READ {
            return Some((catalogue.page_of(in_sight(), page)?, Some(count)));
        }
        // There may be more: that does for a page from the beginning, with the one that tells of the next.
        let is_enough = page.cursor.is_none() && !page.backward && count > page.limit as usize;
        if is_enough { Some((catalogue.page_of(in_sight(), page)?, None)) } else { None }
    }

    /// A page of the hotels each of these reaches, who are of one kind.
    pub async fn hotel_pages_by_holder(
        &self,
        caller: &Caller,
        holders: &[HotelsOf],
        page: &PageRequest<String>,
    ) -> Result<HashMap<HotelsOf, Page<Arc<Hotel>>>> {
        Ok(hotels::pages_by_holders(&mut *caller.read_own().await?, holders, page).await?)
    }

    /// How many hotels each of these reaches, who are of one kind, at most `at_most`.
    pub async fn hotel_counts_by_holder(
        &self,
        caller: &Caller,
        holders: &[HotelsOf],
        at_most: Option<i64>,
    ) -> Result<HashMap<HotelsOf, i64>> {
        if let Some(catalogue) = self.database.catalogue()
            && holders.iter().all(|of| of.every)
        {
            rules::known(&caller.principal)?;
            let count = catalogue.count_active_hotels(caller.scope(), at_most);
            return Ok(holders.iter().map(|of| (*of, count)).collect());
        }
        Ok(hotels::counts_by_holders(&mut *caller.read_own().await?, holders, at_most).await?)
    }

    /// Adds a hotel; its id.
    pub async fn create_hotel(&self, caller: &Caller, new: NewHotel) -> Result<String, Failure> {
        let outcome = self.try_create_hotel(caller, new).await;
        self.noting_refusals(caller, "create_hotel", None, outcome).await
    }

    async fn try_create_hotel(&self, caller: &Caller, new: NewHotel) -> Result<String, Failure> {
        rules::may_add_hotels(rules::ready(&caller.principal)?)?;
        let now = self.clock.now();
        let mut problems = Problems::default();
        let config = problems.check(fields::pms_config("pmsConfig", new.pms_config.as_ref()));
        let settle = |config: &Value| settled(config, None, "pmsConfig");
        let hotel = Hotel {
            id: problems.check(fields::pms_hotel_id("pmsHotelId", &new.pms_hotel_id)),
            name: problems.check(fields::required("name", &new.name, MAX_NAME)),
            brand: problems.check(fields::optional("brand", new.brand.as_deref(), MAX_BRAND_OR_CITY)),
            country: problems.check(fields::country("country", new.country.as_deref())),
            city: problems.check(fields::optional("city", new.city.as_deref(), MAX_BRAND_OR_CITY)),
            address: problems.check(fields::optional("address", new.address.as_deref(), MAX_ADDRESS)),
            pms_type: problems.check(fields::pms_type("pmsType", &new.pms_type)),
            pms_config: problems.check(config.as_ref().map(settle).transpose()),
            active: true,
            created_at: now,
            updated_at: now,
        };
        problems.settle()?;

        let mut transaction = self.begin_change(caller).await?;
        let actor = self.actor(&mut transaction, caller).await?;
        rules::may_add_hotels(&actor)?;
        let by = actor.id();
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Hotels).await?;
        if !hotels::insert(&mut transaction, &hotel, by).await? {
            let message = "There is a hotel of this id already.";
            return Err(Refusal::new(RefusalCode::AlreadyTaken, "pmsHotelId", message).into());
        }
        let happening =
            Happening::new("hotel_created").by(&actor).at_hotel(&hotel.id).with_changes(&[], &fields_of_hotel(&hotel));
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, hotel = hotel.id, "hotel_created");
        Ok(hotel.id)
    }

    /// Changes a hotel.
    pub async fn update_hotel(&self, caller: &Caller, id: &str, update: HotelUpdate) -> Result<(), Failure> {
        let outcome = self.try_update_hotel(caller, id, update).await;
        self.noting_refusals(caller, "update_hotel", Some(format!("hotel:{id}")), outcome).await
    }

    async fn try_update_hotel(&self, caller: &Caller, id: &str, update: HotelUpdate) -> Result<(), Failure> {
        rules::may_change_hotels(rules::ready(&caller.principal)?)?;
        let mut problems = Problems::default();
        let mut short = |field, given: Edit<String>, max| {
            given.given(|text| problems.check(fields::optional(field, text.as_deref(), max)))
        };
        let brand = short("brand", update.brand, MAX_BRAND_OR_CITY);
        let city = short("city", update.city, MAX_BRAND_OR_CITY);
        let address = short("address", update.address, MAX_ADDRESS);
        let name = update
            .name
            .given(|name| problems.check(fields::required("name", name.as_deref().unwrap_or_default(), MAX_NAME)));
        let country = update.country.given(|code| problems.check(fields::country("country", code.as_deref())));
        let pms_type = update
            .pms_type
            .given(|word| problems.check(fields::pms_type("pmsType", word.as_deref().unwrap_or_default())));
        let pms_config =
            update.pms_config.given(|config| problems.check(fields::pms_config("pmsConfig", config.as_ref())));
        let active = update.active.given(|active| problems.check(fields::not_null("active", active)));
        problems.settle()?;

        let mut transaction = self.begin_change(caller).await?;
        let before = hotels::lock(&mut transaction, id).await?;
        let actor = self.actor(&mut transaction, caller).await?;
        rules::may_change_hotels(&actor)?;
        let before = before.filter(|hotel| rules::reaches(&actor, &hotel.id));
        let before = before.ok_or_else(|| rules::no_such("hotel", "id"))?;
        let mut after = before.clone();
        after.name = name.unwrap_or(after.name);
        after.brand = brand.unwrap_or(after.brand);
        after.country = country.unwrap_or(after.country);
        after.city = city.unwrap_or(after.city);
        after.address = address.unwrap_or(after.address);
        after.pms_type = pms_type.unwrap_or(after.pms_type);
        after.active = active.unwrap_or(after.active);
        if after.active != before.active {
            rules::may_change_hotel_activity(&actor)?;
        }
        let given_whole = pms_config.as_ref().is_some_and(|config| config.as_ref().is_none_or(is_whole));
        if let Some(config) = pms_config {
            let stored = before.pms_config.as_ref();
            after.pms_config = config.map(|config| settled(&config, stored, "pmsConfig")).transpose()?;
        }
        rules::may_change_pms(&before, &after, given_whole)?;
        let (old, new) = (fields_of_hotel(&before), fields_of_hotel(&after));
        // Of settings the trail tells that they changed, and not what they hold.
        let config_changed = before.pms_config != after.pms_config;
        if old == new && !config_changed {
            return Ok(());
        }
        let now = later_than(before.updated_at, self.clock.now());
        after.updated_at = now;
        let by = actor.id();
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Hotels).await?;
        as_allowed(hotels::update(&mut transaction, &after, by).await?, 1)?;
        let happening = Happening::new("hotel_updated")
            .by(&actor)
            .at_hotel(id)
            .with_changes(&old, &new)
            .with("pms_config_changed", config_changed);
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, hotel = id, "hotel_updated");
        Ok(())
    }
}
