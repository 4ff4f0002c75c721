//! Mutations that a client sends again under a key of its own.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Answer, Client, PASSWORD, Setup, TestApp, cluster_folder, eventually};

const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

fn under(client: &Client, key: &str) -> Client {
    client.clone().with_header("idempotency-key", key)
}

fn was_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

async fn make_key(client: &Client, name: &str) -> Answer {
    let input = json!({ "name": name, "serviceName": "calls", "permissions": ["user:view"], "hotelScope": "ALL" });
    client.mutate("createApiKey", input, "apiKey { id } secret").await
}

async fn make_role(client: &Client, name: &str) -> Answer {
    client.mutate("createRole", json!({ "name": name, "displayName": name, "permissions": [] }), "role { id }").await
}

#[tokio::test]
async fn what_is_sent_again_is_done_once_and_answered_as_it_was() {
    let one = TestApp::start().await;
    let two = TestApp::start_on(one.database.clone(), Setup::usual()).await;
    let admin = under(&one.admin().await, KEY);
    let elsewhere = Client { address: two.address, ..admin.clone() };
    let first = make_key(&admin, "Calls").await;
    let secret = first.data("/createApiKey/secret").as_str().expect("a secret").to_owned();
    assert!(!was_replayed(&first));
    for client in [&admin, &elsewhere] {
        let again = make_key(client, "Calls").await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert!(was_replayed(&again));
    }
    assert_eq!(one.count("SELECT count(*) FROM api_keys").await, 1);
    assert_eq!(one.count("SELECT count(*) FROM audit_events WHERE type = 'api_key_created'").await, 1);
    let kept = "SELECT count(*) FROM idempotency_keys
                 WHERE position('SECRET'::bytea in answer) > 0 OR position('KEY'::bytea in key_hash) > 0 OR answer IS NULL";
    assert_eq!(
        one.count(&kept.replace("SECRET", &secret).replace("KEY", KEY)).await,
        0,
        "nobody reads it in the table"
    );
    // With quotation marks, as the header's own specification has it, it is the same key.
    assert!(was_replayed(&make_key(&under(&admin, &format!("\"{KEY}\"")), "Calls").await));
    // A key is the caller's own.
    one.user("other@example.org").role("SYSTEM_ADMIN").everywhere().create().await;
    let other = under(&one.signed_in("other@example.org").await, KEY);
    assert!(!was_replayed(&make_key(&other, "Calls").await));
    assert_eq!(one.count("SELECT count(*) FROM api_keys").await, 2);
}

#[tokio::test]
async fn many_at_once_are_one() {
    let one = TestApp::start().await;
    let two = TestApp::start_on(one.database.clone(), Setup::usual()).await;
    let admin = under(&one.admin().await, KEY);
    let elsewhere = Client { address: two.address, ..admin.clone() };
    let requests = (0..20).map(|place| {
        let client = if place % 2 == 0 { admin.clone() } else { elsewhere.clone() };
        tokio::spawn(async move { make_role(&client, "NIGHT_DESK").await })
    });
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        answers.push(request.await.expect("an answer"));
    }
    let role = answers[0].data("/createRole/role/id");
    assert!(role.is_string());
    for answer in &answers {
        assert_eq!(answer.data("/createRole/role/id"), role, "{}", answer.body);
    }
    assert_eq!(answers.iter().filter(|answer| !was_replayed(answer)).count(), 1);
    assert_eq!(one.count("SELECT count(*) FROM roles WHERE name = 'NIGHT_DESK'").await, 1);
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let app = TestApp::start().await;
    let admin = under(&app.admin().await, KEY);
    Client::done(&make_role(&admin, "NIGHT_DESK").await, "createRole");
    let other = make_role(&admin, "DAY_DESK").await;
    assert_eq!((other.status.as_u16(), other.code()), (422, "BAD_USER_INPUT"), "{}", other.body);
    assert_eq!(app.count("SELECT count(*) FROM roles WHERE name = 'DAY_DESK'").await, 0);
    // What only reads is answered under any key.
    assert!(admin.query("{ roles { nodes { id } } }").await.data("/roles/nodes").is_array());
    let two = admin
        .query(
            "mutation { a: createRole(input: { name: \"A\", displayName: \"A\", permissions: [] }) { errors { code } }
                        b: createRole(input: { name: \"B\", displayName: \"B\", permissions: [] }) { errors { code } } }",
        )
        .await;
    assert_eq!((two.status.as_u16(), two.code()), (400, "BAD_USER_INPUT"), "{}", two.body);
    for key in ["too-short", &"a".repeat(256), "with a space in it"] {
        let refused = make_role(&under(&admin, key), "DAY_DESK").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "BAD_USER_INPUT"), "{key}");
    }
    assert_eq!(app.count("SELECT count(*) FROM roles WHERE name IN ('A', 'B', 'DAY_DESK')").await, 0);
}

