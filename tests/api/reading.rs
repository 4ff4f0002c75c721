//! Reading users, roles, hotels and sessions: look-ups, lists, filters, orders and pages.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, TestApp};

/// All pages of `users(...)`, walked forward or backward, as lists of email addresses.
async fn walk(client: &Client, order: &str, rows: u32, forward: bool) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let arguments = if forward { "first: $rows, after: $cursor" } else { "last: $rows, before: $cursor" };
        let query = format!(
            "query($rows: Int!, $cursor: String) {{ users({arguments}, orderBy: {order}) {{
                nodes {{ email }} edges {{ cursor }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        let answer = client.graphql(&query, json!({ "rows": rows, "cursor": cursor })).await;
        let page = answer.texts("/users/nodes", "/email");
        let info = answer.data("/users/pageInfo").clone();
        let first = pages.is_empty();
        pages.push(page);
        let (more, back, next) = if forward {
            ("hasNextPage", "hasPreviousPage", "endCursor")
        } else {
            ("hasPreviousPage", "hasNextPage", "startCursor")
        };
        assert_eq!(info[back], !first);
        if info[more] == false {
            return pages;
        }
        cursor = info[next].clone();
        assert!(pages.len() < 100, "the pages end");
    }
}

#[tokio::test]
async fn pages_hold_every_user_once_in_every_order_and_both_ways() {
    let app = TestApp::start().await;
    for (n, name) in ["ada.Zuse", "bob.adams", "cyd.Adams", "dan", "eve.%under_score", "fay.ömer", "gus", "hal.Adams"]
        .iter()
        .enumerate()
    {
        app.user(&format!("{name}@h.test").to_lowercase()).create().await;
        let last = name.split_once('.').map_or("NULL".to_owned(), |(_, last)| format!("'{last}'"));
        let email = format!("{name}@h.test").to_lowercase();
        app.sql(&format!("UPDATE users SET last_name = {last} WHERE email = '{email}'")).await;
        if n % 3 == 0 {
            app.sql(&format!(
                "UPDATE users SET last_login_at = '2026-01-0{}T00:00:00Z' WHERE email = '{email}'",
                n + 1
            ))
            .await;
        }
    }
    let admin = app.admin().await;
    // Unicode's root collation as ICU has it, but for upper and lower case.
    app.sql("CREATE COLLATION root (provider = icu, locale = 'und-u-ks-level2', deterministic = false)").await;
    let truth = async |order: &str| {
        let sql = format!("SELECT string_agg(email, ' ' ORDER BY {order}) FROM users");
        app.text(&sql).await.expect("users").split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    for (field, ascending, descending) in [
        ("CREATED_AT", "created_at, id", "created_at DESC, id DESC"),
        ("EMAIL", "email COLLATE \"C\", id", "email COLLATE \"C\" DESC, id DESC"),
        ("LAST_NAME", "coalesce(last_name, '') COLLATE root, id", "coalesce(last_name, '') COLLATE root DESC, id DESC"),
        ("LAST_LOGIN_AT", "last_login_at NULLS FIRST, id", "last_login_at DESC NULLS LAST, id DESC"),
    ] {
        for (direction, order) in [("", ascending), (", direction: DESC", descending)] {
            let expected = truth(order).await;
            let asked = format!("{{field: {field}{direction}}}");
            for rows in [1, 3, 11, 100] {
                let forward: Vec<_> = walk(&admin, &asked, rows, true).await.concat();
                assert_eq!(forward, expected, "{asked} by {rows}");
                let mut backward = walk(&admin, &asked, rows, false).await;
                backward.reverse();
                assert_eq!(backward.concat(), expected, "{asked} by {rows}, backward");
            }
        }
    }
}

#[tokio::test]
async fn pages_stay_right_while_users_are_added_and_removed() {
    let app = TestApp::start().await;
    for n in 0..9 {
        app.user(&format!("user{n}@h.test")).create().await;
    }
    let admin = app.admin().await;
    let page = "query($after: String) { users(first: 4, after: $after, orderBy: {field: EMAIL}, filter: {search: \"h.test\"}) {
        nodes { email } pageInfo { endCursor } } }";
    let first = admin.query(page).await;
    app.user("user0a@h.test").create().await;
    // The very row that the cursor stands on.
    app.sql("DELETE FROM users WHERE email = 'user3@h.test'").await;
    let second = admin.graphql(page, json!({ "after": first.data("/users/pageInfo/endCursor") })).await;
    let emails = second.texts("/users/nodes", "/email");
    assert_eq!(emails, ["user4@h.test", "user5@h.test", "user6@h.test", "user7@h.test"]);
}

