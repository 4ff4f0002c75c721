//! Floor 1: all SQL. One file a table family; every statement runs in a [`Transaction`] that carries its [`Scope`].
//!
//! Knows nothing of HTTP, GraphQL or permissions: what a principal may see arrives as a [`Scope`], and stands in each
//! statement's own clauses (the first wall) and in the row-level policies (the second).

pub mod access;
pub mod api_keys;
pub mod audit;
mod batch;
pub mod catalogue;
pub mod changes;
pub mod embedded;
pub mod hotels;
pub mod idempotency;
mod lease;
pub mod migrations;
pub mod page;
mod pool;
mod replica;
pub mod roles;
mod route;
pub mod seeds;
pub mod serving_role;
pub mod session_batches;
pub mod session_ends;
pub mod sessions;
pub mod sign_in_failures;
pub mod signing_keys;
mod statement;
pub mod text_keys;
mod time;
mod transaction;
pub mod users;

pub use pool::{Database, PoolFigures, PoolSettings};
use route::Servers;
pub use route::{Address, Routes};
pub use transaction::{Reads, Scope, StatementCount, Transaction, Walls, Writes};

use crate::telemetry::metrics;

/// What the database said, sorted by what can be done about it. Texts go to the log, never to a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or none free in time: the same request can succeed a moment later.
    #[error("{passing}: {0}{hint}", passing = passing(.0), hint = hint(.0))]
    Unavailable(#[source] sqlx::Error),
    /// A unique value is somebody else's: an email address, a name.
    #[error("the database has such a row already: {0}")]
    Taken(#[source] sqlx::Error),
    /// Anything else: a defect here, or a schema that was changed by hand.
    #[error("the database refused a statement: {0}{hint}", hint = hint(.0))]
    Refused(#[source] sqlx::Error),
}

/// What went wrong for now, in words for an operator.
fn passing(error: &sqlx::Error) -> &'static str {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    match code.as_deref() {
        None => "the database cannot be reached",
        Some("57014") => "the database stopped a statement that took too long",
        Some("55P03") => "somebody else kept a row or a table locked for too long",
        Some(code) if code.starts_with("08") || code.starts_with("57P") || code.starts_with("53") => {
            "the database cannot be reached"
        }
        Some(_) => "the database could not do it just now",
    }
}

/// What an operator can do about it, where that is known.
fn hint(error: &sqlx::Error) -> &'static str {
    const TLS: &str = "; check database.ssl_mode, database.ssl_root_certificate and database.ssl_certificate";
    match error {
        sqlx::Error::Tls(_) => TLS,
        sqlx::Error::Io(error) => match error.kind() {
            // What is wrong with a certificate arrives as this.
            std::io::ErrorKind::InvalidData => TLS,
            _ => "; check DATABASE_HOST and DATABASE_PORT, and whether PostgreSQL runs there",
        },
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("3D000") => "; check DATABASE_NAME, or make it with `voicehive database init --create-db`",
            Some("28P01" | "28000") => "; check DATABASE_USER and DATABASE_PASSWORD, and the server's pg_hba.conf",
            Some("57014") => "; see database.statement_timeout, or who keeps the database busy",
            Some("55P03") => "; see database.lock_timeout, and pg_stat_activity for a transaction that is not ended",
            Some("42501") => {
                "; let a role that may do it run `voicehive database init`, see database.migration_username"
            }
            _ => "",
        },
        _ => "",
    }
}

/// The result of everything in this floor.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let passing = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(database) => database.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        };
        let taken = matches!(&error, sqlx::Error::Database(database) if database.is_unique_violation());
        if taken {
            return Self::Taken(error);
        }
        metrics::database_error(kind_of(&error));
        if passing { Self::Unavailable(error) } else { Self::Refused(error) }
    }
}

/// What went wrong, in a word for the metrics.
fn kind_of(error: &sqlx::Error) -> &'static str {
    let sqlx::Error::Database(database) = error else {
        return match error {
            sqlx::Error::PoolTimedOut => "pool_timeout",
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => "connection",
            _ => "other",
        };
    };
    match database.code().as_deref().unwrap_or_default() {
        "40P01" => "deadlock",
        "40001" => "serialization",
        "55P03" => "lock_timeout",
        "57014" => "statement_timeout",
        "25P03" => "idle_transaction_timeout",
        code if code.starts_with("57P") => "shutdown",
        code if code.starts_with("08") => "connection",
        code if code.starts_with("53") => "out_of_resources",
        _ => "other",
    }
}

/// SQLSTATE classes that pass by themselves: connection trouble (08), out of resources (53), an operator's
/// intervention such as a restart (57P), a serialisation failure or deadlock (40), a statement cut off (57014, 55P03).
fn is_passing(code: &str) -> bool {
    ["08", "40", "53", "57P"].iter().any(|class| code.starts_with(class)) || matches!(code, "57014" | "55P03" | "25006")
}
