//! Requests whose head could be read in two ways, and addresses in all the forms that they are written in.

use std::num::NonZeroU32;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Setup, TestApp};

/// The status of the answer to these lines, its own lines, and its body.
async fn ask(app: &TestApp, first: &str, lines: &[&str], body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(app.address).await.expect("connects");
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let request = format!("{first}\r\n{lines}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (answer[9..12].parse().expect("a status"), head.to_ascii_lowercase(), body.to_owned())
}

const QUERY: &str = r#"{"query":"{ me { id } }"}"#;

#[tokio::test]
async fn a_request_that_names_no_host_or_two_is_refused() {
    let app = TestApp::start().await;
    for (first, lines, expected) in [
        ("GET /livez HTTP/1.1", &[][..], 400),
        ("GET /livez HTTP/1.1", &["Host: a", "Host: a"], 400),
        ("GET /livez HTTP/1.1", &["Host: a", "Host: b"], 400),
        ("GET /livez HTTP/1.1", &["Host: a@b"], 400),
        ("GET /livez HTTP/1.1", &["Host: a, b"], 400),
        ("GET /livez HTTP/1.1", &["Host: a/b"], 400),
        ("GET http://a/livez HTTP/1.1", &[], 400),
        ("GET http://a/livez HTTP/1.1", &["Host: a"], 200),
        ("GET /livez HTTP/1.1", &["Host: [::1]:80"], 200),
        ("GET /livez HTTP/1.1", &["Host:"], 200),
        ("GET /livez HTTP/1.0", &[], 200),
        ("GET /livez HTTP/1.0", &["Host: a", "Host: b"], 400),
        ("GET /metrics HTTP/1.1", &[], 400),
        ("GET /nowhere HTTP/1.1", &[], 400),
        ("GET /.well-known/jwks.json HTTP/1.1", &[], 400),
        ("GET /explorer/ HTTP/1.1", &[], 400),
        ("OPTIONS /graphql HTTP/1.1", &[], 400),
    ] {
        let (status, head, body) = ask(&app, first, lines, "").await;
        assert_eq!(status, expected, "{first} {lines:?}: {body}");
        if status == 400 {
            assert!(body.contains("`host`"), "{first}: {body}");
            assert!(head.contains("x-request-id: ") && head.contains("x-content-type-options: nosniff"), "{head}");
        }
    }
}

#[tokio::test]
async fn what_must_stand_once_is_refused_where_it_stands_twice() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let bearer = format!("Authorization: Bearer {}", admin.access_token.as_deref().expect("a token"));
    let json = "Content-Type: application/json";
    let form = "Content-Type: application/x-www-form-urlencoded";
    let (good, _, body) = ask(&app, "POST /graphql HTTP/1.1", &["Host: a", json, &bearer], QUERY).await;
    assert_eq!(good, 200, "{body}");
    let check = r#"{"subject":{"type":"user","id":"x"},"action":{"name":"x"},"resource":{"type":"hotel","id":"x"}}"#;
    for (first, kind, body) in [
        ("POST /graphql HTTP/1.1", json, QUERY),
        ("GET /auth/me HTTP/1.1", json, ""),
        ("POST /auth/logout HTTP/1.1", json, "{}"),
        ("POST /auth/login HTTP/1.1", json, r#"{"email":"manager@hotel1.com","password":"manager123"}"#),
        ("POST /oauth2/introspect HTTP/1.1", form, "token=x"),
        ("POST /access/v1/evaluation HTTP/1.1", json, check),
    ] {
        for twice in [
            [bearer.as_str(), "Authorization: Bearer x"],
            ["Authorization: Bearer x", bearer.as_str()],
            [bearer.as_str(), bearer.as_str()],
            ["X-API-Key: a", "X-API-Key: b"],
            [kind, "Content-Type: text/plain"],
            [kind, kind],
            ["Idempotency-Key: aaaaaaaaaaaaaaaaaaaa", "Idempotency-Key: bbbbbbbbbbbbbbbbbbbb"],
            ["Origin: http://a", "Origin: http://b"],
            ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
            ["X-Device-Id: a", "X-Device-Id: b"],
        ] {
            let lines = if twice[0] == kind { vec!["Host: a"] } else { vec!["Host: a", kind] };
            let (status, _, answer) = ask(&app, first, &[lines.as_slice(), &twice].concat(), body).await;
            let name = twice[0].split(':').next().expect("a name").to_ascii_lowercase();
            assert_eq!(status, 400, "{first} {twice:?}: {answer}");
            assert!(answer.contains(&format!("`{name}` stands more than once")), "{first} {twice:?}: {answer}");
            let told: Option<Value> = serde_json::from_str(&answer).ok();
            match first.split('/').nth(1).expect("a path") {
                "graphql HTTP" => assert_eq!(told.expect("JSON")["errors"][0]["extensions"]["code"], "BAD_USER_INPUT"),
                "oauth2" => assert_eq!(told.expect("JSON")["error"], "invalid_request"),
                "access" => assert!(told.is_none(), "{answer}"),
                _ => assert!(told.expect("JSON")["detail"].is_string()),
            }
        }
    }
    assert!(admin.is_signed_in().await, "nothing of it was done");
    assert_eq!(app.count("SELECT count(*) FROM user_sessions").await, 1);
}

#[tokio::test]
async fn what_proxies_add_of_their_own_may_stand_twice() {
    let app = TestApp::start().await;
    let twice = ["Host: a", "X-Request-Id: from-1", "X-Request-Id: from-2", "User-Agent: a", "User-Agent: b"];
    let (status, head, body) = ask(&app, "GET /livez HTTP/1.1", &twice, "").await;
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("x-request-id: ") && !head.contains("from-"), "a new one: {head}");
    let (_, head, _) = ask(&app, "GET /livez HTTP/1.1", &["Host: a", "X-Request-Id: from-1"], "").await;
    assert!(head.contains("x-request-id: from-1"), "{head}");
}

