//! Work that grows with the data: it is done in many short statements, each kept by itself, goes on where it was cut off, and
//! holds nobody up. PostgreSQL stops a statement here long before one could do all of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use voicehive_identity::identity::Swept;

use super::support::{Client, Setup, TestApp, TestDatabase, connect_as, eventually, one_line, told_json, voicehive};
use super::user_files::{file, import};

/// How many rows the tests make of each kind.
const MANY: u64 = 40_000;
/// Far less than one statement takes for all of them, and far more than one takes for a batch.
const SHORT: Duration = Duration::from_millis(400);

/// A setup in which no statement may take long.
fn hasty() -> Setup {
    let mut setup = Setup::usual();
    setup.pool.statement_timeout = SHORT;
    setup
}

/// Another server on the same database, in which statements may take as long as usual.
async fn beside(app: &TestApp) -> TestApp {
    TestApp::start_on(app.database.clone(), Setup::usual()).await
}

/// Puts in many at once, past the triggers.
async fn put_in(app: &TestApp, sql: &str) {
    let mut connection = app.database.superuser.acquire().await.expect("connected");
    let sql = format!("SET session_replication_role = replica; {sql}; SET session_replication_role = DEFAULT");
    connection.execute(AssertSqlSafe(sql.clone())).await.expect("put in");
}

