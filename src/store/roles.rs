//! Roles: lists, look-ups, and which users hold them.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use super::batch::push_is_any;
use super::changes::Topic;
use super::page::{Page, PageRequest, push_after, push_contains, reads_descending};
use super::time::StoredTime;
use super::{Result, Transaction};
use crate::text::folding::search_words;

/// A named set of permissions. Permissions are sorted.
#[derive(Clone, Debug, FromRow)]
pub struct Role {
    pub id: Uuid,
    pub name: String,
    pub display_name: String,
    pub description: Option<String>,
    pub permissions: Vec<String>,
    pub active: bool,
    pub system: bool,
    #[sqlx(try_from = "StoredTime")]
    pub created_at: DateTime<Utc>,
    #[sqlx(try_from = "StoredTime")]
    pub updated_at: DateTime<Utc>,
}

impl Role {
    pub fn sorted_permissions(&self) -> Vec<&String> {
        let mut permissions: Vec<_> = self.permissions.iter().collect();
        permissions.sort_unstable();
        permissions
    }
}

const COLUMNS: &str =
    "r.id, r.name, r.display_name, r.description, r.permissions, r.active, r.system, r.created_at, r.updated_at";

/// Which roles a list holds; what is None does not narrow it.
#[derive(Clone, Debug, Default)]
pub struct RoleFilter {
    pub search: Option<String>,
    pub active: Option<bool>,
    pub permission: Option<String>,
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &RoleFilter) {
    if let Some(search) = &filter.search {
        let folding = "concat_ws(' ', r.name, r.display_name, r.description)";
        push_contains(query, "r.search_key", folding, &search_words(search));
    }
    if let Some(active) = filter.active {
        query.push(" AND r.active = ").push_bind(active);
    }
    if let Some(permission) = &filter.permission {
        query.push(" AND ").push_bind(permission.clone()).push(" = ANY(r.permissions)");
    }
}

/// A page of roles by name; the cursor is a name.
pub async fn page(
    transaction: &mut Transaction,
    filter: &RoleFilter,
    page: &PageRequest<String>,
) -> Result<Page<Role>> {
    let descending = reads_descending(false, page.backward);
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM roles r WHERE true"));
    push_filter(&mut query, filter);
    if let Some(name) = &page.cursor {
        push_after(&mut query, "r.name", descending, |query| {
            query.push_bind(name.clone());
        });
    }
    let direction = if descending { "DESC" } else { "ASC" };
    query.push(format_args!(" ORDER BY r.name {direction} LIMIT {}", page.rows_to_read()));
    let rows = query.build_query_as().fetch_all(transaction.statement()).await?;
    Ok(Page::from_read(rows, page))
}

/// How many roles there are, at most `at_most` where that is given.
pub async fn count(transaction: &mut Transaction, filter: &RoleFilter, at_most: Option<i64>) -> Result<i64> {
    let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT 1 FROM roles r WHERE true");
    push_filter(&mut query, filter);
    query.push(" LIMIT ").push_bind(at_most).push(") listed");
    Ok(query.build_query_scalar().fetch_one(transaction.statement()).await?)
}

