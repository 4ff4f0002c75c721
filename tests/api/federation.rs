//! The schema as a subgraph of Apollo Federation 2.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use voicehive_identity::graphql::{federated_sdl, sdl};

use super::support::{Client, Setup, TestApp, in_node_folder};

fn federated() -> Setup {
    let mut setup = Setup::usual();
    setup.options.schema.federation = true;
    setup
}

const ENTITIES: &str = "query($asked: [_Any!]!) { _entities(representations: $asked) { __typename
    ... on User { id email roles { name } } ... on Role { id name } ... on Hotel { id pmsHotelId } } }";

async fn entities(client: &Client, asked: Value) -> super::support::Answer {
    client.graphql(ENTITIES, json!({ "asked": asked })).await
}

#[tokio::test]
async fn a_schema_that_is_no_subgraph_has_no_trace_of_it() {
    let app = TestApp::start().await;
    assert!(!sdl(false).contains("_entities") && !sdl(false).contains("_service") && !sdl(false).contains("@key"));
    let admin = app.admin().await;
    for query in ["{ _service { sdl } }", "{ _entities(representations: []) { __typename } }"] {
        assert_eq!(admin.query(query).await.code(), "BAD_USER_INPUT", "{query}");
    }
}

#[tokio::test]
async fn entities_are_found_in_batches_by_those_who_may_see_them() {
    let app = TestApp::start_with(federated()).await;
    let service = app.anonymous().query("{ _service { sdl } }").await;
    let told = service.data("/_service/sdl").as_str().expect("SDL").to_owned();
    for (entity, text) in [("User", &told), ("Role", &told), ("Hotel", &told), ("User", &federated_sdl())] {
        assert!(text.contains(&format!("type {entity} implements Node @key(fields: \"id\")")), "{entity}: {text:.300}");
    }
    app.hotel("hotel-002", "Elsewhere").await;
    let mut asked = Vec::new();
    for n in 0..30 {
        let id = app.user(&format!("p{n}@h.test")).role("HOTEL_STAFF").hotel("hotel-001").create().await;
        asked.push(json!({ "__typename": "User", "id": format!("user:{id}") }));
    }
    let admin = app.admin().await;
    let role = admin.query("{ role(by: {name: \"HOTEL_STAFF\"}) { id } }").await.data("/role/id").clone();
    asked.push(json!({ "__typename": "Role", "id": role }));
    for id in ["hotel-001", "hotel-002"] {
        asked.push(json!({ "__typename": "Hotel", "id": format!("hotel:{id}") }));
    }
    asked.push(asked[0].clone());
    app.hears_changes().await;
    let found = entities(&admin, json!(asked)).await;
    let list = found.data("/_entities").as_array().expect("a list");
    assert_eq!(list.len(), asked.len());
    for (entity, asked) in list.iter().zip(&asked) {
        assert_eq!((&entity["__typename"], &entity["id"]), (&asked["__typename"], &asked["id"]));
    }
    assert_eq!(list[0]["roles"], json!([{ "name": "HOTEL_STAFF" }]));
    assert_eq!(found.statements(), 1, "the users; roles and hotels are at hand");

    // What cannot be found is null, and costs the others nothing.
    let odd = json!([asked[0], { "__typename": "User", "id": "user:01900000-0000-7000-8000-000000000001" }, { "__typename": "Nope", "id": "x" },
        { "__typename": "User", "id": "hotel:hotel-001" }, { "__typename": "User", "id": "nonsense" }, { "__typename": "Session", "id": "session:01900000-0000-7000-8000-000000000001" },
        { "__typename": "User" }, { "__typename": "User", "id": 7 }]);
    let answer = entities(&admin, odd).await;
    let nulls = answer.data("/_entities").as_array().expect("a list").iter().filter(|entity| entity.is_null()).count();
    assert_eq!(nulls, 7, "{}", answer.body);
    let manager = app.signed_in("manager@hotel1.com").await;
    let answer = entities(
        &manager,
        json!([{ "__typename": "Hotel", "id": "hotel:hotel-002" }, { "__typename": "Hotel", "id": "hotel:hotel-001" }]),
    )
    .await;
    assert_eq!(answer.data("/_entities/0"), &Value::Null, "another tenant's");
    assert_eq!(answer.data("/_entities/1/pmsHotelId"), "hotel-001");
    assert_eq!(entities(&app.anonymous(), json!([asked[0]])).await.status, 401);
    let many = vec![asked[0].clone(); 100_000];
    assert_eq!(entities(&admin, json!(many[..6_000])).await.code(), "", "as many of one kind as 20,000 values hold");
    let refused = entities(&admin, json!(many[..16_000])).await;
    assert!(refused.code() == "QUERY_TOO_COMPLEX" || refused.status == 413, "{}", refused.body);
    // What is not asked of it in the others' words still answers as it did.
    assert_eq!(admin.query("{ me { email } }").await.data("/me/email"), "admin@voicehive-hotels.eu");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_composed_with_another_subgraph_and_queried_across_both() {
    let app = TestApp::start_with(federated()).await;
    app.hotel("hotel-002", "Elsewhere").await;
    let ann = app.user("ann.berg@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    let bo = app.user("bo.ek@h.test").hotel("hotel-002").create().await;
    let admin = app.admin().await;
    let arguments = [
        "run.mjs".to_owned(),
        admin.url("/graphql"),
        admin.access_token.clone().expect("a token"),
        format!("user:{ann}"),
        format!("user:{bo}"),
        "hotel:hotel-001".to_owned(),
        "hotel:hotel-002".to_owned(),
    ];
    let queries = json!([
        "{ bookings { guest hotel { pmsHotelId } bookedBy { displayName roles { name } } } }",
        "{ users(first: 5, orderBy: {field: EMAIL}, filter: {search: \"h.test\"}) { nodes { email bookings { guest } } } }",
    ]);
    let output = tokio::task::spawn_blocking(move || {
        let folder = in_node_folder("tests/federation");
        let mut node = Command::new("node");
        node.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut node = node.spawn().expect("node runs");
        node.stdin.take().expect("a pipe").write_all(queries.to_string().as_bytes()).expect("written");
        node.wait_with_output().expect("it ends")
    });
    let output = output.await.expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let booked = &told["answers"][0];
    assert_eq!(
        booked["data"]["bookings"],
        json!([
            { "guest": "Ann", "hotel": { "pmsHotelId": "hotel-001" }, "bookedBy": { "displayName": "ann berg", "roles": [{ "name": "HOTEL_STAFF" }] } },
            { "guest": "Bo", "hotel": { "pmsHotelId": "hotel-002" }, "bookedBy": { "displayName": "bo ek", "roles": [] } },
            { "guest": "Cy", "hotel": null, "bookedBy": null },
        ]),
        "{told}"
    );
    let users = json!([{ "email": "ann.berg@h.test", "bookings": [{ "guest": "Ann" }] }, { "email": "bo.ek@h.test", "bookings": [{ "guest": "Bo" }] }]);
    assert_eq!(told["answers"][1]["data"]["users"]["nodes"], users, "{told}");
    let statements: Vec<u64> =
        told["statements"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    assert!(!statements.is_empty() && statements.iter().all(|number| *number <= 3), "batched: {statements:?}");
}
