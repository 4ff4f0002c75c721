//! The endpoint under attack: each hostile client is answered or cut off within its limit, while others are served.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::Executor;

use super::support::{Setup, TestApp, eventually};

/// Somebody signs in and asks who they are, again and again, beside an attack, and is always answered.
async fn served_beside(app: &TestApp, attack: impl Future<Output = ()>) {
    let admin = app.admin().await;
    let over = Cell::new(false);
    let others = async {
        while !over.get() {
            assert!(admin.is_signed_in().await);
            let again = app.anonymous().try_sign_in("manager@hotel1.com", "manager123").await;
            assert_eq!(again.refusals("login"), [] as [&str; 0]);
        }
    };
    let attack = async {
        attack.await;
        over.set(true);
    };
    tokio::join!(others, attack);
}

fn deep_json(depth: usize) -> String {
    format!(r#"{{"query": "{{ me {{ id }} }}", "variables": {{"a": {}{}}}}}"#, "[".repeat(depth), "]".repeat(depth))
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_documents_are_refused_while_others_are_served() {
    let app = TestApp::start().await;
    // A stranger's are refused for their length.
    let client = app.signed_in("operator@voicehive-hotels.eu").await;
    let bomb: String = (0..40).map(|n| format!("fragment F{n} on User {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect();
    let documents = [
        ("brackets open at once", format!("{{ node(id: {}1{}) {{ id }} }}", "[".repeat(2000), "]".repeat(2000))),
        ("brackets open at once", format!("{{ node(id: {}1{}) {{ id }} }}", "{a:".repeat(2000), "}".repeat(2000))),
        ("brackets open at once", "{a".repeat(2000)),
        ("fields, fragments expanded", format!("{{ me {{ ...F0 }} }} {bomb} fragment F40 on User {{ id }}")),
        ("tokens", format!("{{ {} }}", (0..10_000).map(|n| format!("a{n}: me {{ id }} ")).collect::<String>())),
        ("aliases", format!("{{ me {{ {} }} }}", (0..1000).map(|n| format!("a{n}: id ")).collect::<String>())),
        ("directives", format!("{{ ... {} {{ me {{ id }} }} }}", "@include(if: true) ".repeat(5000))),
        ("fields at the top", format!("{{ {} }}", "__typename ".repeat(51))),
        ("levels of fields", format!("{{ me {{ {}id{} }} }}", "createdBy { ".repeat(15), " }".repeat(15))),
        (
            "fields and rows by their cost",
            "{ users(first: 100) { nodes { hotels(first: 100) { nodes { users(first: 100) { nodes { id } } } } } } }"
                .to_owned(),
        ),
    ];
    let attack = async {
        for (limit, document) in &documents {
            let began = Instant::now();
            let answer = client.graphql(document, json!({})).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "QUERY_TOO_COMPLEX"), "{document:.60}");
            let extensions = &answer.body["errors"][0]["extensions"];
            assert_eq!(extensions["limit"], *limit, "{document:.60}: {extensions}");
            assert!(extensions["asked"].as_u64() > extensions["allowed"].as_u64(), "{extensions}");
            assert!(began.elapsed() < Duration::from_secs(2), "{limit}: {:?}", began.elapsed());
        }
        for (depth, status) in [(100, 200), (1000, 400), (100_000, 413)] {
            let answer = client
                .send(
                    client
                        .http
                        .post(client.url("/graphql"))
                        .header("content-type", "application/json")
                        .body(deep_json(depth)),
                )
                .await;
            assert_eq!(answer.status, status, "{depth}: a variable that nothing uses is not looked at");
        }
        let large = json!({ "query": "#".repeat(10 * 1024 * 1024) }).to_string();
        let post = client.http.post(client.url("/graphql")).header("content-type", "application/json").body(large);
        // Cut off as soon as it is too large: what comes first of the two is what the client sees.
        if let Ok(response) = post.send().await {
            assert_eq!(response.status(), 413);
        }
    };
    served_beside(&app, attack).await;
}

#[tokio::test]
async fn rows_are_counted_however_they_are_asked_for() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let rows = "users(first: $n) { nodes { hotels(first: $n) { nodes { users(first: $n) { nodes { id } } } } } }";
    let last = rows.replace("first: $n", "first: $no, last: 100");
    let ids: String = (0..100).map(|_| "\"user:00000000-0000-4000-8000-000000000000\", ").collect();
    let aliases: String = (0..490).map(|n| format!("a{n}: name ")).collect();
    let nested = format!(
        "{{ __type(name: \"Node\") {{ {} {aliases} {} }} }}",
        "possibleTypes { interfaces { ".repeat(6),
        "} } ".repeat(6)
    );
    let operations: String = (0..400).map(|n| format!("query A{n} {{ me {{ ...F0 }} }} ")).collect();
    let doubling: String =
        (0..16).map(|n| format!("fragment F{n} on User {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect();
    for document in [
        format!("query($n: Int = 100) {{ {rows} }}"),
        format!("query($no: Int) {{ {last} }}"),
        format!(
            "{{ nodes(ids: [{ids}]) {{ ... on Hotel {{ users(first: 100) {{ nodes {{ sessions(first: 100) {{ nodes {{ id }} }} }} }} }} }} }}"
        ),
        nested,
        format!("{{ __schema {{ types {{ fields {{ {aliases} }} }} }} }}"),
        format!("query Z {{ __typename }} {operations} {doubling} fragment F16 on User {{ id }}"),
    ] {
        let body = json!({ "query": document, "operationName": document.starts_with("query Z").then_some("Z") });
        let answer = admin.post("/graphql", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "QUERY_TOO_COMPLEX"),
            "{document:.90}: {}",
            answer.body
        );
    }
    // What tools ask of the schema is answered.
    let kind = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
    let input = format!("name description defaultValue type {{ {kind} }}");
    let whole = format!(
        "{{ __schema {{ queryType {{ name }} types {{ kind name description
           fields(includeDeprecated: true) {{ name args {{ {input} }} type {{ {kind} }} isDeprecated }}
           inputFields {{ {input} }} interfaces {{ {kind} }} enumValues {{ name }} possibleTypes {{ {kind} }} }}
           directives {{ name locations args {{ {input} }} }} }} }}"
    );
    assert!(admin.query(&whole).await.data("/__schema/types").as_array().expect("types").len() > 50);
}

