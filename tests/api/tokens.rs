//! Tokens: what is in them, and that nothing else is believed.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde_json::{Value, json};

use super::support::{Client, PASSWORD, Setup, TestApp, cluster_folder};

pub fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("JSON")
}

#[tokio::test]
async fn anyone_can_check_an_access_token_by_the_published_keys() {
    use voicehive_identity::identity::Algorithm as Signing;
    for (signing, algorithm) in
        [(Signing::EdDsa, Algorithm::EdDSA), (Signing::Es256, Algorithm::ES256), (Signing::Rs256, Algorithm::RS256)]
    {
        let mut setup = Setup::usual();
        setup.settings.algorithm = signing;
        setup.settings.signing_key_file = Some(cluster_folder().join(format!("keys/{algorithm:?}.pem")));
        let app = TestApp::start_with(setup).await;
        let client = app.signed_in("manager@hotel1.com").await;
        let token = client.access_token.clone().expect("a token");

        let keys = app.anonymous().get("/.well-known/jwks.json").await;
        assert!(keys.headers["cache-control"].to_str().expect("text").contains("max-age"));
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(keys.body["keys"][0].get(private), None, "only the public half");
        }
        let keys: JwkSet = serde_json::from_value(keys.body).expect("a JWK set");
        let header = decode_header(&token).expect("a header");
        assert_eq!((header.alg, header.typ.as_deref()), (algorithm, Some("at+jwt")));
        let key = keys.find(&header.kid.expect("a kid")).expect("the key is published");
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["voicehive"]);
        validation.set_issuer(&["voicehive-identity"]);
        let key = DecodingKey::from_jwk(key).expect("a key");
        let claims = decode::<Value>(&token, &key, &validation).expect("the signature holds").claims;

        let names: Vec<_> = claims.as_object().expect("claims").keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "aud",
                "exp",
                "hotel_ids",
                "hotel_scope",
                "iat",
                "iss",
                "jti",
                "nbf",
                "permissions",
                "roles",
                "sid",
                "sub"
            ]
        );
        assert_eq!(claims["roles"], json!(["HOTEL_STAFF"]));
        assert_eq!(claims["permissions"], json!(["call:start", "call:view", "hotel:view"]));
        assert_eq!((&claims["hotel_scope"], &claims["hotel_ids"]), (&json!("ASSIGNED"), &json!(["hotel-001"])));
        assert_eq!(claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat"), 900);
        assert!(!claims.to_string().contains("manager"), "no email address and no name");
        let admin = claims_of(&app.admin().await.access_token.expect("a token"));
        assert_eq!((&admin["hotel_scope"], admin.get("hotel_ids")), (&json!("ALL"), None));
    }
}

#[tokio::test]
async fn more_than_a_hundred_hotels_stay_out_of_the_token() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let assign = |numbers: &str| {
        format!(
            "WITH made AS (INSERT INTO hotels (id, name, pms_type) SELECT 'm-' || n, 'M', 'mews' FROM generate_series({numbers}) n RETURNING id)
             INSERT INTO user_hotels (user_id, hotel_id) SELECT u.id, made.id FROM users u, made WHERE u.email = 'someone@h.test'"
        )
    };
    // The foreign key is checked when the statement ends.
    app.sql(&assign("1, 100")).await;
    let claims = claims_of(&app.signed_in("someone@h.test").await.access_token.expect("a token"));
    assert_eq!(claims["hotel_ids"].as_array().map(Vec::len), Some(100));
    app.sql(&assign("101, 101")).await;
    let claims = claims_of(&app.signed_in("someone@h.test").await.access_token.expect("a token"));
    assert_eq!(claims.get("hotel_ids"), None);
}

