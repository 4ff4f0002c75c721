//! What the operators' guide promises by name: the database's settings, its figures, its log events.
//!
//! The guide's commands are in `database_commands`, `operator` and `user_files`, its lockout in `lockout`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::Executor;

use super::support::{Client, Setup, TestApp, TestDatabase, cluster_folder, eventually, one_line, told, voicehive};

/// A server as an operator starts it.
struct Served {
    process: Child,
    client: Client,
}

impl Served {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut first = String::new();
        BufReader::new(process.stdout.as_mut().expect("its output")).read_line(&mut first).expect("a line");
        let address = first.trim().rsplit("http://").next().and_then(|address| address.parse().ok());
        let client = Client::new(address.unwrap_or_else(|| panic!("it says where it serves: {first:?}")));
        Self { process, client }
    }

    async fn pool_size(&self) -> Value {
        pool_size_by(&self.client).await
    }

    /// Stops it; its log, an event a line.
    fn stop(mut self) -> Vec<Value> {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("sent").success());
        let mut log = String::new();
        self.process.stderr.take().expect("its log").read_to_string(&mut log).expect("a log");
        assert!(self.process.wait().expect("ends").success(), "{log}");
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }
}

async fn pool_size_by(client: &Client) -> Value {
    let health = client.get("/healthz").await;
    assert_eq!((health.status.as_u16(), &health.body["database"]["connected"]), (200, &json!(true)));
    health.body["database"]["pool_stats"]["size"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_section_of_the_file_is_taken() {
    let database = TestDatabase::create_empty().await;
    let options = &database.options;
    let file = cluster_folder().join("guide.yaml");
    let text = format!(
        "database:\n  host: {}\n  port: {}\n  database: {}\n  username: {}\n  password: \"not asked for\"\n  \
         ssl_mode: prefer\n  pool_size: 7\n  max_overflow: 3\n",
        options.get_socket().expect("a socket").display(),
        options.get_port(),
        options.get_database().expect("a name"),
        options.get_username(),
    );
    std::fs::write(&file, text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_voicehive"));
    command.env_clear().env("VOICEHIVE_CONFIG", &file).env("VOICEHIVE_LISTEN", "127.0.0.1:0");
    command.env("VOICEHIVE_DATA_DIR", cluster_folder());
    let served = Served::start(command);
    assert_eq!(served.pool_size().await, 7);
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variables_of_the_database_are_taken_and_its_events_logged() {
    let database = TestDatabase::create_empty().await;
    let mut command = voicehive(&database.options, &["serve"]);
    command.envs([
        ("DATABASE_PASSWORD", "not asked for"),
        ("DATABASE_SSL_MODE", "prefer"),
        ("DATABASE_POOL_SIZE", "4"),
        ("DATABASE_MAX_OVERFLOW", "2"),
    ]);
    let metrics_port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    command.env("VOICEHIVE_HTTP__METRICS_LISTEN", metrics_port.to_string());
    let served = Served::start(command);
    assert_eq!(
        served.pool_size().await,
        Value::Null,
        "operators alone read it, where they have an address of their own"
    );
    assert_eq!(pool_size_by(&Client::new(metrics_port)).await, 4);
    let login = json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" });
    assert_eq!(served.client.post("/auth/login", login).await.status, 200);
    assert_eq!(served.client.get("/metrics").await.status, 404, "it is served elsewhere");
    let metrics = Client::new(metrics_port).get("/metrics").await;
    for metric in [
        "voicehive_database_connections_total",
        "voicehive_user_login_attempts_total",
        "voicehive_user_sessions_active",
    ] {
        assert!(metrics.body.as_str().expect("text").contains(&format!("\n{metric}")), "{metric}");
    }
    let served_at = served.client.address;
    let mut health = voicehive(&database.options, &["health"]);
    health.env("VOICEHIVE_LISTEN", format!("0.0.0.0:{}", served_at.port()));
    assert_eq!(told(health), "alive\n");
    let log = served.stop();
    for event in ["database_initialized", "database_tables_created", "mock_user_migration_completed"] {
        assert_eq!(log.iter().filter(|line| line["event"] == event).count(), 1, "{event}");
    }
    let authenticated = log.iter().find(|line| line["event"] == "user_authenticated").expect("the event");
    assert_eq!(authenticated["email"], "admin@voicehive-hotels.eu");
    assert_eq!(authenticated["roles"], json!(["SYSTEM_ADMIN"]));
    assert!(authenticated["user_id"].is_string() && authenticated["timestamp"].is_string());

    let gone = voicehive(&database.options, &["health"]).env("VOICEHIVE_LISTEN", served_at.to_string()).output();
    assert!(one_line(&gone.expect("runs")).contains("no server answers"));

    let checked = voicehive(&database.options, &["database", "health"]).output().expect("runs");
    assert!(String::from_utf8_lossy(&checked.stderr).contains("\"database_connection_test_passed\""), "{checked:?}");
    assert_eq!(told(voicehive(&database.options, &["users", "count"])).trim(), "3");
}

#[tokio::test]
async fn a_statement_and_a_wait_for_a_lock_end_as_configured() {
    for (setting, length) in [("statement", 300), ("lock", 400)] {
        let mut setup = Setup::usual();
        let length = Duration::from_millis(length);
        match setting {
            "statement" => setup.pool.statement_timeout = length,
            _ => setup.pool.lock_timeout = length,
        }
        let app = TestApp::start_with(setup).await;
        let admin = app.admin().await;
        let mut held = app.database.superuser.begin().await.expect("begun");
        held.execute("LOCK TABLE hotels IN ACCESS EXCLUSIVE MODE").await.expect("locked");
        let began = Instant::now();
        let answer = admin.query("{ hotels { nodes { name } } }").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "UNAVAILABLE"), "{setting}: {}", answer.body);
        assert!(began.elapsed() >= length && began.elapsed() < Duration::from_secs(9), "{setting}");
        held.rollback().await.expect("released");
        assert_eq!(admin.query("{ hotels { nodes { name } } }").await.status, 200);
    }
}

#[tokio::test]
async fn an_idle_transaction_is_ended_and_an_old_connection_replaced_as_configured() {
    let mut setup = Setup::usual();
    setup.pool.idle_transaction_timeout = Duration::from_millis(200);
    setup.pool.recycle = Duration::from_secs(2);
    let app = TestApp::start_with(setup).await;
    let ours = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'voicehive'";
    let idle = format!("SELECT count(*) {ours} AND state = 'idle in transaction'");
    let transaction = app.identity.database().background().await.expect("begun");
    assert_eq!(app.count(&idle).await, 1);
    eventually("PostgreSQL ends it", async || app.count(&idle).await == 0).await;
    assert!(transaction.commit().await.is_err(), "it is told");

    let admin = app.admin().await;
    let newest = format!("SELECT coalesce(1000 * extract(epoch FROM max(backend_start)), 0)::bigint {ours}");
    let before = app.count(&newest).await;
    eventually("another connection serves", async || {
        admin.query("{ users { totalCount } }").await.data("/users/totalCount");
        app.count(&newest).await > before
    })
    .await;
}

#[tokio::test]
async fn a_request_waits_for_a_connection_no_longer_than_requests_do() {
    let mut setup = Setup::usual();
    (setup.pool.size, setup.pool.overflow) = (1, 0);
    setup.pool.timeout = Duration::from_mins(1);
    setup.pool.request_timeout = Duration::from_millis(300);
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    let held = app.identity.database().background().await.expect("the only one");
    let answer = tokio::time::timeout(Duration::from_secs(30), admin.query("{ me { id } }")).await;
    assert_eq!(answer.expect("long before background work gives up").code(), "UNAVAILABLE");
    drop(held);
}

#[tokio::test]
async fn who_gets_no_connection_is_told_after_the_time_that_is_configured() {
    let mut setup = Setup::usual();
    (setup.pool.size, setup.pool.overflow) = (1, 1);
    setup.pool.timeout = Duration::from_millis(700);
    setup.pool.request_timeout = Duration::from_millis(300);
    let app = TestApp::start_with(setup).await;
    let admin = app.admin().await;
    let database = app.identity.database();
    let held = [database.background().await.expect("one"), database.background().await.expect("beyond the size")];
    let began = Instant::now();
    assert!(database.background().await.is_err());
    assert!(began.elapsed() >= Duration::from_millis(700), "background work waits longer");
    let began = Instant::now();
    let answer = admin.query("{ me { id } }").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "UNAVAILABLE"));
    assert!(began.elapsed() >= Duration::from_millis(300) && began.elapsed() < Duration::from_secs(9));
    drop(held);
    eventually("it goes on", async || admin.is_signed_in().await).await;
}
