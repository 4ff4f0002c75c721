//! A server that has more than one PostgreSQL, or a pooler before it: reads of a replica, a failover, transactions that each
//! get another connection.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::Executor;

use super::support::{Answer, Client, Pair, Program, cluster_folder, eventually};

const REPLICA_READS: &str = "voicehive_database_replica_reads_total";

fn serve(variables: &[(&str, &str)]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voicehive"));
    command
        .env_clear()
        .envs([
            ("DATABASE_USER", "voicehive"),
            ("VOICEHIVE_LISTEN", "127.0.0.1:0"),
            ("VOICEHIVE_LOG__LEVEL", "warn"),
            ("VOICEHIVE_AUTH__ENFORCE_PASSWORD_CHANGE", "false"),
        ])
        .env("VOICEHIVE_DATA_DIR", cluster_folder())
        .envs(variables.iter().copied());
    Program::start(command)
}

async fn admin(program: &Program) -> Client {
    program.client.clone().sign_in("admin@voicehive-hotels.eu", "admin123").await
}

async fn try_to_make_role(client: &Client, name: &str) -> Answer {
    let input = json!({ "name": name, "displayName": name, "permissions": [] });
    client.mutate("createRole", input, "role { name }").await
}

#[track_caller]
fn was_made(answer: &Answer) {
    assert!(answer.body["data"]["createRole"]["role"].is_object(), "{}", answer.body);
}

async fn has_role(client: &Client, name: &str) -> bool {
    // Not by the catalogue in memory, which holds all roles.
    let events = client
        .graphql(
            "query($f: AuditEventFilter) { auditEvents(first: 9, filter: $f) { nodes { detail } } }",
            json!({ "f": { "types": ["role_created"] } }),
        )
        .await;
    events.body["data"]["auditEvents"]["nodes"]
        .as_array()
        .is_some_and(|events| events.iter().any(|event| event["detail"].to_string().contains(name)))
}

