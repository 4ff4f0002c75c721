//! Takes over, in place, a database whose tables the old Python service made: they have the same names, and no history
//! of migrations. Old tables are set aside, ours are made, rows are copied and compared, and the old tables dropped, all
//! in one transaction: whatever cannot be understood stops it with nothing changed.
//!
//! The old tables are unknown when this is built, so these statements cannot be checked at compile time.

use serde::Serialize;
use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use uuid::Uuid;

use super::{Database, Error, MigrationError, Result, admit, begin, migrate};

mod statements;

use statements::{
    CLAIM_SEEDS, COLUMNS, COPIES, Copy, EMAIL_BEFORE, FOREIGN_KEYS, LEFT_BEHIND, NOTES, OLD, PROBLEMS, STORE_EMAILS,
    STORE_NAMES,
};

/// How many examples of a problem are told.
const EXAMPLES: usize = 5;

/// What was taken over; of a dry run, what would be.
#[derive(Debug, Serialize)]
pub struct Report {
    pub tables: Vec<Taken>,
    /// What is otherwise than it was, for people.
    pub changes: Vec<String>,
}

/// One table: as many rows as before, and the same in what was to be kept.
#[derive(Debug, Serialize)]
pub struct Taken {
    pub table: &'static str,
    pub rows: i64,
    /// Of the kept columns of all rows; the same in the old table and in the new one.
    pub checksum: String,
}

/// Why the database was not taken over. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    #[error(transparent)]
    Migration(#[from] MigrationError),
    #[error("the database holds no tables of the old Python service")]
    NotThere,
    #[error("the old database cannot be taken over, and was left as it is: {}", .0.join("; "))]
    Problems(Vec<String>),
    #[error("{table} is in use, and must not be while it is copied: stop the old service, then run this again")]
    InUse { table: &'static str },
    #[error(
        "the role that migrates may make no schema in this database, where the old tables are set aside; let it: \
         GRANT CREATE ON DATABASE ... TO it"
    )]
    NoSchema,
    #[error("the rows of {table} changed on the way: {before} before, {after} after; nothing was kept")]
    Unequal { table: &'static str, before: String, after: String },
}

impl From<Error> for TakeOverError {
    fn from(error: Error) -> Self {
        Self::Migration(error.into())
    }
}

impl From<sqlx::Error> for TakeOverError {
    fn from(error: sqlx::Error) -> Self {
        Self::Migration(Error::from(error).into())
    }
}

/// What of a user only `identity` can judge.
#[derive(Clone, Copy)]
pub struct UserRules {
    /// The form in which sign-in looks an email address up; None where it can be nobody's.
    pub email_to_look_up: fn(&str) -> Option<String>,
    /// Whether a password can be checked against this hash.
    pub is_known_hash: fn(&str) -> bool,
}

/// Whether the tables are those of the old service.
pub(super) async fn is_there(connection: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT to_regclass('public.users') IS NOT NULL AND to_regclass('public.roles') IS NOT NULL
                  AND to_regclass('public._sqlx_migrations') IS NULL AS "there!""#
    )
    .fetch_one(connection)
    .await?)
}

/// Whether the database is one to take over.
pub async fn found(database: &Database) -> Result<bool> {
    let mut connection = database.owner_connection().await?;
    let there = is_there(&mut connection).await?;
    connection.close().await?;
    Ok(there)
}

/// Takes the database over; a dry run does the same and undoes it. `event_id` is for the event that tells of it.
pub async fn take_over(
    database: &Database,
    rules: UserRules,
    event_id: Uuid,
    dry_run: bool,
) -> Result<Report, TakeOverError> {
    let mut connection = begin(database).await?;
    if !is_there(&mut connection).await? {
        return Err(TakeOverError::NotThere);
    }
    let mut transaction = connection.begin().await?;
    // Times without a zone were written in UTC; and the policies let nobody but the system write.
    transaction.execute("SET LOCAL timezone = 'UTC'; SELECT set_config('app.principal', 'system', true)").await?;
    let report = copy_everything(&mut transaction, rules, event_id).await?;
    if dry_run {
        transaction.rollback().await?;
    } else {
        transaction.commit().await?;
        admit(&mut connection, &database.username()).await?;
    }
    connection.close().await?;
    Ok(report)
}

