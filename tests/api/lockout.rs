//! Lockout: five failures, the same answers for accounts that do not exist, and nobody kept out by a stranger.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, PASSWORD, Setup, TestApp};

/// The answer to one sign-in, times left out.
async fn outcome(client: &Client, email: &str, password: &str) -> (String, Option<i64>) {
    let answer = client.try_sign_in(email, password).await;
    let code = answer.data("/login/errors/0/code").as_str().expect("a code").to_owned();
    (code, answer.data("/login/retryAfter").as_i64())
}

#[tokio::test]
async fn five_failures_lock_known_and_unknown_accounts_alike() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let stranger = app.anonymous().with_header("user-agent", "stranger");
    let mut steps = Vec::new();
    for email in ["someone@h.test", "nobody@h.test"] {
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(outcome(&stranger, email, "wrong").await);
        }
        // The right password, too.
        answers.push(outcome(&stranger, email, PASSWORD).await);
        app.clock.advance(Duration::from_mins(1));
        answers.push(outcome(&stranger, email, "wrong").await);
        steps.push(answers);
    }
    assert_eq!(steps[0], steps[1]);
    let invalid = ("INVALID_CREDENTIALS".to_owned(), None);
    assert_eq!(steps[0][..5], vec![invalid; 5]);
    assert_eq!(steps[0][5].0, "ACCOUNT_LOCKED");
    assert!((895..=900).contains(&steps[0][5].1.expect("a time")), "{:?}", steps[0]);
    assert!((835..=840).contains(&steps[0][6].1.expect("a time")), "{:?}", steps[0]);
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'account_locked'").await, 2);

    let locked = "query($email: String!) { user(by: {email: $email}) { locked lockedUntil failedLoginAttempts } }";
    let admin = app.admin().await;
    let shown = admin.graphql(locked, json!({ "email": "someone@h.test" })).await;
    assert_eq!(shown.data("/user/locked"), true);
    assert_eq!(shown.data("/user/failedLoginAttempts"), 5);

    app.clock.advance(Duration::from_mins(15));
    app.signed_in("someone@h.test").await;
    let shown = app.admin().await.graphql(locked, json!({ "email": "someone@h.test" })).await;
    assert_eq!(shown.data("/user"), &json!({ "locked": false, "lockedUntil": Value::Null, "failedLoginAttempts": 0 }));
}

/// People type passwords where an email address is asked for: nobody who reads the database can try what it was.
#[tokio::test]
async fn what_was_typed_cannot_be_told_from_what_is_counted() {
    let app = TestApp::start().await;
    let typed = "correct.horse@battery.test";
    let count = async |app: &TestApp| {
        outcome(&app.anonymous(), typed, "wrong").await;
        let subjects: Vec<Vec<u8>> = sqlx::query_scalar("DELETE FROM sign_in_failures RETURNING subject")
            .fetch_all(&app.database.superuser)
            .await
            .expect("counters");
        subjects
    };
    let counted = count(&app).await;
    assert!(counted.len() > 1, "the email address and the client's");
    assert_eq!(count(&app).await.iter().filter(|subject| counted.contains(subject)).count(), counted.len());
    let mut setup = Setup::usual();
    setup.settings.server_key_file = super::support::cluster_folder().join("keys").join("other-server.key");
    let other = TestApp::start_on(app.database.clone(), setup).await;
    for subject in count(&other).await {
        assert!(!counted.contains(&subject), "made of what was typed alone");
    }
}

#[tokio::test]
async fn failures_are_forgotten_after_a_success_and_after_a_while() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let client = app.anonymous();
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(outcome(&client, "someone@h.test", "wrong").await.0, "INVALID_CREDENTIALS");
        }
        client.clone().sign_in("someone@h.test", PASSWORD).await;
    }
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(outcome(&client, "nobody@h.test", "wrong").await.0, "INVALID_CREDENTIALS");
        }
        app.clock.advance(Duration::from_secs(901));
    }
}

