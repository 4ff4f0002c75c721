//! Users: lists and look-ups; [`sign_in`] holds what sign-in reads and writes of them, [`changes`] what administration does,
//! [`decisions`] what access decisions look at.

pub mod changes;
pub mod decisions;
pub mod sign_in;
pub mod transfer;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use super::page::{Page, PageRequest, pages_by_parent, push_after, push_contains, reads_descending};
use super::{Result, Transaction};

/// Which hotels a user or an API key reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "UPPERCASE")]
pub enum HotelScope {
    All,
    Assigned,
}

/// A user as everyone who may see them sees them. The password hash is not part of it.
#[derive(Clone, Debug, FromRow)]
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
    #[sqlx(default)]
    pub role_ids: Option<Vec<Uuid>>,
    /// The assigned hotels in the reader's sight, where they were read as well: sorted, and the first [`HOTELS_READ`] at most.
    #[sqlx(default)]
    pub hotel_ids: Option<Vec<String>>,
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

    /// Further columns, of the user `u`.
    fn push_columns(self, query: &mut QueryBuilder<Postgres>, transaction: &Transaction) {
        if self.role_ids {
            query.push(", ARRAY(SELECT held.role_id FROM user_roles held WHERE held.user_id = u.id) AS role_ids");
        }
        if self.hotel_ids {
            query.push(", ARRAY(SELECT reach.hotel_id FROM user_hotels reach WHERE reach.user_id = u.id");
            let scope = transaction.scope();
            if !scope.all_hotels {
                query.push(" AND reach.hotel_id = ANY(").push_bind(scope.hotels.to_vec()).push(")");
            }
            query.push(format_args!(" ORDER BY reach.hotel_id LIMIT {HOTELS_READ}) AS hotel_ids"));
        }
    }
}

const COLUMNS: &str = "u.id, u.email, u.first_name, u.last_name, u.active, u.email_verified, u.failed_login_attempts, \
    u.locked_until, u.last_login_at, u.password_changed_at, u.must_change_password, u.mfa_enabled, u.hotel_scope, \
    u.created_at, u.updated_at, u.created_by, u.updated_by";

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
            Self::LastName => "u.last_name_order",
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

impl User {
    /// Where this user stands when users are sorted by `field`, by the same rule as the table's own sort columns.
    pub fn cursor(&self, field: UserOrderField) -> UserCursor {
        let key = match field {
            UserOrderField::CreatedAt => SortKey::Time(self.created_at),
            UserOrderField::Email => SortKey::Text(self.email.clone()),
            // PostgreSQL's lower(), which made the column, and Rust's differ for a few letters, so it is read back.
            UserOrderField::LastName => SortKey::Text(self.last_name.clone().unwrap_or_default()),
            UserOrderField::LastLoginAt => SortKey::Time(self.last_login_at.unwrap_or(DateTime::UNIX_EPOCH)),
        };
        UserCursor { key, id: self.id }
    }
}

/// Whose users are listed. A batch lists them for many parents in one statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UsersOf {
    Everyone,
    Role(Uuid),
    Hotel(String),
}

/// The parents of one batch, all of one kind.
enum Parents {
    Everyone,
    Roles(Vec<Uuid>),
    Hotels(Vec<String>),
}

impl Parents {
    fn from(parents: &[UsersOf]) -> Self {
        let (mut roles, mut hotels) = (Vec::new(), Vec::new());
        for parent in parents {
            match parent {
                UsersOf::Everyone => {}
                UsersOf::Role(id) => roles.push(*id),
                UsersOf::Hotel(id) => hotels.push(id.clone()),
            }
        }
        match (roles.is_empty(), hotels.is_empty()) {
            (false, _) => Self::Roles(roles),
            (true, false) => Self::Hotels(hotels),
            (true, true) => Self::Everyone,
        }
    }

