//! Introspection, revocation and metadata, as OAuth's standards have them.

use std::time::Duration;

use serde_json::json;

use super::support::{Answer, Client, TestApp};

async fn form(client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body: String = fields.iter().map(|(name, value)| format!("{name}={value}&")).collect();
    let request = client.http.post(client.url(path)).header("content-type", "application/x-www-form-urlencoded");
    client.send(request.body(body)).await
}

async fn service(app: &TestApp, hotels: &[&str]) -> Client {
    let scope = if hotels.is_empty() { "ALL" } else { "ASSIGNED" };
    let input = json!({ "name": "x", "serviceName": "tts", "permissions": ["user:view"], "hotelScope": scope, "hotels": hotels });
    let made = app.admin().await.mutate("createApiKey", input, "secret").await;
    let key = made.data("/createApiKey/secret").as_str().expect("a key").to_owned();
    app.anonymous().with_header("authorization", &format!("ApiKey {key}"))
}

#[tokio::test]
async fn a_token_is_what_its_session_is_now() {
    let app = TestApp::start().await;
    app.hotel("hotel-002", "Elsewhere").await;
    let service = service(&app, &[]).await;
    let user = app.user("someone@h.test").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    let someone = app.signed_in("someone@h.test").await;
    let token = someone.access_token.clone().expect("a token");
    let live = form(&service, "/oauth2/introspect", &[("token", &token), ("token_type_hint", "access_token")]).await;
    assert_eq!(live.status, 200, "{}", live.body);
    for (claim, value) in [
        ("active", json!(true)),
        ("token_type", json!("Bearer")),
        ("sub", json!(user)),
        ("iss", json!("voicehive-identity")),
        ("aud", json!("voicehive")),
        ("scope", json!("call:start call:view hotel:view")),
        ("roles", json!(["HOTEL_STAFF"])),
        ("hotel_scope", json!("ASSIGNED")),
        ("hotel_ids", json!(["hotel-001"])),
    ] {
        assert_eq!(live.body[claim], value, "{claim}");
    }
    assert_eq!(live.body["exp"].as_i64().expect("seconds") - live.body["iat"].as_i64().expect("seconds"), 900);
    assert_eq!(live.headers["cache-control"], "no-store");
    assert!(!live.body.to_string().contains("someone@"), "no names, and no email address");
    // What has changed since the token was signed is told as it is.
    app.sql(&format!("INSERT INTO user_hotels (user_id, hotel_id) VALUES ('{user}', 'hotel-002')")).await;
    app.sql(&format!("DELETE FROM user_roles WHERE user_id = '{user}'")).await;
    let live = form(&service, "/oauth2/introspect", &[("token", &token)]).await;
    assert_eq!((&live.body["hotel_ids"], &live.body["scope"]), (&json!(["hotel-001", "hotel-002"]), &json!("")));
    let refresh = form(&service, "/oauth2/introspect", &[("token", &someone.refresh_token)]).await;
    assert_eq!((&refresh.body["active"], &refresh.body["token_type"]), (&json!(true), &json!("refresh_token")));

    let local = self::service(&app, &["hotel:hotel-001"]).await;
    let seen = form(&local, "/oauth2/introspect", &[("token", &token)]).await;
    assert_eq!(
        (&seen.body["active"], &seen.body["hotel_ids"]),
        (&json!(true), &json!(["hotel-001"])),
        "nothing hints at others"
    );
    let admins = app.admin().await.access_token.expect("a token");
    let out_of_sight = form(&local, "/oauth2/introspect", &[("token", &admins)]).await;
    let inactive = json!({ "active": false });
    assert_eq!((out_of_sight.status.as_u16(), &out_of_sight.body), (200, &inactive), "whose it is may not be seen");
    let rotated = someone.clone().refresh().await;
    assert_eq!(form(&service, "/oauth2/introspect", &[("token", &someone.refresh_token)]).await.body, inactive);
    assert_eq!(form(&service, "/oauth2/introspect", &[("token", &rotated.refresh_token)]).await.body["active"], true);
    for dead in ["nonsense", "a.b.c", &format!("{}x", &token[..token.len() - 1])] {
        assert_eq!(form(&service, "/oauth2/introspect", &[("token", dead)]).await.body, inactive, "{dead:.20}");
    }
    app.clock.advance(Duration::from_mins(16));
    assert_eq!(form(&service, "/oauth2/introspect", &[("token", &token)]).await.body, inactive, "expired");
}

