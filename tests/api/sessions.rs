//! Refresh and sign-out: rotation without forks, and ends that hold at once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::support::{Answer, Client, PASSWORD, Setup, TestApp, eventually};

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

const LOGOUT: &str =
    "mutation($input: LogoutInput) { logout(input: $input) { revokedSessions errors { code message path } } }";

/// Signs out without an access token that holds, by both surfaces: what GraphQL has to say, and the status of REST.
async fn sign_out_by_token(client: &Client, input: Value, body: Value) -> (Value, u16) {
    let by_graphql = client.graphql(LOGOUT, json!({ "input": input })).await;
    let by_rest = client.post("/auth/logout", body).await;
    (by_graphql.data("/logout").clone(), by_rest.status.as_u16())
}

#[tokio::test]
async fn who_has_no_access_token_any_more_signs_out_by_the_refresh_token() {
    let app = TestApp::start().await;
    app.user("ozlem@h.test").create().await;
    let bystander = app.admin().await;
    for (sends_old_token, by_rest) in [(true, false), (true, true), (false, false), (false, true)] {
        let signed_in = app.signed_in("ozlem@h.test").await;
        let client = if sends_old_token { signed_in.clone() } else { app.anonymous() };
        app.clock.advance(Duration::from_mins(16));
        assert!(!signed_in.is_signed_in().await, "the access token has expired");
        assert_eq!(client.graphql(LOGOUT, Value::Null).await.code(), "UNAUTHENTICATED");
        assert_eq!(client.post("/auth/logout", json!({})).await.status, 401);
        let token = &signed_in.refresh_token;
        if by_rest {
            let out = client.post("/auth/logout", json!({ "refresh_token": token })).await;
            assert_eq!((out.status.as_u16(), out.body), (200, json!({ "message": "Logged out successfully" })));
        } else {
            let out = client.graphql(LOGOUT, json!({ "input": { "refreshToken": token } })).await;
            assert_eq!(out.data("/logout"), &json!({ "revokedSessions": 1, "errors": [] }));
        }
        assert_eq!(refresh_code(&client, token).await, "INVALID_TOKEN", "and so it has ended");
        // Once more is no mistake: nothing is going any more.
        let again =
            sign_out_by_token(&client, json!({ "refreshToken": token }), json!({ "refresh_token": token })).await;
        assert_eq!(again, (json!({ "revokedSessions": 0, "errors": [] }), 200));
    }
    let reasons = "SELECT count(*) FROM user_sessions WHERE revoke_reason = 'signed_out'";
    assert_eq!(app.count(reasons).await, 4);
    let events = "SELECT count(*) FROM audit_events WHERE type = 'user_signed_out' AND actor IS NOT NULL";
    assert_eq!(app.count(events).await, 4);
    let foreign = bystander.refresh().await;

    // All of them, and another one; nobody else's.
    let [first, second, third] =
        [app.signed_in("ozlem@h.test").await, app.signed_in("ozlem@h.test").await, app.signed_in("ozlem@h.test").await];
    let id_of =
        async |client: &Client| client.query("{ currentSession { id } }").await.data("/currentSession/id").clone();
    let (other, strangers) = (id_of(&second).await, id_of(&foreign).await);
    let out = async |input: Value| app.anonymous().graphql(LOGOUT, json!({ "input": input })).await;
    let refused = out(json!({ "refreshToken": first.refresh_token, "session": strangers })).await;
    assert_eq!(refused.refusals("logout"), ["NOT_FOUND session"]);
    let one = out(json!({ "refreshToken": first.refresh_token, "session": other })).await;
    assert_eq!(one.data("/logout/revokedSessions"), 1);
    assert!(!second.is_signed_in().await && first.is_signed_in().await && foreign.is_signed_in().await);
    let all = out(json!({ "refreshToken": first.refresh_token, "allSessions": true })).await;
    assert_eq!(all.data("/logout/revokedSessions"), 2);
    assert!(!first.is_signed_in().await && !third.is_signed_in().await && foreign.is_signed_in().await);
}

