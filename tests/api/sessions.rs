//! Refresh and sign-out: rotation without forks, and ends that hold at once.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, Setup, TestApp, eventually};

async fn refresh_code(client: &Client, token: &str) -> String {
    let answer = client.try_refresh(token).await;
    answer.data("/refresh/errors/0/code").as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn each_refresh_gives_the_next_pair() {
    let app = TestApp::start().await;
    let mut client = app.admin().await;
    let mut seen = vec![client.refresh_token.clone()];
    for _ in 0..5 {
        app.clock.advance(Duration::from_mins(10));
        client = client.refresh().await;
        assert!(!seen.contains(&client.refresh_token));
        seen.push(client.refresh_token.clone());
        assert!(client.is_signed_in().await);
    }
    let sessions = "SELECT count(*) FROM user_sessions WHERE refresh_token_generation = 5 AND active";
    assert_eq!(app.count(sessions).await, 1);
}

#[tokio::test]
async fn the_token_before_the_current_one_gives_the_same_pair_again_for_half_a_minute() {
    let app = TestApp::start().await;
    let first = app.admin().await;
    let answer = first.try_refresh(&first.refresh_token).await;
    let second = answer.data("/refresh/tokens/refreshToken").clone();
    app.clock.advance(Duration::from_secs(29));
    let again = first.try_refresh(&first.refresh_token).await;
    assert_eq!(again.data("/refresh/tokens/refreshToken"), &second);
    assert_eq!(again.data("/refresh/session"), answer.data("/refresh/session"));

    app.clock.advance(Duration::from_secs(2));
    assert_eq!(refresh_code(&first, &first.refresh_token).await, "INVALID_TOKEN");
    assert!(!first.is_signed_in().await, "the session has ended");
    assert_eq!(refresh_code(&first, second.as_str().expect("a token")).await, "INVALID_TOKEN");
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'refresh_token_reused'").await, 1);
    let reason = "SELECT revoke_reason FROM user_sessions";
    assert_eq!(app.text(reason).await.as_deref(), Some("refresh_token_reused"));
}

#[tokio::test]
async fn an_older_token_ends_the_session() {
    let app = TestApp::start().await;
    let first = app.admin().await;
    let third = first.clone().refresh().await.refresh().await;
    assert!(third.is_signed_in().await);
    assert_eq!(refresh_code(&first, &first.refresh_token).await, "INVALID_TOKEN");
    assert!(!third.is_signed_in().await);
    assert_eq!(refresh_code(&third, &third.refresh_token).await, "INVALID_TOKEN");
}

#[tokio::test]
async fn ten_refreshes_at_once_with_one_token_fork_nothing() {
    let app = TestApp::start().await;
    for _ in 0..5 {
        let client = app.admin().await;
        let mut refreshes = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let client = client.clone();
            refreshes.spawn(async move { client.try_refresh(&client.refresh_token).await });
        }
        let answers = refreshes.join_all().await;
        let tokens: std::collections::HashSet<String> = answers
            .iter()
            .map(|answer| answer.data("/refresh/tokens/refreshToken").as_str().expect("a token").to_owned())
            .collect();
        assert_eq!(tokens.len(), 1, "all got the same successor");
        for answer in &answers {
            let token = answer.data("/refresh/tokens/accessToken").as_str().expect("a token");
            assert!(app.anonymous().with_token(token).is_signed_in().await);
        }
        let next = tokens.into_iter().next().expect("one");
        assert!(client.try_refresh(&next).await.data("/refresh/tokens/refreshToken").is_string());
    }
}

#[tokio::test]
async fn a_session_expires_unless_it_is_refreshed() {
    let app = TestApp::start().await;
    let client = app.admin().await;
    // The test itself takes time too.
    app.clock.advance(Duration::from_mins(14));
    assert!(client.is_signed_in().await);
    app.clock.advance(Duration::from_mins(1));
    assert!(!client.is_signed_in().await, "the access token has expired");
    app.clock.advance(Duration::from_hours(144));
    let client = client.refresh().await;
    app.clock.advance(Duration::from_hours(144));
    let client = client.refresh().await;
    app.clock.advance(Duration::from_hours(168));
    assert_eq!(refresh_code(&client, &client.refresh_token).await, "INVALID_TOKEN");
}

