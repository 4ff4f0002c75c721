//! Health, readiness and metrics, and the server while its database is away.

use std::time::{Duration, Instant};

use serde_json::json;

use super::support::{Proxy, Setup, TestApp, TestDatabase, eventually};

#[tokio::test]
async fn health_tells_of_the_database_and_the_pool() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    let health = client.get("/healthz").await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (200, &json!("healthy")));
    assert_eq!(health.body["database"]["connected"], true);
    let pool = &health.body["database"]["pool_stats"];
    assert_eq!(pool["size"], 5);
    for figure in ["checked_in", "checked_out", "overflow"] {
        assert!(pool[figure].is_u64(), "{figure}");
    }
    assert_eq!(client.get("/livez").await.status, 200);
    assert_eq!(client.get("/readyz").await.status, 200);
}

/// Strangers learn whether it is well, and what it is made of only where they may.
#[tokio::test]
async fn details_of_health_can_be_kept_from_strangers() {
    let mut setup = Setup::usual();
    setup.options.private_health_details = true;
    let app = TestApp::start_with(setup).await;
    let health = app.anonymous().get("/healthz").await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (200, &json!("healthy")));
    assert_eq!(health.body["database"], json!({ "status": "healthy", "connected": true }));
    let members: Vec<_> = health.body.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(members, ["database", "service", "status", "timestamp"]);
}

#[tokio::test]
async fn metrics_count_what_happens_and_tell_no_secrets() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    client.try_sign_in("manager@hotel1.com", "a wrong password").await;
    let admin = app.admin().await;
    admin.query("query SecretName { me { id } }").await;
    app.identity.sweep().await.expect("swept");
    let metrics = client.get("/metrics").await;
    let text = metrics.body.as_str().expect("text");
    for metric in [
        "voicehive_database_connections_total",
        "voicehive_user_login_attempts_total",
        "voicehive_user_sessions_active",
    ] {
        assert!(text.contains(&format!("# HELP {metric} ")), "{metric}");
        assert!(text.contains(&format!("# TYPE {metric} ")), "{metric}");
    }
    let value = |series: &str| {
        let line = text.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("no {series}"));
        line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a value")
    };
    // Other tests of this process count, too.
    assert!(value("voicehive_user_login_attempts_total{result=\"failure\"}") >= 1.0);
    assert!(value("voicehive_user_login_attempts_total{result=\"success\"}") >= 1.0);
    assert!(value("voicehive_database_connections_total") >= 1.0);
    assert!(value("voicehive_http_requests_total{method=\"POST\",route=\"/graphql\",status=\"200\"}") >= 1.0);
    for secret in
        ["a wrong password", "manager@hotel1.com", "SecretName", admin.access_token.as_deref().expect("a token")]
    {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn while_the_database_is_away_requests_are_told_so_and_then_it_goes_on() {
    let database = std::sync::Arc::new(TestDatabase::create().await);
    let proxy = Proxy::before(&database.options).await;
    let mut setup = Setup::usual();
    setup.connect = Some(proxy.options(&database.options));
    setup.pool.request_timeout = Duration::from_millis(500);
    let app = TestApp::start_on(database, setup).await;
    let admin = app.admin().await;
    assert_eq!(admin.get("/readyz").await.status, 200);

    for _ in 0..2 {
        proxy.cut();
        let began = Instant::now();
        for query in ["{ me { id } }", "{ users { totalCount } }", "mutation { logout { revokedSessions } }"] {
            let answer = admin.query(query).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (503, "UNAVAILABLE"), "{query}: {}", answer.body);
            assert!(answer.headers.contains_key("retry-after"));
            let text = answer.body.to_string().to_lowercase();
            assert!(!text.contains("sqlx") && !text.contains("postgres") && !text.contains("pool"), "{text}");
        }
        let sign_in = app.anonymous().try_sign_in("manager@hotel1.com", "manager123").await;
        assert_eq!((sign_in.status.as_u16(), sign_in.code()), (503, "UNAVAILABLE"));
        let rest = app
            .anonymous()
            .post("/auth/login", json!({ "email": "manager@hotel1.com", "password": "manager123" }))
            .await;
        assert_eq!(rest.status, 503);
        assert!(rest.headers.contains_key("retry-after"));
        let health = admin.get("/healthz").await;
        assert_eq!((health.status.as_u16(), &health.body["database"]["connected"]), (503, &json!(false)));
        assert_eq!(admin.get("/readyz").await.status, 503);
        assert_eq!(admin.get("/livez").await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(10), "nobody waits for long");
        proxy.restore();
        eventually("ready again", async || admin.get("/readyz").await.status == 200).await;
        assert!(admin.is_signed_in().await, "the session is still there");
    }
}

