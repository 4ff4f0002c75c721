//! The audit trail: what it tells, to whom, and what proves that it is whole.

use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::support::{Client, PASSWORD, Setup, TestApp, eventually};

const EVENTS: &str = "query($filter: AuditEventFilter, $first: Int, $after: String, $last: Int, $before: String) {
    auditEvents(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
        totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        nodes { id type outcome occurredAt actor { ... on User { email } } actorId subject { id __typename } subjectId
                ipAddress userAgent requestId detail } } }";

pub async fn events(client: &Client, filter: Value) -> Vec<Value> {
    let answer = client.graphql(EVENTS, json!({ "filter": filter, "first": 100 })).await;
    let events = answer.data("/auditEvents/nodes").as_array().expect("events").clone();
    assert_eq!(answer.data("/auditEvents/totalCount"), events.len());
    events
}

/// Statements past the server that write events: the trigger at the table asks for a principal, whoever they are.
pub async fn by_hand(app: &TestApp, statements: &str) {
    let superuser = app.database.superuser.connect_options();
    let mut connection = PgConnection::connect_with(&superuser).await.expect("a connection");
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.expect("a pid");
    let statements = format!("SELECT set_config('app.principal', 'system', false); {statements}");
    connection.execute(AssertSqlSafe(statements)).await.expect("done");
    connection.close().await.expect("closed");
    // With its end it has written down what it counted.
    eventually("the connection has ended", || async {
        app.count(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")).await == 0
    })
    .await;
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

/// People of two hotels, and something that happened to each of them.
pub async fn world(app: &TestApp) -> Client {
    app.hotel("hotel-002", "Elsewhere").await;
    app.sql("INSERT INTO roles (id, name, display_name, permissions) VALUES (gen_random_uuid(), 'AUDITOR', 'Auditor', '{system:monitor}')").await;
    app.user("here@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    app.user("there@h.test").role("HOTEL_STAFF").hotel("hotel-002").create().await;
    app.user("both@h.test").role("HOTEL_STAFF").hotel("hotel-001").hotel("hotel-002").create().await;
    app.user("auditor@h.test").role("AUDITOR").hotel("hotel-001").create().await;
    let admin = app.admin().await;
    for email in ["here@h.test", "there@h.test", "both@h.test"] {
        let answer = admin
            .graphql("query($email: String!) { user(by: {email: $email}) { id } }", json!({ "email": email }))
            .await;
        let id = answer.data("/user/id").clone();
        Client::done(&admin.mutate("updateUser", json!({ "id": id, "lastName": "New" }), "").await, "updateUser");
    }
    admin
}

#[tokio::test]
async fn everyone_reads_of_themself_and_auditors_of_their_hotels() {
    let app = TestApp::start().await;
    let admin = world(&app).await;
    audit_is_kept_apart(&app, &admin).await;
}

#[tokio::test]
async fn row_level_security_alone_keeps_the_trail_apart_as_well() {
    let app = TestApp::start_with(Setup { row_security_alone: true, ..Setup::usual() }).await;
    let admin = world(&app).await;
    audit_is_kept_apart(&app, &admin).await;
}

#[tokio::test]
async fn the_trails_own_clauses_keep_it_apart_without_row_level_security() {
    let app = TestApp::start().await;
    let admin = world(&app).await;
    app.sql("CREATE POLICY open ON audit_events USING (true); CREATE POLICY open ON audit_event_hotels USING (true)")
        .await;
    audit_is_kept_apart(&app, &admin).await;
}

async fn audit_is_kept_apart(app: &TestApp, admin: &Client) {
    let here = app.signed_in("here@h.test").await;
    let seen = events(&here, json!({})).await;
    assert_eq!(types(&seen), ["user_authenticated", "user_updated"]);
    // Of an administrator one learns neither who it was nor where.
    assert_eq!(
        (&seen[1]["actor"], &seen[1]["actorId"], &seen[1]["ipAddress"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(seen[1]["detail"]["changes"]["last_name"], json!({ "before": null, "after": "New" }));
    assert_eq!((&seen[0]["ipAddress"], &seen[0]["actor"]["email"]), (&json!("127.0.0.1"), &json!("here@h.test")));

    let auditor = app.signed_in("auditor@h.test").await;
    let seen = events(&auditor, json!({ "types": ["user_updated"] })).await;
    assert_eq!(seen.len(), 1, "of here@ alone: both@ is of a hotel elsewhere too");
    assert_eq!((&seen[0]["subject"]["__typename"], &seen[0]["ipAddress"]), (&json!("User"), &json!("127.0.0.1")));
    let everything = json!(events(&auditor, json!({})).await).to_string();
    assert!(!everything.contains("hotel-002") && !everything.contains("there@"), "{everything}");
    assert_eq!(events(&auditor, json!({ "hotel": "hotel:hotel-002" })).await.len(), 0);
    assert_eq!(events(&auditor, json!({ "hotel": "hotel:hotel-001", "types": ["user_updated"] })).await.len(), 1);

    let all = events(admin, json!({ "types": ["user_updated"] })).await;
    assert_eq!(all.len(), 3);
    for event in &all {
        let by_id = "query($id: ID!) { node(id: $id) { id ... on AuditEvent { type } } }";
        let visible = seen.iter().any(|visible| visible["id"] == event["id"]);
        let node = auditor.graphql(by_id, json!({ "id": event["id"] })).await;
        assert_eq!(node.data("/node").is_object(), visible);
    }
    assert_eq!(events(admin, json!({ "hotel": "hotel:hotel-002", "types": ["user_updated"] })).await.len(), 2);
    assert_eq!(app.anonymous().query("{ auditEvents { totalCount } }").await.code(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn every_filter_finds_what_it_says() {
    let app = TestApp::start().await;
    let admin = world(&app).await;
    let proxy = app.anonymous().with_header("user-agent", "Tests/1.0");
    proxy.try_sign_in("here@h.test", "wrong password").await;
    proxy.try_sign_in("nobody@h.test", "wrong password").await;
    app.clock.advance(std::time::Duration::from_mins(1));
    let later = app.clock.now().to_rfc3339();
    let admin_id = admin.query("{ me { id } }").await.data("/me/id").clone();
    let here = admin.query("{ user(by: {email: \"here@h.test\"}) { id } }").await.data("/user/id").clone();
    let input = json!({ "id": "hotel:hotel-001", "city": "Bonn" });
    let answer = admin.mutate("updateHotel", input, "").await;
    let request_id = answer.body["extensions"]["requestId"].clone();
    let client = app.signed_in("here@h.test").await;
    let tried_on = json!("user:00000000-0000-7000-8000-000000000007");
    for (mutation, input) in
        [("updateHotel", json!({ "id": "hotel:hotel-001" })), ("deactivateUser", json!({ "id": tried_on }))]
    {
        assert_eq!(client.mutate(mutation, input, "").await.code(), "FORBIDDEN");
    }

    let table = [
        (json!({ "types": ["login_failed"] }), vec!["login_failed", "login_failed"]),
        (
            json!({ "types": ["login_failed", "hotel_updated", "nonsense"] }),
            vec!["hotel_updated", "login_failed", "login_failed"],
        ),
        (json!({ "types": [] }), vec![]),
        (json!({ "outcome": "FAILURE" }), vec!["change_refused", "change_refused", "login_failed", "login_failed"]),
        (json!({ "outcome": "FAILURE", "subject": here }), vec!["change_refused", "change_refused", "login_failed"]),
        (
            json!({ "actor": admin_id, "types": ["hotel_updated", "user_authenticated"] }),
            vec!["hotel_updated", "user_authenticated"],
        ),
        (
            json!({ "subject": here }),
            vec!["change_refused", "change_refused", "user_authenticated", "login_failed", "user_updated"],
        ),
        (json!({ "subject": here, "hotel": "hotel:hotel-002" }), vec![]),
        (json!({ "subject": tried_on, "outcome": "FAILURE" }), vec!["change_refused"]),
        (json!({ "subject": "hotel:hotel-001" }), vec!["change_refused", "hotel_updated", "hotel_created"]),
        (
            json!({ "hotel": "hotel:hotel-001", "outcome": "SUCCESS" }),
            vec![
                "user_authenticated",
                "hotel_updated",
                "user_updated",
                "user_updated",
                "user_created",
                "hotel_created",
            ],
        ),
        (json!({ "requestId": request_id }), vec!["hotel_updated"]),
        (json!({ "requestId": "none" }), vec![]),
        (json!({ "ipAddress": "127.0.0.1", "types": ["hotel_updated"] }), vec!["hotel_updated"]),
        (json!({ "ipAddress": "10.9.9.9" }), vec![]),
        (
            json!({ "occurredAfter": later }),
            vec!["change_refused", "change_refused", "user_authenticated", "hotel_updated"],
        ),
        (json!({ "occurredBefore": later, "types": ["user_authenticated"] }), vec!["user_authenticated"]),
    ];
    for (filter, expected) in table {
        let found = events(&admin, filter.clone()).await;
        assert_eq!(types(&found), expected, "{filter}");
    }
    let failed = events(&admin, json!({ "types": ["login_failed"] })).await;
    assert_eq!(
        (&failed[0]["subject"], &failed[0]["actor"], &failed[0]["userAgent"]),
        (&Value::Null, &Value::Null, &json!("Tests/1.0"))
    );
    assert_eq!((&failed[1]["subject"]["id"], &failed[1]["detail"]["reason"]), (&here, &json!("wrong_password")));
    for filter in [json!({ "actor": "x" }), json!({ "subject": "user:x" }), json!({ "hotel": here })] {
        let answer = admin.graphql(EVENTS, json!({ "filter": filter })).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{filter}");
    }
}

#[tokio::test]
async fn pages_of_the_trail_hold_each_event_once() {
    let app = TestApp::start().await;
    let admin = world(&app).await;
    for page in
        [json!({}), json!({ "types": ["user_updated", "user_authenticated"] }), json!({ "hotel": "hotel:hotel-001" })]
    {
        let whole: Vec<Value> = events(&admin, page.clone()).await.iter().map(|event| event["id"].clone()).collect();
        let (mut forward, mut after) = (Vec::new(), Value::Null);
        loop {
            let answer = admin.graphql(EVENTS, json!({ "filter": page, "first": 1, "after": after })).await;
            forward.extend(
                answer.data("/auditEvents/nodes").as_array().expect("events").iter().map(|event| event["id"].clone()),
            );
            after = answer.data("/auditEvents/pageInfo/endCursor").clone();
            if answer.data("/auditEvents/pageInfo/hasNextPage") == false {
                break;
            }
        }
        assert_eq!(forward, whole);
        let answer = admin.graphql(EVENTS, json!({ "filter": page, "last": 2, "before": after })).await;
        let backward: Vec<Value> = answer
            .data("/auditEvents/nodes")
            .as_array()
            .expect("events")
            .iter()
            .map(|event| event["id"].clone())
            .collect();
        assert_eq!(backward, whole[whole.len() - 1 - backward.len()..whole.len() - 1]);
    }
}

#[tokio::test]
async fn a_person_is_erased_and_the_trail_stays_whole() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let input = json!({ "email": "maria.lindqvist@h.test", "firstName": "Maria", "lastName": "Lindqvist", "password": PASSWORD, "emailVerified": true, "hotels": ["hotel:hotel-001"] });
    let id = admin.mutate("createUser", input, "user { id }").await.data("/createUser/user/id").clone();
    let client =
        app.anonymous().with_header("user-agent", "Marias-Phone/7").with_header("x-device-id", "marias-device");
    let client = client.sign_in("maria.lindqvist@h.test", PASSWORD).await;
    client.try_sign_in("maria.lindqvist@h.test", "wrong password").await;
    Client::done(&client.mutate("updateUser", json!({ "id": id, "lastName": "Berg" }), "").await, "updateUser");
    assert_eq!(client.mutate("deleteUser", json!({ "id": id }), "").await.code(), "FORBIDDEN");
    app.identity.seal_audit_events().await.expect("sealed");
    Client::done(
        &admin.mutate("deactivateUser", json!({ "id": id, "reason": "Maria left" }), "").await,
        "deactivateUser",
    );
    let before = events(&admin, json!({ "subject": id })).await;
    assert!(before.iter().any(|event| event["detail"]["reason"] == "Maria left"));

    let answer = admin.mutate("deleteUser", json!({ "id": id }), "deletedId").await;
    assert_eq!(answer.data("/deleteUser/deletedId"), &id);
    assert!(app.identity.erase_traces().await.expect("erased") > 0);
    // And once more when nothing is under way any more that would come late.
    app.clock.advance(std::time::Duration::from_mins(5));
    app.identity.erase_traces().await.expect("erased");
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '_sqlx_migrations'",
    )
    .fetch_all(&app.database.superuser)
    .await
    .expect("tables");
    for table in tables {
        let rows = app
            .text(&format!("SELECT coalesce(string_agg(to_jsonb(t)::text, ' '), '') FROM {table} t"))
            .await
            .expect("rows");
        for word in ["maria", "lindqvist", "berg", "marias-phone"] {
            let found = rows.to_lowercase().contains(word);
            assert!(!found || table == "hotels", "{word} is still in {table}: {rows}");
        }
    }
    assert_eq!(app.count("SELECT count(*) FROM sign_in_failures WHERE kind <> 'address'").await, 0);
    let after = events(&admin, json!({ "subject": id })).await;
    assert_eq!(types(&after)[..2], ["user_erased", "user_deleted"]);
    assert_eq!(types(&after)[2..], types(&before), "what happened stays");
    for event in &after {
        assert_eq!(event["subject"], Value::Null);
        let by_person = event["actorId"] == id || event["actorId"].is_null();
        assert_eq!(event["ipAddress"].is_null(), by_person, "others keep their addresses: {event}");
    }
    app.identity.seal_audit_events().await.expect("sealed");
    let verification = app.identity.verify_audit_trail(None, |_| ()).await.expect("verified");
    assert_eq!(verification.findings.len(), 0, "{verification:?}");
    // Erased without a deletion, it is not.
    app.sql("UPDATE audit_events SET ip_address = NULL, user_agent = NULL, origin_salt = NULL WHERE type = 'user_authenticated'").await;
    let verification = app.identity.verify_audit_trail(None, |_| ()).await.expect("verified");
    let admin_id = admin.query("{ me { id } }").await.data("/me/id").clone();
    assert_eq!(verification.findings.len(), 1, "{verification:?}");
    assert_eq!(json!(verification.findings[0].place), admin_id);
}

#[tokio::test]
async fn no_list_of_a_long_trail_goes_over_all_of_it() {
    let app = TestApp::start().await;
    let admin = world(&app).await;
    app.user("chief@h.test").role("AUDITOR").hotel("hotel-001").hotel("hotel-002").create().await;
    let chief = app.signed_in("chief@h.test").await;
    let here = admin.query("{ user(by: {email: \"here@h.test\"}) { id } }").await.data("/user/id").clone();
    by_hand(&app, "INSERT INTO audit_events (id, occurred_at, type, outcome, actor, subject, about, hotels, ip_address, request_id)
             SELECT gen_random_uuid(), now() - n * interval '1 second', 'type_' || n % 5, CASE WHEN n % 1000 = 0 THEN 'FAILURE' ELSE 'SUCCESS' END,
                    'user:' || md5((n % 500)::text)::uuid, 'user:' || md5((n % 700)::text)::uuid, md5((n % 700)::text)::uuid,
                    ARRAY['hotel-' || n % 100], '10.0.' || n % 250 || '.' || n % 99, 'request-' || n
               FROM generate_series(1, 60000) n; ANALYZE").await;
    let rows = "SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname LIKE 'audit_event%')::bigint
                     + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname LIKE 'audit_event%')::bigint";
    let before = app.count(rows).await;
    for filter in [
        json!({}),
        json!({ "types": ["user_updated"] }),
        json!({ "types": ["type_3", "type_4"] }),
        json!({ "types": ["never_happened"] }),
        json!({ "actor": format!("user:{}", uuid::Uuid::max()) }),
        json!({ "outcome": "FAILURE" }),
        json!({ "actor": here }),
        json!({ "subject": here }),
        json!({ "subject": here, "types": ["user_updated"] }),
        json!({ "hotel": "hotel:hotel-001", "types": ["type_3"] }),
        json!({ "subject": "hotel:hotel-001" }),
        json!({ "hotel": "hotel:hotel-001" }),
        json!({ "ipAddress": "10.0.9.9" }),
        json!({ "requestId": "request-77" }),
        json!({ "occurredBefore": "2020-01-01T00:00:00Z" }),
    ] {
        // More often than it takes PostgreSQL to settle for one plan.
        for client in std::iter::repeat_n([&admin, &chief], 6).flatten() {
            let answer = client
                .graphql(EVENTS.replace("totalCount", "").as_str(), json!({ "filter": filter, "first": 10 }))
                .await;
            answer.data("/auditEvents/nodes");
        }
    }
    app.close_database().await;
    let read = app.count(rows).await - before;
    println!("{read} rows were read");
    assert!(read < 60_000, "{read} rows were read: some list went over all of them");
}
