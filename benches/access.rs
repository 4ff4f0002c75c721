//! What a thousand access checks cost beside one, measured in turns in one run: `make bench`. Exits with 1 where it is more than
//! five times as much.

#[path = "../tests/api/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the black-box tests, which use all of it")]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Client, TestApp};

const USERS: usize = 50;
const HOTELS: usize = 20;
const ROUNDS: usize = 300;
const ALLOWED: f64 = 5.0;

const CHECK: &str =
    "query($checks: [AccessCheck!]!) { checkAccess(checks: $checks) { allowed reason grantedBy { name } } }";

/// A page of users against a page of hotels, which is what dashboards and routers ask.
async fn world(app: &TestApp) -> Vec<Value> {
    let mut users = Vec::new();
    for n in 0..HOTELS {
        app.hotel(&format!("h-{n}"), "Hotel").await;
    }
    for n in 0..USERS {
        let id = app.user(&format!("p{n}@h.test")).role("HOTEL_STAFF").hotel("h-0").hotel("h-7").create().await;
        users.push(id);
    }
    app.sql("ANALYZE").await;
    let check = |user: &uuid::Uuid, hotel: usize| json!({ "user": format!("user:{user}"), "permission": "call:start", "hotel": format!("hotel:h-{hotel}") });
    users.iter().flat_map(|user| (0..HOTELS).map(move |hotel| check(user, hotel))).collect()
}

/// From the request's last byte made to the answer's last byte read: what the client does beside is not the server's.
async fn ask(client: &Client, checks: &[Value]) -> (Duration, u64) {
    let body = json!({ "query": CHECK, "variables": { "checks": checks } }).to_string();
    let request = client.http.post(client.url("/graphql")).header("content-type", "application/json");
    let request = request.headers(client.headers.clone()).body(body);
    let began = Instant::now();
    let answer = request.send().await.expect("answered");
    let statements = answer.headers()["x-sql-statements"].to_str().expect("text").parse().expect("a number");
    let body = answer.bytes().await.expect("whole");
    let took = began.elapsed();
    let answer: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(answer["data"]["checkAccess"].as_array().map(Vec::len), Some(checks.len()));
    (took, statements)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let app = TestApp::start().await;
        let checks = world(&app).await;
        let admin = app.admin().await;
        let input =
            json!({ "name": "Bench", "serviceName": "bench", "permissions": ["user:view"], "hotelScope": "ALL" });
        let made = admin.mutate("createApiKey", input, "secret").await;
        let key = made.data("/createApiKey/secret").as_str().expect("a key").to_owned();
        let service = app.anonymous().with_header("x-api-key", &key);
        let (mut one, mut many) = (Vec::new(), Vec::new());
        let mut statements = 0;
        for round in 0..ROUNDS + 20 {
            let single = ask(&service, &checks[round % checks.len()..=round % checks.len()]).await;
            let whole = ask(&service, &checks).await;
            // The first ones warm up.
            if round >= 20 {
                one.push(single.0);
                many.push(whole.0);
                statements = whole.1;
            }
        }
        let (one, many) = (median(one), median(many));
        let ratio = many.as_secs_f64() / one.as_secs_f64();
        println!(
            "1 check {one:?}, {} checks {many:?} in {statements} SQL statements: {ratio:.2} times as long",
            checks.len()
        );
        if ratio <= ALLOWED && statements <= 3 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}
