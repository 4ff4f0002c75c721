//! API keys: how they are made, what they open, and how they end.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Answer, Client, Setup, TestApp, eventually, sha256};

const KEY: &str =
    "apiKey { id name serviceName prefix permissions hotelScope hotels { totalCount nodes { pmsHotelId } }
    active createdAt lastUsedAt expiresAt revokedAt } secret";

/// Makes a key; its id and itself.
async fn make(client: &Client, input: Value) -> (String, String) {
    let made = client.mutate("createApiKey", input, KEY).await;
    Client::done(&made, "createApiKey");
    let text = |pointer: &str| made.data(pointer).as_str().expect("a text").to_owned();
    (text("/createApiKey/apiKey/id"), text("/createApiKey/secret"))
}

fn input(permissions: &[&str], hotels: &[&str]) -> Value {
    json!({ "name": "Orchestrator", "serviceName": "orchestrator", "permissions": permissions,
            "hotelScope": if hotels.is_empty() { "ALL" } else { "ASSIGNED" }, "hotels": hotels })
}

fn with_key(app: &TestApp, key: &str) -> Client {
    app.anonymous().with_header("x-api-key", key)
}

async fn emails(client: &Client) -> Vec<String> {
    client.query("{ users(orderBy: {field: EMAIL}) { nodes { email } } }").await.texts("/users/nodes", "/email")
}

#[tokio::test]
async fn a_key_is_shown_once_and_is_who_it_says() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.mutate("createApiKey", input(&["user:view", "call:start"], &["hotel:hotel-001"]), KEY).await;
    Client::done(&made, "createApiKey");
    let key = made.data("/createApiKey/apiKey");
    let secret = made.data("/createApiKey/secret").as_str().expect("the key");
    assert_eq!(
        (key["permissions"].clone(), &key["hotelScope"]),
        (json!(["call:start", "user:view"]), &json!("ASSIGNED"))
    );
    assert_eq!(key["hotels"], json!({ "totalCount": 1, "nodes": [{ "pmsHotelId": "hotel-001" }] }));
    assert_eq!((&key["active"], &key["lastUsedAt"]), (&json!(true), &json!(null)));
    let until = key["expiresAt"].as_str().expect("every key has an end");
    let until: chrono::DateTime<chrono::Utc> = until.parse().expect("a time");
    assert_eq!((until - app.clock.now()).num_days(), 364, "less than a year from now");
    assert!(secret.starts_with(key["prefix"].as_str().expect("a prefix")) && secret.len() == 50, "{secret}");
    let stored = app.text("SELECT encode(secret_hash, 'hex') FROM api_keys").await.expect("a digest");
    assert_eq!(stored, sha256(secret));
    for table in ["api_keys", "audit_events"] {
        let kept = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{secret}%'");
        assert_eq!(app.count(&kept).await, 0, "{table}");
    }

    let who = "{ viewer { __typename ... on ApiKey { id serviceName active } } me { id } currentSession { id } }";
    for client in [
        with_key(&app, secret),
        app.anonymous().with_header("authorization", &format!("ApiKey {secret}")),
        app.anonymous().with_header("authorization", &format!("apikey  {secret} ")),
    ] {
        let answer = client.query(who).await;
        assert_eq!(
            answer.data("/viewer"),
            &json!({ "__typename": "ApiKey", "id": key["id"], "serviceName": "orchestrator", "active": true })
        );
        assert_eq!((answer.data("/me"), answer.data("/currentSession")), (&Value::Null, &Value::Null));
    }
    // It sees itself, by id too, and no other key.
    let (other, _) = make(&admin, input(&["user:view"], &[])).await;
    let client = with_key(&app, secret);
    let ids = format!("{{ nodes(ids: [{}, \"{other}\"]) {{ id }} }}", key["id"]);
    assert_eq!(client.query(&ids).await.data("/nodes"), &json!([{ "id": key["id"] }, null]));
    assert_eq!(client.query("{ apiKeys { totalCount } }").await.code(), "FORBIDDEN");
    let listed = admin.query("{ apiKeys { totalCount nodes { id } pageInfo { endCursor } } }").await;
    assert_eq!(listed.texts("/apiKeys/nodes", "/id"), [other.as_str(), key["id"].as_str().expect("an id")]);
    let after = json!({ "first": 1, "after": admin.query("{ apiKeys(first: 1) { pageInfo { endCursor } } }").await.data("/apiKeys/pageInfo/endCursor") });
    let page = "query($first: Int, $after: String) { apiKeys(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage } } }";
    let page = admin.graphql(page, after).await;
    assert_eq!(page.data("/apiKeys"), &json!({ "nodes": [{ "id": key["id"] }], "pageInfo": { "hasNextPage": false } }));
    assert_eq!(
        app.count("SELECT count(*) FROM audit_events WHERE type = 'api_key_created' AND actor LIKE 'user:%'").await,
        2
    );
}