#[tokio::test]
async fn sign_out_ends_the_current_session_another_one_or_all_at_once() {
    let app = TestApp::start().await;
    let clients = [app.admin().await, app.admin().await, app.admin().await, app.admin().await];
    let other_person = app.signed_in("manager@hotel1.com").await;
    let logout = "mutation($input: LogoutInput) { logout(input: $input) { revokedSessions errors { code path } } }";
    let id_of =
        async |client: &Client| client.query("{ currentSession { id } }").await.data("/currentSession/id").clone();

    let done = clients[0].graphql(logout, Value::Null).await;
    assert_eq!(done.data("/logout"), &json!({ "revokedSessions": 1, "errors": [] }));
    assert!(!clients[0].is_signed_in().await && clients[1].is_signed_in().await);

    let second = id_of(&clients[1]).await;
    for expected in [1, 0] {
        let done = clients[2].graphql(logout, json!({ "input": { "session": second } })).await;
        assert_eq!(done.data("/logout/revokedSessions"), expected);
    }
    assert!(!clients[1].is_signed_in().await && clients[2].is_signed_in().await);

    let foreign = clients[2].graphql(logout, json!({ "input": { "session": id_of(&other_person).await } })).await;
    let missing = json!({ "input": { "session": "session:01900000-0000-7000-8000-000000000001" } });
    let missing = clients[2].graphql(logout, missing).await;
    assert_eq!(
        foreign.data("/logout"),
        &json!({ "revokedSessions": 0, "errors": [{ "code": "NOT_FOUND", "path": ["input", "session"] }] })
    );
    assert_eq!(foreign.data("/logout"), missing.data("/logout"));
    assert!(other_person.is_signed_in().await);

    let done = clients[2].graphql(logout, json!({ "input": { "allSessions": true } })).await;
    assert_eq!(done.data("/logout/revokedSessions"), 2);
    for client in &clients {
        assert!(!client.is_signed_in().await);
        assert_eq!(refresh_code(client, &client.refresh_token).await, "INVALID_TOKEN");
    }
    assert_eq!(app.anonymous().graphql(logout, Value::Null).await.code(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn what_ends_a_users_rights_ends_them_on_every_server() {
    let app = TestApp::start().await;
    let second = TestApp::start_on(app.database.clone(), Setup::usual()).await;
    app.user("someone@h.test").role("SYSTEM_ADMIN").everywhere().create().await;
    let client = app.signed_in("someone@h.test").await;
    let there = second.anonymous().with_token(client.access_token.as_deref().expect("a token"));
    assert_eq!(there.query("{ users { totalCount } }").await.data("/users/totalCount"), 4);

    // By hand in SQL: the other server hears of it.
    app.sql("UPDATE users SET hotel_scope = 'ASSIGNED' WHERE email = 'someone@h.test'").await;
    let seen = async || there.query("{ users { totalCount } }").await.data("/users/totalCount").clone();
    eventually("all others are out of sight", async || seen().await == 1).await;
    app.sql("UPDATE users SET active = false WHERE email = 'someone@h.test'").await;
    eventually("the session has ended", async || !there.is_signed_in().await).await;
    assert_eq!(refresh_code(&there, &client.refresh_token).await, "INVALID_TOKEN");
}

#[tokio::test]
async fn last_use_is_written_down_and_old_sessions_are_swept() {
    let app = TestApp::start().await;
    let client = app.admin().await;
    let last_used =
        async || client.query("{ currentSession { lastUsedAt } }").await.data("/currentSession/lastUsedAt").clone();
    let at_first = last_used().await;
    app.identity.write_last_uses().await.expect("written");
    assert_eq!(last_used().await, at_first, "used again within a minute");
    app.clock.advance(Duration::from_secs(61));
    last_used().await;
    app.identity.write_last_uses().await.expect("written");
    assert_ne!(last_used().await, at_first);

    app.clock.advance(Duration::from_hours(192));
    app.identity.sweep().await.expect("swept");
    assert_eq!(app.count("SELECT count(*) FROM user_sessions WHERE NOT active").await, 1);
    app.clock.advance(Duration::from_hours(2184));
    app.identity.sweep().await.expect("swept");
    assert_eq!(app.count("SELECT count(*) FROM user_sessions").await, 0);
}
