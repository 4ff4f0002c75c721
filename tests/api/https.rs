//! TLS of the server's own, HTTP/2, and what browsers are told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate as Authority, Version};
use serde_json::json;
use voicehive_identity::http::Certificate;

use super::support::{Answer, Client, Setup, TestApp, cluster_folder, eventually};

/// Writes a new certificate for localhost; it is its own authority.
fn write_certificate(chain: &Path, key: &Path) -> Authority {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    std::fs::write(key, signing_key.serialize_pem()).expect("written");
    std::fs::write(chain, cert.pem()).expect("written");
    Authority::from_pem(cert.pem().as_bytes()).expect("a certificate")
}

fn client(authority: Authority) -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([authority]).build().expect("a client")
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_and_a_renewed_certificate_taken_without_a_restart() {
    let (chain, key) = (cluster_folder().join("https.pem"), cluster_folder().join("https.key"));
    let first = write_certificate(&chain, &key);
    let certificate = Arc::new(Certificate::read(chain.clone(), key.clone()).expect("usable"));
    let mut setup = Setup::usual();
    setup.server.certificate = Some(certificate.clone());
    let app = TestApp::start_with(setup).await;
    let url = format!("https://localhost:{}", app.address.port());

    let https = client(first.clone());
    let answer = https.get(format!("{url}/livez")).send().await.expect("answered");
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let old = reqwest::Client::builder().tls_certs_only([first.clone()]).http1_only().build().expect("a client");
    let answer = old.get(format!("{url}/livez")).send().await.expect("answered");
    assert_eq!(answer.version(), Version::HTTP_11);
    let body = json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" });
    let answer = https.post(format!("{url}/auth/login")).json(&body).send().await.expect("answered");
    assert_eq!(answer.status(), 200);
    assert!(Client::new(app.address).http.get(format!("http://{}/livez", app.address)).send().await.is_err());

    // One that does not fit keeps the one before; then the new one is taken.
    std::fs::write(&chain, "no certificate").expect("written");
    assert!(certificate.look().is_err());
    assert!(client(first.clone()).get(format!("{url}/livez")).send().await.is_ok());
    let second = write_certificate(&chain, &key);
    assert!(certificate.look().expect("usable"));
    assert!(client(second).get(format!("{url}/livez")).send().await.is_ok());
    assert!(client(first).get(format!("{url}/livez")).send().await.is_err(), "new connections get the new one");
    assert!(!certificate.look().expect("unchanged"));
}

#[tokio::test]
async fn http2_is_spoken_without_tls_by_who_knows_it_beforehand() {
    let app = TestApp::start().await;
    let http = reqwest::Client::builder().http2_prior_knowledge().build().expect("a client");
    let answers = (0..20).map(|_| http.get(format!("http://{}/readyz", app.address)).send());
    for answer in futures_util::future::join_all(answers).await {
        let answer = answer.expect("answered");
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    }
}

#[tokio::test]
async fn a_connection_that_does_nothing_is_closed() {
    let mut setup = Setup::usual();
    setup.server.idle_timeout = Duration::from_millis(300);
    setup.server.header_timeout = Duration::from_secs(30);
    let app = TestApp::start_with(setup).await;
    for preface in ["GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0"] {
        let stream = tokio::net::TcpStream::connect(app.address).await.expect("connects");
        stream.writable().await.expect("open");
        stream.try_write(preface.as_bytes()).expect("sent");
        eventually("it is closed", async || {
            let mut buffer = [0; 4096];
            matches!(stream.try_read(&mut buffer), Ok(0))
        })
        .await;
    }
}

