//! Who may administer whom: nobody gives what they do not hold, many at once, and somebody always remains.

use serde_json::json;
use uuid::Uuid;

use super::support::{Client, TestApp};

const STAFF: &str = "role:01900000-0000-7000-8000-000000000003";
const HOTEL_ADMIN: &str = "role:01900000-0000-7000-8000-000000000002";
const SYSTEM_ADMIN: &str = "role:01900000-0000-7000-8000-000000000001";

const USER: &str = "user { id email firstName lastName displayName active emailVerified locked mustChangePassword hotelScope \
    failedLoginAttempts roles { name } hotels { nodes { pmsHotelId } } createdBy { email } updatedBy { email } }";

fn gid(id: Uuid) -> String {
    format!("user:{id}")
}

async fn answer_id(client: &Client, email: &str) -> String {
    let answer =
        client.graphql("query($email: String!) { user(by: {email: $email}) { id } }", json!({ "email": email })).await;
    answer.data("/user/id").as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn nobody_gives_or_touches_what_they_do_not_hold() {
    let app = TestApp::start().await;
    app.hotel("hotel-002", "Elsewhere").await;
    app.user("chief@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    let above = gid(app.user("above@h.test").role("SYSTEM_ADMIN").hotel("hotel-001").create().await);
    let wider = gid(app.user("wider@h.test").role("HOTEL_STAFF").hotel("hotel-001").hotel("hotel-002").create().await);
    let everywhere = gid(app.user("all@h.test").role("HOTEL_STAFF").hotel("hotel-001").everywhere().create().await);
    let staff = gid(app.user("staff@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
    let chief = app.signed_in("chief@h.test").await;
    let me = answer_id(&chief, "chief@h.test").await;
    for id in [&above, &wider, &everywhere] {
        for (mutation, input) in [
            ("updateUser", json!({ "id": id, "firstName": "X" })),
            ("deactivateUser", json!({ "id": id })),
            ("reactivateUser", json!({ "id": id })),
            ("unlockUser", json!({ "id": id })),
            ("resetUserPassword", json!({ "id": id })),
            ("resetUserPassword", json!({ "id": id, "newPassword": "short" })),
        ] {
            assert_eq!(
                chief.mutate(mutation, input, "").await.refusals(mutation),
                ["PRIVILEGE_ESCALATION id"],
                "{mutation} {id}"
            );
        }
        for (mutation, key, thing) in [
            ("assignRoles", "roles", STAFF),
            ("unassignRoles", "roles", STAFF),
            ("assignHotels", "hotels", "hotel:hotel-001"),
            ("unassignHotels", "hotels", "hotel:hotel-001"),
        ] {
            // All or nothing: the one that could be changed is not.
            let input = json!({ "users": [staff, id], key: [thing] });
            assert_eq!(
                chief.mutate(mutation, input, "").await.refusals(mutation),
                ["PRIVILEGE_ESCALATION users"],
                "{mutation}"
            );
        }
        let answer = chief.mutate("revokeUserSessions", json!({ "user": id }), "").await;
        assert_eq!(answer.refusals("revokeUserSessions"), ["PRIVILEGE_ESCALATION user"]);
    }
    let refused = [
        ("assignRoles", json!({ "users": [staff], "roles": [SYSTEM_ADMIN] }), "PRIVILEGE_ESCALATION roles"),
        ("assignRoles", json!({ "users": [me], "roles": [SYSTEM_ADMIN] }), "PRIVILEGE_ESCALATION roles"),
        ("assignHotels", json!({ "users": [staff], "hotels": ["hotel:hotel-002"] }), "NOT_FOUND hotels"),
        ("updateUser", json!({ "id": staff, "hotelScope": "ALL" }), "PRIVILEGE_ESCALATION hotelScope"),
        ("updateUser", json!({ "id": me, "hotelScope": "ALL" }), "PRIVILEGE_ESCALATION hotelScope"),
        (
            "createUser",
            json!({ "email": "x@h.test", "hotelScope": "ALL", "hotels": ["hotel:hotel-001"] }),
            "PRIVILEGE_ESCALATION hotelScope",
        ),
        (
            "createUser",
            json!({ "email": "x@h.test", "roles": [SYSTEM_ADMIN], "hotels": ["hotel:hotel-001"] }),
            "PRIVILEGE_ESCALATION roles",
        ),
        ("createUser", json!({ "email": "x@h.test", "hotels": ["hotel:hotel-002"] }), "NOT_FOUND hotels"),
        ("createUser", json!({ "email": "x@h.test" }), "INVALID_VALUE hotels"),
        ("deactivateUser", json!({ "id": me }), "LAST_ADMINISTRATOR id"),
        ("resetUserPassword", json!({ "id": me }), "INVALID_VALUE id"),
        ("updateUser", json!({ "id": me, "emailVerified": false }), "LAST_ADMINISTRATOR emailVerified"),
    ];
    for (mutation, input, expected) in refused {
        assert_eq!(
            chief.mutate(mutation, input.clone(), "").await.refusals(mutation),
            [expected],
            "{mutation} {input}"
        );
    }
    // What is theirs to give, they give.
    let input = json!({ "email": "made@h.test", "hotels": ["hotel:hotel-001"], "roles": [HOTEL_ADMIN, STAFF] });
    let answer = chief.mutate("createUser", input, USER).await;
    assert_eq!(answer.data("/createUser/user/roles"), &json!([{ "name": "HOTEL_ADMIN" }, { "name": "HOTEL_STAFF" }]));
    Client::done(&chief.mutate("updateUser", json!({ "id": staff, "firstName": "X" }), "").await, "updateUser");
    // Their last shared hotel taken, they are out of sight.
    let answer = chief
        .mutate("unassignHotels", json!({ "users": [staff], "hotels": ["hotel:hotel-001"] }), "users { id }")
        .await;
    assert_eq!(answer.data("/unassignHotels/users"), &json!([]));
    let answer = chief.mutate("updateUser", json!({ "id": staff, "firstName": "Y" }), "").await;
    assert_eq!(answer.refusals("updateUser"), ["NOT_FOUND id"]);
}

#[tokio::test]
async fn own_names_are_ones_own_and_little_else() {
    let app = TestApp::start().await;
    // Also of somebody who belongs to no hotel, and may change people.
    let alone = gid(app.user("alone@h.test").role("HOTEL_ADMIN").create().await);
    let client = app.signed_in("alone@h.test").await;
    for (mutation, input) in [
        ("updateUser", json!({ "id": alone, "firstName": "Me" })),
        ("assignRoles", json!({ "users": [alone], "roles": [STAFF] })),
        ("unassignRoles", json!({ "users": [alone], "roles": [STAFF] })),
    ] {
        Client::done(&client.mutate(mutation, input, "").await, mutation);
    }
    let id = gid(app.user("a@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
    let other = gid(app.user("b@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await);
    let client = app.signed_in("a@h.test").await;
    let answer = client.mutate("updateUser", json!({ "id": id, "firstName": "Me" }), USER).await;
    assert_eq!(answer.data("/updateUser/user/firstName"), "Me");
    for input in [
        json!({ "id": id, "email": "x@h.test" }),
        json!({ "id": id, "hotelScope": "ASSIGNED" }),
        json!({ "id": other, "firstName": "X" }),
    ] {
        assert_eq!(client.mutate("updateUser", input.clone(), "").await.code(), "FORBIDDEN", "{input}");
    }
    // The first one is an event, and what comes again in its minute is counted for another one.
    let refused = app.count("SELECT count(*) FROM audit_events WHERE type = 'change_refused' AND outcome = 'FAILURE' AND detail->>'reason' = 'forbidden'");
    assert!(refused.await >= 1);
    let refused = "SELECT sum(repeats + 1)::bigint FROM audit_repeats WHERE type = 'change_refused' AND detail->>'reason' = 'forbidden'";
    assert_eq!(app.count(refused).await, 3);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let me = answer_id(&admin, "admin@voicehive-hotels.eu").await;
    // Holds every permission by another role, so that nothing but the rule stands in the way.
    app.sql("INSERT INTO roles (id, name, display_name, permissions) SELECT gen_random_uuid(), 'DEPUTY', 'Deputy', permissions FROM roles WHERE name = 'SYSTEM_ADMIN'").await;
    app.user("deputy@h.test").role("DEPUTY").everywhere().create().await;
    let deputy = app.signed_in("deputy@h.test").await;
    for (mutation, input, field) in [
        ("deactivateUser", json!({ "id": me }), "id"),
        ("deleteUser", json!({ "id": me }), "id"),
        ("unassignRoles", json!({ "users": [me], "roles": [SYSTEM_ADMIN] }), "users"),
        ("updateUser", json!({ "id": me, "hotelScope": "ASSIGNED" }), "id"),
        ("updateUser", json!({ "id": me, "emailVerified": false }), "id"),
    ] {
        let answer = deputy.mutate(mutation, input, "").await;
        assert_eq!(answer.refusals(mutation), [format!("LAST_ADMINISTRATOR {field}")], "{mutation}");
        assert!(admin.is_signed_in().await);
    }
    // One who cannot sign in, or does not reach everything, is none that counts.
    app.user("half@h.test").role("SYSTEM_ADMIN").create().await;
    let answer = deputy.mutate("deactivateUser", json!({ "id": me }), "").await;
    assert_eq!(answer.refusals("deactivateUser"), ["LAST_ADMINISTRATOR id"]);
    app.user("second@h.test").role("SYSTEM_ADMIN").everywhere().create().await;
    Client::done(&deputy.mutate("deactivateUser", json!({ "id": me }), "").await, "deactivateUser");
}

#[tokio::test]
async fn administrators_who_remove_each_other_at_once_leave_one() {
    let app = TestApp::start().await;
    let mut administrators = vec![(app.admin().await, String::new())];
    for email in ["b@h.test", "c@h.test", "d@h.test"] {
        app.user(email).role("SYSTEM_ADMIN").everywhere().create().await;
        administrators.push((app.signed_in(email).await, String::new()));
    }
    for (client, id) in &mut administrators {
        *id = client.query("{ me { id } }").await.data("/me/id").as_str().expect("an id").to_owned();
    }
    let ids: Vec<String> = administrators.iter().map(|(_, id)| id.clone()).collect();
    let mut attempts = tokio::task::JoinSet::new();
    for (client, own) in administrators {
        for (number, other) in ids.iter().filter(|id| **id != own).enumerate() {
            let (mutation, input) = match number {
                0 => ("deactivateUser", json!({ "id": other })),
                1 => ("unassignRoles", json!({ "users": [own, other], "roles": [SYSTEM_ADMIN] })),
                _ => ("deleteUser", json!({ "id": other })),
            };
            let client = client.clone();
            attempts.spawn(async move { (mutation, client.mutate(mutation, input, "").await) });
        }
    }
    let mut worked = 0;
    while let Some(attempt) = attempts.join_next().await {
        let (mutation, answer) = attempt.expect("an answer");
        match answer.code() {
            // Those who were removed before their turn came.
            "UNAUTHENTICATED" | "FORBIDDEN" => {}
            "" => worked += i32::from(answer.refusals(mutation).is_empty()),
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert!(worked > 0, "somebody removed somebody");
    let left = "SELECT count(*) FROM users u WHERE active AND email_verified AND hotel_scope = 'ALL' AND EXISTS
        (SELECT FROM user_roles h JOIN roles r ON r.id = h.role_id WHERE h.user_id = u.id AND r.name = 'SYSTEM_ADMIN')";
    assert!(app.count(left).await >= 1);
}

#[tokio::test]
async fn a_thousand_users_at_once_in_a_fixed_number_of_statements() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO hotels (id, name, pms_type) SELECT 'h-' || n, 'Hotel ' || n, 'mews' FROM generate_series(1, 20) n",
    )
    .await;
    app.sql("INSERT INTO users (id, email, password_hash, email_verified) SELECT gen_random_uuid(), 'user' || n || '@h.test', 'x', true FROM generate_series(1, 1001) n").await;
    let admin = app.admin().await;
    let ids: Vec<String> = sqlx::query_scalar("SELECT 'user:' || id FROM users WHERE email LIKE 'user%'")
        .fetch_all(&app.database.superuser)
        .await
        .expect("ids");
    let hotels: Vec<String> = (1..=20).map(|n| format!("hotel:h-{n}")).collect();
    let mut statements = Vec::new();
    for (mutation, key, things) in [
        ("assignRoles", "roles", json!([STAFF, HOTEL_ADMIN])),
        ("assignHotels", "hotels", json!(hotels)),
        ("unassignHotels", "hotels", json!(hotels[1..])),
        ("unassignRoles", "roles", json!([HOTEL_ADMIN])),
    ] {
        let refused = admin.mutate(mutation, json!({ "users": ids, key: things }), "users { id }").await;
        assert_eq!(refused.refusals(mutation), ["INVALID_VALUE users"], "1,001 users");
        for users in [&ids[..1], &ids[..1000]] {
            let answer = admin.mutate(mutation, json!({ "users": users, key: things }), "users { id }").await;
            Client::done(&answer, mutation);
            assert_eq!(answer.texts(&format!("/{mutation}/users"), "/id"), users, "in the order asked");
            statements.push(answer.statements());
        }
    }
    for pair in statements.chunks(2) {
        assert_eq!(pair[0], pair[1], "one user or a thousand: {statements:?}");
        assert!(pair[0] <= 10, "{statements:?}");
    }
    assert_eq!(
        app.count(
            "SELECT count(*) FROM user_roles held JOIN users u ON u.id = held.user_id WHERE u.email LIKE 'user%'"
        )
        .await,
        1000
    );
    assert_eq!(app.count("SELECT count(*) FROM user_hotels WHERE hotel_id LIKE 'h-%'").await, 1000);
    assert_eq!(
        app.count("SELECT count(*) FROM audit_events WHERE type = 'hotels_assigned'").await,
        1000,
        "an event for each"
    );
    for (mutation, input, field) in [
        ("assignRoles", json!({ "users": [], "roles": [STAFF] }), "users"),
        ("assignRoles", json!({ "users": [ids[0]], "roles": [] }), "roles"),
        ("assignHotels", json!({ "users": [ids[0], ids[0]], "hotels": ["hotel:h-1"] }), "users"),
        ("unassignHotels", json!({ "users": [ids[0]], "hotels": ["hotel:h-1", "hotel:h-1"] }), "hotels"),
    ] {
        assert_eq!(admin.mutate(mutation, input, "").await.refusals(mutation), [format!("INVALID_VALUE {field}")]);
    }
    let unknown = json!({ "users": [ids[0], gid(Uuid::max())], "roles": [HOTEL_ADMIN] });
    assert_eq!(admin.mutate("assignRoles", unknown, "").await.refusals("assignRoles"), ["NOT_FOUND users"]);
    assert_eq!(
        app.count(
            "SELECT count(*) FROM user_roles held JOIN users u ON u.id = held.user_id WHERE u.email LIKE 'user%'"
        )
        .await,
        1000,
        "all or nothing"
    );
}
