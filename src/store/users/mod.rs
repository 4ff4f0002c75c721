//! Users: the type and its look-ups; [`lists`] holds their lists, [`sign_in`] what sign-in reads and writes of them, [`changes`] what administration does,
//! [`decisions`] what access decisions look at, [`names`] how they are called.

pub mod changes;
pub mod decisions;
mod lists;
pub mod names;
pub mod sign_in;
pub mod transfer;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Postgres, QueryBuilder, Row};
use uuid::Uuid;

pub use lists::{UsersOf, counts, pages};

use super::batch::push_is_any;
use super::{Result, Transaction};
use crate::store::time::{MaybeTime, StoredTime};

/// Which hotels a user or an API key reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "UPPERCASE")]
pub enum HotelScope {
    All,
    Assigned,
}

/// A user as everyone who may see them sees them. The password hash is not part of it.
#[derive(Clone, Debug)]
pub struct User {
    pub id: Uuid,
    pub email: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub active: bool,
    pub email_verified: bool,
    pub failed_login_attempts: i32,
    pub locked_until: Option<DateTime<Utc>>,
    pub last_login_at: Option<DateTime<Utc>>,
    pub password_changed_at: Option<DateTime<Utc>>,
    pub must_change_password: bool,
    pub mfa_enabled: bool,
    pub hotel_scope: HotelScope,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub created_by: Option<Uuid>,
    pub updated_by: Option<Uuid>,
    /// The roles held, in no order, where they were read as well.
    pub role_ids: Option<Vec<Uuid>>,
    /// The assigned hotels in the reader's sight, where they were read as well: sorted, and the first [`HOTELS_READ`] at most.
    pub hotel_ids: Option<Vec<String>>,
    /// Where the user stands by last name, where that is the list's order.
    pub last_name_key: Option<String>,
}

/// How many of a user's hotels are read along with the user: a whole page, and one more.
pub const HOTELS_READ: usize = 101;

/// What is read along with users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct With {
    pub role_ids: bool,
    pub hotel_ids: bool,
}

impl With {
    pub const EVERYTHING: Self = Self { role_ids: true, hotel_ids: true };

    /// All columns of the user `u`.
    fn push_columns(self, query: &mut QueryBuilder<Postgres>, transaction: &Transaction) {
        query.push(COLUMNS);
        if self.role_ids {
            query.push(", ARRAY(SELECT held.role_id FROM user_roles held WHERE held.user_id = u.id)");
        } else {
            query.push(", NULL::uuid[]");
        }
        if self.hotel_ids {
            query.push(", ARRAY(SELECT reach.hotel_id FROM user_hotels reach WHERE reach.user_id = u.id");
            let scope = transaction.scope();
            if !scope.all_hotels {
                query.push(" AND reach.hotel_id");
                push_is_any(query, &scope.hotels);
            }
            query.push(format_args!(" ORDER BY reach.hotel_id LIMIT {HOTELS_READ})"));
        } else {
            query.push(", NULL::text[]");
        }
    }
}

const COLUMNS: &str = "u.id, u.email, u.first_name, u.last_name, u.active, u.email_verified, u.failed_login_attempts, \
    u.locked_until, u.last_login_at, u.password_changed_at, u.must_change_password, u.mfa_enabled, u.hotel_scope, \
    u.created_at, u.updated_at, u.created_by, u.updated_by";

/// How many those of [`COLUMNS`] and of [`With`] are.
const USER_COLUMNS: usize = 19;

/// By place and not by name, which would be looked up in each row: [`COLUMNS`] and those of [`With`] come first.
impl FromRow<'_, PgRow> for User {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            email: row.try_get(1)?,
            first_name: row.try_get(2)?,
            last_name: row.try_get(3)?,
            active: row.try_get(4)?,
            email_verified: row.try_get(5)?,
            failed_login_attempts: row.try_get(6)?,
            locked_until: row.try_get::<MaybeTime, _>(7)?.into(),
            last_login_at: row.try_get::<MaybeTime, _>(8)?.into(),
            password_changed_at: row.try_get::<MaybeTime, _>(9)?.into(),
            must_change_password: row.try_get(10)?,
            mfa_enabled: row.try_get(11)?,
            hotel_scope: row.try_get(12)?,
            created_at: row.try_get::<StoredTime, _>(13)?.into(),
            updated_at: row.try_get::<StoredTime, _>(14)?.into(),
            created_by: row.try_get(15)?,
            updated_by: row.try_get(16)?,
            role_ids: row.try_get(17)?,
            hotel_ids: row.try_get(18)?,
            last_name_key: None,
        })
    }
}

