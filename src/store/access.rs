//! What a session's user may do, read in one statement: the check that every request with a token begins with.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::session_ends::Lifetimes;
use super::time::{MaybeTime, StoredTime};
use super::users::{HotelScope, User};
use super::{Result, Transaction};

/// A session that is going, and what its user holds.
#[derive(Clone, Debug)]
pub struct SessionAccess {
    pub session_id: Uuid,
    pub session_created_at: DateTime<Utc>,
    pub session_accessed_at: DateTime<Utc>,
    /// When it ends by itself unless it is used.
    pub session_expires_at: DateTime<Utc>,
    pub remember_me: bool,
    pub user_id: Uuid,
    pub email: String,
    pub must_change_password: bool,
    /// From when on a temporary password that was not changed opens nothing, this session neither.
    pub password_expires_at: Option<DateTime<Utc>>,
    pub hotel_scope: HotelScope,
    /// Names of active roles, sorted.
    pub roles: Vec<String>,
    /// What those roles grant, sorted.
    pub permissions: Vec<String>,
    /// The active ones of the hotels assigned, sorted; under scope ALL they add nothing.
    pub hotels: Vec<String>,
    /// Every hotel assigned, sorted: what is not active opens nothing, and may be active again.
    pub assigned_hotels: Vec<String>,
    /// The user's own row.
    pub user: Arc<User>,
}

/// The session with this id, if it has neither ended nor expired, by these lifetimes nor by those of its last refresh, and its
/// user can sign in.
pub async fn of_session(
    transaction: &mut Transaction,
    id: Uuid,
    lifetimes: Lifetimes,
    now: DateTime<Utc>,
) -> Result<Option<SessionAccess>> {
    let found = sqlx::query!(
        r#"SELECT s.id AS session_id, s.created_at AS "session_created_at: StoredTime",
                  s.accessed_at AS "session_accessed_at: StoredTime", s.expires_at AS "session_expires_at: StoredTime", s.remember_me, u.id, u.email, u.first_name, u.last_name, u.active, u.email_verified,
                  u.failed_login_attempts, u.locked_until AS "locked_until!: MaybeTime",
                  u.last_login_at AS "last_login_at!: MaybeTime", u.password_changed_at AS "password_changed_at!: MaybeTime", u.must_change_password,
                  CASE WHEN u.must_change_password AND u.temporary_password_expires_at > coalesce(u.password_changed_at, '-infinity')
                       THEN u.temporary_password_expires_at END AS "password_expires_at!: MaybeTime",
                  u.mfa_enabled, u.hotel_scope AS "hotel_scope: HotelScope", u.created_at AS "created_at: StoredTime",
                  u.updated_at AS "updated_at: StoredTime", u.created_by, u.updated_by,
                  ARRAY(SELECT r.name FROM user_roles held JOIN roles r ON r.id = held.role_id
                         WHERE held.user_id = u.id AND r.active ORDER BY r.name) AS "roles!",
                  ARRAY(SELECT DISTINCT granted FROM user_roles held JOIN roles r ON r.id = held.role_id,
                               unnest(r.permissions) AS granted
                         WHERE held.user_id = u.id AND r.active ORDER BY granted) AS "permissions!",
                  ARRAY(SELECT held.role_id FROM user_roles held WHERE held.user_id = u.id) AS "role_ids!",
                  ARRAY(SELECT hotel_id FROM user_hotels reach JOIN hotels h ON h.id = reach.hotel_id
                         WHERE reach.user_id = u.id AND h.active ORDER BY hotel_id) AS "hotels!",
                  ARRAY(SELECT hotel_id FROM user_hotels reach
                         WHERE reach.user_id = u.id ORDER BY hotel_id) AS "assigned_hotels!"
             FROM user_sessions s JOIN users u ON u.id = s.user_id
            WHERE s.id = $1 AND s.active AND NOT s.revoked AND s.expires_at > $2 AND u.active AND u.email_verified
              AND NOT EXISTS (SELECT FROM session_revocation r WHERE s.created_at <= r.begun_before)"#,
        id,
        now
    )
    .fetch_optional(transaction.statement())
    .await?;
    let found = found.filter(|row| Option::<DateTime<Utc>>::from(row.password_expires_at).is_none_or(|end| end > now));
    let access = found.map(|row| SessionAccess {
        session_id: row.session_id,
        session_created_at: row.session_created_at.into(),
        session_accessed_at: row.session_accessed_at.into(),
        session_expires_at: lifetimes
            .end(row.remember_me, row.session_created_at.into(), row.session_accessed_at.into())
            .min(row.session_expires_at.into()),
        remember_me: row.remember_me,
        user_id: row.id,
        email: row.email.clone(),
        must_change_password: row.must_change_password,
        password_expires_at: row.password_expires_at.into(),
        hotel_scope: row.hotel_scope,
        roles: row.roles,
        permissions: row.permissions,
        hotels: row.hotels,
        assigned_hotels: row.assigned_hotels.clone(),
        user: Arc::new(User {
            id: row.id,
            email: row.email,
            first_name: row.first_name,
            last_name: row.last_name,
            active: row.active,
            email_verified: row.email_verified,
            failed_login_attempts: row.failed_login_attempts,
            locked_until: row.locked_until.into(),
            last_login_at: row.last_login_at.into(),
            password_changed_at: row.password_changed_at.into(),
            must_change_password: row.must_change_password,
            mfa_enabled: row.mfa_enabled,
            hotel_scope: row.hotel_scope,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            created_by: row.created_by,
            updated_by: row.updated_by,
            role_ids: Some(row.role_ids),
            hotel_ids: Some(row.assigned_hotels),
            last_name_key: None,
        }),
    });
    Ok(access.filter(|access| access.session_expires_at > now))
}