/// SQL that makes many sessions of one user which began a day ago; `state` is their expires_at and whether they are active.
fn sessions_of(user: Uuid, state: &str) -> String {
    format!(
        "INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, rotated_at, created_at, accessed_at, expires_at, active)
         SELECT id, id::text, '{user}', gen_random_uuid(), gen_random_uuid(), now(), now() - interval '1 day', now(), {state}
           FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, {MANY})) new"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_are_over_they_are_swept() {
    let app = TestApp::start_with(hasty()).await;
    let user = app.user("łukasz@h.test").create().await;
    put_in(&app, &sessions_of(user, "now() - interval '1 minute', true")).await;
    put_in(&app, &sessions_of(user, "now() - interval '1 year', false")).await;
    put_in(
        &app,
        &format!(
            "INSERT INTO idempotency_keys (caller, key_hash, request_hash, claim, created_at)
             SELECT 'user:x', sha256(n::text::bytea), sha256('x'), gen_random_uuid(), now() - interval '3 days' FROM generate_series(1, {MANY}) n;
             INSERT INTO sign_in_failures (kind, subject, failures, counting_since, locked_until)
             SELECT 'address', sha256(n::text::bytea), 1, now() - interval '3 days', CASE WHEN n % 2 = 0 THEN now() - interval '2 days' END
               FROM generate_series(1, {MANY}) n"
        ),
    )
    .await;
    // One that somebody keeps locked is left for another time, and holds nothing up.
    let mut somebody = app.database.superuser.acquire().await.expect("connected");
    let mut locking = somebody.begin().await.expect("begun");
    locking.execute("SELECT FROM user_sessions WHERE active LIMIT 1 FOR UPDATE").await.expect("locked");
    let swept = app.identity.sweep().await.expect("swept");
    assert_eq!(swept, Swept { expired: MANY - 1, deleted: MANY });
    locking.rollback().await.expect("given back");
    assert_eq!(app.identity.sweep().await.expect("swept"), Swept { expired: 1, deleted: 0 });
    for table in ["idempotency_keys", "sign_in_failures"] {
        assert_eq!(app.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    // What has expired is kept for as long as it is to be.
    assert_eq!(app.count("SELECT count(*) FROM user_sessions WHERE NOT active").await.unsigned_abs(), MANY);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_in_the_background_waits_for_another() {
    let mut setup = Setup::usual();
    setup.pool.lock_timeout = Duration::from_secs(25);
    let app = TestApp::start_with(setup).await;
    let user = app.user("özlem@h.test").create().await;
    let mut somebody = app.database.superuser.acquire().await.expect("connected");
    let mut locking = somebody.begin().await.expect("begun");
    // Two jobs wait for these, for as long as they may.
    locking.execute("LOCK TABLE sign_in_failures, signing_keys IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let stop = CancellationToken::new();
    let working = tokio::spawn({
        let (identity, stop) = (app.identity.clone(), stop.clone());
        async move { identity.work_in_background(stop).await }
    });
    eventually("a job waits", async || app.waits_for_a_lock().await).await;
    put_in(
        &app,
        &format!(
            "INSERT INTO audit_events (id, occurred_at, type, outcome, about) VALUES (gen_random_uuid(), now(), 'user_updated', 'SUCCESS', '{user}');
             INSERT INTO audit_events_unsealed (event_id, occurred_at) SELECT id, occurred_at FROM audit_events WHERE about = '{user}';
             DELETE FROM users WHERE id = '{user}'; INSERT INTO erasures (user_id, begun_at, due_at, is_last_time) VALUES ('{user}', now(), now(), true)"
        ),
    )
    .await;
    eventually("the trail is sealed meanwhile", async || {
        app.count("SELECT count(*) FROM audit_events_unsealed").await == 0
    })
    .await;
    eventually("and who is gone is erased", async || app.count("SELECT count(*) FROM erasures").await == 0).await;
    locking.rollback().await.expect("given back");
    stop.cancel();
    working.await.expect("ends");
}

/// SQL that makes many events about a user, done by them, by an administrator, or by nobody, a third each.
fn events_about(user: Uuid, other: Uuid) -> String {
    format!(
        "INSERT INTO audit_events (id, occurred_at, type, outcome, actor, subject, about, ip_address, user_agent, origin_salt, personal, personal_salt)
         SELECT gen_random_uuid(), now() - n * interval '1 minute', 'user_updated', 'SUCCESS',
                CASE n % 3 WHEN 0 THEN 'user:{user}' WHEN 1 THEN 'user:{other}' END, 'user:{user}', '{user}',
                '10.9.8.7', 'Özlems Phone', 'x', '{{\"first_name\": \"Özlem\"}}', 'x'
           FROM generate_series(1, {MANY}) n;
         INSERT INTO audit_events (id, occurred_at, type, outcome, actor, subject, about, ip_address, user_agent, origin_salt, personal, personal_salt)
         SELECT gen_random_uuid(), now() - n * interval '1 minute', 'user_updated', 'SUCCESS', 'user:{user}', 'user:{other}', '{other}',
                '10.9.8.7', 'Özlems Phone', 'x', '{{\"first_name\": \"Somebody else\"}}', 'x'
           FROM generate_series(1, {MANY}) n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_goes_at_once_and_its_traces_afterwards() {
    let app = TestApp::start_with(hasty()).await;
    let (user, other) = (app.user("özlem.åberg@h.test").create().await, app.user("other@h.test").create().await);
    put_in(&app, &events_about(user, other)).await;
    app.sql("ANALYZE audit_events").await;
    let admin = app.admin().await;
    let answer = admin.mutate("deleteUser", json!({ "id": format!("user:{user}") }), "deletedId").await;
    assert_eq!(answer.data("/deleteUser/deletedId"), &json!(format!("user:{user}")), "{}", answer.body);
    assert_eq!(app.count("SELECT count(*) FROM users WHERE email LIKE 'özlem%'").await, 0);
    let told = "SELECT count(*) FROM audit_events WHERE type = 'user_deleted'";
    assert_eq!(app.count(told).await, 1);

    let personal = format!(
        "SELECT (SELECT count(*) FROM audit_events WHERE about = '{user}' AND (personal IS NOT NULL OR personal_salt IS NOT NULL))
              + (SELECT count(*) FROM audit_events WHERE (actor = 'user:{user}' OR (actor IS NULL AND about = '{user}'))
                                                     AND (ip_address IS NOT NULL OR user_agent IS NOT NULL OR origin_salt IS NOT NULL))"
    );
    let all = app.count(&personal).await;
    // Cut off in the middle, as by kill -9: this future is dropped wherever it is.
    let identity = app.identity.clone();
    let erasing = tokio::spawn(async move { identity.erase_traces().await });
    eventually("some of it is done", async || app.count(&personal).await < all).await;
    erasing.abort();
    let _ = erasing.await;
    let left = app.count(&personal).await;
    assert!(left > 0, "it was to be cut off half-way");
    // Nobody who changes users waits meanwhile.
    let change = admin.mutate("deactivateUser", json!({ "id": format!("user:{other}") }), "").await;
    Client::done(&change, "deactivateUser");

    // Other servers go on where it stopped, and do it once.
    let servers = [beside(&app).await, beside(&app).await];
    let erasing = servers.each_ref().map(|server| {
        let identity = server.identity.clone();
        tokio::spawn(async move { identity.erase_traces().await })
    });
    let mut gone_over = 0;
    for server in erasing {
        gone_over += server.await.expect("ends").expect("erased");
    }
    assert_eq!(app.count(&personal).await, 0);
    // What was under way when the account went is told after all has been gone over, at a time before.
    put_in(
        &app,
        &format!(
            "INSERT INTO audit_events (id, occurred_at, type, outcome, actor, about, ip_address, personal)
             SELECT gen_random_uuid(), begun_at - interval '1 minute', 'user_updated', 'SUCCESS', 'user:{user}', about, '10.9.8.7', '{{\"last_name\": \"Åberg\"}}'
               FROM erasures, unnest(ARRAY['{user}', NULL]::uuid[]) about"
        ),
    )
    .await;
    assert_eq!(app.count(&personal).await, 3);
    app.identity.erase_traces().await.expect("not yet");
    app.clock.advance(Duration::from_mins(5));
    app.identity.erase_traces().await.expect("erased");
    assert_eq!(app.count(&personal).await, 0);
    let kept = "SELECT count(*) FROM audit_events WHERE personal::text LIKE '%Somebody else%'";
    assert_eq!(app.count(kept).await.unsigned_abs(), MANY, "what is about others stays");
    let address = format!("SELECT count(*) FROM audit_events WHERE actor = 'user:{other}' AND ip_address = '10.9.8.7'");
    assert!(app.count(&address).await > 0, "where others came from stays");
    let ended: Vec<Value> = sqlx::query_scalar("SELECT detail FROM audit_events WHERE type = 'user_erased'")
        .fetch_all(&app.database.superuser)
        .await
        .expect("events");
    assert_eq!(ended.len(), 1);
    let all_in_all = ended[0]["events"].as_u64().expect("a number");
    assert!(all_in_all >= 2 * MANY && all_in_all > gone_over, "it began anew: {gone_over} of {all_in_all}");
    assert_eq!(app.count("SELECT count(*) FROM erasures").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_erased_keeps_nobody_else_from_it() {
    let app = TestApp::start().await;
    let (first, second) = (app.user("łukasz@h.test").create().await, app.user("özlem@h.test").create().await);
    let admin = app.admin().await;
    let delete = async |id: Uuid| {
        Client::done(&admin.mutate("deleteUser", json!({ "id": format!("user:{id}") }), "").await, "deleteUser");
    };
    delete(first).await;
    // No import brings back who is still being erased, and one in which others stand beside them brings these.
    let rows = [json!({ "id": first, "email": "łukasz@h.test" }), json!({ "email": "maria@h.test" })];
    let path = file(&app.database, "back.jsonl", &rows.map(|row| row.to_string()).join("\n"));
    let (outcome, wrong) = import(&app.database, &path, &[]);
    assert_eq!((&outcome["added"], &outcome["wrong"]), (&json!(1), &json!(1)), "{wrong:?}");
    assert!(wrong[0].contains("is still being erased; import it again afterwards"), "{wrong:?}");
    // SQL can.
    app.sql(&format!("INSERT INTO users (id, email, password_hash) VALUES ('{first}', 'łukasz@h.test', 'x')")).await;
    delete(second).await;
    app.identity.erase_traces().await.expect("erased");
    app.clock.advance(Duration::from_mins(5));
    app.identity.erase_traces().await.expect("erased");
    let erased = "SELECT subject FROM audit_events WHERE type = 'user_erased' ORDER BY occurred_at DESC LIMIT 1";
    assert_eq!(app.text(erased).await, Some(format!("user:{second}")));
    assert_eq!(app.count("SELECT count(*) FROM erasures").await, 1, "who is there again");
    // Deleted again, they are erased all over again.
    delete(first).await;
    app.identity.erase_traces().await.expect("erased");
    app.clock.advance(Duration::from_mins(5));
    app.identity.erase_traces().await.expect("erased");
    assert_eq!(app.text(erased).await, Some(format!("user:{first}")));
    assert_eq!(app.count("SELECT count(*) FROM erasures").await, 0);
    assert_eq!(import(&app.database, &path, &[]).0["added"], json!(1), "now it may");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_shortened_by_the_batch() {
    let app = TestApp::start_with(hasty()).await;
    let user = app.user("łukasz@h.test").create().await;
    put_in(&app, &sessions_of(user, "now() + interval '300 days', true")).await;
    put_in(&app, &sessions_of(user, "now() + interval '1 minute', true")).await;
    assert_eq!(app.identity.shorten_sessions().await.expect("shortened"), MANY);
    assert_eq!(app.identity.shorten_sessions().await.expect("shortened"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_sessions_it_is_told_once() {
    let app = TestApp::start().await;
    let user = app.user("łukasz@h.test").create().await;
    let admin = app.admin().await;
    let mut listener = sqlx::postgres::PgListener::connect_with(&app.database.superuser).await.expect("connected");
    listener.listen("voicehive_changes").await.expect("listens");
    for (name, input) in [
        ("revokeUserSessions", json!({ "user": format!("user:{user}") })),
        ("deactivateUser", json!({ "id": format!("user:{user}") })),
        ("deleteUser", json!({ "id": format!("user:{user}") })),
    ] {
        put_in(&app, &sessions_of(user, "now() + interval '1 day', true")).await;
        Client::done(&admin.mutate(name, input, "").await, name);
        let mut told = 0;
        let patience = Duration::from_mins(1);
        let mut next = async || tokio::time::timeout(patience, listener.recv()).await.expect(name).expect("told");
        while next().await.payload() != "everything" {
            told += 1;
            assert!(told < 100, "{name} tells of each");
        }
    }
}

#[tokio::test]
async fn only_whose_account_is_gone_is_erased() {
    let app = TestApp::start().await;
    let user = app.user("maria@h.test").create().await;
    let mut connection = connect_as(&app.database, "voicehive_app").await;
    let erase = format!("SELECT erase_person_from_audit_events('{user}', 10)");
    for (principal, prepare) in [
        ("user", String::new()),
        ("system", String::new()),
        ("system", format!("INSERT INTO erasures (user_id, begun_at, due_at) VALUES ('{user}', now(), now())")),
    ] {
        app.sql(&prepare).await;
        let set = format!("SELECT set_config('app.principal', '{principal}', false)");
        connection.execute(AssertSqlSafe(set)).await.expect("set");
        assert!(connection.execute(AssertSqlSafe(erase.clone())).await.is_err(), "{principal} {prepare}");
    }
}

async fn many_signed_in() -> TestApp {
    let app = TestApp::start_with(hasty()).await;
    let user = app.user("łukasz@h.test").create().await;
    put_in(&app, &sessions_of(user, "now() + interval '1 day', true")).await;
    app
}

fn revoke_everyone(app: &TestApp) -> std::process::Command {
    let mut command =
        voicehive(&app.database.options, &["sessions", "revoke", "--everyone", "--reason", "a leak", "--json"]);
    command.env("VOICEHIVE_DATABASE__STATEMENT_TIMEOUT", "1s");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_is_signed_out_however_many_they_are() {
    let app = many_signed_in().await;
    let admin = app.admin().await;
    let revoked = tokio::task::spawn_blocking({
        let command = revoke_everyone(&app);
        move || told_json(command)
    });
    assert_eq!(revoked.await.expect("ends"), json!({ "revoked": MANY + 1 }));
    eventually("the server has heard of it", async || !admin.is_signed_in().await).await;
    assert_eq!(app.count("SELECT count(*) FROM user_sessions WHERE active OR NOT revoked").await, 0);
    for event in ["sessions_revoked", "sessions_revocation_finished"] {
        assert_eq!(app.count(&format!("SELECT count(*) FROM audit_events WHERE type = '{event}'")).await, 1, "{event}");
    }
    // Who signs in now is.
    assert!(app.admin().await.is_signed_in().await);
    let again = tokio::task::spawn_blocking({
        let command = revoke_everyone(&app);
        move || told_json(command)
    });
    assert_eq!(again.await.expect("ends"), json!({ "revoked": 1 }), "those of now alone");
    // By a clock that goes before ours: what it ended stays ended, and who signs in meanwhile may try again.
    app.sql("UPDATE session_revocation SET begun_before = now() + interval '1 day'").await;
    let refused = app.anonymous().try_sign_in("manager@hotel1.com", "manager123").await;
    assert_eq!(refused.code(), "UNAVAILABLE", "{}", refused.body);
    let again = tokio::task::spawn_blocking({
        let command = revoke_everyone(&app);
        move || told_json(command)
    });
    assert_eq!(again.await.expect("ends"), json!({ "revoked": 0 }));
    let ahead = "SELECT count(*) FROM session_revocation WHERE begun_before > now() + interval '1 hour'";
    assert_eq!(app.count(ahead).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_is_signed_out_at_once_also_where_it_stops_half_way() {
    let app = many_signed_in().await;
    let (admin, manager) = (app.admin().await, app.signed_in("manager@hotel1.com").await);
    assert!(admin.is_signed_in().await && manager.is_signed_in().await);
    // The rows of these sessions cannot be changed for now.
    let mut somebody = app.database.superuser.acquire().await.expect("connected");
    let mut locking = somebody.begin().await.expect("begun");
    let all = "SELECT FROM user_sessions WHERE created_at > now() - interval '1 hour' FOR UPDATE";
    locking.execute(all).await.expect("locked");
    let stopped = tokio::task::spawn_blocking({
        let mut command = revoke_everyone(&app);
        move || command.output().expect("runs")
    });
    let line = one_line(&stopped.await.expect("ends"));
    assert!(
        line.contains(&format!("stopped half-way: everyone is signed out, and {MANY} sessions are marked as ended")),
        "{line}"
    );
    assert!(line.contains("the database stopped a statement that took too long"), "{line}");
    eventually("nobody is signed in", async || !admin.is_signed_in().await && !manager.is_signed_in().await).await;
    let refreshed = manager.try_refresh(&manager.refresh_token).await;
    assert_eq!(refreshed.refusals("refresh"), ["INVALID_TOKEN refreshToken"], "{}", refreshed.body);
    locking.rollback().await.expect("given back");
    assert_eq!(app.count("SELECT count(*) FROM user_sessions WHERE active").await, 2);

    // Some server brings it to its end.
    let stop = CancellationToken::new();
    let other = beside(&app).await;
    let working = tokio::spawn({
        let (identity, stop) = (other.identity.clone(), stop.clone());
        async move { identity.work_in_background(stop).await }
    });
    let finished = "SELECT count(*) FROM audit_events WHERE type = 'sessions_revocation_finished'";
    eventually("it is finished", async || app.count(finished).await == 1).await;
    assert_eq!(app.count("SELECT count(*) FROM user_sessions WHERE active").await, 0);
    let told =
        app.text("SELECT detail->>'sessions' FROM audit_events WHERE type = 'sessions_revocation_finished'").await;
    assert_eq!(told, Some((MANY + 2).to_string()));
    stop.cancel();
    working.await.expect("ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_kept_it_from_its_work() {
    let app = TestApp::start().await;
    let mut somebody = app.database.superuser.acquire().await.expect("connected");
    let mut locking = somebody.begin().await.expect("begun");
    locking.execute("LOCK TABLE users, user_sessions IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    for (setting, arguments, expected) in [
        ("VOICEHIVE_DATABASE__STATEMENT_TIMEOUT", &["users", "list"][..], "database.statement_timeout"),
        ("VOICEHIVE_DATABASE__LOCK_TIMEOUT", &["users", "list"], "database.lock_timeout"),
        (
            "VOICEHIVE_DATABASE__LOCK_TIMEOUT",
            &["sessions", "cleanup"],
            "after 0 sessions had been marked as expired and 0 deleted",
        ),
    ] {
        let mut command = voicehive(&app.database.options, arguments);
        command.env(setting, "1s");
        let output = tokio::task::spawn_blocking(move || command.output().expect("runs")).await.expect("ends");
        let line = one_line(&output);
        assert!(line.contains(expected) && !line.contains("cannot be reached"), "{arguments:?}: {line}");
    }
}

/// What was applied before this release's last file without a transaction.
async fn before_the_indexes(database: &TestDatabase) -> PgConnection {
    let mut owner = connect_as(database, "voicehive").await;
    owner
        .execute("DELETE FROM _sqlx_migrations WHERE version = 19; DROP INDEX idx_user_sessions_of_user, idx_user_sessions_over, idx_user_sessions_of_user_revoked")
        .await
        .expect("undone");
    owner
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_made_beside_others_work() {
    let database = Arc::new(TestDatabase::create().await);
    drop(before_the_indexes(&database).await);
    // What is left where making one was cut off half-way.
    let broken = "CREATE INDEX idx_user_sessions_over ON user_sessions (user_id);
                  UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_user_sessions_over'::regclass";
    database.superuser.execute(broken).await.expect("broken");
    let mut somebody = database.superuser.acquire().await.expect("connected");
    let mut working = somebody.begin().await.expect("begun");
    working.execute("UPDATE user_sessions SET accessed_at = now()").await.expect("at work");
    let migrating = tokio::task::spawn_blocking({
        let command = voicehive(&database.options, &["database", "migrate", "--json"]);
        move || told_json(command)
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("it waits for who began before", async || {
        sqlx::query_scalar::<_, i64>(waits).fetch_one(&database.superuser).await.expect("counted") > 0
    })
    .await;
    // And nobody waits for it.
    working.execute("UPDATE user_sessions SET accessed_at = now() + interval '1 second'").await.expect("goes on");
    working.commit().await.expect("kept");
    assert_eq!(migrating.await.expect("ends")["applied"], json!(1));
    let status = told_json(voicehive(&database.options, &["database", "status", "--json"]));
    assert_eq!(status["drift"], json!([]), "{status}");
}
