//! What sign-in reads and writes of an account.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::HotelScope;
use crate::store::changes::Topic;
use crate::store::time::MaybeTime;
use crate::store::{Result, Transaction};

/// What sign-in needs to know of an account.
#[derive(Clone)]
pub struct Credentials {
    pub user_id: Uuid,
    pub email: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub password_hash: String,
    pub active: bool,
    pub email_verified: bool,
    pub locked_until: Option<DateTime<Utc>>,
    /// From when on a temporary password opens nothing. Where the password need not be changed, and where another one was set
    /// since, there is no such moment: the release before knows nothing of it.
    pub password_expires_at: Option<DateTime<Utc>>,
    pub hotel_scope: HotelScope,
    /// Assigned hotels, sorted.
    pub hotels: Vec<String>,
}

/// The credentials of the account with this email address (stored form).
pub async fn credentials_by_email(transaction: &mut Transaction, email: &str) -> Result<Option<Credentials>> {
    Ok(sqlx::query_as!(
        Credentials,
        r#"SELECT u.id AS user_id, u.email, u.first_name, u.last_name, u.password_hash, u.active, u.email_verified,
                  u.locked_until AS "locked_until!: MaybeTime", u.hotel_scope AS "hotel_scope: HotelScope",
                  CASE WHEN u.must_change_password AND u.temporary_password_expires_at > coalesce(u.password_changed_at, '-infinity')
                       THEN u.temporary_password_expires_at END AS "password_expires_at!: MaybeTime",
                  ARRAY(SELECT hotel_id FROM user_hotels reach WHERE reach.user_id = u.id ORDER BY hotel_id) AS "hotels!"
             FROM users u WHERE u.email = $1"#,
        email
    )
    .fetch_optional(transaction.statement())
    .await?)
}

/// The credentials of the account with this id.
pub async fn credentials_by_id(transaction: &mut Transaction, id: Uuid) -> Result<Option<Credentials>> {
    Ok(sqlx::query_as!(
        Credentials,
        r#"SELECT u.id AS user_id, u.email, u.first_name, u.last_name, u.password_hash, u.active, u.email_verified,
                  u.locked_until AS "locked_until!: MaybeTime", u.hotel_scope AS "hotel_scope: HotelScope",
                  CASE WHEN u.must_change_password AND u.temporary_password_expires_at > coalesce(u.password_changed_at, '-infinity')
                       THEN u.temporary_password_expires_at END AS "password_expires_at!: MaybeTime",
                  ARRAY(SELECT hotel_id FROM user_hotels reach WHERE reach.user_id = u.id ORDER BY hotel_id) AS "hotels!"
             FROM users u WHERE u.id = $1"#,
        id
    )
    .fetch_optional(transaction.statement())
    .await?)
}

/// Records a sign-in, and with it the new hash of an old-fashioned one; `lift_lock` forgets the failures before it. False
/// where the account was deactivated or its password changed while the old one was being checked.
pub async fn record_sign_in(
    transaction: &mut Transaction,
    checked: &Credentials,
    new_hash: Option<&str>,
    lift_lock: bool,
    now: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE users SET last_login_at = $3, password_hash = coalesce($4, password_hash),
                failed_login_attempts = CASE WHEN $5 THEN 0 ELSE failed_login_attempts END,
                locked_until = CASE WHEN $5 THEN NULL ELSE locked_until END
          WHERE id = $1 AND password_hash = $2 AND active AND email_verified",
        checked.user_id,
        checked.password_hash,
        now,
        new_hash,
        lift_lock
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Shows on the account what was counted against its email address.
pub async fn record_failures(
    transaction: &mut Transaction,
    user_id: Option<Uuid>,
    failures: i32,
    locked_until: Option<DateTime<Utc>>,
) -> Result<()> {
    // Runs for unknown accounts too, touching no row: their refusal must take as long.
    sqlx::query!(
        "UPDATE users SET failed_login_attempts = $2, locked_until = $3 WHERE id = $1",
        user_id,
        failures,
        locked_until
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// Sets a new password, unless the hash is no longer the one that was checked.
pub async fn change_password(
    transaction: &mut Transaction,
    checked: &Credentials,
    new_hash: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    transaction.changes(Topic::User(checked.user_id));
    let done = sqlx::query!(
        "UPDATE users SET password_hash = $3, password_changed_at = $4, must_change_password = false,
                temporary_password_expires_at = NULL, updated_at = $4, updated_by = id
          WHERE id = $1 AND password_hash = $2 AND active",
        checked.user_id,
        checked.password_hash,
        new_hash,
        now
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected() == 1)
}
