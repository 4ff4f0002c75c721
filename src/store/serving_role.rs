//! Whether the role that serves is one that the second wall holds for.

use sqlx::Connection;

use super::{Database, Error};

/// Why this role should not serve.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error(
        "the database role {role:?} {fault}, so nothing would keep tenants apart if a request got out of its own role; \
         make one for serving (CREATE ROLE voicehive LOGIN PASSWORD '...'; GRANT voicehive_app TO voicehive) and name it in \
         database.username, and this one in database.migration_username; or set database.allow_superuser: true"
    )]
    TooMighty { role: String, fault: &'static str },
    #[error(
        "the database role {role:?} may not act as voicehive_app, as every request does; let it: \
         GRANT voicehive_app TO {role:?}"
    )]
    NotAdmitted { role: String },
}

impl From<sqlx::Error> for RoleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Looks at the role that serves. A superuser, or a role that bypasses policies, is refused unless it is allowed.
pub async fn check(database: &Database, allow_superuser: bool) -> Result<(), RoleError> {
    let mut connection = database.serving_connection().await?;
    let role = sqlx::query!(
        r#"SELECT rolname AS "name!", rolsuper AS "superuser!", rolbypassrls AS "bypasses!",
                  pg_has_role(oid, 'voicehive_app', 'MEMBER') AS "admitted!"
             FROM pg_roles WHERE rolname = current_user"#
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    let fault = match (role.superuser, role.bypasses) {
        (true, _) => Some("is a superuser"),
        (false, true) => Some("bypasses row-level security"),
        (false, false) => None,
    };
    match fault {
        Some(fault) if !allow_superuser => Err(RoleError::TooMighty { role: role.name, fault }),
        Some(fault) => {
            tracing::warn!(role = role.name, fault, "database_role_too_mighty");
            Ok(())
        }
        None if !role.admitted => Err(RoleError::NotAdmitted { role: role.name }),
        None => Ok(()),
    }
}
