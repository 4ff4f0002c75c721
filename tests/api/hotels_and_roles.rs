//! Administering roles and hotels.

use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{Client, TestApp};

const STAFF: &str = "role:01900000-0000-7000-8000-000000000003";

#[tokio::test]
async fn a_role_from_its_making_to_its_end() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let input =
        json!({ "name": "NIGHT_AUDITOR", "displayName": " Night auditor ", "permissions": ["user:view", "call:view"] });
    let answer =
        admin.mutate("createRole", input, "role { id name displayName description permissions active system }").await;
    Client::done(&answer, "createRole");
    let role = answer.data("/createRole/role").clone();
    assert_eq!(
        (&role["displayName"], &role["permissions"], &role["system"]),
        (&json!("Night auditor"), &json!(["call:view", "user:view"]), &json!(false))
    );
    let id = role["id"].as_str().expect("an id").to_owned();
    let user = app.user("a@h.test").hotel("hotel-001").create().await;
    Client::done(
        &admin.mutate("assignRoles", json!({ "users": [format!("user:{user}")], "roles": [id] }), "").await,
        "assignRoles",
    );
    let client = app.signed_in("a@h.test").await;
    let permissions = || async { client.query("{ me { permissions } }").await.data("/me/permissions").clone() };
    assert_eq!(permissions().await, json!(["call:view", "user:view"]));

    let answer = admin.mutate("deleteRole", json!({ "id": id }), "deletedId").await;
    assert_eq!(answer.refusals("deleteRole"), ["STILL_IN_USE id"]);
    let change = json!({ "id": id, "permissions": ["call:view"], "description": "At night" });
    let answer = admin.mutate("updateRole", change, "role { description permissions displayName }").await;
    assert_eq!(
        answer.data("/updateRole/role"),
        &json!({ "description": "At night", "permissions": ["call:view"], "displayName": "Night auditor" })
    );
    assert_eq!(permissions().await, json!(["call:view"]), "at the next request");
    Client::done(
        &admin.mutate("updateRole", json!({ "id": id, "active": false, "description": null }), "").await,
        "updateRole",
    );
    assert_eq!(permissions().await, json!([]), "an inactive role grants nothing");

    Client::done(
        &admin.mutate("unassignRoles", json!({ "users": [format!("user:{user}")], "roles": [id] }), "").await,
        "unassignRoles",
    );
    let answer = admin.mutate("deleteRole", json!({ "id": id }), "deletedId").await;
    assert_eq!(answer.data("/deleteRole/deletedId"), &json!(id));
    assert_eq!(admin.mutate("deleteRole", json!({ "id": id }), "").await.refusals("deleteRole"), ["NOT_FOUND id"]);
}

#[tokio::test]
async fn roles_that_cannot_be() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let good = || json!({ "name": "NIGHT_AUDITOR", "displayName": "Night auditor" });
    for (key, value, expected) in [
        ("name", json!("night"), "INVALID_VALUE name"),
        ("name", json!("HOTEL_STAFF"), "ALREADY_TAKEN name"),
        ("displayName", json!(" "), "INVALID_VALUE displayName"),
        ("displayName", json!("x".repeat(101)), "INVALID_VALUE displayName"),
        ("description", json!("x".repeat(1001)), "INVALID_VALUE description"),
        ("permissions", json!(["user:fly"]), "INVALID_VALUE permissions"),
        ("permissions", json!(["user:view", "user:view"]), "INVALID_VALUE permissions"),
    ] {
        let mut input = good();
        input[key] = value;
        assert_eq!(admin.mutate("createRole", input, "").await.refusals("createRole"), [expected]);
    }
    for (mutation, input) in
        [("updateRole", json!({ "id": STAFF, "description": "x" })), ("deleteRole", json!({ "id": STAFF }))]
    {
        assert_eq!(admin.mutate(mutation, input, "").await.refusals(mutation), ["SYSTEM_ROLE id"]);
    }
    let id = format!("role:{}", Uuid::max());
    assert_eq!(
        admin.mutate("updateRole", json!({ "id": id, "active": true }), "").await.refusals("updateRole"),
        ["NOT_FOUND id"]
    );
    for field in ["displayName", "permissions", "active"] {
        let answer = admin.mutate("updateRole", json!({ "id": id, field: null }), "").await;
        assert_eq!(answer.refusals("updateRole"), [format!("INVALID_VALUE {field}")]);
    }
    assert_eq!(app.count("SELECT count(*) FROM roles").await, 4);
}

