//! The dashboard and the explorer, as a browser asks for them. Both have been built before this program was compiled.

use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap};
use tower::ServiceExt;

use super::support::{Client, Setup, TestApp};

const HTML: &str = "text/html; charset=utf-8";
/// As browsers send it when they are told to open an address.
const NAVIGATION: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Where its page is, where its files are, and where the build left them.
const DASHBOARD: (&str, &str, &str) = ("/admin/", "/admin/", "frontend-examples/admin-dashboard/dist");
const EXPLORER: (&str, &str, &str) = ("/graphql", "/explorer/", "frontend-examples/explorer/dist");

/// What came back, byte by byte.
struct File {
    status: u16,
    headers: HeaderMap,
    content: Vec<u8>,
}

impl File {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }
}

async fn ask(client: &Client, method: &str, path: &str, encodings: &str) -> File {
    let request = client.http.request(method.parse().expect("a method"), client.url(path));
    let request = request.header(ACCEPT, NAVIGATION).header(ACCEPT_ENCODING, encodings);
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    File { status, headers, content: answer.bytes().await.expect("whole").to_vec() }
}

async fn get(client: &Client, path: &str) -> File {
    ask(client, "GET", path, "identity").await
}

/// The addresses of scripts and styles that a page asks for.
async fn assets(client: &Client, (page, files, _): (&str, &str, &str)) -> Vec<String> {
    let page = get(client, page).await;
    let html = String::from_utf8(page.content).expect("text");
    let assets = format!("{files}assets/");
    let named: Vec<_> = html.split('"').filter(|part| part.starts_with(&assets)).map(str::to_owned).collect();
    assert!(named.iter().any(|path| is(path, "js")) && named.iter().any(|path| is(path, "css")), "{html}");
    named
}

fn is(path: &str, ending: &str) -> bool {
    path.rsplit('.').next() == Some(ending)
}

fn built(dist: &str, path: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(dist).join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[tokio::test]
async fn pages_are_what_was_built_and_may_do_nothing_elsewhere() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    for (page, files, dist) in [DASHBOARD, EXPLORER] {
        let answer = get(&client, page).await;
        assert_eq!(
            (answer.status, answer.header("content-type"), answer.header("cache-control")),
            (200, HTML, "no-cache")
        );
        assert!(answer.content == built(dist, "index.html"), "{page}");
        let html = String::from_utf8(answer.content.clone()).expect("text");
        for (attribute, _) in html.match_indices(" src=\"").chain(html.match_indices(" href=\"")) {
            let address = html[attribute..].split('"').nth(1).unwrap_or_default();
            assert!(address.starts_with(files), "{page} asks for {address}");
        }
        assert!(answer.header("vary").contains("Accept-Encoding"), "{page}");
        let policy = answer.header("content-security-policy");
        let directives: Vec<_> = policy.split("; ").collect();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "font-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(directives.contains(&directive), "{page}: {directive} in {policy}");
        }
        let own: &[&str] = match files {
            "/admin/" => &["style-src 'self'", "img-src 'self'"],
            _ => &["style-src 'self' 'unsafe-inline'", "img-src 'self' data:", "worker-src 'self'"],
        };
        assert!(own.iter().all(|directive| directives.contains(directive)), "{page}: {policy}");
        assert_eq!(directives.len(), 7 + own.len(), "{page}: {policy}");
    }
    let explorer = get(&client, "/graphql").await;
    assert_eq!(explorer.header("vary"), "Accept, Accept-Encoding", "the same address answers queries");
    assert_eq!(client.query("{ __typename }").await.data("/__typename"), "Query");
}

#[tokio::test]
async fn a_place_within_the_dashboard_is_its_page_and_an_unknown_file_is_none() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    let page = get(&client, "/admin/").await.content;
    for place in ["/admin/users", "/admin/users/user%3A1/sessions", "/admin//", "/admin/users?first=2"] {
        let answer = get(&client, place).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, HTML), "{place}");
        assert!(answer.header("cache-control") == "no-cache" && answer.content == page, "{place}");
    }
    for nowhere in [
        "/admin/assets/",
        "/admin/assets/no-such-file.js",
        "/explorer/assets/no-such-file.js",
        "/explorer/",
        "/explorer",
        "/administer",
    ] {
        let answer = get(&client, nowhere).await;
        assert_eq!((answer.status, answer.header("content-type")), (404, "application/json"), "{nowhere}");
    }
    let redirected = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    for (from, status, to) in [("/", 303, "/graphql"), ("/admin", 308, "/admin/")] {
        let answer = redirected.get(client.url(from)).send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().expect("text")), (status, to));
    }
}