#[tokio::test]
async fn who_must_change_the_password_is_told_to_hold_nothing_until_then() {
    let mut setup = Setup::usual();
    setup.settings.enforce_password_change = true;
    let app = TestApp::start_with(setup).await;
    let service = app.admin().await;
    for (email, everywhere) in [("ozlem@h.test", true), ("lukasz@h.test", false)] {
        let user = app.user(email).role("HOTEL_ADMIN").hotel("hotel-001");
        if everywhere {
            user.everywhere().create().await
        } else {
            user.create().await
        };
        app.sql(&format!("UPDATE users SET must_change_password = true WHERE email = '{email}'")).await;
        let told = async |access_token: &str, refresh_token: &str| {
            let client = app.anonymous().with_token(access_token);
            let me = client.get("/auth/me").await.body["user"].clone();
            let mut told = vec![claims_of(access_token), me];
            for token in [access_token, refresh_token] {
                let ask = service.http.post(service.url("/oauth2/introspect")).body(format!("token={token}"));
                let ask = ask.header("content-type", "application/x-www-form-urlencoded");
                let live = service.send(ask).await.body;
                assert_eq!(live["active"], true, "{live}");
                assert_eq!(live["scope"] == "", live["permissions"] == json!([]));
                told.push(live);
            }
            told
        };
        let first = app.anonymous().post("/auth/login", json!({ "email": email, "password": PASSWORD })).await.body;
        let by_refresh = app.signed_in(email).await.refresh().await;
        let tokens = [
            (first["access_token"].as_str().expect("a token"), first["refresh_token"].as_str().expect("a token")),
            (by_refresh.access_token.as_deref().expect("a token"), by_refresh.refresh_token.as_str()),
        ];
        for (access_token, refresh_token) in tokens {
            for told in told(access_token, refresh_token).await.iter().chain([&first["user"]]) {
                assert_eq!((&told["roles"], &told["permissions"]), (&json!([]), &json!([])), "{told}");
                assert_eq!(told["hotel_ids"], json!([]), "{told}");
                assert_ne!(told["hotel_scope"], "ALL", "{told}");
            }
        }
        // In their own session everything is as it was, and from the next tokens on everywhere.
        let input = json!({ "currentPassword": PASSWORD, "newPassword": "a second passphrase" });
        Client::done(&by_refresh.mutate("changePassword", input, "user { id }").await, "changePassword");
        let next = by_refresh.refresh().await;
        for told in told(next.access_token.as_deref().expect("a token"), &next.refresh_token).await {
            assert_eq!(told["roles"], json!(["HOTEL_ADMIN"]), "{told}");
            assert!(told["permissions"].as_array().is_some_and(|held| held.contains(&json!("user:create"))), "{told}");
            let hotels = if everywhere { Value::Null } else { json!(["hotel-001"]) };
            assert_eq!(told.get("hotel_ids").cloned().unwrap_or_default(), hotels, "{told}");
        }
    }
}

#[tokio::test]
async fn where_the_change_is_only_asked_for_tokens_tell_what_may_be_done() {
    let app = TestApp::start().await;
    app.sql("UPDATE users SET must_change_password = true").await;
    let claims = claims_of(&app.signed_in("manager@hotel1.com").await.access_token.expect("a token"));
    assert_eq!(claims["permissions"], json!(["call:start", "call:view", "hotel:view"]));
}

