//! The rules as tables: caller, target and action. Those on accounts are in [`accounts`].

mod accounts;

use chrono::DateTime;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::identity::Who;
use crate::identity::permissions::PERMISSIONS;
use crate::store::users::User;
use HotelScope::{All, Assigned};

const ME: Uuid = Uuid::max();
const THEM: Uuid = Uuid::nil();

/// What the built-in roles grant, as the product's design says it.
fn permissions_of(role: &str) -> Vec<String> {
    let words = match role {
        "SYSTEM_ADMIN" => return PERMISSIONS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        "HOTEL_ADMIN" => {
            "call:start call:end call:view call:manage hotel:update hotel:view user:create user:update user:view"
        }
        "HOTEL_STAFF" => "call:start call:view hotel:view",
        "GUEST_USER" => "call:view",
        "DELETER" => "user:delete",
        "UPDATER" => "user:update",
        "CREATOR" => "user:create",
        "VIEWER" => "user:view hotel:view",
        "ROLE_EDITOR" => "system:admin",
        "HOTEL_MAKER" => "hotel:create",
        "HOTEL_EDITOR" => "hotel:update",
        _ => "",
    };
    words.split_whitespace().map(str::to_owned).collect()
}

fn caller_with(permissions: Vec<String>, hotel_scope: HotelScope, hotels: &[&str]) -> Actor {
    let start = DateTime::UNIX_EPOCH;
    let access = SessionAccess {
        session_id: Uuid::nil(),
        session_created_at: start,
        session_accessed_at: start,
        remember_me: false,
        session_expires_at: start,
        user_id: ME,
        email: "me@example.com".to_owned(),
        must_change_password: false,
        password_expires_at: None,
        hotel_scope,
        roles: vec![],
        permissions,
        hotels: hotels.iter().map(|hotel| (*hotel).to_owned()).collect(),
        assigned_hotels: hotels.iter().map(|hotel| (*hotel).to_owned()).collect(),
        user: Arc::new(User {
            id: ME,
            email: "me@example.com".to_owned(),
            first_name: None,
            last_name: None,
            active: true,
            email_verified: true,
            failed_login_attempts: 0,
            locked_until: None,
            last_login_at: None,
            password_changed_at: None,
            must_change_password: false,
            mfa_enabled: false,
            hotel_scope,
            created_at: start,
            updated_at: start,
            created_by: None,
            updated_by: None,
            role_ids: None,
            hotel_ids: None,
            last_name_key: None,
        }),
    };
    Actor { who: Who::User(access), confined: false }
}

fn principal(hotel_scope: HotelScope, permissions: &[&str], hotels: &[&str], confined: bool) -> Principal {
    let permissions = permissions.iter().map(|word| (*word).to_owned()).collect();
    Principal::Known(Arc::new(Actor { confined, ..caller_with(permissions, hotel_scope, hotels) }))
}

fn target(id: Uuid, role: &str, hotel_scope: HotelScope, hotels: &[&str]) -> UserState {
    UserState {
        id,
        email: "them@example.com".to_owned(),
        first_name: None,
        last_name: None,
        active: true,
        email_verified: true,
        must_change_password: false,
        failed_login_attempts: 0,
        locked_until: None,
        hotel_scope,
        roles: vec![role.to_owned()],
        permissions: permissions_of(role),
        held_permissions: permissions_of(role),
        hotels: hotels.iter().map(|hotel| (*hotel).to_owned()).collect(),
        updated_at: DateTime::UNIX_EPOCH,
    }
}

/// What the rules answer, in one word.
fn answer(caller: &Actor, action: UserAction, target: &UserState) -> &'static str {
    if let Err(error) = may_begin(caller, action, caller.user_id() == Some(target.id)) {
        return if matches!(error, Error::Forbidden(_)) { "forbidden" } else { "other" };
    }
    match on_user(caller, action, target, "id") {
        Ok(()) => "allowed",
        Err(refusal) => match refusal.code {
            RefusalCode::NotFound => "not found",
            RefusalCode::PrivilegeEscalation => "beyond",
            RefusalCode::LastAdministrator => "lockout",
            RefusalCode::InvalidValue => "elsewhere",
            _ => "other",
        },
    }
}

