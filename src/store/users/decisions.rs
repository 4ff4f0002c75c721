//! What access decisions look at of users.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use super::{HotelScope, push_visible};
use crate::store::{Result, Transaction};

#[derive(Clone, Debug, FromRow)]
pub struct Standing {
    pub id: Uuid,
    pub active: bool,
    pub locked_until: Option<DateTime<Utc>>,
    pub hotel_scope: HotelScope,
    /// Ids of the roles held, inactive ones too.
    pub roles: Vec<Uuid>,
    /// The hotels assigned, of those that were asked for.
    pub hotels: Vec<String>,
    /// Whether an active hotel is assigned that the caller may see.
    pub has_active_hotel: bool,
}

/// The visible ones among these users, with which of these hotels are assigned to each.
pub async fn standings(transaction: &mut Transaction, users: &[Uuid], hotels: &[String]) -> Result<Vec<Standing>> {
    let mut query = QueryBuilder::new(
        "SELECT u.id, u.active, u.locked_until, u.hotel_scope,
                ARRAY(SELECT held.role_id FROM user_roles held WHERE held.user_id = u.id) AS roles,
                ARRAY(SELECT reach.hotel_id FROM user_hotels reach WHERE reach.user_id = u.id AND reach.hotel_id = ANY(",
    );
    query.push_bind(hotels.to_vec());
    query.push(
        ")) AS hotels,
                EXISTS (SELECT 1 FROM user_hotels reach JOIN hotels h ON h.id = reach.hotel_id
                         WHERE reach.user_id = u.id AND h.active",
    );
    let scope = transaction.scope();
    if !scope.all_hotels {
        query.push(" AND h.id = ANY(").push_bind(scope.hotels.to_vec()).push(")");
    }
    query.push(") AS has_active_hotel FROM users u WHERE u.id = ANY(").push_bind(users.to_vec()).push(")");
    push_visible(&mut query, transaction);
    Ok(query.build_query_as().fetch_all(transaction.statement()).await?)
}
