//! GraphQL over HTTP: methods, media types, bodies, and what is refused before it is run.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::any;
use http_body_util::BodyExt;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::support::{Answer, Client, TestApp};

const RESPONSE_JSON: &str = "application/graphql-response+json";

async fn post(client: &Client, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request =
        client.http.post(client.url("/graphql")).header(ACCEPT, RESPONSE_JSON).header(CONTENT_TYPE, content_type);
    client.send(request.body(body)).await
}

#[tokio::test]
async fn the_media_type_follows_accept_and_the_status_the_media_type() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    for (accept, media_type, invalid) in [
        ("application/graphql-response+json", RESPONSE_JSON, 400),
        ("*/*", RESPONSE_JSON, 400),
        ("application/json", "application/json", 400),
        ("application/json;q=0.5, application/graphql-response+json;q=0.1", "application/json", 400),
    ] {
        for (query, expected) in [("{ __typename }", 200), ("{ nonsense }", invalid), ("{ unclosed", invalid)] {
            let request =
                client.http.post(client.url("/graphql")).header(ACCEPT, accept).json(&json!({ "query": query }));
            let answer = client.send(request).await;
            assert_eq!(answer.status, expected, "{accept}: {query}");
            assert_eq!(answer.headers[CONTENT_TYPE], format!("{media_type}; charset=utf-8"));
            assert!(answer.headers.contains_key("x-request-id"));
            assert_eq!(answer.body["extensions"]["requestId"], answer.headers["x-request-id"].to_str().expect("text"));
            if query != "{ __typename }" {
                assert_eq!(answer.code(), "BAD_USER_INPUT");
            }
        }
    }
    let request = client
        .http
        .post(client.url("/graphql"))
        .header(ACCEPT, "image/png")
        .json(&json!({ "query": "{ __typename }" }));
    assert_eq!(client.send(request).await.status, 406);
}

#[tokio::test]
async fn get_is_for_queries_alone() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    let get = async |parameters: &[(&str, &str)]| {
        client.send(client.http.get(client.url("/graphql")).header(ACCEPT, RESPONSE_JSON).query(parameters)).await
    };
    assert_eq!(get(&[("query", "{ __typename }")]).await.data("/__typename"), "Query");
    let named = "query A { __typename } query B($x: ID!) { node(id: $x) { id } }";
    assert_eq!(get(&[("query", named), ("operationName", "A")]).await.data("/__typename"), "Query");
    let with_variables =
        get(&[("query", named), ("operationName", "B"), ("variables", "{\"x\": \"hotel:hotel-001\"}")]).await;
    assert_eq!(with_variables.code(), "UNAUTHENTICATED");
    let login = "mutation { login(input: {email: \"manager@hotel1.com\", password: \"manager123\"}) { user { id } } }";
    let refused = get(&[("query", login)]).await;
    assert_eq!((refused.status.as_u16(), refused.headers["allow"].to_str().expect("text")), (405, "POST"));
    assert_eq!(app.count("SELECT count(*) FROM user_sessions").await, 0);
    assert_eq!(get(&[]).await.status, 400);
    assert_eq!(get(&[("query", "{ __typename }"), ("variables", "[1]")]).await.status, 400);
    assert_eq!(get(&[("query", "{ __typename }"), ("variables", "{")]).await.status, 400);
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = client.http.request(method.parse().expect("a method"), client.url("/graphql"));
        let answer = client.send(request.header(ACCEPT, RESPONSE_JSON)).await;
        assert_eq!((answer.status.as_u16(), answer.headers["allow"].to_str().expect("text")), (405, "GET, HEAD, POST"));
    }
}

#[tokio::test]
async fn bodies_that_are_no_graphql_request_are_refused_in_graphqls_own_shape() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    let good = "{\"query\": \"{ __typename }\"}";
    assert_eq!(post(&client, "application/json", good).await.status, 200);
    assert_eq!(post(&client, "application/json; charset=UTF-8", good).await.status, 200);
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin1",
    ] {
        let answer = post(&client, content_type, good).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (415, "BAD_USER_INPUT"), "{content_type}");
    }
    let deep = format!(
        "{{\"query\": \"{{ __typename }}\", \"variables\": {{\"a\": {}{}}}}}",
        "[".repeat(900),
        "]".repeat(900)
    );
    for body in [
        "",
        "{",
        "7",
        "null",
        "\"query\"",
        "{}",
        "{\"query\": 7}",
        "{\"query\": null}",
        "[{\"query\": \"{ __typename }\"}]",
        "[]",
        "{\"query\": \"{ __typename }\", \"variables\": [1]}",
        "{\"query\": \"{ __typename }\", \"variables\": \"x\"}",
        "{\"query\": \"{ __typename }\", \"operationName\": 7}",
        "{\"query\": \"{ __typename }\", \"extensions\": 7}",
        deep.as_str(),
    ] {
        let answer = post(&client, "application/json", body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "BAD_USER_INPUT"), "{body:.80}");
        assert!(answer.body.get("data").is_none_or(Value::is_null));
    }
    assert_eq!(post(&client, "application/json", b"{\"query\": \"{ __typename \xff}\"}".to_vec()).await.status, 400);
    let huge = format!("{{\"query\": \"{{ __typename }} #{}\"}}", "x".repeat(1_100_000));
    assert_eq!(post(&client, "application/json", huge).await.status, 413);
}