#[tokio::test]
async fn a_rotated_key_is_honoured_until_it_is_taken_away() {
    let file = |name: &str| cluster_folder().join(format!("keys/{name}.pem"));
    let mut setup = Setup::usual();
    setup.settings.signing_key_file = Some(file("rotation-old"));
    let old = TestApp::start_with(setup).await;
    let client = old.admin().await;

    let start = async |previous: bool| {
        let mut setup = Setup::usual();
        setup.settings.signing_key_file = Some(file("rotation-new"));
        setup.settings.previous_key_files = if previous { vec![file("rotation-old")] } else { vec![] };
        TestApp::start_on(old.database.clone(), setup).await
    };
    let token = client.access_token.as_deref().expect("a token");
    let both = start(true).await;
    assert!(both.anonymous().with_token(token).is_signed_in().await);
    let published = both.anonymous().get("/.well-known/jwks.json").await;
    assert_eq!(published.body["keys"].as_array().map(Vec::len), Some(2));
    assert!(!start(false).await.anonymous().with_token(token).is_signed_in().await);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file("rotation-new")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn no_other_token_is_believed() {
    let app = TestApp::start().await;
    let client = app.admin().await;
    let token = client.access_token.clone().expect("a token");
    let pem = std::fs::read(Setup::usual().settings.signing_key_file.expect("a file")).expect("the key");
    let ours = EncodingKey::from_ed_pem(&pem).expect("a key");
    let kid = decode_header(&token).expect("a header").kid;
    let claims = claims_of(&token);
    let header = |alg, typ: &str, kid: Option<&str>| {
        let mut header = Header::new(alg);
        (header.typ, header.kid) = (Some(typ.to_owned()), kid.map(str::to_owned));
        header
    };
    let sign = |changes: Value| {
        let mut claims = claims.clone();
        for (name, value) in changes.as_object().expect("claims") {
            if value.is_null() {
                claims.as_object_mut().expect("claims").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        encode(&header(Algorithm::EdDSA, "at+jwt", kid.as_deref()), &claims, &ours).expect("a token")
    };
    assert!(
        app.anonymous().with_token(&sign(json!({}))).is_signed_in().await,
        "what follows fails for what it changes"
    );

    let published =
        app.anonymous().get("/.well-known/jwks.json").await.body["keys"][0]["x"].as_str().expect("x").to_owned();
    let hmac = |secret: &[u8]| {
        encode(&header(Algorithm::HS256, "at+jwt", kid.as_deref()), &claims, &EncodingKey::from_secret(secret))
            .expect("a token")
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned =
        |alg: &str| format!("{}.{}.", part(&json!({"alg": alg, "typ": "at+jwt", "kid": kid})), part(&claims));
    let under_header = |more: Value| {
        let mut header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid });
        header.as_object_mut().expect("a header").extend(more.as_object().expect("headers").clone());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &ours, Algorithm::EdDSA).expect("signed");
        format!("{message}.{signature}")
    };
    let foreign_key = EncodingKey::from_ed_pem(&{
        let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().expect("a key");
        pem::encode(&pem::Pem::new("PRIVATE KEY", pair.to_pkcs8v1().expect("PKCS#8").as_ref())).into_bytes()
    })
    .expect("a key");
    assert!(
        app.anonymous().with_token(&under_header(json!({ "known": "to nobody" }))).is_signed_in().await,
        "what need not be understood is no harm"
    );
    let (head, tail) = token.split_at(token.len() - 4);
    let now = claims["iat"].as_i64().expect("a time");
    let hostile = [
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(20_000),
        format!("{head}{}", if tail == "AAAA" { "BBBB" } else { "AAAA" }),
        unsigned("none"),
        unsigned("NONE"),
        hmac(published.as_bytes()),
        hmac(&URL_SAFE_NO_PAD.decode(&published).expect("base64")),
        encode(&header(Algorithm::EdDSA, "at+jwt", kid.as_deref()), &claims, &foreign_key).expect("a token"),
        encode(&header(Algorithm::EdDSA, "at+jwt", None), &claims, &ours).expect("a token"),
        encode(&header(Algorithm::EdDSA, "at+jwt", Some("../../etc/passwd")), &claims, &ours).expect("a token"),
        encode(&header(Algorithm::EdDSA, "at+jwt", Some("' OR 1=1 --")), &claims, &ours).expect("a token"),
        // Signed by our key, and by their own word not to be believed by who does not know these headers.
        under_header(json!({ "crit": ["urn:example:never"], "urn:example:never": true })),
        under_header(json!({ "crit": ["b64"], "b64": true })),
        under_header(json!({ "crit": ["exp"] })),
        under_header(json!({ "crit": [] })),
        under_header(json!({ "crit": null })),
        under_header(json!({ "crit": "exp" })),
        encode(&header(Algorithm::EdDSA, "JWT", kid.as_deref()), &claims, &ours).expect("a token"),
        encode(&header(Algorithm::EdDSA, "rt+jwt", kid.as_deref()), &claims, &ours).expect("a token"),
        client.refresh_token.clone(),
        sign(json!({ "exp": now - 1 })),
        sign(json!({ "nbf": now + 60 })),
        sign(json!({ "iss": "someone-else" })),
        sign(json!({ "aud": "someone-else" })),
        sign(json!({ "exp": null })),
        sign(json!({ "nbf": null })),
        sign(json!({ "iss": null })),
        sign(json!({ "aud": null })),
        sign(json!({ "sub": null })),
        sign(json!({ "jti": null })),
        sign(json!({ "sid": "01900000-0000-7000-8000-000000000001" })),
        sign(json!({ "sub": "01900000-0000-7000-8000-000000000001" })),
        sign(json!({ "sub": "x'; DROP TABLE users; --" })),
    ];
    for token in &hostile {
        let answer = app.anonymous().with_token(token).query("{ me { id } }").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "UNAUTHENTICATED"), "{token:.60}");
        assert!(answer.headers.contains_key("www-authenticate"));
        let answer = app.anonymous().with_token(token).get("/auth/me").await;
        assert_eq!(answer.status, 401, "{token:.60}");
    }
    for token in hostile.iter().chain([&token]).filter(|token| **token != client.refresh_token) {
        let refused = app.anonymous().try_refresh(token).await;
        assert_eq!(refused.data("/refresh/errors/0/code"), "INVALID_TOKEN", "{token:.60}");
    }
    let basic = app.anonymous().with_header("authorization", "Basic YWRtaW46YWRtaW4=").query("{ me { id } }").await;
    assert_eq!(basic.status, 401);
    assert!(client.is_signed_in().await);
    app.clock.advance(Duration::from_secs(1));
    assert!(client.is_signed_in().await);
}
