//! What a session's user may do, read in one statement: the check that every request with a token begins with.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::users::HotelScope;
use super::{Result, Transaction};

/// A session that is going, and what its user holds.
#[derive(Clone, Debug)]
pub struct SessionAccess {
    pub session_id: Uuid,
    pub session_created_at: DateTime<Utc>,
    pub session_accessed_at: DateTime<Utc>,
    pub session_expires_at: DateTime<Utc>,
    pub user_id: Uuid,
    pub email: String,
    pub must_change_password: bool,
    pub hotel_scope: HotelScope,
    /// Names of active roles, sorted.
    pub roles: Vec<String>,
    /// What those roles grant, sorted.
    pub permissions: Vec<String>,
    /// Assigned hotels, sorted; under scope ALL they add nothing.
    pub hotels: Vec<String>,
}

/// The session with this id, if it has neither ended nor expired and its user is active.
pub async fn of_session(transaction: &mut Transaction, id: Uuid, now: DateTime<Utc>) -> Result<Option<SessionAccess>> {
    Ok(sqlx::query_as!(
        SessionAccess,
        r#"SELECT s.id AS session_id, s.created_at AS session_created_at, s.accessed_at AS session_accessed_at,
                  s.expires_at AS session_expires_at, u.id AS user_id, u.email, u.must_change_password, u.hotel_scope AS "hotel_scope: HotelScope",
                  ARRAY(SELECT r.name FROM user_roles held JOIN roles r ON r.id = held.role_id
                         WHERE held.user_id = u.id AND r.active ORDER BY r.name) AS "roles!",
                  ARRAY(SELECT DISTINCT granted FROM user_roles held JOIN roles r ON r.id = held.role_id,
                               unnest(r.permissions) AS granted
                         WHERE held.user_id = u.id AND r.active ORDER BY granted) AS "permissions!",
                  ARRAY(SELECT hotel_id FROM user_hotels reach
                         WHERE reach.user_id = u.id ORDER BY hotel_id) AS "hotels!"
             FROM user_sessions s JOIN users u ON u.id = s.user_id
            WHERE s.id = $1 AND s.active AND NOT s.revoked AND s.expires_at > $2 AND u.active"#,
        id,
        now
    )
    .fetch_optional(transaction.statement())
    .await?)
}
