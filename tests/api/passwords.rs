//! Changing one's own password.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Answer, Client, PASSWORD, Setup, TestApp, eventually};

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

/// What the change was refused for; empty where it was made.
fn code(answer: &Answer) -> &str {
    answer.data("/changePassword/errors").pointer("/0/code").and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test]
async fn an_open_session_is_no_place_to_guess_the_password() {
    let app = TestApp::start().await;
    let elsewhere = TestApp::start_on(app.database.clone(), Setup::usual()).await;
    app.user("ozlem@h.test").create().await;
    let open = app.signed_in("ozlem@h.test").await;
    let own = app.signed_in("ozlem@h.test").await.with_header("x-device-id", "her own");
    let bystander = app.admin().await;
    // Whatever the device calls itself, and whichever server is asked.
    for guess in 0..5 {
        let at = if guess % 2 == 0 { &app } else { &elsewhere };
        let guesser = at.anonymous().with_token(open.access_token.as_deref().expect("a token"));
        let guesser = guesser.with_header("x-device-id", &format!("device {guess}"));
        let refused = change(&guesser, &format!("wrong{guess}"), "a second passphrase", true).await;
        assert_eq!(code(&refused), "INVALID_CREDENTIALS");
    }
    // The session that guessed ends, for both of its tokens, and no other one.
    assert_eq!(change(&open, PASSWORD, "a second passphrase", true).await.code(), "UNAUTHENTICATED");
    assert_eq!(open.try_refresh(&open.refresh_token).await.refusals("refresh"), ["INVALID_TOKEN refreshToken"]);
    assert!(own.is_signed_in().await && bystander.is_signed_in().await);
    let reason = "SELECT revoke_reason FROM user_sessions WHERE revoked";
    assert_eq!(app.text(reason).await.as_deref(), Some("too_many_wrong_passwords"));
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'password_change_failed'").await, 5);
    let ended = "SELECT count(*) FROM audit_events WHERE type = 'session_ended' AND outcome = 'FAILURE'
        AND detail ->> 'reason' = 'too_many_wrong_passwords' AND subject LIKE 'session:%'";
    assert_eq!(app.count(ended).await, 1);

    // Counted by user: no other session of theirs may try now, not with the right one either.
    let locked = change(&own, PASSWORD, "a second passphrase", true).await;
    assert_eq!(locked.refusals("changePassword"), ["ACCOUNT_LOCKED currentPassword"]);
    assert!(own.is_signed_in().await, "what is not looked at is no guess");
    // Signing in is open as it was, is as good a proof, and lets them go on.
    let again = app.signed_in("ozlem@h.test").await;
    assert_eq!(code(&change(&own, "wrong", "a second passphrase", false).await), "INVALID_CREDENTIALS");
    assert_eq!(code(&change(&again, PASSWORD, "a second passphrase", false).await), "");
}

#[tokio::test]
async fn wrong_passwords_of_a_session_are_forgotten_after_a_while_and_by_an_administrator() {
    let app = TestApp::start().await;
    let id = format!("user:{}", app.user("lukasz@h.test").create().await);
    for by_administrator in [false, true] {
        let admin = app.admin().await;
        let (open, own) = (app.signed_in("lukasz@h.test").await, app.signed_in("lukasz@h.test").await);
        for _ in 0..5 {
            assert_eq!(code(&change(&open, "wrong", "a second passphrase", false).await), "INVALID_CREDENTIALS");
        }
        assert_eq!(code(&change(&own, PASSWORD, "a second passphrase", false).await), "ACCOUNT_LOCKED");
        let own = if by_administrator {
            Client::done(&admin.mutate("unlockUser", json!({ "id": id }), "").await, "unlockUser");
            own
        } else {
            app.clock.advance(Duration::from_secs(901));
            own.refresh().await
        };
        assert_eq!(code(&change(&own, "wrong", "a second passphrase", false).await), "INVALID_CREDENTIALS");
        app.clock.advance(Duration::from_secs(901));
    }
}

