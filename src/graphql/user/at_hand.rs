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
                json.value(&it.as_read()?.locked_until.is_some_and(|until| until > now))
            }),
            "lockedUntil" => Box::new(|it, _, json| json.time(it.as_read()?.locked_until)),
            "failedLoginAttempts" => Box::new(|it, _, json| json.value(&it.as_read()?.failed_login_attempts)),
            "lastLoginAt" => Box::new(|it, _, json| json.time(it.as_read()?.last_login_at)),
            "passwordChangedAt" => Box::new(|it, _, json| json.time(it.user.password_changed_at)),
            "mustChangePassword" => Box::new(|it, _, json| json.value(&it.user.must_change_password)),
            "mfaEnabled" => Box::new(|it, _, json| json.value(&it.user.mfa_enabled)),
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
