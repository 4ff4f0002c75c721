//! Roles: the type, its look-ups and its list. Changing them is in [`mutations`].

pub mod mutations;

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, InputObject, Object, OneofObject, SelectionField};

use crate::graphql::connection::{PageArguments, TotalCount, connection, read_text_cursor, text_cursor};
use crate::graphql::context::RequestContext;
use crate::graphql::errors::Result;
use crate::graphql::ids::{self, GlobalId};
use crate::graphql::loaders::RoleById;
use crate::graphql::scalars::DateTime;
use crate::graphql::user::{UserConnection, UserFilter, UserOrder, list_users, search_text};
use crate::graphql::written::{Fields, Write};
use crate::identity::require_ready;
use crate::store::roles;
use crate::store::users::UsersOf;

pub struct Role(pub Arc<roles::Role>);

impl From<roles::Role> for Role {
    fn from(role: roles::Role) -> Self {
        Self(Arc::new(role))
    }
}

/// A named set of permissions. Visible to every signed-in caller.
#[Object]
impl Role {
    /// role:<uuid>
    pub async fn id(&self) -> ID {
        GlobalId::Role(self.0.id).to_id()
    }

    /// Upper snake case, e.g. HOTEL_ADMIN. Unique.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// For people.
    async fn display_name(&self) -> &str {
        &self.0.display_name
    }

    /// What the role is for.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Permission strings `<resource>:<action>`, sorted, e.g. user:view.
    async fn permissions(&self) -> Vec<String> {
        self.0.sorted_permissions().into_iter().cloned().collect()
    }

    /// An inactive role grants nothing.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// Built-in roles cannot be renamed or deleted.
    async fn system(&self) -> bool {
        self.0.system
    }

    /// Who holds the role, as far as the caller may see them.
    #[allow(clippy::too_many_arguments, reason = "the contract's arguments")]
    async fn users(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<UserFilter>,
        order_by: Option<UserOrder>,
    ) -> Result<UserConnection> {
        let page = PageArguments { first, after, last, before };
        Box::pin(list_users(context, UsersOf::Role(self.0.id), page, filter, order_by)).await
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }
}

impl Fields for roles::Role {
    const TYPE_NAME: &'static str = "Role";

    fn write(field: &SelectionField<'_>) -> Option<Write<Self>> {
        Some(match field.name() {
            "id" => Box::new(|role, _, json| json.id("role", role.id)),
            "name" => Box::new(|role, _, json| json.value(&role.name)),
            "displayName" => Box::new(|role, _, json| json.value(&role.display_name)),
            "description" => Box::new(|role, _, json| json.value(&role.description)),
            "permissions" => Box::new(|role, _, json| json.value(&role.sorted_permissions())),
            "active" => Box::new(|role, _, json| json.value(&role.active)),
            "system" => Box::new(|role, _, json| json.value(&role.system)),
            "createdAt" => Box::new(|role, _, json| json.time(Some(role.created_at))),
            "updatedAt" => Box::new(|role, _, json| json.time(Some(role.updated_at))),
            _ => return None,
        })
    }
}

pub type RoleConnection = Connection<String, Role, TotalCount>;

/// Names one role, by id or by name.
#[derive(OneofObject)]
pub enum RoleBy {
    /// role:<uuid>
    Id(ID),
    /// Upper snake case.
    Name(String),
}

/// Narrows a list of roles; what is left out does not.
#[derive(Default, InputObject)]
pub struct RoleFilter {
    /// Case-insensitive, and accents do not matter; each word matches anywhere in name, display name or description. At least 2 characters, or one that
    /// is a word, such as 李.
    search: Option<String>,
    /// Active, or not.
    active: Option<bool>,
    /// Grants this permission.
    permission: Option<String>,
}

#[derive(Default)]
pub struct RoleQueries;

#[Object]
impl RoleQueries {
    /// One role; null where there is none.
    async fn role(&self, context: &Context<'_>, by: RoleBy) -> Result<Option<Role>> {
        require_ready(&context.caller())?;
        Ok(match by {
            RoleBy::Id(id) => context.load(RoleById(ids::role_id(&id, "by.id")?)).await?.map(Role),
            RoleBy::Name(name) => context.identity().role_by_name(&context.caller(), &name).await?.map(Role::from),
        })
    }

    /// Every role, by name.
    async fn roles(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<RoleFilter>,
    ) -> Result<RoleConnection> {
        let page = PageArguments { first, after, last, before }.request(|cursor| read_text_cursor("role", cursor))?;
        let filter = filter.unwrap_or_default();
        let filter = roles::RoleFilter {
            search: search_text(filter.search)?,
            active: filter.active,
            permission: filter.permission,
        };
        let roles = context.identity().role_page(&context.caller(), &filter, &page).await?;
        Ok(connection(roles, TotalCount::Roles(filter), |role| text_cursor("role", &role.name), Role::from))
    }
}
