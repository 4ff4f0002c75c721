//! Reading roles.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Caller, Identity, Result};
use crate::store::page::{Page, PageRequest};
use crate::store::roles::{self, Role, RoleFilter};

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

    pub async fn roles_by_id(&self, caller: &Caller, ids: &[Uuid]) -> Result<Vec<Role>> {
        Ok(roles::by_ids(&mut *caller.read().await?, ids).await?)
    }

    pub async fn role_by_name(&self, caller: &Caller, name: &str) -> Result<Option<Role>> {
        Ok(roles::by_name(&mut *caller.read().await?, name).await?)
    }

    /// The roles each of these users holds; one's own also while the password must be changed.
    pub async fn roles_by_user(&self, caller: &Caller, users: &[Uuid]) -> Result<HashMap<Uuid, Vec<Role>>> {
        Ok(roles::by_users(&mut *caller.read_own().await?, users).await?)
    }
}
