//! A database that the old Python service made, taken over in place.

use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::Executor;

use super::support::{Client, Setup, TestApp, TestDatabase, one_line, told, told_json, voicehive};

/// The old service's tables, with people, roles, hotels and sessions as it wrote them.
const OLD: &str = include_str!("legacy.sql");

async fn old_database() -> TestDatabase {
    let database = TestDatabase::create_empty_in_language().await;
    let role =
        "DO $$ BEGIN CREATE ROLE reporting; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
    database.superuser.execute(role).await.expect("a role");
    let mut connection = database.superuser.acquire().await.expect("a connection");
    (&mut *connection).execute("SET ROLE voicehive").await.expect("the owner");
    (&mut *connection).execute(OLD).await.expect("the old tables");
    for (id, password) in [
        (1, "admin123"),
        (2, "operator123"),
        (3, "manager123"),
        (4, "night shift 44"),
        (5, "long ago 55"),
        (6, "umlaut 66"),
    ] {
        // As the old service hashed, at the least cost.
        let hash = bcrypt::hash(password, 4).expect("a hash");
        sqlx::query(
            "UPDATE users SET password_hash = $2 WHERE id = ('00000000-0000-4000-8000-00000000000' || $1)::uuid",
        )
        .bind(id.to_string())
        .bind(hash)
        .execute(&mut *connection)
        .await
        .expect("a password");
    }
    (&mut *connection).execute("RESET ROLE").await.expect("back");
    database
}

/// Everything in the tables, so that two moments can be compared.
async fn everything(database: &TestDatabase) -> Value {
    let mut all = serde_json::Map::new();
    for table in ["users", "roles", "hotels", "user_roles", "user_hotels", "user_sessions", "user_mfa"] {
        let statement =
            format!("SELECT coalesce(json_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]') FROM {table} t");
        let rows: Value =
            sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(&database.superuser).await.expect("rows");
        all.insert(table.to_owned(), rows);
    }
    all.into()
}