/// Which users a list holds; what is None does not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UserFilter {
    pub search: Option<String>,
    pub active: Option<bool>,
    /// Locked at the given time, or not.
    pub locked: Option<(bool, DateTime<Utc>)>,
    pub email_verified: Option<bool>,
    pub hotel_scope: Option<HotelScope>,
    /// Holds any of these roles.
    pub roles: Option<Vec<Uuid>>,
    /// May access any of these hotels.
    pub hotels: Option<Vec<String>>,
    pub permission: Option<String>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
    pub last_login_after: Option<DateTime<Utc>>,
    pub last_login_before: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserOrderField {
    CreatedAt,
    Email,
    LastName,
    LastLoginAt,
}

/// What users are sorted by; users alike in it by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserOrder {
    pub field: UserOrderField,
    pub descending: bool,
}

impl UserOrderField {
    fn column(self) -> &'static str {
        match self {
            Self::CreatedAt => "u.created_at",
            Self::Email => "u.email",
            Self::LastName => "u.last_name_key",
            Self::LastLoginAt => "u.last_login_order",
        }
    }
}

/// A user's place in an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserCursor {
    pub key: SortKey,
    pub id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SortKey {
    Time(DateTime<Utc>),
    Text(String),
}

/// Stands before a key in a cursor by last name; what does not begin with it is a name, in a cursor of the release before.
const IS_KEY: char = '\u{2}';

impl User {
    /// Where this user stands when users are sorted by `field`, by the same rule as the table's own sort columns.
    pub fn cursor(&self, field: UserOrderField) -> UserCursor {
        let key = match field {
            UserOrderField::CreatedAt => SortKey::Time(self.created_at),
            UserOrderField::Email => SortKey::Text(self.email.clone()),
            // As it was read: it may not have been filled in yet, and be filled in before the next page is asked for.
            UserOrderField::LastName => SortKey::Text(match &self.last_name_key {
                Some(key) => format!("{IS_KEY}{key}"),
                None => self.last_name.clone().unwrap_or_default(),
            }),
            UserOrderField::LastLoginAt => SortKey::Time(self.last_login_at.unwrap_or(DateTime::UNIX_EPOCH)),
        };
        UserCursor { key, id: self.id }
    }
}

/// The visible ones among these users, with everything that can be read along.
pub async fn by_ids(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<User>> {
    let mut query = select_one(transaction);
    query.push(" WHERE u.id");
    push_is_any(&mut query, ids);
    push_visible(&mut query, transaction);
    Ok(query.build_query_as().fetch_all(transaction.statement()).await?)
}

/// The user with this email address, stored form, if visible, with everything that can be read along.
pub async fn by_email(transaction: &mut Transaction, email: &str) -> Result<Option<User>> {
    let mut query = select_one(transaction);
    query.push(" WHERE u.email = ").push_bind(email.to_owned());
    push_visible(&mut query, transaction);
    Ok(query.build_query_as().fetch_optional(transaction.statement()).await?)
}

fn select_one(transaction: &Transaction) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new("SELECT ");
    With::EVERYTHING.push_columns(&mut query, transaction);
    query.push(" FROM users u");
    query
}

/// The first wall: oneself, the people of one's hotels, or everyone.
fn push_visible(query: &mut QueryBuilder<Postgres>, transaction: &Transaction) {
    let scope = transaction.scope();
    if scope.all_users() {
        return;
    }
    // As a set, and not as a condition on each user: then a list or a search goes over one's colleagues, not over everyone.
    query.push(" AND u.id IN (SELECT ").push_bind(scope.user_id);
    query.push("::uuid UNION ALL SELECT shared.user_id FROM user_hotels shared WHERE shared.hotel_id");
    push_is_any(query, &scope.hotels_of_people());
    query.push(")");
}
