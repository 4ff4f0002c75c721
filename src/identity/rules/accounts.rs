//! What keeps an account its owner's: who may set its password and vouch for its address, what ends its sessions, what its owner's
//! API keys live by, and who sees how it is signed in to.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::known;
use crate::identity::{Actor, Error, Principal, Refusal, RefusalCode, Result};
use crate::store::api_keys::KeyAccess;
use crate::store::users::changes::UserState;
use crate::store::users::sign_in::Credentials;
use crate::store::users::{HotelScope, UserFilter, UserOrder, UserOrderField};

/// Whether the caller may choose a password for somebody they add. What an API key chose would be known to whoever has the key,
/// and open the account when the key has been revoked.
pub(in crate::identity) fn may_choose_password(caller: &Actor) -> Result<(), Refusal> {
    if caller.api_key_id().is_none() {
        return Ok(());
    }
    let message = "API keys choose no passwords: leave it out, and have a person reset the password.";
    Err(Refusal::new(RefusalCode::PrivilegeEscalation, "password", message))
}

/// Whether a user's email address is verified after a change, where `says` is what the caller says of it. A new address is
/// not, unless the caller may say so.
pub(in crate::identity) fn is_verified_after(
    caller: &Actor,
    target: &UserState,
    address_changes: bool,
    says: Option<bool>,
) -> Result<bool, Refusal> {
    let verified = says.unwrap_or(target.email_verified && !address_changes);
    let oneself = caller.user_id() == Some(target.id);
    if verified && (address_changes || !target.email_verified) && !may_vouch(caller, oneself) {
        let message = "Whether this address is verified is not yours to say: ask another administrator.";
        return Err(Refusal::new(RefusalCode::PrivilegeEscalation, "emailVerified", message));
    }
    if !verified && target.email_verified && oneself {
        let field = if says.is_some() { "emailVerified" } else { "email" };
        let message = "This is your own account: you could not sign in any more. Ask another administrator.";
        return Err(Refusal::new(RefusalCode::LastAdministrator, field, message));
    }
    Ok(verified)
}

/// Whether the caller's word makes an address a verified one: of others that of people who may change them, of oneself only
/// that of whoever administers the whole system and could have another account do it.
fn may_vouch(caller: &Actor, oneself: bool) -> bool {
    let administers = caller.may("system:admin") && caller.hotel_scope() == HotelScope::All;
    caller.api_key_id().is_none() && (!oneself || administers)
}

/// Whether this user, as it stands, can sign in.
pub(in crate::identity) fn can_sign_in(user: &UserState) -> bool {
    user.active && user.email_verified
}

/// Whether this account can be signed in to: not where it is closed, nor with a temporary password that was not changed in
/// time.
pub(in crate::identity) fn opens(account: &Credentials, now: DateTime<Utc>) -> bool {
    account.active && account.email_verified && account.password_expires_at.is_none_or(|end| end > now)
}

/// Whether a change gives a user more than they had: every hotel, another hotel, or a role that grants what they did not
/// hold; `granted` is what the roles given grant now. Whoever else has a session of theirs must not get it, too.
pub(in crate::identity) fn raises_rights(before: &UserState, after: &UserState, granted: &[String]) -> bool {
    let given_hotels = before.hotel_scope == HotelScope::Assigned
        && (after.hotel_scope == HotelScope::All || after.hotels.iter().any(|hotel| !before.hotels.contains(hotel)));
    let given_a_role = after.roles.iter().any(|role| !before.roles.contains(role));
    given_hotels || given_a_role && granted.iter().any(|permission| !before.permissions.contains(permission))
}

/// Whether a key is honoured: as long as its owner, who made it, could make it anew. It ends with their account, and with any
/// right of theirs that it needs. One without an owner was put into the database by hand.
pub(in crate::identity) fn honours_key(key: &KeyAccess) -> bool {
    let Some(owner) = &key.owner else { return true };
    let within_scope = owner.hotel_scope == HotelScope::All
        || (key.hotel_scope == HotelScope::Assigned && key.assigned_hotels.iter().all(|id| owner.hotels.contains(id)));
    let holds = |permission: &String| owner.permissions.contains(permission);
    owner.can_sign_in && holds(&"system:admin".to_owned()) && key.permissions.iter().all(holds) && within_scope
}

/// Whether the principal may see how and when this user signs in: locks, failures, times, and whether the password is a
/// temporary one. Colleagues may not, unless they hold user:view.
pub fn sign_ins_are_visible(principal: &Principal, user: Uuid) -> bool {
    known(principal).is_ok_and(|actor| actor.user_id() == Some(user) || (!actor.confined && actor.may("user:view")))
}

/// Whether the caller may narrow and sort users by what only [`sign_ins_are_visible`] shows.
pub(in crate::identity) fn may_list(caller: &Actor, filter: &UserFilter, order: Option<UserOrder>) -> Result<()> {
    let by_sign_in = filter.locked.is_some()
        || filter.last_login_after.is_some()
        || filter.last_login_before.is_some()
        || order.is_some_and(|order| order.field == UserOrderField::LastLoginAt);
    if by_sign_in && !caller.may("user:view") {
        return Err(Error::Forbidden("the permission user:view, to find users by their sign-ins"));
    }
    Ok(())
}