#[tokio::test]
async fn a_stranger_keeps_nobody_out_of_a_device_they_know() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let own = app.anonymous().with_header("user-agent", "own laptop");
    let stranger = app.anonymous().with_header("user-agent", "stranger");
    own.clone().sign_in("someone@h.test", PASSWORD).await;
    for _ in 0..7 {
        outcome(&stranger, "someone@h.test", "wrong").await;
    }
    assert_eq!(outcome(&stranger, "someone@h.test", PASSWORD).await.0, "ACCOUNT_LOCKED");
    own.clone().sign_in("someone@h.test", PASSWORD).await;
    assert_eq!(outcome(&stranger, "someone@h.test", PASSWORD).await.0, "ACCOUNT_LOCKED", "for the stranger it stays");

    // The device's own guesses are counted, too.
    for _ in 0..5 {
        assert_eq!(outcome(&own, "someone@h.test", "wrong").await.0, "INVALID_CREDENTIALS");
    }
    assert_eq!(outcome(&own, "someone@h.test", PASSWORD).await.0, "ACCOUNT_LOCKED");
}

#[tokio::test]
async fn an_operator_can_unlock_and_lock_by_hand() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let client = app.anonymous();
    for _ in 0..6 {
        outcome(&client, "someone@h.test", "wrong").await;
    }
    app.sql("UPDATE users SET locked_until = NULL, failed_login_attempts = 0 WHERE email = 'someone@h.test'").await;
    assert_eq!(outcome(&client, "someone@h.test", "wrong").await.0, "INVALID_CREDENTIALS");
    client.clone().sign_in("someone@h.test", PASSWORD).await;

    app.sql("UPDATE users SET locked_until = '2999-01-01' WHERE email = 'someone@h.test'").await;
    assert_eq!(outcome(&client, "someone@h.test", PASSWORD).await.0, "INVALID_CREDENTIALS");
    let until = "SELECT locked_until::text FROM users WHERE email = 'someone@h.test'";
    assert!(app.text(until).await.expect("still locked").starts_with("2999-01-01"));
}

#[tokio::test]
async fn an_address_that_fails_too_often_is_shut_out_of_every_account() {
    let mut setup = Setup::usual();
    setup.settings.lockout.failures_per_address = 8;
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    let from = |address: &str| app.anonymous().with_header("x-forwarded-for", address);
    let guesser = from("198.51.100.7");
    for n in 0..8 {
        assert_eq!(outcome(&guesser, &format!("guess{n}@h.test"), "wrong").await.0, "INVALID_CREDENTIALS");
    }
    let shut = guesser.try_sign_in("manager@hotel1.com", "manager123").await;
    assert_eq!((shut.status.as_u16(), shut.code()), (429, "RATE_LIMITED"));
    let wait: u64 = shut.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=900).contains(&wait), "{wait}");
    let shut = guesser.post("/auth/login", json!({ "email": "manager@hotel1.com", "password": "manager123" })).await;
    assert_eq!(shut.status, 429);
    assert!(shut.headers.contains_key("retry-after"));
    from("198.51.100.8").sign_in("manager@hotel1.com", "manager123").await;
    app.clock.advance(Duration::from_secs(901));
    guesser.sign_in("manager@hotel1.com", "manager123").await;
}

