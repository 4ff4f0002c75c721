//! Signing in, and the one answer that every failure gets.

use serde_json::{Value, json};

use super::support::{PASSWORD, TestApp, eventually};

#[tokio::test]
async fn a_sign_in_gives_tokens_a_session_and_the_user() {
    let app = TestApp::start().await;
    let client = app.anonymous().with_header("user-agent", "Firefox/1.0").with_header("accept-language", "de");
    let answer = client
        .query(
            "mutation { login(input: {email: \" ADMIN@VoiceHive-Hotels.eu \", password: \"admin123\"}) {
                tokens { accessToken refreshToken tokenType expiresIn }
                session { id status current ipAddress userAgent deviceFingerprint user { email } revokedAt }
                user { email displayName roles { name } hotelScope hotels { totalCount } lastLoginAt }
                retryAfter errors { code } } }",
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.data("/login/tokens/tokenType"), "bearer");
    assert_eq!(answer.data("/login/tokens/expiresIn"), 900);
    assert_eq!(answer.data("/login/errors"), &json!([]));
    assert_eq!(answer.data("/login/retryAfter"), &Value::Null);
    assert_eq!(answer.data("/login/user/roles"), &json!([{ "name": "SYSTEM_ADMIN" }]));
    assert_eq!(answer.data("/login/user/email"), "admin@voicehive-hotels.eu");
    assert_eq!(answer.data("/login/user/hotels/totalCount"), 1);
    assert!(answer.data("/login/user/lastLoginAt").is_string());
    let session = answer.data("/login/session");
    assert_eq!(session["status"], "ACTIVE");
    assert_eq!(session["current"], true);
    assert_eq!(session["ipAddress"], "127.0.0.1");
    assert_eq!(session["userAgent"], "Firefox/1.0");
    assert_eq!(session["user"]["email"], "admin@voicehive-hotels.eu");
    assert_eq!(session["deviceFingerprint"].as_str().map(str::len), Some(32));

    let token = answer.data("/login/tokens/accessToken").as_str().expect("a token");
    let me =
        app.anonymous().with_token(token).query("{ me { email } currentSession { id } viewer { __typename } }").await;
    assert_eq!(me.data("/me/email"), "admin@voicehive-hotels.eu");
    assert_eq!(me.data("/currentSession/id"), &session["id"]);
    assert_eq!(me.data("/viewer/__typename"), "User");
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'user_authenticated'").await, 1);
}

#[tokio::test]
async fn every_account_that_cannot_sign_in_is_refused_alike() {
    let app = TestApp::start().await;
    app.user("inactive@h.test").create().await;
    app.user("unverified@h.test").create().await;
    app.user("barred@h.test").create().await;
    app.sql("UPDATE users SET active = false WHERE email = 'inactive@h.test'").await;
    app.sql("UPDATE users SET email_verified = false WHERE email = 'unverified@h.test'").await;
    app.sql("UPDATE users SET locked_until = now() + interval '1 hour' WHERE email = 'barred@h.test'").await;
    let too_long = "x".repeat(1025);

    let wrong = app.anonymous().try_sign_in("manager@hotel1.com", "wrong").await;
    assert_eq!(wrong.data("/login/errors/0/code"), "INVALID_CREDENTIALS");
    assert_eq!(wrong.data("/login/errors/0/path"), &json!(["input"]));
    assert_eq!(wrong.data("/login/tokens"), &Value::Null);
    for (email, password) in [
        ("nobody@h.test", PASSWORD),
        ("inactive@h.test", PASSWORD),
        ("unverified@h.test", PASSWORD),
        ("barred@h.test", PASSWORD),
        ("no address", PASSWORD),
        ("", ""),
        ("manager@hotel1.com", ""),
        ("manager@hotel1.com", "MANAGER123"),
        ("manager@hotel1.com", too_long.as_str()),
        ("' OR 1=1 --@h.test", PASSWORD),
    ] {
        let refused = app.anonymous().try_sign_in(email, password).await;
        assert_eq!((refused.status, &refused.body["data"]), (wrong.status, &wrong.body["data"]), "{email}");
    }
    assert_eq!(app.count("SELECT count(*) FROM user_sessions").await, 0);
}

#[tokio::test]
async fn remember_me_keeps_the_session_for_the_long_lifetime() {
    let app = TestApp::start().await;
    let login = |remember| {
        format!(
            "mutation {{ login(input: {{email: \"manager@hotel1.com\", password: \"manager123\", rememberMe: {remember}}})
               {{ session {{ createdAt expiresAt }} }} }}"
        )
    };
    for (remember, days) in [(false, 7), (true, 30)] {
        let answer = app.anonymous().query(&login(remember)).await;
        let time = |field| {
            let text = answer.data("/login/session")[field].as_str().expect("a time").to_owned();
            assert!(text.ends_with('Z'), "{text}");
            chrono::DateTime::parse_from_rfc3339(&text).expect("RFC 3339")
        };
        assert_eq!((time("expiresAt") - time("createdAt")).num_days(), days);
    }
}

#[tokio::test]
async fn one_request_makes_one_guess() {
    let app = TestApp::start().await;
    let guesses: String = (0..5)
        .map(|n| format!("g{n}: login(input: {{email: \"manager@hotel1.com\", password: \"{n}\"}}) {{ retryAfter }} "))
        .collect();
    let answer = app.anonymous().query(&format!("mutation {{ {guesses} }}")).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (400, "BAD_USER_INPUT"));
    let answer = app.admin().await.query("mutation { logout { revokedSessions } logout { revokedSessions } }").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (400, "BAD_USER_INPUT"));
    assert_eq!(app.count("SELECT count(*) FROM sign_in_failures").await, 0);
}

