//! What the server leaves in the database when clients hang up, and several servers that start at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::Executor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use voicehive_identity::clock::Clock;
use voicehive_identity::identity::{Administrator, Identity, Seeds};
use voicehive_identity::store::migrations::{self, Wanted};
use voicehive_identity::store::{Database, Routes};

use super::support::{PASSWORD, Setup, TestApp, TestDatabase, eventually};

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_transaction_open_and_no_sign_in_half_done() {
    let app = TestApp::start().await;
    app.user("someone@h.test").create().await;
    let admin = app.admin().await;
    let token = admin.access_token.as_deref().expect("a token");
    let queries = [
        "{ users { totalCount nodes { roles { name } sessions { totalCount } } } }".to_owned(),
        format!(
            "mutation {{ login(input: {{email: \"someone@h.test\", password: \"{PASSWORD}\"}}) {{ user {{ id }} }} }}"
        ),
    ];
    for round in 0..120_u64 {
        let body = json!({ "query": queries[usize::from(round % 4 == 0)] }).to_string();
        let mut stream = TcpStream::connect(app.address).await.expect("connects");
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("written");
        // At another point of its way each time.
        tokio::time::sleep(Duration::from_micros(round * 150)).await;
        drop(stream);
    }
    let idle_in_transaction = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    eventually("no transaction is open", async || app.count(idle_in_transaction).await == 0).await;
    // Every session that was begun is whole: it has its event, and its user was marked as signed in.
    eventually("each sign-in ran to its end", async || {
        app.count(
            "SELECT count(*) FROM user_sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'someone@h.test'",
        )
        .await
            == 30
    })
    .await;
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'user_authenticated'").await, 31);
    // And no principal leaked to anyone else.
    let anonymous = app.anonymous().query("{ me { id } users { totalCount } }").await;
    assert_eq!(anonymous.code(), "UNAUTHENTICATED");
    assert_eq!(admin.query("{ users { totalCount } }").await.data("/users/totalCount"), 4);
}

#[tokio::test]
async fn whoever_waits_for_anothers_migrations_holds_up_no_index_of_theirs() {
    let database = TestDatabase::create().await;
    let mut other = database.superuser.acquire().await.expect("a connection");
    // The lock that migrating servers share.
    other.execute("SELECT pg_advisory_lock(x'766f696365686976'::bigint)").await.expect("taken");
    let store = Database::new(database.options.clone(), Setup::usual().pool, Routes::default());
    let asks = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'voicehive migrations' AND query LIKE '%advisory_lock%'";
    let work = async {
        eventually("it asks for the lock", async || {
            sqlx::query_scalar::<_, i64>(asks).fetch_one(&database.superuser).await.expect("counted") > 0
        })
        .await;
        let index = other.execute("CREATE INDEX CONCURRENTLY made_beside ON hotels (name)");
        tokio::time::timeout(Duration::from_secs(30), index).await.expect("in time").expect("made");
        other.execute("SELECT pg_advisory_unlock_all()").await.expect("given back");
        Instant::now()
    };
    let wait = async { (migrations::run(&store, Wanted::default()).await.expect("up to date"), Instant::now()) };
    let (given_back, (applied, ended)) = tokio::join!(work, wait);
    assert!(ended > given_back);
    assert_eq!(applied.now, 0);
}

#[tokio::test]
async fn a_transaction_dropped_half_way_is_gone_before_its_connection_is_used_again() {
    let app = TestApp::start().await;
    let mut setup = Setup::usual();
    (setup.pool.size, setup.pool.overflow) = (1, 0);
    let database = Database::new(app.database.options.clone(), setup.pool, Routes::default());
    let (scope, count) =
        (voicehive_identity::store::Scope::system(), voicehive_identity::store::StatementCount::default());
    for micros in 0..200 {
        // Dropped while it begins, or just after.
        let begin = database.write(&scope, &count);
        let _ = tokio::time::timeout(Duration::from_micros(micros * 10), begin).await;
    }
    // With the one connection of the pool in an open transaction, this would see its old snapshot or be rolled back.
    let mut transaction = database.write(&scope, &count).await.expect("a transaction");
    voicehive_identity::store::seeds::claim(&mut transaction, "kept").await.expect("written");
    transaction.commit().await.expect("committed");
    assert_eq!(app.count("SELECT count(*) FROM seeds WHERE name = 'kept'").await, 1);
    eventually("no transaction is open", async || {
        app.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'").await == 0
    })
    .await;
}