#[tokio::test]
async fn everyone_signs_in_as_before_and_nothing_is_lost() {
    let database = old_database().await;
    let before = everything(&database).await;
    let serve = voicehive(&database.options, &["serve"]).output().expect("runs");
    let line = one_line(&serve);
    assert!(line.contains("old Python service") && line.contains("--dry-run"), "{line}");

    let dry = told(voicehive(&database.options, &["database", "init", "--dry-run"]));
    assert_eq!(everything(&database).await, before, "a dry run changes nothing");
    let report = told_json(voicehive(&database.options, &["database", "init", "--json"]));
    let taken = &report["taken_over"];
    for line in taken["changes"].as_array().expect("changes") {
        assert!(dry.contains(line.as_str().expect("a line")), "the dry run told the same: {line}");
    }
    for (table, rows) in
        [("users", 6), ("roles", 4), ("hotels", 3), ("user_roles", 5), ("user_hotels", 4), ("user_sessions", 3)]
    {
        let told = taken["tables"].as_array().expect("tables").iter().find(|told| told["table"] == table);
        let told = told.expect("each table");
        assert_eq!(told["rows"], json!(rows), "{table}");
        assert!(dry.contains(told["checksum"].as_str().expect("a checksum")));
    }
    let changes = taken["changes"].to_string();
    for expected in [
        "role system_admin is called SYSTEM_ADMIN",
        "role HOTEL_STAFF is built in: it now grants call:start, hotel:view as well",
        "(operator@voicehive-hotels.eu) administers and had no hotels: has the scope ALL",
        "(night@hotel1.com) has no hotels and does not administer: reaches none",
        "000004 has the email address night@hotel1.com, written Night@Hotel1.com before",
        "hotel hotel-777 was assigned and did not exist",
        "written x@xn--bcher-kva.de before",
        "what reporting was granted on table users is gone (SELECT)",
        "the trigger touched of table user_sessions is gone",
        "table user_mfa is kept as it is",
        "1 sessions are kept as records",
    ] {
        assert!(changes.contains(expected), "{expected}: {changes}");
    }
    let status = told_json(voicehive(&database.options, &["database", "status", "--json"]));
    assert_eq!((&status["drift"], &status["legacy"]), (&json!([]), &json!(false)));

    let app = TestApp::start_on(Arc::new(database), Setup::usual()).await;
    for (table, key) in [("users", "password_hash"), ("users", "id"), ("roles", "id"), ("user_sessions", "session_id")]
    {
        let column = |rows: &Value| -> Vec<Value> {
            rows[table].as_array().expect("rows").iter().map(|row| row[key].clone()).collect()
        };
        let (old, now) = (column(&before), column(&everything(&app.database).await));
        assert!(old.iter().all(|value| now.contains(value)), "{table}.{key}");
    }
    let me = "{ me { hotelScope roles { name } hotels { nodes { id } } } }";
    for (email, password, scope, hotels) in [
        ("admin@voicehive-hotels.eu", "admin123", "ALL", 4),
        ("operator@voicehive-hotels.eu", "operator123", "ALL", 4),
        ("manager@hotel1.com", "manager123", "ASSIGNED", 4),
        ("x@xn--bcher-kva.de", "umlaut 66", "ASSIGNED", 0),
        ("night@hotel1.com", "night shift 44", "ASSIGNED", 0),
    ] {
        let client = app.anonymous().sign_in(email, password).await;
        let answer = client.query(me).await;
        assert_eq!(answer.data("/me/hotelScope"), scope, "{email}");
        assert_eq!(answer.data("/me/hotels/nodes").as_array().map(Vec::len), Some(hotels), "{email}");
        let stored = email.replace("xn--bcher-kva", "bücher");
        let hash = format!("SELECT password_hash FROM users WHERE email = '{stored}'");
        assert!(app.text(&hash).await.is_some_and(|hash| hash.starts_with("$argon2id$")), "{email}");
    }
    assert_eq!(app.count("SELECT count(*) FROM users WHERE password_hash LIKE '$2%'").await, 1, "one at a time");
    let inactive = app.anonymous().try_sign_in("gone@hotel1.com", "anything").await;
    assert_eq!(inactive.refusals("login"), ["INVALID_CREDENTIALS"]);

    // A table that is not ours keeps nobody from being deleted.
    let admin = app.admin().await;
    let id = "user:00000000-0000-4000-8000-000000000003";
    Client::done(&admin.mutate("deleteUser", json!({ "id": id }), "").await, "deleteUser");
    assert_eq!(app.count("SELECT count(*) FROM user_mfa").await, 1);

    // Run again, it has nothing to do.
    let again = told_json(voicehive(&app.database.options, &["database", "init", "--json"]));
    assert_eq!(
        (&again["taken_over"], &again["migrations_applied"], &again["users"]),
        (&Value::Null, &json!(0), &json!(5)),
        "{again}"
    );
}

#[tokio::test]
async fn a_take_over_waits_for_nobody_and_two_at_once_are_one() {
    let database = old_database().await;
    let mut open = database.superuser.begin().await.expect("begun");
    (&mut *open).execute("SELECT count(*) FROM roles").await.expect("the old service reads");
    let line = one_line(&voicehive(&database.options, &["database", "init"]).output().expect("runs"));
    assert!(line.contains("roles is in use") && line.contains("stop the old service"), "{line}");
    open.rollback().await.expect("stopped");

    let mut running: Vec<_> = (0..2)
        .map(|_| {
            let mut command = voicehive(&database.options, &["database", "init"]);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("starts")
        })
        .collect();
    for process in &mut running {
        assert!(process.wait().expect("ends").success());
    }
    let users: i64 =
        sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&database.superuser).await.expect("users");
    assert_eq!(users, 6);
}

