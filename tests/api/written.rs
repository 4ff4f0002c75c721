//! What is written at once reads as what is resolved field by field, which asking for one more field brings about.

use serde_json::{Value, json};

use super::support::{Client, TestApp};

const ROLE: &str = "__typename id name displayName description permissions active system createdAt updatedAt";
const HOTEL: &str = "__typename id pmsHotelId name brand country city address pmsType active createdAt updatedAt";

/// What of a user can be written whoever they are: `me` is kept as of the sign-in, and a count needs the list.
fn simple() -> String {
    format!(
        "__typename id email firstName lastName displayName active emailVerified passwordChangedAt mustChangePassword \
         mfaEnabled hotelScope permissions createdAt updatedAt roles {{ {ROLE} }} hotels {{ __typename nodes {{ {HOTEL} }} \
         edges {{ __typename cursor node {{ {HOTEL} }} }} pageInfo {{ hasNextPage endCursor }} }}"
    )
}

fn user() -> String {
    let list = format!(
        "__typename nodes {{ {HOTEL} }} edges {{ __typename cursor node {{ {HOTEL} }} }} \
         pageInfo {{ __typename hasNextPage hasPreviousPage startCursor endCursor }}"
    );
    format!(
        "__typename id email firstName lastName displayName active emailVerified locked lockedUntil failedLoginAttempts \
         lastLoginAt passwordChangedAt mustChangePassword mfaEnabled hotelScope permissions createdAt updatedAt \
         roles {{ {ROLE} }} hotels {{ {list} }} all: hotels(first: 100) {{ totalCount nodes {{ id }} }} \
         firstOnes: hotels(first: $rows) {{ {list} }} last: hotels(last: 1) {{ {list} }} \
         rest: hotels(first: 2, after: $cursor) {{ {list} }} before: hotels(last: 2, before: $cursor) {{ {list} }}"
    )
}

/// Without what was asked for to have everything resolved.
fn without_extras(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("extra");
            fields.values_mut().for_each(without_extras);
        }
        Value::Array(items) => items.iter_mut().for_each(without_extras),
        _ => {}
    }
}

/// Asks for users by `shape`, in which `USER` stands for these fields of theirs.
async fn reads_alike(client: &Client, shape: &str, fields: &str) -> Value {
    let declared = if fields.contains('$') { "query($rows: Int, $cursor: String)" } else { "" };
    // ["hotel","h-2"]
    let variables =
        if declared.is_empty() { json!({}) } else { json!({ "rows": 1, "cursor": "WyJob3RlbCIsImgtMiJd" }) };
    let written = format!("{declared} {}", shape.replace("USER", fields));
    let resolved = format!("{declared} {}", shape.replace("USER", &format!("{fields} extra: createdBy {{ id }}")));
    let written = client.graphql(&written, variables.clone()).await;
    let mut resolved = client.graphql(&resolved, variables).await;
    without_extras(&mut resolved.body);
    assert_eq!(written.data(""), resolved.data(""), "{shape} {fields}");
    written.data("").clone()
}

