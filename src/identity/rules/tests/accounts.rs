//! The rules on accounts, API keys and PMS settings as tables.

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::*;
use crate::store::api_keys::{KeyAccess, KeyOwner};
use crate::store::users::sign_in::Credentials;
use crate::store::users::{UserFilter, UserOrder, UserOrderField};

/// An API key of this owner, who holds this.
fn key_of(owner: Option<KeyOwner>, permissions: &[&str], hotel_scope: HotelScope, hotels: &[&str]) -> KeyAccess {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    KeyAccess {
        id: THEM,
        service_name: "orchestrator".to_owned(),
        last_used_at: None,
        expires_at: None,
        hotel_scope,
        permissions: texts(permissions),
        hotels: texts(hotels),
        assigned_hotels: texts(hotels),
        owner,
    }
}

fn owner(can_sign_in: bool, permissions: &[&str], hotel_scope: HotelScope, hotels: &[&str]) -> KeyOwner {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    KeyOwner { id: ME, can_sign_in, hotel_scope, permissions: texts(permissions), hotels: texts(hotels) }
}

#[test]
fn a_key_is_honoured_while_its_owner_could_make_it_anew() {
    let able = &["system:admin", "user:view"][..];
    // the owner, the key's permissions, scope and hotels -> whether it is honoured
    for (owner, permissions, scope, hotels, honoured) in [
        (Some(owner(true, able, All, &[])), &["user:view"][..], All, &[][..], true),
        (Some(owner(true, able, All, &[])), &["user:view"], Assigned, &["h1"], true),
        (Some(owner(true, able, Assigned, &["h1", "h2"])), &["user:view"], Assigned, &["h1"], true),
        (Some(owner(false, able, All, &[])), &["user:view"], All, &[], false),
        (Some(owner(true, &["user:view"], All, &[])), &["user:view"], All, &[], false),
        (Some(owner(true, able, All, &[])), &["user:view", "user:delete"], All, &[], false),
        (Some(owner(true, able, Assigned, &["h1"])), &["user:view"], All, &[], false),
        (Some(owner(true, able, Assigned, &["h2"])), &["user:view"], Assigned, &["h1"], false),
        (Some(owner(true, able, Assigned, &[])), &[], Assigned, &["h1"], false),
        (None, &["user:view"], All, &[], true),
    ] {
        let key = key_of(owner, permissions, scope, hotels);
        assert_eq!(honours_key(&key), honoured, "{key:?}");
    }
}

#[test]
fn a_key_changes_no_credentials() {
    let permissions = permissions_of("SYSTEM_ADMIN");
    let permissions: Vec<&str> = permissions.iter().map(String::as_str).collect();
    let key = Actor { who: Who::ApiKey(key_of(None, &permissions, All, &[])), confined: false };
    let them = target(THEM, "HOTEL_STAFF", Assigned, &["h1"]);
    let expected = |action| if action == UserAction::ResetPassword { "forbidden" } else { "allowed" };
    for action in ACTIONS {
        assert_eq!(answer(&key, action, &them), expected(action), "{action:?}");
    }
    assert!(may_choose_password(&key).is_err());
    assert!(may_choose_password(&caller_with(vec![], All, &[])).is_ok());
}