#[tokio::test]
async fn every_answer_protects_itself_in_browsers() {
    let mut setup = Setup::usual();
    setup.options.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let app = TestApp::start_with(setup).await;
    let client = app.anonymous();
    let page = client.clone().with_header("accept", "text/html");
    let body = json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" });
    for answer in [
        client.post("/auth/login", body).await,
        client.post("/auth/refresh", json!({})).await,
        client.query("{ viewer { __typename } }").await,
        client.query("{").await,
        client.get("/nowhere").await,
        client.get("/healthz").await,
        page.get("/graphql").await,
        page.get("/admin/users").await,
    ] {
        let is = |name: &str| answer.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default();
        assert_eq!((is("x-content-type-options"), is("x-frame-options")), ("nosniff", "DENY"));
        assert_eq!((is("referrer-policy"), is("cross-origin-resource-policy")), ("no-referrer", "same-origin"));
        assert!(is("content-security-policy").starts_with("default-src 'none'"), "{}", is("content-security-policy"));
        assert!(is("content-security-policy").contains("frame-ancestors 'none'"));
        assert!(["no-store", "no-cache"].contains(&is("cache-control")), "{}", is("cache-control"));
        assert!(!answer.headers.contains_key("strict-transport-security"), "nothing is encrypted here");
        assert!(!answer.headers.contains_key("set-cookie"), "no cookie is used");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    let by_proxy = client.clone().with_header("x-forwarded-proto", "https").get("/livez").await;
    assert_eq!(by_proxy.headers["strict-transport-security"], "max-age=31536000");
    let tokens = client.try_sign_in("admin@voicehive-hotels.eu", "admin123").await;
    assert_eq!(tokens.headers["cache-control"], "no-store");
    let believing_nobody = TestApp::start().await;
    let by_nobody = believing_nobody.anonymous().with_header("x-forwarded-proto", "https").get("/livez").await;
    assert!(!by_nobody.headers.contains_key("strict-transport-security"), "not every client is a proxy");
}

#[tokio::test]
async fn other_sites_may_ask_only_where_they_are_listed() {
    let mut setup = Setup::usual();
    setup.options.cors_origins = vec!["https://admin.example.com".to_owned()];
    let app = TestApp::start_with(setup).await;
    let preflight = async |origin: &str| {
        let client = app.anonymous();
        let ask = client.http.request(reqwest::Method::OPTIONS, client.url("/graphql"));
        let ask = ask.header("origin", origin).header("access-control-request-method", "POST");
        client.send(ask.header("access-control-request-headers", "authorization,content-type")).await
    };
    let allowed = preflight("https://admin.example.com").await;
    assert_eq!(allowed.headers["access-control-allow-origin"], "https://admin.example.com");
    assert!(allowed.headers["access-control-allow-headers"].to_str().expect("text").contains("authorization"));
    assert!(!allowed.headers.contains_key("access-control-allow-credentials"), "tokens, not cookies");
    let refused = preflight("https://evil.example.com").await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
    let from = |origin: &str| app.anonymous().with_header("origin", origin);
    let answer = from("https://admin.example.com").query("{ viewer { __typename } }").await;
    assert_eq!(answer.headers["access-control-allow-origin"], "https://admin.example.com");
    assert!(answer.headers["access-control-expose-headers"].to_str().expect("text").contains("retry-after"));
    let answer = from("https://evil.example.com").query("{ viewer { __typename } }").await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_cookie_signs_out_and_goes_with_its_own_session() {
    let mut setup = Setup::usual();
    setup.options.refresh_cookie = true;
    let app = TestApp::start_with(setup).await;
    let cookie_of = |answer: &Answer| {
        let cookie = answer.headers["set-cookie"].to_str().expect("text");
        cookie.split("; ").next().expect("a pair").to_owned()
    };
    let sign_in = async |email: &str, password: &str| {
        let answer = app.anonymous().try_sign_in(email, password).await;
        let token = answer.data("/login/tokens/accessToken").as_str().expect("a token").to_owned();
        (token, cookie_of(&answer))
    };
    let logout = "mutation { logout { revokedSessions errors { code } } }";
    let forgets = |answer: &Answer| {
        answer
            .headers
            .get("set-cookie")
            .is_some_and(|cookie| cookie.to_str().is_ok_and(|text| text.contains("Max-Age=0;")))
    };
    for by_rest in [false, true] {
        let sign_out = async |client: &Client| {
            if by_rest { client.post("/auth/logout", json!({})).await } else { client.query(logout).await }
        };
        let refresh = async |cookie: &str| {
            let client = app.anonymous().with_header("cookie", cookie);
            client.try_refresh("").await.refusals("refresh").is_empty()
        };
        // With an access token that has expired, and with none.
        for sends_old_token in [true, false] {
            let (token, cookie) = sign_in("manager@hotel1.com", "manager123").await;
            app.clock.advance(Duration::from_mins(16));
            let client = app.anonymous().with_header("cookie", &cookie);
            let client = if sends_old_token { client.with_token(&token) } else { client };
            let elsewhere = client.clone().with_header("sec-fetch-site", "cross-site");
            assert_eq!(sign_out(&elsewhere).await.status, 401, "another site's page signs nobody out");
            let out = sign_out(&client).await;
            assert_eq!((out.status.as_u16(), forgets(&out)), (200, true), "{}", out.body);
            assert!(!refresh(&cookie).await);
            // A cookie that is good for nothing any more goes in any case.
            let again = sign_out(&client).await;
            assert_eq!((again.status.as_u16(), forgets(&again)), (200, true), "{}", again.body);
            let broken = app.anonymous().with_header("cookie", "__Host-voicehive-refresh=broken");
            assert!(forgets(&sign_out(&broken).await));
        }
        // Somebody else's cookie in the same browser is theirs, and so is their session.
        let (token, _) = sign_in("manager@hotel1.com", "manager123").await;
        let (_, others) = sign_in("admin@voicehive-hotels.eu", "admin123").await;
        let client = app.anonymous().with_header("cookie", &others).with_token(&token);
        let out = sign_out(&client).await;
        assert_eq!((out.status.as_u16(), forgets(&out)), (200, false), "{}", out.body);
        assert!(!client.is_signed_in().await && refresh(&others).await);
    }
}

#[tokio::test]
async fn a_cookie_keeps_the_refresh_token_from_scripts_and_other_sites() {
    let mut setup = Setup::usual();
    setup.options.refresh_cookie = true;
    let app = TestApp::start_with(setup).await;
    let client = app.anonymous();
    let cookie_of = |answer: &super::support::Answer| {
        let cookie = answer.headers["set-cookie"].to_str().expect("text").to_owned();
        let (pair, attributes) = cookie.split_once("; ").expect("attributes");
        assert_eq!(attributes, format!("Path=/; Max-Age={}; HttpOnly; Secure; SameSite=Strict", 30 * 86400));
        assert!(pair.starts_with("__Host-voicehive-refresh=ey"), "{pair}");
        pair.to_owned()
    };
    // By both surfaces, whatever of the payload is asked for.
    let login = "mutation($p: String!) { login(input: {email: \"admin@voicehive-hotels.eu\", password: $p}) { errors { code } } }";
    cookie_of(&client.graphql(login, json!({ "p": "admin123" })).await);
    let signed_in = client.try_sign_in("admin@voicehive-hotels.eu", "admin123").await;
    assert_eq!(signed_in.data("/login/tokens/refreshToken"), "");
    let first = cookie_of(&signed_in);
    let body = json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" });
    let by_rest = client.post("/auth/login", body).await;
    assert_eq!(by_rest.body["refresh_token"], "");
    let rest = cookie_of(&by_rest);

    let with = |cookie: &str| client.clone().with_header("cookie", &format!("a=b; {cookie}"));
    assert_eq!(client.try_refresh("").await.refusals("refresh"), ["INVALID_TOKEN refreshToken"], "no cookie");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example.com"),
        ("origin", "null"),
    ] {
        let elsewhere = with(&first).with_header(name, value);
        assert_eq!(
            elsewhere.try_refresh("").await.refusals("refresh"),
            ["INVALID_TOKEN refreshToken"],
            "{name}: {value}"
        );
        assert_eq!(with(&rest).with_header(name, value).post("/auth/refresh", json!({})).await.status, 403);
        // Nor does another site's form sign anybody in as somebody else.
        let body = json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" });
        let signed_in = client.clone().with_header(name, value).post("/auth/login", body).await;
        assert_eq!((signed_in.status.as_u16(), signed_in.headers.contains_key("set-cookie")), (403, false));
    }
    let refreshed = with(&first).with_header("sec-fetch-site", "same-origin").try_refresh("").await;
    assert_eq!(refreshed.refusals("refresh"), [] as [&str; 0]);
    let second = cookie_of(&refreshed);
    assert_ne!(first, second);
    let own =
        with(&rest).with_header("origin", &format!("http://{}", app.address)).post("/auth/refresh", json!({})).await;
    assert_eq!(own.status, 200);

    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().expect("a client");
    let by_http2 = http2.post(format!("http://{}/auth/refresh", app.address)).json(&json!({}));
    let by_http2 = by_http2.header("cookie", cookie_of(&own)).header("origin", format!("http://{}", app.address));
    assert_eq!(by_http2.send().await.expect("answered").status(), 200, "there the host is no header");

    // A cookie alone is no permission to do anything, and goes with the session.
    assert_eq!(with(&second).query("{ me { id } }").await.data("/me"), &serde_json::Value::Null);
    let token = refreshed.data("/refresh/tokens/accessToken").as_str().expect("a token").to_owned();
    let forgets = |answer: &Answer| {
        let cookie = answer.headers["set-cookie"].to_str().expect("text");
        assert!(cookie.starts_with("__Host-voicehive-refresh=; Path=/; Max-Age=0;"), "{cookie}");
    };
    let out = client.clone().with_token(&token).query("mutation { logout { revokedSessions } }").await;
    assert_eq!(out.data("/logout/revokedSessions"), 1);
    forgets(&out);
    // By its id it is the current session still.
    for by_rest in [false, true] {
        let body = json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" });
        let signed_in = client.post("/auth/login", body).await.body;
        let client = client.clone().with_token(signed_in["access_token"].as_str().expect("a token"));
        let id = &signed_in["user"]["session_id"];
        let logout = "mutation($id: ID) { logout(input: {session: $id}) { revokedSessions } }";
        forgets(&if by_rest {
            client.post("/auth/logout", json!({ "session_id": id })).await
        } else {
            let id = format!("session:{}", id.as_str().expect("an id"));
            client.graphql(logout, json!({ "id": id })).await
        });
    }
}

#[tokio::test]
async fn signing_out_takes_the_cookie_only_with_its_session() {
    let mut setup = Setup::usual();
    setup.options.refresh_cookie = true;
    let app = TestApp::start_with(setup).await;
    let sign_in = async |email: &str, password: &str| {
        let answer = app.anonymous().post("/auth/login", json!({ "email": email, "password": password })).await;
        let cookie = answer.headers["set-cookie"].to_str().expect("text");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        let text =
            |pointer: &str| answer.body.pointer(pointer).and_then(|text| text.as_str()).expect("text").to_owned();
        (text("/access_token"), text("/user/session_id"), cookie)
    };
    let admin = async || sign_in("admin@voicehive-hotels.eu", "admin123").await;
    let (_, _, theirs) = sign_in("manager@hotel1.com", "manager123").await;
    let logout = "mutation($id: ID, $all: Boolean! = false) {
        logout(input: {session: $id, allSessions: $all}) { revokedSessions errors { code } } }";
    for by_rest in [false, true] {
        // Which sessions end; whether the cookie is of the caller's, of another session of theirs, or of somebody else; whether it goes.
        for (which, whose, goes) in [
            ("current", "own", true),
            ("current", "other", false),
            ("current", "theirs", false),
            ("current", "nobody's", true),
            ("other", "own", false),
            ("other", "other", true),
            ("other", "theirs", false),
            ("all", "own", true),
            ("all", "other", true),
            ("all", "theirs", false),
        ] {
            let ((token, _, own), (_, id, other)) = (admin().await, admin().await);
            let cookie = match whose {
                "own" => &own,
                "other" => &other,
                "theirs" => &theirs,
                _ => "__Host-voicehive-refresh=x",
            };
            let client = app.anonymous().with_token(&token).with_header("cookie", cookie);
            let id = (which == "other").then_some(id);
            let answer = if by_rest {
                client.post("/auth/logout", json!({ "session_id": id, "all_sessions": which == "all" })).await
            } else {
                let id = id.map(|id| format!("session:{id}"));
                client.graphql(logout, json!({ "id": id, "all": which == "all" })).await
            };
            assert_eq!(answer.status, 200, "{}", answer.body);
            let forgotten = answer.headers.get("set-cookie").map(|cookie| cookie.to_str().expect("text").to_owned());
            assert_eq!(forgotten.is_some(), goes, "{which}, {whose}, by REST {by_rest}: {forgotten:?}");
            assert!(forgotten.is_none_or(|cookie| cookie.starts_with("__Host-voicehive-refresh=; Path=/; Max-Age=0;")));
        }
    }
    let refreshed = app.anonymous().with_header("cookie", &theirs).post("/auth/refresh", json!({})).await;
    assert_eq!(refreshed.status, 200, "theirs goes on: {}", refreshed.body);
    let two =
        app.anonymous().with_header("cookie", &format!("{theirs}; {theirs}")).post("/auth/refresh", json!({})).await;
    assert_eq!(two.status, 400, "{}", two.body);
}