#[tokio::test]
async fn files_are_sent_as_the_browser_takes_them_and_kept_for_good() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    for front_end @ (_, files, dist) in [DASHBOARD, EXPLORER] {
        let named = assets(&client, front_end).await;
        for path in &named {
            let answer = get(&client, path).await;
            let name = path.strip_prefix(files).expect("its own");
            let content_type = match path.rsplit('.').next() {
                Some("css") => "text/css; charset=utf-8",
                Some("svg") => "image/svg+xml",
                _ => "text/javascript; charset=utf-8",
            };
            assert_eq!((answer.status, answer.header("content-encoding")), (200, ""), "{path}");
            assert_eq!(answer.header("content-type"), content_type, "{path}");
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable", "{path}");
            assert_eq!(answer.header("vary"), "Accept-Encoding", "{path}");
            assert!(answer.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"));
            assert!(answer.content == built(dist, name), "{path}");
        }
        let script = named.iter().find(|path| is(path, "js")).expect("a script");
        let name = script.strip_prefix(files).expect("its own");
        for (accepted, encoding, suffix) in [
            ("gzip, deflate, br, zstd", "br", ".br"),
            ("gzip, deflate", "gzip", ".gz"),
            ("br;q=0, gzip", "gzip", ".gz"),
            ("br;q=0, gzip;q=0, *;q=0", "", ""),
            ("zstd", "", ""),
        ] {
            let whole = ask(&client, "GET", script, accepted).await;
            assert_eq!((whole.status, whole.header("content-encoding")), (200, encoding), "{accepted}");
            assert!(whole.content == built(dist, &format!("{name}{suffix}")), "{accepted}");
            let head = ask(&client, "HEAD", script, accepted).await;
            assert!(head.content.is_empty(), "{accepted}");
            let told =
                |answer: &File| ["content-type", "content-encoding", "vary"].map(|name| answer.header(name).to_owned());
            assert_eq!((head.status, told(&head)), (200, told(&whole)), "{accepted}");
            assert_eq!(head.headers[CONTENT_LENGTH], whole.content.len().to_string(), "{accepted}");
        }
    }
}

#[tokio::test]
async fn no_path_leads_out_of_what_was_built() {
    let app = TestApp::start().await;
    let router = voicehive_identity::http::router(app.app.clone());
    // Clients would put them in order first.
    for (path, status) in [
        ("/explorer/assets/../index.html", 404),
        ("/explorer/../../../Cargo.toml", 404),
        ("/explorer/%2e%2e/%2e%2e/%2e%2e/Cargo.toml", 404),
        ("/explorer//etc/passwd", 404),
        ("/explorer/%00", 404),
        ("/admin/assets/../../../../Cargo.toml", 404),
        ("/admin/../../../Cargo.toml", 200),
        ("/admin//etc/passwd", 200),
        ("/admin/%ff", 200),
    ] {
        let answer = router
            .clone()
            .oneshot(Request::get(path).header("host", "a").body(Body::empty()).expect("a request"))
            .await;
        let answer = answer.expect("answered");
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let content = answer.into_body().collect().await.expect("whole").to_bytes();
        let expected = if status == 200 { built(DASHBOARD.2, "index.html") } else { content.to_vec() };
        assert!(content == expected && !content.starts_with(b"[package]"), "{path}");
    }
}

#[tokio::test]
async fn files_are_read_and_nothing_else() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    let mut paths = vec!["/admin".to_owned(), "/admin/".to_owned(), "/admin/users".to_owned()];
    paths.extend(assets(&client, DASHBOARD).await);
    paths.extend(assets(&client, EXPLORER).await);
    for path in &paths {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = ask(&client, method, path, "identity").await;
            assert_eq!((answer.status, answer.header("allow")), (405, "GET,HEAD"), "{method} {path}");
        }
    }
    let head = ask(&client, "HEAD", "/graphql", "identity").await;
    assert_eq!((head.status, head.header("content-type"), head.content.len()), (200, HTML, 0));
}

#[tokio::test]
async fn a_page_loads_whole_however_busy_the_server_is() {
    let mut setup = Setup::usual();
    setup.options.max_requests = 0;
    let busy = TestApp::start_with(setup).await.anonymous();
    let idle = TestApp::start().await.anonymous();
    assert_eq!(busy.query("{ __typename }").await.status, 503);
    let mut paths = vec!["/admin/".to_owned(), "/admin/users".to_owned()];
    paths.extend(assets(&idle, DASHBOARD).await);
    paths.extend(assets(&idle, EXPLORER).await);
    for path in paths {
        let answer = get(&busy, &path).await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, ""), "{path}");
    }
    let metrics = idle.get("/metrics").await;
    let metrics = metrics.body.as_str().expect("text");
    assert!(metrics.contains("route=\"/admin/{*path}\"") && metrics.contains("route=\"/explorer/{*path}\""));
    assert!(!metrics.contains("assets") && !metrics.contains("/admin/users"), "as many series as anybody likes");
}

#[tokio::test]
async fn what_is_turned_off_is_not_there() {
    let app = TestApp::start().await.anonymous();
    let mut setup = Setup::usual();
    (setup.options.dashboard, setup.options.explorer) = (false, true);
    let no_dashboard = TestApp::start_with(setup).await.anonymous();
    let mut setup = Setup::usual();
    (setup.options.dashboard, setup.options.explorer) = (true, false);
    let no_explorer = TestApp::start_with(setup).await.anonymous();
    let script = assets(&app, DASHBOARD).await.remove(0);
    for path in ["/admin", "/admin/", "/admin/users", &script] {
        assert_eq!(get(&no_dashboard, path).await.status, 404, "{path}");
        assert_eq!(get(&no_explorer, path).await.status, 200, "{path}");
    }
    let script = assets(&app, EXPLORER).await.remove(0);
    for path in ["/", &script] {
        assert_eq!(get(&no_explorer, path).await.status, 404, "{path}");
        assert_eq!(get(&no_dashboard, path).await.status, 200, "{path}");
    }
    let page = no_explorer.send(no_explorer.http.get(no_explorer.url("/graphql")).header(ACCEPT, "text/html")).await;
    assert_eq!(page.status, 406, "an answer of the API");
}