#[tokio::test]
async fn a_refresh_token_that_was_used_before_ends_its_session_at_sign_out_too() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let other = app.signed_in("someone@h.test").await;
    let first = app.signed_in("someone@h.test").await;
    let third = first.clone().refresh().await.refresh().await;
    let input = json!({ "refreshToken": first.refresh_token, "allSessions": true });
    let refused = app.anonymous().graphql(LOGOUT, json!({ "input": input })).await;
    assert_eq!(refused.refusals("logout"), ["INVALID_TOKEN refreshToken"]);
    assert!(!third.is_signed_in().await && other.is_signed_in().await);
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'refresh_token_reused'").await, 1);

    let token = other.refresh_token.as_str();
    let tail = if token.ends_with("AAAA") { "BBBB" } else { "AAAA" };
    let forged = format!("{}{tail}", token.split_at(token.len() - 4).0);
    for token in ["x", forged.as_str(), other.access_token.as_deref().expect("a token")] {
        let (input, body) = (json!({ "refreshToken": token }), json!({ "refresh_token": token }));
        let (out, status) = sign_out_by_token(&app.anonymous(), input, body).await;
        assert_eq!((&out["errors"][0]["code"], status), (&json!("INVALID_TOKEN"), 401), "{token}");
    }
    assert!(other.is_signed_in().await);
}

fn ends_at(answer: &Answer) -> DateTime<Utc> {
    answer.data("/refresh/session/expiresAt").as_str().expect("a time").parse().expect("a time")
}

#[tokio::test]
async fn what_asks_by_itself_keeps_no_session_going() {
    let app = TestApp::start().await;
    app.user("lukasz@h.test").create().await;
    let begun = app.clock.now();
    let mut client = app.signed_in("lukasz@h.test").await.with_header("x-background", "true");
    let week = TimeDelta::days(7);
    let hours_of = |time: DateTime<Utc>| (time - begun).num_hours();
    // A page that is left open: it looks, and refreshes, every few hours and is used by nobody.
    while app.clock.now() < begun + week - TimeDelta::hours(6) {
        app.clock.advance(Duration::from_hours(6));
        let answer = client.try_refresh(&client.refresh_token).await;
        assert_eq!(hours_of(ends_at(&answer)), 168);
        client = client.take_tokens(&answer, "/refresh/tokens");
        assert!(client.is_signed_in().await);
        app.identity.write_last_uses().await.expect("written");
    }
    let not_used = "SELECT count(*) FROM user_sessions WHERE accessed_at < created_at + interval '1 minute'";
    assert_eq!(app.count(not_used).await, 1);
    let unused = client.clone();
    // Whoever comes back in time, and does anything, has another week; whether they refresh or the page does.
    let person = Client { headers: app.anonymous().headers, ..client.clone() };
    assert!(person.is_signed_in().await);
    app.identity.write_last_uses().await.expect("written");
    let used = hours_of(app.clock.now());
    app.clock.advance(Duration::from_hours(7));
    let answer = client.try_refresh(&client.refresh_token).await;
    assert_eq!(hours_of(ends_at(&answer)), used + 168);
    client = client.take_tokens(&answer, "/refresh/tokens");
    let ends = "SELECT count(*) FROM user_sessions WHERE revoked OR NOT active";
    assert_eq!(app.count(ends).await, 0);
    // Left alone again, it ends.
    app.clock.advance(Duration::from_hours(155));
    client = client.refresh().await;
    app.clock.advance(Duration::from_hours(7));
    assert_eq!(refresh_code(&client, &client.refresh_token).await, "INVALID_TOKEN");
    assert_eq!(refresh_code(&unused, &unused.refresh_token).await, "INVALID_TOKEN");
    assert!(!client.is_signed_in().await);
}