const ACTIONS: [UserAction; 9] = [
    UserAction::Rename,
    UserAction::Update,
    UserAction::Deactivate,
    UserAction::Reactivate,
    UserAction::Delete,
    UserAction::Unlock,
    UserAction::ResetPassword,
    UserAction::Assign,
    UserAction::EndSessions,
];
const ROLES: [&str; 8] =
    ["SYSTEM_ADMIN", "HOTEL_ADMIN", "HOTEL_STAFF", "GUEST_USER", "DELETER", "UPDATER", "VIEWER", "none"];

/// Every role against every role, at every relation of hotels: who is allowed what is written down by hand as two small
/// tables, one of roles and one of hotels, and not by the rules' own reckoning.
#[test]
fn every_caller_and_target_and_action() {
    // The target's roles of which the caller's holds every permission.
    let commands = |caller: &str, target: &str| match caller {
        "SYSTEM_ADMIN" => true,
        "HOTEL_ADMIN" => !matches!(target, "SYSTEM_ADMIN" | "DELETER"),
        "HOTEL_STAFF" => matches!(target, "HOTEL_STAFF" | "GUEST_USER" | "none"),
        "GUEST_USER" => matches!(target, "GUEST_USER" | "none"),
        "DELETER" => matches!(target, "DELETER" | "none"),
        "UPDATER" => matches!(target, "UPDATER" | "none"),
        "VIEWER" => matches!(target, "VIEWER" | "none"),
        _ => target == "none",
    };
    let views = |role: &str| matches!(role, "SYSTEM_ADMIN" | "HOTEL_ADMIN" | "VIEWER");
    // The caller's hotels, the target's; shared at least one; every one of the target's within the caller's.
    let one: &[&str] = &["h1"];
    let both: &[&str] = &["h1", "h2"];
    let hotels: [((HotelScope, &[&str]), (HotelScope, &[&str]), bool, bool); 14] = [
        ((All, &[]), (All, &[]), false, true),
        ((All, &[]), (Assigned, one), false, true),
        ((All, &[]), (Assigned, &[]), false, true),
        ((All, one), (Assigned, both), true, true),
        ((All, one), (All, one), true, true),
        ((Assigned, one), (Assigned, one), true, true),
        ((Assigned, one), (Assigned, both), true, false),
        ((Assigned, one), (Assigned, &["h2"]), false, false),
        ((Assigned, one), (Assigned, &[]), false, true),
        ((Assigned, one), (All, &[]), false, false),
        ((Assigned, one), (All, one), true, false),
        ((Assigned, both), (Assigned, &["h2"]), true, true),
        ((Assigned, both), (Assigned, &["h2", "h3"]), true, false),
        ((Assigned, &[]), (Assigned, one), false, false),
    ];
    let mut rows = 0;
    for caller_role in ROLES {
        for target_role in ROLES {
            for ((scope, mine), (their_scope, theirs), shared, within) in hotels {
                let caller = caller_with(permissions_of(caller_role), scope, mine);
                let them = target(THEM, target_role, their_scope, theirs);
                let sees = shared || (scope == All && views(caller_role));
                for action in ACTIONS {
                    let permitted = match action {
                        UserAction::Delete => matches!(caller_role, "SYSTEM_ADMIN" | "DELETER"),
                        _ => matches!(caller_role, "SYSTEM_ADMIN" | "HOTEL_ADMIN" | "UPDATER"),
                    };
                    let expected = match (permitted, sees, within && commands(caller_role, target_role)) {
                        (false, ..) => "forbidden",
                        (_, false, _) => "not found",
                        (_, _, false) => "beyond",
                        (true, true, true) => "allowed",
                    };
                    let row = format!(
                        "{caller_role} {scope:?} {mine:?}: {action:?} {target_role} {their_scope:?} {theirs:?}"
                    );
                    assert_eq!(answer(&caller, action, &them), expected, "{row}");
                    rows += 1;
                }
            }
        }
    }
    assert_eq!(rows, 8 * 8 * 14 * 9);
}

