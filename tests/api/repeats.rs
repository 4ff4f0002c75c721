//! What is tried again and again: how few rows it leaves, that none of it is lost, and that nobody else waits for it.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, PASSWORD, Setup, TestApp, eventually};

const EVENTS: &str = "query($types: [String!]) { auditEvents(first: 50, filter: { types: $types }) {
    nodes { type outcome actorId subjectId ipAddress detail } } }";

async fn events(client: &Client, kind: &str) -> Vec<Value> {
    let answer = client.graphql(EVENTS, json!({ "types": [kind] })).await;
    answer.data("/auditEvents/nodes").as_array().expect("events").clone()
}

/// How often something was tried, by all events that tell of it.
fn told(events: &[Value]) -> u64 {
    events.iter().map(|event| event["detail"]["count"].as_u64().unwrap_or(1)).sum()
}

/// The beginning of a minute of the service's clock: what follows lies in one.
async fn at_a_new_minute(app: &TestApp) {
    let second = app.clock.now().timestamp().rem_euclid(60);
    app.clock.advance(Duration::from_secs(u64::try_from(60 - second).expect("seconds")));
    app.identity.tell_repeats().await.expect("told");
}

/// A server on the same database that goes by the same clock.
async fn beside(app: &TestApp) -> TestApp {
    let mut setup = Setup::usual();
    setup.clock = app.clock.clone();
    TestApp::start_on(app.database.clone(), setup).await
}

