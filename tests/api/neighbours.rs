//! One user who has most of the sessions: no list of somebody else's, or of many people's at once, reads what is theirs. What the
//! lists of a hotel's and of a role's users read among many is looked at by `make plans`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{Client, Setup, TestApp, TestDatabase};

/// User 1 has signed in as often as all others together; all work at h-1, and one in fifty at one of the others too.
const WORLD: &str = "SET session_replication_role = replica;
    INSERT INTO hotels (id, name, pms_type) SELECT 'h-' || n, 'Hotel ' || n, 'mews' FROM generate_series(1, 30) n;
    INSERT INTO users (id, email, password_hash, first_name, last_name, email_verified, active, hotel_scope, created_at)
    SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'user' || n || '@h.test', 'x', 'Özlem', 'Åberg' || n % 1000,
           n % 1000 <> 1, n % 1000 <> 2, CASE WHEN n % 1000 = 3 THEN 'ALL' ELSE 'ASSIGNED' END, now() - n * interval '1 minute'
      FROM generate_series(1, 40000) n;
    INSERT INTO user_hotels (user_id, hotel_id, user_created_at)
    SELECT u.id, hotel, u.created_at FROM (SELECT *, row_number() OVER () n FROM users WHERE password_hash = 'x') u,
           unnest(ARRAY['h-1', CASE WHEN n % 50 = 0 THEN 'h-' || 2 + n / 50 % 29 END]) hotel WHERE hotel IS NOT NULL;
    INSERT INTO user_roles (user_id, role_id, user_created_at)
    SELECT u.id, r.id, u.created_at FROM users u JOIN roles r ON r.name = 'HOTEL_STAFF' WHERE u.password_hash = 'x';
    INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, rotated_at, created_at, accessed_at, expires_at, active)
    SELECT id, id::text, ('00000000-0000-7000-8000-' || lpad(to_hex(CASE WHEN n <= 40000 THEN n ELSE 1 END), 12, '0'))::uuid, gen_random_uuid(),
           gen_random_uuid(), now(), now() - n * interval '1 second', now(), now() - interval '1 hour', false
      FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 80000) n) new;
    SET session_replication_role = DEFAULT;
    ANALYZE";

const ROWS_READ: &str = "SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname LIKE 'user%')::bigint
                              + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname LIKE 'user%')::bigint";

/// How often each list is asked for: more often than PostgreSQL takes to settle for one plan.
const TIMES: usize = 7;
/// What a list may read: far less than the sessions that one user has.
const MAY_READ: i64 = 12_000;

const SESSIONS: [&str; 3] = [
    "query($f: SessionFilter) { users(first: 100) { nodes { sessions(first: 3, filter: $f) { nodes { id } } } } }",
    "query($f: SessionFilter) { me { sessions(first: 5, filter: $f) { nodes { id } totalCount(atMost: 9) } } }",
    "query($f: SessionFilter) { user(by: {email: \"user1@h.test\"}) { sessions(first: 5, filter: $f) { nodes { id } } } }",
];
fn questions() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for status in [Value::Null, json!("ACTIVE"), json!("REVOKED")] {
        let filter = if status.is_null() { json!({}) } else { json!({ "status": status }) };
        all.extend(SESSIONS.map(|list| (list, json!({ "f": filter }))));
    }
    all
}

#[tokio::test]
async fn nobody_reads_the_sessions_that_a_neighbour_has_most_of() {
    let database = Arc::new(TestDatabase::create().await);
    let app = TestApp::start_on(database.clone(), Setup::usual()).await;
    app.sql(WORLD).await;
    app.user("staff@h.test").role("HOTEL_ADMIN").hotel("h-7").create().await;
    let input = json!({ "name": "K", "serviceName": "k", "permissions": ["user:view"], "hotelScope": "ASSIGNED", "hotels": ["hotel:h-7", "hotel:h-8"] });
    let answer = app.admin().await.mutate("createApiKey", input, "secret").await;
    let key = answer.data("/createApiKey/secret").as_str().expect("a key").to_owned();
    app.sql("ANALYZE").await;
    app.stop().await;
    let mut faults = Vec::new();
    for (document, variables) in questions() {
        let app = TestApp::start_on(database.clone(), Setup::usual()).await;
        let clients: [Client; 3] =
            [app.admin().await, app.signed_in("staff@h.test").await, app.anonymous().with_header("x-api-key", &key)];
        let before = app.count(ROWS_READ).await;
        for client in clients.iter().flat_map(|client| std::iter::repeat_n(client, TIMES)) {
            let answer = client.graphql(document, variables.clone()).await;
            assert_eq!(answer.code(), "", "{variables}: {}", answer.body);
        }
        app.close_database().await;
        let read = app.count(ROWS_READ).await - before;
        let asked = i64::try_from(clients.len() * TIMES).expect("few");
        if read > asked * MAY_READ {
            faults.push(format!("{} rows a time for {variables} of {document:.70}", read / asked));
        }
        app.stop().await;
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
