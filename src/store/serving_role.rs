//! Whether the second wall stands: for the role that serves, for the one that requests run as, and on the tables.

use sqlx::Connection;

use super::migrations::TABLES;
use super::{Database, Error};

/// Why this role should not serve.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error(
        "the database role {role:?} {fault}, so nothing would keep tenants apart if a request went beyond its own; \
         make one for serving (CREATE ROLE voicehive LOGIN PASSWORD '...'; GRANT voicehive_app TO voicehive) and name it in \
         database.username, and this one in database.migration_username; or set database.allow_superuser: true"
    )]
    TooMighty { role: String, fault: &'static str },
    #[error(
        "the database role {role:?} may not act as voicehive_app, as every request does; let it: \
         GRANT voicehive_app TO {role:?}"
    )]
    NotAdmitted { role: String },
    #[error(
        "a database role as which requests run (voicehive_app, voicehive_all) {0}, so nothing would keep tenants apart; let them \
         be roles that own nothing: ALTER ROLE ... NOSUPERUSER NOBYPASSRLS, and give their tables to the role that migrates; or set \
         database.allow_superuser: true"
    )]
    MightyApp(&'static str),
    #[error(
        "the database role voicehive_app, or the role that serves, has the rights of voicehive_all without asking for them, so \
         that everyone would see every tenant; let it be asked for: ALTER ROLE voicehive_app NOINHERIT (since PostgreSQL 16: GRANT \
         voicehive_all TO voicehive_app WITH INHERIT FALSE, SET TRUE) and REVOKE voicehive_all from every other role"
    )]
    Inherits,
    #[error(
        "row-level security is off on {0} tables of this production system, so nothing but the program itself would keep tenants \
         apart; `voicehive database init` switches it on; or set database.allow_superuser: true"
    )]
    NoRowSecurity(i64),
}

impl From<sqlx::Error> for RoleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What is let pass with a warning in the log.
#[derive(Clone, Copy, Debug)]
pub struct Tolerated {
    /// Roles that no policy binds.
    pub mighty_roles: bool,
    /// Row-level security that is switched off.
    pub no_row_security: bool,
}

/// Looks at the role that serves, at the one that requests run as, and whether the policies are on.
pub async fn check(database: &Database, tolerated: Tolerated) -> Result<(), RoleError> {
    let mut connection = database.serving_connection().await?;
    let role = sqlx::query!(
        r#"SELECT me.rolname AS "name!", me.rolsuper AS "superuser!", me.rolbypassrls AS "bypasses!",
                  pg_has_role(me.oid, app.oid, CASE WHEN current_setting('server_version_num')::int >= 160000
                                                    THEN 'SET' ELSE 'MEMBER' END) AS "admitted!",
                  app.rolsuper OR wider.rolsuper AS "app_superuser!", app.rolbypassrls OR wider.rolbypassrls AS "app_bypasses!",
                  EXISTS (SELECT FROM pg_class WHERE relowner IN (app.oid, wider.oid)) AS "app_owns!",
                  NOT app.rolsuper AND pg_has_role(app.oid, wider.oid, 'USAGE') OR NOT me.rolsuper AND pg_has_role(me.oid, wider.oid, 'USAGE') AS "inherits!",
                  (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY($1)
                                                   AND NOT relrowsecurity) AS "open_tables!"
             FROM pg_roles me, pg_roles app, pg_roles wider
            WHERE me.rolname = current_user AND app.rolname = 'voicehive_app' AND wider.rolname = 'voicehive_all'"#,
        &TABLES.map(String::from)
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    let app_fault = match (role.app_superuser, role.app_bypasses, role.app_owns) {
        (true, _, _) => Some("is a superuser"),
        (_, true, _) => Some("bypasses row-level security"),
        (_, _, true) => Some("owns tables"),
        _ => None,
    };
    let fault = match (role.superuser, role.bypasses) {
        (true, _) => Some("is a superuser"),
        (false, true) => Some("bypasses row-level security"),
        (false, false) => None,
    };
    if let Some(fault) = app_fault {
        if !tolerated.mighty_roles {
            return Err(RoleError::MightyApp(fault));
        }
        tracing::warn!(role = "voicehive_app or voicehive_all", fault, "database_role_too_mighty");
    }
    if role.inherits {
        return Err(RoleError::Inherits);
    }
    if role.open_tables > 0 {
        if !tolerated.no_row_security {
            return Err(RoleError::NoRowSecurity(role.open_tables));
        }
        tracing::warn!(tables = role.open_tables, "database_row_security_off");
    }
    match fault {
        Some(fault) if !tolerated.mighty_roles => Err(RoleError::TooMighty { role: role.name, fault }),
        Some(fault) => {
            tracing::warn!(role = role.name, fault, "database_role_too_mighty");
            Ok(())
        }
        None if !role.admitted => Err(RoleError::NotAdmitted { role: role.name }),
        None => Ok(()),
    }
}
