//! The old REST calls, as their clients know them.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, TestApp};

async fn login(client: &Client, email: &str, password: &str) -> super::support::Answer {
    client.post("/auth/login", json!({ "email": email, "password": password })).await
}

#[tokio::test]
async fn login_me_refresh_and_logout() {
    let app = TestApp::start().await;
    let answer = login(&app.anonymous(), "manager@hotel1.com", "manager123").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body = &answer.body;
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!(900)));
    let user = &body["user"];
    assert_eq!(user["email"], "manager@hotel1.com");
    assert_eq!(user["roles"], json!(["HOTEL_STAFF"]));
    assert_eq!(user["permissions"], json!(["call:start", "call:view", "hotel:view"]));
    assert_eq!(user["hotel_ids"], json!(["hotel-001"]));
    for key in ["user_id", "session_id", "expires_at"] {
        assert!(user[key].is_string(), "{key}");
    }
    let client = app.anonymous().with_token(body["access_token"].as_str().expect("a token"));
    let me = client.get("/auth/me").await;
    assert_eq!((me.status.as_u16(), &me.body["user"]), (200, user));
    assert!(me.body["authenticated_at"].is_string());

    app.clock.advance(Duration::from_secs(5));
    let refreshed = app.anonymous().post("/auth/refresh", json!({ "refresh_token": body["refresh_token"] })).await;
    assert_eq!(refreshed.status, 200);
    assert_ne!(refreshed.body["refresh_token"], body["refresh_token"]);
    assert_eq!(refreshed.body["user"]["session_id"], user["session_id"]);

    let out = client.post("/auth/logout", json!({})).await;
    assert_eq!((out.status.as_u16(), out.body), (200, json!({ "message": "Logged out successfully" })));
    let me = client.get("/auth/me").await;
    assert_eq!((me.status.as_u16(), me.body), (401, json!({ "detail": "Could not validate credentials" })));

    let admin = login(&app.anonymous(), "admin@voicehive-hotels.eu", "admin123").await;
    assert_eq!(admin.body["user"]["hotel_ids"], Value::Null);
    assert!(admin.body["user"].as_object().expect("a user").contains_key("hotel_ids"));
}

#[tokio::test]
async fn logout_of_another_session_or_of_all() {
    let app = TestApp::start().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let body = login(&app.anonymous(), "manager@hotel1.com", "manager123").await.body;
        let client = app.anonymous().with_token(body["access_token"].as_str().expect("a token"));
        clients.push((client, body["user"]["session_id"].clone()));
    }
    let (first, _) = &clients[0];
    assert_eq!(first.post("/auth/logout", json!({ "session_id": clients[1].1 })).await.status, 200);
    assert!(first.is_signed_in().await && !clients[1].0.is_signed_in().await);
    assert_eq!(
        first.post("/auth/logout", json!({ "session_id": "01900000-0000-7000-8000-000000000001" })).await.status,
        404
    );
    assert_eq!(first.post("/auth/logout", json!({ "session_id": "x" })).await.status, 422);
    assert_eq!(first.post("/auth/logout", json!({ "all_sessions": true })).await.status, 200);
    assert!(!first.is_signed_in().await && !clients[2].0.is_signed_in().await);

    let without_body = login(&app.anonymous(), "manager@hotel1.com", "manager123").await.body;
    let client = app.anonymous().with_token(without_body["access_token"].as_str().expect("a token"));
    let answer = client.send(client.http.post(client.url("/auth/logout"))).await;
    assert_eq!(answer.status, 200);
    assert!(!client.is_signed_in().await);
}

#[tokio::test]
async fn refusals_keep_their_old_shapes() {
    let app = TestApp::start().await;
    let anonymous = app.anonymous();
    for (email, password) in [("manager@hotel1.com", "wrong"), ("nobody@h.test", "manager123"), ("no address", "")] {
        let answer = login(&anonymous, email, password).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (401, &json!({ "detail": "Invalid credentials" })));
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    for body in ["", "{", "[]", "null", "{}", "{\"email\": 7, \"password\": \"x\"}", "{\"email\": \"x\"}"] {
        let as_json = anonymous.http.post(anonymous.url("/auth/login")).header("content-type", "application/json");
        let answer = anonymous.send(as_json.body(body)).await;
        assert_eq!(answer.status, 422, "{body}");
        assert!(answer.body["detail"][0]["msg"].is_string(), "{}", answer.body);
    }
    let as_json = anonymous.http.post(anonymous.url("/auth/login")).header("content-type", "application/json");
    let not_utf8 = as_json.body(b"{\"email\": \"\xff\"}".to_vec());
    assert_eq!(anonymous.send(not_utf8).await.status, 422);
    let refused = anonymous.post("/auth/refresh", json!({ "refresh_token": "x" })).await;
    assert_eq!((refused.status.as_u16(), refused.body), (401, json!({ "detail": "Invalid refresh token" })));
    for answer in [anonymous.get("/auth/me").await, anonymous.post("/auth/logout", json!({})).await] {
        assert_eq!(answer.status, 401);
        assert!(answer.body["detail"].is_string());
    }
    assert_eq!(anonymous.get("/auth/login").await.status, 405);
    let too_large = anonymous.post("/auth/login", json!({ "email": "x".repeat(2_000_000) })).await;
    assert_eq!(too_large.status, 413);
    for _ in 0..4 {
        login(&anonymous, "nobody@h.test", "wrong").await;
    }
    let locked = login(&anonymous, "nobody@h.test", "wrong").await;
    assert_eq!(locked.status, 401);
    assert!(locked.headers.contains_key("retry-after"));
}

/// What a page of another site can have a browser send without asking first is of another type, or of none.
#[tokio::test]
async fn bodies_are_json_by_their_media_type() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let sessions = async || {
        let answer = admin.query("{ me { sessions { totalCount } } }").await;
        answer.data("/me/sessions/totalCount").as_i64().expect("a count")
    };
    let before = sessions().await;
    let sign_in = json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" }).to_string();
    let refresh = json!({ "refresh_token": admin.refresh_token }).to_string();
    let key = json!({ "service_name": "tts-router", "permissions": [] }).to_string();
    let out = json!({ "all_sessions": true }).to_string();
    for (path, body) in
        [("/auth/login", &sign_in), ("/auth/refresh", &refresh), ("/auth/logout", &out), ("/auth/api-keys", &key)]
    {
        for content_type in [
            "application/x-www-form-urlencoded",
            "text/plain",
            "multipart/form-data; boundary=x",
            "",
            "application/json; charset=utf-16",
        ] {
            let mut request = admin.http.post(admin.url(path)).body(body.clone());
            if !content_type.is_empty() {
                request = request.header("content-type", content_type);
            }
            let answer = admin.send(request).await;
            assert_eq!(answer.status, 415, "{path} as {content_type:?}: {}", answer.body);
            assert_eq!(answer.body, json!({ "detail": "Send the body as application/json, in UTF-8" }));
        }
    }
    assert_eq!(sessions().await, before, "nobody was signed in or out");
    let as_json = admin.http.post(admin.url("/auth/login")).header("content-type", "application/json; charset=UTF-8");
    assert_eq!(admin.send(as_json.body(sign_in)).await.status, 200);
}
