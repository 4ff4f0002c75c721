//! Takes away everything that the migrations make, and nothing else: the database may hold tables of others.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::{Result, TABLES};

/// The functions of the migrations, which go with the tables.
pub(super) const FUNCTIONS: [&str; 35] = [
    "principal_is_system",
    "principal_is_set",
    "principal_user_id",
    "principal_reaches_all_hotels",
    "principal_views_users",
    "principal_sees_all_users",
    "principal_hotels",
    "principal_reaches_user",
    "principal_reads_audit",
    "note_audit_events",
    "prepare_audit_partitions",
    "drop_audit_partitions",
    "erase_person_from_audit_events",
    "principal_writes",
    "principal_api_key_id",
    "principal_id",
    "principal_sees_api_keys",
    "principal_hotels_of_people",
    "principal_assigned_hotels",
    "principal_permissions",
    "guard_own_row",
    "principal_api_keys",
    "principal_of_transaction",
    "find_principal_hotels",
    "tell_change",
    "tell_changed_row",
    "tell_changed_assignments",
    "fill_in_user_created_at",
    "follow_user_created_at",
    "in_one_form",
    "search_key",
    "order_key",
    "fill_in_user_text",
    "fill_in_role_text",
    "fill_in_hotel_text",
];

/// Drops tables and functions. What others built upon them (views, foreign keys) goes as well, their tables stay.
pub(super) async fn drop_everything(connection: &mut PgConnection) -> Result<()> {
    let tables = TABLES.map(|table| format!("public.{table}")).join(", ");
    let drop = format!("DROP TABLE IF EXISTS {tables}, public._sqlx_migrations CASCADE");
    connection.execute(AssertSqlSafe(drop)).await?;
    let functions = FUNCTIONS.map(String::from);
    let there = sqlx::query_scalar!(
        r#"SELECT p.oid::regprocedure::text AS "function!" FROM pg_proc p
            WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY($1)"#,
        &functions
    )
    .fetch_all(&mut *connection)
    .await?;
    if !there.is_empty() {
        connection.execute(AssertSqlSafe(format!("DROP FUNCTION {} CASCADE", there.join(", ")))).await?;
    }
    Ok(())
}
