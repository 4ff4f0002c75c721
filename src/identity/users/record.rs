//! A user as files have them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::users::HotelScope;
use crate::store::users::transfer::UserRow;

/// A user as a file has them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserRecord {
    /// None: a new one is made.
    #[serde(default)]
    pub id: Option<Uuid>,
    pub email: String,
    /// Of a scheme that is known; otherwise, or where it is None, nobody signs in until a password is set.
    #[serde(default)]
    pub password_hash: Option<String>,
    #[serde(default)]
    pub first_name: Option<String>,
    #[serde(default)]
    pub last_name: Option<String>,
    #[serde(default = "yes")]
    pub active: bool,
    #[serde(default)]
    pub email_verified: bool,
    #[serde(default)]
    pub must_change_password: bool,
    /// ALL or ASSIGNED.
    #[serde(default = "assigned")]
    pub hotel_scope: String,
    /// Names.
    #[serde(default)]
    pub roles: Vec<String>,
    /// PMS hotel ids.
    #[serde(default)]
    pub hotels: Vec<String>,
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub password_changed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub last_login_at: Option<DateTime<Utc>>,
}

fn yes() -> bool {
    true
}

fn assigned() -> String {
    "ASSIGNED".to_owned()
}

impl From<UserRow> for UserRecord {
    fn from(row: UserRow) -> Self {
        Self {
            id: Some(row.id),
            email: row.email,
            password_hash: Some(row.password_hash),
            first_name: row.first_name,
            last_name: row.last_name,
            active: row.active,
            email_verified: row.email_verified,
            must_change_password: row.must_change_password,
            hotel_scope: if row.hotel_scope == HotelScope::All { "ALL".to_owned() } else { assigned() },
            roles: row.roles,
            hotels: row.hotels,
            created_at: Some(row.created_at),
            password_changed_at: row.password_changed_at,
            last_login_at: row.last_login_at,
        }
    }
}
