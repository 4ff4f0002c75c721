//! Connections: which go on, which are ended, and what one that is ended was told.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use sqlx::Executor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use voicehive_identity::http::Certificate;

use super::support::{Setup, TestApp, cluster_folder, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_connection_goes_on_and_one_with_half_a_head_does_not() {
    let mut setup = Setup::usual();
    setup.server.header_timeout = Duration::from_millis(300);
    setup.server.idle_timeout = Duration::from_secs(30);
    let app = TestApp::start_with(setup).await;
    let connect = || {
        let stream = TcpStream::connect(app.address).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(9))).expect("set");
        stream
    };
    let ask = |mut stream: &TcpStream| {
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
        stream.read(&mut [0; 4096]).expect("answered")
    };
    let (quiet, half) = (connect(), connect());
    assert!(ask(&quiet) > 0 && ask(&half) > 0);
    (&half).write_all(b"GET /livez").expect("sent");
    assert_eq!((&half).read(&mut [0; 64]).expect("closed in time"), 0);
    // Longer ago than a head may take.
    assert!(ask(&quiet) > 0, "as long as nothing has begun there is time");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_does_not_cut_the_answer_before_it() {
    let mut setup = Setup::usual();
    setup.server.header_timeout = Duration::from_millis(300);
    (setup.options.limits.cost, setup.options.limits.root_fields) = (u64::MAX, 1000);
    let app = TestApp::start_with(setup).await;
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("set");
    let mut stream = socket.connect(app.address).await.expect("connects");
    // More than the system keeps for a client that does not take it.
    let schema: String = (0..400)
        .map(|n| format!("a{n}: __schema {{ types {{ name description fields {{ name description }} }} }} "))
        .collect();
    let query = json!({ "query": format!("{{ {schema} }}") }).to_string();
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length";
    let half = "GET /livez HTTP/1.1\r\nho";
    stream.write_all(format!("{head}: {}\r\n\r\n{query}", query.len()).as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let mut length = None;
    while length.is_none_or(|length| answer.len() < length) {
        assert!(stream.read_buf(&mut answer).await.expect("goes on") > 0, "cut after {} bytes", answer.len());
        if length.is_none() && answer.len() > 4096 {
            let text = String::from_utf8_lossy(&answer);
            let head = text.split_once("\r\n\r\n").expect("a head").0;
            let field = head.split_once("content-length: ").expect("a length").1;
            let body: usize = field.split_once("\r\n").map_or(field, |(length, _)| length).parse().expect("a number");
            length = Some(head.len() + 4 + body);
            stream.write_all(half.as_bytes()).await.expect("sent");
            // For longer than a head may take.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_take_its_answer_loses_it_and_its_place() {
    let mut setup = Setup::usual();
    setup.server.idle_timeout = Duration::from_secs(2);
    setup.options.max_requests_per_address = 1;
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    let stream = tokio::net::TcpStream::connect(app.address).await.expect("connects");
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1024)
        .handshake(TokioIo::new(stream))
        .await
        .expect("agreed");
    let ended = tokio::spawn(connection);
    let whole =
        json!({ "query": "{ __schema { types { name description fields { name description } } } }" }).to_string();
    let request = hyper::Request::post(format!("http://{}/graphql", app.address))
        .header("content-type", "application/json")
        .header("x-forwarded-for", "192.0.2.7")
        .body(Full::new(Bytes::from(whole)))
        .expect("a request");
    let answer = sender.send_request(request).await.expect("answered");
    assert_eq!(answer.status(), 200);
    let others = app.anonymous().with_header("x-forwarded-for", "192.0.2.7");
    assert_eq!(others.query("{ __typename }").await.status, 503, "its place is taken as long as the answer is");
    eventually("the place comes back", async || others.query("{ __typename }").await.status == 200).await;
    assert!(answer.into_body().collect().await.is_err(), "cut off");
    let _ = ended.await.expect("ends");
}

#[tokio::test]
async fn a_connection_made_before_the_server_stops_is_answered() {
    let (chain, key) = (cluster_folder().join("stopping.pem"), cluster_folder().join("stopping.key"));
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    std::fs::write(&key, signing_key.serialize_pem()).expect("written");
    std::fs::write(&chain, cert.pem()).expect("written");
    let mut setup = Setup::usual();
    setup.server.header_timeout = Duration::from_secs(5);
    setup.server.certificate = Some(Arc::new(Certificate::read(chain, key).expect("usable")));
    let app = TestApp::start_with(setup).await;
    let authority = reqwest::Certificate::from_pem(cert.pem().as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().expect("a client");
    let url = format!("https://localhost:{}/livez", app.address.port());
    // Connected, and not a word of TLS is said before the server is told to stop: a relay holds it back.
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let by_relay = url.replace(&app.address.port().to_string(), &relay.local_addr().expect("one").port().to_string());
    let mut server = tokio::net::TcpStream::connect(app.address).await.expect("connects");
    assert_eq!(client.get(&url).send().await.expect("answered").status(), 200, "the other was taken before");
    let asked = tokio::spawn(async move { client.get(by_relay).send().await });
    let (mut stream, _) = relay.accept().await.expect("one");
    let stopped = tokio::spawn(app.stop());
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut server).await });
    assert_eq!(asked.await.expect("ends").expect("answered").status(), 200);
    stopped.await.expect("the server stops");
}

#[tokio::test]
async fn who_is_to_stop_says_that_it_is_not_ready() {
    let app = TestApp::start().await;
    assert_eq!(app.anonymous().get("/readyz").await.status, 200);
    app.app.stop_taking_work();
    let answer = app.anonymous().get("/readyz").await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (503, &json!("stopping")));
    assert!(app.admin().await.is_signed_in().await, "and serves whoever has not heard of it yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_though_a_request_does_not() {
    let mut setup = Setup::usual();
    setup.server.shutdown_timeout = Duration::from_millis(300);
    setup.pool.statement_timeout = Duration::from_mins(5);
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    let superuser = app.database.superuser.clone();
    let mut held = superuser.begin().await.expect("begun");
    held.execute("LOCK TABLE hotels IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let waiting = tokio::spawn(async move { admin.query("{ hotels { nodes { name } } }").await });
    eventually("it waits for the lock", async || app.waits_for_a_lock().await).await;
    tokio::time::timeout(Duration::from_secs(6), app.stop()).await.expect("ends without it");
    waiting.abort();
    held.rollback().await.expect("released");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_there_are_places_wait_for_one() {
    let mut setup = Setup::usual();
    setup.server.header_timeout = Duration::from_secs(30);
    setup.server.max_connections = 5;
    let app = TestApp::start_with(setup).await;
    let mut held: Vec<_> = (0..5).map(|_| TcpStream::connect(app.address).expect("connects")).collect();
    let mut one_more = TcpStream::connect(app.address).expect("taken by the system");
    one_more.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    one_more.set_read_timeout(Some(Duration::from_millis(500))).expect("set");
    assert!(one_more.read(&mut [0; 64]).is_err(), "not answered yet");
    held.pop();
    one_more.set_read_timeout(Some(Duration::from_secs(9))).expect("set");
    assert!(one_more.read(&mut [0; 64]).expect("answered") > 0);
}
