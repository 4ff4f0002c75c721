//! The permissions that the service knows.

use async_graphql::{Context, Object, SimpleObject};

use super::context::RequestContext;
use super::errors::Result;
use crate::identity::permissions::PERMISSIONS;
use crate::identity::require_ready;

/// A permission, and what it allows.
#[derive(SimpleObject)]
pub struct PermissionDescription {
    /// e.g. user:view
    name: String,
    /// What it allows, in one sentence.
    description: String,
}

#[derive(Default)]
pub struct PermissionQueries;

#[Object]
impl PermissionQueries {
    /// Every permission the service knows, with what it allows.
    async fn permissions(&self, context: &Context<'_>) -> Result<Vec<PermissionDescription>> {
        require_ready(&context.caller())?;
        let describe = |(name, description): (&str, &str)| PermissionDescription {
            name: name.to_owned(),
            description: description.to_owned(),
        };
        Ok(PERMISSIONS.into_iter().map(describe).collect())
    }
}