#[tokio::test]
async fn a_request_that_changed_nothing_leaves_its_key_free() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    Client::done(&make_role(&admin, "NIGHT_DESK").await, "createRole");
    let under_key = under(&admin, KEY);
    assert_eq!(make_role(&under_key, "NIGHT_DESK").await.refusals("createRole"), ["ALREADY_TAKEN name"]);
    app.sql("DELETE FROM roles WHERE name = 'NIGHT_DESK'").await;
    let made = make_role(&under_key, "NIGHT_DESK").await;
    Client::done(&made, "createRole");
    assert!(!was_replayed(&made));
}

#[tokio::test]
async fn a_lost_answer_is_told_as_such() {
    let app = TestApp::start().await;
    let admin = under(&app.admin().await, KEY);
    Client::done(&make_role(&admin, "NIGHT_DESK").await, "createRole");
    app.sql("UPDATE idempotency_keys SET answer = NULL").await;
    let again = make_role(&admin, "NIGHT_DESK").await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "BAD_USER_INPUT"), "{}", again.body);
    assert_eq!(app.count("SELECT count(*) FROM roles WHERE name = 'NIGHT_DESK'").await, 1);
}

#[tokio::test]
async fn a_changed_password_is_changed_once() {
    let app = TestApp::start().await;
    app.user("anna@example.org").role("HOTEL_STAFF").everywhere().create().await;
    let anna = under(&app.signed_in("anna@example.org").await, KEY);
    let change = async || {
        let input = json!({ "currentPassword": PASSWORD, "newPassword": "Another-Long-Phrase-7" });
        anna.mutate("changePassword", input, "user { id }").await
    };
    let first = change().await;
    Client::done(&first, "changePassword");
    let again = change().await;
    assert_eq!((&again.body, was_replayed(&again)), (&first.body, true));
}

/// A server on this database whose server key is another one.
async fn with_another_server_key(app: &TestApp) -> TestApp {
    let mut setup = Setup::usual();
    setup.settings.server_key_file = cluster_folder().join("keys").join("other-server.key");
    TestApp::start_on(app.database.clone(), setup).await
}

/// What a guess would be held against is made under a key that is not in the database, and a password is no part of it.
#[tokio::test]
async fn no_digest_of_a_request_tells_of_a_password() {
    let app = TestApp::start().await;
    let other = with_another_server_key(&app).await;
    let admin = app.admin().await;
    let elsewhere = Client { address: other.address, ..admin.clone() };
    let add = async |client: &Client, key: &str, password: &str| {
        let input = json!({ "email": "μαρία@h.test", "firstName": "ΜΑΡΊΑ", "password": password });
        under(client, key).mutate("createUser", input, "user { id }").await
    };
    let digest = async || {
        let found = app.text("SELECT encode(request_hash, 'hex') FROM idempotency_keys").await;
        app.sql("DELETE FROM users WHERE email = 'μαρία@h.test'; DELETE FROM idempotency_keys").await;
        found.expect("a request")
    };
    Client::done(&add(&admin, KEY, "harbour lamp nine").await, "createUser");
    // The password is left out: another one makes it no other request.
    let again = add(&admin, KEY, "harbour lamp ten").await;
    assert!(was_replayed(&again), "{}", again.body);
    let first = digest().await;
    Client::done(&add(&admin, KEY, "harbour lamp ten").await, "createUser");
    assert_eq!(digest().await, first);
    // Of the same request, and everything that is in the database, another server key makes another digest.
    Client::done(&add(&elsewhere, KEY, "harbour lamp nine").await, "createUser");
    assert_ne!(digest().await, first);
    Client::done(&add(&admin, &"b".repeat(36), "harbour lamp nine").await, "createUser");
    assert_ne!(digest().await, first, "two keys are not seen to stand for the same request");
}

