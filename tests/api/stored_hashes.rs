//! What stands in `users.password_hash`, whoever wrote it: a hash that can be checked, or nobody's password.

use std::time::{Duration, Instant};

use serde_json::json;

use super::support::{Setup, TestApp, TestDatabase, told, voicehive};
use super::user_files::{file, import};

/// Texts that the column takes and sign-in can do nothing with.
const BROKEN: [&str; 10] = [
    "",
    " ",
    "!",
    "admin123",
    "5f4dcc3b5aa765d61d8327deb882cf99",
    "$2b$12$short",
    "$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.",
    "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$scrypt$ln=30,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$5$rounds=999999999$Wbvf5SYLZtJUAxzO$xRmzgI0bXr2gKtpZqcDd7kb6ZyYpH.ua7mwU3RGrOOB",
];

async fn store(database: &TestDatabase) {
    for (number, hash) in BROKEN.iter().enumerate() {
        sqlx::query(
            "INSERT INTO users (id, email, password_hash, email_verified) VALUES (gen_random_uuid(), $1, $2, true)",
        )
        .bind(format!("u{number}@h.test"))
        .bind(hash)
        .execute(&database.superuser)
        .await
        .expect("the column takes it");
    }
}

#[tokio::test]
async fn what_cannot_be_checked_is_a_wrong_password() {
    let app = TestApp::start().await;
    store(&app.database).await;
    for (number, hash) in BROKEN.iter().enumerate() {
        let email = format!("u{number}@h.test");
        // The text itself is no password either.
        let password = if hash.trim().is_empty() { "admin123" } else { hash };
        let answer = app.anonymous().try_sign_in(&email, password).await;
        assert_eq!(answer.refusals("login"), ["INVALID_CREDENTIALS"], "{hash:?}");
    }
}

#[tokio::test]
async fn a_hash_that_would_take_days_keeps_no_worker() {
    let app = TestApp::start().await;
    store(&app.database).await;
    let began = Instant::now();
    let greedy: Vec<_> = [6, 7, 8, 9, 6, 7]
        .map(|number| {
            let client = app.anonymous();
            tokio::spawn(async move { client.try_sign_in(&format!("u{number}@h.test"), "x").await })
        })
        .into();
    for answer in greedy {
        assert_eq!(answer.await.expect("answered").refusals("login"), ["INVALID_CREDENTIALS"]);
    }
    app.admin().await;
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test]
async fn users_without_a_password_go_out_and_come_in_without_one() {
    let here = TestDatabase::create().await;
    store(&here).await;
    for name in ["broken.jsonl", "broken.csv"] {
        let path = file(&here, name, "");
        let output = path.to_str().expect("a path");
        let export = voicehive(&here.options, &["users", "export", "--output", output]).output().expect("runs");
        let said = String::from_utf8_lossy(&export.stderr);
        assert!(
            export.status.success() && said.contains(&format!("{} of them have no password", BROKEN.len())),
            "{said}"
        );
        let written = std::fs::read_to_string(&path).expect("read");
        for hash in BROKEN.iter().filter(|hash| hash.len() > 8) {
            assert!(!written.contains(hash), "{hash}");
        }

        let there = TestDatabase::create().await;
        sqlx::query("DELETE FROM users").execute(&there.superuser).await.expect("nobody");
        let (outcome, _) = import(&there, &path, &[]);
        let found = (&outcome["added"], &outcome["without_password"], &outcome["unknown_hash"]);
        assert_eq!(found, (&json!(BROKEN.len() + 3), &json!(BROKEN.len()), &json!(0)));
        let again = file(&there, name, "");
        told(voicehive(&there.options, &["users", "export", "--output", again.to_str().expect("a path")]));
        assert_eq!(std::fs::read_to_string(&again).expect("read"), written, "{name}: the same file");

        let app = TestApp::start_on(there.into(), Setup::usual()).await;
        app.admin().await;
        let answer = app.anonymous().try_sign_in("u0@h.test", "admin123").await;
        assert_eq!(answer.refusals("login"), ["INVALID_CREDENTIALS"]);
    }
}
