//! Lists of users, each a page for many parents in one statement, and how many there are.
//!
//! Each comes off an index in the list's own order and stops when the page is full, so that it costs the same among a
//! thousand users and among ten million. A list in another order than that in which users were made, or of some of them
//! alone, goes over a hotel's staff, or a role's holders, where they are few; where they are many it goes over users in its
//! order and leaves out others. PostgreSQL cannot choose: one statement asks for many parents, and one of them may have most.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::{FromRow, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::{
    HotelScope, IS_KEY, SortKey, USER_COLUMNS, User, UserCursor, UserFilter, UserOrder, UserOrderField, With,
    push_visible,
};
use crate::store::batch::{push_is_any, push_table_of};
use crate::store::page::{Page, PageRequest, pages_by_parent, push_after, push_contains, reads_descending};
use crate::store::{Result, Scope, Transaction};
use crate::text::folding::{search_key, search_words};

/// How many users, in the list's order, are looked at for a text before the index of texts is asked. What many have is
/// found among the first: asking the index for it would bring all of them. What is not is rare, and quickly had from there.
const LOOKED_THROUGH: u32 = 20_000;
/// The most users of a hotel or a role that are all looked at for a page.
const FEW: u32 = 5_000;
/// The shortest text that the index of texts, which is one of three letters each, finds.
const SHORTEST_INDEXED: usize = 3;

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
            Self::Roles(ids) => push_table_of(query.push(" FROM "), ids, "uuid").push(" AS parent(key)"),
            Self::Hotels(ids) => push_table_of(query.push(" FROM "), ids, "text").push(" AS parent(key)"),
        };
    }

    /// The ways by which users are a parent's, no user by two of them, as far as the reader can see any.
    fn ways(&self, scope: &Scope) -> &'static [Way] {
        match self {
            Self::Everyone => &[Way::ANY],
            Self::Roles(_) => &[Way::ROLE],
            Self::Hotels(ids) => {
                let mine = scope.hotels_of_people();
                if scope.all_hotels || !ids.iter().all(|id| mine.contains(id)) {
                    &[Way::STAFF, Way::EVERYWHERE]
                } else if mine.len() > 1 {
                    &[Way::COLLEAGUES, Way::EVERYWHERE]
                } else {
                    // Of those who reach every hotel the reader sees the ones who are assigned to this one.
                    &[Way::COLLEAGUES]
                }
            }
        }
    }
}

/// One way by which users are a parent's.
struct Way {
    /// `FROM` with the users as `u`, and what must hold of them.
    from: &'static str,
    /// The columns of the order in which they were made: those of the assignment, where there is one.
    made: [&'static str; 2],
    /// It leads only to users in the reader's sight.
    is_in_sight: bool,
    /// Where it goes by an assignment, of which a parent may have very many.
    assignment: Option<Assignment>,
}

/// What assigns users to a parent.
#[derive(Clone, Copy)]
struct Assignment {
    table: &'static str,
    is_parents: &'static str,
    user: &'static str,
}

impl Way {
    const ANY: Self =
        Self { from: "users u WHERE true", made: ["u.created_at", "u.id"], is_in_sight: false, assignment: None };
    const ROLE: Self = Self {
        from: "user_roles held JOIN users u ON u.id = held.user_id WHERE held.role_id = parent.key",
        made: ["held.user_created_at", "held.user_id"],
        is_in_sight: false,
        assignment: Some(Assignment {
            table: "user_roles held",
            is_parents: "held.role_id = parent.key",
            user: "held.user_id",
        }),
    };
    const STAFF: Self = Self {
        from: "user_hotels reach JOIN users u ON u.id = reach.user_id WHERE reach.hotel_id = parent.key",
        made: ["reach.user_created_at", "reach.user_id"],
        is_in_sight: false,
        assignment: Some(Assignment {
            table: "user_hotels reach",
            is_parents: "reach.hotel_id = parent.key",
            user: "reach.user_id",
        }),
    };
    /// The staff of hotels that are the reader's own.
    const COLLEAGUES: Self = Self { is_in_sight: true, ..Self::STAFF };
    /// OFFSET 0 has it asked of each of those few, and not gathered for all of the hotel's staff.
    const EVERYWHERE: Self = Self {
        from: "users u WHERE u.hotel_scope = 'ALL' \
               AND EXISTS (SELECT 1 FROM hotels open WHERE open.id = parent.key AND open.active) \
               AND NOT EXISTS (SELECT 1 FROM user_hotels reach \
                                WHERE reach.user_id = u.id AND reach.hotel_id = parent.key OFFSET 0)",
        made: ["u.created_at", "u.id"],
        is_in_sight: false,
        assignment: None,
    };