#[tokio::test]
async fn what_is_at_hand_reads_as_what_is_resolved() {
    let app = TestApp::start().await;
    for (id, name) in [("h-1", "One \"Inn\""), ("h-2", "Zwei\\nacht"), ("h-3", "Trois\u{2028}étoiles"), ("h-4", "Four")]
    {
        app.hotel(id, name).await;
    }
    app.user("plain@h.test").role("HOTEL_ADMIN").hotel("h-1").hotel("h-2").hotel("h-3").create().await;
    app.user("other@h.test").role("HOTEL_ADMIN").role("OPERATOR").hotel("h-2").create().await;
    app.user("nobody@h.test").create().await;
    app.user("everywhere@h.test").role("SYSTEM_ADMIN").everywhere().create().await;
    app.sql("UPDATE users SET first_name = E'\"\\\\\\t', last_name = 'Ömer' WHERE email = 'other@h.test'").await;
    app.sql(
        "UPDATE users SET locked_until = now() + interval '1 hour', failed_login_attempts = 5, mfa_enabled = true, \
         must_change_password = true WHERE email = 'nobody@h.test'",
    )
    .await;
    app.sql("UPDATE roles SET active = false WHERE name = 'OPERATOR'").await;
    app.sql("UPDATE hotels SET active = false, brand = 'B', city = 'C', address = 'A' WHERE id = 'h-3'").await;
    app.hears_changes().await;
    let (admin, tenant) = (app.admin().await, app.signed_in("other@h.test").await);
    let (all, simple) = (user(), simple());
    for client in [&admin, &tenant] {
        for shape in [
            "{ users(first: 9) { totalCount nodes { USER } pageInfo { endCursor } } }",
            "{ users(first: 9) { nodes { id } edges { cursor node { USER } } } }",
            "{ a: users(first: 1) { rows: nodes { USER } } b: users(last: 1) { nodes { id } edges { node { email } } } }",
            "{ users(first: 9) { x: edges { node { USER } } y: edges { node { id } } } }",
            "{ users(first: 9) { edges { nodes: node { id } } nodes { USER } } }",
            "{ me { USER } }",
            "{ viewer { ... on User { USER } } }",
            "{ user(by: { email: \"plain@h.test\" }) { USER } }",
            "{ hotel(by: { pmsHotelId: \"h-2\" }) { users(first: 9) { nodes { USER } } } }",
            "{ role(by: { name: \"HOTEL_ADMIN\" }) { users(first: 9) { nodes { ...F } } } } fragment F on User { USER }",
        ] {
            for fields in [
                &all,
                &simple,
                "... on Node { id } ... on User { email active }",
                "id @skip(if: true) email @skip(if: false) active @include(if: false)",
                "email address: email",
                "hotels(first: 1) { nodes { id } } hotels(first: 1) { nodes { name } }",
            ] {
                let read = reads_alike(client, shape, fields).await.to_string();
                assert!(read.contains('@') || read.contains("user:") || read.contains("\"hotel:"), "{read}");
            }
        }
    }
    // By the words of the specification: a part for another type is not there, one for a union of which this is one is.
    let foreign = admin.query("{ me { email ... on Node { ... on Hotel { active createdAt } } } }").await;
    assert_eq!(foreign.data("/me"), &json!({ "email": "admin@voicehive-hotels.eu" }));
    let checks = json!({ "checks": [
        { "user": "user:ID", "permission": "user:view", "hotel": "hotel:h-2" },
        { "user": "user:ID", "permission": "user:view", "hotel": "hotel:h-3" },
        { "user": "user:ID", "permission": "no:such" },
    ] });
    let plain = app.text("SELECT id::text FROM users WHERE email = 'plain@h.test'").await.expect("a user");
    let checks: Value = serde_json::from_str(&checks.to_string().replace("ID", &plain)).expect("JSON");
    let check = async |roles: &str| {
        let query = format!(
            "query($checks: [AccessCheck!]!) {{ checkAccess(checks: $checks) {{
                 __typename allowed reason grantedBy {{ {roles} }} all: grantedBy {{ id }} }} }}"
        );
        let mut answer = admin.graphql(&query, checks.clone()).await;
        without_extras(&mut answer.body);
        answer.data("/checkAccess").clone()
    };
    let written = check(ROLE).await;
    assert_eq!(written, check(&format!("{ROLE} extra: users(first: 1) {{ nodes {{ id }} }}")).await);
    let allowed: Vec<_> = (0..3).map(|n| written[n]["allowed"].clone()).collect();
    assert_eq!(allowed, [true, false, false]);
    // What does not go together is refused as ever.
    let refused = admin.query("{ users { nodes { hotels(first: 1, last: 1) { nodes { id } } } } }").await;
    assert_eq!((refused.code(), refused.argument()), ("BAD_USER_INPUT", "last"));
    // Fields of one name are merged.
    let merged = admin.query("{ me { id } me { email } users { nodes { id } nodes { email } } }").await;
    assert_eq!(merged.data("/me/email"), "admin@voicehive-hotels.eu");
    assert!(merged.data("/users/nodes/0/id").is_string() && merged.data("/users/nodes/0/email").is_string());
    // Columns are read by their place.
    app.sql(
        "UPDATE users SET first_name = 'First', last_name = 'Last', active = true, email_verified = false, failed_login_attempts = 3, \
         locked_until = '2030-01-01T00:00:00Z', last_login_at = '2026-01-02T00:00:00Z', password_changed_at = '2026-01-03T00:00:00Z', \
         must_change_password = true, mfa_enabled = false, updated_at = '2026-01-05T00:00:00Z', updated_by = id WHERE email = 'nobody@h.test'",
    )
    .await;
    let fields = "firstName lastName active emailVerified failedLoginAttempts lockedUntil lastLoginAt passwordChangedAt \
                  mustChangePassword mfaEnabled hotelScope updatedAt createdBy { id } updatedBy { email }";
    let read = admin.query(&format!("{{ user(by: {{ email: \"nobody@h.test\" }}) {{ {fields} }} }}")).await;
    let expected = json!({
        "firstName": "First", "lastName": "Last", "active": true, "emailVerified": false, "failedLoginAttempts": 3,
        "lockedUntil": "2030-01-01T00:00:00Z", "lastLoginAt": "2026-01-02T00:00:00Z",
        "passwordChangedAt": "2026-01-03T00:00:00Z", "mustChangePassword": true, "mfaEnabled": false,
        "hotelScope": "ASSIGNED", "updatedAt": "2026-01-05T00:00:00Z", "createdBy": null,
        "updatedBy": { "email": "nobody@h.test" },
    });
    assert_eq!(read.data("/user"), &expected);
    let other = admin.query("{ user(by: { email: \"other@h.test\" }) { firstName displayName } }").await;
    assert_eq!(other.data("/user"), &json!({ "firstName": "\"\\\t", "displayName": "\"\\ Ömer" }));
}