/// Reset today, reactivated tomorrow.
#[test]
fn what_is_not_active_counts_for_who_commands_whom() {
    let admin = caller_with(permissions_of("HOTEL_ADMIN"), Assigned, &["h1"]);
    let mut them = target(THEM, "HOTEL_STAFF", Assigned, &["h1"]);
    assert_eq!(answer(&admin, UserAction::ResetPassword, &them), "allowed");
    them.held_permissions.push("user:delete".to_owned());
    for action in ACTIONS.into_iter().filter(|action| *action != UserAction::Delete) {
        assert_eq!(answer(&admin, action, &them), "beyond", "{action:?}");
    }
    // Of two who share a closed hotel, one commands the other; who does not share it, does not.
    let both = target(THEM, "HOTEL_STAFF", Assigned, &["h1", "closed"]);
    let mut chief = caller_with(permissions_of("HOTEL_ADMIN"), Assigned, &["h1"]);
    assert_eq!(answer(&chief, UserAction::Rename, &both), "beyond");
    if let Who::User(access) = &mut chief.who {
        access.assigned_hotels.push("closed".to_owned());
    }
    assert_eq!(answer(&chief, UserAction::Rename, &both), "allowed");
    let closed = target(THEM, "HOTEL_STAFF", Assigned, &["closed"]);
    assert_eq!(answer(&chief, UserAction::Rename, &closed), "not found", "a closed hotel shows nobody");
    assert!(may_change_hotel_activity(&chief).is_err());
    assert!(may_change_hotel_activity(&caller_with(vec![], All, &[])).is_ok());
}

#[test]
fn whose_word_makes_an_address_a_verified_one() {
    let key = || Actor { who: Who::ApiKey(key_of(None, &["user:update"], All, &[])), confined: false };
    let verified = |id| target(id, "HOTEL_STAFF", Assigned, &["h1"]);
    let unverified = |id| UserState { email_verified: false, ..verified(id) };
    let admin = || caller_with(permissions_of("HOTEL_ADMIN"), All, &[]);
    let highest = || caller_with(permissions_of("SYSTEM_ADMIN"), All, &[]);
    let local = || caller_with(permissions_of("SYSTEM_ADMIN"), Assigned, &["h1"]);
    let beyond = Err(RefusalCode::PrivilegeEscalation);
    let lockout = Err(RefusalCode::LastAdministrator);
    // caller, target, whether the address changes, what the caller says -> whether it is verified afterwards
    for (caller, target, changes, says, expected) in [
        (admin(), verified(THEM), false, None, Ok(true)),
        (admin(), unverified(THEM), false, None, Ok(false)),
        (admin(), verified(THEM), true, None, Ok(false)),
        (admin(), verified(THEM), true, Some(true), Ok(true)),
        (admin(), unverified(THEM), false, Some(true), Ok(true)),
        (admin(), verified(THEM), false, Some(false), Ok(false)),
        (key(), verified(THEM), true, None, Ok(false)),
        (key(), verified(THEM), true, Some(true), beyond),
        (key(), unverified(THEM), false, Some(true), beyond),
        (key(), verified(THEM), false, Some(true), Ok(true)),
        (admin(), verified(ME), true, None, lockout),
        (admin(), verified(ME), true, Some(true), beyond),
        (admin(), verified(ME), false, Some(true), Ok(true)),
        (admin(), verified(ME), false, Some(false), lockout),
        (local(), verified(ME), true, Some(true), beyond),
        (highest(), verified(ME), true, Some(true), Ok(true)),
        (highest(), verified(ME), true, None, lockout),
    ] {
        let found = is_verified_after(&caller, &target, changes, says).map_err(|refusal| refusal.code);
        assert_eq!(found, expected, "{caller:?} {target:?} {changes} {says:?}");
    }
}

#[test]
fn what_raises_rights() {
    let before = target(THEM, "HOTEL_STAFF", Assigned, &["h1"]);
    let everywhere = target(THEM, "HOTEL_STAFF", All, &["h1"]);
    let with = |change: fn(&mut UserState), user: &UserState| {
        let mut after = user.clone();
        change(&mut after);
        after
    };
    let given = |user: &mut UserState| user.roles.push("OTHER".to_owned());
    let more = ["user:delete".to_owned()];
    let same = ["call:view".to_owned()];
    for (before, after, granted, raised) in [
        (&before, before.clone(), &more[..], false),
        (&before, with(given, &before), &more, true),
        (&before, with(given, &before), &same, false),
        (&before, with(given, &before), &[], false),
        (&before, with(|user| user.roles.clear(), &before), &more, false),
        (&before, with(|user| user.hotel_scope = All, &before), &[], true),
        (&before, with(|user| user.hotels.push("h2".to_owned()), &before), &[], true),
        (&before, with(|user| user.hotels.clear(), &before), &[], false),
        (&everywhere, with(|user| user.hotels.push("h2".to_owned()), &everywhere), &[], false),
        (&everywhere, with(|user| user.hotel_scope = Assigned, &everywhere), &[], false),
    ] {
        assert_eq!(raises_rights(before, &after, granted), raised, "{after:?} {granted:?}");
    }
}