#[tokio::test]
async fn an_address_that_is_shut_out_keeps_nobody_from_a_device_they_know() {
    let mut setup = Setup::usual();
    setup.settings.lockout.failures_per_address = 8;
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    for email in ["ozlem@h.test", "lukasz@h.test"] {
        app.user(email).create().await;
    }
    // In the hotel's network, and in one of IPv6 where each request comes from another address.
    for [at_work, at_work_tomorrow, guesses_from] in [
        ["198.51.100.7", "198.51.100.7", "198.51.100.7"],
        ["2001:db8:1:2::1", "2001:db8:1:2:aaaa::1", "2001:db8:1:2:ffff::"],
    ] {
        let from = |address: &str| app.anonymous().with_header("x-forwarded-for", address);
        let laptop = |address: &str| from(address).with_header("user-agent", "own laptop");
        laptop(at_work).sign_in("ozlem@h.test", PASSWORD).await;
        for n in 0..8 {
            let address =
                if guesses_from.ends_with(':') { format!("{guesses_from}{n}") } else { guesses_from.to_owned() };
            assert_eq!(outcome(&from(&address), &format!("guess{n}@h.test"), "wrong").await.0, "INVALID_CREDENTIALS");
        }
        let known = laptop(at_work_tomorrow);
        // Neither another person on that device, nor that person on another one.
        let shut = [
            known.try_sign_in("lukasz@h.test", PASSWORD).await,
            from(at_work).try_sign_in("ozlem@h.test", PASSWORD).await,
        ];
        for answer in shut {
            assert_eq!((answer.status.as_u16(), answer.code()), (429, "RATE_LIMITED"));
        }
        known.clone().sign_in("ozlem@h.test", PASSWORD).await;
        // A known device guesses no more often for it, and its guesses count.
        for _ in 0..5 {
            assert_eq!(outcome(&known, "ozlem@h.test", "wrong").await.0, "INVALID_CREDENTIALS");
        }
        assert_eq!(outcome(&known, "ozlem@h.test", PASSWORD).await.0, "ACCOUNT_LOCKED");
        app.clock.advance(Duration::from_secs(901));
        from(at_work).sign_in("lukasz@h.test", PASSWORD).await;
    }
}

#[tokio::test]
async fn a_device_is_known_again_in_its_network_alone_and_where_an_earlier_release_made_its_session() {
    let mut setup = Setup::usual();
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    app.user("someone@h.test").create().await;
    let laptop =
        |address: &str| app.anonymous().with_header("x-forwarded-for", address).with_header("user-agent", "own laptop");
    laptop("2001:db8:1:2::1").sign_in("someone@h.test", PASSWORD).await;
    let lock = async || {
        for _ in 0..5 {
            outcome(&app.anonymous(), "someone@h.test", "wrong").await;
        }
    };
    lock().await;
    for (address, is_known) in [("2001:db8:1:2:3:4:5:6", true), ("2001:db8:1:3::1", false), ("203.0.113.9", false)] {
        let answer = laptop(address).try_sign_in("someone@h.test", PASSWORD).await;
        assert_eq!(answer.refusals("login").is_empty(), is_known, "{address}: {}", answer.body);
    }
    app.sql("UPDATE user_sessions SET ip_network = NULL").await;
    for (address, is_known) in [("2001:db8:1:2::1", true), ("2001:db8:1:2::2", false)] {
        let answer = laptop(address).try_sign_in("someone@h.test", PASSWORD).await;
        assert_eq!(answer.refusals("login").is_empty(), is_known, "{address}: {}", answer.body);
        app.sql("DELETE FROM user_sessions WHERE ip_network IS NOT NULL").await;
    }
}

#[tokio::test]
async fn guesses_made_at_once_are_not_more_guesses() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    // All are let in before the first failure is counted. The right one is the last in the queue of the two workers.
    let mut guesses = tokio::task::JoinSet::new();
    for n in 0..40 {
        let client = app.anonymous();
        guesses.spawn(async move { outcome(&client, "someone@h.test", &format!("wrong{n}")).await });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let right = app.anonymous().try_sign_in("someone@h.test", PASSWORD).await;
    assert_eq!(right.data("/login/errors/0/code"), "ACCOUNT_LOCKED");
    // Or the one that is answered otherwise would be the password.
    let wrong: Vec<_> =
        guesses.join_all().await.into_iter().map(|(code, _)| code).filter(|code| code != "ACCOUNT_LOCKED").collect();
    assert_eq!(wrong, ["INVALID_CREDENTIALS"; 5], "what comes too late is answered alike, right or wrong");
    let five = "SELECT count(*) FROM users WHERE email = 'someone@h.test' AND failed_login_attempts >= 5 AND locked_until > now()";
    assert_eq!(app.count(five).await, 1);
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'account_locked'").await, 1);
}

#[tokio::test]
async fn right_passwords_at_once_all_sign_in() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let mut sign_ins = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let client = app.anonymous();
        sign_ins.spawn(async move { client.sign_in("someone@h.test", PASSWORD).await });
    }
    assert_eq!(sign_ins.join_all().await.len(), 12);
    assert_eq!(app.count("SELECT count(*) FROM user_sessions WHERE active").await, 12);
}
