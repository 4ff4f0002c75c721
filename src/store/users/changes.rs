//! What administration does to users. Rows are locked in one order by every change: the administrators' lock, an email address, counters
//! of failed sign-ins, roles, hotels, users by id, and last what hangs on a user.

use std::time::Instant;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::HotelScope;
use crate::store::changes::Topic;
use crate::store::session_batches::tell_as_many_of;
use crate::store::time::{MaybeTime, StoredTime};
use crate::store::{Result, Transaction};
use crate::telemetry::metrics;

/// An advisory lock: the ASCII codes of "voiceadm".
const ADMINISTRATORS: i64 = 0x766f_6963_6561_646d;

/// A user as a change finds or leaves it. Lists are sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserState {
    pub id: Uuid,
    pub email: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub active: bool,
    pub email_verified: bool,
    pub must_change_password: bool,
    pub failed_login_attempts: i32,
    pub locked_until: Option<DateTime<Utc>>,
    pub hotel_scope: HotelScope,
    /// Names of the roles held, inactive ones included.
    pub roles: Vec<String>,
    /// What the active ones among them grant. Not written.
    pub permissions: Vec<String>,
    /// What all of them grant, or will where they are active again. Not written.
    pub held_permissions: Vec<String>,
    /// Hotels assigned.
    pub hotels: Vec<String>,
    pub updated_at: DateTime<Utc>,
}

/// A password that somebody else has set for a user, who must change it.
pub struct NewPassword {
    pub hash: String,
    /// From when on it opens nothing; None where nobody knows it.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes everyone wait who may leave the system without an administrator, until this transaction ends.
pub async fn lock_administrators(transaction: &mut Transaction) -> Result<()> {
    let began = Instant::now();
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", ADMINISTRATORS).fetch_one(transaction.statement()).await?;
    metrics::database_locked("administrators", began.elapsed());
    Ok(())
}

/// Keeps a user's email address from being changed until this transaction ends, without locking the user yet: for what must
/// lock the address's counters of failed sign-ins before the user, as sign-in does.
pub async fn lock_email(transaction: &mut Transaction, id: Uuid) -> Result<()> {
    // Users whose keys happen to be one wait for each other; nobody locks more than one address.
    let (high, low) = id.as_u64_pair();
    let key = (high ^ low).cast_signed();
    let began = Instant::now();
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", key).fetch_one(transaction.statement()).await?;
    metrics::database_locked("email", began.elapsed());
    Ok(())
}

/// Locks these users until the transaction ends. Their state is to be read after this has returned: a statement that
/// waits for a lock sees other tables as they were before it waited.
pub async fn lock(transaction: &mut Transaction, ids: &[Uuid]) -> Result<()> {
    let began = Instant::now();
    sqlx::query!("SELECT id FROM users WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", ids)
        .fetch_all(transaction.statement())
        .await?;
    metrics::database_locked("users", began.elapsed());
    Ok(())
}

/// These users as they stand, by id; without those that do not exist.
pub async fn states(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<UserState>> {
    Ok(sqlx::query_as!(
        UserState,
        r#"SELECT u.id, u.email, u.first_name, u.last_name, u.active, u.email_verified, u.must_change_password,
                  u.failed_login_attempts, u.locked_until AS "locked_until!: MaybeTime",
                  u.hotel_scope AS "hotel_scope: HotelScope", u.updated_at AS "updated_at: StoredTime",
                  ARRAY(SELECT r.name FROM user_roles held JOIN roles r ON r.id = held.role_id
                         WHERE held.user_id = u.id ORDER BY r.name) AS "roles!",
                  ARRAY(SELECT DISTINCT granted FROM user_roles held JOIN roles r ON r.id = held.role_id,
                               unnest(r.permissions) AS granted
                         WHERE held.user_id = u.id AND r.active ORDER BY granted) AS "permissions!",
                  ARRAY(SELECT DISTINCT granted FROM user_roles held JOIN roles r ON r.id = held.role_id,
                               unnest(r.permissions) AS granted
                         WHERE held.user_id = u.id ORDER BY granted) AS "held_permissions!",
                  ARRAY(SELECT hotel_id FROM user_hotels reach
                         WHERE reach.user_id = u.id ORDER BY hotel_id) AS "hotels!"
             FROM users u WHERE u.id = ANY($1) ORDER BY u.id"#,
        ids
    )
    .fetch_all(transaction.statement())
    .await?)
}

/// How many users other than these can administer the system: active, able to sign in, reaching every hotel, and holding
/// the role of this name.
pub async fn administrators_besides(transaction: &mut Transaction, besides: &[Uuid], role: &str) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "administrators!" FROM users u
            WHERE u.active AND u.email_verified AND u.hotel_scope = 'ALL' AND u.id <> ALL($1)
              AND EXISTS (SELECT 1 FROM user_roles held JOIN roles r ON r.id = held.role_id
                           WHERE held.user_id = u.id AND r.name = $2)"#,
        besides,
        role
    )
    .fetch_one(transaction.statement())
    .await?)
}

