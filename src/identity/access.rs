//! What others may do, and where: decisions for those who ask on every call. However much is asked at once, it is decided by
//! what one statement has read: roles and hotels from memory could be of another moment than who holds them, and a decision of
//! two moments may grant what nobody ever held. What a role is called may come from memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

pub use super::rules::decisions::Reason;
use super::rules::decisions::{Place, decide};
use super::{Caller, Error, Identity, Result, rules};
use crate::store::hotels::{self, Holder, HotelsOf};
use crate::store::page::{Page, PageRequest};
use crate::store::roles::{self, Role};
use crate::store::users::decisions::{Asked, Grounds, Standing, grounds};
use crate::store::users::{self, HotelScope, User, UserCursor, UserFilter, UserOrder, UserOrderField, UsersOf, With};

/// The most checks that one call takes.
pub const MAX_CHECKS: usize = 1000;

/// May this user do this at this hotel, or at any?
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    pub user: Uuid,
    pub permission: String,
    pub hotel: Option<String>,
}

/// The answer to a check.
#[derive(Clone, Debug)]
pub struct Decision {
    pub reason: Reason,
    /// The active roles of the user that grant the permission.
    pub granted_by: Vec<Arc<Role>>,
}

/// Where a user may do something.
#[derive(Clone, Copy, Debug)]
pub enum Reach {
    Nowhere,
    At(HotelsOf),
}

impl Identity {
    /// Refuses a caller who may not ask what others may do.
    pub fn may_check_access(&self, caller: &Caller) -> Result<()> {
        rules::may_check_access(rules::ready(&caller.principal)?)
    }

    /// Decides these checks, in their order, as far as the caller may see users and hotels.
    pub async fn check_access(&self, caller: &Caller, checks: &[Check]) -> Result<Vec<Decision>> {
        self.may_check_access(caller)?;
        if checks.len() > MAX_CHECKS {
            let problem = format!("holds {} checks; one call takes at most {MAX_CHECKS}", checks.len());
            return Err(Error::bad_input("checks", problem));
        }
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let places = checks.iter().filter_map(|check| Some((check.user, check.hotel.clone()?)));
        let asked = Asked {
            users: distinct(checks.iter().map(|check| check.user)),
            permissions: distinct(checks.iter().map(|check| check.permission.clone())),
            hotels: distinct(checks.iter().filter_map(|check| check.hotel.clone())),
            places: distinct(places),
            any_hotel: checks.iter().any(|check| check.hotel.is_none()),
        };
        let mut transaction = caller.read().await?;
        let Grounds { users, granting, hotels } = grounds(&mut transaction, &asked).await?;
        let roles = self.granting_roles(&mut transaction, &granting).await?;
        drop(transaction);
        let decide = |check: &Check| {
            let user = users.get(&check.user);
            let granting = user.map(|user| roles_granting(user, &granting, &check.permission)).unwrap_or_default();
            let place = match &check.hotel {
                None => Place::AnyHotel,
                Some(id) => hotels.get(id).map_or(Place::Nowhere, |active| Place::Hotel { id, active: *active }),
            };
            let mut granted_by: Vec<_> = granting.iter().filter_map(|id| roles.get(id).cloned()).collect();
            granted_by.sort_by(|one, other| one.name.cmp(&other.name));
            Decision { reason: decide(user, !granting.is_empty(), place, now), granted_by }
        };
        Ok(checks.iter().map(decide).collect())
    }

    /// Where each of these users may do something, or anything where no permission is named; those that the caller may not
    /// see are left out.
    pub async fn reaches(
        &self,
        caller: &Caller,
        asked: &[(Uuid, Option<String>)],
    ) -> Result<HashMap<(Uuid, Option<String>), Reach>> {
        self.may_check_access(caller)?;
        let now = self.clock.now();
        let wanted = Asked {
            users: distinct(asked.iter().map(|(user, _)| *user)),
            permissions: distinct(asked.iter().filter_map(|(_, permission)| permission.clone())),
            any_hotel: true,
            ..Asked::default()
        };
        let Grounds { users, granting, .. } = grounds(&mut *caller.read().await?, &wanted).await?;
        let reach = |(id, permission): &(Uuid, Option<String>)| {
            let user = users.get(id)?;
            let is_granted = |permission: &String| !roles_granting(user, &granting, permission).is_empty();
            let granted = permission.as_ref().is_none_or(is_granted);
            let reach = match decide(Some(user), granted, Place::AnyHotel, now) {
                Reason::Granted => Reach::At(HotelsOf {
                    holder: Holder::User,
                    id: *id,
                    every: user.hotel_scope == HotelScope::All,
                    only_active: true,
                }),
                _ => Reach::Nowhere,
            };
            Some(((*id, permission.clone()), reach))
        };
        Ok(asked.iter().filter_map(reach).collect())
    }

    /// A page of the users who may do something at a hotel, in the order they were made, as far as the caller may see them.
    pub async fn users_with_access(
        &self,
        caller: &Caller,
        hotel: &str,
        permission: &str,
        page: &PageRequest<UserCursor>,
    ) -> Result<Option<Page<User>>> {
        self.may_check_access(caller)?;
        let asked = [hotel.to_owned()];
        let mut transaction = caller.read().await?;
        if hotels::active_ones(&mut transaction, &asked).await?.iter().all(|(_, active)| !active) {
            return Ok(None);
        }
        // By role: what no role grants needs no look at users at all.
        let granting = roles::granting(&mut transaction, &[permission.to_owned()]).await?;
        if granting.is_empty() {
            return Ok(None);
        }
        let filter = UserFilter {
            roles: Some(granting.into_iter().map(|role| role.id).collect()),
            active: Some(true),
            locked: Some((false, self.clock.now())),
            ..UserFilter::default()
        };
        let order = UserOrder { field: UserOrderField::CreatedAt, descending: false };
        let parent = UsersOf::Hotel(hotel.to_owned());
        let with = With::default();
        let mut pages =
            users::pages(&mut transaction, std::slice::from_ref(&parent), &filter, order, page, with).await?;
        Ok(pages.remove(&parent))
    }
}

fn distinct<T: std::hash::Hash + Eq + Clone>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.collect::<HashSet<T>>().into_iter().collect()
}

/// Those of the roles held by this user that grant this permission.
fn roles_granting(user: &Standing, granting: &HashMap<Uuid, Vec<String>>, permission: &str) -> Vec<Uuid> {
    let grants = |id: &&Uuid| granting.get(id).is_some_and(|granted| granted.iter().any(|each| each == permission));
    user.roles.iter().filter(grants).copied().collect()
}
