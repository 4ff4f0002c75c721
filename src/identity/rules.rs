//! Who may see and do what. Pure functions: every operation asks here, none repeats a rule.

use std::sync::Arc;

use serde_json::Value;

use super::{Error, Principal, Result, UserPrincipal};
use crate::store::Scope;
use crate::store::hotels::Hotel;
use crate::store::users::HotelScope;

/// What the principal may see, for both walls.
///
/// One sees oneself and the people of one's own hotels. Scope ALL shows every hotel, and with user:view everyone. While
/// the password must be changed, one sees oneself alone.
pub(super) fn scope_of(principal: &Principal) -> Scope {
    let Principal::User(user) = principal else { return Scope::default() };
    let own = Scope { user_id: Some(user.access.user_id), ..Scope::default() };
    if user.confined {
        return own;
    }
    Scope {
        all_hotels: user.access.hotel_scope == HotelScope::All,
        view_users: user.may("user:view"),
        hotels: Arc::from(user.access.hotels.as_slice()),
        ..own
    }
}

/// The user, or the refusal of whoever is none.
pub(super) fn signed_in(principal: &Principal) -> Result<&Arc<UserPrincipal>> {
    match principal {
        Principal::User(user) => Ok(user),
        Principal::Anonymous => Err(Error::Unauthenticated(
            "sign in first: call login and send its accessToken as `Authorization: Bearer <token>`",
        )),
    }
}

/// The user, unless the password must be changed first.
pub(super) fn ready(principal: &Principal) -> Result<&Arc<UserPrincipal>> {
    let user = signed_in(principal)?;
    if user.confined { Err(Error::PasswordChangeRequired) } else { Ok(user) }
}

fn reaches(user: &UserPrincipal, hotel_id: &str) -> bool {
    user.access.hotel_scope == HotelScope::All || user.access.hotels.iter().any(|id| id == hotel_id)
}

/// A hotel's PMS settings as this principal may see them: not at all without hotel:update there, and never a secret.
pub fn pms_config_of(principal: &Principal, hotel: &Hotel) -> Option<Value> {
    let Principal::User(user) = principal else { return None };
    if user.confined || !user.may("hotel:update") || !reaches(user, &hotel.id) {
        return None;
    }
    hotel.pms_config.clone().map(masked)
}

/// What a masked value reads.
const MASK: &str = "********";
/// A key that holds one of these is taken to hold a secret.
const SECRET_WORDS: [&str; 9] =
    ["password", "passwd", "secret", "token", "apikey", "credential", "private", "auth", "signature"];

fn masked(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| {
                    let value = if looks_secret(&key) && !value.is_null() { MASK.into() } else { masked(value) };
                    (key, value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(masked).collect()),
        other => other,
    }
}

fn looks_secret(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    plain == "key" || plain == "pin" || SECRET_WORDS.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::store::access::SessionAccess;

    fn user(hotel_scope: HotelScope, permissions: &[&str], hotels: &[&str], confined: bool) -> Principal {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let start = DateTime::UNIX_EPOCH;
        let access = SessionAccess {
            session_id: Uuid::nil(),
            session_created_at: start,
            session_accessed_at: start,
            session_expires_at: start,
            user_id: Uuid::max(),
            email: "someone@example.com".to_owned(),
            must_change_password: confined,
            hotel_scope,
            roles: vec![],
            permissions: owned(permissions),
            hotels: owned(hotels),
        };
        Principal::User(Arc::new(UserPrincipal { access, confined }))
    }

    #[test]
    fn what_a_principal_may_see() {
        use HotelScope::{All, Assigned};
        // principal -> all hotels, every user, others' sessions, hotels
        let table: [(Principal, bool, bool, bool, &[&str]); 7] = [
            (Principal::Anonymous, false, false, false, &[]),
            (user(All, &["user:view"], &[], false), true, true, true, &[]),
            (user(All, &[], &["h1"], false), true, false, false, &["h1"]),
            (user(Assigned, &["user:view"], &["h1", "h2"], false), false, false, true, &["h1", "h2"]),
            (user(Assigned, &[], &["h1"], false), false, false, false, &["h1"]),
            (user(Assigned, &[], &[], false), false, false, false, &[]),
            (user(All, &["user:view"], &["h1"], true), false, false, false, &[]),
        ];
        for (principal, all_hotels, all_users, view_users, hotels) in table {
            let scope = scope_of(&principal);
            assert_eq!((scope.all_hotels, scope.all_users(), scope.view_users), (all_hotels, all_users, view_users));
            assert_eq!(&scope.hotels[..], hotels, "{principal:?}");
            assert!(!scope.system, "no request is the system's own");
        }
    }

    #[test]
    fn who_may_begin_at_all() {
        let ordinary = user(HotelScope::Assigned, &[], &[], false);
        let confined = user(HotelScope::All, &["system:admin"], &[], true);
        assert!(matches!(signed_in(&Principal::Anonymous), Err(Error::Unauthenticated(_))));
        assert!(matches!(ready(&Principal::Anonymous), Err(Error::Unauthenticated(_))));
        assert!(signed_in(&ordinary).is_ok() && ready(&ordinary).is_ok());
        assert!(signed_in(&confined).is_ok());
        assert!(matches!(ready(&confined), Err(Error::PasswordChangeRequired)));
    }

    #[test]
    fn pms_settings_are_for_those_who_may_change_them() {
        let start = DateTime::UNIX_EPOCH;
        let hotel = Hotel {
            id: "h1".to_owned(),
            name: "One".to_owned(),
            brand: None,
            country: None,
            city: None,
            address: None,
            pms_type: "apaleo".to_owned(),
            pms_config: Some(json!({
                "url": "https://pms.example", "client_secret": "s", "API-Key": "k", "empty_token": null,
                "nested": [{"accessToken": "t", "property": "B1"}], "key": "x", "monkey": "stays"
            })),
            active: true,
            created_at: start,
            updated_at: start,
        };
        use HotelScope::{All, Assigned};
        let shown = [user(All, &["hotel:update"], &[], false), user(Assigned, &["hotel:update"], &["h1"], false)];
        for principal in shown {
            assert_eq!(
                pms_config_of(&principal, &hotel),
                Some(json!({
                    "url": "https://pms.example", "client_secret": MASK, "API-Key": MASK, "empty_token": null,
                    "nested": [{"accessToken": MASK, "property": "B1"}], "key": MASK, "monkey": "stays"
                }))
            );
        }
        let hidden = [
            Principal::Anonymous,
            user(All, &["hotel:view"], &[], false),
            user(Assigned, &["hotel:update"], &["h2"], false),
            user(All, &["hotel:update"], &[], true),
        ];
        for principal in hidden {
            assert_eq!(pms_config_of(&principal, &hotel), None);
        }
    }
}