    fn push_from(&self, query: &mut QueryBuilder<Postgres>, transaction: &Transaction) {
        query.push(self.from);
        if !self.is_in_sight {
            push_visible(query, transaction);
        }
    }

    /// The same for as few as are looked at: each by its own id. PostgreSQL goes by how many a parent has on the average, and would go
    /// over all users for each parent.
    fn push_from_each(&self, query: &mut QueryBuilder<Postgres>, transaction: &Transaction, by: Assignment) {
        let Assignment { table, is_parents, user } = by;
        query.push(format_args!("{table} CROSS JOIN LATERAL (SELECT * FROM users WHERE id = {user} OFFSET 0) u"));
        query.push(format_args!(" WHERE {is_parents}"));
        if !self.is_in_sight {
            push_visible(query, transaction);
        }
    }

    /// The same from the users' side, for a parent with many.
    fn push_from_users(&self, query: &mut QueryBuilder<Postgres>, transaction: &Transaction, by: Assignment) {
        let Assignment { table, is_parents, user } = by;
        query.push("users u WHERE size.is_large AND EXISTS (SELECT 1 FROM ");
        query.push(format_args!("{table} WHERE {user} = u.id AND {is_parents} OFFSET 0)"));
        if !self.is_in_sight {
            push_visible(query, transaction);
        }
    }
}

/// Pushes whether a parent has more users by these ways than all are looked at.
fn push_size(query: &mut QueryBuilder<Postgres>, ways: &[Way]) {
    let Some(Assignment { table, is_parents, .. }) = ways.iter().find_map(|way| way.assignment) else { return };
    query.push(format_args!(" CROSS JOIN LATERAL (SELECT count(*) > {FEW} AS is_large FROM (SELECT FROM {table}"));
    query.push(format_args!(" WHERE {is_parents} LIMIT {}) looked_at) size", FEW + 1));
}

struct ListedUser {
    user: User,
    parent: Option<String>,
}

/// By place, as a user is: behind it the parent, and the key where it is the list's order.
impl FromRow<'_, PgRow> for ListedUser {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let mut user = User::from_row(row)?;
        if row.len() > USER_COLUMNS + 1 {
            user.last_name_key = row.try_get(USER_COLUMNS + 1)?;
        }
        Ok(Self { user, parent: row.try_get(USER_COLUMNS)? })
    }
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

/// How a page is read: in which order, from where, and how much.
struct Reading<'a> {
    order: UserOrder,
    page: &'a PageRequest<UserCursor>,
}

