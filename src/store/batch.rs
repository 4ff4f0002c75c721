//! Many in one statement, and one no dearer than by itself. PostgreSQL plans a statement with an array anew each time that it
//! is run, because it takes a plan for any array to be one for ten values; with a single value it keeps the plan.

use sqlx::encode::Encode;
use sqlx::postgres::PgHasArrayType;
use sqlx::{Postgres, QueryBuilder, Type};

/// Pushes the rest of `<column>`: that it is any of these.
pub(super) fn push_is_any<'a, T>(query: &'a mut QueryBuilder<Postgres>, values: &[T]) -> &'a mut QueryBuilder<Postgres>
where
    T: Clone + PgHasArrayType + Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static,
    Vec<T>: for<'q> Encode<'q, Postgres>,
{
    match values {
        [one] => query.push(" = ").push_bind(one.clone()),
        several => query.push(" = ANY(").push_bind(several.to_vec()).push(")"),
    }
}

/// Pushes a table of these values, of the SQL type that is named, with one column.
pub(super) fn push_table_of<'a, T>(
    query: &'a mut QueryBuilder<Postgres>,
    values: &[T],
    sql_type: &str,
) -> &'a mut QueryBuilder<Postgres>
where
    T: Clone + PgHasArrayType + Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static,
    Vec<T>: for<'q> Encode<'q, Postgres>,
{
    match values {
        [one] => query.push("(VALUES (").push_bind(one.clone()).push(format_args!("::{sql_type}))")),
        several => query.push("unnest(").push_bind(several.to_vec()).push(format_args!("::{sql_type}[])")),
    }
}