#[tokio::test]
async fn keys_that_are_not_honoured_are_refused_alike() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (id, revoked) = make(&admin, input(&["user:view"], &[])).await;
    let mut short = input(&["user:view"], &[]);
    short["expiresAt"] = json!((app.clock.now() + chrono::TimeDelta::seconds(60)).to_rfc3339());
    let (_, expired) = make(&admin, short).await;
    let (_, good) = make(&admin, input(&["user:view"], &[])).await;
    assert_eq!(with_key(&app, &expired).query("{ users { totalCount } }").await.status, 200);
    app.clock.advance(Duration::from_secs(61));
    let revoke = json!({ "id": id, "reason": "it was in a chat" });
    let done = admin.mutate("revokeApiKey", revoke.clone(), "apiKey { active revokedAt }").await;
    Client::done(&done, "revokeApiKey");
    assert_eq!(done.data("/revokeApiKey/apiKey/active"), false);
    let again = admin.mutate("revokeApiKey", revoke, "apiKey { revokedAt }").await;
    assert_eq!(again.data("/revokeApiKey/apiKey/revokedAt"), done.data("/revokeApiKey/apiKey/revokedAt"));
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'api_key_revoked'").await, 1);

    let unknown = format!("{}{}", &good[..49], if good.ends_with('a') { 'b' } else { 'a' });
    let mut told = Vec::new();
    for key in [revoked.as_str(), &expired, &unknown, &good[..30], "vhh_", "", "nonsense", &"x".repeat(5000)] {
        let client = with_key(&app, key);
        let answer = client.query("{ users { totalCount } }").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "UNAUTHENTICATED"), "{key:.60}: {}", answer.body);
        told.push(answer.body["errors"].to_string());
        assert_eq!(client.get("/auth/api-keys").await.status, 401);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(with_key(&app, &good).query("{ users { totalCount } }").await.status, 200);
    // Two credentials: which of them is meant?
    let both = admin.clone().with_header("x-api-key", &good).query("{ viewer { __typename } }").await;
    assert_eq!((both.status.as_u16(), both.code(), both.argument()), (400, "BAD_USER_INPUT", "X-API-Key"));
    // Signing in looks at none.
    with_key(&app, "nonsense").sign_in("admin@voicehive-hotels.eu", "admin123").await;
}

#[tokio::test]
async fn nobody_gives_a_key_what_they_do_not_hold() {
    keys_stay_in_reach(Setup::usual()).await;
}

#[tokio::test]
async fn row_level_security_alone_keeps_keys_in_reach() {
    let mut setup = Setup::usual();
    setup.row_security_alone = true;
    keys_stay_in_reach(setup).await;
}