impl Reading<'_> {
    fn descending(&self) -> bool {
        reads_descending(self.order.descending, self.page.backward)
    }

    /// What a cursor needs and a user does not show.
    fn push_key(&self, query: &mut QueryBuilder<Postgres>) {
        if self.order.field == UserOrderField::LastName {
            query.push(", u.last_name_key");
        }
    }

    /// The columns of the order, of users that are a parent's by this way.
    fn columns(&self, way: &Way) -> [&'static str; 2] {
        match self.order.field {
            UserOrderField::CreatedAt => way.made,
            other => [other.column(), "u.id"],
        }
    }

    fn push_after(&self, query: &mut QueryBuilder<Postgres>, columns: [&str; 2]) {
        let Some(cursor) = &self.page.cursor else { return };
        push_after(query, &columns.join(", "), self.descending(), |query| {
            match &cursor.key {
                SortKey::Time(time) => query.push_bind(*time),
                SortKey::Text(text) if self.order.field == UserOrderField::LastName => {
                    match text.strip_prefix(IS_KEY) {
                        Some(key) => query.push_bind(key.to_owned()),
                        None => query.push("order_key(").push_bind(text.clone()).push(")"),
                    }
                }
                SortKey::Text(text) => query.push_bind(text.clone()),
            };
            query.push(", ").push_bind(cursor.id);
        });
    }

    fn push_order(&self, query: &mut QueryBuilder<Postgres>, columns: [&str; 2]) {
        let direction = if self.descending() { "DESC" } else { "ASC" };
        let [first, second] = columns;
        query.push(format_args!(" ORDER BY {first} {direction}, {second} {direction}"));
    }

    /// The limit is part of the text: a plan made for any limit would be one for a tenth of all users.
    fn push_order_and_limit(&self, query: &mut QueryBuilder<Postgres>, columns: [&str; 2]) {
        self.push_order(query, columns);
        query.push(format_args!(" LIMIT {}", self.page.rows_to_read()));
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
    let reading = Reading { order, page };
    let mut query = QueryBuilder::new("");
    let listed = [order.field.column(), "u.id"];
    match (&kind, &filter.search) {
        (Parents::Everyone, Some(text)) if is_indexed(text) && transaction.scope().all_users() => {
            push_search(&mut query, transaction, &reading, filter, with);
        }
        (Parents::Everyone, _) => {
            query.push("SELECT ");
            with.push_columns(&mut query, transaction);
            query.push(", NULL::text AS parent");
            reading.push_key(&mut query);
            query.push(" FROM users u WHERE true");
            push_visible(&mut query, transaction);
            push_filter(&mut query, transaction, filter);
            reading.push_after(&mut query, listed);
            reading.push_order_and_limit(&mut query, listed);
        }
        _ => {
            query.push("SELECT ");
            with.push_columns(&mut query, transaction);
            query.push(", parent.key::text AS parent");
            reading.push_key(&mut query);
            kind.push_from(&mut query);
            let ways = kind.ways(transaction.scope());
            let by_index = order.field == UserOrderField::CreatedAt && *filter == UserFilter::default();
            if !by_index {
                push_size(&mut query, ways);
            }
            query.push(" CROSS JOIN LATERAL (SELECT * FROM (");
            for (n, way) in ways.iter().enumerate() {
                query.push(if n == 0 { "(" } else { " UNION ALL (" });
                if let Some(by) = way.assignment.filter(|_| !by_index) {
                    query.push("SELECT * FROM (SELECT u.* FROM ");
                    way.push_from_each(&mut query, transaction, by);
                    query.push(" AND NOT size.is_large");
                    push_filter(&mut query, transaction, filter);
                    reading.push_after(&mut query, listed);
                    query.push(" OFFSET 0) u");
                    reading.push_order_and_limit(&mut query, listed);
                    query.push(") UNION ALL (SELECT u.* FROM ");
                    way.push_from_users(&mut query, transaction, by);
                    push_filter(&mut query, transaction, filter);
                    reading.push_after(&mut query, listed);
                    reading.push_order_and_limit(&mut query, listed);
                    query.push(")");
                    continue;
                }
                let columns = reading.columns(way);
                query.push("SELECT u.* FROM ");
                way.push_from(&mut query, transaction);
                push_filter(&mut query, transaction, filter);
                reading.push_after(&mut query, columns);
                reading.push_order_and_limit(&mut query, columns);
                query.push(")");
            }
            query.push(") u");
            reading.push_order_and_limit(&mut query, listed);
            query.push(") u");
            reading.push_order(&mut query, listed);
        }
    }
    let rows: Vec<ListedUser> = query.build_query_as().fetch_all(transaction.statement()).await?;
    let rows = rows.into_iter().filter_map(|row| row.split(&kind)).collect();
    Ok(pages_by_parent(parents, rows, page))
}

