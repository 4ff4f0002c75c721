//! Traces by OTLP: what a collector gets of a request.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::support::{Client, TestDatabase, cluster_folder, one_line, voicehive};

/// A collector: where it listens, and what it has got.
async fn collector() -> (String, Arc<Mutex<Vec<Bytes>>>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let keep = got.clone();
    let take = post(async move |body: Bytes| keep.lock().expect("a lock").push(body));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(axum::serve(listener, Router::new().route("/v1/traces", take)).into_future());
    (endpoint, got)
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    format!("{:?}", found.and_then(|attribute| attribute.value.clone()?.value))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_span_and_so_is_each_of_its_statements() {
    let (endpoint, got) = collector().await;
    let database = TestDatabase::create().await;
    let mut command = voicehive(&database.options, &["serve"]);
    let log = std::fs::File::create(cluster_folder().join("traces.log")).expect("a log");
    command.env("VOICEHIVE_TRACES__OTLP_ENDPOINT", endpoint).stdout(Stdio::piped()).stderr(log);
    let mut process = command.spawn().expect("starts");
    let mut first = String::new();
    BufReader::new(process.stdout.as_mut().expect("its output")).read_line(&mut first).expect("a line");
    let client = Client::new(first.trim().rsplit("http://").next().expect("a place").parse().expect("an address"));
    let admin = client.sign_in("operator@voicehive-hotels.eu", "operator123").await;
    let traced = admin.clone().with_header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let answer = traced.query("{ users { nodes { email sessions { nodes { id } } } } }").await;
    let statements = answer.statements();
    assert!(statements >= 2);
    let terminated = std::process::Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
    assert!(terminated.expect("sent").success() && process.wait().expect("ends").success());

    let bodies = got.lock().expect("a lock").clone();
    let spans: Vec<Span> = bodies
        .iter()
        .map(|body| ExportTraceServiceRequest::decode(body.clone()).expect("protobuf"))
        .flat_map(|request| request.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    let trace = (0..16).map(|byte| u8::from_str_radix(&"0af7651916cd43dd8448eb211c80319c"[2 * byte..2 * byte + 2], 16));
    let trace: Vec<u8> = trace.map(|byte| byte.expect("hexadecimal")).collect();
    let ours: Vec<&Span> = spans.iter().filter(|span| span.trace_id == trace).collect();
    let requests: Vec<&&Span> = ours.iter().filter(|span| span.name == "POST /graphql").collect();
    assert_eq!(requests.len(), 1, "{ours:?}");
    let request = requests[0];
    assert_eq!(request.parent_span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    assert!(attribute(request, "http.response.status_code").contains("200"));
    let below: Vec<&&Span> = ours.iter().filter(|span| span.parent_span_id == request.span_id).collect();
    assert_eq!(below.len() + 1, ours.len());
    // Those that the answer counts, and what begins a transaction; nobody waits for the end of one that only reads.
    assert!(below.len() as u64 > statements, "{below:?}");
    assert!(below.iter().any(|span| attribute(span, "db.query.text").contains("BEGIN")), "{below:?}");
    assert!(below.iter().any(|span| attribute(span, "db.query.text").contains("FROM users")), "{below:?}");
    for span in &below {
        assert!(request.start_time_unix_nano <= span.end_time_unix_nano);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    }
    let token = admin.access_token.expect("a token");
    for body in bodies {
        let text = String::from_utf8_lossy(&body);
        for secret in ["operator123", "operator@voicehive-hotels.eu", "$argon2", token.as_str()] {
            assert!(!text.contains(secret), "a span holds {secret:.12}");
        }
    }
}

#[tokio::test]
async fn a_wrong_endpoint_stops_the_start_and_a_dead_one_does_not() {
    let database = TestDatabase::create().await;
    let count = |endpoint: &str| {
        let mut command = voicehive(&database.options, &["users", "count"]);
        command.env("VOICEHIVE_TRACES__OTLP_ENDPOINT", endpoint).output().expect("runs")
    };
    assert!(one_line(&count("not a url")).contains("traces.otlp_endpoint"));
    assert!(count("http://127.0.0.1:1").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_holds_nothing_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let database = TestDatabase::create().await;
    let mut command = voicehive(&database.options, &["serve"]);
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    command.env("VOICEHIVE_TRACES__OTLP_ENDPOINT", endpoint).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().expect("starts");
    let mut first = String::new();
    BufReader::new(process.stdout.as_mut().expect("its output")).read_line(&mut first).expect("a line");
    let client = Client::new(first.trim().rsplit("http://").next().expect("a place").parse().expect("an address"));
    for _ in 0..20 {
        assert_eq!(client.get("/readyz").await.status, 200);
    }
    let began = std::time::Instant::now();
    let id = process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().expect("sent").success());
    assert!(process.wait().expect("ends").success());
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
}
