//! How PostgreSQL goes about each list, look-up and filter of the API among a million users, sessions and audit events, most
//! of them of one hotel, one role and, as for sessions, many of one user: it tells its plan of every statement that the server
//! runs (`auto_explain`), and none may go over a big table from end to end, be it by an index. On its own, because it takes
//! minutes to make that many.

#[path = "../api/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other black-box tests, which use all of it")]
mod support;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use support::{Client, Setup, TestApp, TestDatabase};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Tables that grow without end; the partitions of the audit trail begin with the name of their parent.
const BIG: [&str; 6] = ["users", "user_roles", "user_hotels", "user_sessions", "audit_events", "audit_event_hotels"];

/// The plans that PostgreSQL has sent along with answers, as notices.
#[derive(Clone, Default)]
struct Plans(Arc<Mutex<Vec<Value>>>);

impl<S: Subscriber> Layer<S> for Plans {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::postgres::notice" {
            event.record(&mut Message(self));
        }
    }
}

struct Message<'a>(&'a Plans);

impl Visit for Message<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message"
            && let Some(start) = value.find('{')
            && let Ok(plan) = serde_json::from_str(value.get(start..).unwrap_or_default())
        {
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl Plans {
    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// More rows of a table than this nobody reads one after the other for an answer.
const FAR_TOO_MANY: f64 = 50_000.0;

/// The big tables that a plan goes over, and how many of their rows: a scan that stops early is none.
fn gone_over(plan: &Value, found: &mut Vec<String>) {
    match plan {
        Value::Object(node) => {
            let table = node.get("Relation Name").and_then(Value::as_str).unwrap_or_default();
            let is_big = BIG.iter().any(|big| {
                table == *big
                    || table.strip_prefix(big).is_some_and(|rest| rest.starts_with("_20") || rest == "_default")
            });
            let number = |name: &str| node.get(name).and_then(Value::as_f64).unwrap_or_default();
            let rows = (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops");
            if is_big && rows > FAR_TOO_MANY {
                let by = node.get("Index Name").and_then(Value::as_str).unwrap_or("itself");
                found.push(format!("{table} by {by}: {rows} rows"));
            }
            node.values().for_each(|value| gone_over(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| gone_over(item, found)),
        _ => {}
    }
}

/// Numbered from 1 on: user n has a hotel or three, a role or two; every thousandth is something that few are. Nine of ten
/// work at h-1 as well, nine of ten hold HOTEL_STAFF, and user 777 has signed in more often than many hotels' staff together.
const WORLD: &str = "
    SET session_replication_role = replica;
    SET maintenance_work_mem = '512MB';
    DROP INDEX idx_users_search, idx_users_search_key;
    INSERT INTO hotels (id, name, pms_type) SELECT 'h-' || n, 'Hotel ' || n, 'mews' FROM generate_series(1, 500) n;
    INSERT INTO users (id, email, password_hash, first_name, last_name, email_verified, active, hotel_scope, locked_until, created_at, last_login_at,
                       search_key, last_name_key)
    SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'user' || n || '@h.test', 'x',
           (ARRAY['Anna', 'Bela', 'Carl', 'Dora', 'Emil'])[1 + n % 5], 'Name' || n % 1000, n % 1000 <> 1, n % 1000 <> 2,
           CASE WHEN n % 1000 = 3 THEN 'ALL' ELSE 'ASSIGNED' END, CASE WHEN n % 1000 = 4 THEN now() + interval '1 day' END,
           now() - n * interval '10 seconds', CASE WHEN n % 2 = 0 THEN now() - n * interval '7 seconds' END,
           search_key(concat_ws(' ', 'user' || n || '@h.test', (ARRAY['Anna', 'Bela', 'Carl', 'Dora', 'Emil'])[1 + n % 5], 'Name' || n % 1000,
                                CASE WHEN n % 100000 = 5 THEN '李 Łukasz' END)), order_key('Name' || n % 1000)
      FROM generate_series(1, 1000000) n;
    INSERT INTO user_roles (user_id, role_id, user_created_at)
    SELECT u.id, r.id, u.created_at FROM users u JOIN roles r ON r.name = CASE WHEN hashtext(u.email) % 10 <> 0 THEN 'HOTEL_STAFF' ELSE 'GUEST_USER' END
     WHERE u.password_hash = 'x';
    INSERT INTO roles (id, name, display_name) SELECT gen_random_uuid(), 'ROLE_' || n, 'Role ' || n FROM generate_series(1, 40) n;
    INSERT INTO user_roles (user_id, role_id, user_created_at)
    SELECT u.id, r.id, u.created_at FROM users u JOIN roles r ON r.name = 'ROLE_' || 1 + (hashtext(u.email) & 65535) % 40
     WHERE u.password_hash = 'x' AND hashtext(u.email) % 100 = 1;
    INSERT INTO user_hotels (user_id, hotel_id, user_created_at)
    SELECT u.id, 'h-' || (1 + (hashtext(u.email) & 65535) * k % 500), u.created_at FROM users u, generate_series(1, 2) k
     WHERE u.password_hash = 'x' ON CONFLICT DO NOTHING;
    INSERT INTO user_hotels (user_id, hotel_id, user_created_at)
    SELECT u.id, 'h-1', u.created_at FROM users u WHERE u.password_hash = 'x' AND hashtext(u.email) % 10 <> 0 ON CONFLICT DO NOTHING;
    INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, rotated_at, created_at, accessed_at, expires_at, active)
    SELECT id, id::text, '00000000-0000-7000-8000-000000000309', gen_random_uuid(), gen_random_uuid(), now(), now() - n * interval '1 minute',
           now(), now() + (5 - n) * interval '1 hour', n < 5 FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 110000) n) new;
    INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, rotated_at, ip_address, created_at,
                               accessed_at, expires_at, active, revoked)
    SELECT u.id, u.id::text, u.id, gen_random_uuid(), gen_random_uuid(), u.created_at, '10.0.' || n % 200 || '.' || n % 250, u.created_at,
           u.created_at, CASE WHEN n % 10 = 0 THEN now() + interval '1 day' ELSE u.created_at END, n % 10 = 0, n % 100 = 7
      FROM (SELECT id, created_at, row_number() OVER () n FROM users WHERE password_hash = 'x') u;
    INSERT INTO audit_events (id, occurred_at, type, outcome, actor, subject, about, hotels, ip_address, request_id)
    SELECT gen_random_uuid(), u.created_at, (ARRAY['user_updated', 'user_authenticated', 'login_failed'])[1 + n % 3],
           CASE WHEN n % 50 = 0 THEN 'FAILURE' ELSE 'SUCCESS' END, 'user:' || u.id, 'user:' || u.id, u.id, ARRAY['h-' || 1 + n % 500],
           '10.0.' || n % 200 || '.' || n % 250, 'request-' || n
      FROM (SELECT id, created_at, row_number() OVER () n FROM users WHERE password_hash = 'x') u;
    INSERT INTO audit_event_hotels (hotel_id, occurred_at, event_id) SELECT hotels[1], occurred_at, id FROM audit_events WHERE hotels[1] LIKE 'h-%' ON CONFLICT DO NOTHING;
    SET session_replication_role = DEFAULT;
    CREATE INDEX idx_users_search ON users USING gin (search_text gin_trgm_ops);
    CREATE INDEX idx_users_search_key ON users USING gin (search_key gin_trgm_ops);
    UPDATE users SET must_change_password = false;
    VACUUM ANALYZE";

const TELL: [&str; 7] = [
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_level = notice",
    "auto_explain.log_format = json",
    "auto_explain.log_analyze = on",
    "auto_explain.log_timing = off",
    "auto_explain.log_nested_statements = on",
];

const USERS: &str = "query($first: Int, $after: String, $last: Int, $filter: UserFilter, $orderBy: UserOrder) {
    users(first: $first, after: $after, last: $last, filter: $filter, orderBy: $orderBy) {
        nodes { email roles { name } hotels(first: 5) { nodes { name } } } totalCount(atMost: 100) pageInfo { endCursor } } }";