#[tokio::test]
async fn refusals_of_a_minute_are_two_events_and_all_of_them_are_counted() {
    let one = TestApp::start().await;
    let two = beside(&one).await;
    let id = one.user("\u{142}ukasz@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    let lukasz = one.signed_in("\u{142}ukasz@h.test").await;
    let elsewhere = Client { address: two.address, ..lukasz.clone() };
    at_a_new_minute(&one).await;
    // Ten in a request, each on somebody else.
    let fields = (0..10).map(|n| {
        format!(
            "m{n}: deactivateUser(input: {{ id: \"user:00000000-0000-7000-8000-00000000000{n}\" }}) {{ __typename }}"
        )
    });
    let document = format!("mutation {{ {} }}", fields.collect::<Vec<_>>().join(" "));
    let requests = (0..12).map(|place| {
        let client = if place % 2 == 0 { lukasz.clone() } else { elsewhere.clone() };
        let document = document.clone();
        tokio::spawn(async move { client.query(&document).await })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.expect("an answer");
    }
    let tried = "SELECT sum(repeats + 1)::bigint FROM audit_repeats WHERE type = 'change_refused'";
    let tried = u64::try_from(one.count(tried).await).expect("a count");
    assert!(tried >= 12, "{tried}: at least the first of each request was refused by rule");
    let admin = one.admin().await;
    assert_eq!(told(&events(&admin, "change_refused").await), 1, "the first one is told at once");
    // The server that counted it has died; both others tell at once, and again.
    one.clock.advance(Duration::from_mins(1));
    let (first, second) = tokio::join!(one.identity.tell_repeats(), two.identity.tell_repeats());
    assert_eq!(first.expect("told") + second.expect("told"), 1);
    assert_eq!(two.identity.tell_repeats().await.expect("told"), 0);
    let found = events(&admin, "change_refused").await;
    assert_eq!((found.len() as u64, told(&found)), (2, tried), "{found:?}");
    assert_eq!(one.count("SELECT count(*) FROM audit_repeats").await, 0);
    let (rest, first) = (&found[0], &found[1]);
    assert_eq!((&rest["outcome"], &rest["actorId"]), (&json!("FAILURE"), &json!(format!("user:{id}"))));
    assert_eq!(rest["detail"]["operation"], "deactivate_user");
    assert_eq!(rest["detail"]["reasons"], json!({ "forbidden": tried - 1 }));
    assert_eq!((&rest["subjectId"], &rest["ipAddress"]), (&Value::Null, &json!("127.0.0.1")), "many, and one");
    assert!(first["subjectId"].is_string() && first["detail"]["reason"] == "forbidden");
    // The next minute begins anew; and the trail is whole.
    lukasz
        .query("mutation { deleteRole(input: { id: \"role:00000000-0000-7000-8000-000000000000\" }) { __typename } }")
        .await;
    assert_eq!(events(&admin, "change_refused").await.len(), 3);
    one.identity.seal_audit_events().await.expect("sealed");
    let verified = one.identity.verify_audit_trail(None, |_| ()).await.expect("verified");
    assert!(verified.findings.is_empty(), "{:?}", verified.findings);
}

#[tokio::test]
async fn failed_sign_ins_are_told_by_account_and_by_address() {
    let app = TestApp::start().await;
    app.user("\u{f6}zlem@h.test").create().await;
    at_a_new_minute(&app).await;
    let stranger = app.anonymous();
    for number in 0..6 {
        stranger.try_sign_in(&format!("nobody{number}@h.test"), "wrong").await;
        stranger.try_sign_in("\u{f6}zlem@h.test", "wrong").await;
    }
    app.clock.advance(Duration::from_mins(1));
    app.identity.tell_repeats().await.expect("told");
    let found = events(&app.admin().await, "login_failed").await;
    assert_eq!((found.len(), told(&found)), (4, 12), "{found:?}");
    let reasons: Vec<_> = found.iter().map(|event| event["detail"]["reasons"].clone()).collect();
    assert!(reasons.contains(&json!({ "wrong_password": 4, "account_locked": 1 })), "{reasons:?}");
    assert!(reasons.contains(&json!({ "wrong_password": 5 })), "{reasons:?}");
}

#[tokio::test]
async fn who_goes_on_at_a_locked_account_is_shut_out_and_leaves_nothing_more() {
    let mut setup = Setup::usual();
    setup.settings.lockout.failures_per_address = 12;
    let app = TestApp::start_with(setup).await;
    app.user("\u{3bc}\u{3b1}\u{3c1}\u{3af}\u{3b1}@h.test").create().await;
    let stranger = app.anonymous();
    let mut codes = Vec::new();
    for _ in 0..20 {
        let answer =
            stranger.try_sign_in("\u{3bc}\u{3b1}\u{3c1}\u{3af}\u{3b1}@h.test", PASSWORD.trim_end_matches('y')).await;
        let refused = answer.body["data"]["login"]["errors"][0]["code"].as_str().map(str::to_owned);
        codes.push(refused.unwrap_or_else(|| answer.code().to_owned()));
    }
    let count = |code: &str| codes.iter().filter(|found| *found == code).count();
    assert_eq!(
        (count("INVALID_CREDENTIALS"), count("ACCOUNT_LOCKED"), count("RATE_LIMITED")),
        (5, 7, 8),
        "a refusal of a locked account counts for the address: {codes:?}"
    );
    let rows = "SELECT (SELECT count(*) FROM audit_events) + (SELECT sum(repeats) FROM audit_repeats)::bigint
                     + (SELECT sum(failures) FROM sign_in_failures)";
    let before = app.count(rows).await;
    stranger.try_sign_in("\u{3bc}\u{3b1}\u{3c1}\u{3af}\u{3b1}@h.test", "wrong").await;
    assert_eq!(app.count(rows).await, before);
}

/// One worker; one address has sent sixty passwords when somebody else comes.
#[tokio::test]
async fn one_address_does_not_take_every_turn_of_the_hashing_workers() {
    let mut setup = Setup::usual();
    setup.settings.hashing.workers = 1;
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    let done = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let rush: Vec<_> = (0..60)
        .map(|number| {
            let client = app.anonymous().with_header("x-forwarded-for", "192.0.2.1");
            let done = done.clone();
            tokio::spawn(async move {
                client.try_sign_in(&format!("nobody{number}@h.test"), "wrong").await;
                done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            })
        })
        .collect();
    let answered = || done.load(std::sync::atomic::Ordering::SeqCst);
    eventually("the rush has begun", async || answered() > 0).await;
    app.anonymous().with_header("x-forwarded-for", "192.0.2.2").sign_in("admin@voicehive-hotels.eu", "admin123").await;
    let before = answered();
    assert!(before < 40, "{before} of the rush were answered first");
    for one in rush {
        one.await.expect("answered");
    }
}

#[tokio::test]
async fn one_user_has_a_hundred_sessions_at_most_and_the_newest_stay() {
    let app = TestApp::start().await;
    let id = app.user("\u{142}ukasz@h.test").create().await;
    app.sql(&format!(
        "INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, expires_at, created_at, accessed_at,
                rotated_at)
         SELECT one, one::text, '{id}', gen_random_uuid(), gen_random_uuid(), now() + interval '10 days', now(), now(), now()
           FROM generate_series(1, 120) n, LATERAL (SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid AS one) s"
    ))
    .await;
    let first = app.signed_in("\u{142}ukasz@h.test").await;
    let second = app.signed_in("\u{142}ukasz@h.test").await;
    assert!(first.is_signed_in().await && second.is_signed_in().await);
    let open = format!("SELECT count(*) FROM user_sessions WHERE user_id = '{id}' AND active");
    assert_eq!(app.count(&open).await, 100);
    let ended = "SELECT count(*) FROM user_sessions WHERE NOT active AND revoke_reason = 'too_many_sessions'
                    AND id <= '00000000-0000-7000-8000-000000000022'";
    assert_eq!(app.count(ended).await, 22);
}

#[tokio::test]
async fn changes_and_sign_ins_of_one_user_are_so_many() {
    let mut setup = Setup::usual();
    let number = |number| std::num::NonZeroU32::new(number).expect("some");
    setup.settings.throttle.changes_per_minute = number(4);
    setup.settings.throttle.sign_ins_per_user = number(2);
    let app = TestApp::start_with(setup).await;
    app.user("\u{f6}zlem@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    let ozlem = app.signed_in("\u{f6}zlem@h.test").await;
    // Each of a request's changes counts.
    let three =
        "mutation { a: revokeSession(input: { id: \"session:00000000-0000-7000-8000-000000000000\" }) { __typename }
                 b: revokeSession(input: { id: \"session:00000000-0000-7000-8000-000000000001\" }) { __typename }
                 c: revokeSession(input: { id: \"session:00000000-0000-7000-8000-000000000002\" }) { __typename } }";
    assert_ne!(ozlem.query(three).await.status, 429);
    let refused = ozlem.query(three).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "RATE_LIMITED"), "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    assert!(ozlem.is_signed_in().await, "reads go on");
    // Nobody else is concerned; and of sign-ins only those count that know the password.
    assert_ne!(app.admin().await.query(three).await.status, 429);
    for _ in 0..3 {
        app.anonymous().try_sign_in("\u{f6}zlem@h.test", "wrong").await;
    }
    app.signed_in("\u{f6}zlem@h.test").await;
    let refused = app.anonymous().try_sign_in("\u{f6}zlem@h.test", PASSWORD).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "RATE_LIMITED"), "{}", refused.body);
}

#[tokio::test]
async fn who_is_erased_is_erased_from_what_is_still_counted() {
    let app = TestApp::start().await;
    let id = app.user("\u{142}ukasz@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    at_a_new_minute(&app).await;
    let client = app.anonymous().with_header("user-agent", "Agent of \u{142}ukasz");
    let stranger = Client { headers: client.headers.clone(), ..app.anonymous() };
    for _ in 0..2 {
        stranger.try_sign_in("\u{142}ukasz@h.test", "wrong").await;
    }
    Client::done(
        &app.admin().await.mutate("deleteUser", json!({ "id": format!("user:{id}") }), "").await,
        "deleteUser",
    );
    app.identity.erase_traces().await.expect("erased");
    // One that was under way when the account went.
    let counted = format!("UPDATE audit_repeats SET ip_address = '10.9.8.7' WHERE about = '{id}'");
    app.sql(&counted).await;
    app.clock.advance(Duration::from_mins(1));
    app.identity.tell_repeats().await.expect("told");
    app.clock.advance(Duration::from_mins(5));
    app.identity.erase_traces().await.expect("erased");
    let left = format!(
        "SELECT count(*) FROM audit_events WHERE about = '{id}' AND type = 'login_failed'
                 AND (ip_address IS NOT NULL OR user_agent IS NOT NULL)"
    );
    assert_eq!(app.count(&left).await, 0);
    assert_eq!(
        app.count(&format!("SELECT count(*) FROM audit_events WHERE about = '{id}' AND type = 'login_failed'")).await,
        2
    );
    app.identity.seal_audit_events().await.expect("sealed");
    let verified = app.identity.verify_audit_trail(None, |_| ()).await.expect("verified");
    assert!(verified.findings.is_empty(), "{:?}", verified.findings);
}
