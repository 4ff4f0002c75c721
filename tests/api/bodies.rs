//! Bodies that are sent to fill the server's memory: how much of them is taken of whom, and what the process grows by.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::support::{Client, Program, Setup, TestApp, TestDatabase, voicehive};

/// Bodies at once.
const AT_ONCE: u16 = 256;
/// What they may make the process grow by, in KiB.
const MOST: u64 = 64 * 1024;

/// A line of what Linux tells of a process, in KiB.
fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux tells");
    let found = status.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(':'));
    found.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).expect("a number of KiB")
}

/// Where requests come from.
#[derive(Clone, Copy, Debug)]
enum From {
    OneAddress,
    EachAnAddress,
}

impl From {
    fn address(self, number: u16) -> Ipv4Addr {
        let [high, low] = number.to_be_bytes();
        match self {
            Self::OneAddress => Ipv4Addr::new(127, 0, 1, 1),
            Self::EachAnAddress => Ipv4Addr::new(127, 1, high, low),
        }
    }
}

/// A request with a body.
#[derive(Clone)]
struct Flood {
    path: &'static str,
    headers: String,
    body: Arc<[u8]>,
    chunked: bool,
}

impl Flood {
    fn of(path: &'static str, content_type: &str, body: String) -> Self {
        Self {
            path,
            headers: format!("Content-Type: {content_type}\r\n"),
            body: body.into_bytes().into(),
            chunked: false,
        }
    }

    fn with_header(mut self, name: &str, value: &str) -> Self {
        write!(self.headers, "{name}: {value}\r\n").expect("written");
        self
    }

    /// The status that is answered; half of the body is sent when all others have sent half of theirs.
    async fn send(self, to: SocketAddr, from: Ipv4Addr, barrier: Arc<Barrier>) -> u16 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("bound");
        let (mut answer, mut request) = socket.connect(to).await.expect("connects").into_split();
        let (path, headers, length) = (self.path, &self.headers, self.body.len());
        let framing =
            if self.chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {length}") };
        let head = format!("POST {path} HTTP/1.1\r\nHost: {to}\r\n{headers}{framing}\r\n\r\n");
        let write = async {
            request.write_all(head.as_bytes()).await.expect("sent");
            for (place, half) in self.body.chunks(length.div_ceil(2)).enumerate() {
                if place == 1 {
                    barrier.wait().await;
                }
                // The server may have had enough.
                for piece in half.chunks(16 * 1024) {
                    let chunk = format!("{:x}\r\n", piece.len());
                    let parts = if self.chunked { [chunk.as_bytes(), piece, b"\r\n"] } else { [&[], piece, &[]] };
                    for part in parts {
                        let _ = request.write_all(part).await;
                    }
                }
            }
            if self.chunked {
                let _ = request.write_all(b"0\r\n\r\n").await;
            }
        };
        let read = async {
            let mut line = [0; 12];
            answer.read_exact(&mut line).await.expect("an answer");
            std::str::from_utf8(&line[9..]).expect("text").parse().expect("a status")
        };
        tokio::join!(read, write).0
    }

    /// Sends as many as may be at once, and how many of them were answered by which status.
    async fn at_once(&self, to: SocketAddr, from: From) -> std::collections::BTreeMap<u16, usize> {
        let barrier = Arc::new(Barrier::new(AT_ONCE.into()));
        let mut all = JoinSet::new();
        for number in 0..AT_ONCE {
            all.spawn(self.clone().send(to, from.address(number), barrier.clone()));
        }
        let mut statuses = std::collections::BTreeMap::new();
        while let Some(status) = all.join_next().await {
            *statuses.entry(status.expect("not panicked")).or_default() += 1;
        }
        statuses
    }
}

