//! The number of SQL statements of a document depends on its depth, never on its rows.

use std::sync::Arc;

use serde_json::json;

use super::support::{Proxy, Setup, TestApp, TestDatabase};

async fn many_users(app: &TestApp, users: u32) {
    app.sql(
        "INSERT INTO hotels (id, name, pms_type) SELECT 'h-' || n, 'Hotel ' || n, 'mews' FROM generate_series(1, 50) n",
    )
    .await;
    app.sql(&format!(
        "INSERT INTO users (id, email, password_hash, email_verified, created_at)
         SELECT gen_random_uuid(), 'user' || n || '@h.test', 'x', true, now() - n * interval '1 second' FROM generate_series(1, {users}) n"
    ))
    .await;
    app.sql("INSERT INTO user_roles (user_id, role_id) SELECT u.id, r.id FROM users u JOIN roles r ON r.name IN ('HOTEL_STAFF', 'GUEST_USER') WHERE u.email LIKE 'user%'").await;
    app.sql("INSERT INTO user_hotels (user_id, hotel_id) SELECT u.id, 'h-' || (1 + (hashtext(u.email) & 1023 + n * 7) % 50) FROM users u, generate_series(1, 3) n WHERE u.email LIKE 'user%' ON CONFLICT DO NOTHING").await;
    app.sql("ANALYZE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_users_takes_as_many_statements_as_one_user() {
    let app = TestApp::start().await;
    many_users(&app, 10_000).await;
    let admin = app.admin().await;
    app.hears_changes().await;
    let page =
        "query($rows: Int!) { users(first: $rows) { nodes { roles { name } hotels(first: 5) { nodes { name } } } } }";
    let mut statements = Vec::new();
    for rows in [1, 2, 50, 100] {
        let answer = admin.graphql(page, json!({ "rows": rows })).await;
        let users = answer.data("/users/nodes").as_array().expect("users");
        assert_eq!(users.len(), rows);
        assert!(users.iter().all(|user| !user["roles"].as_array().expect("roles").is_empty()));
        assert!(
            users.iter().filter(|user| user["hotels"]["nodes"].as_array().expect("hotels").is_empty()).count() <= 1
        );
        statements.push(answer.statements());
    }
    assert_eq!(statements, [1, 1, 1, 1], "roles and hotels come along as ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_and_no_look_up_goes_over_all_users() {
    let app = TestApp::start().await;
    many_users(&app, 20_000).await;
    let (admin, manager) = (app.admin().await, app.signed_in("manager@hotel1.com").await);
    let rows = "SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'users')
                     + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'users')::bigint";
    let before = app.count(rows).await;
    let page = "query($first: Int, $after: String, $last: Int, $field: UserOrderField!) {
        users(first: $first, after: $after, last: $last, orderBy: {field: $field}) { nodes { id } pageInfo { startCursor } } }";
    for field in ["EMAIL", "CREATED_AT", "LAST_NAME", "LAST_LOGIN_AT"] {
        let end = admin.graphql(page, json!({ "last": 20, "field": field })).await;
        let after = end.data("/users/pageInfo/startCursor");
        // More often than it takes PostgreSQL to settle for one plan.
        for _ in 0..8 {
            let answer = admin.graphql(page, json!({ "first": 10, "after": after, "field": field })).await;
            assert_eq!(answer.data("/users/nodes").as_array().map(Vec::len), Some(10), "{field}");
        }
    }
    for client in std::iter::repeat_n([&admin, &manager], 8).flatten() {
        client.query("{ user(by: {email: \"user7777@h.test\"}) { id } }").await.data("/user");
    }
    app.close_database().await;
    let read = app.count(rows).await - before;
    println!("{read} rows were read");
    assert!(read < 20_000, "{read} rows were read: something went over all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_documents_take_a_statement_a_field() {
    let app = TestApp::start().await;
    many_users(&app, 500).await;
    let admin = app.admin().await;
    app.hears_changes().await;
    let deep = "query($rows: Int!) { hotels(first: $rows) { totalCount nodes {
        users(first: $rows, orderBy: {field: EMAIL}) { totalCount nodes {
            email permissions roles { users(first: $rows) { totalCount nodes { createdBy { id } } } }
            hotels(first: $rows) { totalCount nodes { name } }
            sessions(first: $rows, filter: {status: ACTIVE}) { totalCount nodes { user { email } } } }
            } locked: users(first: $rows, filter: {locked: false}) { totalCount nodes { email } } } } }";
    let one = admin.graphql(deep, json!({ "rows": 1 })).await;
    let many = admin.graphql(deep, json!({ "rows": 12 })).await;
    one.data("/hotels/totalCount");
    assert_eq!(many.data("/hotels/nodes").as_array().map(Vec::len), Some(12));
    assert!(many.statements() <= 16, "{}", many.statements());
    assert!(one.statements() <= many.statements());
    // Many times over: a busy machine does not split the batches.
    for _ in 0..10 {
        assert_eq!(admin.graphql(deep, json!({ "rows": 12 })).await.statements(), many.statements());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_side_by_side_are_one_statement() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.hears_changes().await;
    let ids = admin.query("{ users { nodes { id } } }").await;
    let fields: String = ids
        .texts("/users/nodes", "/id")
        .iter()
        .enumerate()
        .map(|(n, id)| {
            format!("u{n}: user(by: {{id: \"{id}\"}}) {{ email roles {{ name }} }} n{n}: node(id: \"{id}\") {{ id }} ")
        })
        .collect();
    let answer = admin.query(&format!("{{ {fields} }}")).await;
    answer.data("/u2/email");
    assert_eq!(answer.statements(), 1, "roles come along as ids");
    assert_eq!(app.anonymous().query("{ me { id } }").await.statements(), 0);
    assert_eq!(admin.query("{ __typename }").await.statements(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_takes_no_trip_but_for_its_statements_its_beginning_and_its_end() {
    let database = Arc::new(TestDatabase::create().await);
    let proxy = Proxy::before(&database.options).await;
    let mut setup = Setup::usual();
    setup.connect = Some(proxy.options(&database.options));
    // One connection, so that each statement has been prepared on it before.
    (setup.pool.size, setup.pool.overflow) = (1, 0);
    let app = TestApp::start_on(database, setup).await;
    let admin = app.admin().await;
    app.hears_changes().await;
    for query in [
        "{ me { id roles { name } hotels { nodes { name } } } }",
        "{ users(first: 3) { nodes { email } } }",
        "{ roles { nodes { name } } hotels { nodes { name } } }",
    ] {
        let statements = admin.query(query).await.statements();
        // Who has the only connection has waited for all that was to be done on it.
        let counted = async || {
            let held = app.identity.database().background().await.expect("there");
            let trips = proxy.trips();
            held.commit().await.expect("committed");
            trips
        };
        let before = counted().await;
        assert_eq!(admin.query(query).await.statements(), statements);
        // BEGIN with who asks; and ROLLBACK with a look at the connection, which keeps no answer waiting. What is answered
        // from memory takes none.
        let of_reads = if statements == 0 { 0 } else { statements + 2 };
        let of_counting = 3;
        assert_eq!(counted().await - before, of_reads + of_counting, "{query}");
    }
}