const SESSIONS: &str = "query($filter: SessionFilter) { sessions(first: 20, filter: $filter) { nodes { id user { email } } totalCount(atMost: 100) } }";
const EVENTS: &str = "query($filter: AuditEventFilter) { auditEvents(first: 20, filter: $filter) { nodes { id } totalCount(atMost: 100) } }";
const OF_HOTEL: &str = "query($id: String!, $filter: UserFilter, $orderBy: UserOrder) { hotel(by: {pmsHotelId: $id}) {
    users(first: 50, filter: $filter, orderBy: $orderBy) { nodes { email roles { name } } totalCount(atMost: 100) } } }";
const OF_HOTELS: &str = "query($filter: UserFilter, $orderBy: UserOrder) { hotels(first: 20) { nodes {
    users(first: 3, filter: $filter, orderBy: $orderBy) { nodes { email roles { name } } totalCount(atMost: 100) } } } }";
const OF_ROLES: &str = "query($filter: UserFilter, $orderBy: UserOrder) { roles(first: 20) { nodes {
    users(first: 3, filter: $filter, orderBy: $orderBy) { nodes { email } totalCount(atMost: 100) } } } }";
const OF_USER: &str = "query($id: ID!, $filter: SessionFilter) { user(by: {id: $id}) {
    sessions(first: 5, filter: $filter) { nodes { id user { email sessions(first: 2) { nodes { id } } } } totalCount(atMost: 100) }
    hotels(first: 3) { nodes { id users(first: 3) { nodes { email } } } } roles { users(first: 3) { nodes { email } } } } }";
