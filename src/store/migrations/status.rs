//! What of the schema is applied, what is pending, and where the database is no longer as the migrations made it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::migrate::MigrationType;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};

use super::{Database, MigrationError, Result, TABLES, legacy, look_for_extensions, migrator, reset::FUNCTIONS};

/// The schema that all migrations together make, a line a thing, as [`catalogue`] tells it. A test keeps it true.
const EXPECTED: &str = include_str!("../../../migrations/schema.txt");

/// A migration that the database has.
#[derive(Clone, Debug, FromRow)]
pub struct Applied {
    pub version: i64,
    pub description: String,
    pub installed_on: DateTime<Utc>,
    checksum: Vec<u8>,
}

/// A migration that the database lacks.
#[derive(Clone, Debug)]
pub struct Pending {
    pub version: i64,
    pub description: String,
}

/// Where the database is not as the migrations made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// Applied, and not as this release has it.
    Changed(i64),
    /// Applied by a newer release.
    Unknown(i64),
    /// Made by a migration, and gone or different.
    Missing(String),
    /// Not made by any migration, on a table of ours.
    Added(String),
}

/// The state of the schema.
#[derive(Debug)]
pub struct Status {
    pub applied: Vec<Applied>,
    pub pending: Vec<Pending>,
    pub drift: Vec<Drift>,
    /// How many of our tables have row-level security switched on, of how many.
    pub row_security: (usize, usize),
    /// The tables are those of the old Python service.
    pub legacy: bool,
}

/// Looks at the schema as the owner, and changes nothing.
pub async fn status(database: &Database) -> Result<Status, MigrationError> {
    let mut connection = database.owner_connection().await?;
    look_for_extensions(&mut connection).await?;
    let applied = applied(&mut connection).await?;
    let legacy = legacy::is_there(&mut connection).await?;
    let migrator = migrator();
    let known: Vec<_> = migrator.iter().filter(|migration| migration.migration_type == MigrationType::Simple).collect();
    let has = |version| applied.iter().any(|applied: &Applied| applied.version == version);
    let pending: Vec<_> = known
        .iter()
        .filter(|migration| !has(migration.version))
        .map(|migration| Pending { version: migration.version, description: migration.description.to_string() })
        .collect();
    let mut drift: Vec<_> = applied
        .iter()
        .filter_map(|applied| match known.iter().find(|migration| migration.version == applied.version) {
            None => Some(Drift::Unknown(applied.version)),
            Some(migration) if *migration.checksum != *applied.checksum => Some(Drift::Changed(applied.version)),
            Some(_) => None,
        })
        .collect();
    if pending.is_empty() && drift.is_empty() {
        drift = schema_drift(&catalogue(&mut connection).await?);
    }
    let row_security = row_security(&mut connection).await?;
    connection.close().await?;
    Ok(Status { applied, pending, drift, row_security, legacy })
}

/// The migrations that the database has, in their order; none on a new one.
pub(super) async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>> {
    // The table is sqlx's own and is not there yet on a new database, so this one cannot be checked at compile time.
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *connection).await?;
    if !there {
        return Ok(Vec::new());
    }
    let all = "SELECT version, description, installed_on, checksum FROM _sqlx_migrations ORDER BY version";
    Ok(sqlx::query_as(all).fetch_all(connection).await?)
}

fn schema_drift(found: &[String]) -> Vec<Drift> {
    let expected: BTreeSet<&str> = EXPECTED.lines().collect();
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    let missing = expected.difference(&found).map(|line| Drift::Missing((*line).to_owned()));
    let added = found.difference(&expected).map(|line| Drift::Added((*line).to_owned()));
    missing.chain(added).collect()
}

async fn row_security(connection: &mut PgConnection) -> Result<(usize, usize)> {
    let tables = TABLES.map(String::from);
    let on = sqlx::query_scalar!(
        r#"SELECT count(*) AS "on!" FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relname = ANY($1) AND relrowsecurity"#,
        &tables
    )
    .fetch_one(connection)
    .await?;
    Ok((usize::try_from(on).unwrap_or(0), TABLES.len()))
}

/// Columns, constraints, indexes, policies, triggers, functions and rights of our tables and functions, a line each.
/// Not whether row-level security is switched on, which an operator may choose.
pub(super) async fn catalogue(connection: &mut PgConnection) -> Result<Vec<String>> {
    let (tables, functions) = (TABLES.map(String::from), FUNCTIONS.map(String::from));
    Ok(sqlx::query_scalar!(
        r#"WITH ours AS (
             SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY($1))
           SELECT replace(line, E'\n', ' ') AS "line!" FROM (
             SELECT format('column %s.%s %s%s%s', ours.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                           CASE WHEN a.attnotnull THEN ' not null' END,
                           ' default ' || pg_get_expr(d.adbin, d.adrelid)) AS line
               FROM ours JOIN pg_attribute a ON a.attrelid = ours.oid AND a.attnum > 0 AND NOT a.attisdropped
               LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             UNION ALL
             SELECT format('constraint %s.%s %s', ours.relname, c.conname, pg_get_constraintdef(c.oid))
               FROM ours JOIN pg_constraint c ON c.conrelid = ours.oid AND c.contype IN ('c', 'f', 'p', 'u')
             UNION ALL
             SELECT format('index %s%s', pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN ' INVALID' END)
               FROM ours JOIN pg_index i ON i.indrelid = ours.oid
             UNION ALL
             SELECT format('policy %s.%s %s to %s using %s check %s', p.tablename, p.policyname, p.cmd, p.roles, p.qual,
                           p.with_check)
               FROM ours JOIN pg_policies p ON p.schemaname = 'public' AND p.tablename = ours.relname
             UNION ALL
             SELECT format('trigger %s', pg_get_triggerdef(t.oid))
               FROM ours JOIN pg_trigger t ON t.tgrelid = ours.oid AND NOT t.tgisinternal
             UNION ALL
             SELECT format('grant %s on %s to %s', g.privilege_type, ours.relname, r.rolname)
               FROM ours JOIN pg_class c ON c.oid = ours.oid, aclexplode(c.relacl) g
               JOIN pg_roles r ON r.oid = g.grantee AND r.rolname IN ('voicehive_app', 'voicehive_all')
             UNION ALL
             SELECT format('function %s%s %s', p.oid::regprocedure, CASE WHEN p.prosecdef THEN ' security definer' END,
                           md5(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)))
               FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY($2)) AS lines
            ORDER BY line COLLATE "C""#,
        &tables,
        &functions
    )
    .fetch_all(connection)
    .await?)
}