/// A page of everyone with a text in their names or address: by the list's own order first, and by the index of texts where
/// that has not filled the page.
fn push_search(
    query: &mut QueryBuilder<Postgres>,
    transaction: &Transaction,
    reading: &Reading<'_>,
    filter: &UserFilter,
    with: With,
) {
    let listed = [reading.order.field.column(), "u.id"];
    query.push("WITH near AS MATERIALIZED (SELECT u.* FROM (SELECT u.* FROM users u WHERE true");
    reading.push_after(query, listed);
    reading.push_order(query, listed);
    query.push(format_args!(" LIMIT {LOOKED_THROUGH}) u WHERE true"));
    push_filter(query, transaction, filter);
    reading.push_order_and_limit(query, listed);
    query.push(")");
    query.push(" SELECT ");
    with.push_columns(query, transaction);
    query.push(", NULL::text AS parent");
    reading.push_key(query);
    let enough = format!("(SELECT count(*) = {} FROM near)", reading.page.rows_to_read());
    query.push(format_args!(" FROM (SELECT * FROM near WHERE {enough} UNION ALL (SELECT * FROM ("));
    // Kept apart, or the order would tempt PostgreSQL to go over everyone in it.
    query.push(format_args!("SELECT u.* FROM users u WHERE NOT {enough}"));
    push_filter(query, transaction, filter);
    reading.push_after(query, listed);
    query.push(" OFFSET 0) u");
    reading.push_order_and_limit(query, listed);
    query.push(")) u");
    reading.push_order(query, listed);
}

fn is_indexed(text: &str) -> bool {
    // Letters and digits that follow one another; others divide words. A search key has no others.
    let key = search_key(text);
    key.split(|character: char| !character.is_ascii_alphanumeric()).any(|word| word.len() >= SHORTEST_INDEXED)
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
    let ways = kind.ways(transaction.scope());
    // Up to a cap that is soon reached from either side; without one all are gone over anyway.
    let splits = at_most.is_some() && *filter != UserFilter::default();
    if splits {
        push_size(&mut query, ways);
    }
    query.push(" CROSS JOIN LATERAL (SELECT count(*) AS users FROM (");
    for (n, way) in ways.iter().enumerate() {
        query.push(if n == 0 { "SELECT 1 FROM " } else { " UNION ALL SELECT 1 FROM " });
        match way.assignment.filter(|_| at_most.is_some()) {
            Some(by) if splits => {
                way.push_from_each(&mut query, transaction, by);
                query.push(" AND NOT size.is_large");
                push_filter(&mut query, transaction, filter);
                query.push(" UNION ALL SELECT 1 FROM ");
                way.push_from_users(&mut query, transaction, by);
            }
            Some(by) => way.push_from_each(&mut query, transaction, by),
            None => way.push_from(&mut query, transaction),
        }
        push_filter(&mut query, transaction, filter);
    }
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

fn push_filter(query: &mut QueryBuilder<Postgres>, transaction: &Transaction, filter: &UserFilter) {
    if let Some(search) = &filter.search {
        let folding = "concat_ws(' ', u.email, u.first_name, u.last_name)";
        push_contains(query, "u.search_key", folding, &search_words(search));
    }
    // In words and not as parameters: what few users are has an index of its own.
    match filter.active {
        Some(true) => _ = query.push(" AND u.active"),
        Some(false) => _ = query.push(" AND NOT u.active"),
        None => {}
    }
    match filter.locked {
        Some((true, now)) => _ = query.push(" AND u.locked_until > ").push_bind(now),
        Some((false, now)) => {
            query.push(" AND (u.locked_until IS NULL OR u.locked_until <= ").push_bind(now).push(")");
        }
        None => {}
    }
    match filter.email_verified {
        Some(true) => _ = query.push(" AND u.email_verified"),
        Some(false) => _ = query.push(" AND NOT u.email_verified"),
        None => {}
    }
    match filter.hotel_scope {
        Some(HotelScope::All) => _ = query.push(" AND u.hotel_scope = 'ALL'"),
        Some(HotelScope::Assigned) => _ = query.push(" AND u.hotel_scope = 'ASSIGNED'"),
        None => {}
    }
    if let Some(roles) = &filter.roles {
        query.push(" AND EXISTS (SELECT 1 FROM user_roles held WHERE held.user_id = u.id AND held.role_id");
        push_is_any(query, roles).push(")");
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
    // `last_login_order` is the epoch for who never signed in; with both ends given, PostgreSQL expects few and takes the index.
    for (comparison, time) in [
        (" AND u.created_at >= ", filter.created_after),
        (" AND u.created_at < ", filter.created_before),
        (" AND u.last_login_order >= ", filter.last_login_after),
        (" AND u.last_login_order > timestamptz 'epoch' AND u.last_login_order < ", filter.last_login_before),
    ] {
        if let Some(time) = time {
            query.push(comparison).push_bind(time);
        }
    }
}
