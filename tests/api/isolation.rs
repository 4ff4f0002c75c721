//! Whoever reaches one hotel alone changes nothing elsewhere and learns nothing of it: every mutation answers as it does
//! for what does not exist.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};
use uuid::Uuid;

use super::support::{TestApp, connect_as};

/// A user, a role and a hotel that are elsewhere, and ids that nothing has.
struct Elsewhere {
    user: String,
    session: String,
    hotel: &'static str,
}

async fn elsewhere(app: &TestApp) -> (Elsewhere, Elsewhere) {
    app.hotel("hotel-002", "Elsewhere").await;
    let user = app.user("elsewhere@h.test").role("HOTEL_STAFF").hotel("hotel-002").create().await;
    app.signed_in("elsewhere@h.test").await;
    let session =
        app.text(&format!("SELECT id::text FROM user_sessions WHERE user_id = '{user}'")).await.expect("a session");
    let there =
        Elsewhere { user: format!("user:{user}"), session: format!("session:{session}"), hotel: "hotel:hotel-002" };
    let nowhere = Elsewhere {
        user: format!("user:{}", Uuid::max()),
        session: format!("session:{}", Uuid::max()),
        hotel: "hotel:nowhere",
    };
    (there, nowhere)
}

/// Every mutation of others, against these.
fn attempts(of: &Elsewhere, near: &str, role: &str) -> Vec<(&'static str, Value)> {
    let Elsewhere { user, session, hotel } = of;
    vec![
        ("updateUser", json!({ "id": user, "firstName": "X" })),
        ("updateUser", json!({ "id": user, "email": "x@h.test", "hotelScope": "ASSIGNED", "emailVerified": true })),
        ("deactivateUser", json!({ "id": user, "reason": "r" })),
        ("reactivateUser", json!({ "id": user })),
        ("deleteUser", json!({ "id": user })),
        ("unlockUser", json!({ "id": user })),
        ("resetUserPassword", json!({ "id": user })),
        ("resetUserPassword", json!({ "id": user, "newPassword": "elsewhere@h.test" })),
        ("resetUserPassword", json!({ "id": user, "newPassword": "harbour lamp nine" })),
        ("assignRoles", json!({ "users": [user], "roles": [role] })),
        ("assignRoles", json!({ "users": [near, user], "roles": [role] })),
        ("unassignRoles", json!({ "users": [user], "roles": [role] })),
        ("assignHotels", json!({ "users": [user], "hotels": ["hotel:hotel-001"] })),
        ("assignHotels", json!({ "users": [near], "hotels": [hotel] })),
        ("assignHotels", json!({ "users": [near], "hotels": ["hotel:hotel-001", hotel] })),
        ("unassignHotels", json!({ "users": [user], "hotels": [hotel] })),
        ("unassignHotels", json!({ "users": [near], "hotels": [hotel] })),
        ("revokeSession", json!({ "id": session })),
        ("revokeUserSessions", json!({ "user": user })),
        ("logout", json!({ "session": session })),
        ("updateHotel", json!({ "id": hotel, "name": "X" })),
        ("updateHotel", json!({ "id": hotel, "active": false, "pmsConfig": { "secret": "********" } })),
        ("createUser", json!({ "email": "new@h.test", "hotels": [hotel] })),
        ("createUser", json!({ "email": "new@h.test", "hotels": ["hotel:hotel-001", hotel], "roles": [role] })),
        ("createRole", json!({ "name": "NEW_ROLE", "displayName": "New" })),
        ("updateRole", json!({ "id": role, "active": false })),
        ("deleteRole", json!({ "id": role })),
        ("createHotel", json!({ "pmsHotelId": hotel.trim_start_matches("hotel:"), "name": "X", "pmsType": "mews" })),
    ]
}

const STATE: &str = "SELECT concat(
    (SELECT json_agg(to_jsonb(u) - 'last_login_at' - 'last_login_order' ORDER BY id) FROM users u),
    (SELECT json_agg(r ORDER BY id) FROM roles r), (SELECT json_agg(h ORDER BY id) FROM hotels h),
    (SELECT json_agg(x ORDER BY x.user_id, x.role_id) FROM user_roles x),
    (SELECT json_agg(x ORDER BY x.user_id, x.hotel_id) FROM user_hotels x),
    (SELECT json_agg(json_build_object('id', id, 'active', active) ORDER BY id) FROM user_sessions))";

