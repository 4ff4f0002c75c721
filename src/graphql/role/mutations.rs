//! Adding, changing and deleting roles.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use uuid::Uuid;

use super::Role;
use crate::graphql::context::RequestContext;
use crate::graphql::errors::Result;
use crate::graphql::ids::{self, GlobalId};
use crate::graphql::loaders::RoleById;
use crate::graphql::payload::{MutationError, edit, settled};
use crate::identity::{NewRole, RoleUpdate};

/// A role to add.
#[derive(InputObject)]
pub struct CreateRoleInput {
    /// Upper snake case, 2 to 63 characters, e.g. NIGHT_AUDITOR. Unique, and for good.
    name: String,
    /// For people, at most 100 characters.
    display_name: String,
    /// What the role is for, at most 1,000 characters.
    description: Option<String>,
    /// Of those that the query `permissions` lists, and that the caller holds.
    #[graphql(default)]
    permissions: Vec<String>,
}

/// The role that was added.
#[derive(SimpleObject)]
pub struct CreateRolePayload {
    /// The role; null where there are errors.
    role: Option<Role>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// Fields left out stay as they are; null clears where the field may be null.
#[derive(InputObject)]
pub struct UpdateRoleInput {
    /// role:<uuid>
    id: ID,
    /// For people, at most 100 characters.
    display_name: MaybeUndefined<String>,
    /// What the role is for, at most 1,000 characters.
    description: MaybeUndefined<String>,
    /// All that the role is to grant: of those that the caller holds.
    permissions: MaybeUndefined<Vec<String>>,
    /// An inactive role grants nothing.
    active: MaybeUndefined<bool>,
}

/// The role that was changed.
#[derive(SimpleObject)]
pub struct UpdateRolePayload {
    /// The role as it is now; null where there are errors.
    role: Option<Role>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

/// A role to delete.
#[derive(InputObject)]
pub struct DeleteRoleInput {
    /// role:<uuid>
    id: ID,
}

/// The role that was deleted.
#[derive(SimpleObject)]
pub struct DeleteRolePayload {
    /// The id that was the role's; null where there are errors.
    deleted_id: Option<ID>,
    /// What the person must put right; empty where it worked.
    errors: Vec<MutationError>,
}

#[derive(Default)]
pub struct RoleMutations;

#[Object]
impl RoleMutations {
    /// Adds a role. Needs system:admin and hotel scope ALL, because roles belong to the whole group.
    async fn create_role(&self, context: &Context<'_>, input: CreateRoleInput) -> Result<CreateRolePayload> {
        let new = NewRole {
            name: input.name,
            display_name: input.display_name,
            description: input.description,
            permissions: input.permissions,
        };
        let outcome = context.identity().create_role(&context.caller(), new).await;
        let (id, errors) = settled(context, outcome.map(Some))?;
        Ok(CreateRolePayload { role: load_role(context, id).await?, errors })
    }

    /// Changes a role that is not built in; whoever holds it, holds what it grants from their next request on. Needs
    /// system:admin, hotel scope ALL, and every permission that the role grants before and after.
    async fn update_role(&self, context: &Context<'_>, input: UpdateRoleInput) -> Result<UpdateRolePayload> {
        let id = ids::role_id(&input.id, "input.id")?;
        let update = RoleUpdate {
            display_name: edit(input.display_name),
            description: edit(input.description),
            permissions: edit(input.permissions),
            active: edit(input.active),
        };
        let outcome = context.identity().update_role(&context.caller(), id, update).await;
        let (id, errors) = settled(context, outcome.map(|()| Some(id)))?;
        Ok(UpdateRolePayload { role: load_role(context, id).await?, errors })
    }

    /// Deletes a role that is not built in and that nobody holds. Needs system:admin, hotel scope ALL, and every permission that
    /// the role grants.
    async fn delete_role(&self, context: &Context<'_>, input: DeleteRoleInput) -> Result<DeleteRolePayload> {
        let id = ids::role_id(&input.id, "input.id")?;
        let outcome = context.identity().delete_role(&context.caller(), id).await;
        let (deleted_id, errors) = settled(context, outcome.map(|()| Some(GlobalId::Role(id).to_id())))?;
        Ok(DeleteRolePayload { deleted_id, errors })
    }
}

async fn load_role(context: &Context<'_>, id: Option<Uuid>) -> Result<Option<Role>> {
    let Some(id) = id else { return Ok(None) };
    Ok(context.load(RoleById(id)).await?.map(Role))
}