/// A GraphQL request with so many small objects in its variables, filled up to this length.
fn objects(number: usize, length: usize) -> String {
    let objects = vec![r#"{"":0}"#; number].join(",");
    let start = format!(r#"{{"query":"{{ __typename }}","variables":{{"a":[{objects}],"b":""#);
    let filling = "x".repeat(length.saturating_sub(start.len() + 3));
    format!("{start}{filling}\"}}}}")
}

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_at_once_hardly_grow_the_process() {
    let database = TestDatabase::create().await;
    let mut command = voicehive(&database.options, &["serve"]);
    // What is measured is what is read, not how often.
    command.env("VOICEHIVE_LIMITS__REQUEST_BURST", "100000").env("VOICEHIVE_LIMITS__REQUESTS_PER_MINUTE", "1000000");
    // Those of one flood may not be over when the next one begins.
    command
        .env("VOICEHIVE_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "1024")
        .env("VOICEHIVE_HTTP__MAX_REQUESTS_PER_ADDRESS", "1024");
    let server = Program::start(command);
    let (client, process) = (&server.client, server.process.id());
    let sign_in = async || {
        let admin = client.clone().sign_in("admin@voicehive-hotels.eu", "admin123").await;
        let new = json!({ "currentPassword": "admin123", "newPassword": "Łukasz goes fishing" });
        admin.mutate("changePassword", new, "").await;
        admin
    };
    let admin = sign_in().await;
    let input =
        json!({ "name": "gateway", "serviceName": "gateway", "permissions": ["user:view"], "hotelScope": "ALL" });
    let made = admin.mutate("createApiKey", input, "secret").await;
    let key = made.data("/createApiKey/secret").as_str().expect("a key").to_owned();
    let bearer = format!("Bearer {}", admin.access_token.as_deref().expect("a token"));

    let graphql = |body| Flood::of("/graphql", "application/json", body);
    let whole = graphql(objects(130_000, MIB));
    let small = graphql(objects(9_000, 63 * 1024));
    let most = graphql(objects(9_900, MIB - 1));
    let few = graphql(objects(480, 60 * 1024));
    let login = format!(r#"{{"email":"a@b.de","password":"{}","x":[{}0]}}"#, "p".repeat(60 * 1024), "{},".repeat(400));
    let form = |length| format!("token=x{}", "&a=".repeat(length / 3));
    let check = format!(
        r#"{{"evaluations":[{}{{}}],"context":"{}"}}"#,
        r#"{"subject":{"type":"user","id":"0190a0b0-0000-7000-8000-000000000000"},"action":{"name":"call:view"},"resource":{"type":"hotel","id":"hotel-001"}},"#
            .repeat(999),
        "x".repeat(600 * 1024)
    );
    let authzen = |body| Flood::of("/access/v1/evaluations", "application/json", body).with_header("X-API-Key", &key);
    let too_large: &[u16] = &[413];
    let floods: Vec<(&str, Flood, &[u16])> = vec![
        ("a stranger's", whole.clone(), too_large),
        ("a stranger's in chunks", Flood { chunked: true, ..whole.clone() }, &[413, 503]),
        ("a token's that does not hold", whole.clone().with_header("Authorization", "Bearer x"), &[401]),
        ("a stranger's with many values", small, &[413, 503]),
        ("a stranger's with few", few, &[200, 503]),
        ("somebody's", whole.clone().with_header("Authorization", &bearer), &[413, 503]),
        ("somebody's in chunks", Flood { chunked: true, ..whole }.with_header("Authorization", &bearer), &[413, 503]),
        ("somebody's with as many values as may be", most.with_header("Authorization", &bearer), &[200, 503]),
        ("a sign-in", Flood::of("/auth/login", "application/json", login), &[401, 503]),
        ("a large sign-in", Flood::of("/auth/login", "application/json", objects(130_000, MIB)), too_large),
        ("a form", Flood::of("/oauth2/revoke", "application/x-www-form-urlencoded", form(63 * 1024)), &[413, 503]),
        ("a large form", Flood::of("/oauth2/revoke", "application/x-www-form-urlencoded", form(MIB)), too_large),
        (
            "a service's form",
            Flood::of("/oauth2/introspect", "application/x-www-form-urlencoded", form(MIB - 8))
                .with_header("X-API-Key", &key),
            &[413, 503],
        ),
        ("a service's questions", authzen(check), &[200, 503]),
        ("a service's values", authzen(objects(130_000, MIB)), &[413, 503]),
    ];
    let before = memory(process, "VmRSS");
    for (what, flood, expected) in &floods {
        for from in [From::OneAddress, From::EachAnAddress] {
            let began = Instant::now();
            let statuses = flood.at_once(client.address, from).await;
            let grown = memory(process, "VmHWM").saturating_sub(before);
            println!("{what}, {from:?}: {statuses:?} in {:?}, grown by {grown} KiB at most", began.elapsed());
            assert!(grown < MOST, "{what}, {from:?}: grown by {grown} KiB");
            assert!(statuses.keys().all(|status| expected.contains(status)), "{what}, {from:?}: {statuses:?}");
            assert!(admin.is_signed_in().await, "others are served");
        }
    }
    // Whoever came in between is answered: large ones wait, ordinary ones never do.
    assert_eq!(client.query("{ __typename }").await.status, 200);
    let streams = many_streams(client, &objects(130_000, MIB)).await;
    let grown = memory(process, "VmHWM").saturating_sub(before);
    println!("HTTP/2: {streams:?}, grown by {grown} KiB at most");
    assert!(grown < MOST, "HTTP/2: grown by {grown} KiB");

    let until = Instant::now() + Duration::from_secs(30);
    while memory(process, "VmRSS") > before + MOST / 4 {
        assert!(Instant::now() < until, "not given back: {} KiB", memory(process, "VmRSS").saturating_sub(before));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The same over HTTP/2, each on a connection of its own; how many were answered.
async fn many_streams(client: &Client, body: &str) -> usize {
    let mut all = JoinSet::new();
    for number in 0..AT_ONCE {
        let http = reqwest::Client::builder()
            .http2_prior_knowledge()
            .local_address(Some(From::EachAnAddress.address(number).into()))
            .build()
            .expect("a client");
        let request = http.post(client.url("/graphql")).header("content-type", "application/json");
        all.spawn(request.body(body.to_owned()).send());
    }
    let mut answered = 0;
    while let Some(answer) = all.join_next().await {
        // It may have been sending still.
        if let Ok(answer) = answer.expect("not panicked") {
            assert_eq!(answer.status(), 413);
            answered += 1;
        }
    }
    answered
}

#[tokio::test]
async fn a_body_is_refused_before_it_comes_where_its_length_is_too_much() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let bearer = format!("Authorization: Bearer {}\r\n", admin.access_token.as_deref().expect("a token"));
    let ask = async |path: &str, more: &str, length: &str| {
        let mut stream = tokio::net::TcpStream::connect(app.address).await.expect("connects");
        let kind = if path.starts_with("/oauth2") { "application/x-www-form-urlencoded" } else { "application/json" };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n{more}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = [0; 12];
        let began = Instant::now();
        stream.read_exact(&mut answer).await.expect("an answer");
        assert!(began.elapsed() < Duration::from_secs(1), "{path} {length}: {:?}", began.elapsed());
        std::str::from_utf8(&answer[9..]).expect("text").to_owned()
    };
    let (tera, mebi, kibi) = ("10995116277760", "1048577", "65537");
    for path in ["/graphql", "/auth/login", "/auth/refresh", "/oauth2/revoke"] {
        for length in [tera, mebi, kibi, "18446744073709551613"] {
            assert_eq!(ask(path, "", length).await, "413", "{path} {length}");
        }
        assert_eq!(ask(path, "", "100").await, "100", "{path}: it is asked for");
    }
    for path in ["/graphql", "/auth/logout", "/auth/api-keys", "/oauth2/introspect", "/access/v1/evaluation"] {
        for length in [tera, mebi] {
            assert_eq!(ask(path, &bearer, length).await, "413", "{path} {length}");
            assert_eq!(ask(path, "Authorization: Bearer x\r\n", length).await, "401", "{path} {length}");
        }
        assert_eq!(ask(path, &bearer, kibi).await, "100", "{path}");
    }
}

#[tokio::test]
async fn a_stranger_sends_less_than_somebody_who_has_signed_in() {
    let app = TestApp::start().await;
    let (stranger, admin) = (app.anonymous(), app.admin().await);
    let document = |length: usize| {
        let start = "{ __typename } #";
        format!("{start}{}", "x".repeat(length - start.len() - 30))
    };
    assert_eq!(stranger.query(&document(64 * 1024)).await.status, 200);
    let refused = stranger.query(&document(65 * 1024)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (413, "BAD_USER_INPUT"));
    assert!(refused.body["errors"][0]["message"].as_str().expect("text").contains("sign in"), "{}", refused.body);
    assert_eq!(admin.query(&document(65 * 1024)).await.status, 200);
    assert_eq!(admin.query(&document(2 * MIB)).await.status, 413);
    // Whose token has expired must learn that.
    let late = admin.clone().with_token("x").query(&document(65 * 1024)).await;
    assert_eq!((late.status.as_u16(), late.code()), (401, "UNAUTHENTICATED"));

    let values = |number: usize| json!({ "a": vec![Value::from(1); number] });
    assert_eq!(stranger.graphql("{ __typename }", values(990)).await.status, 200);
    assert_eq!(stranger.graphql("{ __typename }", values(1000)).await.status, 413);
    assert_eq!(admin.graphql("{ __typename }", values(19_900)).await.status, 200);
    let refused = admin.graphql("{ __typename }", values(20_000)).await;
    assert!(
        refused.body["errors"][0]["message"].as_str().expect("text").contains("20000 JSON values"),
        "{}",
        refused.body
    );
    // What stands in a text is none.
    let commas = json!({ "a": "[,{".repeat(10_000), "b": "\\\",".repeat(1000) });
    assert_eq!(stranger.graphql("{ __typename }", commas).await.status, 200);
    for name in ["variables", "extensions"] {
        let text = values(1000).to_string();
        let request = stranger.http.get(stranger.url("/graphql")).query(&[("query", "{ __typename }"), (name, &text)]);
        assert_eq!(stranger.send(request).await.status, 413, "{name} in a URL");
    }
    let login = json!({ "email": "manager@hotel1.com", "password": "manager123", "x": vec![1; 1000] });
    assert_eq!(stranger.post("/auth/login", login).await.status, 413);
}

#[tokio::test]
async fn who_asks_too_often_is_refused_before_the_body_comes() {
    let mut setup = Setup::usual();
    setup.settings.throttle.requests_per_minute = std::num::NonZeroU32::MIN;
    setup.settings.throttle.request_burst = std::num::NonZeroU32::MIN;
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    let ask = async |path: &str, more: &str| {
        let mut stream = tokio::net::TcpStream::connect(app.address).await.expect("connects");
        let kind = if path.starts_with("/oauth2") { "application/x-www-form-urlencoded" } else { "application/json" };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n{more}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        std::str::from_utf8(&answer[9..]).expect("text").to_owned()
    };
    // The sign-in was this address' one request.
    for path in
        ["/graphql", "/auth/login", "/auth/refresh", "/oauth2/revoke", "/oauth2/introspect", "/access/v1/evaluation"]
    {
        assert_eq!(ask(path, "").await, "429", "{path}");
    }
    let bearer = format!("Authorization: Bearer {}\r\n", admin.access_token.as_deref().expect("a token"));
    assert!(admin.is_signed_in().await);
    for path in ["/auth/logout", "/auth/api-keys", "/oauth2/introspect", "/access/v1/evaluation"] {
        assert_eq!(ask(path, &bearer).await, "429", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_leaves_memory_to_the_others() {
    let mut setup = Setup::usual();
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    setup.options.bodies.bytes_at_once = 2 * MIB;
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    let from = |address: &str| admin.clone().with_header("x-forwarded-for", address);
    let with_objects = |number: usize, query: &str| {
        let objects = vec![json!({ "": 0 }); number];
        json!({ "query": query, "variables": { "a": objects } })
    };
    let hanging = "{ auditEvents(first: 1) { nodes { id } } }";
    let mut lock = app.database.superuser.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("locked");
    let mut large = JoinSet::new();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit_events'::regclass";
    let mut refused = 0;
    for number in 1..=4 {
        let (client, body) = (from("198.51.100.1"), with_objects(1_900, hanging));
        large.spawn(async move { client.post("/graphql", body).await.status });
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            while large.try_join_next().is_some() {
                refused += 1;
            }
            if app.count(waiting).await + refused >= number || Instant::now() > until {
                break;
            }
        }
        assert!(Instant::now() < until, "the {number}th neither hangs nor is refused");
    }
    let answer = from("198.51.100.2").post("/graphql", with_objects(1_600, "{ __typename }")).await;
    assert_eq!(answer.status, 200, "another address is served: {}", answer.body);
    lock.rollback().await.expect("unlocked");
}