async fn copy_everything(
    connection: &mut PgConnection,
    rules: UserRules,
    event_id: Uuid,
) -> Result<Report, TakeOverError> {
    let problems = of_columns(connection).await?;
    if !problems.is_empty() {
        return Err(TakeOverError::Problems(problems));
    }
    for Copy { table, .. } in &COPIES {
        // Nobody changes what is being copied.
        let lock = format!("LOCK TABLE public.{table} IN ACCESS EXCLUSIVE MODE");
        connection.execute(AssertSqlSafe(lock)).await.map_err(|error| match code_of(&error) {
            Some("55P03") => TakeOverError::InUse { table },
            _ => error.into(),
        })?;
    }
    let foreign_keys = sqlx::query(FOREIGN_KEYS).fetch_all(&mut *connection).await?;
    let mut changes: Vec<String> = sqlx::query_scalar(LEFT_BEHIND).fetch_all(&mut *connection).await?;

    connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {OLD}"))).await.map_err(|error| match code_of(&error) {
        Some("42501") => TakeOverError::NoSchema,
        _ => error.into(),
    })?;
    for copy in &COPIES {
        connection.execute(AssertSqlSafe(format!("ALTER TABLE public.{} SET SCHEMA {OLD}", copy.table))).await?;
    }
    let mut problems = of_users(connection, rules).await?;
    problems.extend(of_rows(connection).await?);
    if !problems.is_empty() {
        return Err(TakeOverError::Problems(problems));
    }
    migrate(connection).await?;
    connection.execute("SELECT set_config('app.principal', 'system', true)").await?;
    for copy in &COPIES {
        for statement in copy.statements {
            connection.execute(*statement).await?;
        }
    }
    for note in NOTES {
        changes.extend(sqlx::query_scalar::<_, String>(note).fetch_all(&mut *connection).await?);
    }
    let mut tables = Vec::new();
    for copy in &COPIES {
        tables.push(compare(connection, copy).await?);
    }
    for key in &foreign_keys {
        let (table, name, definition): (String, String, String) = (key.get(0), key.get(1), key.get(2));
        let definition = erasing(&definition);
        let point = format!(
            "ALTER TABLE {table} DROP CONSTRAINT {name}; ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
        );
        connection.execute(AssertSqlSafe(point)).await?;
        changes.push(format!(
            "table {table} is kept as it is, and its {name} refers to the new table; VoiceHive Identity does not use it, and \
             deleting a user deletes what it holds of them"
        ));
    }
    let old = COPIES.map(|copy| format!("{OLD}.{}", copy.table)).join(", ");
    connection.execute(AssertSqlSafe(format!("DROP TABLE {old}"))).await?;
    connection.execute(AssertSqlSafe(format!("DROP SCHEMA {OLD}"))).await?;
    connection.execute(CLAIM_SEEDS).await?;
    let detail = serde_json::json!({ "tables": tables });
    sqlx::query(
        "INSERT INTO audit_events (id, occurred_at, type, outcome, detail)
         VALUES ($1, now(), 'database_taken_over', 'SUCCESS', $2)",
    )
    .bind(event_id)
    .bind(detail)
    .execute(&mut *connection)
    .await?;
    Ok(Report { tables, changes })
}

/// Tables and columns that are not those of the old service.
async fn of_columns(connection: &mut PgConnection) -> Result<Vec<String>, TakeOverError> {
    let mut problems = Vec::new();
    for (table, known) in COLUMNS {
        // Also of tables that belong to somebody else, which the information schema hides.
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT attname::text FROM pg_attribute
              WHERE attrelid = to_regclass('public.' || $1) AND attnum > 0 AND NOT attisdropped ORDER BY 1",
        )
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
        if found.is_empty() {
            problems.push(format!("there is no table {table}"));
            continue;
        }
        for missing in known.iter().filter(|column| !found.iter().any(|found| found == *column)) {
            problems.push(format!("{table} has no column {missing}"));
        }
        for unknown in found.iter().filter(|found| !known.contains(&found.as_str())) {
            problems.push(format!("{table} has a column {unknown}, which nothing here keeps; move it elsewhere first"));
        }
    }
    Ok(problems)
}

