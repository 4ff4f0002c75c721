//! Who may see and do what. Pure functions: every operation asks here, none repeats a rule.
//!
//! A permission comes from any active role, and the hotel scope bounds where it holds. To change somebody, one must see
//! them, reach every hotel that they reach and hold every permission that they hold; nobody gives what they do not have.

mod accounts;
pub(super) mod decisions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use accounts::sign_ins_are_visible;
pub(super) use accounts::{
    can_sign_in, honours_key, is_verified_after, may_choose_password, may_list, opens, raises_rights,
};
use serde_json::Value;

use super::masking::{hides_something, masked};
use super::{Actor, Error, Principal, Refusal, RefusalCode, Result};
use crate::store::Scope;
use crate::store::access::SessionAccess;
use crate::store::api_keys::ApiKey;
use crate::store::audit::events::AuditEvent;
use crate::store::hotels::Hotel;
use crate::store::roles::Role;
use crate::store::users::HotelScope;
use crate::store::users::changes::UserState;

/// The built-in role of which somebody always remains.
pub(super) const ADMINISTRATOR: &str = "SYSTEM_ADMIN";

/// What the principal may see, for both walls.
///
/// One sees oneself and the people of one's own hotels. Scope ALL shows every hotel, and with user:view everyone. While
/// the password must be changed, one sees oneself alone.
pub(super) fn scope_of(principal: &Principal) -> Scope {
    match principal {
        Principal::Anonymous => Scope::default(),
        Principal::Known(actor) => scope_of_actor(actor),
    }
}

pub(super) fn scope_of_actor(actor: &Actor) -> Scope {
    if actor.is_operator() {
        return Scope::system();
    }
    let own = Scope { user_id: actor.user_id(), api_key_id: actor.api_key_id(), ..Scope::default() };
    if actor.confined {
        return own;
    }
    Scope {
        all_hotels: actor.hotel_scope() == HotelScope::All,
        view_users: actor.may("user:view"),
        read_audit: actor.may("system:monitor") || actor.may("system:admin"),
        see_api_keys: may_manage_api_keys(actor).is_ok(),
        hotels: Arc::from(actor.hotels()),
        assigned_hotels: Arc::from(actor.assigned_hotels()),
        ..own
    }
}

/// Who asks, or the refusal of a stranger.
pub(super) fn known(principal: &Principal) -> Result<&Arc<Actor>> {
    match principal {
        Principal::Known(actor) => Ok(actor),
        Principal::Anonymous => Err(Error::Unauthenticated(
            "sign in first: call login and send its accessToken as `Authorization: Bearer <token>`",
        )),
    }
}

/// Who asks, unless the password must be changed first.
pub(super) fn ready(principal: &Principal) -> Result<&Arc<Actor>> {
    let actor = known(principal)?;
    if actor.confined { Err(Error::PasswordChangeRequired) } else { Ok(actor) }
}

/// The user who asks, in their session.
pub(super) fn in_session(principal: &Principal) -> Result<&SessionAccess> {
    known(principal)?.user().ok_or(Error::Forbidden("a session of your own"))
}

/// What is done to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UserAction {
    /// First and last name: one's own are one's own.
    Rename,
    /// Email address, whether it is verified, hotel scope.
    Update,
    Deactivate,
    Reactivate,
    Delete,
    Unlock,
    ResetPassword,
    /// Roles and hotels, given or taken.
    Assign,
    /// One's own sessions are one's own.
    EndSessions,
}

/// Whether the caller may do this to anybody, or to themself. Asked before anything is read, so that the answer tells
/// nothing of who there is.
pub(super) fn may_begin(caller: &Actor, action: UserAction, to_oneself: bool) -> Result<()> {
    if to_oneself && matches!(action, UserAction::Rename | UserAction::EndSessions) {
        return Ok(());
    }
    match action {
        UserAction::ResetPassword if caller.api_key_id().is_some() => {
            Err(Error::Forbidden("the permission user:update, held by a user: API keys change no credentials"))
        }
        UserAction::Delete if caller.may("user:delete") => Ok(()),
        UserAction::Delete => Err(Error::Forbidden("the permission user:delete")),
        _ if caller.may("user:update") => Ok(()),
        _ => Err(Error::Forbidden("the permission user:update")),
    }
}