#[tokio::test]
async fn who_has_the_database_and_the_clients_key_reads_no_answer() {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
    use sha2::{Digest, Sha256};

    let app = TestApp::start().await;
    let admin = under(&app.admin().await, KEY);
    let made = make_key(&admin, "Calls").await;
    assert!(made.data("/createApiKey/secret").is_string());
    let row: (String, Vec<u8>, Vec<u8>, Vec<u8>) =
        sqlx::query_as("SELECT caller, key_hash, request_hash, answer FROM idempotency_keys")
            .fetch_one(&app.database.superuser)
            .await
            .expect("a row");
    let (caller, key_hash, request_hash, answer) = row;
    let of = |purpose: &str| -> [u8; 32] {
        Sha256::digest([purpose, "\0", &caller, "\0", KEY, "\0"].concat().as_bytes()).into()
    };
    assert_eq!(of("idempotency key").as_slice(), key_hash, "a name, which opens nothing");
    for guess in [of("idempotent answer"), of("idempotency key"), Sha256::digest(KEY).into()] {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &guess).expect("a key");
        let (nonce, text) = answer.split_at(12);
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("a nonce");
        assert!(key.open_in_place(nonce, Aad::from(&request_hash), &mut text.to_vec()).is_err());
    }
}

/// Servers that should share their key and do not, a key that was replaced, and what the release before has kept.
#[tokio::test]
async fn under_another_server_key_it_is_not_done_again() {
    let app = TestApp::start().await;
    let other = with_another_server_key(&app).await;
    let admin = under(&app.admin().await, KEY);
    let elsewhere = Client { address: other.address, ..admin.clone() };
    Client::done(&make_role(&admin, "NIGHT_DESK").await, "createRole");
    let lost =
        |answer: &Answer| (answer.status.as_u16(), answer.code().to_owned()) == (409, "BAD_USER_INPUT".to_owned());
    let again = make_role(&elsewhere, "NIGHT_DESK").await;
    assert!(lost(&again), "{}", again.body);
    app.sql("UPDATE idempotency_keys SET key_id = NULL").await;
    let again = make_role(&admin, "NIGHT_DESK").await;
    assert!(lost(&again), "{}", again.body);
    assert_eq!(app.count("SELECT count(*) FROM roles WHERE name = 'NIGHT_DESK'").await, 1);
}

#[tokio::test]
async fn fragments_and_variables_are_part_of_a_request_in_any_run() {
    let one = TestApp::start().await;
    let two = TestApp::start_on(one.database.clone(), Setup::usual()).await;
    let admin = under(&one.admin().await, KEY);
    let make = async |client: &Client, name: &str, selection: &str| {
        let document = format!(
            "mutation($name: String!) {{ createRole(input: {{ name: $name, displayName: \"Desk\", permissions: [] }}) {{
                 role {{ ...A ...B ...C }} errors {{ code }} }} }}
             fragment A on Role {{ id }} fragment B on Role {{ name }} fragment C on Role {{ {selection} }}"
        );
        client.graphql(&document, json!({ "name": name })).await
    };
    let first = make(&admin, "NIGHT_DESK", "displayName").await;
    assert!(first.data("/createRole/role/id").is_string());
    for client in [&admin, &Client { address: two.address, ..admin.clone() }] {
        assert!(was_replayed(&make(client, "NIGHT_DESK", "displayName").await));
        for other in [make(client, "DAY_DESK", "displayName").await, make(client, "NIGHT_DESK", "active").await] {
            assert_eq!(other.status.as_u16(), 422, "{}", other.body);
        }
    }
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day() {
    let app = TestApp::start().await;
    let admin = under(&app.admin().await, KEY);
    Client::done(&make_role(&admin, "NIGHT_DESK").await, "createRole");
    app.clock.advance(Duration::from_hours(23));
    app.identity.sweep().await.expect("swept");
    assert_eq!(app.count("SELECT count(*) FROM idempotency_keys").await, 1);
    app.clock.advance(Duration::from_hours(2));
    app.identity.sweep().await.expect("swept");
    assert_eq!(app.count("SELECT count(*) FROM idempotency_keys").await, 0);
}