const OF_USERS: &str = "query($filter: SessionFilter) { users(first: 100) { nodes {
    sessions(first: 3, filter: $filter) { nodes { id } } hotels(first: 3) { nodes { id } } } } }";
const OF_ME: &str = "query($filter: SessionFilter) { me { sessions(first: 5, filter: $filter) { nodes { id } totalCount(atMost: 100) } } }";
const OF_ROLE: &str = "query($name: String!, $orderBy: UserOrder) { role(by: {name: $name}) {
    users(first: 50, orderBy: $orderBy) { nodes { email } totalCount(atMost: 100) } } }";

/// Every list with every filter and order, and every look-up: the document and its variables.
fn questions(role: &Value) -> Vec<(&'static str, Value)> {
    let time = "2026-01-15T10:30:00Z";
    let user = "user:00000000-0000-7000-8000-000000000777";
    let mut all = Vec::new();
    for filter in [
        json!({}),
        json!({ "search": "ann" }),
        json!({ "search": "name777" }),
        json!({ "search": "nobody has this" }),
        json!({ "search": "Łukasz" }),
        json!({ "search": "李" }),
        json!({ "active": true }),
        json!({ "active": false }),
        json!({ "locked": true }),
        json!({ "locked": false }),
        json!({ "emailVerified": true }),
        json!({ "emailVerified": false }),
        json!({ "hotelScope": "ALL" }),
        json!({ "hotelScope": "ASSIGNED" }),
        json!({ "roles": [role] }),
        json!({ "hotels": ["hotel:h-7"] }),
        json!({ "permission": "call:start" }),
        json!({ "createdAfter": time }),
        json!({ "createdBefore": time }),
        json!({ "lastLoginAfter": time }),
        json!({ "lastLoginBefore": time }),
    ] {
        all.push((USERS, json!({ "first": 50, "filter": filter })));
    }
    for field in ["CREATED_AT", "EMAIL", "LAST_NAME", "LAST_LOGIN_AT"] {
        for direction in ["ASC", "DESC"] {
            let order = json!({ "field": field, "direction": direction });
            all.push((USERS, json!({ "first": 50, "orderBy": order })));
            all.push((USERS, json!({ "last": 50, "orderBy": order })));
            all.push((OF_HOTEL, json!({ "id": "h-7", "orderBy": order })));
            all.push((OF_ROLE, json!({ "name": "SYSTEM_ADMIN", "orderBy": order })));
        }
    }
    // Every list of something, of a few and of a neighbour who has most of them.
    let filters = [
        json!({}),
        json!({ "active": false }),
        json!({ "emailVerified": false }),
        json!({ "locked": true }),
        json!({ "hotelScope": "ALL" }),
    ];
    for filter in &filters {
        for field in ["CREATED_AT", "EMAIL", "LAST_NAME", "LAST_LOGIN_AT"] {
            let order = json!({ "field": field, "direction": "DESC" });
            all.push((OF_HOTELS, json!({ "filter": filter, "orderBy": order })));
            all.push((OF_ROLES, json!({ "filter": filter, "orderBy": order })));
            for id in ["h-1", "h-7"] {
                all.push((OF_HOTEL, json!({ "id": id, "filter": filter, "orderBy": order })));
            }
            for name in ["HOTEL_STAFF", "ROLE_7"] {
                all.push((OF_ROLE, json!({ "name": name, "orderBy": order })));
            }
        }
    }
    for filter in
        [json!({}), json!({ "status": "ACTIVE" }), json!({ "status": "EXPIRED" }), json!({ "status": "REVOKED" })]
    {
        all.push((OF_USERS, json!({ "filter": filter })));
        all.push((OF_ME, json!({ "filter": filter })));
        for id in [user, "user:00000000-0000-7000-8000-000000000309"] {
            all.push((OF_USER, json!({ "id": id, "filter": filter })));
            let mut filter = filter.clone();
            filter["user"] = json!(id);
            all.push((SESSIONS, json!({ "filter": filter })));
        }
    }
    all.push((OF_HOTEL, json!({ "id": "h-7", "filter": { "active": true, "search": "ann" } })));
    all.push((OF_HOTEL, json!({ "id": "h-1", "filter": { "active": true, "search": "ann" } })));
    for filter in [
        json!({}),
        json!({ "user": user }),
        json!({ "status": "ACTIVE" }),
        json!({ "status": "EXPIRED" }),
        json!({ "status": "REVOKED" }),
        json!({ "ipAddress": "10.0.7.7" }),
        json!({ "createdAfter": time }),
        json!({ "createdBefore": time }),
    ] {
        all.push((SESSIONS, json!({ "filter": filter })));
    }
    for filter in [
        json!({}),
        json!({ "actor": user }),
        json!({ "subject": user }),
        json!({ "hotel": "hotel:h-7" }),
        json!({ "ipAddress": "10.0.7.7" }),
        json!({ "outcome": "FAILURE" }),
        json!({ "requestId": "request-777" }),
        json!({ "types": ["user_updated"] }),
        json!({ "occurredAfter": time }),
        json!({ "occurredBefore": time }),
    ] {
        all.push((EVENTS, json!({ "filter": filter })));
    }
    all.push((
        "query($u: ID!) { user(by: {id: $u}) { email permissions hotels { totalCount } sessions { nodes { id } } } }",
        json!({ "u": user }),
    ));
    all.push(("{ user(by: {email: \"user777@h.test\"}) { email roles { name } createdBy { email } } }", json!({})));
    all.push((
        "query($u: ID!) { node(id: $u) { id } accessibleHotels(user: $u) { nodes { name } totalCount } }",
        json!({ "u": user }),
    ));
    let check = json!([{ "user": user, "permission": "call:start", "hotel": "hotel:h-7" }]);
    all.push(("query($c: [AccessCheck!]!) { checkAccess(checks: $c) { reason } }", json!({ "c": check })));
    all.push(("{ me { email lastLoginAt sessions { nodes { id } } } currentSession { id } }", json!({})));
    all.push(("{ hotels { nodes { name } } roles { nodes { name } } }", json!({})));
    all
}