#[tokio::test]
async fn servers_that_start_at_once_on_an_empty_database_make_it_once() {
    let database = Arc::new(TestDatabase::create_empty().await);
    let servers = (0..4).map(|_| {
        let database = database.clone();
        async move {
            let setup = Setup::usual();
            let store = Database::new(database.options.clone(), setup.pool, Routes::default());
            let applied = migrations::run(&store, Wanted::default()).await.expect("migrations apply");
            let identity = Identity::new(store, Clock::default(), setup.settings).expect("identity");
            let administrator = Some(Administrator { email: " Chief@Example.COM ", password: "harbour lamp nine" });
            identity.bootstrap(&Seeds { demo_users: true, administrator }).await.expect("the first users");
            applied.now
        }
    });
    let applied = futures_util::future::join_all(servers).await;
    assert_eq!(applied.iter().filter(|migrations| **migrations > 0).count(), 1, "{applied:?}");
    let app = TestApp::start_on(database, Setup::usual()).await;
    assert_eq!(app.count("SELECT count(*) FROM users").await, 4);
    assert_eq!(app.count("SELECT count(*) FROM hotels").await, 1);
    let chief = app.anonymous().sign_in("chief@example.com", "harbour lamp nine").await;
    let me = chief.query("{ me { mustChangePassword hotelScope roles { name } displayName } }").await;
    let expected = json!({ "mustChangePassword": false, "hotelScope": "ALL", "roles": [{ "name": "SYSTEM_ADMIN" }], "displayName": "chief@example.com" });
    assert_eq!(me.data("/me"), &expected);

    // What was removed since stays removed.
    app.sql("DELETE FROM users WHERE email = 'manager@hotel1.com'").await;
    app.identity.bootstrap(&Seeds { demo_users: true, administrator: None }).await.expect("nothing to do");
    assert_eq!(app.count("SELECT count(*) FROM users").await, 3);
}

#[tokio::test]
async fn a_schema_of_a_newer_release_or_a_changed_one_is_not_touched() {
    let database = TestDatabase::create().await;
    let store = Database::new(database.options.clone(), Setup::usual().pool, Routes::default());
    let error = async |sql: &'static str| {
        sqlx::query(sql).execute(&database.superuser).await.expect(sql);
        migrations::run(&store, Wanted::default()).await.expect_err("refused").to_string()
    };
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', true, '', 0)";
    assert!(error(newer).await.contains("newer release"), "says what to do");
    let changed = "WITH gone AS (DELETE FROM _sqlx_migrations WHERE version = 9999) UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 1";
    assert!(error(changed).await.contains("migration 1 was changed"), "names it");
}

#[tokio::test]
async fn named_indexes_are_there() {
    let app = TestApp::start().await;
    for index in [
        "idx_users_email_active",
        "idx_users_last_login",
        "idx_user_sessions_active",
        "idx_user_sessions_expires",
        "idx_roles_active",
    ] {
        assert_eq!(
            app.count(&format!("SELECT count(*) FROM pg_indexes WHERE indexname = '{index}'")).await,
            1,
            "{index}"
        );
    }
}

#[tokio::test]
async fn what_is_written_often_stands_in_no_index() {
    let app = TestApp::start().await;
    let indexed = "SELECT count(*) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
                    WHERE attname IN ('accessed_at', 'last_used_at')";
    assert_eq!(app.count(indexed).await, 0);
}

#[tokio::test]
async fn a_slow_head_is_cut_off_and_a_stop_lets_requests_finish() {
    let app = TestApp::start().await;
    let mut slow = TcpStream::connect(app.address).await.expect("connects");
    slow.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n").await.expect("written");
    let mut rest = Vec::new();
    let cut = tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut rest)).await;
    assert!(cut.is_ok(), "the server ends the wait");

    let idle = TcpStream::connect(app.address).await.expect("connects");
    let client = app.anonymous();
    let sign_in = tokio::spawn(async move { client.try_sign_in("manager@hotel1.com", "manager123").await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let superuser = app.database.superuser.clone();
    tokio::time::timeout(Duration::from_secs(8), app.stop()).await.expect("stops though a client idles");
    let answer = sign_in.await.expect("an answer");
    assert_eq!(answer.data("/login/errors"), &json!([]), "a request under way is answered");
    let sessions: i64 =
        sqlx::query_scalar("SELECT count(*) FROM user_sessions").fetch_one(&superuser).await.expect("a count");
    assert_eq!(sessions, 1);
    drop(idle);
}

#[tokio::test]
async fn connections_beyond_the_pool_are_closed_when_the_rush_is_over() {
    let mut setup = Setup::usual();
    (setup.pool.size, setup.pool.overflow) = (2, 3);
    setup.pool.timeout = Duration::from_secs(1);
    let app = TestApp::start_with(setup).await;
    let stats = async || app.anonymous().get("/healthz").await.body["database"]["pool_stats"].clone();
    let database = app.identity.database();
    let mut rush = Vec::new();
    for _ in 0..5 {
        rush.push(database.background().await.expect("a connection"));
    }
    assert!(database.background().await.is_err(), "five are all");
    let figures = database.figures();
    assert_eq!((figures.size, figures.checked_out, figures.overflow), (2, 5, 3));
    let last = rush.split_off(3);
    for transaction in last {
        transaction.commit().await.expect("committed");
    }
    drop(rush);

    eventually("the extra ones are closed", async || {
        stats().await == json!({ "size": 2, "checked_in": 2, "checked_out": 0, "overflow": 0 })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rush_of_clients_goes_round_the_connections_that_are_there() {
    let mut setup = Setup::usual();
    (setup.pool.size, setup.pool.overflow) = (3, 7);
    let app = TestApp::start_with(setup).await;
    // Opened since the database was made, ours and those of the test's own looks at it.
    let opened = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
    let before = app.count(opened).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = app.anonymous();
        clients.spawn(async move {
            for _ in 0..40 {
                assert_eq!(client.get("/readyz").await.status, 200);
            }
        });
    }
    clients.join_all().await;
    let opened = app.count(opened).await - before;
    assert!(opened <= 20, "{opened} connections were opened for 800 requests");
}
