//! Times that stand in the tables and cannot be told (infinity, years before Christ or of six digits), and schemas that are not
//! where most have them: what a person with psql, another program or a hosted database has made.

use std::path::Path;

use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Executor};

use super::support::{Client, PASSWORD, TestApp, TestDatabase, connect_as, one_line, told, told_json, voicehive};

/// Every kind of time that PostgreSQL takes.
const TIMES: [&str; 7] = [
    "infinity",
    "-infinity",
    "4713-01-01 00:00:00+00 BC",
    "0044-03-15 12:00:00+00 BC",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
    "294276-12-31 23:59:59.999999+00",
];

/// Our tables' columns of times, but for those that only ever follow others.
const COLUMNS: &str = "SELECT c.relname || ' ' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relforcerowsecurity
       AND a.atttypid = 'timestamptz'::regtype AND NOT a.attisdropped AND a.attgenerated = ''
       AND a.attname NOT IN ('user_created_at', 'about_until', 'done_by_until') ORDER BY 1";

async fn columns(database: &TestDatabase) -> Vec<(String, String)> {
    let found: Vec<String> = sqlx::query_scalar(COLUMNS).fetch_all(&database.superuser).await.expect("columns");
    let split = |line: &String| line.split_once(' ').map(|(table, column)| (table.to_owned(), column.to_owned()));
    found.iter().filter_map(split).collect()
}

#[tokio::test]
async fn every_column_of_times_refuses_what_cannot_be_told() {
    let app = TestApp::start().await;
    let columns = columns(&app.database).await;
    assert!(columns.len() > 25, "{columns:?}");
    for (table, column) in columns.into_iter().filter(|(table, _)| !PROVED.contains(&table.as_str())) {
        let rule = format!(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint
              WHERE conrelid = '{table}'::regclass AND conname = '{table}_times_check'"
        );
        let rule = app.text(&rule).await.unwrap_or_default();
        let named = [format!("({column} >="), format!("({column} <=")];
        assert!(named.iter().all(|part| rule.contains(part)), "{table}.{column} may hold any time: {rule}");
    }
    for time in ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "10000-01-01 00:00:00+00"] {
        let update = format!("UPDATE users SET locked_until = '{time}'");
        let refused = app.database.superuser.execute(AssertSqlSafe(update)).await.expect_err("refused");
        assert!(refused.to_string().contains("users_times_check"), "{time}: {refused}");
    }
}

/// What is there of these could otherwise never be erased, and whoever changed it would break a proof.
const PROVED: [&str; 2] = ["audit_events", "audit_event_hotels"];

const LISTS: [&str; 8] = [
    "{ users(first: 50) { nodes { email createdAt updatedAt lastLoginAt lockedUntil passwordChangedAt locked
        sessions { nodes { createdAt lastUsedAt expiresAt revokedAt status } } } } }",
    "{ users(first: 50, orderBy: {field: LAST_LOGIN_AT, direction: DESC}) { nodes { id } pageInfo { endCursor } } }",
    "{ sessions(first: 50) { nodes { createdAt lastUsedAt expiresAt revokedAt status } pageInfo { endCursor } } }",
    "{ auditEvents(first: 50) { nodes { occurredAt type } pageInfo { endCursor } } }",
    "{ apiKeys(first: 50) { nodes { createdAt lastUsedAt expiresAt revokedAt } pageInfo { endCursor } } }",
    "{ roles(first: 50) { nodes { name createdAt updatedAt users(first: 2) { nodes { createdAt } } } } }",
    "{ hotels(first: 50) { nodes { id createdAt updatedAt users(first: 2) { nodes { createdAt } } } } }",
    "{ me { createdAt lastLoginAt sessions { nodes { createdAt } } } }",
];