#[tokio::test]
async fn a_take_over_that_was_killed_is_done_by_running_it_again() {
    for milliseconds in [30, 60, 90, 120, 160, 200, 250] {
        let database = old_database().await;
        let mut process = voicehive(&database.options, &["database", "init"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("starts");
        // Not a condition: whatever it is doing by then.
        tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
        process.kill().expect("killed");
        process.wait().expect("ended");
        told(voicehive(&database.options, &["database", "init"]));
        let found: (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM user_hotels), (SELECT count(*) FROM user_sessions)",
        )
        .fetch_one(&database.superuser)
        .await
        .expect("counts");
        assert_eq!(found, (6, 4, 3), "killed after {milliseconds} ms");
    }
}

#[tokio::test]
async fn what_cannot_be_understood_stops_it_with_nothing_changed() {
    let database = old_database().await;
    let sql = async |sql: &'static str| database.superuser.execute(sql).await.expect(sql);
    for (spoil, mend, told) in [
        ("ALTER TABLE users ADD phone text", "ALTER TABLE users DROP phone", "users has a column phone"),
        (
            "ALTER TABLE hotels RENAME brand TO chain",
            "ALTER TABLE hotels RENAME chain TO brand",
            "hotels has no column brand; hotels has a column chain",
        ),
        (
            "ALTER TABLE user_sessions RENAME TO s",
            "ALTER TABLE s RENAME TO user_sessions",
            "there is no table user_sessions",
        ),
        (
            "UPDATE users SET password_hash = 'admin123' WHERE email LIKE 'admin@%'",
            "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email LIKE 'gone@%') WHERE email LIKE 'admin@%'",
            "no known scheme, or one that costs too much: 00000000-0000-4000-8000-000000000001",
        ),
        (
            "UPDATE users SET email = 'MANAGER@hotel1.com' WHERE email LIKE 'Night@%'",
            "UPDATE users SET email = 'Night@hotel1.com' WHERE email LIKE 'MANAGER@%'",
            "one email address, but for upper and lower case",
        ),
        (
            "UPDATE roles SET permissions = permissions || 'rooms:clean'::varchar WHERE name = 'hotel_staff'",
            "UPDATE roles SET permissions = array_remove(permissions, 'rooms:clean')",
            "permissions that nothing here knows: rooms:clean",
        ),
        (
            "UPDATE roles SET name = 'Hotel Staff' WHERE name = 'hotel_staff'",
            "UPDATE roles SET name = 'hotel_staff' WHERE name = 'Hotel Staff'",
            "upper snake case: Hotel Staff",
        ),
        (
            "UPDATE users SET password_hash = '$argon2id$garbage' WHERE email LIKE 'admin@%'",
            "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email LIKE 'gone@%') WHERE email LIKE 'admin@%'",
            "no known scheme, or one that costs too much: 00000000-0000-4000-8000-000000000001",
        ),
        (
            "UPDATE users SET email = 'no address' WHERE email LIKE 'gone@%'",
            "UPDATE users SET email = 'gone@hotel1.com' WHERE email = 'no address'",
            "email address is none: 00000000-0000-4000-8000-000000000005",
        ),
        (
            "ALTER TABLE user_hotels DROP CONSTRAINT user_hotels_user_id_fkey;
             INSERT INTO user_hotels (user_id, hotel_id) VALUES ('00000000-0000-4000-8000-0000000000ff', 'hotel-001')",
            "DELETE FROM user_hotels WHERE user_id = '00000000-0000-4000-8000-0000000000ff'",
            "users who are not there: user_hotels 00000000-0000-4000-8000-0000000000ff",
        ),
        (
            "ALTER TABLE hotels ALTER pms_type DROP NOT NULL; UPDATE hotels SET pms_type = NULL WHERE id = 'Zeta'",
            "UPDATE hotels SET pms_type = 'mews' WHERE id = 'Zeta'",
            "rows that lack what they must have: hotels Zeta",
        ),
        ("CREATE VIEW people AS SELECT email FROM users", "DROP VIEW people", "other objects depend on"),
    ] {
        sql(spoil).await;
        let before = if spoil.contains("RENAME TO") { Value::Null } else { everything(&database).await };
        let output = voicehive(&database.options, &["database", "init"]).output().expect("runs");
        let line = one_line(&output);
        assert!(line.contains(told), "{spoil}: {line}");
        if !before.is_null() {
            assert_eq!(everything(&database).await, before, "{spoil}");
        }
        sql(mend).await;
    }
    told(voicehive(&database.options, &["database", "init"]));
}