#[tokio::test]
async fn guesses_from_an_open_session_count_for_the_address_too() {
    let mut setup = Setup::usual();
    setup.settings.lockout.failures_per_address = 4;
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    for email in ["a@h.test", "b@h.test", "c@h.test"] {
        app.user(email).create().await;
    }
    let from = |address: &str| app.anonymous().with_header("x-forwarded-for", address);
    let [a, b, c] = ["a@h.test", "b@h.test", "c@h.test"];
    // Tokens that were taken elsewhere, used from one network.
    let mut guessers = Vec::new();
    for (email, address) in [(a, "203.0.113.1"), (b, "203.0.113.2")] {
        let token = from(address).sign_in(email, PASSWORD).await.access_token.expect("a token");
        guessers.push(from("2001:db8::7").with_token(&token));
    }
    let neighbour = from("2001:db8::8").sign_in(c, PASSWORD).await;
    for guess in 0..4 {
        let refused = change(&guessers[guess % 2], "wrong", "a second passphrase", false).await;
        assert_eq!(code(&refused), "INVALID_CREDENTIALS");
    }
    for guesser in &guessers {
        let refused = change(guesser, PASSWORD, "a second passphrase", false).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (429, "RATE_LIMITED"));
    }
    assert_eq!(from("2001:db8::9").try_sign_in("manager@hotel1.com", "manager123").await.code(), "RATE_LIMITED");
    // Who has signed in from there before is not held up by them.
    assert_eq!(code(&change(&neighbour, PASSWORD, "a second passphrase", false).await), "");
}

#[tokio::test]
async fn guesses_made_at_once_from_a_session_are_not_more_guesses() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let (open, other) = (app.signed_in("someone@h.test").await, app.signed_in("someone@h.test").await);
    // All are let in before the first one is counted. The right one is the last in the queue of the two workers.
    let mut guesses = tokio::task::JoinSet::new();
    for n in 0..40 {
        let open = open.clone();
        guesses.spawn(async move { change(&open, &format!("wrong{n}"), "a second passphrase", true).await });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let right = change(&other, PASSWORD, "a second passphrase", true).await;
    assert_eq!(code(&right), "ACCOUNT_LOCKED", "{}", right.body);
    // Or the one that is answered otherwise would be the password.
    let codes: Vec<_> = guesses.join_all().await.iter().map(|answer| code(answer).to_owned()).collect();
    let told = |wanted: &str| codes.iter().filter(|code| *code == wanted).count();
    assert_eq!(told("INVALID_CREDENTIALS"), 5, "what comes too late is answered alike, right or wrong: {codes:?}");
    assert!(told("ACCOUNT_LOCKED") > 0, "{codes:?}");
    assert!(!open.is_signed_in().await && other.is_signed_in().await);
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'session_ended'").await, 1);
    app.signed_in("someone@h.test").await;
}

#[tokio::test]
async fn a_session_that_ends_while_its_change_waits_changes_nothing() {
    let app = TestApp::start().await;
    let user = app.user("maria@h.test").create().await;
    for (email, ending) in [
        (
            "maria@h.test",
            "UPDATE user_sessions SET active = false, revoked = true, revoked_at = now() WHERE user_id = $1",
        ),
        ("maria@h.test", "UPDATE users SET active = false WHERE id = $1"),
    ] {
        let client = app.signed_in(email).await;
        let mut held = app.database.superuser.begin().await.expect("a transaction");
        let lock = "SELECT id FROM users WHERE id = $1 FOR UPDATE";
        sqlx::query(lock).bind(user).execute(&mut *held).await.expect("locked");
        let asked = tokio::spawn(async move { change(&client, PASSWORD, "a second passphrase", true).await });
        eventually("the change waits", async || app.waits_for_a_lock().await).await;
        sqlx::query(ending).bind(user).execute(&mut *held).await.expect("ended");
        held.commit().await.expect("committed");
        let answer = asked.await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "UNAUTHENTICATED"), "{}", answer.body);
    }
    app.sql("UPDATE users SET active = true").await;
    app.signed_in("maria@h.test").await;
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'password_changed'").await, 0);
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
