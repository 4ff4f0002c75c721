//! Ending sessions: one's own, and those of others.

use serde_json::{Value, json};

use super::support::{Client, TestApp};

async fn session_of(client: &Client) -> String {
    client.query("{ currentSession { id } }").await.data("/currentSession/id").as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn an_administrator_ends_one_session_and_then_all() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = format!("user:{}", app.user("a@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
    let (one, two, three) =
        (app.signed_in("a@h.test").await, app.signed_in("a@h.test").await, app.signed_in("a@h.test").await);
    let input = json!({ "id": session_of(&one).await, "reason": " Lost phone " });
    let answer = admin.mutate("revokeSession", input.clone(), "session { status revokeReason revokedAt }").await;
    let session = answer.data("/revokeSession/session");
    assert_eq!((&session["status"], &session["revokeReason"]), (&json!("REVOKED"), &json!("Lost phone")));
    assert!(!one.is_signed_in().await && two.is_signed_in().await);
    // Again: so it is already, and nothing more happens.
    Client::done(&admin.mutate("revokeSession", input, "").await, "revokeSession");
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'session_revoked'").await, 1);

    let answer = admin.mutate("revokeUserSessions", json!({ "user": id }), "revokedSessions").await;
    assert_eq!(answer.data("/revokeUserSessions/revokedSessions"), 2);
    assert!(!two.is_signed_in().await && !three.is_signed_in().await && admin.is_signed_in().await);
    let answer = admin.mutate("revokeUserSessions", json!({ "user": id }), "revokedSessions").await;
    assert_eq!(answer.data("/revokeUserSessions/revokedSessions"), 0);
    for (mutation, input) in [
        ("revokeSession", json!({ "id": session_of(&admin).await, "reason": "x".repeat(501) })),
        ("revokeUserSessions", json!({ "user": id, "reason": "a\u{7}" })),
        ("deactivateUser", json!({ "id": id, "reason": "a\u{7}" })),
    ] {
        assert_eq!(admin.mutate(mutation, input, "").await.refusals(mutation), ["INVALID_VALUE reason"]);
    }
    assert!(admin.is_signed_in().await);
}

#[tokio::test]
async fn ones_own_sessions_are_ones_own() {
    let app = TestApp::start().await;
    let id = format!("user:{}", app.user("a@h.test").create().await);
    let (one, two, three) =
        (app.signed_in("a@h.test").await, app.signed_in("a@h.test").await, app.signed_in("a@h.test").await);
    Client::done(&one.mutate("revokeSession", json!({ "id": session_of(&two).await }), "").await, "revokeSession");
    assert!(one.is_signed_in().await && !two.is_signed_in().await);
    let answer = one.mutate("revokeUserSessions", json!({ "user": id }), "revokedSessions").await;
    assert_eq!(answer.data("/revokeUserSessions/revokedSessions"), 1);
    assert!(one.is_signed_in().await && !three.is_signed_in().await, "the one that asks goes on");
    let answer =
        one.mutate("revokeUserSessions", json!({ "user": id, "includeCurrent": true }), "revokedSessions").await;
    assert_eq!(answer.data("/revokeUserSessions/revokedSessions"), 1);
    assert!(!one.is_signed_in().await);
}

#[tokio::test]
async fn others_sessions_take_the_right_to_change_and_to_see_them() {
    let app = TestApp::start().await;
    app.sql("INSERT INTO roles (id, name, display_name, permissions) VALUES (gen_random_uuid(), 'BLIND', 'Blind', '{user:update,call:view}')").await;
    app.user("blind@h.test").role("BLIND").hotel("hotel-001").create().await;
    let guest = format!("user:{}", app.user("guest@h.test").role("GUEST_USER").hotel("hotel-001").create().await);
    let (blind, manager) = (app.signed_in("blind@h.test").await, app.signed_in("manager@hotel1.com").await);
    let victim = app.signed_in("guest@h.test").await;
    let session = session_of(&victim).await;
    for input in [json!({ "id": session }), json!({ "id": session_of(&blind).await })] {
        assert_eq!(manager.mutate("revokeSession", input, "").await.code(), "FORBIDDEN");
    }
    assert_eq!(manager.mutate("revokeUserSessions", json!({ "user": guest }), "").await.code(), "FORBIDDEN");
    // Whoever may change people but not look at their sessions ends all of them, and none by its id.
    assert_eq!(
        blind.mutate("revokeSession", json!({ "id": session }), "").await.refusals("revokeSession"),
        ["NOT_FOUND id"]
    );
    assert!(victim.is_signed_in().await);
    let answer = blind.mutate("revokeUserSessions", json!({ "user": guest }), "revokedSessions").await;
    assert_eq!(answer.data("/revokeUserSessions/revokedSessions"), 1);
    assert!(!victim.is_signed_in().await);
    // And their sessions end with the account, whether or not they may be looked at.
    let victim = app.signed_in("guest@h.test").await;
    Client::done(&blind.mutate("deactivateUser", json!({ "id": guest }), "").await, "deactivateUser");
    assert!(!victim.is_signed_in().await);
    assert_eq!(app.count("SELECT count(*) FROM user_sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'guest@h.test' AND s.active").await, 0);
}

#[tokio::test]
async fn rights_taken_while_a_change_waits_are_gone() {
    let app = TestApp::start().await;
    app.user("second@h.test").role("SYSTEM_ADMIN").everywhere().create().await;
    let target = app.user("a@h.test").create().await;
    let second = app.signed_in("second@h.test").await;
    // Somebody holds the row that the change is to lock, and takes the caller's rights meanwhile.
    let mut held = app.database.superuser.begin().await.expect("a transaction");
    sqlx::query("SELECT id FROM users WHERE id = $1 FOR UPDATE")
        .bind(target)
        .execute(&mut *held)
        .await
        .expect("locked");
    let change = tokio::spawn(async move {
        second.mutate("updateUser", json!({ "id": format!("user:{target}"), "firstName": "X" }), "").await
    });
    super::support::eventually("the change waits", || async {
        app.count(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await
            == 1
    })
    .await;
    sqlx::query("DELETE FROM user_roles USING users u WHERE user_id = u.id AND u.email = 'second@h.test'")
        .execute(&mut *held)
        .await
        .expect("taken");
    held.commit().await.expect("committed");
    let answer = change.await.expect("an answer");
    assert_eq!(answer.code(), "FORBIDDEN", "{}", answer.body);
    let admin = app.admin().await;
    let answer = admin.query("{ user(by: {email: \"a@h.test\"}) { firstName } }").await;
    assert_eq!(answer.data("/user/firstName"), &json!("a"));
    assert_ne!(answer.data("/user"), &Value::Null);
}