#[tokio::test]
async fn pages_of_other_origins_read_what_is_wrong_with_a_head() {
    let mut setup = Setup::usual();
    setup.options.cors_origins = vec!["https://app.example".to_owned()];
    let app = TestApp::start_with(setup).await;
    let lines = ["Host: a", "Origin: https://app.example", "Content-Type: application/json"];
    for (more, expected) in [("X-Device-Id: a\r\nX-Device-Id: b", 400), ("Content-Encoding: gzip", 415)] {
        let (status, head, body) =
            ask(&app, "POST /graphql HTTP/1.1", &[lines.as_slice(), &[more]].concat(), QUERY).await;
        assert_eq!(status, expected, "{body}");
        assert!(head.contains("access-control-allow-origin: https://app.example"), "{head}");
    }
}

#[tokio::test]
async fn a_body_that_is_coded_is_refused_as_such() {
    let app = TestApp::start().await;
    // The bytes are never looked at.
    for (first, kind) in [
        ("POST /graphql HTTP/1.1", "application/json"),
        ("POST /auth/login HTTP/1.1", "application/json"),
        ("POST /auth/refresh HTTP/1.1", "application/json"),
        ("POST /auth/api-keys HTTP/1.1", "application/json"),
        ("POST /oauth2/revoke HTTP/1.1", "application/x-www-form-urlencoded"),
        ("POST /access/v1/evaluations HTTP/1.1", "application/json"),
    ] {
        let kind = format!("Content-Type: {kind}");
        for coding in ["gzip", "br", "identity, gzip", "x-nonsense"] {
            let coding = format!("Content-Encoding: {coding}");
            let (status, head, body) = ask(&app, first, &["Host: a", &kind, &coding], "\u{1f}\u{8b}").await;
            assert_eq!(status, 415, "{first} {coding}: {body}");
            assert!(head.contains("accept-encoding: identity") && body.contains("Content-Encoding"), "{head}\n{body}");
        }
    }
    let lines = ["Host: a", "Content-Type: application/json", "Content-Encoding: identity"];
    let (status, _, body) = ask(&app, "POST /graphql HTTP/1.1", &lines, r#"{"query":"{ __typename }"}"#).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn one_address_is_one_however_it_is_written() {
    let mut setup = Setup::usual();
    setup.settings.throttle.request_burst = NonZeroU32::new(6).expect("some");
    setup.settings.throttle.requests_per_minute = NonZeroU32::MIN;
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    let from = async |address: &str| {
        let client = app.anonymous().with_header("x-forwarded-for", address);
        client.query("{ viewer { __typename } }").await.status.as_u16()
    };
    for written in [
        "192.0.2.50",
        "192.0.2.50:4711",
        "::ffff:192.0.2.50",
        "[::FFFF:C000:0232]:80",
        "0:0:0:0:0:ffff:192.0.2.50",
        "::ffff:192.0.2.50%eth0",
    ] {
        assert_eq!(from(written).await, 200, "{written}");
    }
    assert_eq!(from("192.0.2.50").await, 429);
    assert_eq!(from("[::ffff:192.0.2.50]").await, 429);
    assert_eq!(from("192.0.2.51").await, 200);
}

#[tokio::test]
async fn the_header_that_proxies_write_is_read_and_no_other() {
    let mut setup = Setup::usual();
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    setup.options.reads_forwarded = true;
    let app = TestApp::start_with(setup).await;
    let sessions = "{ me { sessions(first: 1) { nodes { ipAddress } } } }";
    for (written, expected) in [
        ("for=192.0.2.60;proto=https;by=203.0.113.43", "192.0.2.60"),
        ("For=\"[2001:DB8:cafe::17]:4711\"", "2001:db8:cafe::17"),
        ("for=192.0.2.43, for=\"198.51.100.17:_port\"", "198.51.100.17"),
        ("for=\"1.2.3.4, for=198.51.100.18", "198.51.100.18"),
        ("for=192.0.2.43, for=unknown", "127.0.0.1"),
        ("for=_hidden", "127.0.0.1"),
    ] {
        let client = app.anonymous().with_header("forwarded", written).with_header("x-forwarded-for", "192.0.2.99");
        let admin = client.sign_in("admin@voicehive-hotels.eu", "admin123").await;
        let answer = admin.query(sessions).await;
        assert_eq!(answer.data("/me/sessions/nodes/0/ipAddress"), expected, "{written}");
        let encrypted = answer.headers.contains_key("strict-transport-security");
        assert_eq!(encrypted, written.contains("proto=https"), "{written}");
    }
}

#[tokio::test]
async fn lists_are_narrowed_by_an_address_in_any_form() {
    let mut setup = Setup::usual();
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    for address in ["2001:DB8::7", "::ffff:192.0.2.7"] {
        app.anonymous().with_header("x-forwarded-for", address).sign_in("manager@hotel1.com", "manager123").await;
    }
    let count = async |document: &str, address: &str| {
        let document = format!("query($a: String!) {{ list: {document}(filter: {{ipAddress: $a}}) {{ totalCount }} }}");
        admin.graphql(&document, json!({ "a": address })).await
    };
    for (written, expected) in [
        ("2001:db8::7", 1),
        ("2001:0DB8:0:0:0:0:0:0007", 1),
        ("2001:db8::7%eth0", 1),
        ("192.0.2.7", 1),
        ("::ffff:192.0.2.7", 1),
        ("::FFFF:c000:207", 1),
        ("192.0.2.8", 0),
    ] {
        for list in ["sessions", "auditEvents"] {
            assert_eq!(*count(list, written).await.data("/list/totalCount"), expected, "{list} {written}");
        }
    }
    for none in [
        "",
        "192.0.2",
        "192.0.2.7/32",
        "192.0.2.7:80",
        "[2001:db8::7]",
        "unknown",
        "localhost",
        " 192.0.2.7",
        "192.0.2.007",
    ] {
        for list in ["sessions", "auditEvents"] {
            let answer = count(list, none).await;
            assert_eq!((answer.code(), answer.argument()), ("BAD_USER_INPUT", "filter.ipAddress"), "{list} {none:?}");
        }
    }
}