/// Whether the caller, who may begin, may do this to this user. `field` names the user in the input.
pub(super) fn on_user(
    caller: &Actor,
    action: UserAction,
    target: &UserState,
    field: &'static str,
) -> Result<(), Refusal> {
    let oneself = caller.user_id() == Some(target.id);
    if !sees(caller, target) {
        return Err(no_such("user", field));
    }
    match action {
        UserAction::Deactivate | UserAction::Delete if oneself => {
            let message = "This is your own account: you would lock yourself out. Ask another administrator.";
            Err(Refusal::new(RefusalCode::LastAdministrator, field, message))
        }
        UserAction::ResetPassword if oneself => {
            let message = "To change your own password call changePassword.";
            Err(Refusal::new(RefusalCode::InvalidValue, field, message))
        }
        _ if commands(caller, target) => Ok(()),
        _ => {
            let message = "This user holds permissions or hotels that you do not hold; ask somebody who does.";
            Err(Refusal::new(RefusalCode::PrivilegeEscalation, field, message))
        }
    }
}

/// The one answer for what is out of sight and for what does not exist.
pub(super) fn no_such(noun: &str, field: &'static str) -> Refusal {
    Refusal::new(RefusalCode::NotFound, field, format!("There is no such {noun}, or you may not see it."))
}

/// By the same rule as the lists: oneself, the people of one's own hotels, with scope ALL and user:view everyone.
fn sees(caller: &Actor, target: &UserState) -> bool {
    caller.user_id() == Some(target.id)
        || (caller.hotel_scope() == HotelScope::All && caller.may("user:view"))
        || (sees_colleagues(caller) && target.hotels.iter().any(|hotel| caller.hotels().contains(hotel)))
}

/// People know those they work with; a service has to be allowed to.
fn sees_colleagues(caller: &Actor) -> bool {
    caller.api_key_id().is_none() || caller.may("user:view")
}

/// Has every hotel assigned that the target has, and holds every permission that the target holds. What is not active counts,
/// hotels and roles: it may be active again tomorrow, and who commands somebody today may keep their account.
fn commands(caller: &Actor, target: &UserState) -> bool {
    may_give_scope(caller, target.hotel_scope)
        && target.hotels.iter().all(|hotel| is_assigned(caller, hotel))
        && target.held_permissions.iter().all(|permission| gives(caller, permission))
}

/// Whether the caller holds a permission for giving it to others, and for commanding those who hold it. An API key never hands
/// the whole system over: whom it made an administrator would be there when it has been revoked.
fn gives(caller: &Actor, permission: &str) -> bool {
    caller.may(permission) && !(caller.api_key_id().is_some() && permission == "system:admin")
}

/// Whether the caller may add users.
pub(super) fn may_add_users(caller: &Actor) -> Result<()> {
    if caller.may("user:create") { Ok(()) } else { Err(Error::Forbidden("the permission user:create")) }
}

/// Nobody gives a role that grants what they do not hold, nor takes part in giving it by making it active later.
pub(super) fn may_give_role(caller: &Actor, role: &Role) -> bool {
    role.permissions.iter().all(|permission| gives(caller, permission))
}

/// Nobody gives every hotel who does not reach every hotel.
pub(super) fn may_give_scope(caller: &Actor, scope: HotelScope) -> bool {
    scope == HotelScope::Assigned || caller.hotel_scope() == HotelScope::All
}

/// Whether a hotel is the caller's, active or not.
fn is_assigned(caller: &Actor, hotel_id: &str) -> bool {
    caller.hotel_scope() == HotelScope::All || caller.assigned_hotels().iter().any(|id| id == hotel_id)
}

/// Whether a hotel is within the caller's scope: what is not, is not there for them, and so is one that is not active for
/// whoever is assigned to it.
pub(super) fn reaches(caller: &Actor, hotel_id: &str) -> bool {
    caller.hotel_scope() == HotelScope::All || caller.hotels().iter().any(|id| id == hotel_id)
}

/// Whether this user, as it stands, can administer the system.
pub(super) fn administers(user: &UserState) -> bool {
    user.active
        && user.email_verified
        && user.hotel_scope == HotelScope::All
        && user.roles.iter().any(|role| role == ADMINISTRATOR)
}

/// Refuses a change after which nobody could administer the system.
pub(super) fn keeps_an_administrator(remaining: i64, field: &'static str) -> Result<(), Refusal> {
    if remaining > 0 {
        return Ok(());
    }
    let message =
        "Nobody could administer the system any more: make somebody else SYSTEM_ADMIN with every hotel first.";
    Err(Refusal::new(RefusalCode::LastAdministrator, field, message))
}

/// Whether the caller may add, change and delete roles. They belong to the whole group, so that takes its every hotel.
pub(super) fn may_change_roles(caller: &Actor) -> Result<()> {
    if caller.may("system:admin") && caller.hotel_scope() == HotelScope::All && caller.api_key_id().is_none() {
        return Ok(());
    }
    Err(Error::Forbidden("the permission system:admin and hotel scope ALL, held by a user"))
}