#[test]
fn what_is_ones_own_and_what_one_does_not_do_to_oneself() {
    for (role, scope, hotels) in [
        ("none", Assigned, &[][..]),
        ("GUEST_USER", Assigned, &["h1"]),
        ("UPDATER", Assigned, &["h1"]),
        ("HOTEL_ADMIN", All, &[]),
        ("SYSTEM_ADMIN", All, &["h1"]),
    ] {
        let caller = caller_with(permissions_of(role), scope, hotels);
        let myself = target(ME, role, scope, hotels);
        for action in ACTIONS {
            let updates = matches!(role, "SYSTEM_ADMIN" | "HOTEL_ADMIN" | "UPDATER");
            let expected = match action {
                UserAction::Rename | UserAction::EndSessions => "allowed",
                UserAction::Delete if role == "SYSTEM_ADMIN" => "lockout",
                UserAction::Delete => "forbidden",
                _ if !updates => "forbidden",
                UserAction::Deactivate => "lockout",
                UserAction::ResetPassword => "elsewhere",
                _ => "allowed",
            };
            assert_eq!(answer(&caller, action, &myself), expected, "{role}: {action:?} oneself");
        }
    }
}

#[test]
fn nobody_gives_what_they_do_not_hold() {
    let role = |permissions: &[&str], active: bool| Role {
        id: THEM,
        name: "ROLE".to_owned(),
        display_name: "Role".to_owned(),
        description: None,
        permissions: permissions.iter().map(|word| (*word).to_owned()).collect(),
        active,
        system: false,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    };
    let caller = caller_with(permissions_of("HOTEL_ADMIN"), Assigned, &["h1"]);
    // permissions of the role, active -> whether a HOTEL_ADMIN may give it
    for (permissions, active, may) in [
        (&[][..], true, true),
        (&["call:view"], true, true),
        (&["call:view", "user:view"], true, true),
        (&["call:view", "user:delete"], true, false),
        (&["user:delete"], false, false),
        (&["system:admin"], true, false),
    ] {
        let role = role(permissions, active);
        assert_eq!(may_give_role(&caller, &role), may, "{permissions:?}");
        assert_eq!(may_give_permissions(&caller, &role.permissions).is_ok(), may, "{permissions:?}");
        assert_eq!(on_role(&caller, &role).is_ok(), may, "{permissions:?}");
        let built_in = Role { system: true, ..role };
        assert_eq!(on_role(&caller, &built_in).unwrap_err().code, RefusalCode::SystemRole);
    }
    let everywhere = caller_with(vec![], All, &[]);
    for (scope, here, there) in [(Assigned, true, true), (All, false, true)] {
        assert_eq!((may_give_scope(&caller, scope), may_give_scope(&everywhere, scope)), (here, there));
    }
    for (hotel, here, there) in [("h1", true, true), ("h2", false, true)] {
        assert_eq!((reaches(&caller, hotel), reaches(&everywhere, hotel)), (here, there));
    }
}

#[test]
fn who_adds_users_and_changes_roles_and_hotels() {
    // role, scope -> adds users, changes roles, adds hotels, changes hotels
    for (role, scope, users, roles, hotels, changes) in [
        ("SYSTEM_ADMIN", All, true, true, true, true),
        ("SYSTEM_ADMIN", Assigned, true, false, false, true),
        ("HOTEL_ADMIN", All, true, false, false, true),
        ("HOTEL_ADMIN", Assigned, true, false, false, true),
        ("HOTEL_STAFF", All, false, false, false, false),
        ("GUEST_USER", Assigned, false, false, false, false),
        ("none", All, false, false, false, false),
        // One permission each: none stands for another.
        ("UPDATER", All, false, false, false, false),
        ("CREATOR", All, true, false, false, false),
        ("VIEWER", All, false, false, false, false),
        ("ROLE_EDITOR", All, false, true, false, false),
        ("HOTEL_MAKER", All, false, false, true, false),
        ("HOTEL_MAKER", Assigned, false, false, false, false),
        ("HOTEL_EDITOR", Assigned, false, false, false, true),
    ] {
        let caller = caller_with(permissions_of(role), scope, &["h1"]);
        assert_eq!(may_add_users(&caller).is_ok(), users, "{role} {scope:?}");
        assert_eq!(may_change_roles(&caller).is_ok(), roles, "{role} {scope:?}");
        assert_eq!(may_add_hotels(&caller).is_ok(), hotels, "{role} {scope:?}");
        assert_eq!(may_change_hotels(&caller).is_ok(), changes, "{role} {scope:?}");
    }
}

#[test]
fn somebody_always_administers_the_system() {
    let administrator = target(THEM, "SYSTEM_ADMIN", All, &[]);
    assert!(administers(&administrator));
    for other in [
        UserState { active: false, ..administrator.clone() },
        UserState { email_verified: false, ..administrator.clone() },
        UserState { hotel_scope: Assigned, ..administrator.clone() },
        UserState { roles: vec!["HOTEL_ADMIN".to_owned()], ..administrator.clone() },
        UserState { roles: vec![], ..administrator },
    ] {
        assert!(!administers(&other), "{other:?}");
    }
    assert!(keeps_an_administrator(1, "id").is_ok());
    assert_eq!(keeps_an_administrator(0, "id").unwrap_err().code, RefusalCode::LastAdministrator);
}

