//! What access decisions look at of users.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use super::{HotelScope, push_visible};
use crate::store::batch::push_is_any;
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
    /// Whether an active hotel is assigned that the caller may see; false where that was not asked for.
    pub has_active_hotel: bool,
}

/// The visible ones among these users, with which of these hotels are assigned to each, and with `any_hotel` whether any is.
pub async fn standings(
    transaction: &mut Transaction,
    users: &[Uuid],
    hotels: &[String],
    any_hotel: bool,
) -> Result<Vec<Standing>> {
    let mut query = QueryBuilder::new(
        "SELECT u.id, u.active, u.locked_until, u.hotel_scope,
                ARRAY(SELECT held.role_id FROM user_roles held WHERE held.user_id = u.id) AS roles,
                ARRAY(SELECT reach.hotel_id FROM user_hotels reach WHERE reach.user_id = u.id AND reach.hotel_id",
    );
    push_is_any(&mut query, hotels).push(") AS hotels, ");
    if any_hotel {
        query.push(
            "EXISTS (SELECT 1 FROM user_hotels reach JOIN hotels h ON h.id = reach.hotel_id
                      WHERE reach.user_id = u.id AND h.active",
        );
        let scope = transaction.scope();
        if !scope.all_hotels {
            push_is_any(query.push(" AND h.id"), &scope.hotels);
        }
        query.push(")");
    } else {
        query.push("false");
    }
    push_is_any(query.push(" AS has_active_hotel FROM users u WHERE u.id"), users);
    push_visible(&mut query, transaction);
    Ok(query.build_query_as().fetch_all(transaction.statement()).await?)
}