/// Asks everything, more often than PostgreSQL takes to settle for one plan; what went over a big table.
async fn ask_everything(who: &str, client: &Client, plans: &Plans, role: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = 0;
    for (document, variables) in questions(role) {
        for _ in 0..7 {
            plans.take();
            let answer = client.graphql(document, variables.clone()).await;
            let code = answer.code().to_owned();
            assert!(code.is_empty() || code == "FORBIDDEN", "{who} {variables}: {}", answer.body);
            let told = plans.take();
            seen += told.len();
            let mut found = Vec::new();
            for plan in &told {
                gone_over(plan, &mut found);
            }
            if !found.is_empty() {
                faults.push(format!("{who}: {found:?} for {variables} of {document:.60}"));
                break;
            }
        }
    }
    assert!(seen > 300, "{who}: PostgreSQL has told only {seen} plans");
    faults
}

#[tokio::test]
async fn nothing_goes_over_a_big_table_from_end_to_end() {
    let plans = Plans::default();
    tracing::subscriber::set_global_default(Registry::default().with(plans.clone())).expect("the only one");
    let database = Arc::new(TestDatabase::create_untouched().await);
    let mut connection = database.superuser.acquire().await.expect("connected");
    for statement in WORLD.split(';') {
        connection.execute(AssertSqlSafe(statement.to_owned())).await.expect(statement);
    }
    drop(connection);
    let name: String =
        sqlx::query_scalar("SELECT current_database()::text").fetch_one(&database.superuser).await.expect("a name");
    for setting in TELL {
        let statement = format!("ALTER DATABASE {name} SET {setting}");
        database.superuser.execute(AssertSqlSafe(statement)).await.expect("set");
    }
    let app = TestApp::start_on(database, Setup::usual()).await;
    app.user("staff@h.test").role("HOTEL_ADMIN").hotel("h-7").create().await;
    let admin = app.admin().await;
    let role = admin.query("{ role(by: {name: \"HOTEL_STAFF\"}) { id } }").await.data("/role/id").clone();
    let input = json!({ "name": "K", "serviceName": "k", "permissions": ["user:view", "system:monitor"], "hotelScope": "ASSIGNED", "hotels": ["hotel:h-7", "hotel:h-8"] });
    let key = admin
        .mutate("createApiKey", input, "secret")
        .await
        .data("/createApiKey/secret")
        .as_str()
        .expect("a key")
        .to_owned();
    let service = app.anonymous().with_header("x-api-key", &key);
    let staff = app.signed_in("staff@h.test").await;
    let mut faults = ask_everything("an administrator", &admin, &plans, &role).await;
    faults.extend(ask_everything("staff of a hotel", &staff, &plans, &role).await);
    faults.extend(ask_everything("a service of two hotels", &service, &plans, &role).await);
    assert!(faults.is_empty(), "{faults:#?}");
}