/// The roles with these ids.
pub async fn by_ids(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<Role>> {
    Ok(sqlx::query_as!(
        Role,
        r#"SELECT id, name, display_name, description, permissions, active, system, created_at AS "created_at: StoredTime",
                updated_at AS "updated_at: StoredTime"
           FROM roles WHERE id = ANY($1)"#,
        ids
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// The role of this name.
pub async fn by_name(transaction: &mut Transaction, name: &str) -> Result<Option<Role>> {
    Ok(sqlx::query_as!(
        Role,
        r#"SELECT id, name, display_name, description, permissions, active, system, created_at AS "created_at: StoredTime",
                updated_at AS "updated_at: StoredTime"
           FROM roles WHERE name = $1"#,
        name
    )
    .fetch_optional(transaction.statement())
    .await?)
}

/// The active roles that grant any of these permissions.
pub async fn granting(transaction: &mut Transaction, permissions: &[String]) -> Result<Vec<Role>> {
    Ok(sqlx::query_as!(
        Role,
        r#"SELECT id, name, display_name, description, permissions, active, system, created_at AS "created_at: StoredTime",
                updated_at AS "updated_at: StoredTime"
           FROM roles WHERE active AND permissions && $1"#,
        permissions
    )
    .fetch_all(transaction.statement())
    .await?)
}

#[derive(FromRow)]
struct HeldRole {
    user_id: Uuid,
    #[sqlx(flatten)]
    role: Role,
}

/// The roles each of these users holds, by name; users out of sight hold none.
pub async fn by_users(transaction: &mut Transaction, users: &[Uuid]) -> Result<HashMap<Uuid, Vec<Arc<Role>>>> {
    let mut query = QueryBuilder::new(format!(
        "SELECT held.user_id, {COLUMNS} FROM user_roles held JOIN roles r ON r.id = held.role_id WHERE held.user_id"
    ));
    push_is_any(&mut query, users);
    let scope = transaction.scope();
    if !scope.all_users() {
        query.push(" AND (held.user_id = ").push_bind(scope.user_id);
        query.push(
            " OR EXISTS (SELECT 1 FROM user_hotels shared WHERE shared.user_id = held.user_id AND shared.hotel_id",
        );
        push_is_any(&mut query, &scope.hotels_of_people());
        query.push("))");
    }
    query.push(" ORDER BY r.name");
    let rows: Vec<HeldRole> = query.build_query_as().fetch_all(transaction.statement()).await?;
    let mut held: HashMap<Uuid, Vec<Arc<Role>>> = HashMap::new();
    for row in rows {
        held.entry(row.user_id).or_default().push(Arc::new(row.role));
    }
    Ok(held)
}

/// Locks these roles against being deleted or changed until the transaction ends, and returns them by id.
pub async fn lock_shared(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<Role>> {
    Ok(sqlx::query_as!(
        Role,
        r#"SELECT id, name, display_name, description, permissions, active, system, created_at AS "created_at: StoredTime",
                updated_at AS "updated_at: StoredTime"
           FROM roles WHERE id = ANY($1) ORDER BY id FOR SHARE"#,
        ids
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// Locks a role for a change.
pub async fn lock(transaction: &mut Transaction, id: Uuid) -> Result<Option<Role>> {
    Ok(sqlx::query_as!(
        Role,
        r#"SELECT id, name, display_name, description, permissions, active, system, created_at AS "created_at: StoredTime",
                updated_at AS "updated_at: StoredTime"
           FROM roles WHERE id = $1 FOR UPDATE"#,
        id
    )
    .fetch_optional(transaction.statement())
    .await?)
}

/// Whether anybody holds this role.
pub async fn is_held(transaction: &mut Transaction, id: Uuid) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM user_roles WHERE role_id = $1) AS "held!""#, id)
        .fetch_one(transaction.statement())
        .await?)
}

/// Adds a role. False where the name is taken.
pub async fn insert(transaction: &mut Transaction, role: &Role, created_by: Option<Uuid>) -> Result<bool> {
    transaction.changes(Topic::Roles);
    let done = sqlx::query!(
        "INSERT INTO roles (id, name, display_name, description, permissions, active, system, created_at, updated_at,
                created_by, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT DO NOTHING",
        role.id,
        role.name,
        role.display_name,
        role.description,
        &role.permissions,
        role.active,
        role.system,
        role.created_at,
        role.updated_at,
        created_by
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes what may change of a role; how many rows there were.
pub async fn update(transaction: &mut Transaction, role: &Role, updated_by: Option<Uuid>) -> Result<u64> {
    transaction.changes(Topic::Roles);
    let done = sqlx::query!(
        "UPDATE roles SET display_name = $2, description = $3, permissions = $4, active = $5, updated_at = $6, updated_by = $7
          WHERE id = $1",
        role.id,
        role.display_name,
        role.description,
        &role.permissions,
        role.active,
        role.updated_at,
        updated_by
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Deletes a role; how many rows there were.
pub async fn delete(transaction: &mut Transaction, id: Uuid) -> Result<u64> {
    transaction.changes(Topic::Roles);
    let done = sqlx::query!("DELETE FROM roles WHERE id = $1", id).execute(transaction.statement()).await?;
    Ok(done.rows_affected())
}
