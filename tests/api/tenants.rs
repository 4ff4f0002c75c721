//! Tenants are kept apart by two walls, and each holds alone.

use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use super::support::{Client, Setup, TestApp, TestDatabase, connect_as};

/// People of hotel-001, of hotel-002, of both, of none, and of all.
async fn world(app: &TestApp) {
    app.hotel("hotel-002", "Elsewhere").await;
    app.user("colleague@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    app.user("both@h.test").role("HOTEL_ADMIN").hotel("hotel-001").hotel("hotel-002").create().await;
    app.user("elsewhere@h.test").role("HOTEL_STAFF").hotel("hotel-002").create().await;
    app.user("nowhere@h.test").role("HOTEL_STAFF").create().await;
    app.user("chief@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    for email in ["colleague@h.test", "both@h.test", "elsewhere@h.test", "nowhere@h.test"] {
        app.signed_in(email).await;
    }
    // Made by someone whom the people of hotel-001 do not see.
    app.sql(
        "UPDATE users SET created_by = (SELECT id FROM users WHERE email = 'elsewhere@h.test'),
             updated_by = (SELECT id FROM users WHERE email = 'both@h.test') WHERE email = 'colleague@h.test'",
    )
    .await;
}

const EVERYTHING: &str = "{
    users(first: 15, orderBy: {field: EMAIL}) { totalCount nodes { email createdBy { email } updatedBy { email }
        roles { name users(first: 15) { totalCount nodes { email } } }
        hotels(first: 15) { totalCount nodes { pmsHotelId name users(first: 15) { totalCount nodes { email } } } }
        sessions(first: 15) { totalCount nodes { user { email } } } } }
    found: users(filter: {search: \"h.test\"}) { totalCount nodes { email } }
    there: users(filter: {hotels: [\"hotel:hotel-002\"]}) { totalCount nodes { email } }
    roles(first: 5) { totalCount nodes { name users(first: 15) { totalCount nodes { email hotels(first: 5) { nodes { pmsHotelId } } } } } }
    hotels(first: 5) { totalCount nodes { pmsHotelId pmsConfig users(first: 15) { totalCount nodes { email } } } }
    hotel(by: {pmsHotelId: \"hotel-002\"}) { name }
    sessions(first: 15) { totalCount nodes { id user { email } } } }";

/// Every string under these keys, anywhere in the answer.
fn strings_under(value: &Value, wanted: &str, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == wanted => drop(found.insert(text.clone())),
                    _ => strings_under(value, wanted, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| strings_under(item, wanted, found)),
        _ => {}
    }
}

async fn sees(client: &Client, key: &str) -> Vec<String> {
    let answer = client.query(EVERYTHING).await;
    let mut found = std::collections::BTreeSet::new();
    strings_under(answer.data(""), key, &mut found);
    found.into_iter().collect()
}

async fn hotel_001_is_all_there_is(app: &TestApp) {
    let people = ["both@h.test", "chief@h.test", "colleague@h.test", "manager@hotel1.com"];
    for (email, sessions_of) in [("manager@hotel1.com", vec!["manager@hotel1.com"]), ("chief@h.test", people.to_vec())]
    {
        let client = app.signed_in(email).await;
        assert_eq!(sees(&client, "email").await, people, "{email}");
        assert_eq!(sees(&client, "pmsHotelId").await, ["hotel-001"], "{email}");
        let answer = client.query(EVERYTHING).await;
        assert_eq!(answer.data("/users/totalCount"), 4);
        assert_eq!(answer.data("/found/totalCount"), 3);
        assert_eq!(answer.texts("/there/nodes", "/email"), [] as [&str; 0], "nothing hints at hotel-002");
        assert_eq!(answer.data("/hotels/totalCount"), 1);
        assert_eq!(answer.data("/hotels/nodes/0/users/totalCount"), 4);
        assert_eq!(answer.data("/hotel"), &Value::Null);
        let colleague = answer
            .data("/users/nodes")
            .as_array()
            .expect("users")
            .iter()
            .find(|user| user["email"] == "colleague@h.test")
            .expect("a colleague")
            .clone();
        assert_eq!((&colleague["createdBy"], &colleague["updatedBy"]["email"]), (&Value::Null, &json!("both@h.test")));
        let both = answer.data("/users/nodes/0").clone();
        assert_eq!((&both["email"], &both["hotels"]["totalCount"]), (&json!("both@h.test"), &json!(1)));
        let mut of = answer.texts("/sessions/nodes", "/user/email");
        of.sort_unstable();
        of.dedup();
        assert_eq!(of.iter().filter(|email| !sessions_of.contains(&email.as_str())).count(), 0, "{of:?}");
        assert!(of.contains(&email.to_owned()));
    }
    let manager = app.signed_in("manager@hotel1.com").await;
    let admin = app.admin().await;
    let all = admin
        .query("{ users(first: 100) { nodes { id email } } sessions(first: 100) { nodes { id user { email } } } }")
        .await;
    let ids: Vec<_> = all
        .data("/users/nodes")
        .as_array()
        .expect("users")
        .iter()
        .chain(all.data("/sessions/nodes").as_array().expect("sessions"))
        .map(|node| {
            (
                node["id"].as_str().expect("an id").to_owned(),
                node["email"].as_str().or(node["user"]["email"].as_str()).expect("an email").to_owned(),
            )
        })
        .collect();
    for (id, email) in ids {
        let visible =
            if id.starts_with("session:") { email == "manager@hotel1.com" } else { people.contains(&email.as_str()) };
        let by = if id.starts_with("user:") { "user(by: {id: $id})" } else { "session(id: $id)" };
        let answer = manager
            .graphql(
                &format!("query($id: ID!) {{ node(id: $id) {{ id }} nodes(ids: [$id]) {{ id }} by: {by} {{ id }} }}"),
                json!({ "id": id }),
            )
            .await;
        for pointer in ["/node", "/nodes/0", "/by"] {
            assert_eq!(answer.data(pointer).is_object(), visible, "{pointer} of {email}, {id}");
        }
        let by_email = manager
            .graphql("query($email: String!) { user(by: {email: $email}) { id } }", json!({ "email": email }))
            .await;
        assert_eq!(by_email.data("/user").is_object(), people.contains(&email.as_str()), "{email}");
    }
    let hotel = manager.query("{ node(id: \"hotel:hotel-002\") { id } own: node(id: \"hotel:hotel-001\") { id ... on Hotel { pmsConfig } } }").await;
    assert_eq!(hotel.data("/node"), &Value::Null);
    assert_eq!(hotel.data("/own"), &json!({ "id": "hotel:hotel-001", "pmsConfig": null }));
}

#[tokio::test]
async fn people_of_a_hotel_see_nothing_of_other_hotels() {
    let app = TestApp::start().await;
    world(&app).await;
    hotel_001_is_all_there_is(&app).await;
}

#[tokio::test]
async fn row_level_security_alone_keeps_them_apart_as_well() {
    let app = TestApp::start_with(Setup { row_security_alone: true, ..Setup::usual() }).await;
    world(&app).await;
    hotel_001_is_all_there_is(&app).await;
}

#[tokio::test]
async fn each_wall_stands_without_the_other() {
    // The first wall alone: a database whose policies let everything through.
    let app = TestApp::start().await;
    world(&app).await;
    let policies = "SELECT string_agg(format('CREATE POLICY open_%s ON %I USING (true)', tablename, tablename), ';')
                      FROM (SELECT DISTINCT tablename FROM pg_policies) AS guarded";
    let open = app.text(policies).await.expect("policies");
    // It locks every table, and must not meet whoever reads the roles and hotels anew.
    app.hears_changes().await;
    app.sql(&open).await;
    hotel_001_is_all_there_is(&app).await;
}

#[tokio::test]
async fn who_reaches_every_hotel_sees_everyone_only_with_user_view() {
    let app = TestApp::start().await;
    world(&app).await;
    app.user("guest@h.test").role("GUEST_USER").everywhere().create().await;
    let everyone = sees(&app.signed_in("operator@voicehive-hotels.eu").await, "email").await;
    assert_eq!(everyone.len(), 9);
    let guest = app.signed_in("guest@h.test").await;
    assert_eq!(sees(&guest, "email").await, ["guest@h.test"]);
    assert_eq!(sees(&guest, "pmsHotelId").await, ["hotel-001", "hotel-002"]);
    let nobody = app.signed_in("nowhere@h.test").await;
    assert_eq!(sees(&nobody, "email").await, ["nowhere@h.test"]);
    assert_eq!(sees(&nobody, "pmsHotelId").await, [] as [&str; 0]);
}

#[tokio::test]
async fn with_no_principal_set_every_table_reads_empty() {
    let app = TestApp::start().await;
    world(&app).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> '_sqlx_migrations'",
    )
    .fetch_all(&app.database.superuser)
    .await
    .expect("tables");
    assert!(tables.len() >= 12, "{tables:?}");
    let mut application = connect_as(&app.database, "voicehive_app").await;
    let mut owner = connect_as(&app.database, "voicehive").await;
    for settings in [
        "SELECT 1",
        "SELECT set_config('app.principal', '', false), set_config('app.user_id', '', false), set_config('app.all_hotels', 'true', false), set_config('app.view_users', 'true', false)",
        "SELECT set_config('app.principal', 'nonsense', false)",
    ] {
        for connection in [&mut application, &mut owner] {
            connection.execute(settings).await.expect("settings");
            for table in &tables {
                let rows = connection.fetch_all(AssertSqlSafe(format!("SELECT * FROM {table}"))).await;
                // Not allowed at all is emptier than empty.
                assert!(rows.map_or(true, |rows| rows.is_empty()), "{table} with {settings}");
            }
        }
    }
    let open = app
        .count(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND relname <> '_sqlx_migrations' AND NOT (relrowsecurity AND relforcerowsecurity)",
        )
        .await;
    assert_eq!(open, 0, "every table forces its policies");
}

#[tokio::test]
async fn the_application_role_owns_nothing_and_bypasses_nothing() {
    let database = TestDatabase::create().await;
    let mut connection = connect_as(&database, "voicehive_app").await;
    let role = connection
        .fetch_one("SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin,
                    (SELECT count(*) FROM pg_class WHERE relowner = pg_roles.oid) AS owned FROM pg_roles WHERE rolname = 'voicehive_app'")
        .await
        .expect("the role");
    for column in 0..5 {
        assert!(!role.get::<bool, _>(column));
    }
    assert_eq!(role.get::<i64, _>("owned"), 0);
    connection.execute("SELECT set_config('app.principal', 'system', false)").await.expect("settings");
    for forbidden in [
        "UPDATE audit_events SET type = 'x'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "SELECT * FROM audit_events_default",
        "DROP TABLE users",
        "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE mine (id int)",
        "SELECT * FROM _sqlx_migrations",
    ] {
        assert!(connection.execute(forbidden).await.is_err(), "{forbidden}");
    }
    // A user's principal changes nobody else.
    let manager: String = sqlx::query_scalar("SELECT id::text FROM users WHERE email = 'manager@hotel1.com'")
        .fetch_one(&database.superuser)
        .await
        .expect("the manager");
    let user =
        format!("SELECT set_config('app.principal', 'user', false), set_config('app.user_id', '{manager}', false)");
    connection.execute(AssertSqlSafe(user)).await.expect("settings");
    for (statement, rows) in [
        ("UPDATE users SET password_hash = 'x'", 1),
        ("UPDATE hotels SET name = 'x'", 0),
        ("UPDATE roles SET display_name = 'x'", 0),
        ("DELETE FROM users", 0),
        ("DELETE FROM user_hotels", 0),
        ("DELETE FROM user_roles", 0),
    ] {
        let mut transaction = connection.begin().await.expect("a transaction");
        assert_eq!(transaction.execute(statement).await.expect(statement).rows_affected(), rows, "{statement}");
        transaction.rollback().await.expect("rolled back");
    }
    for refused in [
        "UPDATE users SET first_name = 'x'",
        "INSERT INTO user_hotels (user_id, hotel_id) SELECT id, 'hotel-001' FROM users",
        "INSERT INTO user_roles (user_id, role_id) SELECT u.id, r.id FROM users u, roles r WHERE r.name = 'SYSTEM_ADMIN'",
        "INSERT INTO sign_in_failures VALUES ('email', '', 1, now(), NULL)",
    ] {
        assert!(connection.execute(refused).await.is_err(), "{refused}");
    }
}

#[tokio::test]
async fn what_a_transaction_was_told_is_forgotten_with_it() {
    let app = TestApp::start().await;
    let mut connection = connect_as(&app.database, "voicehive_app").await;
    let told = "SELECT set_config('app.principal', 'user', true), set_config('app.all_hotels', 'true', true),
                       set_config('app.view_users', 'true', true),
                       set_config('app.user_id', '01900000-0000-7000-8000-000000000001', true)";
    let mut transaction = connection.begin().await.expect("begun");
    transaction.execute(told).await.expect("set");
    let users: i64 =
        sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut *transaction).await.expect("counted");
    assert!(users > 0);
    transaction.commit().await.expect("committed");
    // They read as empty texts now, which are no ids.
    for table in ["users", "hotels", "roles", "user_roles", "user_hotels", "user_sessions", "audit_events"] {
        let rows = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(rows).fetch_one(&mut connection).await.expect("no error");
        assert_eq!(rows, 0, "{table}");
    }
}

/// What the policies remember of the hotels of a principal is nobody else's, and of no other moment than the transaction's.
#[tokio::test]
async fn remembered_hotels_are_those_of_the_principal_and_the_transaction() {
    let app = TestApp::start().await;
    app.hotel("h-1", "One").await;
    app.hotel("h-2", "Two").await;
    let one = app.user("one@h.test").role("HOTEL_ADMIN").hotel("h-1").create().await;
    let two = app.user("two@h.test").role("HOTEL_ADMIN").hotel("h-2").create().await;
    let mut connection = connect_as(&app.database, "voicehive_app").await;
    let told =
        |user| format!("SELECT set_config('app.principal', 'user', true), set_config('app.user_id', '{user}', true)");
    let sees = async |connection: &mut PgConnection| {
        let sql = "SELECT coalesce(string_agg(id, ' ' ORDER BY id), '') FROM hotels";
        sqlx::query_scalar::<_, String>(sql).fetch_one(connection).await.expect("read")
    };
    // As somebody may have left it, by a setting of the database, say.
    for nonsense in
        ["SET app.hotels = '{h-1,h-2}'; SET app.hotels_of = ''", "SET app.hotels = '{h-2}'; SET app.hotels_of = 'x'"]
    {
        connection.execute(nonsense).await.expect("set");
        for begin in [
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "BEGIN READ ONLY",
        ] {
            connection.execute(begin).await.expect("begun");
            connection.execute(AssertSqlSafe(told(one))).await.expect("set");
            assert_eq!(
                (sees(&mut connection).await, sees(&mut connection).await),
                ("h-1".to_owned(), "h-1".to_owned())
            );
            connection.execute(AssertSqlSafe(told(two))).await.expect("set");
            assert_eq!(sees(&mut connection).await, "h-2");
            let remembered =
                "SELECT current_setting('app.hotels_of') LIKE '%user ' || current_setting('app.user_id') || '%'";
            let remembered: bool = sqlx::query_scalar(remembered).fetch_one(&mut connection).await.expect("a setting");
            assert_eq!(remembered, begin.ends_with("REPEATABLE READ READ ONLY"), "{begin}");
            connection.execute("COMMIT").await.expect("ended");
            assert_eq!(sees(&mut connection).await, "");
        }
    }
    // Where each statement has a moment of its own, nothing is remembered.
    connection.execute("BEGIN READ ONLY").await.expect("begun");
    connection.execute(AssertSqlSafe(told(one))).await.expect("set");
    assert_eq!(sees(&mut connection).await, "h-1");
    app.sql(&format!("UPDATE user_hotels SET hotel_id = 'h-2' WHERE user_id = '{one}'")).await;
    assert_eq!(sees(&mut connection).await, "h-2");
}

/// Who reaches every hotel is staff of each; colleagues see them where they share an assignment.
#[tokio::test]
async fn staff_with_every_hotel_is_seen_by_those_who_share_an_assignment_with_them() {
    for row_security_alone in [false, true] {
        let app = TestApp::start_with(Setup { row_security_alone, ..Setup::usual() }).await;
        for id in ["h-1", "h-2", "h-3"] {
            app.hotel(id, id).await;
        }
        app.user("all1@h.test").role("HOTEL_ADMIN").everywhere().hotel("h-1").create().await;
        app.user("all2@h.test").role("HOTEL_ADMIN").everywhere().hotel("h-2").create().await;
        app.user("all0@h.test").role("HOTEL_ADMIN").everywhere().create().await;
        app.user("one@h.test").role("HOTEL_ADMIN").hotel("h-1").create().await;
        app.user("both@h.test").role("HOTEL_ADMIN").hotel("h-1").hotel("h-2").create().await;
        app.user("three@h.test").role("HOTEL_ADMIN").hotel("h-3").create().await;
        let staff = async |who: &str, hotel: &str| {
            let query = format!(
                "{{ hotel(by: {{ pmsHotelId: \"{hotel}\" }}) {{ users(orderBy: {{ field: EMAIL }}) {{ totalCount nodes {{ email }} }} }} }}"
            );
            let answer = app.signed_in(who).await.query(&query).await;
            let emails = answer.texts("/hotel/users/nodes", "/email");
            assert_eq!(answer.data("/hotel/users/totalCount"), emails.len());
            emails.iter().filter_map(|email| email.strip_suffix("@h.test")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(staff("one@h.test", "h-1").await, "all1 both one");
        assert_eq!(staff("both@h.test", "h-1").await, "all1 all2 both one");
        assert_eq!(staff("both@h.test", "h-2").await, "all1 all2 both");
        assert_eq!(staff("three@h.test", "h-3").await, "three");
        assert_eq!(staff("all0@h.test", "h-1").await, "all0 all1 all2 both one");
    }
}

#[tokio::test]
async fn policies_ask_once_a_statement_and_what_looks_past_them_is_pinned() {
    let app = TestApp::start().await;
    // What stands in a policy by itself is asked for every row, and `(SELECT ...)` once.
    let by_row = "WITH told AS (SELECT tablename, policyname,
                                       regexp_replace(concat(qual, ' ', with_check), 'principal_\\w+\\(\\)', '?', 'g') AS rule
                                  FROM pg_policies)
                  SELECT string_agg(concat(tablename, ' ', policyname), ', ') FROM told
                   WHERE regexp_replace(rule, '\\( SELECT [^()]*(\\([^()]*\\))?[^()]*\\)', '', 'g') LIKE '%?%'";
    assert_eq!(app.text(by_row).await, None);
    let wrapped = "SELECT count(*) FROM pg_policies WHERE concat(qual, with_check) LIKE '%( SELECT principal_%'";
    assert!(app.count(wrapped).await > 20);
    let unpinned = "SELECT string_agg(proname, ', ') FROM pg_proc
                     WHERE prosecdef AND pronamespace = 'public'::regnamespace
                       AND NOT concat(proconfig) LIKE '%search_path=pg_catalog%'";
    assert_eq!(app.text(unpinned).await, None);
    assert_eq!(
        app.text("SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE relname = 'user_sessions'").await,
        Some("fillfactor=80".to_owned())
    );
}
