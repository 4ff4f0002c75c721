//! Text of people: the same however it is typed, and nothing that passes for something else.

use argon2::password_hash::PasswordHasher;
use serde_json::{Value, json};

use super::support::{Client, PASSWORD, TestApp, voicehive};

/// "Café" as macOS types it, and as everyone else does.
const TAKEN_APART: &str = "Cafe\u{301} am Markt";
const COMPOSED: &str = "Café am Markt";

async fn create(client: &Client, input: Value) -> Value {
    let answer = client.mutate("createUser", input, "user { id email firstName lastName }").await;
    answer.data("/createUser").clone()
}

async fn signs_in(app: &TestApp, email: &str, password: &str) -> bool {
    let answer = app.anonymous().try_sign_in(email, password).await;
    answer.data("/login/errors") == &json!([])
}

#[tokio::test]
async fn a_password_is_the_same_however_it_is_typed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (made, email) in [(TAKEN_APART, "apart@h.test"), (COMPOSED, "composed@h.test")] {
        let input = json!({ "email": email, "password": made, "emailVerified": true });
        assert_eq!(create(&admin, input).await["errors"], json!([]));
        for typed in [TAKEN_APART, COMPOSED, "Cafe\u{301}\u{a0}am\u{2003}Markt"] {
            assert!(signs_in(&app, email, typed).await, "{typed:?}, made as {made:?}");
        }
        // What only looks similar is another password.
        assert!(!signs_in(&app, email, "Cafe am Markt").await);
        assert!(!signs_in(&app, email, "Ｃafé am Markt").await);
    }
}

#[tokio::test]
async fn a_hash_of_the_bytes_as_they_were_typed_works_and_is_replaced() {
    let app = TestApp::start().await;
    let id = app.user("anna@h.test").create().await;
    let argon2 = argon2::Argon2::default();
    let hashes = [
        argon2.hash_password_with_salt(TAKEN_APART.as_bytes(), b"0123456789abcdef").expect("a hash").to_string(),
        bcrypt::hash(TAKEN_APART, 4).expect("a hash"),
    ];
    for hash in hashes {
        app.sql(&format!("UPDATE users SET password_hash = '{hash}' WHERE id = '{id}'")).await;
        assert!(!signs_in(&app, "anna@h.test", COMPOSED).await, "nobody knows yet how it was typed");
        assert!(signs_in(&app, "anna@h.test", TAKEN_APART).await);
        assert!(signs_in(&app, "anna@h.test", COMPOSED).await, "made anew by the sign-in before");
        assert!(signs_in(&app, "anna@h.test", TAKEN_APART).await);
    }
}

#[tokio::test]
async fn names_and_addresses_are_stored_in_one_form() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let input = json!({ "email": "O\u{308}zlem@ho\u{308}tel.example", "firstName": "O\u{308}zlem", "lastName": "A\u{30a}berg\u{a0}Öz",
        "password": PASSWORD, "emailVerified": true });
    let made = create(&admin, input).await;
    assert_eq!(made["user"]["email"], "özlem@hötel.example");
    assert_eq!((&made["user"]["firstName"], &made["user"]["lastName"]), (&json!("Özlem"), &json!("Åberg Öz")));
    for typed in ["özlem@hötel.example", "O\u{308}ZLEM@hötel.example", "ÖZLEM@xn--htel-5qa.example"] {
        assert!(signs_in(&app, typed, PASSWORD).await, "{typed:?}");
    }
    let again = create(&admin, json!({ "email": "o\u{308}zlem@hötel.example", "password": PASSWORD })).await;
    assert_eq!(again["errors"][0]["code"], "ALREADY_TAKEN");
}

#[tokio::test]
async fn names_and_addresses_that_pass_for_others_are_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (field, odd) in [
        ("email", "ceo\u{3164}@h.test"),
        ("email", "c\u{435}o@h.test"),
        ("email", "\u{441}\u{435}\u{43e}@h.test"),
        ("email", "adm\u{131}n@h.test"),
        ("email", "ceo@h\u{43e}tel.test"),
        ("email", "ceo\u{1160}@h.test"),
        ("firstName", "Anna\u{3164}"),
        ("firstName", "An\u{ad}na"),
        ("lastName", "Berg\u{202e}"),
        ("lastName", "\u{e000}"),
        ("lastName", "Berg\u{200d}"),
    ] {
        let mut input = json!({ "email": "plain@h.test", "password": PASSWORD });
        input[field] = json!(odd);
        let refused = create(&admin, input).await;
        let (code, path) = (&refused["errors"][0]["code"], &refused["errors"][0]["path"]);
        assert_eq!((code, path), (&json!("INVALID_VALUE"), &json!(["input", field])), "{odd:?}");
    }
    for (first, last) in [("علی\u{200c}رضا", "李"), ("ΜΑΡΊΑ", "Łukasz"), ("สมชาย", "O’Brien"), ("김민수", "श्रीनिवास")]
    {
        let input = json!({ "email": format!("{}@h.test", last.len() * 100 + first.len()), "firstName": first, "lastName": last });
        let made = create(&admin, input).await;
        assert_eq!((&made["user"]["firstName"], &made["user"]["lastName"]), (&json!(first), &json!(last)));
    }
}

#[tokio::test]
async fn accounts_that_pass_for_others_are_listed() {
    let app = TestApp::start().await;
    let options = &app.database.options;
    let audit = |json: bool| {
        let arguments: &[&str] = if json { &["users", "audit-names", "--json"] } else { &["users", "audit-names"] };
        let output = voicehive(options, arguments).output().expect("runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    app.user("ceo@h.test").create().await;
    let (code, told) = audit(false);
    assert_eq!(
        (code, told.trim_end()),
        (Some(0), "0 of 4 users have a name or an address that would be refused today.")
    );

    // They sign in as before, so that nobody is locked out who did nothing wrong.
    for (email, last_name) in [
        ("ceo\u{3164}@h.test", "Berg"),
        ("\u{441}\u{435}\u{43e}@h.test", "Berg"),
        ("plain@h.test", "Be\u{200b}rg"),
        ("fine@h.test", "李"),
    ] {
        let id = app.user(email).create().await;
        app.sql(&format!("UPDATE users SET first_name = NULL, last_name = '{last_name}' WHERE id = '{id}'")).await;
        assert!(signs_in(&app, email, PASSWORD).await, "{email:?}");
    }
    let (code, told) = audit(true);
    assert_eq!(code, Some(1));
    let accounts: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let problems = |email: &str| {
        let account = accounts.iter().find(|account| account["email"] == email);
        account.map(|account| account["problems"].to_string()).unwrap_or_default()
    };
    assert_eq!(accounts.len(), 4, "{told}");
    assert!(problems("ceo\u{3164}@h.test").contains("U+3164"));
    assert!(problems("\u{441}\u{435}\u{43e}@h.test").contains("looks like ceo@h.test."));
    assert!(problems("ceo@h.test").contains("looks like"), "either can be taken for the other");
    assert!(problems("plain@h.test").contains("last_name"));
    let (_, told) = audit(false);
    assert!(
        told.contains("ceo\\u{3164}@h.test  email: ")
            && told.ends_with("4 of 8 users have a name or an address that would be refused today.\n"),
        "{told}"
    );
}
