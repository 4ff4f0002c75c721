//! Roles: reading, adding, changing and deleting them.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::audit::{Happening, fields_of_role};
use super::fields::{self, Edit, Problems};
use super::users::{as_allowed, later_than};
use super::{Caller, Failure, Identity, Refusal, RefusalCode, Result, rules};
use crate::store::page::{Page, PageRequest};
use crate::store::roles::{self, Role, RoleFilter};
use crate::store::users::User;
use crate::store::{Transaction, Writes};

const MAX_DISPLAY_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 1000;

/// A role to add.
pub struct NewRole {
    pub name: String,
    pub display_name: String,
    pub description: Option<String>,
    pub permissions: Vec<String>,
}

/// What is to change; what is kept stays. A description can be cleared: `Edit::Clear`.
#[derive(Default)]
pub struct RoleUpdate {
    pub display_name: Edit<String>,
    pub description: Edit<String>,
    pub permissions: Edit<Vec<String>>,
    pub active: Edit<bool>,
}

impl Identity {
    pub async fn role_page(
        &self,
        caller: &Caller,
        filter: &RoleFilter,
        page: &PageRequest<String>,
    ) -> Result<Page<Role>> {
        Ok(roles::page(&mut *caller.read().await?, filter, page).await?)
    }

    pub async fn role_count(&self, caller: &Caller, filter: &RoleFilter, at_most: Option<i64>) -> Result<i64> {
        Ok(roles::count(&mut *caller.read().await?, filter, at_most).await?)
    }

    pub async fn roles_by_id(&self, caller: &Caller, ids: &[Uuid]) -> Result<Vec<Arc<Role>>> {
        rules::ready(&caller.principal)?;
        if let Some(catalogue) = self.database.catalogue() {
            return Ok(ids.iter().filter_map(|id| catalogue.role(*id).cloned()).collect());
        }
        Ok(roles::by_ids(&mut *caller.read().await?, ids).await?.into_iter().map(Arc::new).collect())
    }

    /// The roles of a user in sight, by name, where they need not be read.
    pub fn roles_at_hand(&self, user: &User) -> Option<Vec<Arc<Role>>> {
        let (ids, catalogue) = (user.role_ids.as_ref()?, self.database.catalogue()?);
        let mut roles = ids.iter().map(|id| catalogue.role(*id).cloned()).collect::<Option<Vec<_>>>()?;
        roles.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Some(roles)
    }

    /// The active roles that this transaction has found to grant these permissions. From memory, unless they are not so there.
    pub(super) async fn granting_roles(
        &self,
        transaction: &mut Transaction,
        found: &HashMap<Uuid, Vec<String>>,
    ) -> Result<HashMap<Uuid, Arc<Role>>> {
        let catalogue = self.database.catalogue();
        let (mut known, mut unknown) = (HashMap::new(), Vec::new());
        for (id, permissions) in found {
            let role = catalogue.as_ref().and_then(|catalogue| catalogue.role(*id));
            match role.filter(|role| role.active && role.permissions == *permissions) {
                Some(role) => _ = known.insert(*id, role.clone()),
                None => unknown.push(*id),
            }
        }
        if !unknown.is_empty() {
            let read = roles::by_ids(transaction, &unknown).await?;
            known.extend(read.into_iter().map(|role| (role.id, Arc::new(role))));
        }
        Ok(known)
    }

    pub async fn role_by_name(&self, caller: &Caller, name: &str) -> Result<Option<Role>> {
        Ok(roles::by_name(&mut *caller.read().await?, name).await?)
    }

    /// The roles each of these users holds; one's own also while the password must be changed.
    pub async fn roles_by_user(&self, caller: &Caller, users: &[Uuid]) -> Result<HashMap<Uuid, Vec<Arc<Role>>>> {
        Ok(roles::by_users(&mut *caller.read_own().await?, users).await?)
    }

    /// Adds a role; its id.
    pub async fn create_role(&self, caller: &Caller, new: NewRole) -> Result<Uuid, Failure> {
        let outcome = self.try_create_role(caller, new).await;
        self.noting_refusals(caller, "create_role", None, outcome).await
    }

