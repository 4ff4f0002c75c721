//! A database that the old Python service made, taken over in place.

use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::Executor;

use super::support::{Setup, TestApp, TestDatabase, one_line, told, told_json, voicehive};

/// The old service's tables, with people, roles, hotels and sessions as it wrote them.
const OLD: &str = include_str!("legacy.sql");

async fn old_database() -> TestDatabase {
    let database = TestDatabase::create_empty().await;
    let mut connection = database.superuser.acquire().await.expect("a connection");
    (&mut *connection).execute("SET ROLE voicehive").await.expect("the owner");
    (&mut *connection).execute(OLD).await.expect("the old tables");
    for (id, password) in
        [(1, "admin123"), (2, "operator123"), (3, "manager123"), (4, "night shift 44"), (5, "long ago 55")]
    {
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
        [("users", 5), ("roles", 4), ("hotels", 1), ("user_roles", 5), ("user_hotels", 2), ("user_sessions", 3)]
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
        ("admin@voicehive-hotels.eu", "admin123", "ALL", 2),
        ("operator@voicehive-hotels.eu", "operator123", "ALL", 2),
        ("manager@hotel1.com", "manager123", "ASSIGNED", 2),
        ("night@hotel1.com", "night shift 44", "ASSIGNED", 0),
    ] {
        let client = app.anonymous().sign_in(email, password).await;
        let answer = client.query(me).await;
        assert_eq!(answer.data("/me/hotelScope"), scope, "{email}");
        assert_eq!(answer.data("/me/hotels/nodes").as_array().map(Vec::len), Some(hotels), "{email}");
        let hash = format!("SELECT password_hash FROM users WHERE email = '{email}'");
        assert!(app.text(&hash).await.is_some_and(|hash| hash.starts_with("$argon2id$")), "{email}");
    }
    assert_eq!(app.count("SELECT count(*) FROM users WHERE password_hash LIKE '$2%'").await, 1, "one at a time");
    let inactive = app.anonymous().try_sign_in("gone@hotel1.com", "anything").await;
    assert_eq!(inactive.refusals("login"), ["INVALID_CREDENTIALS"]);

    // Run again, it has nothing to do.
    let again = told_json(voicehive(&app.database.options, &["database", "init", "--json"]));
    assert_eq!(
        (&again["taken_over"], &again["migrations_applied"], &again["users"]),
        (&Value::Null, &json!(0), &json!(5))
    );
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
            "UPDATE users SET password_hash = '$2b$04$' || repeat('a', 53) WHERE email LIKE 'admin@%'",
            "neither bcrypt, argon2 nor PBKDF2: 00000000-0000-4000-8000-000000000001",
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
