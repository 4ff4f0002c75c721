//! Reading hotels, and which of them a user may access.

use std::collections::HashMap;

use super::{Caller, Identity, Result};
use crate::store::hotels::{self, Hotel, HotelFilter, HotelsOf};
use crate::store::page::{Page, PageRequest};

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

    pub async fn hotels_by_id(&self, caller: &Caller, ids: &[String]) -> Result<Vec<Hotel>> {
        Ok(hotels::by_ids(&mut *caller.read().await?, ids).await?)
    }

    /// A page of the hotels each of these users may access.
    pub async fn hotel_pages_by_user(
        &self,
        caller: &Caller,
        users: &[HotelsOf],
        page: &PageRequest<String>,
    ) -> Result<HashMap<HotelsOf, Page<Hotel>>> {
        Ok(hotels::pages_by_users(&mut *caller.read_own().await?, users, page).await?)
    }

    /// How many hotels each of these users may access, at most `at_most`.
    pub async fn hotel_counts_by_user(
        &self,
        caller: &Caller,
        users: &[HotelsOf],
        at_most: Option<i64>,
    ) -> Result<HashMap<HotelsOf, i64>> {
        Ok(hotels::counts_by_users(&mut *caller.read_own().await?, users, at_most).await?)
    }
}