#[tokio::test]
async fn connections_that_fall_silent_are_given_up() {
    let database = std::sync::Arc::new(TestDatabase::create().await);
    let proxy = Proxy::before(&database.options).await;
    let mut setup = Setup::usual();
    setup.connect = Some(proxy.options(&database.options));
    setup.pool.request_timeout = Duration::from_millis(500);
    setup.pool.statement_timeout = Duration::from_secs(1);
    (setup.pool.size, setup.pool.overflow) = (3, 0);
    let app = TestApp::start_on(database, setup).await;
    let admin = app.admin().await;
    let open_all = async || {
        let all = (0..3).map(|_| app.identity.database().background());
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    };
    let rush = async || {
        let requests = (0..10).map(|_| admin.query("{ users { totalCount } }"));
        futures_util::future::join_all(requests).await.iter().map(|answer| answer.status.as_u16()).collect::<Vec<_>>()
    };
    open_all().await;
    proxy.freeze();
    assert_eq!(rush().await, [503; 10]);
    proxy.restore();
    eventually("as many as before are served", async || rush().await == [200; 10]).await;
    // And on their way back to the pool.
    open_all().await;
    proxy.freeze_at_rest();
    assert!(rush().await.contains(&503), "what was read for the sign-in check does not come back");
    proxy.restore();
    eventually("as many as before are served", async || rush().await == [200; 10]).await;
}

#[tokio::test]
async fn a_restart_of_the_database_costs_no_later_request() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for _ in 0..3 {
        // Several pooled connections, all of them cut off.
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let admin = admin.clone();
            requests.spawn(async move { admin.query("{ users { totalCount } }").await });
        }
        requests.join_all().await;
        // Not that on which changes are heard, which comes back by itself.
        let cut_off = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'voicehive'";
        app.count(&format!("SELECT count(pg_terminate_backend(pid)) {cut_off}")).await;
        // A signal takes a moment; a request that comes in between is cut off, too, and told so.
        eventually("cut off", async || app.count(&format!("SELECT count(*) {cut_off}")).await == 0).await;
        assert_eq!(admin.get("/readyz").await.status, 200, "nobody is told of connections that are left over");
        for _ in 0..5 {
            assert_eq!(admin.query("{ users { totalCount } }").await.data("/users/totalCount"), 3);
        }
    }
}

#[tokio::test]
async fn nothing_of_an_internal_error_reaches_the_client() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.sql("ALTER TABLE users RENAME COLUMN mfa_enabled TO renamed").await;
    app.sql("ALTER TABLE user_sessions RENAME COLUMN user_agent TO renamed").await;
    let answer = admin.query("{ me { id } users { nodes { email } } }").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (500, "INTERNAL"), "{}", answer.body);
    assert!(answer.body["data"].is_null());
    let rest =
        app.anonymous().post("/auth/login", json!({ "email": "manager@hotel1.com", "password": "manager123" })).await;
    assert_eq!((rest.status.as_u16(), &rest.body), (500, &json!({ "detail": "Internal server error" })));
    for text in [answer.body.to_string(), rest.body.to_string()] {
        for internal in ["does not exist", "mfa_enabled", "user_agent", "SELECT", "sqlx", "PgDatabaseError"] {
            assert!(!text.contains(internal), "{text}");
        }
    }
    app.sql("ALTER TABLE users RENAME COLUMN renamed TO mfa_enabled").await;
    assert!(admin.is_signed_in().await, "the next request is answered");
}
