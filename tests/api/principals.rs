//! Principals, roles and hotels that are kept in memory: a hot request asks the database nothing, and yet whatever changes who
//! may do what, and whoever changes it, takes effect on every server within a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::support::{Answer, Client, Proxy, Setup, TestApp, TestDatabase, eventually};

/// A change must have taken effect by then.
const SOON: Duration = Duration::from_secs(1);

const ME: &str =
    "{ me { email firstName hotelScope roles { name active } permissions hotels { totalCount nodes { id name } } } }";

async fn within_a_second(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !happened().await {
        assert!(began.elapsed() < SOON, "not within a second: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Asks until the answer comes from memory, as it does once it has been asked for.
async fn from_memory(client: &Client, query: &str) -> Answer {
    let asked = async || client.query(query).await;
    eventually("it is answered from memory", async || asked().await.statements() == 0).await;
    asked().await
}

/// Two servers of one database, a user of the second, and what tells of changes by neither of them.
struct Two {
    first: TestApp,
    second: TestApp,
}

impl Two {
    async fn start() -> Self {
        let database = Arc::new(TestDatabase::create().await);
        let first = TestApp::start_on(database.clone(), Setup::usual()).await;
        let second = TestApp::start_on(database, Setup::usual()).await;
        first.hears_changes().await;
        second.hears_changes().await;
        Self { first, second }
    }

    /// As somebody with psql does it: no server is told but by the database.
    async fn by_hand(&self, sql: &str) {
        self.first.database.superuser.execute(AssertSqlSafe(sql.to_owned())).await.expect(sql);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_by_hand_is_seen_by_everyone_within_a_second() {
    let two = Two::start().await;
    two.first.hotel("hotel-002", "Second").await;
    let id = two.first.user("a@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    let (one, other) = (two.first.signed_in("a@h.test").await, two.second.signed_in("a@h.test").await);
    let user = format!("id = '{id}'");
    let role = "name = 'HOTEL_STAFF'";
    let shows = |pointer: &'static str, value: Value| (pointer, value);
    for (sql, (pointer, value)) in [
        (format!("UPDATE users SET first_name = 'Ada' WHERE {user}"), shows("/me/firstName", json!("Ada"))),
        (format!("UPDATE users SET email = 'b@h.test' WHERE {user}"), shows("/me/email", json!("b@h.test"))),
        (format!("UPDATE users SET hotel_scope = 'ALL' WHERE {user}"), shows("/me/hotels/totalCount", json!(2))),
        (format!("UPDATE users SET hotel_scope = 'ASSIGNED' WHERE {user}"), shows("/me/hotels/totalCount", json!(1))),
        (
            format!("INSERT INTO user_hotels (user_id, hotel_id) VALUES ('{id}', 'hotel-002')"),
            shows("/me/hotels/nodes/1/name", json!("Second")),
        ),
        (
            "UPDATE hotels SET name = 'Zweites' WHERE id = 'hotel-002'".to_owned(),
            shows("/me/hotels/nodes/1/name", json!("Zweites")),
        ),
        ("DELETE FROM hotels WHERE id = 'hotel-002'".to_owned(), shows("/me/hotels/totalCount", json!(1))),
        (
            format!("UPDATE user_hotels SET hotel_id = 'h-3' WHERE user_id = '{id}'"),
            shows("/me/hotels/nodes/0/name", json!("Third")),
        ),
        (
            format!("INSERT INTO user_roles (user_id, role_id) SELECT '{id}', id FROM roles WHERE name = 'GUEST_USER'"),
            shows("/me/roles/0/name", json!("GUEST_USER")),
        ),
        (format!("UPDATE roles SET active = false WHERE {role}"), shows("/me/permissions", json!(["call:view"]))),
        (
            format!("UPDATE roles SET active = true, permissions = '{{call:end}}' WHERE {role}"),
            shows("/me/permissions", json!(["call:end", "call:view"])),
        ),
        (format!("DELETE FROM roles WHERE {role}"), shows("/me/permissions", json!(["call:view"]))),
        ("DELETE FROM user_roles".to_owned(), shows("/me/roles", json!([]))),
        (
            format!(
                "INSERT INTO user_roles (user_id, role_id) SELECT '{id}', id FROM roles WHERE name = 'SYSTEM_ADMIN'"
            ),
            shows("/me/roles/0/name", json!("SYSTEM_ADMIN")),
        ),
        ("TRUNCATE user_roles".to_owned(), shows("/me/permissions", json!([]))),
    ] {
        if sql.contains("'h-3'") {
            two.by_hand("INSERT INTO hotels (id, name, pms_type) VALUES ('h-3', 'Third', 'mews')").await;
        }
        for client in [&one, &other] {
            assert_ne!(from_memory(client, ME).await.data("").pointer(pointer), Some(&value), "{sql}");
        }
        two.by_hand(&sql).await;
        for client in [&one, &other] {
            within_a_second(&sql, async || client.query(ME).await.data("").pointer(pointer) == Some(&value)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_put_out_by_hand_is_out_everywhere_within_a_second() {
    let two = Two::start().await;
    for (n, sql) in [
        "UPDATE user_sessions SET revoked = true, revoked_at = now()",
        "UPDATE user_sessions SET active = false",
        "UPDATE user_sessions SET expires_at = now() - interval '1 second'",
        "DELETE FROM user_sessions",
        "TRUNCATE user_sessions",
        "UPDATE users SET active = false WHERE email LIKE 'p%@h.test'",
        "DELETE FROM users WHERE email LIKE 'p%@h.test'",
        "TRUNCATE users CASCADE",
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("p{n}@h.test");
        two.first.user(&email).role("HOTEL_STAFF").hotel("hotel-001").create().await;
        let (one, other) = (two.first.signed_in(&email).await, two.second.signed_in(&email).await);
        from_memory(&one, ME).await;
        from_memory(&other, ME).await;
        two.by_hand(sql).await;
        for client in [&one, &other] {
            within_a_second(sql, async || !client.is_signed_in().await).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_changes_it_knows_at_once_and_the_others_within_a_second() {
    let two = Two::start().await;
    let admin = two.first.admin().await;
    let id = two.first.user("a@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    let id = format!("user:{id}");
    let guest = admin.query("{ role(by: {name: \"GUEST_USER\"}) { id } }").await.data("/role/id").clone();
    let hotel = json!({ "id": "hotel:hotel-001", "name": "Renamed" });
    let changes: [(&str, Value, &str, Value); 4] = [
        ("updateUser", json!({ "id": id, "firstName": "Ada" }), "/me/firstName", json!("Ada")),
        ("assignRoles", json!({ "users": [id], "roles": [guest] }), "/me/roles/0/name", json!("GUEST_USER")),
        ("updateHotel", hotel, "/me/hotels/nodes/0/name", json!("Renamed")),
        ("unassignHotels", json!({ "users": [id], "hotels": ["hotel:hotel-001"] }), "/me/hotels/totalCount", json!(0)),
    ];
    let (one, other) = (two.first.signed_in("a@h.test").await, two.second.signed_in("a@h.test").await);
    for (mutation, input, pointer, value) in changes {
        from_memory(&one, ME).await;
        from_memory(&other, ME).await;
        Client::done(&admin.mutate(mutation, input, "").await, mutation);
        assert_eq!(one.query(ME).await.data("").pointer(pointer), Some(&value), "{mutation}");
        within_a_second(mutation, async || other.query(ME).await.data("").pointer(pointer) == Some(&value)).await;
    }
    // Of a role, which all its holders hold.
    let input = json!({ "name": "PORTER", "displayName": "Porter", "permissions": ["call:view"] });
    let porter = admin.mutate("createRole", input, "role { id }").await.data("/createRole/role/id").clone();
    Client::done(&admin.mutate("assignRoles", json!({ "users": [id], "roles": [porter] }), "").await, "assignRoles");
    from_memory(&one, ME).await;
    from_memory(&other, ME).await;
    let input = json!({ "id": porter, "permissions": ["call:end"] });
    Client::done(&admin.mutate("updateRole", input, "").await, "updateRole");
    let granted =
        async |client: &Client| client.query(ME).await.data("/me/permissions").to_string().contains("call:end");
    assert!(granted(&one).await);
    within_a_second("updateRole", async || granted(&other).await).await;
    // And the end: of one session, by the other server; of all, by an administrator.
    let third = two.second.signed_in("a@h.test").await;
    from_memory(&third, ME).await;
    let session = third.query("{ currentSession { id } }").await.data("/currentSession/id").clone();
    Client::done(&admin.mutate("revokeSession", json!({ "id": session }), "").await, "revokeSession");
    within_a_second("revokeSession", async || !third.is_signed_in().await).await;
    Client::done(&admin.mutate("deactivateUser", json!({ "id": id }), "").await, "deactivateUser");
    assert!(!one.is_signed_in().await, "at once");
    within_a_second("deactivateUser", async || !other.is_signed_in().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_api_key_is_refused_everywhere_within_a_second() {
    const WHO: &str = "{ viewer { __typename } }";
    let two = Two::start().await;
    let admin = two.first.admin().await;
    for by_hand in [None, Some("UPDATE api_keys SET active = false, revoked_at = now()"), Some("DELETE FROM api_keys")]
    {
        let input =
            json!({ "name": "Key", "serviceName": "service", "permissions": ["user:view"], "hotelScope": "ALL" });
        let made = admin.mutate("createApiKey", input, "secret apiKey { id }").await;
        let secret = made.data("/createApiKey/secret").as_str().expect("a key").to_owned();
        let clients = [&two.first, &two.second].map(|app| app.anonymous().with_header("x-api-key", &secret));
        // What the key itself is, the database is asked; who it is, only the first time.
        let checks = "{ checkAccess(checks: []) { allowed } }";
        for client in &clients {
            client.query(WHO).await.data("/viewer/__typename");
            assert_eq!(from_memory(client, checks).await.data("/checkAccess"), &json!([]));
        }
        if let Some(sql) = by_hand {
            two.by_hand(sql).await;
        } else {
            let id = made.data("/createApiKey/apiKey/id");
            Client::done(&admin.mutate("revokeApiKey", json!({ "id": id }), "").await, "revokeApiKey");
            assert_eq!(clients[0].query(checks).await.status.as_u16(), 401, "at once");
        }
        for client in &clients {
            within_a_second("refused", async || client.query(checks).await.status.as_u16() == 401).await;
        }
    }
}

/// A server that hears of changes through a proxy, and a user of it.
async fn behind_a_proxy() -> (Proxy, TestApp, Client) {
    let database = Arc::new(TestDatabase::create().await);
    let proxy = Proxy::before(&database.options).await;
    let mut setup = Setup::usual();
    setup.connect = Some(proxy.options(&database.options));
    let app = TestApp::start_on(database, setup).await;
    app.hears_changes().await;
    app.user("a@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    let client = app.signed_in("a@h.test").await;
    (proxy, app, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_request_asks_the_database_nothing() {
    let (proxy, app, client) = behind_a_proxy().await;
    from_memory(&client, ME).await;
    // What was given back may still be on its way.
    let quiet = async || {
        let before = proxy.trips();
        tokio::time::sleep(Duration::from_millis(20)).await;
        proxy.trips() == before
    };
    eventually("nothing is on its way", quiet).await;
    let before = proxy.trips();
    for _ in 0..20 {
        assert_eq!(client.query(ME).await.data("/me/roles/0/name"), "HOTEL_STAFF");
    }
    assert_eq!(proxy.trips(), before);
    // What every sign-in changes is asked for, and as it is.
    app.anonymous().try_sign_in("a@h.test", "wrong").await;
    assert_eq!(client.query("{ me { failedLoginAttempts locked } }").await.data("/me/failedLoginAttempts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_falls_silent_is_noticed_and_what_was_remembered_forgotten() {
    let (proxy, app, client) = behind_a_proxy().await;
    from_memory(&client, ME).await;
    proxy.deafen_to_changes();
    app.database
        .superuser
        .execute("UPDATE users SET first_name = 'Ada' WHERE email = 'a@h.test'")
        .await
        .expect("updated");
    within_a_second("nothing was told, and yet it shows", async || {
        client.query(ME).await.data("/me/firstName") == "Ada"
    })
    .await;
    assert!(!app.identity.database().changes().is_trusted());
    // As long as it lasts, the database is asked every time; nothing that happens meanwhile is missed.
    app.database
        .superuser
        .execute("UPDATE users SET first_name = 'Bea' WHERE email = 'a@h.test'")
        .await
        .expect("updated");
    assert_eq!(client.query(ME).await.data("/me/firstName"), "Bea");
    app.database.superuser.execute("UPDATE hotels SET name = 'Elsewhere'").await.expect("updated");
    assert_eq!(client.query(ME).await.data("/me/hotels/nodes/0/name"), "Elsewhere");
    app.database.superuser.execute("UPDATE user_sessions SET revoked = true").await.expect("updated");
    assert!(!client.is_signed_in().await);
    proxy.restore();
    let client = app.signed_in("a@h.test").await;
    from_memory(&client, ME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_was_cut_off_is_made_anew() {
    let (_proxy, app, client) = behind_a_proxy().await;
    from_memory(&client, ME).await;
    let database = app.text("SELECT current_database()::text").await.expect("a name");
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'voicehive changes' AND datname = current_database()";
    // Nobody may connect any more; who is connected goes on.
    let mut elsewhere =
        PgConnection::connect_with(&app.database.options.clone().username("postgres").database("postgres"))
            .await
            .expect("connected");
    let mut let_connect = async |whether: bool| {
        let sql = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS {whether}");
        elsewhere.execute(AssertSqlSafe(sql)).await.expect("altered");
    };
    // As many as a request may want while others are on their way back.
    let all = (0..5).map(|_| app.identity.database().background());
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    let_connect(false).await;
    app.database.superuser.execute(others).await.expect("ended");
    app.database
        .superuser
        .execute("UPDATE users SET first_name = 'Ada' WHERE email = 'a@h.test'")
        .await
        .expect("updated");
    within_a_second("it shows", async || client.query(ME).await.data("/me/firstName") == "Ada").await;
    let_connect(true).await;
    from_memory(&client, ME).await;
    app.database
        .superuser
        .execute("UPDATE users SET first_name = 'Bea' WHERE email = 'a@h.test'")
        .await
        .expect("updated");
    within_a_second("it is heard again", async || client.query(ME).await.data("/me/firstName") == "Bea").await;
}
