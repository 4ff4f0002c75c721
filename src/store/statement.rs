//! One statement on its way to a connection: in a form that whoever stands between can pass on, and for no longer than an
//! answer can take.
//!
//! sqlx gives what it prepares a name and remembers it for the connection. Behind a pooler that gives each transaction
//! another connection of PostgreSQL's, that name means nothing, or something else; there statements go without one.
//! And a network that is cut says nothing: TCP waits for a quarter of an hour.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, TryStreamExt};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Either, Execute, Executor, Postgres, SqlStr};
use tokio::time::Instant;

use super::pool::silent;

/// The connection of an open transaction, for one statement.
#[derive(Debug)]
pub(super) struct Statement<'c> {
    pub connection: &'c mut PgConnection,
    /// Whether what is prepared is remembered.
    pub is_kept: bool,
    /// How long an answer may take. PostgreSQL ends a statement before that.
    pub patience: Duration,
}

impl<'c> Statement<'c> {
    fn sent<Q>(self, query: Q) -> (&'c mut PgConnection, Sent<Q>, Instant) {
        (self.connection, Sent { query, is_kept: self.is_kept }, Instant::now() + self.patience)
    }
}

/// A query as it is, but for whether it is remembered.
struct Sent<Q> {
    query: Q,
    is_kept: bool,
}

impl<'q, Q: Execute<'q, Postgres>> Execute<'q, Postgres> for Sent<Q> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.is_kept && self.query.persistent()
    }
}

impl<'c> Executor<'c> for Statement<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, Q>(self, query: Q) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Postgres>,
    {
        let (connection, query, until) = self.sent(query);
        let rows = connection.fetch_many(query);
        Box::pin(futures_util::stream::try_unfold(rows, move |mut rows| async move {
            Ok(answered(until, rows.try_next()).await?.map(|row| (row, rows)))
        }))
    }

    fn fetch_optional<'e, 'q: 'e, Q>(self, query: Q) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Postgres>,
    {
        let (connection, query, until) = self.sent(query);
        Box::pin(answered(until, connection.fetch_optional(query)))
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.connection.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<sqlx::Describe<Postgres>>>
    where
        'c: 'e,
    {
        self.connection.describe(sql)
    }
}

/// The answer, or that there is none.
pub(super) async fn answered<T>(until: Instant, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout_at(until, answer).await.unwrap_or_else(|_| Err(silent()))
}
