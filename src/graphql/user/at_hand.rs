//! What of a user is written at once: columns, and roles and hotels that are in memory.

use async_graphql::{SelectionField, Value};

use super::{User, permissions_of};
use crate::graphql::connection::{PageArguments, read_text_cursor};
use crate::graphql::hotel::ReachedHotels;
use crate::graphql::written::{Fields, Selection, Write};
use crate::store::page::PageRequest;
use crate::store::roles::Role;
use crate::store::users::HotelScope;

impl Fields for User {
    const TYPE_NAME: &'static str = "User";

    fn write(field: &SelectionField<'_>) -> Option<Write<Self>> {
        Some(match field.name() {
            "id" => Box::new(|it, _, json| json.id("user", it.user.id)),
            "email" => Box::new(|it, _, json| json.value(&it.user.email)),
            "firstName" => Box::new(|it, _, json| json.value(&it.user.first_name)),
            "lastName" => Box::new(|it, _, json| json.value(&it.user.last_name)),
            "displayName" => Box::new(|it, _, json| json.value(&it.name_to_display())),
            "active" => Box::new(|it, _, json| json.value(&it.user.active)),
            "emailVerified" => Box::new(|it, _, json| json.value(&it.user.email_verified)),
            "locked" => Box::new(|it, request, json| {
                let now = request.identity.clock().now();
                let seen = it.tells_of_sign_ins(&request.caller());
                json.value(&(it.as_read()?.locked_until.is_some_and(|until| until > now) && seen))
            }),
            "lockedUntil" => Box::new(|it, request, json| {
                json.time(it.as_read()?.locked_until.filter(|_| it.tells_of_sign_ins(&request.caller())))
            }),
            "failedLoginAttempts" => Box::new(|it, request, json| {
                let seen = it.tells_of_sign_ins(&request.caller());
                json.value(&if seen { it.as_read()?.failed_login_attempts } else { 0 })
            }),
            "lastLoginAt" => Box::new(|it, request, json| {
                json.time(it.as_read()?.last_login_at.filter(|_| it.tells_of_sign_ins(&request.caller())))
            }),
            "passwordChangedAt" => Box::new(|it, request, json| {
                json.time(it.user.password_changed_at.filter(|_| it.tells_of_sign_ins(&request.caller())))
            }),
            "mustChangePassword" => Box::new(|it, request, json| {
                json.value(&(it.user.must_change_password && it.tells_of_sign_ins(&request.caller())))
            }),
            "mfaEnabled" => Box::new(|it, request, json| {
                json.value(&(it.user.mfa_enabled && it.tells_of_sign_ins(&request.caller())))
            }),
            "hotelScope" => Box::new(|it, _, json| {
                json.value(&match it.user.hotel_scope {
                    HotelScope::All => "ALL",
                    HotelScope::Assigned => "ASSIGNED",
                })
            }),
            "roles" => {
                let selection = Selection::<Role>::of(field)?;
                Box::new(move |it, request, json| {
                    let roles = request.identity.roles_at_hand(&it.user)?;
                    json.list(roles.iter().map(|role| &**role), &selection, request)
                })
            }
            "permissions" => {
                Box::new(|it, request, json| json.value(&permissions_of(&request.identity.roles_at_hand(&it.user)?)))
            }
            "hotels" => {
                let (page, selection) = (page_asked_for(field)?, Selection::of(field)?);
                Box::new(move |it, request, json| {
                    let (page, count) = request.identity.hotels_at_hand(&request.caller(), &it.user, &page)?;
                    selection.write(&ReachedHotels { page, count }, request, json)
                })
            }
            "createdAt" => Box::new(|it, _, json| json.time(Some(it.user.created_at))),
            "updatedAt" => Box::new(|it, _, json| json.time(Some(it.user.updated_at))),
            _ => return None,
        })
    }
}

/// None also for arguments that do not go together: the resolver says what is wrong with them.
fn page_asked_for(field: &SelectionField<'_>) -> Option<PageRequest<String>> {
    let mut page = PageArguments::default();
    for (name, value) in field.arguments().ok()? {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("first", Value::Number(rows)) => page.first = Some(i32::try_from(rows.as_i64()?).ok()?),
            ("last", Value::Number(rows)) => page.last = Some(i32::try_from(rows.as_i64()?).ok()?),
            ("after", Value::String(cursor)) => page.after = Some(cursor),
            ("before", Value::String(cursor)) => page.before = Some(cursor),
            _ => return None,
        }
    }
    page.request(|cursor| read_text_cursor("hotel", cursor)).ok()
}
