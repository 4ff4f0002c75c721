//! Brings the schema up to date at start-up. Several servers may start at once: they take turns.

pub mod legacy;
mod reset;
mod status;

use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, SqlSafeStr};

pub use status::{Applied as AppliedMigration, Drift, Pending, Status, status};

use super::{Database, Error, Result};

/// The advisory lock that migrating servers share: the ASCII codes of "voicehiv".
const LOCK: i64 = 0x766f_6963_6568_6976;
/// How long a server waits for another one's migrations.
const PATIENCE: Duration = Duration::from_mins(5);
/// The oldest PostgreSQL that has what the migrations use, as it numbers its versions.
const OLDEST_SUPPORTED: u32 = 150_000;

/// The tables of the migrations; the months of the audit trail are partitions of two of them.
pub(super) const TABLES: [&str; 21] = [
    "api_key_hotels",
    "api_keys",
    "audit_event_hotels",
    "audit_event_hotels_default",
    "audit_events",
    "audit_events_default",
    "audit_events_unsealed",
    "audit_repeats",
    "audit_seals",
    "erasures",
    "hotels",
    "idempotency_keys",
    "roles",
    "seeds",
    "session_revocation",
    "sign_in_failures",
    "signing_keys",
    "user_hotels",
    "user_roles",
    "user_sessions",
    "users",
];

/// Why the schema could not be brought up to date. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error("another server has been migrating the database for {} seconds; see what it waits for, then start again", PATIENCE.as_secs())]
    Waited,
    #[error(
        "the database was migrated by a newer release (it has migration {0}, which this one does not know); run that release"
    )]
    Newer(i64),
    #[error(
        "migration {0} was changed after it had been applied; run the release that the database was made with, or begin anew \
         with `voicehive database init --reset`, which loses everything in it"
    )]
    Changed(i64),
    #[error("a migration failed and was undone: {0}{hint}", hint = hint(.0))]
    Failed(#[source] MigrateError),
    #[error(
        "the role that migrates may not let {role:?} act as voicehive_app, as every request does; someone who may does it \
         once: GRANT voicehive_app TO {role:?}"
    )]
    MayNotAdmit { role: String },
    #[error("this PostgreSQL is version {0}; VoiceHive Identity needs 15 or newer")]
    TooOld(String),
    #[error(
        "the database holds the tables of the old Python service; look at what `voicehive database init --dry-run` would \
         do, make a backup, then have `voicehive database init` take it over"
    )]
    Legacy,
}

impl From<sqlx::Error> for MigrationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<MigrateError> for MigrationError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            MigrateError::VersionMismatch(version) => Self::Changed(version),
            other => Self::Failed(other),
        }
    }
}

/// What can be done about a migration that failed; PostgreSQL's own words say the rest.
fn hint(error: &MigrateError) -> &'static str {
    let (MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)) = error else { return "" };
    match cause.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
        Some("42501") => {
            "; the role that migrates must own the database's schema (GRANT CREATE ON SCHEMA public TO it), be allowed to create \
             extensions (GRANT CREATE ON DATABASE ... TO it, or someone who may does it once: CREATE EXTENSION pg_trgm) and may make \
             roles, or someone who may does it once: CREATE ROLE voicehive_app NOLOGIN; ALTER ROLE voicehive_app NOINHERIT; CREATE ROLE \
             voicehive_all NOLOGIN; GRANT voicehive_all TO voicehive_app (since PostgreSQL 16 WITH INHERIT FALSE, SET TRUE); GRANT voicehive_app TO it WITH ADMIN OPTION"
        }
        Some("3F000") => {
            "; the schema public is missing: whoever owns the database makes it once: CREATE SCHEMA public"
        }
        Some("42704") => {
            "; where pg_trgm is in a schema of its own, the role that migrates must be allowed to use it: GRANT USAGE ON SCHEMA ... TO it"
        }
        Some("0A000" | "58P01") => {
            "; install what ships with PostgreSQL beside the server itself (the package postgresql-contrib)"
        }
        _ => "",
    }
}