/// How often this became of a read.
async fn replica_reads(program: &Program, outcome: &str) -> u64 {
    let metrics = program.client.get("/metrics").await.body;
    let start = format!("{REPLICA_READS}{{outcome=\"{outcome}\"}} ");
    let line =
        metrics.as_str().expect("text").lines().find_map(|line| line.strip_prefix(start.as_str()).map(str::to_owned));
    line.map_or(0, |number| number.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_read_from_where_it_has_all_that_was_written() {
    let pair = Pair::start().await;
    let (primary, replica) = (pair.socket("one"), pair.socket("two"));
    let program = serve(&[("DATABASE_HOST", &primary), ("VOICEHIVE_DATABASE__REPLICA_HOST", &replica)]);
    let admin = admin(&program).await;
    assert!(!has_role(&admin, "NONE").await);
    eventually("the replica answers", async || {
        has_role(&admin, "NONE").await;
        replica_reads(&program, "served").await > 0
    })
    .await;

    // It stands still: what was just written is found all the same, by everybody.
    pair.execute("two", "SELECT pg_wal_replay_pause()").await;
    let other = self::admin(&program).await;
    for name in ["FIRST", "SECOND", "THIRD"] {
        was_made(&try_to_make_role(&admin, name).await);
        assert!(has_role(&admin, name).await && has_role(&other, name).await, "{name}");
    }
    assert!(replica_reads(&program, "behind").await >= 6);
    pair.execute("two", "SELECT pg_wal_replay_resume()").await;
    let before = replica_reads(&program, "served").await;
    eventually("it answers again", async || {
        assert!(has_role(&admin, "THIRD").await);
        replica_reads(&program, "served").await > before
    })
    .await;

    // The log ends in the middle of a record, which the replica cannot replay before somebody commits: it has all that was
    // acknowledged, and answers.
    let mut writer = pair.superuser("one").await;
    writer.execute("CREATE TABLE scratch (n bigint)").await.expect("made");
    writer.execute("BEGIN").await.expect("begun");
    let mut was_so = false;
    let began = Instant::now();
    while !was_so {
        assert!(began.elapsed() < Duration::from_secs(20), "no read met a log that ends so");
        writer.execute("INSERT INTO scratch SELECT * FROM generate_series(1, 1000)").await.expect("written");
        eventually("the replica has all of it", async || pair.replica_received_all().await).await;
        let ended_so = pair.log_ends_within_a_record().await;
        let (served, behind) = (replica_reads(&program, "served").await, replica_reads(&program, "behind").await);
        assert!(has_role(&admin, "THIRD").await);
        let served = replica_reads(&program, "served").await - served;
        let behind = replica_reads(&program, "behind").await - behind;
        was_so = ended_so && pair.log_ends_within_a_record().await;
        assert!(!was_so || (served > 0 && behind == 0), "{served} served, and behind for {behind}");
    }
    drop(writer);

    // It is gone: nobody notices.
    pair.kill("two");
    for _ in 0..20 {
        assert!(has_role(&admin, "THIRD").await);
    }
    assert!(replica_reads(&program, "unavailable").await > 0);
    pair.restart("two");
    let before = replica_reads(&program, "served").await;
    eventually("it answers again", async || {
        assert!(has_role(&admin, "THIRD").await);
        replica_reads(&program, "served").await > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_the_server_goes_on_with_the_new_primary() {
    let pair = Pair::start().await;
    let hosts = format!("{},{}", pair.socket("one"), pair.socket("two"));
    let program = serve(&[("DATABASE_HOST", &hosts)]);
    let admin = admin(&program).await;
    was_made(&try_to_make_role(&admin, "BEFORE").await);
    eventually("the replica has it", async || {
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()";
        pair.ask(&mut pair.superuser("one").await, sql).await == 1
    })
    .await;
    pair.kill("one");
    let refused = try_to_make_role(&admin, "NOW");
    let refused = refused.await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "UNAVAILABLE"), "{}", refused.body);
    pair.promote("two");
    eventually("the session goes on, and writes", async || {
        try_to_make_role(&admin, "AFTER").await.body["data"]["createRole"]["role"].is_object()
    })
    .await;
    assert!(has_role(&admin, "BEFORE").await && has_role(&admin, "AFTER").await && !has_role(&admin, "NOW").await);
    // What is changed there is heard of.
    let another = self::admin(&program).await;
    another.query("mutation { logout(input: { allSessions: true }) { revokedSessions } }").await;
    eventually("it is signed out", async || !admin.is_signed_in().await).await;
    // A server that starts now finds it, too.
    assert!(self::admin(&serve(&[("DATABASE_HOST", &hosts)])).await.is_signed_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_may_give_every_transaction_another_connection() {
    let pair = Pair::start().await;
    let (pooler, primary) = (pair.pooler(), pair.socket("one"));
    let through = [
        ("DATABASE_HOST", pooler.as_str()),
        ("DATABASE_PORT", "6432"),
        ("VOICEHIVE_DATABASE__POOLER", "transaction"),
        ("VOICEHIVE_DATABASE__DIRECT_HOST", primary.as_str()),
        ("VOICEHIVE_DATABASE__STATEMENT_TIMEOUT", "1s"),
        ("VOICEHIVE_DATABASE__LOCK_TIMEOUT", "20s"),
    ];
    let (one, two) = (serve(&through), serve(&through));
    let (here, there) = (admin(&one).await, admin(&two).await);
    // Many at once, of both servers, on the two connections that the pooler has.
    let work = (0..40).map(|number| {
        let client = if number % 2 == 0 { here.clone() } else { there.clone() };
        tokio::spawn(async move {
            let name = format!("ROLE_{number}");
            was_made(&try_to_make_role(&client, &name).await);
            let users =
                client.query("{ users(first: 5) { nodes { email roles { name } hotels { nodes { id } } } } }").await;
            assert_eq!(users.data("/users/nodes").as_array().map(Vec::len), Some(3));
        })
    });
    for task in work.collect::<Vec<_>>() {
        task.await.expect("done");
    }
    // Changes are heard past it.
    let third = Client { address: there.address, ..admin(&one).await };
    assert!(third.is_signed_in().await);
    here.query("mutation { logout(input: { allSessions: true }) { revokedSessions } }").await;
    eventually("it is signed out on the other server", async || !third.is_signed_in().await).await;
    // And statements end in time, though the connections are not ours to set up.
    let admin = admin(&one).await;
    let mut blocker = pair.superuser_of("one", "voicehive").await;
    blocker.execute("BEGIN; LOCK TABLE roles IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let began = std::time::Instant::now();
    let refused = try_to_make_role(&admin, "LATE");
    let refused = refused.await;
    assert_eq!(refused.code(), "UNAVAILABLE", "{}", refused.body);
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "the limit for locks is twice as long");
}