#[test]
fn what_a_principal_may_see() {
    // principal -> all hotels, every user, others' sessions, the audit trail, hotels
    let table: [(Principal, bool, bool, bool, bool, &[&str]); 9] = [
        (Principal::Anonymous, false, false, false, false, &[]),
        (principal(All, &["user:view"], &[], false), true, true, true, false, &[]),
        (principal(All, &[], &["h1"], false), true, false, false, false, &["h1"]),
        (principal(Assigned, &["user:view"], &["h1", "h2"], false), false, false, true, false, &["h1", "h2"]),
        (principal(Assigned, &[], &["h1"], false), false, false, false, false, &["h1"]),
        (principal(Assigned, &[], &[], false), false, false, false, false, &[]),
        (principal(All, &["user:view", "system:admin"], &["h1"], true), false, false, false, false, &[]),
        (principal(Assigned, &["system:monitor"], &["h1"], false), false, false, false, true, &["h1"]),
        (principal(All, &["system:admin"], &[], false), true, false, false, true, &[]),
    ];
    for (principal, all_hotels, all_users, view_users, read_audit, hotels) in table {
        let scope = scope_of(&principal);
        assert_eq!((scope.all_hotels, scope.all_users(), scope.view_users), (all_hotels, all_users, view_users));
        assert_eq!((scope.read_audit, scope.all_events()), (read_audit, read_audit && all_hotels), "{principal:?}");
        assert_eq!(&scope.hotels[..], hotels, "{principal:?}");
        assert!(!scope.system, "no request is the system's own");
    }
}

#[test]
fn who_may_begin_at_all() {
    let ordinary = principal(Assigned, &[], &[], false);
    let confined = principal(All, &["system:admin"], &[], true);
    assert!(matches!(known(&Principal::Anonymous), Err(Error::Unauthenticated(_))));
    assert!(matches!(ready(&Principal::Anonymous), Err(Error::Unauthenticated(_))));
    assert!(known(&ordinary).is_ok() && ready(&ordinary).is_ok());
    assert!(known(&confined).is_ok());
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
        pms_config: Some(json!({ "url": "https://pms.example", "client_secret": "s" })),
        active: true,
        created_at: start,
        updated_at: start,
    };
    for shown in [principal(All, &["hotel:update"], &[], false), principal(Assigned, &["hotel:update"], &["h1"], false)]
    {
        let expected = json!({ "url": "https://pms.example", "client_secret": "********" });
        assert_eq!(pms_config_of(&shown, &hotel), Some(expected));
    }
    for hidden in [
        Principal::Anonymous,
        principal(All, &["hotel:view"], &[], false),
        principal(Assigned, &["hotel:update"], &["h2"], false),
        principal(All, &["hotel:update"], &[], true),
    ] {
        assert_eq!(pms_config_of(&hidden, &hotel), None);
    }
}

#[test]
fn where_others_were_is_for_auditors() {
    let event = |actor: Option<Uuid>| AuditEvent {
        id: Uuid::nil(),
        occurred_at: DateTime::UNIX_EPOCH,
        event_type: "login_failed".to_owned(),
        outcome: "FAILURE".to_owned(),
        actor: actor.map(|id| format!("user:{id}")),
        subject: None,
        about: Some(ME),
        ip_address: None,
        user_agent: None,
        request_id: None,
        detail: json!({}),
        personal: None,
    };
    let table = [
        (Principal::Anonymous, None, false),
        (principal(Assigned, &[], &[], false), None, true),
        (principal(Assigned, &[], &[], false), Some(ME), true),
        (principal(All, &["user:view"], &[], false), Some(THEM), false),
        (principal(Assigned, &["system:monitor"], &[], false), Some(THEM), true),
        (principal(All, &["system:admin"], &[], false), Some(THEM), true),
        (principal(All, &["system:admin"], &[], true), Some(THEM), false),
    ];
    for (principal, actor, visible) in table {
        assert_eq!(origin_is_visible(&principal, &event(actor)), visible, "{principal:?} {actor:?}");
    }
}