async fn keys_stay_in_reach(setup: Setup) {
    let app = TestApp::start_with(setup).await;
    app.hotel("hotel-002", "Elsewhere").await;
    app.sql(
        "INSERT INTO roles (id, name, display_name, permissions)
         VALUES (gen_random_uuid(), 'KEYMAKER', 'x', '{system:admin,user:view,call:view}')",
    )
    .await;
    app.user("local@h.test").role("KEYMAKER").hotel("hotel-001").create().await;
    app.user("chief@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    let (admin, local) = (app.admin().await, app.signed_in("local@h.test").await);
    let chief = app.signed_in("chief@h.test").await;
    let refusals = async |client: &Client, input: Value| {
        client.mutate("createApiKey", input, "secret").await.refusals("createApiKey")
    };
    let here = ["hotel:hotel-001"];
    for (input, refusal) in [
        (input(&["user:update"], &here), "PRIVILEGE_ESCALATION permissions"),
        (input(&["user:view"], &[]), "PRIVILEGE_ESCALATION hotelScope"),
        (input(&["user:view"], &["hotel:hotel-002"]), "NOT_FOUND hotels"),
        (input(&["user:view"], &["hotel:hotel-001", "hotel:hotel-003"]), "NOT_FOUND hotels"),
    ] {
        assert_eq!(refusals(&local, input.clone()).await, [refusal], "{input}");
    }
    let mut wrong = input(&["user:fly"], &["hotel:hotel-001", "hotel:hotel-001"]);
    (wrong["name"], wrong["expiresAt"]) = (json!(" "), json!("2020-01-01T00:00:00Z"));
    assert_eq!(
        refusals(&local, wrong).await,
        [
            "INVALID_VALUE name",
            "INVALID_VALUE permissions",
            "INVALID_VALUE hotels",
            "INVALID_VALUE hotels",
            "INVALID_VALUE expiresAt"
        ]
    );
    // With an offset that carries it past what can be told.
    for never in ["9999-12-31T23:30:00-01:00", "9999-12-31T23:59:59-00:01"] {
        let mut endless = input(&["user:view"], &here);
        endless["expiresAt"] = json!(never);
        assert_eq!(refusals(&local, endless).await, ["INVALID_VALUE expiresAt"], "{never}");
    }
    let mut all_and_some = input(&["user:view"], &here);
    all_and_some["hotelScope"] = json!("ALL");
    assert_eq!(refusals(&admin, all_and_some).await, ["INVALID_VALUE hotels"]);
    assert_eq!(chief.mutate("createApiKey", input(&["user:view"], &here), "secret").await.code(), "FORBIDDEN");
    let (mine, key) = make(&local, input(&["user:view", "system:admin"], &here)).await;

    // Keys of elsewhere and of everywhere are out of sight, and so are not revoked.
    let (elsewhere, _) = make(&admin, input(&["user:view"], &["hotel:hotel-002"])).await;
    let (everywhere, _) = make(&admin, input(&["user:view"], &[])).await;
    let (both, _) = make(&admin, input(&["user:view"], &["hotel:hotel-001", "hotel:hotel-002"])).await;
    let (of_admin, _) = make(&admin, input(&["user:update"], &here)).await;
    let listed = local.query("{ apiKeys { totalCount nodes { id } } }").await;
    assert_eq!(listed.texts("/apiKeys/nodes", "/id"), [of_admin.as_str(), mine.as_str()]);
    assert_eq!(listed.data("/apiKeys/totalCount"), 2);
    for id in [&elsewhere, &everywhere, &both] {
        let refused = local.mutate("revokeApiKey", json!({ "id": id }), "apiKey { id }").await;
        assert_eq!(refused.refusals("revokeApiKey"), ["NOT_FOUND id"]);
        assert_eq!(
            local.graphql("query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await.data("/node"),
            &Value::Null
        );
    }
    // A key with system:admin makes no keys, and revokes none.
    let client = with_key(&app, &key);
    assert_eq!(client.mutate("createApiKey", input(&["user:view"], &here), "secret").await.code(), "FORBIDDEN");
    assert_eq!(client.mutate("revokeApiKey", json!({ "id": mine }), "apiKey { id }").await.code(), "FORBIDDEN");
    assert_eq!(
        client.mutate("createRole", json!({ "name": "MINE", "displayName": "x" }), "role { id }").await.code(),
        "FORBIDDEN"
    );
    assert_eq!(
        app.count("SELECT count(*) FROM audit_events WHERE type = 'change_refused' AND actor LIKE 'apikey:%'").await,
        3
    );
    let tried = local
        .query("{ auditEvents(filter: {types: [\"change_refused\"]}) { nodes { actor { __typename } actorId } } }")
        .await;
    assert_eq!(tried.data("/auditEvents/nodes/0"), &json!({ "actor": { "__typename": "ApiKey" }, "actorId": mine }));
    Client::done(&local.mutate("revokeApiKey", json!({ "id": of_admin }), "apiKey { id }").await, "revokeApiKey");
}

/// Whom a key made an administrator would be there when the key has been revoked.
#[tokio::test]
async fn a_key_with_every_permission_makes_no_administrators() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let all = admin.query("{ permissions { name } }").await.texts("/permissions", "/name");
    let (_, key) = make(&admin, input(&all.iter().map(String::as_str).collect::<Vec<_>>(), &[])).await;
    let key = with_key(&app, &key);
    let role = async |name: &str| {
        admin.query(&format!("{{ role(by: {{name: \"{name}\"}}) {{ id }} }}")).await.data("/role/id").clone()
    };
    let (mighty, harmless) = (role("SYSTEM_ADMIN").await, role("HOTEL_STAFF").await);
    let new = |role: &Value| json!({ "email": "new@h.test", "roles": [role] });
    let refused = key.mutate("createUser", new(&mighty), "user { id }").await;
    assert_eq!(refused.refusals("createUser"), ["PRIVILEGE_ESCALATION roles"]);
    let made = key.mutate("createUser", new(&harmless), "user { id }").await;
    Client::done(&made, "createUser");
    let id = made.data("/createUser/user/id");
    let given = key.mutate("assignRoles", json!({ "users": [id], "roles": [mighty] }), "users { id }").await;
    assert_eq!(given.refusals("assignRoles"), ["PRIVILEGE_ESCALATION roles"]);
    let admins = admin.query("{ me { id } }").await.data("/me/id").clone();
    let reset = key.mutate("resetUserPassword", json!({ "id": admins }), "temporaryPassword").await;
    assert_eq!(reset.code(), "FORBIDDEN");
    let new_role = json!({ "name": "MINE", "displayName": "x", "permissions": ["user:view"] });
    assert_eq!(key.mutate("createRole", new_role, "role { id }").await.code(), "FORBIDDEN");
    // What it was given to look at, it sees.
    assert!(key.query("{ auditEvents { totalCount } }").await.data("/auditEvents/totalCount").as_i64() > Some(0));
}

/// Whoever has a key gets into nobody's account by it.
#[tokio::test]
async fn a_key_changes_no_credentials() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let rights = ["user:view", "user:create", "user:update", "call:view", "call:start", "hotel:view"];
    let (_, key) = make(&admin, input(&rights, &["hotel:hotel-001"])).await;
    let key = with_key(&app, &key);
    let id = format!("user:{}", app.user("łukasz@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
    let hash = "SELECT password_hash FROM users WHERE email = 'łukasz@h.test'";
    let before = app.text(hash).await;
    for new_password in [json!(null), json!("harbour lamp nine")] {
        let reset = json!({ "id": id, "newPassword": new_password });
        assert_eq!(key.mutate("resetUserPassword", reset, "temporaryPassword").await.code(), "FORBIDDEN");
    }
    let vouching = json!({ "id": id, "email": "mine@h.test", "emailVerified": true });
    assert_eq!(
        key.mutate("updateUser", vouching, "").await.refusals("updateUser"),
        ["PRIVILEGE_ESCALATION emailVerified"]
    );
    assert_eq!(app.text(hash).await, before);
    let with_password = json!({ "email": "new@h.test", "hotels": ["hotel:hotel-001"], "password": "harbour lamp nine", "emailVerified": true });
    let refused = key.mutate("createUser", with_password.clone(), "").await;
    assert_eq!(refused.refusals("createUser"), ["PRIVILEGE_ESCALATION password"]);
    let mut without = with_password;
    without["password"] = json!(null);
    let made = key
        .mutate("createUser", without, "user { id mustChangePassword } temporaryPassword temporaryPasswordExpiresAt")
        .await;
    Client::done(&made, "createUser");
    assert_eq!(made.data("/createUser/temporaryPassword"), &Value::Null);
    assert_eq!(made.data("/createUser/temporaryPasswordExpiresAt"), &Value::Null);
    // A person sets one.
    let reset = json!({ "id": made.data("/createUser/user/id") });
    let reset = admin.mutate("resetUserPassword", reset, "temporaryPassword").await;
    let password = reset.data("/resetUserPassword/temporaryPassword").as_str().expect("a password").to_owned();
    app.anonymous().sign_in("new@h.test", &password).await;
}

/// A key ends with its maker, and with what its maker may do; on every server at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_not_outlive_its_maker() {
    let app = TestApp::start().await;
    app.hears_changes().await;
    let admin = app.admin().await;
    app.hotel("hotel-002", "Łódź").await;
    let maker = app.user("özlem@h.test").role("SYSTEM_ADMIN").everywhere().hotel("hotel-001").create().await;
    let (_, key) =
        make(&app.signed_in("özlem@h.test").await, input(&["user:view", "call:view"], &["hotel:hotel-001"])).await;
    let (_, other) = make(&admin, input(&["user:view"], &[])).await;
    let (key, other) = (with_key(&app, &key), with_key(&app, &other));
    let honoured = async || key.query("{ viewer { __typename } }").await.status == 200;
    let owner = admin.query("{ apiKeys { nodes { owner { email } } } }").await;
    assert_eq!(owner.texts("/apiKeys/nodes", "/owner/email"), ["admin@voicehive-hotels.eu", "özlem@h.test"]);
    let by_hand = async |sql: &str| {
        use sqlx::Executor;
        app.database.superuser.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.expect("done");
    };
    let mine = format!("user_id = '{maker}'");
    for (taken, given) in [
        (
            format!("UPDATE users SET active = false WHERE id = '{maker}'"),
            format!("UPDATE users SET active = true WHERE id = '{maker}'"),
        ),
        (
            format!("UPDATE users SET email_verified = false WHERE id = '{maker}'"),
            format!("UPDATE users SET email_verified = true WHERE id = '{maker}'"),
        ),
        (
            format!("DELETE FROM user_roles WHERE {mine}"),
            format!(
                "INSERT INTO user_roles (user_id, role_id) SELECT '{maker}', id FROM roles WHERE name = 'SYSTEM_ADMIN'"
            ),
        ),
        (
            "UPDATE roles SET permissions = array_remove(permissions, 'call:view') WHERE name = 'SYSTEM_ADMIN'"
                .to_owned(),
            "UPDATE roles SET permissions = array_append(permissions, 'call:view') WHERE name = 'SYSTEM_ADMIN'"
                .to_owned(),
        ),
        (
            format!(
                "UPDATE users SET hotel_scope = 'ASSIGNED' WHERE id = '{maker}'; UPDATE user_hotels SET hotel_id = 'hotel-002' WHERE {mine}"
            ),
            format!("UPDATE user_hotels SET hotel_id = 'hotel-001' WHERE {mine}"),
        ),
    ] {
        eventually("it is honoured", async || honoured().await).await;
        assert!(honoured().await, "from memory");
        by_hand(&taken).await;
        eventually("it is refused", async || !honoured().await).await;
        by_hand(&given).await;
    }
    eventually("it is honoured", async || honoured().await).await;
    Client::done(&admin.mutate("deleteUser", json!({ "id": format!("user:{maker}") }), "").await, "deleteUser");
    assert!(!honoured().await, "at once");
    assert_eq!(other.query("{ viewer { __typename } }").await.status, 200);
}

/// The second wall: a key that was made only ever ends, whatever a statement says.
#[tokio::test]
async fn no_statement_widens_a_key() {
    use sqlx::Executor;
    let app = TestApp::start().await;
    let admin = app.admin().await;
    make(&admin, input(&["user:view"], &["hotel:hotel-001"])).await;
    let as_admin = "BEGIN; SET LOCAL ROLE voicehive_app; SELECT set_config('app.principal', 'user', true),
        set_config('app.user_id', (SELECT id::text FROM users WHERE email LIKE 'admin@%'), true), set_config('app.all_hotels', 'true', true),
        set_config('app.see_api_keys', 'true', true), set_config('app.writes', 'api_keys', true)";
    let id = app.text("SELECT id::text FROM users WHERE email LIKE 'admin@%'").await.expect("an id");
    let as_admin = as_admin.replace("(SELECT id::text FROM users WHERE email LIKE 'admin@%')", &format!("'{id}'"));
    for (change, allowed) in [
        ("hotel_scope = 'ALL'", false),
        ("permissions = '{system:admin}'", false),
        ("secret_hash = 'x'", false),
        ("expires_at = NULL", false),
        ("last_used_at = now()", false),
        ("active = true, revoked_at = NULL", false),
        ("active = false, revoked_at = now(), revoke_reason = 'x'", true),
        ("active = true, revoked_at = NULL", false),
    ] {
        let mut connection = app.database.superuser.acquire().await.expect("a connection");
        connection.execute(sqlx::AssertSqlSafe(as_admin.clone())).await.expect("begun");
        let done = connection.execute(sqlx::AssertSqlSafe(format!("UPDATE api_keys SET {change}"))).await;
        assert_eq!(done.as_ref().is_ok_and(|done| done.rows_affected() == 1), allowed, "{change}: {done:?}");
        connection.execute(if allowed { "COMMIT" } else { "ROLLBACK" }).await.expect("ended");
    }
}

#[tokio::test]
async fn an_address_that_sends_many_bad_keys_is_not_looked_at_for_a_while() {
    let mut setup = Setup::usual();
    setup.settings.throttle.failed_api_keys_per_minute = std::num::NonZeroU32::new(3).expect("some");
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    let (_, good) = make(&admin, input(&["user:view"], &[])).await;
    let from = |address: &str, key: &str| with_key(&app, key).with_header("x-forwarded-for", address);
    let ask = json!({ "subject": { "type": "user", "id": "x" }, "action": { "name": "x" }, "resource": { "type": "hotel", "id": "x" } });
    for status in [401, 401, 401, 401, 429] {
        let answer = from("192.0.2.1", "bad").post("/access/v1/evaluation", ask.clone()).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.headers.contains_key("ratelimit"), "strangers' requests are counted");
    }
    let barred = from("192.0.2.1", &good).query("{ viewer { __typename } }").await;
    assert_eq!((barred.status.as_u16(), barred.code()), (429, "RATE_LIMITED"));
    assert!(barred.headers.contains_key("retry-after"));
    assert_eq!(from("192.0.2.2", &good).query("{ viewer { __typename } }").await.status, 200);
    assert!(admin.with_header("x-forwarded-for", "192.0.2.1").is_signed_in().await, "people are not asked for a key");
}