#[tokio::test]
async fn a_token_that_does_not_hold_hinders_no_sign_in() {
    let app = TestApp::start().await;
    let stale = app.anonymous().with_token("stale");
    let client = stale.clone().sign_in("manager@hotel1.com", "manager123").await;
    let answer = stale.try_refresh(&client.refresh_token).await;
    assert!(answer.data("/refresh/tokens/accessToken").is_string());
    assert_eq!(stale.query("{ me { id } }").await.status, 401);
}

#[tokio::test]
async fn demo_accounts_only_warn_where_the_database_is_our_own() {
    use super::support::{Setup, TestDatabase};
    let database = std::sync::Arc::new(TestDatabase::create_untouched().await);
    let app = TestApp::start_on(database.clone(), Setup::usual()).await;
    let answer = app.admin().await.query("{ me { mustChangePassword } users { totalCount } }").await;
    assert_eq!(answer.data("/me/mustChangePassword"), true);
    assert_eq!(answer.data("/users/totalCount"), 3);

    let mut setup = Setup::usual();
    setup.settings.enforce_password_change = true;
    let strict = TestApp::start_on(database, setup).await;
    let admin = strict.admin().await;
    let me = admin.query("{ me { mustChangePassword roles { name } hotels { nodes { id } } } }").await;
    assert_eq!(me.data("/me/mustChangePassword"), true);
    for query in [
        "{ users { totalCount } }",
        "{ user(by: {email: \"manager@hotel1.com\"}) { id } }",
        "{ roles { totalCount } }",
        "{ hotels { totalCount } }",
        "{ sessions { totalCount } }",
        "{ permissions { name } }",
        "{ nodes(ids: []) { id } }",
    ] {
        assert_eq!(admin.query(query).await.code(), "PASSWORD_CHANGE_REQUIRED", "{query}");
    }
    let admin = admin.refresh().await;
    let change = "mutation { changePassword(input: {currentPassword: \"admin123\", newPassword: \"harbour lamp nine\"}) { errors { code } } }";
    assert_eq!(admin.query(change).await.data("/changePassword/errors"), &json!([]));
    assert_eq!(admin.query("{ users { totalCount } }").await.data("/users/totalCount"), 3);
}

fn argon2_hash(password: &str) -> String {
    use argon2::PasswordHasher;
    let params = argon2::Params::new(8192, 1, 1, None).expect("parameters");
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password_with_salt(password.as_bytes(), b"0123456789abcdef").expect("a hash").to_string()
}

#[tokio::test]
async fn a_password_longer_than_any_can_be_is_refused() {
    let app = TestApp::start().await;
    for (email, length, refusals) in
        [("long@h.test", 1024, &[][..]), ("longer@h.test", 1025, &["INVALID_CREDENTIALS"][..])]
    {
        let password = "a".repeat(length);
        app.user(email).create().await;
        let hash = argon2_hash(&password);
        app.sql(&format!("UPDATE users SET password_hash = '{hash}' WHERE email = '{email}'")).await;
        let refused = app.anonymous().try_sign_in(email, &password).await.refusals("login");
        let codes: Vec<_> = refused.iter().filter_map(|refusal| refusal.split(' ').next()).collect();
        assert_eq!(codes, refusals, "{length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_hash_never_takes_the_place_of_a_changed_password() {
    let app = TestApp::start().await;
    let email = "meanwhile@h.test";
    app.user(email).create().await;
    let (old, new) = (argon2_hash(PASSWORD), argon2_hash("another one altogether"));
    app.sql(&format!("UPDATE users SET password_hash = '{old}' WHERE email = '{email}'")).await;
    let mut change = app.database.superuser.begin().await.expect("begun");
    sqlx::query("UPDATE users SET password_hash = $1 WHERE email = $2")
        .bind(&new)
        .bind(email)
        .execute(&mut *change)
        .await
        .expect("changed");
    let client = app.anonymous();
    let signing_in = tokio::spawn(async move { client.try_sign_in(email, PASSWORD).await });
    eventually("the old password was right, and its hash is to be renewed", async || app.waits_for_a_lock().await)
        .await;
    change.commit().await.expect("committed");
    signing_in.await.expect("ends");
    let hash = app.text(&format!("SELECT password_hash FROM users WHERE email = '{email}'")).await;
    assert_eq!(hash, Some(new));
}

#[tokio::test]
async fn old_hashes_are_made_anew_in_the_same_sign_in() {
    let app = TestApp::start().await;
    let cheap = argon2_hash(PASSWORD);
    for (email, hash) in [("bcrypt@h.test", bcrypt::hash(PASSWORD, 5).expect("a hash")), ("cheap@h.test", cheap)] {
        app.user(email).create().await;
        app.sql(&format!("UPDATE users SET password_hash = '{hash}' WHERE email = '{email}'")).await;
        let of = format!("SELECT password_hash FROM users WHERE email = '{email}'");
        app.anonymous().try_sign_in(email, "wrong").await;
        assert_eq!(app.text(&of).await, Some(hash), "a wrong password changes nothing");
        app.signed_in(email).await;
        assert!(app.text(&of).await.expect("a hash").starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        app.signed_in(email).await;
    }
}
