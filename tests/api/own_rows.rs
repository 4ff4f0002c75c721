//! What the second wall lets somebody write for themself: every column of every table is tried, and each thing that would make
//! them more.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use uuid::Uuid;

use super::support::{PASSWORD, TestApp, connect_as};

/// Who asks, as the server says it (`src/store/transaction.rs`).
struct Principal {
    id: Uuid,
    role: &'static str,
    all: bool,
}

const WRITES: [&str; 6] = ["", "users", "roles", "hotels", "sessions", "api_keys"];

async fn begin_as(connection: &mut PgConnection, principal: &Principal, writes: &str) {
    let Principal { id, role, all } = principal;
    let all = if *all { "true" } else { "" };
    let begin = format!(
        "BEGIN; SELECT set_config('role', '{role}', true), set_config('app.principal', 'user', true),
                set_config('app.user_id', '{id}', true), set_config('app.all_hotels', '{all}', true),
                set_config('app.view_users', 'true', true), set_config('app.see_api_keys', '{all}', true),
                set_config('app.read_audit', '{all}', true), set_config('app.writes', '{writes}', true)"
    );
    connection.execute(AssertSqlSafe(begin)).await.expect("begun");
}

/// How many rows a statement changes, tried and undone; None where the wall refuses it.
async fn rows(connection: &mut PgConnection, sql: &str) -> Option<u64> {
    connection.execute("SAVEPOINT tried").await.expect("a savepoint");
    let done = connection.execute(AssertSqlSafe(sql.to_owned())).await;
    connection.execute("ROLLBACK TO SAVEPOINT tried").await.expect("undone");
    match done {
        Ok(done) => Some(done.rows_affected()),
        Err(error) => {
            let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
            match code.as_deref() {
                // Not allowed; a column that is reckoned from others; and an id that others name.
                Some("42501" | "428C9" | "23503") => None,
                // Past the wall, and stopped by something that is none.
                Some("23502" | "23505" | "23514") => Some(1),
                other => panic!("{sql}: {other:?} {error}"),
            }
        }
    }
}

/// Another value than the one that is there, and one that the table takes.
fn another(table: &str, column: &str, kind: &str) -> String {
    match (table, column, kind) {
        (_, "hotel_scope", _) => "CASE hotel_scope WHEN 'ALL' THEN 'ASSIGNED' ELSE 'ALL' END".to_owned(),
        ("users", "email", _) => "'x' || email".to_owned(),
        (_, "country", _) => "CASE country WHEN 'FR' THEN 'DE' ELSE 'FR' END".to_owned(),
        (_, _, "text" | "character") => format!("coalesce({column}, '') || 'X'"),
        (_, _, "uuid") => "gen_random_uuid()".to_owned(),
        (_, _, "boolean") => format!("NOT {column}"),
        (_, _, "integer" | "bigint" | "date") => format!("{column} + 1"),
        (_, _, "timestamp with time zone") => format!("coalesce({column}, now()) + interval '1 day'"),
        (_, _, "jsonb" | "json") => "'{\"x\": 1}'".to_owned(),
        (_, _, "ARRAY") => format!("{column} || {column}"),
        (_, _, "bytea") => format!("coalesce({column}, '') || '\\x00'::bytea"),
        other => panic!("no value for {other:?}"),
    }
}