#[tokio::test]
async fn elsewhere_is_nowhere() {
    let app = TestApp::start().await;
    let (there, nowhere) = elsewhere(&app).await;
    let near = format!("user:{}", app.user("near@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
    // Somebody with every permission, at one hotel alone: nothing but the hotel stands in the way.
    app.sql("INSERT INTO roles (id, name, display_name, permissions) SELECT gen_random_uuid(), 'EVERYTHING', 'Everything', permissions FROM roles WHERE name = 'SYSTEM_ADMIN'").await;
    app.user("chief@h.test").role("EVERYTHING").hotel("hotel-001").create().await;
    app.user("admin@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    let role = "role:01900000-0000-7000-8000-000000000003";
    for email in ["manager@hotel1.com", "admin@h.test", "chief@h.test"] {
        let client = app.signed_in(email).await;
        let before = app.text(STATE).await;
        let pairs = attempts(&there, &near, role).into_iter().zip(attempts(&nowhere, &near, role));
        for ((mutation, there), (_, nowhere)) in pairs {
            let (one, other) =
                (client.mutate(mutation, there.clone(), "").await, client.mutate(mutation, nowhere, "").await);
            let told = |body: &Value| {
                let mut body = body.clone();
                body["extensions"] = Value::Null;
                body
            };
            assert_eq!(told(&one.body), told(&other.body), "{email} {mutation} {there}");
            assert_eq!(
                (one.status, one.statements()),
                (other.status, other.statements()),
                "{email} {mutation} {there}"
            );
            let worked = one.body.get("errors").is_none() && one.refusals(mutation).is_empty();
            assert!(!worked, "{email} {mutation} {there}: {}", one.body);
        }
        assert_eq!(app.text(STATE).await, before, "{email} has changed something");
    }
    // And nothing of it is told by the trail either.
    let chief = app.signed_in("chief@h.test").await;
    let seen = chief.query("{ auditEvents(first: 100) { nodes { type subjectId detail subject { id } actor { ... on User { email } } } } }").await;
    let text = seen.data("/auditEvents").to_string();
    assert!(
        !text.contains("hotel-002") || text.matches("hotel-002").count() == text.matches("\"hotel:hotel-002\"").count(),
        "{text}"
    );
    assert!(!text.contains("elsewhere@h.test"), "{text}");
}

#[tokio::test]
async fn row_level_security_alone_keeps_writes_at_home() {
    let app = TestApp::start().await;
    elsewhere(&app).await;
    app.user("both@h.test").role("HOTEL_STAFF").hotel("hotel-001").hotel("hotel-002").create().await;
    app.user("near@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    app.user("free@h.test").create().await;
    let chief = app.user("chief@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    let mut connection = connect_as(&app.database, "voicehive_app").await;
    let principal = |writes: &str| {
        format!(
            "SELECT set_config('app.principal', 'user', false), set_config('app.user_id', '{chief}', false),
                    set_config('app.all_hotels', 'false', false), set_config('app.view_users', 'true', false),
                    set_config('app.read_audit', 'true', false), set_config('app.writes', '{writes}', false)"
        )
    };
    // What may be written, a statement without any clause of ours -> the rows that it reaches: near, manager and chief, who
    // deletes nobody of that name.
    for (writes, statement, rows) in [
        ("users", "UPDATE users SET first_name = 'x'", 3),
        ("users", "UPDATE users SET hotel_scope = 'ASSIGNED'", 3),
        ("users", "DELETE FROM users", 2),
        ("users", "DELETE FROM user_hotels", 3),
        ("users", "DELETE FROM user_roles", 3),
        ("users", "UPDATE hotels SET name = 'x'", 0),
        ("users", "UPDATE roles SET display_name = 'x'", 0),
        ("hotels", "UPDATE hotels SET name = 'x'", 1),
        ("hotels", "UPDATE users SET password_hash = 'x'", 1),
        ("hotels", "DELETE FROM hotels", 0),
        ("sessions", "DELETE FROM user_sessions", 0),
        ("sessions", "DELETE FROM users", 0),
        ("roles", "UPDATE roles SET display_name = 'x'", 0),
        ("roles", "DELETE FROM roles", 0),
        ("", "UPDATE users SET password_hash = 'x'", 1),
        ("", "DELETE FROM user_roles", 0),
    ] {
        connection.execute(AssertSqlSafe(principal(writes))).await.expect("settings");
        let mut transaction = connection.begin().await.expect("a transaction");
        assert_eq!(
            transaction.execute(statement).await.expect(statement).rows_affected(),
            rows,
            "{writes}: {statement}"
        );
        transaction.rollback().await.expect("rolled back");
    }
    for (writes, refused) in [
        ("users", "UPDATE users SET hotel_scope = 'ALL' WHERE email = 'near@h.test'"),
        (
            "users",
            "INSERT INTO user_hotels (user_id, hotel_id) SELECT id, 'hotel-002' FROM users WHERE email = 'near@h.test'",
        ),
        (
            "users",
            "INSERT INTO user_hotels (user_id, hotel_id) VALUES ((SELECT id FROM users WHERE email = 'chief@h.test'), 'hotel-002')",
        ),
        (
            "users",
            "INSERT INTO user_roles (user_id, role_id) SELECT u.id, r.id FROM users u, roles r WHERE u.email = 'both@h.test' AND r.name = 'GUEST_USER'",
        ),
        (
            "users",
            "INSERT INTO users (id, email, password_hash, hotel_scope) VALUES (gen_random_uuid(), 'x@h.test', 'x', 'ALL')",
        ),
        ("users", "INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), 'x@h.test', 'x')"),
        (
            "",
            "INSERT INTO users (id, email, password_hash, created_by) SELECT gen_random_uuid(), 'x@h.test', 'x', principal_user_id()",
        ),
        ("hotels", "UPDATE users SET first_name = 'x'"),
        ("", "UPDATE users SET first_name = 'x'"),
        ("roles", "INSERT INTO roles (id, name, display_name) VALUES (gen_random_uuid(), 'NEW_ROLE', 'x')"),
        ("hotels", "INSERT INTO hotels (id, name, pms_type) VALUES ('h-9', 'x', 'mews')"),
        ("users", "SELECT prepare_audit_partitions(current_date, 1)"),
        ("users", "SELECT drop_audit_partitions(now() - interval '1 year')"),
        ("users", "SELECT erase_person_from_audit_events(principal_user_id())"),
        ("users", "INSERT INTO audit_seals SELECT * FROM audit_seals"),
        ("users", "UPDATE audit_seals SET hash = ''"),
        ("users", "DELETE FROM audit_event_hotels"),
    ] {
        connection.execute(AssertSqlSafe(principal(writes))).await.expect("settings");
        let mut transaction = connection.begin().await.expect("a transaction");
        let outcome = transaction.execute(refused).await;
        assert!(outcome.as_ref().map_or(true, |done| done.rows_affected() == 0), "{writes}: {refused} {outcome:?}");
        transaction.rollback().await.expect("rolled back");
    }
}

/// Whatever the rules have allowed is written as the caller, and not as the system, which may write everything.
#[tokio::test]
async fn changes_are_written_as_the_caller() {
    let app = TestApp::start().await;
    app.sql(
        "CREATE FUNCTION refuse_the_system() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF current_setting('app.principal', true) IS DISTINCT FROM 'user' OR current_setting('app.writes', true) = '' THEN
                 RAISE EXCEPTION 'written to % as %', TG_TABLE_NAME, current_setting('app.principal', true);
             END IF;
             RETURN NULL;
         END $$",
    )
    .await;
    let admin = app.admin().await;
    let near = format!("user:{}", app.user("near@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
    app.signed_in("near@h.test").await;
    let chief = app.user("chief@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    assert_ne!(chief, Uuid::nil());
    let chief = app.signed_in("chief@h.test").await;
    for table in ["users", "user_roles", "user_hotels", "user_sessions", "roles", "hotels"] {
        app.sql(&format!(
            "CREATE TRIGGER refuse_the_system AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_the_system()"
        ))
        .await;
    }
    let (guest, new) = (
        "role:01900000-0000-7000-8000-000000000004",
        json!({ "email": "x@h.test", "roles": ["role:01900000-0000-7000-8000-000000000004"], "hotels": ["hotel:hotel-001"] }),
    );
    for (mutation, input) in [
        ("createUser", new),
        ("updateUser", json!({ "id": near, "firstName": "X" })),
        ("assignRoles", json!({ "users": [near], "roles": [guest] })),
        ("unassignRoles", json!({ "users": [near], "roles": [guest] })),
        ("assignHotels", json!({ "users": [near], "hotels": ["hotel:hotel-001"] })),
        ("unlockUser", json!({ "id": near })),
        ("resetUserPassword", json!({ "id": near })),
        ("revokeUserSessions", json!({ "user": near })),
        ("deactivateUser", json!({ "id": near })),
        ("reactivateUser", json!({ "id": near })),
        ("updateHotel", json!({ "id": "hotel:hotel-001", "city": "Bonn" })),
        ("unassignHotels", json!({ "users": [near], "hotels": ["hotel:hotel-001"] })),
    ] {
        let answer = chief.mutate(mutation, input, "").await;
        assert!(answer.refusals(mutation).is_empty(), "{mutation}: {}", answer.body);
    }
    let role = admin.mutate("createRole", json!({ "name": "NEW_ROLE", "displayName": "New" }), "role { id }").await;
    let role = role.data("/createRole/role/id").clone();
    for (mutation, input) in [
        ("updateRole", json!({ "id": role, "active": false })),
        ("deleteRole", json!({ "id": role })),
        ("createHotel", json!({ "pmsHotelId": "h-2", "name": "Two", "pmsType": "mews" })),
        ("deleteUser", json!({ "id": near })),
    ] {
        let answer = admin.mutate(mutation, input, "").await;
        assert!(answer.refusals(mutation).is_empty(), "{mutation}: {}", answer.body);
    }
}