/// Whether the caller may make, see and revoke API keys. A person's to do: a key that got into wrong hands must not be able
/// to make others that outlive it.
pub(super) fn may_manage_api_keys(caller: &Actor) -> Result<()> {
    if caller.may("system:admin") && caller.api_key_id().is_none() {
        return Ok(());
    }
    Err(Error::Forbidden("the permission system:admin, held by a user"))
}

/// Whether a key is within the caller's scope: one of which every hotel is, and one for no hotel any more if they made it.
pub(super) fn reaches_api_key(caller: &Actor, key: &ApiKey) -> bool {
    may_give_scope(caller, key.hotel_scope)
        && key.hotels.iter().all(|hotel| is_assigned(caller, hotel))
        && (caller.hotel_scope() == HotelScope::All || !key.hotels.is_empty() || key.created_by == caller.user_id())
}

/// Whether the caller may ask what others may do.
pub(super) fn may_check_access(caller: &Actor) -> Result<()> {
    if caller.may("user:view") { Ok(()) } else { Err(Error::Forbidden("the permission user:view")) }
}

/// Whether settings are given that hold for another kind of PMS than the stored ones: what is stored and not shown would be sent
/// to whoever is asked next.
pub(super) fn may_change_pms(before: &Hotel, after: &Hotel, given_whole: bool) -> Result<(), Refusal> {
    let hidden = before.pms_config.as_ref().is_some_and(hides_something);
    if before.pms_type == after.pms_type || given_whole || !hidden {
        return Ok(());
    }
    let message = "Another PMS does not get the secrets of this one: give pmsConfig anew with its secrets, or null.";
    Err(Refusal::new(RefusalCode::InvalidValue, "pmsConfig", message))
}

/// Whether the caller may change this role, or delete it.
pub(super) fn on_role(caller: &Actor, role: &Role) -> Result<(), Refusal> {
    if role.system {
        let message = "Built-in roles stay as they are: make a role of your own.";
        return Err(Refusal::new(RefusalCode::SystemRole, "id", message));
    }
    if may_give_role(caller, role) {
        return Ok(());
    }
    let message = "This role grants permissions that you do not hold; ask somebody who does.";
    Err(Refusal::new(RefusalCode::PrivilegeEscalation, "id", message))
}

/// Whether the caller may put these permissions into a role.
pub(super) fn may_give_permissions(caller: &Actor, permissions: &[String]) -> Result<(), Refusal> {
    match permissions.iter().find(|permission| !gives(caller, permission)) {
        None => Ok(()),
        Some(missing) => {
            let message = format!("You do not hold {missing} yourself.");
            Err(Refusal::new(RefusalCode::PrivilegeEscalation, "permissions", message))
        }
    }
}

/// Whether the caller may add hotels: a new one is within nobody's assigned hotels.
pub(super) fn may_add_hotels(caller: &Actor) -> Result<()> {
    if caller.may("hotel:create") && caller.hotel_scope() == HotelScope::All {
        return Ok(());
    }
    Err(Error::Forbidden("the permission hotel:create and hotel scope ALL"))
}

/// Whether the caller may change hotels at all; which, [`reaches`] says.
pub(super) fn may_change_hotels(caller: &Actor) -> Result<()> {
    if caller.may("hotel:update") { Ok(()) } else { Err(Error::Forbidden("the permission hotel:update")) }
}

/// Whether the caller may close a hotel and open it again: a decision of the group's, and not of the hotel's own people.
pub(super) fn may_change_hotel_activity(caller: &Actor) -> Result<(), Refusal> {
    if caller.hotel_scope() == HotelScope::All {
        return Ok(());
    }
    let message = "Closing a hotel, or opening it again, takes every hotel: ask somebody with hotel scope ALL.";
    Err(Refusal::new(RefusalCode::PrivilegeEscalation, "active", message))
}

/// A hotel's PMS settings as this principal may see them: not at all without hotel:update there, and never a secret.
pub fn pms_config_of(principal: &Principal, hotel: &Hotel) -> Option<Value> {
    let user = ready(principal).ok()?;
    if !user.may("hotel:update") || !reaches(user, &hotel.id) {
        return None;
    }
    hotel.pms_config.as_ref().map(masked)
}

/// Whether the principal may see who brought an event about, and from where. Whom it is about learns only of themself,
/// and of strangers who tried to be them.
pub fn origin_is_visible(principal: &Principal, event: &AuditEvent) -> bool {
    let Ok(user) = ready(principal) else { return false };
    user.may("system:monitor")
        || user.may("system:admin")
        || event.actor.as_ref().is_none_or(|actor| Some(actor) == user.global_id().as_ref())
}