/// The transaction that takes the key is at it while another request comes; then it fails, or its server does.
#[tokio::test]
async fn who_waited_for_a_request_that_failed_does_it_itself() {
    let app = TestApp::start().await;
    let admin = under(&app.admin().await, KEY);
    app.hears_changes().await;
    assert!(admin.is_signed_in().await, "from here on, that is known from memory");
    let mut blocker = app.database.superuser.begin().await.expect("begun");
    sqlx::query("LOCK TABLE roles IN ACCESS EXCLUSIVE MODE").execute(&mut *blocker).await.expect("locked");
    let first = tokio::spawn({
        let admin = admin.clone();
        async move { make_role(&admin, "NIGHT_DESK").await }
    });
    eventually("the first one waits", async || app.waits_for_a_lock().await).await;
    let second = tokio::spawn(async move { make_role(&admin, "NIGHT_DESK").await });
    let both = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'voicehive' AND wait_event_type = 'Lock'";
    eventually("both wait", async || app.count(both).await == 2).await;
    app.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
            AND application_name = 'voicehive' AND wait_event_type = 'Lock' AND wait_event = 'relation'",
    )
    .await;
    let first = first.await.expect("an answer");
    assert_eq!((first.status.as_u16(), first.code()), (503, "UNAVAILABLE"), "{}", first.body);
    blocker.rollback().await.expect("unlocked");
    let second = second.await.expect("an answer");
    assert_eq!(second.data("/createRole/errors"), &Value::Array(Vec::new()), "{}", second.body);
    assert_eq!(app.count("SELECT count(*) FROM roles WHERE name = 'NIGHT_DESK'").await, 1);
}

/// What docs/availability.md says of sending the same again without a key.
#[tokio::test]
async fn what_is_sent_again_without_a_key_is_as_the_guide_says() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let anna = app.user("anna@example.org").hotel("hotel-001").create().await;
    let role = make_role(&admin, "NIGHT_DESK").await.data("/createRole/role/id").clone();
    let api_key = make_key(&admin, "Calls").await.data("/createApiKey/apiKey/id").clone();
    app.signed_in("anna@example.org").await;
    let sessions = admin.query("{ sessions(first: 1) { nodes { id } } }").await;
    let session = sessions.data("/sessions/nodes/0/id").clone();
    let user = json!(format!("user:{anna}"));
    let pair = |roles: &str, ids: &Value| json!({ roles: [ids], "users": [user] });
    // Name, input, and the code of the refusal where it is sent once more.
    let table = [
        ("revokeSession", json!({ "id": session }), None),
        ("revokeUserSessions", json!({ "user": user }), None),
        ("revokeApiKey", json!({ "id": api_key }), None),
        ("unlockUser", json!({ "id": user }), None),
        ("updateUser", json!({ "id": user, "lastName": "Berg" }), None),
        ("updateHotel", json!({ "id": "hotel:hotel-001", "city": "Bern" }), None),
        ("updateRole", json!({ "id": role, "displayName": "Night" }), None),
        ("assignRoles", pair("roles", &role), None),
        ("unassignRoles", pair("roles", &role), None),
        ("assignHotels", pair("hotels", &json!("hotel:hotel-001")), None),
        ("unassignHotels", pair("hotels", &json!("hotel:hotel-001")), None),
        ("deactivateUser", json!({ "id": user }), None),
        ("reactivateUser", json!({ "id": user }), None),
        (
            "createHotel",
            json!({ "pmsHotelId": "hotel-009", "name": "Ninth", "pmsType": "mews" }),
            Some("ALREADY_TAKEN"),
        ),
        ("createRole", json!({ "name": "DAY_DESK", "displayName": "Day" }), Some("ALREADY_TAKEN")),
        ("createUser", json!({ "email": "bo@example.org", "password": "harbour lamp nine" }), Some("ALREADY_TAKEN")),
        ("deleteRole", json!({ "id": role }), Some("NOT_FOUND")),
        ("deleteUser", json!({ "id": user }), Some("NOT_FOUND")),
        ("logout", json!({}), Some("UNAUTHENTICATED")),
    ];
    for (name, input, refusal) in table {
        Client::done(&admin.mutate(name, input.clone(), "").await, name);
        let again = admin.mutate(name, input, "").await;
        match refusal {
            None => Client::done(&again, name),
            Some(code) => assert!(again.body.to_string().contains(code), "{name}: {}", again.body),
        }
    }
}