#[tokio::test]
async fn roles_are_for_those_who_reach_everything_and_hold_what_they_give() {
    let app = TestApp::start().await;
    app.user("here@h.test").role("SYSTEM_ADMIN").hotel("hotel-001").create().await;
    app.sql("INSERT INTO roles (id, name, display_name, permissions) VALUES (gen_random_uuid(), 'ROLE_EDITOR', 'Editor', '{system:admin,call:view}'),
             (gen_random_uuid(), 'STRONG', 'Strong', '{user:delete}')").await;
    app.user("editor@h.test").role("ROLE_EDITOR").everywhere().create().await;
    let strong = format!("role:{}", app.text("SELECT id::text FROM roles WHERE name = 'STRONG'").await.expect("an id"));
    let new = |permissions: Value| json!({ "name": "NEW_ROLE", "displayName": "New", "permissions": permissions });
    for email in ["here@h.test", "operator@voicehive-hotels.eu", "manager@hotel1.com"] {
        let client = app.signed_in(email).await;
        for (mutation, input) in [
            ("createRole", new(json!([]))),
            ("updateRole", json!({ "id": strong, "active": false })),
            ("deleteRole", json!({ "id": strong })),
        ] {
            assert_eq!(client.mutate(mutation, input, "").await.code(), "FORBIDDEN", "{email} {mutation}");
        }
    }
    let editor = app.signed_in("editor@h.test").await;
    let refused = editor.mutate("createRole", new(json!(["call:view", "user:delete"])), "").await;
    assert_eq!(refused.refusals("createRole"), ["PRIVILEGE_ESCALATION permissions"]);
    for (mutation, input) in
        [("updateRole", json!({ "id": strong, "permissions": ["call:view"] })), ("deleteRole", json!({ "id": strong }))]
    {
        assert_eq!(editor.mutate(mutation, input, "").await.refusals(mutation), ["PRIVILEGE_ESCALATION id"]);
    }
    Client::done(&editor.mutate("createRole", new(json!(["call:view"])), "").await, "createRole");
}

#[tokio::test]
async fn a_hotel_and_its_secrets() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let config = json!({ "url": "https://pms.example", "client_secret": "s3cr3t-one", "rooms": [{ "accessToken": "s3cr3t-two", "id": 1 }] });
    let input = json!({
        "pmsHotelId": "h-9", "name": " Grand ", "brand": "", "country": "fr", "city": "Lyon", "pmsType": "Mews", "pmsConfig": config
    });
    let hotel = "hotel { id pmsHotelId name brand country city address pmsType pmsConfig active }";
    let answer = admin.mutate("createHotel", input.clone(), hotel).await;
    Client::done(&answer, "createHotel");
    let masked = json!({ "url": "https://pms.example", "client_secret": "********", "rooms": [{ "accessToken": "********", "id": "********" }] });
    let made = answer.data("/createHotel/hotel");
    assert_eq!(
        (&made["name"], &made["brand"], &made["country"], &made["pmsType"]),
        (&json!("Grand"), &Value::Null, &json!("FR"), &json!("mews"))
    );
    assert_eq!(made["pmsConfig"], masked);
    assert_eq!(admin.mutate("createHotel", input, "").await.refusals("createHotel"), ["ALREADY_TAKEN pmsHotelId"]);

    // What was read is sent back, with a change elsewhere: the secrets stay.
    let answer =
        admin.mutate("updateHotel", json!({ "id": "hotel:h-9", "pmsConfig": masked, "city": null }), hotel).await;
    assert_eq!(
        (answer.data("/updateHotel/hotel/city"), answer.data("/updateHotel/hotel/name")),
        (&Value::Null, &json!("Grand"))
    );
    let stored = app.text("SELECT pms_config::text FROM hotels WHERE id = 'h-9'").await.expect("settings");
    assert!(
        stored.contains("s3cr3t-one") && stored.contains("s3cr3t-two") && stored.contains("pms.example"),
        "{stored}"
    );
    // Beside another address, or for another PMS, they are asked for again: else they would be sent there.
    let mut moved = masked.clone();
    moved["url"] = json!("https://elsewhere.example");
    let mut new_secret = masked.clone();
    new_secret["client_secret"] = json!("s3cr3t-new");
    for change in [
        json!({ "pmsConfig": moved }),
        json!({ "pmsConfig": new_secret }),
        json!({ "pmsConfig": { "url": "https://u:s3cr3t@elsewhere.example", "client_secret": "********" } }),
        json!({ "pmsType": "opera" }),
        json!({ "pmsType": "opera", "pmsConfig": masked }),
    ] {
        let mut change = change;
        change["id"] = json!("hotel:h-9");
        let answer = admin.mutate("updateHotel", change.clone(), "").await;
        assert_eq!(answer.refusals("updateHotel"), ["INVALID_VALUE pmsConfig"], "{change}");
    }
    assert_eq!(app.text("SELECT pms_config::text FROM hotels WHERE id = 'h-9'").await, Some(stored));
    let whole = json!({ "id": "hotel:h-9", "pmsType": "opera", "pmsConfig": {
        "url": "https://u:s3cr3t-url@new.example", "appKey": "s3cr3t-app", "accessKey": "s3cr3t-access", "pwd": "s3cr3t-pwd", "sandbox": true, "port": 443 } });
    let answer = admin.mutate("updateHotel", whole, hotel).await;
    Client::done(&answer, "updateHotel");
    let mask = "********";
    assert_eq!(
        answer.data("/updateHotel/hotel/pmsConfig"),
        &json!({ "url": mask, "appKey": mask, "accessKey": mask, "pwd": mask, "sandbox": true, "port": 443 })
    );
    let answer =
        admin.mutate("updateHotel", json!({ "id": "hotel:h-9", "pmsConfig": { "password": "********" } }), "").await;
    assert_eq!(answer.refusals("updateHotel"), ["INVALID_VALUE pmsConfig"]);

    let change = json!({ "id": "hotel:h-9", "pmsConfig": { "client_secret": "s3cr3t-three" } });
    Client::done(&admin.mutate("updateHotel", change, "").await, "updateHotel");
    let told = app.text("SELECT string_agg(detail::text, ' ') FROM audit_events").await.expect("events");
    assert!(!told.contains("s3cr3t") && !told.contains("********") && !told.contains("pms.example"), "{told}");
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'hotel_updated' AND (detail->>'pms_config_changed')::boolean").await, 2);
    // What the trail told of settings once, it tells no more.
    app.sql("BEGIN; SELECT set_config('app.principal', 'system', true);
             INSERT INTO audit_events (id, occurred_at, type, outcome, detail) VALUES (gen_random_uuid(), now(), 'hotel_updated', 'SUCCESS',
             '{\"changes\": {\"pms_config\": {\"before\": {\"appKey\": \"s3cr3t-old\"}, \"after\": null}}}'); COMMIT").await;
    let read =
        admin.query("{ auditEvents(first: 1, filter: {types: [\"hotel_updated\"]}) { nodes { detail } } }").await;
    assert_eq!(read.data("/auditEvents/nodes/0/detail"), &json!({ "changes": { "pms_config": null } }));
    Client::done(
        &admin.mutate("updateHotel", json!({ "id": "hotel:h-9", "active": false, "pmsConfig": null }), "").await,
        "updateHotel",
    );
    assert_eq!(
        app.count("SELECT count(*) FROM hotels WHERE id = 'h-9' AND NOT active AND pms_config IS NULL").await,
        1
    );
}

#[tokio::test]
async fn hotels_that_cannot_be() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (key, value) in [
        ("pmsHotelId", json!("")),
        ("pmsHotelId", json!(" h")),
        ("pmsHotelId", json!("h".repeat(101))),
        ("name", json!("")),
        ("name", json!("a\u{0007}b")),
        ("brand", json!("x".repeat(101))),
        ("address", json!("x".repeat(301))),
        ("country", json!("XX")),
        ("country", json!("Germany")),
        ("pmsType", json!("two words")),
        ("pmsConfig", json!("secret")),
        ("pmsConfig", json!([1, 2])),
        ("pmsConfig", json!({ "blob": "x".repeat(17 * 1024) })),
        ("pmsConfig", json!({ "secret": "********" })),
    ] {
        let mut input = json!({ "pmsHotelId": "h-9", "name": "Grand", "pmsType": "mews" });
        input[key] = value;
        assert_eq!(
            admin.mutate("createHotel", input.clone(), "").await.refusals("createHotel"),
            [format!("INVALID_VALUE {key}")],
            "{input}"
        );
    }
    for field in ["name", "pmsType", "active"] {
        let answer = admin.mutate("updateHotel", json!({ "id": "hotel:hotel-001", field: null }), "").await;
        assert_eq!(answer.refusals("updateHotel"), [format!("INVALID_VALUE {field}")]);
    }
    assert_eq!(app.count("SELECT count(*) FROM hotels").await, 1);
    for email in ["operator@voicehive-hotels.eu", "manager@hotel1.com"] {
        let input = json!({ "pmsHotelId": "h-9", "name": "Grand", "pmsType": "mews" });
        assert_eq!(app.signed_in(email).await.mutate("createHotel", input, "").await.code(), "FORBIDDEN");
    }
    let operator = app.signed_in("operator@voicehive-hotels.eu").await;
    Client::done(
        &operator.mutate("updateHotel", json!({ "id": "hotel:hotel-001", "city": "Bonn" }), "").await,
        "updateHotel",
    );
}