/// Rows as SQL may have made them before the tables refused it.
#[tokio::test]
async fn no_stored_time_takes_a_list_away() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let person = app.user("łukasz@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    app.signed_in("łukasz@h.test").await;
    let input = json!({ "name": "K", "serviceName": "k", "permissions": ["user:view"], "hotelScope": "ASSIGNED", "hotels": ["hotel:hotel-001"] });
    Client::done(&admin.mutate("createApiKey", input, "secret").await, "createApiKey");
    let columns = columns(&app.database).await;
    for table in columns.iter().map(|(table, _)| table).collect::<std::collections::BTreeSet<_>>() {
        app.sql(&format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_times_check")).await;
    }
    for time in TIMES {
        for (table, column) in
            columns.iter().filter(|(table, _)| !["signing_keys", "session_revocation"].contains(&table.as_str()))
        {
            // Whoever asks must be able to.
            let others = match table.as_str() {
                "users" => format!("id = '{person}'"),
                "user_sessions" => format!("user_id = '{person}'"),
                // Its time is part of its key.
                "audit_repeats" => "ctid IN (SELECT ctid FROM audit_repeats LIMIT 1)".to_owned(),
                _ => "true".to_owned(),
            };
            app.sql(&format!("UPDATE {table} SET {column} = '{time}' WHERE {others}")).await;
        }
        for list in LISTS {
            let answer = admin.query(list).await;
            assert_eq!(answer.code(), "", "{time}: {list}: {}", answer.body);
            let text = answer.body.to_string();
            assert!(!text.contains("+29") && !text.contains("\"-"), "{time}: {text}");
        }
        let asked =
            json!([{ "user": format!("user:{person}"), "permission": "call:start", "hotel": "hotel:hotel-001" }]);
        let decided = admin
            .graphql("query($c: [AccessCheck!]!) { checkAccess(checks: $c) { reason } }", json!({ "c": asked }))
            .await;
        assert_eq!(decided.code(), "", "{time}: {}", decided.body);
        // A sign-in is told the same as ever, and what is changed is changed.
        let sign_in = app.anonymous().try_sign_in("łukasz@h.test", PASSWORD).await;
        assert_eq!(sign_in.code(), "", "{time}: {}", sign_in.body);
        let change =
            json!({ "id": format!("user:{person}"), "firstName": format!("Łukasz {}", app.clock.new_id().simple()) });
        Client::done(&admin.mutate("updateUser", change, "user { updatedAt }").await, "updateUser");
        let exported = told(voicehive(&app.database.options, &["users", "export"]));
        assert_eq!(exported.lines().count(), 4, "{time}: {exported}");
        app.identity.seal_audit_events().await.expect("sealed");
        app.identity.sweep().await.expect("swept");
    }
}

/// A database as a release before this one left it.
async fn of_the_release_before() -> TestDatabase {
    let database = TestDatabase::create_empty().await;
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut migrator = Migrator::new(files.as_path()).await.expect("migrations");
    migrator.set_locking(false);
    let mut owner = connect_as(&database, "voicehive").await;
    migrator.run_to(11, &mut owner).await.expect("migrated");
    database
}

#[tokio::test]
async fn what_was_there_before_is_brought_within_range() {
    let database = of_the_release_before().await;
    let insert = "WITH new AS (
                      INSERT INTO users (id, email, password_hash, created_at, last_login_at, locked_until)
                      VALUES (gen_random_uuid(), 'özlem@h.test', 'x', '-infinity', 'infinity', NULL) RETURNING id)
                  INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, rotated_at, created_at,
                         accessed_at, expires_at, revoked_at)
                  SELECT id, 'x', id, id, id, '2026-01-01', '0044-03-15 12:00:00+00 BC', '2026-01-01', 'infinity', NULL FROM new";
    database.superuser.execute(insert).await.expect("a user");
    let migrated = told_json(voicehive(&database.options, &["database", "migrate", "--json"]));
    assert!(migrated["applied"].as_i64().is_some_and(|applied| applied >= 2), "{migrated}");
    let times = "SELECT created_at::text || ' ' || last_login_at::text || ' ' || coalesce(locked_until::text, 'never') FROM users";
    let times: String = sqlx::query_scalar(times).fetch_one(&database.superuser).await.expect("times");
    assert_eq!(times, "0001-01-01 00:00:00+00 9999-12-31 23:59:59.999999+00 never");
    let times = "SELECT concat_ws(' ', created_at, accessed_at = '2026-01-01', expires_at, coalesce(revoked_at::text, 'never')) FROM user_sessions";
    let times: String = sqlx::query_scalar(times).fetch_one(&database.superuser).await.expect("times");
    assert_eq!(times, "0001-01-01 00:00:00+00 t 9999-12-31 23:59:59.999999+00 never");
    let status = told_json(voicehive(&database.options, &["database", "status", "--json"]));
    assert_eq!(status["drift"], json!([]), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn extensions_and_schemas_are_where_they_are() {
    let database = TestDatabase::create_empty().await;
    // As hosted databases have it, and roles with a schema of their own that holds things by the names of ours.
    let superuser = &database.superuser;
    superuser
        .execute(
            "CREATE SCHEMA extensions; CREATE EXTENSION pg_trgm SCHEMA extensions;
             CREATE SCHEMA voicehive AUTHORIZATION voicehive; CREATE TABLE voicehive.users (id integer);
             CREATE SCHEMA voicehive_app; CREATE TABLE voicehive_app.user_sessions (id integer)",
        )
        .await
        .expect("made");
    let init = || voicehive(&database.options, &["database", "init"]).output().expect("runs");
    let line = one_line(&init());
    assert!(line.contains("GRANT USAGE ON SCHEMA"), "{line}");
    let made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(sqlx::query_scalar::<_, i64>(made).fetch_one(superuser).await.expect("counted"), 0, "nothing is made");
    superuser.execute("GRANT USAGE ON SCHEMA extensions TO voicehive").await.expect("granted");
    let output = init();
    assert!(output.status.success(), "{output:?}");
    let status = told_json(voicehive(&database.options, &["database", "status", "--json"]));
    assert_eq!(status["drift"], json!([]), "{status}");
    let elsewhere = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 'voicehive%'";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(elsewhere).fetch_one(superuser).await.expect("counted"),
        2,
        "those of before"
    );
    superuser.execute("UPDATE public.users SET must_change_password = false").await.expect("updated");
    let app = TestApp::start_on(database.into(), super::support::Setup::usual()).await;
    let admin = app.admin().await;
    let found = admin
        .query("{ users(first: 5, filter: {search: \"voicehive\"}) { totalCount } me { sessions { totalCount } } }")
        .await;
    assert_eq!(found.data("/users/totalCount"), 2);
    assert_eq!(found.data("/me/sessions/totalCount"), 1);
}
