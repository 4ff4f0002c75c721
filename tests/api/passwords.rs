//! Changing one's own password.

use serde_json::{Value, json};

use super::support::{Answer, Client, PASSWORD, TestApp};

async fn change(client: &Client, current: &str, new: &str, revoke_others: bool) -> Answer {
    let mutation = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) {
        user { email passwordChangedAt mustChangePassword } errors { code path message } } }";
    let input = json!({ "currentPassword": current, "newPassword": new, "revokeOtherSessions": revoke_others });
    client.graphql(mutation, json!({ "input": input })).await
}

#[tokio::test]
async fn a_changed_password_is_the_only_one_that_works_and_ends_other_sessions() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let (here, elsewhere) = (app.signed_in("someone@h.test").await, app.signed_in("someone@h.test").await);
    let bystander = app.admin().await;

    let done = change(&here, PASSWORD, "a second passphrase", true).await;
    assert_eq!(done.data("/changePassword/errors"), &json!([]));
    assert!(done.data("/changePassword/user/passwordChangedAt").is_string());
    assert!(here.is_signed_in().await);
    assert!(!elsewhere.is_signed_in().await);
    assert!(bystander.is_signed_in().await);
    assert_eq!(elsewhere.try_refresh(&elsewhere.refresh_token).await.data("/refresh/errors/0/code"), "INVALID_TOKEN");
    let old = app.anonymous().try_sign_in("someone@h.test", PASSWORD).await;
    assert_eq!(old.data("/login/errors/0/code"), "INVALID_CREDENTIALS");
    let third = app.anonymous().sign_in("someone@h.test", "a second passphrase").await;

    change(&here, "a second passphrase", "a third passphrase", false).await.data("/changePassword/user/email");
    assert!(third.is_signed_in().await);
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'password_changed'").await, 2);
}

#[tokio::test]
async fn passwords_that_will_not_do_are_refused_with_their_field() {
    let app = TestApp::start().await;
    app.user("maria.lindqvist@h.test").create().await;
    let client = app.signed_in("maria.lindqvist@h.test").await;
    let long = "x y".repeat(400);
    for (current, new, code, field) in [
        ("wrong", "a second passphrase", "INVALID_CREDENTIALS", "currentPassword"),
        (PASSWORD, "short", "WEAK_PASSWORD", "newPassword"),
        (PASSWORD, long.as_str(), "WEAK_PASSWORD", "newPassword"),
        (PASSWORD, "Password123", "WEAK_PASSWORD", "newPassword"),
        (PASSWORD, "maria.lindqvist@h.test", "WEAK_PASSWORD", "newPassword"),
        (PASSWORD, "Lindqvist1!", "WEAK_PASSWORD", "newPassword"),
        (PASSWORD, PASSWORD, "WEAK_PASSWORD", "newPassword"),
    ] {
        let refused = change(&client, current, new, true).await;
        assert_eq!(refused.data("/changePassword/errors/0/code"), code, "{new}");
        assert_eq!(refused.data("/changePassword/errors/0/path"), &json!(["input", field]));
        assert_eq!(refused.data("/changePassword/user"), &Value::Null);
    }
    app.signed_in("maria.lindqvist@h.test").await;
    let refused = change(&app.anonymous(), PASSWORD, "a second passphrase", true).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (401, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn an_open_session_is_no_place_to_guess_the_password() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let client = app.signed_in("someone@h.test").await;
    for _ in 0..5 {
        let refused = change(&client, "wrong", "a second passphrase", true).await;
        assert_eq!(refused.data("/changePassword/errors/0/code"), "INVALID_CREDENTIALS");
    }
    let locked = change(&client, PASSWORD, "a second passphrase", true).await;
    assert_eq!(locked.data("/changePassword/errors/0/code"), "ACCOUNT_LOCKED");
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'password_change_failed'").await, 5);
}

#[tokio::test]
async fn two_changes_at_once_leave_one_password() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let client = app.signed_in("someone@h.test").await;
    let (one, other) = tokio::join!(
        change(&client, PASSWORD, "passphrase number one", true),
        change(&client, PASSWORD, "passphrase number two", true)
    );
    let done = |answer: &Answer| answer.data("/changePassword/errors").as_array().is_some_and(Vec::is_empty);
    assert!(done(&one) != done(&other), "{} {}", one.body, other.body);
    let winner = if done(&one) { "passphrase number one" } else { "passphrase number two" };
    app.anonymous().sign_in("someone@h.test", winner).await;
}