/// Adds a user without roles and hotels. False where the email address is taken.
pub async fn insert(
    transaction: &mut Transaction,
    user: &UserState,
    password: &NewPassword,
    created_by: Option<Uuid>,
) -> Result<bool> {
    // Naming the column of the conflict would have row-level security ask whether the new row may be read.
    let done = sqlx::query!(
        "INSERT INTO users (id, email, password_hash, first_name, last_name, active, email_verified, hotel_scope,
                must_change_password, password_changed_at, created_at, updated_at, created_by, updated_by,
                temporary_password_expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10, $11, $11, $12) ON CONFLICT DO NOTHING",
        user.id,
        user.email,
        password.hash,
        user.first_name,
        user.last_name,
        user.active,
        user.email_verified,
        user.hotel_scope as HotelScope,
        user.must_change_password,
        user.updated_at,
        created_by,
        password.expires_at
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes the columns of these users; how many there were.
pub async fn update(transaction: &mut Transaction, users: &[UserState], updated_by: Option<Uuid>) -> Result<u64> {
    for user in users {
        transaction.changes(Topic::User(user.id));
    }
    let column = |of: fn(&UserState) -> bool| users.iter().map(of).collect::<Vec<_>>();
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let emails: Vec<_> = users.iter().map(|user| user.email.clone()).collect();
    let first_names: Vec<_> = users.iter().map(|user| user.first_name.clone()).collect();
    let last_names: Vec<_> = users.iter().map(|user| user.last_name.clone()).collect();
    let everywhere = column(|user| user.hotel_scope == HotelScope::All);
    let failures: Vec<_> = users.iter().map(|user| user.failed_login_attempts).collect();
    let locked_until: Vec<_> = users.iter().map(|user| user.locked_until).collect();
    let updated_at: Vec<_> = users.iter().map(|user| user.updated_at).collect();
    let done = sqlx::query!(
        "UPDATE users u SET email = new.email, first_name = new.first_name, last_name = new.last_name,
                active = new.active, email_verified = new.email_verified, must_change_password = new.must_change,
                hotel_scope = CASE WHEN new.everywhere THEN 'ALL' ELSE 'ASSIGNED' END,
                failed_login_attempts = new.failures, locked_until = new.locked_until,
                updated_at = new.updated_at, updated_by = $12
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::boolean[],
                       $8::boolean[], $9::integer[], $10::timestamptz[], $11::timestamptz[])
                AS new(id, email, first_name, last_name, active, email_verified, must_change, everywhere, failures,
                       locked_until, updated_at)
          WHERE u.id = new.id",
        &ids,
        &emails,
        &first_names as &[Option<String>],
        &last_names as &[Option<String>],
        &column(|user| user.active),
        &column(|user| user.email_verified),
        &column(|user| user.must_change_password),
        &everywhere,
        &failures,
        &locked_until as &[Option<DateTime<Utc>>],
        &updated_at,
        updated_by
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Sets a password that somebody else has chosen.
pub async fn set_password(
    transaction: &mut Transaction,
    id: Uuid,
    password: &NewPassword,
    now: DateTime<Utc>,
) -> Result<u64> {
    transaction.changes(Topic::User(id));
    let done = sqlx::query!(
        "UPDATE users SET password_hash = $2, password_changed_at = $3, temporary_password_expires_at = $4 WHERE id = $1",
        id,
        password.hash,
        now,
        password.expires_at
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Deletes a user with its roles, hotels and sessions.
pub async fn delete(transaction: &mut Transaction, id: Uuid) -> Result<u64> {
    transaction.changes(Topic::User(id));
    tell_as_many_of(transaction, &[id]).await?;
    let done = sqlx::query!("DELETE FROM users WHERE id = $1", id).execute(transaction.statement()).await?;
    Ok(done.rows_affected())
}

/// Pairs of a user and a role's name, or a hotel's id.
#[derive(Default)]
pub struct Pairs {
    pub(super) users: Vec<Uuid>,
    pub(super) others: Vec<String>,
}

impl Pairs {
    pub fn push(&mut self, user: Uuid, other: &str) {
        self.users.push(user);
        self.others.push(other.to_owned());
    }

    fn change(&self, transaction: &mut Transaction) {
        for user in &self.users {
            transaction.changes(Topic::User(*user));
        }
    }

    pub fn len(&self) -> u64 {
        self.users.len() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

/// Gives users roles that they do not hold; how many.
pub async fn add_roles(
    transaction: &mut Transaction,
    pairs: &Pairs,
    now: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<u64> {
    pairs.change(transaction);
    let done = sqlx::query!(
        "INSERT INTO user_roles (user_id, role_id, created_at, created_by)
         SELECT new.user_id, r.id, $3, $4 FROM unnest($1::uuid[], $2::text[]) AS new(user_id, name)
           JOIN roles r ON r.name = new.name ON CONFLICT DO NOTHING",
        &pairs.users,
        &pairs.others,
        now,
        by
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Takes roles from users; how many.
pub async fn remove_roles(transaction: &mut Transaction, pairs: &Pairs) -> Result<u64> {
    pairs.change(transaction);
    let done = sqlx::query!(
        "DELETE FROM user_roles held USING unnest($1::uuid[], $2::text[]) AS old(user_id, name), roles r
          WHERE held.user_id = old.user_id AND r.name = old.name AND held.role_id = r.id",
        &pairs.users,
        &pairs.others
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Assigns hotels to users; how many.
pub async fn add_hotels(
    transaction: &mut Transaction,
    pairs: &Pairs,
    now: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<u64> {
    pairs.change(transaction);
    let done = sqlx::query!(
        "INSERT INTO user_hotels (user_id, hotel_id, created_at, created_by)
         SELECT new.user_id, new.hotel_id, $3, $4 FROM unnest($1::uuid[], $2::text[]) AS new(user_id, hotel_id)
             ON CONFLICT DO NOTHING",
        &pairs.users,
        &pairs.others,
        now,
        by
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}

/// Takes hotels from users; how many.
pub async fn remove_hotels(transaction: &mut Transaction, pairs: &Pairs) -> Result<u64> {
    pairs.change(transaction);
    let done = sqlx::query!(
        "DELETE FROM user_hotels reach USING unnest($1::uuid[], $2::text[]) AS old(user_id, hotel_id)
          WHERE reach.user_id = old.user_id AND reach.hotel_id = old.hotel_id",
        &pairs.users,
        &pairs.others
    )
    .execute(transaction.statement())
    .await?;
    Ok(done.rows_affected())
}
