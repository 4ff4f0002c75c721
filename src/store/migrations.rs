//! Brings the schema up to date at start-up. Several servers may start at once: they take turns.

use std::time::{Duration, Instant};

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use super::{Database, Error, Result};

/// The advisory lock that migrating servers share: the ASCII codes of "voicehiv".
const LOCK: i64 = 0x766f_6963_6568_6976;
/// How long a server waits for another one's migrations.
const PATIENCE: Duration = Duration::from_mins(5);

/// Why the schema could not be brought up to date.
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
    #[error("migration {0} was changed after it had been applied; run the release that the database was made with")]
    Changed(i64),
    #[error("a migration failed and was undone: {0}")]
    Failed(#[source] MigrateError),
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

/// What a run of the migrations did.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// Migrations applied now.
    pub now: usize,
    /// Migrations the schema consists of.
    pub all: usize,
}

/// Applies what is missing, each migration whole or not at all.
pub async fn run(database: &Database) -> Result<Applied, MigrationError> {
    let mut connection = database.owner_connection().await?;
    // Nothing here may wait for long behind a running server's locks.
    connection.execute("SET lock_timeout = '10s'").await?;
    lock(&mut connection).await?;
    let outcome = migrate(&mut connection).await;
    // The lock ends with the connection, whichever way this went.
    connection.close().await?;
    outcome
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

async fn migrate(connection: &mut PgConnection) -> Result<Applied, MigrationError> {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.set_locking(false);
    let before = applied(connection).await?;
    migrator.run(&mut *connection).await?;
    let all = migrator.iter().count();
    Ok(Applied { now: all.saturating_sub(before), all })
}

async fn applied(connection: &mut PgConnection) -> Result<usize> {
    // The table is sqlx's own and is not there yet on a new database, so this one cannot be checked at compile time.
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *connection).await?;
    if !there {
        return Ok(0);
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&mut *connection).await?;
    Ok(usize::try_from(rows).unwrap_or(0))
}