/// What to do beside applying what is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Drop every table of ours first, with all that is in it.
    pub reset: bool,
    /// Switch row-level security on or off; None leaves it as it is.
    pub row_security: Option<bool>,
}

/// What a run of the migrations did.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// Migrations applied now.
    pub now: usize,
    /// Migrations the schema consists of.
    pub all: usize,
}

/// Applies what is missing, each migration whole or not at all; a reset with all of them whole or not at all.
pub async fn run(database: &Database, wanted: Wanted) -> Result<Applied, MigrationError> {
    let mut connection = begin(database).await?;
    let outcome = prepare(&mut connection, database, wanted).await;
    // The lock ends with the connection, whichever way this went.
    connection.close().await?;
    outcome
}

/// Makes the database where it is not there; whether it was made.
pub async fn create_database(database: &Database) -> Result<bool, MigrationError> {
    let name = database.name();
    // Every server has it, to be reached for just this.
    let mut connection = database.owner_connection_to("postgres").await?;
    check_version(&mut connection).await?;
    let there = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS "there!""#, name)
        .fetch_one(&mut connection)
        .await?;
    let made = if there {
        false
    } else {
        let statement = format!("CREATE DATABASE {}", quoted(name));
        match connection.execute(AssertSqlSafe(statement)).await {
            Ok(_) => true,
            // Another one made it in this moment.
            Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42P04" | "23505")) => false,
            Err(error) => return Err(error.into()),
        }
    };
    connection.close().await?;
    Ok(made)
}

/// A connection that alone changes the schema, until it is closed.
async fn begin(database: &Database) -> Result<PgConnection, MigrationError> {
    let mut connection = database.owner_connection().await?;
    check_version(&mut connection).await?;
    lock(&mut connection).await?;
    look_for_extensions(&mut connection).await?;
    Ok(connection)
}