    /// `FROM <the parents> AS parent(key)`, to which a LATERAL subquery joins.
    fn push_from(&self, query: &mut QueryBuilder<Postgres>) {
        match self {
            Self::Everyone => query.push(" FROM (VALUES (NULL::text)) AS parent(key)"),
            Self::Roles(ids) => query.push(" FROM unnest(").push_bind(ids.clone()).push("::uuid[]) AS parent(key)"),
            Self::Hotels(ids) => query.push(" FROM unnest(").push_bind(ids.clone()).push("::text[]) AS parent(key)"),
        };
    }

    fn push_condition(&self, query: &mut QueryBuilder<Postgres>) {
        match self {
            Self::Everyone => query,
            Self::Roles(_) => query.push(
                " AND EXISTS (SELECT 1 FROM user_roles held WHERE held.user_id = u.id AND held.role_id = parent.key)",
            ),
            Self::Hotels(_) => query.push(
                " AND (EXISTS (SELECT 1 FROM user_hotels reach WHERE reach.user_id = u.id AND reach.hotel_id = parent.key) \
                 OR (u.hotel_scope = 'ALL' AND EXISTS (SELECT 1 FROM hotels open WHERE open.id = parent.key AND open.active)))",
            ),
        };
    }
}

#[derive(FromRow)]
struct ListedUser {
    parent: Option<String>,
    #[sqlx(flatten)]
    user: User,
}

impl ListedUser {
    fn split(self, parents: &Parents) -> Option<(UsersOf, User)> {
        let parent = match (parents, self.parent) {
            (Parents::Everyone, _) => UsersOf::Everyone,
            (Parents::Roles(_), Some(key)) => UsersOf::Role(key.parse().ok()?),
            (Parents::Hotels(_), Some(key)) => UsersOf::Hotel(key),
            (_, None) => return None,
        };
        Some((parent, self.user))
    }
}

/// A page of users for each of `parents`, which are of one kind, in one statement.
pub async fn pages(
    transaction: &mut Transaction,
    parents: &[UsersOf],
    filter: &UserFilter,
    order: UserOrder,
    page: &PageRequest<UserCursor>,
    with: With,
) -> Result<HashMap<UsersOf, Page<User>>> {
    let kind = Parents::from(parents);
    let descending = reads_descending(order.descending, page.backward);
    let direction = if descending { "DESC" } else { "ASC" };
    let column = order.field.column();

    let mut query = QueryBuilder::new(format!("SELECT parent.key::text AS parent, {COLUMNS}"));
    with.push_columns(&mut query, transaction);
    kind.push_from(&mut query);
    query.push(" CROSS JOIN LATERAL (SELECT u.* FROM users u WHERE true");
    kind.push_condition(&mut query);
    push_visible(&mut query, transaction);
    push_filter(&mut query, transaction, filter);
    if let Some(cursor) = &page.cursor {
        push_after(&mut query, &format!("{column}, u.id"), descending, |query| {
            match &cursor.key {
                SortKey::Time(time) => query.push_bind(*time),
                SortKey::Text(text) if order.field == UserOrderField::LastName => {
                    query.push("lower(").push_bind(text.clone()).push(")")
                }
                SortKey::Text(text) => query.push_bind(text.clone()),
            };
            query.push(", ").push_bind(cursor.id);
        });
    }
    // The limit is part of the text: a plan made for any limit would be one for a tenth of all users.
    query.push(format_args!(" ORDER BY {column} {direction}, u.id {direction} LIMIT {}", page.rows_to_read()));
    query.push(format_args!(") u ORDER BY {column} {direction}, u.id {direction}"));

    let rows: Vec<ListedUser> = query.build_query_as().fetch_all(transaction.statement()).await?;
    let rows = rows.into_iter().filter_map(|row| row.split(&kind)).collect();
    Ok(pages_by_parent(parents, rows, page))
}