#[tokio::test]
async fn defaults_of_variables_are_what_is_run() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = admin.query(r#"{ user(by: {email: "manager@hotel1.com"}) { id } }"#).await.data("/user/id").clone();
    let dry = format!(
        "mutation($dry: Boolean! = true) {{ deleteUser(input: {{id: {id}}}) @skip(if: $dry) {{ deletedId }} __typename }}"
    );
    assert_eq!(admin.query(&dry).await.body["data"], json!({ "__typename": "Mutation" }));
    assert_eq!(app.count("SELECT count(*) FROM users WHERE email = 'manager@hotel1.com'").await, 1);
    let included = "query($e: Boolean = true, $no: Boolean) { me { email @include(if: $e) } users(filter: {active: $no}) { totalCount } }";
    let answer = admin.query(included).await;
    assert_eq!(
        (answer.data("/me/email"), answer.data("/users/totalCount")),
        (&json!("admin@voicehive-hotels.eu"), &json!(3))
    );
    let _other = app.admin().await;
    let all = "mutation($s: ID, $all: Boolean! = true) { ...F }
               fragment F on Mutation { logout(input: {session: $s, allSessions: $all}) { revokedSessions } }";
    assert_eq!(admin.query(all).await.data("/logout/revokedSessions"), 2);
}