/// The columns of which one statement changes something, by what may be written then.
async fn open(app: &TestApp, principal: &Principal) -> BTreeSet<String> {
    let columns = sqlx::query(
        "SELECT c.table_name::text, c.column_name::text, c.data_type::text FROM information_schema.columns c
           JOIN information_schema.tables t USING (table_schema, table_name)
          WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE' AND table_name <> '_sqlx_migrations'
          ORDER BY 1, 2",
    )
    .fetch_all(&app.database.superuser)
    .await
    .expect("columns");
    assert!(columns.len() > 150, "{}", columns.len());
    let mut connection = app.database.superuser.acquire().await.expect("a connection");
    let mut found = BTreeSet::new();
    for writes in WRITES {
        begin_as(&mut connection, principal, writes).await;
        for row in &columns {
            let (table, column, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            let mine = if table == "users" { format!(" WHERE id = '{}'", principal.id) } else { String::new() };
            let sql = format!("UPDATE {table} SET {column} = {}{mine}", another(&table, &column, &kind));
            if rows(&mut connection, &sql).await.is_some_and(|rows| rows > 0) {
                found.insert(format!("{writes}: {table}.{column}"));
            }
        }
        connection.execute("ROLLBACK").await.expect("ended");
    }
    found
}

fn listed(lists: &[(&str, &str, &str)]) -> BTreeSet<String> {
    let each = |(writes, table, columns): &(&str, &str, &str)| {
        columns.split(' ').map(|column| format!("{writes}: {table}.{column}")).collect::<Vec<_>>()
    };
    lists.iter().flat_map(each).collect()
}

/// Something in every table, and a session of each that is going and one that has ended.
async fn world(app: &TestApp) -> (Uuid, Uuid) {
    app.hotel("hotel-002", "Elsewhere").await;
    app.sql("INSERT INTO roles (id, name, display_name, permissions) VALUES (gen_random_uuid(), 'NIGHT_PORTER', 'x', '{call:start}')")
        .await;
    let chief = app.user("chief@h.test").role("HOTEL_ADMIN").role("NIGHT_PORTER").hotel("hotel-001").create().await;
    let all = app.user("all@h.test").role("SYSTEM_ADMIN").everywhere().hotel("hotel-001").create().await;
    for email in ["chief@h.test", "all@h.test"] {
        app.signed_in(email).await;
        app.sql("UPDATE user_sessions SET active = false, revoked = true, revoked_at = now() WHERE NOT revoked").await;
        app.signed_in(email).await;
    }
    app.anonymous().try_sign_in("nobody@h.test", PASSWORD).await;
    app.sql(
        "INSERT INTO api_keys (id, name, service_name, prefix, secret_hash) VALUES (gen_random_uuid(), 'x', 'x', 'x', 'x');
         INSERT INTO api_key_hotels (api_key_id, hotel_id) SELECT id, 'hotel-001' FROM api_keys;
         INSERT INTO idempotency_keys (caller, key_hash, request_hash, claim, created_at)
         VALUES ('x', decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'), gen_random_uuid(), now())",
    )
    .await;
    for table in ["api_keys", "api_key_hotels", "audit_events", "idempotency_keys", "sign_in_failures", "user_hotels"] {
        assert!(app.count(&format!("SELECT count(*) FROM {table}")).await > 0, "{table} is empty");
    }
    (chief, all)
}

#[tokio::test]
async fn of_every_column_of_every_table_one_writes_for_oneself_what_is_written_here() {
    let app = TestApp::start().await;
    let (chief, all) = world(&app).await;
    let of_hotels = "name brand country city address pms_type pms_config updated_at updated_by";
    let of_oneself =
        "email first_name last_name email_verified failed_login_attempts locked_until updated_at updated_by";
    // Without a change that the rules have allowed: a new password. A session that has ended stays so.
    let own = [("", "users", "password_hash updated_at updated_by"), ("", "user_sessions", "revoked_at revoke_reason")];
    let sessions = [
        ("users", "user_sessions", "revoked_at revoke_reason"),
        ("roles", "user_sessions", "revoked_at revoke_reason"),
        ("hotels", "user_sessions", "revoked_at revoke_reason"),
        ("sessions", "user_sessions", "revoked_at revoke_reason"),
        ("api_keys", "user_sessions", "revoked_at revoke_reason"),
    ];
    let elsewhere = ["roles", "hotels", "sessions", "api_keys"]
        .map(|writes| (writes, "users", "password_hash updated_at updated_by"));
    let mut expected = listed(&own);
    expected.extend(listed(&sessions));
    expected.extend(listed(&elsewhere));
    expected.extend(listed(&[("users", "users", of_oneself), ("hotels", "hotels", of_hotels)]));
    let found = open(&app, &Principal { id: chief, role: "voicehive_app", all: false }).await;
    assert_eq!(found, expected, "more: {:?}", found.difference(&expected).collect::<Vec<_>>());

    // Who reaches everything, as either role: of their own row no more.
    for role in ["voicehive_app", "voicehive_all"] {
        let found = open(&app, &Principal { id: all, role, all: true }).await;
        let of_users: BTreeSet<String> = found
            .into_iter()
            // What triggers reckon from the names stays what it was, whatever is written there.
            .filter(|line| line.contains(": users.") && !line.ends_with("_key"))
            .collect();
        let mut expected = listed(&[("", "users", "password_hash updated_at updated_by")]);
        expected.extend(listed(&elsewhere));
        // Fewer hotels than before may be one's own wish.
        expected.extend(listed(&[("users", "users", of_oneself), ("users", "users", "hotel_scope")]));
        assert_eq!(of_users, expected, "{role}");
    }
}

#[tokio::test]
async fn nobody_makes_themself_more_by_any_statement() {
    let app = TestApp::start().await;
    let (chief, all) = world(&app).await;
    let role = async |name: &str| {
        app.text(&format!("SELECT id::text FROM roles WHERE name = '{name}'")).await.expect("a role")
    };
    let (mighty, guest) = (role("SYSTEM_ADMIN").await, role("GUEST_USER").await);
    let lesser = app.user("keys@h.test").role("KEYMAKER").everywhere().create().await;
    app.sql(&format!(
        "WITH made AS (INSERT INTO roles (id, name, display_name, permissions) VALUES (gen_random_uuid(), 'KEYMAKER', 'x', '{{system:admin,call:view}}') RETURNING id)
         INSERT INTO user_roles (user_id, role_id) SELECT '{lesser}', id FROM made"
    ))
    .await;
    let (chief, all, lesser) = (
        Principal { id: chief, role: "voicehive_app", all: false },
        Principal { id: all, role: "voicehive_all", all: true },
        Principal { id: lesser, role: "voicehive_app", all: true },
    );
    let key = |permissions: &str| {
        format!(
            "INSERT INTO api_keys (id, name, service_name, prefix, secret_hash, permissions, hotel_scope) VALUES (gen_random_uuid(), 'x', 'x', 'x', 'y', '{permissions}', 'ALL')"
        )
    };
    let new_role = |permissions: &str, system: bool| {
        format!(
            "INSERT INTO roles (id, name, display_name, permissions, system) VALUES (gen_random_uuid(), 'MINE', 'x', '{permissions}', {system})"
        )
    };
    let give = |who: &Principal, role: &str| {
        format!("INSERT INTO user_roles (user_id, role_id) VALUES ('{}', '{role}')", who.id)
    };
    let own = |who: &Principal, change: &str| format!("UPDATE users SET {change} WHERE id = '{}'", who.id);
    let session =
        |who: &Principal, change: &str| format!("UPDATE user_sessions SET {change} WHERE user_id = '{}'", who.id);
    // who, what may be written, the statement -> whether it changes something
    for (who, writes, sql, changes) in [
        (&chief, "", own(&chief, "hotel_scope = 'ALL'"), false),
        (&chief, "users", own(&chief, "hotel_scope = 'ALL'"), false),
        (&chief, "", own(&chief, "password_hash = 'x', hotel_scope = 'ALL'"), false),
        (&chief, "", own(&chief, "password_hash = 'x', email_verified = NOT email_verified"), false),
        (
            &chief,
            "",
            own(
                &chief,
                "password_hash = 'x', password_changed_at = now(), must_change_password = false, temporary_password_expires_at = NULL",
            ),
            true,
        ),
        (&chief, "", own(&chief, "must_change_password = true"), false),
        (&chief, "users", own(&chief, "password_hash = 'x'"), false),
        (&chief, "users", own(&chief, "active = false"), false),
        (&chief, "users", give(&chief, &mighty), false),
        (&chief, "", give(&chief, &guest), false),
        (&chief, "users", give(&chief, &guest), true),
        (
            &chief,
            "users",
            format!("INSERT INTO user_hotels (user_id, hotel_id) VALUES ('{}', 'hotel-002')", chief.id),
            false,
        ),
        (&chief, "users", format!("DELETE FROM users WHERE id = '{}'", chief.id), false),
        (&chief, "hotels", "UPDATE hotels SET active = false".to_owned(), false),
        (&chief, "roles", "UPDATE roles SET permissions = '{}'".to_owned(), false),
        (&chief, "", session(&chief, "active = true, revoked = false, revoked_at = NULL"), false),
        (&chief, "", session(&chief, "active = false, revoked = true"), true),
        (&chief, "", session(&chief, "expires_at = 'infinity'"), false),
        (&lesser, "roles", new_role("{user:delete}", false), false),
        (&lesser, "roles", new_role("{call:view}", false), true),
        (
            &lesser,
            "roles",
            "UPDATE roles SET permissions = '{system:admin,user:delete}' WHERE name = 'KEYMAKER'".to_owned(),
            false,
        ),
        (&lesser, "roles", "UPDATE roles SET active = false WHERE name = 'SYSTEM_ADMIN'".to_owned(), false),
        (&lesser, "api_keys", key("{user:delete}"), false),
        (&lesser, "api_keys", key("{call:view}"), true),
        (&lesser, "users", give(&lesser, &mighty), false),
        (&all, "roles", new_role("{user:delete}", true), false),
        (&all, "roles", new_role("{user:delete}", false), true),
        (&all, "users", own(&all, "hotel_scope = 'ASSIGNED'"), true),
        (&all, "", own(&all, "active = false"), false),
        (&all, "", session(&all, "active = true, revoked = false"), false),
    ] {
        let mut connection = app.database.superuser.acquire().await.expect("a connection");
        begin_as(&mut connection, who, writes).await;
        let done = rows(&mut connection, &sql).await.is_some_and(|rows| rows > 0);
        connection.execute("ROLLBACK").await.expect("ended");
        assert_eq!(done, changes, "{} writing {writes:?}: {sql}", who.role);
    }
    // And of a principal that is set by nobody, nothing.
    let mut application = connect_as(&app.database, "voicehive_app").await;
    let sql = format!("UPDATE users SET password_hash = 'x' WHERE id = '{}'", chief.id);
    assert_eq!(application.execute(AssertSqlSafe(sql)).await.expect("run").rows_affected(), 0);
}