#[tokio::test]
async fn filters_narrow_and_combine() {
    let app = TestApp::start().await;
    app.hotel("hotel-002", "Azur").await;
    app.hotel("hotel-003", "Closed").await;
    app.sql("UPDATE hotels SET active = false WHERE id = 'hotel-003'").await;
    app.user("ada.Byron@h.test").role("HOTEL_STAFF").hotel("hotel-002").create().await;
    app.user("bob.100%@h.test").role("GUEST_USER").hotel("hotel-003").create().await;
    app.user("cyd@h.test").role("HOTEL_ADMIN").everywhere().create().await;
    app.sql("UPDATE users SET active = false, locked_until = now() + interval '1 hour' WHERE email LIKE 'ada%'").await;
    app.sql("UPDATE users SET email_verified = false, last_login_at = '2026-02-01T00:00:00Z' WHERE email LIKE 'bob%'")
        .await;
    app.sql("UPDATE users SET created_at = '2020-01-01T00:00:00Z' WHERE email LIKE 'cyd%'").await;
    app.sql(
        "INSERT INTO roles (id, name, display_name, permissions, active)
             VALUES ('01900000-0000-7000-8000-0000000000aa', 'SLEEPING', 'Sleeping', '{user:delete}', false)",
    )
    .await;
    app.sql("INSERT INTO user_roles (user_id, role_id) SELECT id, '01900000-0000-7000-8000-0000000000aa' FROM users WHERE email LIKE 'bob%'").await;
    let admin = app.admin().await;
    let role = |name: &str| format!("SELECT 'role:' || id FROM roles WHERE name = '{name}'");
    let (staff, guest) =
        (app.text(&role("HOTEL_STAFF")).await.expect("id"), app.text(&role("GUEST_USER")).await.expect("id"));
    let table: Vec<(Value, &[&str])> = vec![
        (json!({}), &["admin", "operator", "manager", "ada", "bob", "cyd"]),
        (json!({ "search": "BYRON" }), &["ada"]),
        (json!({ "search": "0%" }), &["bob"]),
        (json!({ "search": "__" }), &[]),
        (json!({ "search": "Demo Man" }), &["manager"]),
        (json!({ "active": false }), &["ada"]),
        (json!({ "locked": true }), &["ada"]),
        (json!({ "locked": false, "emailVerified": false }), &["bob"]),
        (json!({ "hotelScope": "ALL" }), &["admin", "operator", "cyd"]),
        (json!({ "roles": [staff] }), &["manager", "ada"]),
        (json!({ "roles": [staff, guest], "active": true }), &["manager", "bob"]),
        (json!({ "roles": [] }), &[]),
        (json!({ "hotels": ["hotel:hotel-002"] }), &["admin", "operator", "ada", "cyd"]),
        (json!({ "hotels": ["hotel:hotel-003"] }), &["bob"]),
        (json!({ "hotels": ["hotel:hotel-001", "hotel:hotel-002"], "hotelScope": "ASSIGNED" }), &["manager", "ada"]),
        (json!({ "hotels": ["hotel:nowhere"] }), &[]),
        (json!({ "permission": "user:view" }), &["admin", "operator", "cyd"]),
        (json!({ "permission": "user:delete" }), &["admin"]),
        (json!({ "createdBefore": "2021-01-01T00:00:00Z" }), &["cyd"]),
        (json!({ "createdAfter": "2020-01-01T00:00:00Z", "createdBefore": "2020-01-01T00:00:00.000001Z" }), &["cyd"]),
        (json!({ "lastLoginBefore": "2026-03-01T00:00:00+01:00" }), &["bob"]),
        (json!({ "lastLoginAfter": "2026-02-01T00:00:00Z", "lastLoginBefore": "2026-02-02T00:00:00Z" }), &["bob"]),
    ];
    let query = "query($filter: UserFilter) { users(filter: $filter) { totalCount nodes { email } } }";
    for (filter, expected) in table {
        let answer = admin.graphql(query, json!({ "filter": filter })).await;
        let mut found = answer.texts("/users/nodes", "/email");
        for email in &mut found {
            email.truncate(email.find(['@', '.']).expect("an address"));
        }
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{filter}");
        assert_eq!(answer.data("/users/totalCount"), expected.len(), "{filter}");
    }
    let bob = admin.query("{ user(by: {email: \"bob.100%@h.test\"}) { permissions roles { name active } } }").await;
    assert_eq!(bob.data("/user/permissions"), &json!(["call:view"]), "an inactive role grants nothing");
    assert_eq!(bob.texts("/user/roles", "/name"), ["GUEST_USER", "SLEEPING"]);
}