/// Has what belongs to an extension found where somebody has put it: that need not be where our tables are.
async fn look_for_extensions(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let elsewhere = sqlx::query_scalar!(
        r#"SELECT quote_ident(n.nspname) AS "schema!" FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
            WHERE e.extname = 'pg_trgm' AND n.nspname <> 'public'"#
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(schema) = elsewhere {
        connection.execute(AssertSqlSafe(format!("SET search_path = public, {schema}"))).await?;
    }
    Ok(())
}

async fn check_version(connection: &mut PgConnection) -> Result<(), MigrationError> {
    if connection.server_version_num().is_none_or(|version| version >= OLDEST_SUPPORTED) {
        return Ok(());
    }
    let version = sqlx::query_scalar!(r#"SELECT current_setting('server_version') AS "version!""#);
    Err(MigrationError::TooOld(version.fetch_one(connection).await?))
}

/// Takes the lock by trying. Waiting inside PostgreSQL would hold a snapshot open, and CREATE INDEX CONCURRENTLY of
/// the server that has the lock waits for every snapshot: both would wait for ever.
async fn lock(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(20);
    loop {
        let taken = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "taken!""#, LOCK)
            .fetch_one(&mut *connection)
            .await?;
        if taken {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(MigrationError::Waited);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

async fn prepare(
    connection: &mut PgConnection,
    database: &Database,
    wanted: Wanted,
) -> Result<Applied, MigrationError> {
    let applied = if wanted.reset {
        let mut transaction = connection.begin().await?;
        reset::drop_everything(&mut transaction).await?;
        let applied = migrate(&mut transaction).await?;
        transaction.commit().await?;
        applied
    } else if legacy::is_there(connection).await? {
        return Err(MigrationError::Legacy);
    } else if status::applied(connection).await?.is_empty() {
        // A new database: what fails half-way leaves it as empty as it was.
        let mut transaction = connection.begin().await?;
        let applied = migrate(&mut transaction).await?;
        transaction.commit().await?;
        applied
    } else {
        migrate_in_use(connection).await?
    };
    if let Some(on) = wanted.row_security {
        let mut transaction = connection.begin().await?;
        switch_row_security(&mut transaction, on).await?;
        transaction.commit().await?;
    }
    admit(connection, &database.username()).await?;
    Ok(applied)
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.set_locking(false);
    migrator
}

/// Applies what is missing within one transaction, in which nothing can be made beside others' work.
async fn migrate(transaction: &mut PgConnection) -> Result<Applied, MigrationError> {
    let in_one_transaction = |migration: &Migration| Migration {
        sql: AssertSqlSafe(migration.sql.as_str().replace("CONCURRENTLY ", "")).into_sql_str(),
        no_tx: false,
        ..migration.clone()
    };
    let mut whole = Migrator::with_migrations(migrator().iter().map(in_one_transaction).collect());
    whole.set_locking(false);
    let before = status::applied(transaction).await?.len();
    whole.run(&mut *transaction).await?;
    Ok(Applied { now: whole.iter().count().saturating_sub(before), all: whole.iter().count() })
}

/// Applies what is missing to tables that others work on.
async fn migrate_in_use(connection: &mut PgConnection) -> Result<Applied, MigrationError> {
    let migrator = migrator();
    let applied = status::applied(connection).await?;
    let is_missing = |migration: &&Migration| applied.iter().all(|applied| applied.version != migration.version);
    for migration in migrator.iter().filter(|migration| migration.no_tx).filter(is_missing) {
        migrator.run_to(migration.version - 1, &mut *connection).await?;
        let made = make_beside(connection, migration.sql.as_str()).await;
        made.map_err(|error| MigrateError::ExecuteMigration(error, migration.version))?;
        migrator.skip(&mut *connection, Some(migration.version)).await?;
    }
    migrator.run(&mut *connection).await?;
    let all = migrator.iter().count();
    Ok(Applied { now: all.saturating_sub(applied.len()), all })
}

/// Makes indexes while others read and write, each by a statement of its own: within a transaction PostgreSQL refuses to.
async fn make_beside(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    // What was cut off half-way has left an index that is of no use and bears the name.
    let broken = sqlx::query_scalar!(
        r#"SELECT quote_ident(c.relname) AS "name!" FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE NOT i.indisvalid AND c.relnamespace = 'public'::regnamespace AND strpos($1, ' ' || c.relname || ' ') > 0"#,
        sql
    )
    .fetch_all(&mut *connection)
    .await?;
    // It waits for those who began before it, and nobody waits for it.
    connection.execute("SET lock_timeout = 0").await?;
    for name in broken {
        connection.execute(AssertSqlSafe(format!("DROP INDEX CONCURRENTLY public.{name}"))).await?;
    }
    for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
        connection.execute(AssertSqlSafe(statement.to_owned())).await?;
    }
    connection.execute("RESET lock_timeout").await?;
    Ok(())
}

/// Lets the role that serves act as `voicehive_app`, where it is another one than the owner.
async fn admit(connection: &mut PgConnection, role: &str) -> Result<(), MigrationError> {
    let admitted = sqlx::query_scalar!(
        r#"SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)
                  OR pg_has_role($1, 'voicehive_app', 'MEMBER') AS "admitted!""#,
        role
    )
    .fetch_one(&mut *connection)
    .await?;
    if admitted {
        return Ok(());
    }
    match connection.execute(AssertSqlSafe(format!("GRANT voicehive_app TO {}", quoted(role)))).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => {
            Err(MigrationError::MayNotAdmit { role: role.to_owned() })
        }
        done => Ok(done.map(drop)?),
    }
}

/// Touches only the tables where the switch stands otherwise: each has to be locked against everyone.
async fn switch_row_security(connection: &mut PgConnection, on: bool) -> Result<()> {
    let tables = TABLES.map(String::from);
    let otherwise = sqlx::query_scalar!(
        r#"SELECT relname::text AS "name!" FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relname = ANY($1) AND relrowsecurity <> $2 ORDER BY 1"#,
        &tables,
        on
    )
    .fetch_all(&mut *connection)
    .await?;
    let switch = if on { "ENABLE" } else { "DISABLE" };
    let statements: String =
        otherwise.iter().map(|table| format!("ALTER TABLE {table} {switch} ROW LEVEL SECURITY;")).collect();
    connection.execute(AssertSqlSafe(statements)).await?;
    Ok(())
}

/// A name as SQL takes it, whatever it holds.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