/// A request whose head or body comes in pieces; what came back until the server closed the connection.
fn drip(address: std::net::SocketAddr, head: &str, piece: &str, pause: Duration) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("set");
    let _ = stream.write_all(head.as_bytes());
    let mut got = String::new();
    let mut buffer = [0; 1024];
    while began.elapsed() < Duration::from_secs(9) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => got.push_str(&String::from_utf8_lossy(&buffer[..read])),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(_) => {}
        }
        if !got.is_empty() || stream.write_all(piece.as_bytes()).is_err() {
            break;
        }
        std::thread::sleep(pause);
    }
    (got, began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_bodies_are_cut_off() {
    // Heads within half a second, bodies within two.
    let app = TestApp::start().await;
    let address = app.address;
    let attack = async {
        let slow = |head: &'static str, piece: &'static str| {
            tokio::task::spawn_blocking(move || drip(address, head, piece, Duration::from_millis(50)))
        };
        let (got, took) = slow("POST /graphql HTTP/1.1\r\n", "x").await.expect("ends");
        assert!(got.is_empty() || got.starts_with("HTTP/1.1 4"), "{got}");
        assert!(took < Duration::from_secs(3), "a head: {took:?}");
        let (_, took) = slow("", "").await.expect("ends");
        assert!(took < Duration::from_secs(3), "nothing at all: {took:?}");
        let (_, took) = slow("PRI * HTTP/2.0\r\n", "").await.expect("ends");
        assert!(took < Duration::from_secs(3), "half a preface: {took:?}");
        for path in ["/graphql", "/auth/login"] {
            let head: &'static str = Box::leak(
                format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{{")
                    .into_boxed_str(),
            );
            let (got, took) = slow(head, " ").await.expect("ends");
            assert!(got.starts_with("HTTP/1.1 408"), "{path}: {got}");
            assert!(took < Duration::from_secs(5), "{path}: {took:?}");
        }
        let head = format!("GET /livez HTTP/1.1\r\nHost: x\r\n{}\r\n", "x-a: b\r\n".repeat(200));
        let (got, _) =
            tokio::task::spawn_blocking(move || drip(address, &head, "", Duration::ZERO)).await.expect("ends");
        assert!(got.starts_with("HTTP/1.1 431"), "too many fields: {got}");
        let head = format!("GET /livez HTTP/1.1\r\nHost: x\r\nx-a: {}\r\n\r\n", "b".repeat(100_000));
        let (got, _) =
            tokio::task::spawn_blocking(move || drip(address, &head, "", Duration::ZERO)).await.expect("ends");
        assert!(got.starts_with("HTTP/1.1 431"), "too long: {got}");
    };
    served_beside(&app, attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_connections_keep_nobody_out() {
    let mut setup = Setup::usual();
    setup.server.header_timeout = Duration::from_secs(5);
    setup.server.max_connections = 1500;
    setup.server.max_connections_per_address = 1200;
    let app = TestApp::start_with(setup).await;
    let mut idle: Vec<_> = (0..1000).map(|_| TcpStream::connect(app.address).expect("connects")).collect();
    let admin = app.admin().await;
    for _ in 0..20 {
        assert!(admin.is_signed_in().await);
    }
    // And they are cut off: reading ends.
    let last = idle.pop().expect("one");
    last.set_read_timeout(Some(Duration::from_secs(9))).expect("set");
    assert_eq!((&last).read(&mut [0; 16]).expect("closed in time"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_every_connection() {
    let mut setup = Setup::usual();
    setup.server.header_timeout = Duration::from_secs(8);
    setup.server.max_connections_per_address = 20;
    let app = TestApp::start_with(setup).await;
    let mut held: Vec<_> = (0..20).map(|_| TcpStream::connect(app.address).expect("connects")).collect();
    let refused = || {
        let mut one_more = TcpStream::connect(app.address).expect("taken by the system");
        one_more.set_read_timeout(Some(Duration::from_secs(2))).expect("set");
        let _ = one_more.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        !matches!(one_more.read(&mut [0; 64]), Ok(read) if read > 0)
    };
    eventually("the twenty are counted", async || refused()).await;
    // Another address of this machine has places of its own.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.2:0".parse().expect("an address")).expect("bound");
    let other = socket.connect(app.address).await.expect("connects").into_std().expect("a stream");
    other.set_nonblocking(false).expect("set");
    (&other).write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    assert!((&other).read(&mut [0; 64]).expect("answered") > 0);
    held.truncate(10);
    eventually("places come back", async || !refused()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_refuses_at_once_and_stays_visible() {
    let mut setup = Setup::usual();
    setup.options.max_requests = 2;
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    let mut held = app.database.superuser.begin().await.expect("begun");
    held.execute("LOCK TABLE hotels IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let admin = admin.clone();
            tokio::spawn(async move { admin.query("{ hotels { nodes { name } } }").await })
        })
        .collect();
    eventually("two are under way", async || {
        app.anonymous().post("/auth/refresh", json!({ "refresh_token": "x" })).await.status == 503
    })
    .await;
    let refused = admin.query("{ me { id } }").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "UNAVAILABLE"), "{}", refused.body);
    assert_eq!(refused.headers["retry-after"], "1");
    for path in ["/healthz", "/livez", "/readyz", "/metrics", "/.well-known/jwks.json"] {
        assert_eq!(app.anonymous().get(path).await.status, 200, "{path}");
    }
    held.rollback().await.expect("released");
    for one in waiting {
        assert_eq!(one.await.expect("ends").status, 200);
    }
    assert!(admin.is_signed_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_cannot_keep_a_server_busy_for_all() {
    let mut setup = Setup::usual();
    setup.options.max_requests_per_address = 3;
    setup.options.bodies.timeout = Duration::from_secs(20);
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    // Bodies that never come, all of one client.
    let begun = "POST /graphql HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n";
    let held: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = TcpStream::connect(app.address).expect("connects");
            stream.write_all(begun.as_bytes()).expect("sent");
            stream
        })
        .collect();
    let from = |address: &str| app.anonymous().with_header("x-forwarded-for", address);
    eventually("its places are taken", async || from("192.0.2.7").query("{ __typename }").await.status == 503).await;
    assert_eq!(from("192.0.2.8").query("{ __typename }").await.status, 200);
    drop(held);
    eventually("they come back", async || from("192.0.2.7").query("{ __typename }").await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_leaves_no_transaction_and_a_time_out_ends_the_statement() {
    let mut setup = Setup::usual();
    setup.pool.statement_timeout = Duration::from_millis(700);
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    let mut held = app.database.superuser.begin().await.expect("begun");
    held.execute("LOCK TABLE hotels IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    for _ in 0..5 {
        let asked = admin.query("{ hotels { nodes { name } } }");
        assert!(tokio::time::timeout(Duration::from_millis(50), asked).await.is_err(), "it hung up");
    }
    let ours = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'voicehive' AND state <> 'idle'";
    eventually("statements end in PostgreSQL, too, and so do transactions", async || app.count(ours).await == 0).await;
    held.rollback().await.expect("released");
    assert_eq!(admin.query("{ hotels { nodes { name } } }").await.status, 200);
}

/// Whatever a request says at length, wherever it says it, no answer repeats it at length.
#[tokio::test]
async fn no_refusal_repeats_a_request_at_length() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let long = "Łukasz".repeat(100_000);
    let name = "n".repeat(200);
    let names = (0..2000).map(|n| format!("{name}{n}: id ")).collect::<String>();
    let graphql = [
        (format!("{{ {}: me {{ id }} }}", "a".repeat(900_000)), json!({})),
        (format!("{{ {} }}", "a".repeat(900_000)), json!({})),
        (format!("{{ me {{ id }} }} fragment {} on User {{ id }}", "a".repeat(900_000)), json!({})),
        (format!("{{ me {{ {name} }} }}"), json!({})),
        (format!("{{ me {{ {names} }} }}"), json!({})),
        (format!("{{ user(by: {{id: \"{long}\"}}) {{ id }} }}"), json!({})),
        (format!("{{ users(first: \"{long}\") {{ totalCount }} }}"), json!({})),
        (format!("{{ auditEvents(filter: {{since: \"{long}\"}}) {{ totalCount }} }}"), json!({})),
        (format!("{{ users(after: \"{long}\") {{ totalCount }} }}"), json!({})),
        (format!("{{ me {{ id }} }} \"{long}\""), json!({})),
        ("query($n: Int) { users(first: $n) { totalCount } }".to_owned(), json!({ "n": long })),
        ("query($n: ID!) { node(id: $n) { id } }".to_owned(), json!({ "n": long })),
        ("query($n: HotelScope) { users(filter: {hotelScope: $n}) { totalCount } }".to_owned(), json!({ "n": long })),
        ("query($n: UserBy!) { user(by: $n) { id } }".to_owned(), json!({ "n": { long.as_str(): 1 } })),
        ("query($n: UserBy!) { user(by: $n) { id } }".to_owned(), json!({ "n": { "id": [long] } })),
    ];
    let told = |text: &str, what: &str| assert!(text.len() < 4096, "{what:.80}: {} bytes: {text:.300}", text.len());
    for (document, variables) in &graphql {
        let answer = admin.graphql(document, variables.clone()).await;
        told(&answer.body["errors"][0].to_string(), document);
        assert!(answer.body.to_string().len() < 64 * 1024, "{document:.80}");
    }
    let several = json!({ "query": "query A { me { id } } query B { me { id } }", "operationName": long });
    told(&admin.post("/graphql", several).await.body.to_string(), "operationName");
    let extensions = json!({ "query": "{ me { id } }", "extensions": { "persistedQuery": { "sha256Hash": long } } });
    told(&admin.post("/graphql", extensions).await.body.to_string(), "sha256Hash");
    for (path, body) in [
        ("/auth/login", json!({ "email": "x", "password": "y", "remember_me": long })),
        ("/auth/login", json!({ "email": long, "password": "y" })),
        ("/auth/login", json!({ "email": { long.as_str(): 1 }, "password": "y" })),
        ("/auth/refresh", json!({ "refresh_token": long })),
        ("/auth/logout", json!({ "session_id": long })),
        ("/auth/logout", json!({ "all_sessions": long })),
        ("/auth/api-keys", json!({ "service_name": long, "permissions": [long] })),
        ("/access/v1/evaluation", json!({ "subject": { "type": long, "id": long }, "action": { "name": long } })),
        ("/access/v1/search/subject", json!({ "subject": { "type": long }, "page": { "token": long } })),
    ] {
        let answer = admin.post(path, body).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        told(&answer.body.to_string(), path);
    }
    let form = admin.http.post(admin.url("/oauth2/introspect"));
    let form =
        form.header("content-type", "application/x-www-form-urlencoded").body(format!("{}=x", "t".repeat(900_000)));
    told(&admin.send(form).await.body.to_string(), "/oauth2/introspect");
    told(&admin.get(&format!("/{}", "x".repeat(10_000))).await.body.to_string(), "a path");
    told(&admin.get(&format!("/graphql?query={}", "x".repeat(10_000))).await.body.to_string(), "a query string");
}