/// What only a rule in code can tell of users. Email addresses are written as they are stored and looked up.
async fn of_users(connection: &mut PgConnection, rules: UserRules) -> Result<Vec<String>, TakeOverError> {
    connection.execute(EMAIL_BEFORE).await?;
    let users: Vec<(Uuid, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT id, email_before::text, password_hash::text FROM voicehive_old.users ORDER BY id")
            .fetch_all(&mut *connection)
            .await?;
    let (mut ids, mut emails) = (Vec::new(), Vec::new());
    let (mut no_email, mut no_hash) = (Vec::new(), Vec::new());
    for (id, email, hash) in users {
        match email.as_deref().and_then(rules.email_to_look_up) {
            Some(stored) => {
                ids.push(id);
                emails.push(stored);
            }
            None => no_email.push(id.to_string()),
        }
        if !hash.as_deref().is_some_and(rules.is_known_hash) {
            no_hash.push(id.to_string());
        }
    }
    sqlx::query(STORE_EMAILS).bind(ids).bind(emails).execute(&mut *connection).await?;
    connection.execute(STORE_NAMES).await?;
    let told = [
        told("users whose email address is none", &no_email),
        told("users with a password hash of no known scheme, or one that costs too much", &no_hash),
    ];
    Ok(told.into_iter().flatten().collect())
}

/// A problem with some examples; None without any.
fn told(what: &str, found: &[String]) -> Option<String> {
    let examples = found.get(..found.len().min(EXAMPLES)).filter(|examples| !examples.is_empty())?;
    Some(format!("{what}: {} ({} in all)", examples.join(", "), found.len()))
}

fn code_of(error: &sqlx::Error) -> Option<&str> {
    let sqlx::Error::Database(error) = error else { return None };
    error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code)
}

/// A foreign key to users that does not say what becomes of its rows when the user is deleted would keep them for good.
fn erasing(definition: &str) -> String {
    let end = definition
        .find("REFERENCES users(")
        .filter(|_| !definition.contains(" ON DELETE "))
        .and_then(|start| Some(start + definition.get(start..)?.find(')')? + 1));
    match end.and_then(|end| definition.split_at_checked(end)) {
        Some((reference, rest)) => format!("{reference} ON DELETE CASCADE{rest}"),
        None => definition.to_owned(),
    }
}

async fn of_rows(connection: &mut PgConnection) -> Result<Vec<String>, TakeOverError> {
    let mut problems = Vec::new();
    for (what, statement) in PROBLEMS {
        let found: Vec<String> = sqlx::query_scalar(statement).fetch_all(&mut *connection).await?;
        problems.extend(told(what, &found));
    }
    Ok(problems)
}

/// Counts and checksums of the kept columns, in the old table and in the new one.
async fn compare(connection: &mut PgConnection, copy: &Copy) -> Result<Taken, TakeOverError> {
    let Copy { table, key, kept, .. } = copy;
    let mut told = Vec::new();
    for source in
        [format!("{OLD}.{table}"), format!("public.{table} WHERE ({key}) IN (SELECT {key} FROM {OLD}.{table})")]
    {
        let statement = format!(
            // Not in the order of the keys: the old tables may sort by the rules of some language.
            "SELECT count(*), md5(coalesce(string_agg(row, '' ORDER BY row COLLATE \"C\"), ''))
               FROM (SELECT md5(ROW({kept})::text) AS row FROM {source}) AS rows"
        );
        let row = sqlx::query(AssertSqlSafe(statement)).fetch_one(&mut *connection).await?;
        told.push((row.get::<i64, _>(0), row.get::<String, _>(1)));
    }
    let text = |side: Option<&(i64, String)>| side.map(|(rows, sum)| format!("{rows} rows, {sum}")).unwrap_or_default();
    match told.as_slice() {
        [before, after] if before == after => Ok(Taken { table: copy.table, rows: after.0, checksum: after.1.clone() }),
        sides => {
            Err(TakeOverError::Unequal { table: copy.table, before: text(sides.first()), after: text(sides.get(1)) })
        }
    }
}