#[tokio::test]
async fn documents_that_must_not_run_do_not() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let nested = format!("{{ node(id: {}1{}) {{ id }} }}", "[".repeat(2000), "]".repeat(2000));
    let fragments: String =
        (0..30).map(|n| format!("fragment F{n} on User {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect();
    let bomb = format!("{{ me {{ ...F0 }} }} {fragments} fragment F30 on User {{ id }}");
    let tokens = format!("{{ {} }}", "__typename ".repeat(20_000));
    let rows =
        "{ users(first: 100) { nodes { hotels(first: 100) { nodes { users(first: 100) { nodes { id } } } } } } }";
    for query in [nested.as_str(), &bomb, &tokens, rows] {
        let answer = admin.query(query).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "QUERY_TOO_COMPLEX"), "{query:.60}");
    }
    for (query, variables) in [
        ("query($e: String!) { user(by: {email: $e}) { id } }", json!({ "e": "a\u{0}b" })),
        ("{ user(by: {email: \"a\\u0000b\"}) { id } }", json!({})),
        ("query A { __typename } query B { __typename }", json!({})),
        ("{ me { id nonsense } }", json!({})),
        ("{ users(filter: {createdAfter: \"yesterday\"}) { totalCount } }", json!({})),
        ("{ user(by: {id: \"x\", email: \"y\"}) { id } }", json!({})),
        ("subscription { me { id } }", json!({})),
    ] {
        let answer = admin.graphql(query, variables).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "BAD_USER_INPUT"), "{query}: {}", answer.body);
    }
    let many = format!("{{ {} }}", (0..200).map(|n| format!("f{n}: nonsense ")).collect::<String>());
    let answer = admin.query(&many).await;
    assert!(answer.body["errors"].as_array().is_some_and(|errors| errors.len() <= 20));
    for field in ["user(by: {}) { id }", "node(id: \"x\") { id }"] {
        let many = format!("{{ {} }}", (0..20).map(|n| format!("f{n}: {field} ")).collect::<String>());
        let more = many.replacen('{', &format!("{{ f20: {field} "), 1);
        for document in [many, more] {
            let answer = admin.query(&document).await;
            assert_eq!(answer.body["errors"].as_array().map(Vec::len), Some(20), "{field}");
        }
    }
    assert!(admin.is_signed_in().await, "the server lives");
}

#[tokio::test]
async fn a_request_keeps_its_id_if_it_is_one() {
    let app = TestApp::start().await;
    let given = app.anonymous().with_header("x-request-id", "abc-123").get("/livez").await;
    assert_eq!(given.headers["x-request-id"], "abc-123");
    let long = "x".repeat(65);
    for bad in ["a b", "a\"b", "<script>", long.as_str()] {
        let replaced = app.anonymous().with_header("x-request-id", bad).get("/livez").await;
        assert_ne!(replaced.headers["x-request-id"], bad);
    }
    let missing = app.anonymous().get("/nowhere").await;
    assert_eq!(missing.status, 404);
    assert!(missing.headers.contains_key("x-request-id"));
    assert_eq!(missing.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn a_panic_is_an_answer_like_others() {
    let app = TestApp::start().await;
    async fn panics() -> &'static str {
        panic!("a defect, with something in it that nobody may read")
    }
    let routes = Router::new().route("/graphql", any(panics)).route("/auth/me", any(panics));
    let whole = voicehive_identity::http::surround(app.app.clone(), routes);
    let ask = async |path: &str| {
        let request = Request::post(path)
            .header("host", "a")
            .header("x-request-id", "mine")
            .body(Body::empty())
            .expect("a request");
        let answer = whole.clone().oneshot(request).await.expect("answered");
        assert_eq!((answer.status().as_u16(), answer.headers()["x-request-id"].as_bytes()), (500, &b"mine"[..]));
        let body = answer.into_body().collect().await.expect("whole").to_bytes();
        serde_json::from_slice::<Value>(&body).expect("JSON")
    };
    let answer = ask("/graphql").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL");
    assert!(answer.get("data").is_none() && !answer.to_string().contains("nobody may read"), "{answer}");
    assert_eq!(ask("/auth/me").await, json!({ "detail": "Internal server error" }));
    assert_eq!(app.anonymous().query("{ __typename }").await.status, 200);
}
