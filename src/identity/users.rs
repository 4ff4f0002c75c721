//! Reading users. What the caller may not see is simply not there.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Caller, Identity, Result, rules};
use crate::store::page::{Page, PageRequest};
use crate::store::users::{self, User, UserCursor, UserFilter, UserOrder, UsersOf};

/// An email address as it is stored, trimmed and in lower case; None where it can be nobody's.
pub fn stored_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let plausible = (3..=254).contains(&email.len()) && email.contains('@') && !email.contains(char::is_control);
    plausible.then_some(email)
}

impl Identity {
    /// A page of users for each of `parents`, which are of one kind.
    pub async fn user_pages(
        &self,
        caller: &Caller,
        parents: &[UsersOf],
        filter: &UserFilter,
        order: UserOrder,
        page: &PageRequest<UserCursor>,
    ) -> Result<HashMap<UsersOf, Page<User>>> {
        Ok(users::pages(&mut *caller.read().await?, parents, filter, order, page).await?)
    }

    /// How many users each of `parents` has, at most `at_most`.
    pub async fn user_counts(
        &self,
        caller: &Caller,
        parents: &[UsersOf],
        filter: &UserFilter,
        at_most: Option<i64>,
    ) -> Result<HashMap<UsersOf, i64>> {
        Ok(users::counts(&mut *caller.read().await?, parents, filter, at_most).await?)
    }

    /// The visible ones among these users; oneself also while the password must be changed.
    pub async fn users_by_id(&self, caller: &Caller, ids: &[Uuid]) -> Result<Vec<User>> {
        Ok(users::by_ids(&mut *caller.read_own().await?, ids).await?)
    }

    /// The user with this email address, however it is written.
    pub async fn user_by_email(&self, caller: &Caller, email: &str) -> Result<Option<User>> {
        rules::ready(&caller.principal)?;
        let Some(email) = stored_email(email) else { return Ok(None) };
        Ok(users::by_email(&mut *caller.read().await?, &email).await?)
    }
}