/// What a key may see and do, behind both walls and behind row-level security alone.
#[tokio::test]
async fn a_key_sees_and_changes_what_it_was_made_for() {
    for row_security_alone in [false, true] {
        let mut setup = Setup::usual();
        setup.row_security_alone = row_security_alone;
        let app = TestApp::start_with(setup).await;
        app.hotel("hotel-002", "Elsewhere").await;
        app.user("here@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
        let both = app.user("both@h.test").hotel("hotel-001").hotel("hotel-002").create().await;
        app.user("elsewhere@h.test").role("HOTEL_STAFF").hotel("hotel-002").create().await;
        let admin = app.admin().await;
        let rights =
            ["user:view", "user:create", "user:update", "user:delete", "call:view", "call:start", "hotel:view"];
        let (_, here) = make(&admin, input(&rights, &["hotel:hotel-001"])).await;
        let (_, blind) = make(&admin, input(&["call:view"], &["hotel:hotel-001"])).await;
        let (_, everywhere) = make(&admin, input(&["user:view"], &[])).await;
        let (_, blind_everywhere) = make(&admin, input(&["call:view"], &[])).await;
        let (here, blind) = (with_key(&app, &here), with_key(&app, &blind));
        assert_eq!(emails(&here).await, ["both@h.test", "here@h.test", "manager@hotel1.com"]);
        assert_eq!(emails(&with_key(&app, &everywhere)).await.len(), 6);
        for client in [&blind, &with_key(&app, &blind_everywhere)] {
            assert_eq!(emails(client).await, [] as [&str; 0], "people are seen by those who hold user:view");
        }
        let hotels =
            "{ hotels { nodes { pmsHotelId users { totalCount } } } roles { totalCount } sessions { totalCount } }";
        let answer = blind.query(hotels).await;
        assert_eq!(answer.data("/hotels/nodes"), &json!([{ "pmsHotelId": "hotel-001", "users": { "totalCount": 0 } }]));
        assert_eq!(answer.data("/sessions/totalCount"), 0);
        assert_eq!(here.query(hotels).await.data("/hotels/nodes/0/users/totalCount"), 3);
        let assigned = "{ user(by: {email: \"both@h.test\"}) { hotels { nodes { pmsHotelId } } } }";
        assert_eq!(here.query(assigned).await.data("/user/hotels/nodes"), &json!([{ "pmsHotelId": "hotel-001" }]));

        // It makes a user, and is written down as who did.
        let role = admin.query("{ role(by: {name: \"HOTEL_STAFF\"}) { id } }").await.data("/role/id").clone();
        let new = json!({ "email": "new@h.test", "roles": [role], "hotels": ["hotel:hotel-001"] });
        let made = here.mutate("createUser", new, "user { id createdBy { id } }").await;
        Client::done(&made, "createUser");
        let id = made.data("/createUser/user/id");
        assert_eq!(made.data("/createUser/user/createdBy"), &Value::Null);
        let renamed = here.mutate("updateUser", json!({ "id": id, "firstName": "New" }), "user { firstName }").await;
        assert_eq!(renamed.data("/updateUser/user/firstName"), "New");
        let beyond =
            here.mutate("updateUser", json!({ "id": format!("user:{both}"), "firstName": "x" }), "user { id }").await;
        assert_eq!(beyond.refusals("updateUser"), ["PRIVILEGE_ESCALATION id"]);
        let ended = here.mutate("revokeUserSessions", json!({ "user": id }), "revokedSessions").await;
        assert_eq!(ended.data("/revokeUserSessions/revokedSessions"), 0);
        Client::done(&here.mutate("deleteUser", json!({ "id": id }), "deletedId").await, "deleteUser");
        let by_key = "SELECT count(*) FROM audit_events WHERE actor LIKE 'apikey:%' AND outcome = 'SUCCESS'";
        assert_eq!(app.count(by_key).await, 3);
        // What is a person's alone.
        for (mutation, input) in [
            ("changePassword", json!({ "currentPassword": "x", "newPassword": "y", "revokeOtherSessions": true })),
            ("logout", json!({ "allSessions": true })),
        ] {
            let refused = here
                .graphql(
                    &format!(
                        "mutation($input: {}Input!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}",
                        upper(mutation)
                    ),
                    json!({ "input": input }),
                )
                .await;
            assert_eq!(refused.code(), "FORBIDDEN", "{mutation}: {}", refused.body);
        }
        assert_eq!(here.get("/auth/me").await.status, 403);
    }
}

fn upper(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[tokio::test]
async fn the_last_use_is_written_down_at_most_once_a_minute() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (_, key) = make(&admin, input(&["user:view"], &[])).await;
    let client = with_key(&app, &key);
    let used = async || {
        client.query("{ viewer { __typename } }").await.data("/viewer");
        app.identity.write_last_uses().await.expect("written");
        app.text("SELECT last_used_at::text FROM api_keys").await
    };
    let first = used().await.expect("written down");
    app.clock.advance(Duration::from_secs(30));
    assert_eq!(used().await.as_ref(), Some(&first));
    app.clock.advance(Duration::from_secs(31));
    assert!(used().await.is_some_and(|later| later > first));
}

#[tokio::test]
async fn a_key_has_requests_of_its_own() {
    let mut setup = Setup::usual();
    setup.settings.throttle.requests_per_api_key = std::num::NonZeroU32::new(3).expect("some");
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    let (_, one) = make(&admin, input(&["user:view"], &[])).await;
    let (_, other) = make(&admin, input(&["user:view"], &[])).await;
    let ask = async |key: &str| -> Answer { with_key(&app, key).query("{ viewer { __typename } }").await };
    for left in [2, 1, 0] {
        let answer = ask(&one).await;
        assert_eq!(answer.headers["ratelimit"].to_str().expect("text"), format!("\"requests\";r={left};t=0"));
    }
    assert_eq!(ask(&one).await.status, 429);
    assert_eq!(ask(&other).await.status, 200);
    assert!(admin.is_signed_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_while_it_changes_something_changes_nothing() {
    use sqlx::Executor;
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (id, key) = make(
        &admin,
        input(&["user:view", "user:update", "call:view", "call:start", "hotel:view"], &["hotel:hotel-001"]),
    )
    .await;
    let user = app.user("someone@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    let mut held = app.database.superuser.begin().await.expect("begun");
    held.execute(sqlx::AssertSqlSafe(format!("SELECT FROM users WHERE id = '{user}' FOR UPDATE")))
        .await
        .expect("locked");
    let client = with_key(&app, &key);
    let change = tokio::spawn(async move {
        client.mutate("updateUser", json!({ "id": format!("user:{user}"), "firstName": "x" }), "user { id }").await
    });
    eventually("it waits for the row", async || app.waits_for_a_lock().await).await;
    Client::done(&admin.mutate("revokeApiKey", json!({ "id": id }), "apiKey { id }").await, "revokeApiKey");
    held.rollback().await.expect("released");
    let refused = change.await.expect("answered");
    assert_eq!((refused.status.as_u16(), refused.code()), (401, "UNAUTHENTICATED"), "{}", refused.body);
    assert_eq!(app.count("SELECT count(*) FROM users WHERE first_name = 'x'").await, 0);
}

#[tokio::test]
async fn the_old_calls_make_list_and_revoke_keys() {
    let app = TestApp::start().await;
    app.user("chief@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    let (admin, chief) = (app.admin().await, app.signed_in("chief@h.test").await);
    let new = json!({ "name": "TTS", "service_name": "tts-router", "permissions": ["call:view", "call:start"], "expires_days": 30 });
    let made = admin.post("/auth/api-keys", new.clone()).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(made.headers["cache-control"], "no-store");
    for (field, value) in [
        ("name", json!("TTS")),
        ("service_name", json!("tts-router")),
        ("permissions", json!(["call:start", "call:view"])),
        ("hotel_ids", json!(null)),
    ] {
        assert_eq!(made.body[field], value, "{field}");
    }
    let key = made.body["api_key"].as_str().expect("the key");
    assert!(key.starts_with("vhh_") && made.body["created_at"].is_string() && made.body["expires_at"].is_string());
    assert_eq!(with_key(&app, key).query("{ viewer { __typename } }").await.data("/viewer/__typename"), "ApiKey");
    let second =
        json!({ "name": "Other", "service_name": "orchestrator", "permissions": [], "hotel_ids": ["hotel-001"] });
    let second = admin.post("/auth/api-keys", second).await;
    assert_eq!(
        (second.body["expires_at"].is_string(), &second.body["hotel_ids"]),
        (true, &json!(["hotel-001"])),
        "{}",
        second.body
    );

    let listed = admin.get("/auth/api-keys").await;
    assert_eq!(listed.body["api_keys"].as_array().map(Vec::len), Some(2));
    assert!(!listed.body.to_string().contains(key) && listed.body["api_keys"][0].get("api_key").is_none());
    let one = admin.get("/auth/api-keys?service_name=tts-router").await;
    assert_eq!(
        (one.body["api_keys"].as_array().map(Vec::len), &one.body["api_keys"][0]["active"]),
        (Some(1), &json!(true))
    );
    let id = made.body["api_key_id"].as_str().expect("an id").to_owned();
    let delete = async |client: &Client, id: &str| {
        client.send(client.http.delete(client.url(&format!("/auth/api-keys/{id}")))).await
    };
    for _ in 0..2 {
        let revoked = delete(&admin, &id).await;
        assert_eq!(
            (revoked.status.as_u16(), &revoked.body),
            (200, &json!({ "message": format!("API key {id} revoked successfully") }))
        );
    }
    let one = admin.get("/auth/api-keys?service_name=tts-router").await;
    assert_eq!(one.body["api_keys"][0]["active"], false);
    assert!(one.body["api_keys"][0]["revoked_at"].is_string());
    assert_eq!(with_key(&app, key).query("{ viewer { __typename } }").await.status, 401);

    for unknown in ["x", "01900000-0000-7000-8000-000000000001"] {
        assert_eq!(delete(&admin, unknown).await.status, 404);
    }
    for answer in
        [chief.post("/auth/api-keys", new.clone()).await, chief.get("/auth/api-keys").await, delete(&chief, &id).await]
    {
        assert_eq!((answer.status.as_u16(), &answer.body), (403, &json!({ "detail": "Not enough permissions" })));
    }
    let anonymous = app.anonymous();
    for answer in [
        anonymous.post("/auth/api-keys", new.clone()).await,
        anonymous.get("/auth/api-keys").await,
        delete(&anonymous, &id).await,
    ] {
        assert_eq!(answer.status, 401);
    }
    for (field, value) in
        [("name", json!("")), ("permissions", json!(["user:fly"])), ("expires_days", json!(-1)), ("name", json!(7))]
    {
        let mut wrong = new.clone();
        wrong[field] = value;
        let refused = admin.post("/auth/api-keys", wrong).await;
        assert_eq!(refused.status, 422, "{field}: {}", refused.body);
    }
}