#[tokio::test]
async fn who_may_not_ask_is_told_so() {
    let app = TestApp::start().await;
    let manager = app.signed_in("manager@hotel1.com").await;
    let token = manager.access_token.clone().expect("a token");
    let fields = [("token", token.as_str())];
    let stranger = form(&app.anonymous(), "/oauth2/introspect", &fields).await;
    assert_eq!((stranger.status.as_u16(), &stranger.body["error"]), (401, &json!("invalid_client")));
    assert!(stranger.headers.contains_key("www-authenticate"));
    let wrong = app.anonymous().with_header("x-api-key", "nonsense");
    assert_eq!(form(&wrong, "/oauth2/introspect", &fields).await.body["error"], "invalid_client");
    let blind = form(&manager, "/oauth2/introspect", &fields).await;
    assert_eq!((blind.status.as_u16(), &blind.body["error"]), (403, &json!("insufficient_scope")));
    let admin = app.admin().await;
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        for fields in [&[][..], &[("token", "")], &[("token", "a"), ("token", "b")]] {
            let refused = form(&admin, path, fields).await;
            assert_eq!(
                (refused.status.as_u16(), &refused.body["error"]),
                (400, &json!("invalid_request")),
                "{path} {fields:?}"
            );
        }
        let as_json = admin.post(path, json!({ "token": token })).await;
        assert_eq!((as_json.status.as_u16(), &as_json.body["error"]), (400, &json!("invalid_request")));
    }
}

#[tokio::test]
async fn whoever_holds_a_token_can_end_its_session() {
    let app = TestApp::start().await;
    for refresh in [false, true] {
        let someone = app.signed_in("manager@hotel1.com").await;
        let other = app.signed_in("manager@hotel1.com").await;
        let token =
            if refresh { someone.refresh_token.clone() } else { someone.access_token.clone().expect("a token") };
        for _ in 0..2 {
            let revoked =
                form(&app.anonymous(), "/oauth2/revoke", &[("token", &token), ("token_type_hint", "nonsense")]).await;
            assert_eq!(revoked.status, 200, "{}", revoked.body);
        }
        assert!(!someone.is_signed_in().await && other.is_signed_in().await);
        assert_eq!(someone.try_refresh(&someone.refresh_token).await.data("/refresh/errors/0/code"), "INVALID_TOKEN");
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'user_signed_out'").await, 2);
    assert_eq!(form(&app.anonymous(), "/oauth2/revoke", &[("token", "nonsense")]).await.status, 200);
}

#[tokio::test]
async fn the_metadata_says_what_is_served() {
    let app = TestApp::start().await;
    let told = app.anonymous().get("/.well-known/oauth-authorization-server").await;
    let base = format!("http://{}", app.address);
    assert_eq!((told.status.as_u16(), &told.body["issuer"]), (200, &json!(base)));
    assert_eq!(told.body["introspection_endpoint"], format!("{base}/oauth2/introspect"));
    assert_eq!(told.body["revocation_endpoint"], format!("{base}/oauth2/revoke"));
    assert!(told.body["scopes_supported"].as_array().is_some_and(|scopes| scopes.contains(&json!("user:view"))));
    let jwks = told.body["jwks_uri"].as_str().and_then(|url| url.strip_prefix(&base)).expect("ours");
    let keys = app.anonymous().get(jwks).await;
    assert_eq!(keys.headers["cache-control"], "public, max-age=300");
    assert!(keys.body["keys"].as_array().is_some_and(|keys| !keys.is_empty()));
}
