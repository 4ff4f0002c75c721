//! Users in bulk, between files and the tables: read one after the other, written thousands at a time.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use uuid::Uuid;

use super::HotelScope;
use super::changes::Pairs;
use crate::store::time::{MaybeTime, StoredTime};
use crate::store::{Result, Transaction};

/// A user with everything that is kept in a file. Lists are sorted.
#[derive(Clone, Debug)]
pub struct UserRow {
    pub id: Uuid,
    pub email: String,
    pub password_hash: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub active: bool,
    pub email_verified: bool,
    pub must_change_password: bool,
    pub hotel_scope: HotelScope,
    pub roles: Vec<String>,
    pub hotels: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub password_changed_at: Option<DateTime<Utc>>,
    pub last_login_at: Option<DateTime<Utc>>,
}

/// Hands every user to `give`, in the order of their ids, holding one at a time.
pub async fn each<E: From<crate::store::Error>>(
    transaction: &mut Transaction,
    mut give: impl FnMut(UserRow) -> Result<(), E>,
) -> Result<(), E> {
    let mut rows = sqlx::query_as!(
        UserRow,
        r#"SELECT u.id, u.email, u.password_hash, u.first_name, u.last_name, u.active, u.email_verified,
                  u.must_change_password, u.hotel_scope AS "hotel_scope: HotelScope",
                  u.created_at AS "created_at: StoredTime", u.password_changed_at AS "password_changed_at!: MaybeTime",
                  u.last_login_at AS "last_login_at!: MaybeTime",
                  ARRAY(SELECT r.name FROM user_roles held JOIN roles r ON r.id = held.role_id
                         WHERE held.user_id = u.id ORDER BY r.name) AS "roles!",
                  ARRAY(SELECT hotel_id FROM user_hotels reach
                         WHERE reach.user_id = u.id ORDER BY hotel_id) AS "hotels!"
             FROM users u ORDER BY u.id"#
    )
    .fetch(transaction.statement());
    while let Some(row) = rows.try_next().await.map_err(crate::store::Error::from)? {
        give(row)?;
    }
    Ok(())
}

/// Adds those of these users whose id and email address are nobody's yet, without roles and hotels; the ids of those
/// that were added.
pub async fn insert_new(transaction: &mut Transaction, rows: &[&UserRow], now: DateTime<Utc>) -> Result<Vec<Uuid>> {
    let flags = |of: fn(&UserRow) -> bool| rows.iter().map(|row| of(row)).collect::<Vec<_>>();
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let emails: Vec<_> = rows.iter().map(|row| row.email.clone()).collect();
    let hashes: Vec<_> = rows.iter().map(|row| row.password_hash.clone()).collect();
    let first_names: Vec<_> = rows.iter().map(|row| row.first_name.clone()).collect();
    let last_names: Vec<_> = rows.iter().map(|row| row.last_name.clone()).collect();
    let created: Vec<_> = rows.iter().map(|row| row.created_at).collect();
    let password_changed: Vec<_> = rows.iter().map(|row| row.password_changed_at).collect();
    let last_logins: Vec<_> = rows.iter().map(|row| row.last_login_at).collect();
    Ok(sqlx::query_scalar!(
        "INSERT INTO users (id, email, password_hash, first_name, last_name, active, email_verified,
                must_change_password, hotel_scope, created_at, password_changed_at, last_login_at, updated_at)
         SELECT id, email, hash, first_name, last_name, active, verified, must_change,
                CASE WHEN everywhere THEN 'ALL' ELSE 'ASSIGNED' END, created_at, password_changed_at, last_login_at, $13
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::boolean[],
                       $8::boolean[], $9::boolean[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[])
                AS new(id, email, hash, first_name, last_name, active, verified, must_change, everywhere, created_at,
                       password_changed_at, last_login_at)
             ON CONFLICT DO NOTHING RETURNING id",
        &ids,
        &emails,
        &hashes,
        &first_names as &[Option<String>],
        &last_names as &[Option<String>],
        &flags(|row| row.active),
        &flags(|row| row.email_verified),
        &flags(|row| row.must_change_password),
        &flags(|row| row.hotel_scope == HotelScope::All),
        &created,
        &password_changed as &[Option<DateTime<Utc>>],
        &last_logins as &[Option<DateTime<Utc>>],
        now
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// Takes those of these users away again who are still being erased, as whoever deleted them was promised; their ids. Asked
/// after they were added: so nobody who is deleted meanwhile is overlooked.
pub async fn take_back_erased(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "DELETE FROM users WHERE id IN (SELECT user_id FROM erasures WHERE user_id = ANY($1)) RETURNING id",
        ids
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// Gives roles to users who were added just now and hold none: so nothing can be there already.
pub async fn insert_roles(transaction: &mut Transaction, pairs: &Pairs, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "INSERT INTO user_roles (user_id, role_id, created_at, user_created_at)
         SELECT new.user_id, r.id, $3, u.created_at FROM unnest($1::uuid[], $2::text[]) AS new(user_id, name)
           JOIN roles r ON r.name = new.name JOIN users u ON u.id = new.user_id",
        &pairs.users,
        &pairs.others,
        now
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// The same with hotels.
pub async fn insert_hotels(transaction: &mut Transaction, pairs: &Pairs, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "INSERT INTO user_hotels (user_id, hotel_id, created_at, user_created_at)
         SELECT new.user_id, new.hotel_id, $3, u.created_at FROM unnest($1::uuid[], $2::text[]) AS new(user_id, hotel_id)
           JOIN users u ON u.id = new.user_id",
        &pairs.users,
        &pairs.others,
        now
    )
    .execute(transaction.statement())
    .await?;
    Ok(())
}

/// The ids and email addresses of users who have any of these.
pub async fn holders(transaction: &mut Transaction, ids: &[Uuid], emails: &[String]) -> Result<Vec<(Uuid, String)>> {
    let found = sqlx::query!("SELECT id, email FROM users WHERE id = ANY($1) OR email = ANY($2)", ids, emails)
        .fetch_all(transaction.statement())
        .await?;
    Ok(found.into_iter().map(|row| (row.id, row.email)).collect())
}

/// The names of all roles and the ids of all hotels.
pub async fn roles_and_hotels(transaction: &mut Transaction) -> Result<(Vec<String>, Vec<String>)> {
    let row =
        sqlx::query!(r#"SELECT ARRAY(SELECT name FROM roles) AS "roles!", ARRAY(SELECT id FROM hotels) AS "hotels!""#)
            .fetch_one(transaction.statement())
            .await?;
    Ok((row.roles, row.hotels))
}