#[test]
fn who_sees_how_others_sign_in_and_finds_them_by_it() {
    let colleague = principal(Assigned, &["user:update"], &["h1"], false);
    let viewer = principal(Assigned, &["user:view"], &["h1"], false);
    let confined = principal(All, &["user:view"], &[], true);
    for (principal, oneself, others) in [
        (&Principal::Anonymous, false, false),
        (&colleague, true, false),
        (&viewer, true, true),
        (&confined, true, false),
    ] {
        assert_eq!(sign_ins_are_visible(principal, ME), oneself, "{principal:?}");
        assert_eq!(sign_ins_are_visible(principal, THEM), others, "{principal:?}");
    }
    let now = DateTime::UNIX_EPOCH;
    let plain = UserFilter { active: Some(true), email_verified: Some(true), ..UserFilter::default() };
    let by = |field| Some(UserOrder { field, descending: false });
    for (filter, order, for_colleagues) in [
        (plain, by(UserOrderField::Email), true),
        (UserFilter::default(), None, true),
        (UserFilter::default(), by(UserOrderField::LastLoginAt), false),
        (UserFilter { locked: Some((false, now)), ..UserFilter::default() }, None, false),
        (UserFilter { last_login_after: Some(now), ..UserFilter::default() }, None, false),
        (UserFilter { last_login_before: Some(now), ..UserFilter::default() }, None, false),
    ] {
        for (caller, may) in [(&colleague, for_colleagues), (&viewer, true)] {
            assert_eq!(may_list(ready(caller).unwrap(), &filter, order).is_ok(), may, "{filter:?} {order:?}");
        }
    }
}

#[test]
fn a_temporary_password_opens_nothing_after_its_end() {
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
    let account = |active, email_verified, password_expires_at| Credentials {
        user_id: THEM,
        email: "them@example.com".to_owned(),
        first_name: None,
        last_name: None,
        password_hash: String::new(),
        active,
        email_verified,
        locked_until: None,
        password_expires_at,
        hotel_scope: Assigned,
        hotels: vec![],
    };
    let second = TimeDelta::seconds(1);
    for (account, expected) in [
        (account(true, true, None), true),
        (account(true, true, Some(now + second)), true),
        (account(true, true, Some(now)), false),
        (account(true, true, Some(now - second)), false),
        (account(false, true, None), false),
        (account(true, false, None), false),
    ] {
        assert_eq!(opens(&account, now), expected);
    }
}

#[test]
fn another_pms_does_not_get_the_secrets_of_this_one() {
    let hotel = |pms_type: &str, config: Option<Value>| Hotel {
        id: "h1".to_owned(),
        name: "One".to_owned(),
        brand: None,
        country: None,
        city: None,
        address: None,
        pms_type: pms_type.to_owned(),
        pms_config: config,
        active: true,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    };
    let secret = || Some(json!({ "key": "k" }));
    let harmless = || Some(json!({ "url": "https://pms.example" }));
    for (before, after, given_whole, may) in [
        (hotel("mews", secret()), hotel("mews", secret()), false, true),
        (hotel("mews", secret()), hotel("opera", secret()), false, false),
        (hotel("mews", secret()), hotel("opera", secret()), true, true),
        (hotel("mews", secret()), hotel("opera", None), true, true),
        (hotel("mews", harmless()), hotel("opera", harmless()), false, true),
        (hotel("mews", None), hotel("opera", None), false, true),
    ] {
        assert_eq!(may_change_pms(&before, &after, given_whole).is_ok(), may);
    }
}
