//! What others may do, and where: decisions for those who ask on every call. Each takes as many statements however much is
//! asked at once, and all of them in one transaction: roles and hotels from memory could be of another moment than who holds
//! them, and a decision of two moments may grant what nobody ever held.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

pub use super::rules::decisions::Reason;
use super::rules::decisions::{Place, decide};
use super::{Caller, Error, Identity, Result, rules};
use crate::store::hotels::{self, Holder, HotelsOf};
use crate::store::page::{Page, PageRequest};
use crate::store::roles::{self, Role};
use crate::store::users::decisions::{Standing, standings};
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
        let users = distinct(checks.iter().map(|check| check.user));
        let permissions = distinct(checks.iter().map(|check| check.permission.clone()));
        let asked = distinct(checks.iter().filter_map(|check| check.hotel.clone()));
        let any_hotel = checks.iter().any(|check| check.hotel.is_none());
        let mut transaction = caller.read().await?;
        let users = by_id(standings(&mut transaction, &users, &asked, any_hotel).await?);
        let granting = Granting::new(roles::granting(&mut transaction, &permissions).await?);
        let active: HashMap<String, bool> = hotels::active_ones(&mut transaction, &asked).await?.into_iter().collect();
        drop(transaction);
        let decide = |check: &Check| {
            let user = users.get(&check.user);
            let granted_by = user.map(|user| granting.of(user, &check.permission)).unwrap_or_default();
            let place = match &check.hotel {
                None => Place::AnyHotel,
                Some(id) => active.get(id).map_or(Place::Nowhere, |active| Place::Hotel { id, active: *active }),
            };
            Decision { reason: decide(user, !granted_by.is_empty(), place, now), granted_by }
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
        let users = distinct(asked.iter().map(|(user, _)| *user));
        let permissions = distinct(asked.iter().filter_map(|(_, permission)| permission.clone()));
        let mut transaction = caller.read().await?;
        let users = by_id(standings(&mut transaction, &users, &[], true).await?);
        let granting = Granting::new(roles::granting(&mut transaction, &permissions).await?);
        drop(transaction);
        let reach = |(id, permission): &(Uuid, Option<String>)| {
            let user = users.get(id)?;
            let granted = permission.as_ref().is_none_or(|permission| !granting.of(user, permission).is_empty());
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

fn by_id(users: Vec<Standing>) -> HashMap<Uuid, Standing> {
    users.into_iter().map(|user| (user.id, user)).collect()
}

/// Active roles that grant what was asked for.
struct Granting(HashMap<Uuid, Arc<Role>>);

impl Granting {
    fn new(roles: Vec<Role>) -> Self {
        Self(roles.into_iter().map(|role| (role.id, Arc::new(role))).collect())
    }

    /// Those of this user that grant this permission, by name.
    fn of(&self, user: &Standing, permission: &str) -> Vec<Arc<Role>> {
        let held = user.roles.iter().filter_map(|id| self.0.get(id));
        let mut granting: Vec<_> =
            held.filter(|role| role.permissions.iter().any(|held| held == permission)).cloned().collect();
        granting.sort_by(|one, other| one.name.cmp(&other.name));
        granting
    }
}
