//! What access decisions look at: users, the roles that they hold, hotels, and which are assigned to whom. All of it is read in
//! one statement, and so as of one moment.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{HotelScope, push_visible};
use crate::store::batch::{push_is_any, push_table_of};
use crate::store::time::MaybeTime;
use crate::store::{Result, Transaction, hotels};

/// What is to be decided.
#[derive(Debug, Default)]
pub struct Asked {
    pub users: Vec<Uuid>,
    pub permissions: Vec<String>,
    pub hotels: Vec<String>,
    /// Users at hotels.
    pub places: Vec<(Uuid, String)>,
    /// Whether a user has any hotel is asked, too.
    pub any_hotel: bool,
}

/// What was found; of users and hotels out of sight there is nothing.
#[derive(Debug, Default)]
pub struct Grounds {
    pub users: HashMap<Uuid, Standing>,
    /// The active roles that grant any of the permissions, and all that each grants.
    pub granting: HashMap<Uuid, Vec<String>>,
    /// Whether each hotel is active.
    pub hotels: HashMap<String, bool>,
}

/// A user.
#[derive(Clone, Debug)]
pub struct Standing {
    pub active: bool,
    pub locked_until: Option<DateTime<Utc>>,
    pub hotel_scope: HotelScope,
    /// Ids of the roles held, inactive ones too.
    pub roles: Vec<Uuid>,
    /// The hotels assigned, of those that were asked for.
    pub hotels: HashSet<String>,
    /// Whether an active hotel is assigned that the caller may see; false where that was not asked for.
    pub has_active_hotel: bool,
}

/// A user, a hotel, a role or an assignment: `kind` says which, and which of the columns are its.
#[derive(FromRow)]
struct Ground {
    kind: String,
    id: Option<Uuid>,
    key: Option<String>,
    active: Option<bool>,
    has_active_hotel: Option<bool>,
    #[sqlx(try_from = "MaybeTime")]
    locked_until: Option<DateTime<Utc>>,
    hotel_scope: Option<HotelScope>,
    roles: Option<Vec<Uuid>>,
    permissions: Option<Vec<String>>,
}

pub async fn grounds(transaction: &mut Transaction, asked: &Asked) -> Result<Grounds> {
    let mut query = QueryBuilder::new("SELECT 'user' AS kind, u.id, NULL AS key, u.active, ");
    push_has_active_hotel(&mut query, transaction, asked.any_hotel);
    query.push(
        " AS has_active_hotel, u.locked_until, u.hotel_scope,
          ARRAY(SELECT held.role_id FROM user_roles held WHERE held.user_id = u.id) AS roles,
          NULL::text[] AS permissions FROM ",
    );
    // Joined, and not compared with an array: that is gone through for each row where the plan is one for any array.
    push_table_of(&mut query, &asked.users, "uuid").push(" AS asked(id) JOIN users u ON u.id = asked.id WHERE true");
    push_visible(&mut query, transaction);
    query.push(" UNION ALL SELECT 'role', r.id, NULL, NULL, NULL, NULL, NULL, NULL, r.permissions FROM roles r WHERE r.active AND r.permissions && ");
    query.push_bind(asked.permissions.clone());
    if !asked.hotels.is_empty() {
        query.push(" UNION ALL SELECT 'hotel', NULL, h.id, h.active, NULL, NULL, NULL, NULL, NULL FROM ");
        push_table_of(&mut query, &asked.hotels, "text")
            .push(" AS asked(id) JOIN hotels h ON h.id = asked.id WHERE true");
        hotels::push_visible(&mut query, transaction);
    }
    if !asked.places.is_empty() {
        query.push(
            " UNION ALL SELECT 'assigned', reach.user_id, reach.hotel_id, NULL, NULL, NULL, NULL, NULL, NULL FROM ",
        );
        push_places(&mut query, &asked.places);
        query.push(
            " AS place(user_id, hotel_id)
              JOIN user_hotels reach ON reach.user_id = place.user_id AND reach.hotel_id = place.hotel_id",
        );
    }
    let rows: Vec<Ground> = query.build_query_as().fetch_all(transaction.statement()).await?;
    Ok(sorted(rows))
}

fn push_has_active_hotel(query: &mut QueryBuilder<Postgres>, transaction: &Transaction, any_hotel: bool) {
    if !any_hotel {
        query.push("false");
        return;
    }
    query.push(
        "EXISTS (SELECT 1 FROM user_hotels reach JOIN hotels h ON h.id = reach.hotel_id
                  WHERE reach.user_id = u.id AND h.active",
    );
    let scope = transaction.scope();
    if !scope.all_hotels {
        push_is_any(query.push(" AND h.id"), &scope.hotels);
    }
    query.push(")");
}

fn push_places(query: &mut QueryBuilder<Postgres>, places: &[(Uuid, String)]) {
    if let [(user, hotel)] = places {
        query.push("(VALUES (").push_bind(*user).push(", ").push_bind(hotel.clone()).push("))");
        return;
    }
    let (users, hotels): (Vec<Uuid>, Vec<String>) = places.iter().cloned().unzip();
    query.push("unnest(").push_bind(users).push("::uuid[], ").push_bind(hotels).push("::text[])");
}

fn sorted(rows: Vec<Ground>) -> Grounds {
    let mut grounds = Grounds::default();
    let mut assigned: HashMap<Uuid, HashSet<String>> = HashMap::new();
    for row in rows {
        match (row.kind.as_str(), row.id, row.key) {
            ("user", Some(id), _) => {
                let standing = Standing {
                    active: row.active.unwrap_or_default(),
                    locked_until: row.locked_until,
                    hotel_scope: row.hotel_scope.unwrap_or(HotelScope::Assigned),
                    roles: row.roles.unwrap_or_default(),
                    hotels: HashSet::new(),
                    has_active_hotel: row.has_active_hotel.unwrap_or_default(),
                };
                grounds.users.insert(id, standing);
            }
            ("role", Some(id), _) => _ = grounds.granting.insert(id, row.permissions.unwrap_or_default()),
            ("hotel", _, Some(id)) => _ = grounds.hotels.insert(id, row.active.unwrap_or_default()),
            ("assigned", Some(user), Some(hotel)) => _ = assigned.entry(user).or_default().insert(hotel),
            _ => {}
        }
    }
    for (user, hotels) in assigned {
        if let Some(standing) = grounds.users.get_mut(&user) {
            standing.hotels = hotels;
        }
    }
    grounds
}