    async fn try_create_role(&self, caller: &Caller, new: NewRole) -> Result<Uuid, Failure> {
        rules::may_change_roles(rules::ready(&caller.principal)?)?;
        let mut problems = Problems::default();
        let name = problems.check(fields::role_name("name", &new.name));
        let display_name = problems.check(fields::required("displayName", &new.display_name, MAX_DISPLAY_NAME));
        let description = problems.check(fields::optional("description", new.description.as_deref(), MAX_DESCRIPTION));
        let permissions = problems.check(fields::permissions("permissions", &new.permissions));
        problems.settle()?;

        let mut transaction = self.begin_change(caller).await?;
        let actor = self.actor(&mut transaction, caller).await?;
        rules::may_change_roles(&actor)?;
        rules::may_give_permissions(&actor, &permissions)?;
        let (now, by) = (self.clock.now(), actor.id());
        let role = Role {
            id: self.clock.new_id(),
            name,
            display_name,
            description,
            permissions,
            active: true,
            system: false,
            created_at: now,
            updated_at: now,
        };
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Roles).await?;
        if !roles::insert(&mut transaction, &role, by).await? {
            let message = "There is a role of this name already.";
            return Err(Refusal::new(RefusalCode::AlreadyTaken, "name", message).into());
        }
        let happening =
            Happening::new("role_created").by(&actor).to(gid(role.id)).with_changes(&[], &fields_of_role(&role));
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, role = role.name, "role_created");
        Ok(role.id)
    }

    /// Changes a role that is not built in.
    pub async fn update_role(&self, caller: &Caller, id: Uuid, update: RoleUpdate) -> Result<(), Failure> {
        let outcome = self.try_update_role(caller, id, update).await;
        self.noting_refusals(caller, "update_role", Some(gid(id)), outcome).await
    }

    async fn try_update_role(&self, caller: &Caller, id: Uuid, update: RoleUpdate) -> Result<(), Failure> {
        rules::may_change_roles(rules::ready(&caller.principal)?)?;
        let mut problems = Problems::default();
        let display_name = update.display_name.given(|name| {
            problems.check(fields::required("displayName", name.as_deref().unwrap_or_default(), MAX_DISPLAY_NAME))
        });
        let description = update
            .description
            .given(|text| problems.check(fields::optional("description", text.as_deref(), MAX_DESCRIPTION)));
        let permissions = update.permissions.given(|permissions| {
            let given = problems.check(fields::not_null("permissions", permissions));
            problems.check(fields::permissions("permissions", &given))
        });
        let active = update.active.given(|active| problems.check(fields::not_null("active", active)));
        problems.settle()?;

        let mut transaction = self.begin_change(caller).await?;
        let before = roles::lock(&mut transaction, id).await?;
        let actor = self.actor(&mut transaction, caller).await?;
        rules::may_change_roles(&actor)?;
        let before = before.ok_or_else(|| rules::no_such("role", "id"))?;
        rules::on_role(&actor, &before)?;
        if let Some(permissions) = &permissions {
            rules::may_give_permissions(&actor, permissions)?;
        }
        let mut after = before.clone();
        after.display_name = display_name.unwrap_or(after.display_name);
        after.description = description.unwrap_or(after.description);
        after.permissions = permissions.unwrap_or(after.permissions);
        after.active = active.unwrap_or(after.active);
        let (old, new) = (fields_of_role(&before), fields_of_role(&after));
        if old == new {
            return Ok(());
        }
        let now = later_than(before.updated_at, self.clock.now());
        after.updated_at = now;
        let by = actor.id();
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Roles).await?;
        as_allowed(roles::update(&mut transaction, &after, by).await?, 1)?;
        let happening = Happening::new("role_updated").by(&actor).to(gid(id)).with_changes(&old, &new);
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, role = after.name, "role_updated");
        Ok(())
    }

    /// Deletes a role that is not built in and that nobody holds.
    pub async fn delete_role(&self, caller: &Caller, id: Uuid) -> Result<(), Failure> {
        let outcome = self.try_delete_role(caller, id).await;
        self.noting_refusals(caller, "delete_role", Some(gid(id)), outcome).await
    }

    async fn try_delete_role(&self, caller: &Caller, id: Uuid) -> Result<(), Failure> {
        rules::may_change_roles(rules::ready(&caller.principal)?)?;
        let mut transaction = self.begin_change(caller).await?;
        let role = roles::lock(&mut transaction, id).await?;
        let actor = self.actor(&mut transaction, caller).await?;
        rules::may_change_roles(&actor)?;
        let role = role.ok_or_else(|| rules::no_such("role", "id"))?;
        rules::on_role(&actor, &role)?;
        // The lock keeps it from being given to anybody meanwhile.
        if roles::is_held(&mut transaction, id).await? {
            let message = "Users still hold this role: take it from them first.";
            return Err(Refusal::new(RefusalCode::StillInUse, "id", message).into());
        }
        let now = later_than(role.updated_at, self.clock.now());
        transaction.act_as(&rules::scope_of_actor(&actor), Writes::Roles).await?;
        as_allowed(roles::delete(&mut transaction, id).await?, 1)?;
        let happening = Happening::new("role_deleted").by(&actor).to(gid(id)).with_changes(&fields_of_role(&role), &[]);
        self.record(&mut transaction, caller, vec![happening], now).await?;
        transaction.commit().await?;
        tracing::info!(actor = %actor, role = role.name, "role_deleted");
        Ok(())
    }
}

fn gid(id: Uuid) -> String {
    format!("role:{id}")
}