#[tokio::test]
async fn who_only_refreshes_has_a_week_from_each_refresh() {
    let app = TestApp::start().await;
    let mut client = app.admin().await;
    for _ in 0..3 {
        app.clock.advance(Duration::from_secs(7 * 24 * 3600 - 5));
        let answer = client.try_refresh(&client.refresh_token).await;
        let left = ends_at(&answer) - app.clock.now();
        assert!(left > TimeDelta::days(7) - TimeDelta::minutes(1), "{left}");
        client = client.take_tokens(&answer, "/refresh/tokens");
    }
    app.clock.advance(Duration::from_hours(7 * 24));
    assert_eq!(refresh_code(&client, &client.refresh_token).await, "INVALID_TOKEN");
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_up_however_much_it_is_used() {
    let mut setup = Setup::usual();
    setup.settings.session_lifetimes.absolute = Duration::from_hours(24 * 20);
    let app = TestApp::start_with(setup).await;
    for remember_me in [false, true] {
        let body = json!({ "email": "manager@hotel1.com", "password": "manager123", "remember_me": remember_me });
        let body = app.anonymous().post("/auth/login", body).await.body;
        let mut client = app.anonymous().with_token(body["access_token"].as_str().expect("a token"));
        client.refresh_token = body["refresh_token"].as_str().expect("a token").to_owned();
        for _ in 0..3 {
            app.clock.advance(Duration::from_hours(24 * 6));
            client = client.refresh().await;
        }
        app.clock.advance(Duration::from_hours(24 * 2) - Duration::from_mins(10));
        let answer = client.try_refresh(&client.refresh_token).await;
        let left = ends_at(&answer) - app.clock.now();
        assert!(left <= TimeDelta::minutes(10), "{left}");
        let lives = answer.data("/refresh/tokens/expiresIn").as_i64().expect("seconds");
        assert!((1..=600).contains(&lives), "no access token outlives its session: {lives}");
        client = client.take_tokens(&answer, "/refresh/tokens");
        assert!(client.is_signed_in().await);
        app.clock.advance(Duration::from_mins(10));
        assert!(!client.is_signed_in().await);
        assert_eq!(refresh_code(&client, &client.refresh_token).await, "INVALID_TOKEN");
    }
}

#[tokio::test]
async fn lowered_lifetimes_hold_for_running_sessions() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let remembered = json!({ "email": "someone@h.test", "password": PASSWORD, "remember_me": true });
    let remembered = app.anonymous().post("/auth/login", remembered).await.body;
    let remembered = remembered["refresh_token"].as_str().expect("a token").to_owned();
    let (idle, used) = (app.signed_in("someone@h.test").await, app.signed_in("someone@h.test").await);
    app.clock.advance(Duration::from_hours(30));
    let used = used.refresh().await;
    // One server is told to let sessions rest for a day, and remembered ones for two.
    let mut setup = Setup::usual();
    setup.clock = app.clock.clone();
    setup.settings.session_lifetimes.idle = Duration::from_hours(24);
    setup.settings.session_lifetimes.remembered = Duration::from_hours(48);
    let strict = TestApp::start_on(app.database.clone(), setup).await;
    let there = |client: &Client| strict.anonymous().with_token(client.access_token.as_deref().expect("a token"));
    assert!(there(&used).is_signed_in().await);
    assert_eq!(refresh_code(&strict.anonymous(), &idle.refresh_token).await, "INVALID_TOKEN");
    // Before it has been told to lists, and after.
    let going = "SELECT count(*) FROM user_sessions s JOIN users u ON u.id = s.user_id
        WHERE u.email = 'someone@h.test' AND s.active AND s.expires_at > ";
    let going = format!("{going} '{}'", app.clock.now().to_rfc3339());
    assert_eq!(app.count(&going).await, 3);
    assert_eq!(strict.identity.shorten_sessions().await.expect("shortened"), 3);
    assert_eq!(app.count(&going).await, 2);
    assert_eq!(strict.identity.shorten_sessions().await.expect("shortened"), 0, "once");
    // What is kept in memory of a session ends with it, too.
    app.clock.advance(Duration::from_hours(17));
    let next = strict.anonymous().try_refresh(&remembered).await;
    assert_eq!(next.refusals("refresh"), [] as [&str; 0]);
    app.clock.advance(Duration::from_hours(49));
    let next = next.data("/refresh/tokens/refreshToken").as_str().expect("a token").to_owned();
    assert_eq!(refresh_code(&strict.anonymous(), &next).await, "INVALID_TOKEN");

    let mut setup = Setup::usual();
    setup.clock = app.clock.clone();
    setup.settings.session_lifetimes.absolute = Duration::from_hours(4);
    let short = TestApp::start_on(app.database.clone(), setup).await;
    let client = app.signed_in("someone@h.test").await;
    for _ in 0..3 {
        app.clock.advance(Duration::from_hours(1));
    }
    let client = client.refresh().await;
    let there = short.anonymous().with_token(client.access_token.as_deref().expect("a token"));
    assert!(there.is_signed_in().await);
    app.clock.advance(Duration::from_mins(14));
    let client = client.refresh().await;
    app.clock.advance(Duration::from_mins(14));
    let client = client.refresh().await;
    app.clock.advance(Duration::from_mins(14));
    let client = client.refresh().await;
    app.clock.advance(Duration::from_mins(14));
    let client = client.refresh().await;
    let there = short.anonymous().with_token(client.access_token.as_deref().expect("a token"));
    assert!(there.is_signed_in().await);
    app.clock.advance(Duration::from_mins(5));
    assert!(!there.is_signed_in().await, "by the strict server's word");
    assert!(client.is_signed_in().await, "and not by the other's");
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
