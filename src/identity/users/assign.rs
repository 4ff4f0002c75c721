//! Giving roles and hotels to many users at once, and taking them: all or nothing, in a fixed number of statements.

use uuid::Uuid;

use super::change::{Consequences, with, without};
use super::create::may_give_hotels;
use crate::identity::fields::{self, MAX_ROLES_OR_HOTELS, MAX_USERS, Problems};
use crate::identity::rules::{self, UserAction};
use crate::identity::{Caller, Failure, Identity};
use crate::store::hotels;
use crate::store::users::changes;

/// Whether something is given or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    Give,
    Take,
}

impl Identity {
    /// Gives every one of these roles to every one of these users, or takes them.
    pub async fn assign_roles(
        &self,
        caller: &Caller,
        assignment: Assignment,
        users: &[Uuid],
        roles: &[Uuid],
    ) -> Result<(), Failure> {
        let outcome = self.try_assign_roles(caller, assignment, users, roles).await;
        let operation = if assignment == Assignment::Give { "assign_roles" } else { "unassign_roles" };
        self.noting_refusals(caller, operation, None, outcome).await
    }

    async fn try_assign_roles(
        &self,
        caller: &Caller,
        assignment: Assignment,
        users: &[Uuid],
        roles: &[Uuid],
    ) -> Result<(), Failure> {
        rules::may_begin(rules::ready(&caller.principal)?, UserAction::Assign, false)?;
        let mut problems = Problems::default();
        let users = problems.check(fields::distinct("users", users, MAX_USERS, false));
        let roles = problems.check(fields::distinct("roles", roles, MAX_ROLES_OR_HOTELS, false));
        problems.settle()?;
        let mut transaction = self.begin_change(caller).await?;
        if assignment == Assignment::Take {
            changes::lock_administrators(&mut transaction).await?;
        }
        let roles = self.roles_to_give(&mut transaction, &roles).await?;
        let change = self.begin_user_change(transaction, caller, UserAction::Assign, &users, "users").await?;
        if assignment == Assignment::Give {
            roles.allowed_to(&change.actor)?;
        }
        let names = roles.sorted();
        let (event_type, edit): (_, fn(&[String], &[String]) -> Vec<String>) = match assignment {
            Assignment::Give => ("roles_assigned", with),
            Assignment::Take => ("roles_unassigned", without),
        };
        let consequences = Consequences { granted: roles.granted(), ..Consequences::default() };
        self.finish_user_change(caller, change, event_type, consequences, |user| {
            user.roles = edit(&user.roles, &names);
        })
        .await
    }

    /// Assigns every one of these hotels to every one of these users, or takes them.
    pub async fn assign_hotels(
        &self,
        caller: &Caller,
        assignment: Assignment,
        users: &[Uuid],
        hotels: &[String],
    ) -> Result<(), Failure> {
        let outcome = self.try_assign_hotels(caller, assignment, users, hotels).await;
        let operation = if assignment == Assignment::Give { "assign_hotels" } else { "unassign_hotels" };
        self.noting_refusals(caller, operation, None, outcome).await
    }

    async fn try_assign_hotels(
        &self,
        caller: &Caller,
        assignment: Assignment,
        users: &[Uuid],
        hotels: &[String],
    ) -> Result<(), Failure> {
        rules::may_begin(rules::ready(&caller.principal)?, UserAction::Assign, false)?;
        let mut problems = Problems::default();
        let users = problems.check(fields::distinct("users", users, MAX_USERS, false));
        let hotels = problems.check(fields::distinct("hotels", hotels, MAX_ROLES_OR_HOTELS, false));
        problems.settle()?;
        let mut transaction = self.begin_change(caller).await?;
        let found = hotels::lock_shared(&mut transaction, &hotels).await?;
        let change = self.begin_user_change(transaction, caller, UserAction::Assign, &users, "users").await?;
        may_give_hotels(&change.actor, &hotels, &found)?;
        let (event_type, edit): (_, fn(&[String], &[String]) -> Vec<String>) = match assignment {
            Assignment::Give => ("hotels_assigned", with),
            Assignment::Take => ("hotels_unassigned", without),
        };
        self.finish_user_change(caller, change, event_type, Consequences::default(), |user| {
            user.hotels = edit(&user.hotels, &hotels);
        })
        .await
    }
}