/// How many users each of `parents` has, at most `at_most` where that is given.
pub async fn counts(
    transaction: &mut Transaction,
    parents: &[UsersOf],
    filter: &UserFilter,
    at_most: Option<i64>,
) -> Result<HashMap<UsersOf, i64>> {
    let kind = Parents::from(parents);
    let mut query = QueryBuilder::new("SELECT parent.key::text, counted.users");
    kind.push_from(&mut query);
    query.push(" CROSS JOIN LATERAL (SELECT count(*) AS users FROM (SELECT 1 FROM users u WHERE true");
    kind.push_condition(&mut query);
    push_visible(&mut query, transaction);
    push_filter(&mut query, transaction, filter);
    query.push(" LIMIT ").push_bind(at_most).push(") listed) counted");
    let rows: Vec<(Option<String>, i64)> = query.build_query_as().fetch_all(transaction.statement()).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(key, users)| match (&kind, key) {
            (Parents::Everyone, _) => Some((UsersOf::Everyone, users)),
            (Parents::Roles(_), Some(key)) => Some((UsersOf::Role(key.parse().ok()?), users)),
            (Parents::Hotels(_), Some(key)) => Some((UsersOf::Hotel(key), users)),
            (_, None) => None,
        })
        .collect())
}

/// The visible ones among these users, with everything that can be read along.
pub async fn by_ids(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<User>> {
    let mut query = select_one(transaction);
    query.push(" WHERE u.id = ANY(").push_bind(ids.to_vec()).push(")");
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
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS}"));
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
    query.push(" AND (u.id = ").push_bind(scope.user_id);
    query.push(" OR EXISTS (SELECT 1 FROM user_hotels shared WHERE shared.user_id = u.id AND shared.hotel_id = ANY(");
    query.push_bind(scope.hotels_of_people()).push(")))");
}

fn push_filter(query: &mut QueryBuilder<Postgres>, transaction: &Transaction, filter: &UserFilter) {
    if let Some(search) = &filter.search {
        query.push(" AND u.search_text");
        push_contains(query, search);
    }
    if let Some(active) = filter.active {
        query.push(" AND u.active = ").push_bind(active);
    }
    if let Some((locked, now)) = filter.locked {
        query.push(" AND (u.locked_until IS NOT NULL AND u.locked_until > ").push_bind(now);
        query.push(") = ").push_bind(locked);
    }
    if let Some(verified) = filter.email_verified {
        query.push(" AND u.email_verified = ").push_bind(verified);
    }
    if let Some(scope) = filter.hotel_scope {
        query.push(" AND u.hotel_scope = ").push_bind(scope);
    }
    if let Some(roles) = &filter.roles {
        query.push(" AND EXISTS (SELECT 1 FROM user_roles held WHERE held.user_id = u.id AND held.role_id = ANY(");
        query.push_bind(roles.clone()).push("))");
    }
    if let Some(hotels) = &filter.hotels {
        // Who works at a hotel out of sight must not be told by who is found.
        let scope = transaction.scope();
        let in_sight = |id: &&String| scope.all_hotels || scope.hotels.contains(id);
        let hotels: Vec<String> = hotels.iter().filter(in_sight).cloned().collect();
        query
            .push(" AND (EXISTS (SELECT 1 FROM user_hotels reach WHERE reach.user_id = u.id AND reach.hotel_id = ANY(");
        query.push_bind(hotels.clone());
        query.push(
            ")) OR (u.hotel_scope = 'ALL' AND EXISTS (SELECT 1 FROM hotels open WHERE open.active AND open.id = ANY(",
        );
        query.push_bind(hotels.clone()).push("))))");
    }
    if let Some(permission) = &filter.permission {
        query.push(
            " AND EXISTS (SELECT 1 FROM user_roles held JOIN roles granting ON granting.id = held.role_id \
             WHERE held.user_id = u.id AND granting.active AND ",
        );
        query.push_bind(permission.clone()).push(" = ANY(granting.permissions))");
    }
    for (comparison, time) in [
        (" AND u.created_at >= ", filter.created_after),
        (" AND u.created_at < ", filter.created_before),
        (" AND u.last_login_order >= ", filter.last_login_after),
        (" AND u.last_login_at IS NOT NULL AND u.last_login_order < ", filter.last_login_before),
    ] {
        if let Some(time) = time {
            query.push(comparison).push_bind(time);
        }
    }
}
