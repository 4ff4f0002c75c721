//! Nobody keeps an account that they made, reset or changed: passwords that others know end soon, sessions end where somebody
//! gets more or may sign in no longer, and a changed address is nobody's word.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, PASSWORD, Setup, TestApp};

const STAFF: &str = "role:01900000-0000-7000-8000-000000000003";
const HOTEL_ADMIN: &str = "role:01900000-0000-7000-8000-000000000002";
const GUEST: &str = "role:01900000-0000-7000-8000-000000000004";
const DAY: Duration = Duration::from_hours(24);

fn enforced() -> Setup {
    let mut setup = Setup::usual();
    setup.settings.enforce_password_change = true;
    setup
}

#[tokio::test]
async fn a_password_that_somebody_else_has_set_is_temporary_and_ends_after_a_day() {
    let app = TestApp::start_with(enforced()).await;
    let admin = app.admin().await;
    let chosen = "harbour lamp nine";
    let new = |email: &str, password: Value| json!({ "email": email, "password": password, "emailVerified": true, "roles": [STAFF], "hotels": ["hotel:hotel-001"] });
    let told = "temporaryPassword temporaryPasswordExpiresAt user { id mustChangePassword }";
    let existing = app.user("reset@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    let reset = json!({ "id": format!("user:{existing}"), "newPassword": chosen });
    let made = admin.mutate("createUser", new("made@h.test", Value::Null), told).await;
    let made_password = made.data("/createUser/temporaryPassword").as_str().expect("a password").to_owned();
    for (name, answer, email, password) in [
        ("createUser", made, "made@h.test", made_password.as_str()),
        (
            "createUser",
            admin.mutate("createUser", new("chosen@h.test", json!(chosen)), told).await,
            "chosen@h.test",
            chosen,
        ),
        ("resetUserPassword", admin.mutate("resetUserPassword", reset, told).await, "reset@h.test", chosen),
    ] {
        Client::done(&answer, name);
        assert_eq!(answer.data(&format!("/{name}/user/mustChangePassword")), true, "{email}");
        let until = answer.data(&format!("/{name}/temporaryPasswordExpiresAt")).as_str().expect("an end").to_owned();
        let until: chrono::DateTime<chrono::Utc> = until.parse().expect("a time");
        assert_eq!((until - app.clock.now()).num_hours(), 23, "{email}");
        // Nothing but changing it.
        let user = app.anonymous().sign_in(email, password).await;
        assert_eq!(user.query("{ users { totalCount } }").await.code(), "PASSWORD_CHANGE_REQUIRED", "{email}");
    }
    // Who changes it in time is not concerned any more.
    let user = app.anonymous().sign_in("reset@h.test", chosen).await;
    let change = json!({ "currentPassword": chosen, "newPassword": PASSWORD });
    Client::done(&user.mutate("changePassword", change, "").await, "changePassword");
    let waiting = app.anonymous().sign_in("chosen@h.test", chosen).await;
    assert!(waiting.is_signed_in().await);

    app.clock.advance(DAY);
    let wrong = app.anonymous().try_sign_in("made@h.test", "wrong password").await;
    for (email, password) in [("made@h.test", made_password.as_str()), ("chosen@h.test", chosen)] {
        let refused = app.anonymous().try_sign_in(email, password).await;
        assert_eq!(refused.data("/login"), wrong.data("/login"), "as a wrong password is");
    }
    // Nor does a session that it has opened change it.
    let late = json!({ "currentPassword": chosen, "newPassword": PASSWORD });
    assert_eq!(waiting.mutate("changePassword", late, "").await.code(), "UNAUTHENTICATED");
    assert_eq!(waiting.try_refresh(&waiting.refresh_token).await.refusals("refresh"), ["INVALID_TOKEN refreshToken"]);
    app.signed_in("reset@h.test").await;
    // Another reset opens the account again.
    let again = json!({ "id": format!("user:{}", app.text("SELECT id::text FROM users WHERE email = 'made@h.test'").await.expect("an id")) });
    let admin = app.admin().await;
    let again = admin.mutate("resetUserPassword", again, "temporaryPassword").await;
    let password = again.data("/resetUserPassword/temporaryPassword").as_str().expect("a password").to_owned();
    app.anonymous().sign_in("made@h.test", &password).await;
}

/// The release before knows nothing of the end: what it leaves behind counts for no password that was set since.
#[tokio::test]
async fn the_end_of_an_older_temporary_password_counts_for_no_later_one() {
    let app = TestApp::start().await;
    app.user("a@h.test").create().await;
    for (sql, opens) in [
        (
            "temporary_password_expires_at = now() - interval '1 hour', password_changed_at = now() - interval '25 hours', must_change_password = true",
            false,
        ),
        ("must_change_password = false", true),
        ("password_changed_at = now() - interval '1 minute', must_change_password = true", true),
        ("password_changed_at = NULL", false),
    ] {
        app.sql(&format!("UPDATE users SET {sql} WHERE email = 'a@h.test'")).await;
        let answer = app.anonymous().try_sign_in("a@h.test", PASSWORD).await;
        assert_eq!(answer.refusals("login").is_empty(), opens, "{sql}");
    }
}

#[tokio::test]
async fn more_rights_end_sessions_and_as_many_do_not() {
    for row_security_alone in [false, true] {
        let app = TestApp::start_with(Setup { row_security_alone, ..Setup::usual() }).await;
        let admin = app.admin().await;
        app.hotel("hotel-002", "Łódź").await;
        let id = format!("user:{}", app.user("a@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
        let mut client = app.signed_in("a@h.test").await;
        for (name, input, ends) in [
            ("assignRoles", json!({ "users": [id], "roles": [STAFF] }), false),
            ("assignRoles", json!({ "users": [id], "roles": [GUEST] }), false),
            ("assignHotels", json!({ "users": [id], "hotels": ["hotel:hotel-001"] }), false),
            ("updateUser", json!({ "id": id, "firstName": "ΜΑΡΊΑ" }), false),
            ("assignRoles", json!({ "users": [id], "roles": [HOTEL_ADMIN] }), true),
            ("unassignRoles", json!({ "users": [id], "roles": [HOTEL_ADMIN] }), false),
            ("assignHotels", json!({ "users": [id], "hotels": ["hotel:hotel-002"] }), true),
            ("unassignHotels", json!({ "users": [id], "hotels": ["hotel:hotel-002"] }), false),
            ("updateUser", json!({ "id": id, "hotelScope": "ALL" }), true),
            ("assignHotels", json!({ "users": [id], "hotels": ["hotel:hotel-002"] }), false),
            ("updateUser", json!({ "id": id, "hotelScope": "ASSIGNED" }), false),
        ] {
            Client::done(&admin.mutate(name, input.clone(), "").await, name);
            assert_eq!(!client.is_signed_in().await, ends, "{name} {input}");
            if ends {
                assert_eq!(
                    client.try_refresh(&client.refresh_token).await.refusals("refresh"),
                    ["INVALID_TOKEN refreshToken"]
                );
                client = app.signed_in("a@h.test").await;
            }
        }
        let told = app.count("SELECT count(*) FROM audit_events WHERE (detail->>'sessions_ended')::int = 1").await;
        assert_eq!(told, 3);
        assert_eq!(app.count("SELECT count(*) FROM user_sessions WHERE revoke_reason = 'rights_raised'").await, 3);
    }
}

/// Reset now, reactivate later.
#[tokio::test]
async fn an_inactive_role_counts_for_who_may_reset_a_password() {
    let app = TestApp::start().await;
    app.sql("INSERT INTO roles (id, name, display_name, permissions, active) VALUES (gen_random_uuid(), 'DIRECTOR', 'x', '{user:delete}', false)").await;
    let id = app.user("director@h.test").role("HOTEL_STAFF").role("DIRECTOR").hotel("hotel-001").create().await;
    app.user("chief@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    let chief = app.signed_in("chief@h.test").await;
    let reset = chief.mutate("resetUserPassword", json!({ "id": format!("user:{id}") }), "temporaryPassword").await;
    assert_eq!(reset.refusals("resetUserPassword"), ["PRIVILEGE_ESCALATION id"]);
    app.sql("DELETE FROM user_roles USING roles WHERE roles.id = role_id AND roles.name = 'DIRECTOR'").await;
    let reset = chief.mutate("resetUserPassword", json!({ "id": format!("user:{id}") }), "temporaryPassword").await;
    Client::done(&reset, "resetUserPassword");
}

#[tokio::test]
async fn a_changed_address_is_not_verified_unless_it_is_said_so_by_who_may() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = format!("user:{}", app.user("a@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
    let chief = app.user("chief@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    let chief_id = format!("user:{chief}");
    let chief = app.signed_in("chief@h.test").await;
    let update =
        async |client: &Client, input: Value| client.mutate("updateUser", input, "user { email emailVerified }").await;
    let session = app.signed_in("a@h.test").await;
    // As it is, and the same address in other letters: nothing changes.
    Client::done(&update(&chief, json!({ "id": id, "email": " A@h.test " })).await, "updateUser");
    assert!(session.is_signed_in().await);
    let said = update(&chief, json!({ "id": id, "email": "b@h.test", "emailVerified": true })).await;
    assert_eq!(said.data("/updateUser/user"), &json!({ "email": "b@h.test", "emailVerified": true }));
    assert!(session.is_signed_in().await);
    let unsaid = update(&chief, json!({ "id": id, "email": "c@h.test" })).await;
    assert_eq!(unsaid.data("/updateUser/user"), &json!({ "email": "c@h.test", "emailVerified": false }));
    assert!(!session.is_signed_in().await);
    assert_eq!(session.try_refresh(&session.refresh_token).await.refusals("refresh"), ["INVALID_TOKEN refreshToken"]);
    assert_eq!(app.anonymous().try_sign_in("c@h.test", PASSWORD).await.refusals("login"), ["INVALID_CREDENTIALS"]);
    // Of oneself nobody says so but who administers everything; and nobody puts themself out.
    for (input, refusal) in [
        (json!({ "id": chief_id, "email": "x@h.test" }), "LAST_ADMINISTRATOR email"),
        (json!({ "id": chief_id, "email": "x@h.test", "emailVerified": true }), "PRIVILEGE_ESCALATION emailVerified"),
        (json!({ "id": chief_id, "emailVerified": false }), "LAST_ADMINISTRATOR emailVerified"),
    ] {
        assert_eq!(update(&chief, input.clone()).await.refusals("updateUser"), [refusal], "{input}");
    }
    let me = admin.query("{ me { id } }").await.data("/me/id").clone();
    assert_eq!(
        update(&admin, json!({ "id": me, "email": "x@h.test" })).await.refusals("updateUser"),
        ["LAST_ADMINISTRATOR email"]
    );
    let said = update(&admin, json!({ "id": me, "email": "x@h.test", "emailVerified": true })).await;
    assert_eq!(said.data("/updateUser/user/email"), "x@h.test");
}

#[tokio::test]
async fn every_loss_of_the_right_to_sign_in_ends_sessions() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (n, (name, input)) in [
        ("updateUser", json!({ "emailVerified": false })),
        ("updateUser", json!({ "email": "new@h.test" })),
        ("deactivateUser", json!({})),
        ("deleteUser", json!({})),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("u{n}@h.test");
        let id = app.user(&email).role("HOTEL_STAFF").hotel("hotel-001").create().await;
        let client = app.signed_in(&email).await;
        let mut input = input;
        input["id"] = json!(format!("user:{id}"));
        Client::done(&admin.mutate(name, input, "").await, name);
        assert!(!client.is_signed_in().await, "{name}");
        let going = format!("SELECT count(*) FROM user_sessions WHERE user_id = '{id}' AND active");
        assert_eq!(app.count(&going).await, 0, "{name}");
    }
    // However it comes about.
    app.user("by.hand@h.test").create().await;
    let client = app.signed_in("by.hand@h.test").await;
    app.sql("UPDATE users SET email_verified = false WHERE email = 'by.hand@h.test'").await;
    assert!(!client.is_signed_in().await);
    assert_eq!(client.try_refresh(&client.refresh_token).await.refusals("refresh"), ["INVALID_TOKEN refreshToken"]);
}

/// How and when colleagues sign in is for those who hold user:view, by every way to ask for it.
#[tokio::test]
async fn colleagues_do_not_see_how_others_sign_in() {
    let fields = "locked lockedUntil failedLoginAttempts lastLoginAt passwordChangedAt mustChangePassword mfaEnabled";
    let hidden = json!({ "locked": false, "lockedUntil": null, "failedLoginAttempts": 0, "lastLoginAt": null,
                         "passwordChangedAt": null, "mustChangePassword": false, "mfaEnabled": false });
    let app = TestApp::start().await;
    let id = format!("user:{}", app.user("łukasz@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
    app.user("colleague@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    app.user("chief@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    let own = app.signed_in("łukasz@h.test").await;
    app.sql("UPDATE users SET locked_until = now() + interval '1 hour', failed_login_attempts = 3, password_changed_at = now(),
             must_change_password = true, mfa_enabled = true WHERE email = 'łukasz@h.test'").await;
    let seen = |user: &Value| {
        (
            user["locked"].clone(),
            user["failedLoginAttempts"].clone(),
            user["mustChangePassword"].clone(),
            user["lastLoginAt"].is_string(),
        )
    };
    let shown = (json!(true), json!(3), json!(true), true);
    // One at a time, in a list, and by way of something else; written at once, and not.
    let one = format!("{{ user(by: {{email: \"łukasz@h.test\"}}) {{ {fields} }} }}");
    let list = format!("{{ users(filter: {{search: \"łukasz\"}}) {{ nodes {{ {fields} }} }} }}");
    let resolved = format!("{{ users(filter: {{search: \"łukasz\"}}) {{ nodes {{ {fields} createdBy {{ id }} }} }} }}");
    let node = format!("{{ node(id: \"{id}\") {{ ... on User {{ {fields} }} }} }}");
    let (colleague, chief) = (app.signed_in("colleague@h.test").await, app.signed_in("chief@h.test").await);
    for (query, pointer) in
        [(&one, "/user"), (&list, "/users/nodes/0"), (&resolved, "/users/nodes/0"), (&node, "/node")]
    {
        let mut user = colleague.query(query).await.data(pointer).clone();
        user.as_object_mut().expect("a user").remove("createdBy");
        assert_eq!(user, hidden, "{query}");
        assert_eq!(seen(chief.query(query).await.data(pointer)), shown, "{query}");
    }
    assert_eq!(seen(own.query(&format!("{{ me {{ {fields} }} }}")).await.data("/me")), shown, "one's own");
    // Nor are people found by it, or put in order.
    for list in [
        "users(filter: {locked: true})",
        "users(filter: {lastLoginAfter: \"2020-01-01T00:00:00Z\"})",
        "users(filter: {lastLoginBefore: \"2030-01-01T00:00:00Z\"})",
        "users(orderBy: {field: LAST_LOGIN_AT})",
    ] {
        for query in [
            format!("{{ {list} {{ totalCount nodes {{ id }} }} }}"),
            format!("{{ {list} {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}"),
            format!("{{ hotel(by: {{pmsHotelId: \"hotel-001\"}}) {{ {list} {{ nodes {{ id }} }} }} }}"),
        ] {
            assert_eq!(colleague.query(&query).await.code(), "FORBIDDEN", "{query}");
            assert_eq!(chief.query(&query).await.code(), "", "{query}");
        }
    }
}
