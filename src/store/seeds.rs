//! What is put into a new database once: the demo hotel and users, and the first administrator.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::users::HotelScope;
use super::{Result, Transaction};

/// Whether this seed has been put in.
pub async fn is_applied(transaction: &mut Transaction, name: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM seeds WHERE name = $1) AS "applied!""#, name)
        .fetch_one(transaction.statement())
        .await?)
}

/// Takes this seed for the transaction. False where it has been put in; a server that is at it in this moment is waited for.
pub async fn claim(transaction: &mut Transaction, name: &str) -> Result<bool> {
    let done = sqlx::query!("INSERT INTO seeds (name) VALUES ($1) ON CONFLICT (name) DO NOTHING", name)
        .execute(transaction.statement())
        .await?;
    Ok(done.rows_affected() == 1)
}

/// How many users, roles and hotels there are.
pub async fn size(transaction: &mut Transaction) -> Result<(i64, i64, i64)> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM users) AS "users!", (SELECT count(*) FROM roles) AS "roles!",
                  (SELECT count(*) FROM hotels) AS "hotels!""#
    )
    .fetch_one(transaction.statement())
    .await?;
    Ok((row.users, row.roles, row.hotels))
}

/// Forgets that this seed was put in, so that it is put in again where it is wanted.
pub async fn release(transaction: &mut Transaction, name: &str) -> Result<()> {
    sqlx::query!("DELETE FROM seeds WHERE name = $1", name).execute(transaction.statement()).await?;
    Ok(())
}

/// Makes a hotel, unless it is there.
pub async fn insert_hotel(transaction: &mut Transaction, id: &str, name: &str, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "INSERT INTO hotels (id, name, brand, country, city, pms_type, created_at, updated_at)
         VALUES ($1, $2, 'VoiceHive', 'DE', 'Berlin', 'apaleo', $3, $3) ON CONFLICT (id) DO NOTHING",
        id,
        name,
        now
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// Makes a hotel of which nothing but its id is known, unless it is there.
pub async fn insert_unknown_hotel(transaction: &mut Transaction, id: &str, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "INSERT INTO hotels (id, name, pms_type, created_at, updated_at) VALUES ($1, $1, 'unknown', $2, $2)
             ON CONFLICT (id) DO NOTHING",
        id,
        now
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// An account to make.
pub struct SeedUser<'a> {
    pub id: Uuid,
    pub email: &'a str,
    pub password_hash: &'a str,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub role: &'a str,
    pub hotel_scope: HotelScope,
    pub hotels: &'a [&'a str],
    pub must_change_password: bool,
}

/// Makes an account with its role and hotels, unless the email address is taken; whether it was made.
pub async fn insert_user(transaction: &mut Transaction, user: &SeedUser<'_>, now: DateTime<Utc>) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO users (id, email, password_hash, first_name, last_name, email_verified, hotel_scope,
                must_change_password, password_changed_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, true, $6, $7, $8, $8, $8) ON CONFLICT (email) DO NOTHING",
        user.id,
        user.email,
        user.password_hash,
        user.first_name,
        user.last_name,
        user.hotel_scope as HotelScope,
        user.must_change_password,
        now
    )
    .execute(transaction.statement())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "INSERT INTO user_roles (user_id, role_id, created_at) SELECT $1, id, $3 FROM roles WHERE name = $2",
        user.id,
        user.role,
        now
    )
    .execute(transaction.statement())
    .await?;
    let hotels: Vec<String> = user.hotels.iter().map(|id| (*id).to_owned()).collect();
    sqlx::query!(
        "INSERT INTO user_hotels (user_id, hotel_id, created_at) SELECT $1, unnest($2::text[]), $3",
        user.id,
        &hotels,
        now
    )
    .execute(transaction.statement())
    .await?;
    Ok(true)
}