#[tokio::test]
async fn totals_stop_where_they_are_told() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let answer = admin
        .query(
            "{ users(first: 1) { totalCount one: totalCount(atMost: 1) many: totalCount(atMost: 50) nodes { hotels { totalCount(atMost: 7) } } }
               roles { totalCount two: totalCount(atMost: 2) nodes { users { totalCount } } } hotels { totalCount(atMost: 1) }
               sessions { totalCount } }",
        )
        .await;
    let figures = [
        "/users/totalCount",
        "/users/one",
        "/users/many",
        "/roles/totalCount",
        "/roles/two",
        "/hotels/totalCount",
        "/sessions/totalCount",
    ];
    let found: Vec<_> = figures.iter().map(|pointer| answer.data(pointer).as_i64().expect("a number")).collect();
    assert_eq!(found, [3, 1, 3, 4, 2, 1, 1]);
    assert_eq!(admin.query("{ users { totalCount(atMost: 0) } }").await.argument(), "atMost");
}

#[tokio::test]
async fn roles_hotels_and_their_people() {
    let app = TestApp::start().await;
    app.hotel("hotel-002", "Azur").await;
    app.hotel("a-hotel", "Closed").await;
    app.sql("UPDATE hotels SET active = false WHERE id = 'a-hotel'").await;
    app.sql("UPDATE hotels SET pms_config = '{\"url\": \"https://pms.test\", \"api_key\": \"k-123\"}' WHERE id = 'hotel-002'").await;
    app.user("ada@h.test").role("HOTEL_STAFF").hotel("hotel-002").hotel("a-hotel").hotel("hotel-001").create().await;
    let admin = app.admin().await;
    let answer = admin
        .query(
            "{ roles { nodes { id name displayName description permissions active system createdAt } }
               active: roles(filter: {permission: \"user:view\", search: \"HOTEL\"}) { nodes { name } }
               backward: roles(last: 2) { nodes { name } pageInfo { hasPreviousPage hasNextPage } }
               role(by: {name: \"HOTEL_STAFF\"}) { users(orderBy: {field: EMAIL}) { nodes { email } } }
               hotels { nodes { id pmsHotelId name country pmsType pmsConfig active } }
               mews: hotels(filter: {pmsType: \"mews\", active: true, country: \"FR\", brand: \"Azur\", search: \"lyon\"}) { nodes { id } }
               hotel(by: {pmsHotelId: \"hotel-002\"}) { users(orderBy: {field: EMAIL}) { totalCount nodes { email } } }
               ada: user(by: {email: \"ada@h.test\"}) { hotels(first: 2) { totalCount nodes { id } pageInfo { hasNextPage endCursor } } }
               back: user(by: {email: \"ada@h.test\"}) { hotels(last: 1) { nodes { id } pageInfo { hasPreviousPage } } }
               admin: user(by: {email: \"admin@voicehive-hotels.eu\"}) { hotels { nodes { id } } } }",
        )
        .await;
    assert_eq!(answer.texts("/roles/nodes", "/name"), ["GUEST_USER", "HOTEL_ADMIN", "HOTEL_STAFF", "SYSTEM_ADMIN"]);
    assert_eq!(answer.data("/roles/nodes/3/permissions").as_array().map(Vec::len), Some(15));
    assert_eq!(answer.texts("/active/nodes", "/name"), ["HOTEL_ADMIN"]);
    assert_eq!(answer.texts("/backward/nodes", "/name"), ["HOTEL_STAFF", "SYSTEM_ADMIN"]);
    assert_eq!(answer.data("/backward/pageInfo"), &json!({ "hasPreviousPage": true, "hasNextPage": false }));
    assert_eq!(answer.texts("/role/users/nodes", "/email"), ["ada@h.test", "manager@hotel1.com"]);
    assert_eq!(answer.texts("/hotels/nodes", "/pmsHotelId"), ["a-hotel", "hotel-001", "hotel-002"]);
    assert_eq!(answer.data("/hotels/nodes/2/pmsConfig"), &json!({ "url": "https://pms.test", "api_key": "********" }));
    assert_eq!(answer.texts("/mews/nodes", "/id"), ["hotel:hotel-002"]);
    assert_eq!(
        answer.texts("/hotel/users/nodes", "/email"),
        ["ada@h.test", "admin@voicehive-hotels.eu", "operator@voicehive-hotels.eu"]
    );
    assert_eq!(answer.data("/hotel/users/totalCount"), 3);
    assert_eq!(
        answer.texts("/ada/hotels/nodes", "/id"),
        ["hotel:a-hotel", "hotel:hotel-001"],
        "assigned ones also where inactive"
    );
    assert_eq!(answer.data("/ada/hotels/totalCount"), 3);
    assert_eq!(answer.data("/ada/hotels/pageInfo/hasNextPage"), true);
    assert_eq!(answer.texts("/back/hotels/nodes", "/id"), ["hotel:hotel-002"]);
    assert_eq!(answer.data("/back/hotels/pageInfo/hasPreviousPage"), true);
    assert_eq!(answer.texts("/admin/hotels/nodes", "/id"), ["hotel:hotel-001", "hotel:hotel-002"], "all active ones");
    let next = "query($after: String) { user(by: {email: \"ada@h.test\"}) { hotels(first: 2, after: $after) { nodes { id } } } }";
    let next = admin.graphql(next, json!({ "after": answer.data("/ada/hotels/pageInfo/endCursor") })).await;
    assert_eq!(next.texts("/user/hotels/nodes", "/id"), ["hotel:hotel-002"]);
}

#[tokio::test]
async fn sessions_newest_first_by_user_status_and_address() {
    let app = TestApp::start().await;
    let mut managers = Vec::new();
    for _ in 0..3 {
        managers.push(app.signed_in("manager@hotel1.com").await);
        app.clock.advance(Duration::from_mins(1));
    }
    let admin = app.admin().await;
    managers[0].query("mutation { logout { revokedSessions } }").await.data("/logout");
    app.sql("UPDATE user_sessions SET expires_at = now() - interval '1 day' WHERE id = (SELECT id FROM user_sessions ORDER BY created_at LIMIT 1 OFFSET 1)").await;
    let query = "query($filter: SessionFilter) { sessions(filter: $filter) { totalCount nodes { status current user { email } revokeReason } } }";
    for (filter, expected) in [
        (json!({}), vec!["ACTIVE", "ACTIVE", "EXPIRED", "REVOKED"]),
        (json!({ "status": "ACTIVE" }), vec!["ACTIVE", "ACTIVE"]),
        (json!({ "status": "EXPIRED" }), vec!["EXPIRED"]),
        (json!({ "status": "REVOKED", "ipAddress": "127.0.0.1" }), vec!["REVOKED"]),
        (json!({ "ipAddress": "10.0.0.1" }), vec![]),
        (json!({ "createdBefore": "2020-01-01T00:00:00Z" }), vec![]),
    ] {
        let answer = admin.graphql(query, json!({ "filter": filter })).await;
        assert_eq!(answer.texts("/sessions/nodes", "/status"), expected, "{filter}");
        assert_eq!(answer.data("/sessions/totalCount"), expected.len());
    }
    let nested = "{ user(by: {email: \"manager@hotel1.com\"}) { id sessions(first: 2) { totalCount nodes { id } pageInfo { endCursor hasNextPage } } } }";
    let first = admin.query(nested).await;
    assert_eq!(first.data("/user/sessions/totalCount"), 3);
    assert_eq!(first.data("/user/sessions/pageInfo/hasNextPage"), true);
    let cursor = first.data("/user/sessions/pageInfo/endCursor");
    let by_user = "query($user: ID, $after: String) { sessions(first: 5, after: $after, filter: {user: $user}) { nodes { id revokeReason current } } }";
    let rest = admin.graphql(by_user, json!({ "user": first.data("/user/id"), "after": cursor })).await;
    assert_eq!(rest.texts("/sessions/nodes", "/revokeReason"), ["signed_out"]);
}

#[tokio::test]
async fn any_object_by_its_id() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let found = admin.query("{ me { id roles { id } } currentSession { id } hotels { nodes { id } } }").await;
    let ids = json!([
        found.data("/me/id"),
        found.data("/me/roles/0/id"),
        found.data("/hotels/nodes/0/id"),
        found.data("/currentSession/id"),
        "user:01900000-0000-7000-8000-000000000001",
        "hotel:nowhere",
        "audit:01900000-0000-7000-8000-000000000001",
        found.data("/me/id"),
    ]);
    let query =
        "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on User { email } ... on Session { status } } }";
    let nodes = admin.graphql(query, json!({ "ids": ids })).await;
    let kinds: Vec<_> =
        nodes.data("/nodes").as_array().expect("nodes").iter().map(|node| node["__typename"].as_str()).collect();
    assert_eq!(kinds, [Some("User"), Some("Role"), Some("Hotel"), Some("Session"), None, None, None, Some("User")]);
    for (node, id) in nodes.data("/nodes").as_array().expect("nodes").iter().zip(ids.as_array().expect("ids")) {
        assert!(node.is_null() || node["id"] == *id);
    }
    for id in &ids.as_array().expect("ids")[..4] {
        let node = admin.graphql("query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
        assert_eq!(node.data("/node/id"), id);
    }
}

#[tokio::test]
async fn look_ups_find_users_roles_hotels_sessions_and_permissions() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let answer = admin
        .query(
            "{ user(by: {email: \" Manager@HOTEL1.com\"}) { id displayName firstName lastName active emailVerified mfaEnabled createdBy { id } updatedBy { id } }
               none: user(by: {email: \"nobody@h.test\"}) { id } no: user(by: {email: \"nonsense\"}) { id }
               role(by: {name: \"GUEST_USER\"}) { id } norole: role(by: {name: \"guest_user\"}) { id }
               nohotel: hotel(by: {pmsHotelId: \"x\"}) { id } permissions { name description } }",
        )
        .await;
    assert_eq!(answer.data("/user/displayName"), "Demo Manager");
    assert_eq!(answer.data("/user/createdBy"), &Value::Null);
    assert_eq!(answer.data("/permissions").as_array().map(Vec::len), Some(15));
    for missing in ["/none", "/no", "/norole", "/nohotel"] {
        assert_eq!(answer.data(missing), &Value::Null);
    }
    let again = "query($user: ID!, $role: ID!) { user(by: {id: $user}) { email } role(by: {id: $role}) { name } hotel(by: {id: \"hotel:hotel-001\"}) { name city } }";
    let again = admin.graphql(again, json!({ "user": answer.data("/user/id"), "role": answer.data("/role/id") })).await;
    assert_eq!(again.data("/user/email"), "manager@hotel1.com");
    assert_eq!(again.data("/hotel/city"), "Berlin");
}

#[tokio::test]
async fn arguments_that_cannot_be_right_are_named() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let ids: String = (0..101).map(|n| format!("\"hotel:{n}\" ")).collect();
    for (query, argument) in [
        ("{ users(first: 0) { totalCount } }", "first"),
        ("{ users(first: 101) { totalCount } }", "first"),
        ("{ users(first: -1) { totalCount } }", "first"),
        ("{ hotels(last: 0) { totalCount } }", "last"),
        ("{ roles(first: 1, last: 1) { totalCount } }", "last"),
        ("{ sessions(first: 1, before: \"x\") { totalCount } }", "before"),
        ("{ users(last: 1, after: \"x\") { totalCount } }", "after"),
        ("{ users(after: \"x\") { totalCount } }", "after"),
        ("{ hotels(before: \"WyJyb2xlIiwiQSJd\") { totalCount } }", "before"),
        ("{ me { sessions(after: \"!\") { totalCount } } }", "after"),
        ("{ me { hotels(first: 1000) { totalCount } } }", "first"),
        ("{ me { id } users(first: 2) { nodes { id sessions(last: 101) { totalCount } } } }", "last"),
        ("{ users(filter: {search: \"x\"}) { totalCount } }", "filter.search"),
        ("{ users(filter: {search: \"  x  \"}) { totalCount } }", "filter.search"),
        ("{ users(filter: {roles: [\"user:01900000-0000-7000-8000-000000000001\"]}) { totalCount } }", "filter.roles"),
        ("{ users(filter: {hotels: [\"hotel-001\"]}) { totalCount } }", "filter.hotels"),
        ("{ sessions(filter: {user: \"hotel:hotel-001\"}) { totalCount } }", "filter.user"),
        ("{ user(by: {id: \"role:01900000-0000-7000-8000-000000000001\"}) { id } }", "by.id"),
        ("{ hotel(by: {id: \"hotel-001\"}) { id } }", "by.id"),
        ("{ role(by: {id: \"\"}) { id } }", "by.id"),
        ("{ session(id: \"session:7\") { id } }", "id"),
        ("{ node(id: \"nonsense\") { id } }", "id"),
        ("{ nodes(ids: [\"user:1\"]) { id } }", "ids"),
        (&format!("{{ nodes(ids: [{ids}]) {{ id }} }}"), "ids"),
        (
            "mutation { logout(input: {session: \"user:01900000-0000-7000-8000-000000000001\"}) { revokedSessions } }",
            "input.session",
        ),
    ] {
        let answer = admin.query(query).await;
        assert_eq!((answer.code(), answer.argument()), ("BAD_USER_INPUT", argument), "{query}: {}", answer.body);
        let message = answer.body["errors"][0]["message"].as_str().expect("a message");
        assert!(message.contains(argument), "{message}");
        // Whole or null: nothing is left out in the middle.
        let data = &answer.body["data"];
        assert!(data.as_object().is_none_or(|fields| fields.values().all(Value::is_null)), "{query}: {data}");
        assert_eq!(answer.status, if data.is_null() { 400 } else { 200 }, "{query}");
    }
    // A cursor of one order is none of another.
    let cursor = admin.query("{ users(first: 1, orderBy: {field: EMAIL}) { pageInfo { endCursor } } }").await;
    let query = "query($after: String) { users(after: $after, orderBy: {field: CREATED_AT}) { totalCount } }";
    let answer = admin.graphql(query, json!({ "after": cursor.data("/users/pageInfo/endCursor") })).await;
    assert_eq!((answer.code(), answer.argument()), ("BAD_USER_INPUT", "after"));
}

#[tokio::test]
async fn without_a_token_there_is_nothing_to_read() {
    let app = TestApp::start().await;
    let anonymous = app.anonymous();
    let answer = anonymous.query("{ me { id } viewer { __typename } currentSession { id } }").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["data"], json!({ "me": null, "viewer": null, "currentSession": null }));
    for query in [
        "{ users { totalCount } }",
        "{ users { nodes { id } } }",
        "{ roles { nodes { id } } }",
        "{ hotels { nodes { id } } }",
        "{ sessions { nodes { id } } }",
        "{ user(by: {email: \"a@b.c\"}) { id } }",
        "{ role(by: {name: \"A\"}) { id } }",
        "{ hotel(by: {pmsHotelId: \"hotel-001\"}) { id } }",
        "{ node(id: \"hotel:hotel-001\") { id } }",
        "{ nodes(ids: [\"hotel:hotel-001\"]) { id } }",
        "{ permissions { name } }",
        "{ session(id: \"session:01900000-0000-7000-8000-000000000001\") { id } }",
    ] {
        let answer = anonymous.query(query).await;
        assert_eq!(answer.code(), "UNAUTHENTICATED", "{query}");
        assert!(
            answer.body["data"].is_null()
                || answer.body["data"].as_object().is_some_and(|data| data.values().all(Value::is_null))
        );
    }
}
