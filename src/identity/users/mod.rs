//! Users. Reading them is here, and what the caller may not see is simply not there; [`create`], [`update`], [`standing`],
//! [`assign`] and [`delete`] change them, all by way of [`change`]; [`transfer`] moves them between files and here.

mod assign;
mod audit_names;
mod change;
mod create;
mod delete;
mod record;
mod standing;
mod transfer;
mod update;

use std::collections::HashMap;

use uuid::Uuid;

pub use assign::Assignment;
pub use audit_names::OddAccount;
pub(super) use change::{as_allowed, later_than};
pub use create::NewUser;
pub(super) use create::may_give_hotels;
pub use record::UserRecord;
pub(super) use standing::MAX_REASON;
pub use standing::PasswordSet;
pub use transfer::{Import, Imported, Keep, Wrong};
pub use update::UserUpdate;

use super::fields::stored_email;
use super::{Caller, Identity, Result, rules};
use crate::store::page::{Page, PageRequest};
use crate::store::users::{self, User, UserCursor, UserFilter, UserOrder, UsersOf, With};
use crate::text::nfc;

/// An email address as it is looked up: as it is stored, or at least trimmed and in lower case, for accounts that came from
/// elsewhere; None where it can be nobody's.
pub fn email_to_look_up(text: &str) -> Option<String> {
    let lenient = || {
        let email = nfc(&text.trim().to_lowercase()).into_owned();
        let plausible = (3..=254).contains(&email.len()) && email.contains('@') && !email.contains(char::is_control);
        plausible.then_some(email)
    };
    stored_email(text).or_else(lenient)
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
        with: With,
    ) -> Result<HashMap<UsersOf, Page<User>>> {
        rules::may_list(rules::ready(&caller.principal)?, filter, Some(order))?;
        Ok(users::pages(&mut *caller.read().await?, parents, filter, order, page, with).await?)
    }

    /// How many users each of `parents` has, at most `at_most`.
    pub async fn user_counts(
        &self,
        caller: &Caller,
        parents: &[UsersOf],
        filter: &UserFilter,
        at_most: Option<i64>,
    ) -> Result<HashMap<UsersOf, i64>> {
        rules::may_list(rules::ready(&caller.principal)?, filter, None)?;
        Ok(users::counts(&mut *caller.read().await?, parents, filter, at_most).await?)
    }

    /// The visible ones among these users; oneself also while the password must be changed.
    pub async fn users_by_id(&self, caller: &Caller, ids: &[Uuid]) -> Result<Vec<User>> {
        Ok(users::by_ids(&mut *caller.read_own().await?, ids).await?)
    }

    /// The user named by id (a bare uuid or `user:<uuid>`) or by email address.
    pub async fn find_user(&self, caller: &Caller, name: &str) -> Result<Option<User>> {
        match name.strip_prefix("user:").unwrap_or(name).parse() {
            Ok(id) => Ok(self.users_by_id(caller, &[id]).await?.pop()),
            Err(_) => self.user_by_email(caller, name).await,
        }
    }

    /// The user with this email address, however it is written.
    pub async fn user_by_email(&self, caller: &Caller, email: &str) -> Result<Option<User>> {
        rules::ready(&caller.principal)?;
        let Some(email) = email_to_look_up(email) else { return Ok(None) };
        Ok(users::by_email(&mut *caller.read().await?, &email).await?)
    }
}
