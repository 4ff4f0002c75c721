//! Work in the background where several servers share a database: each piece of it is done once, by whoever comes to it, and by
//! another one where that server is lost in the middle.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor;

use super::support::{Setup, TestApp, TestDatabase, connect_as, eventually};

const UNSEALED: &str = "SELECT count(*) FROM audit_events_unsealed";

async fn three_servers() -> [TestApp; 3] {
    let database = Arc::new(TestDatabase::create().await);
    let start = async || TestApp::start_on(database.clone(), Setup::usual()).await;
    [start().await, start().await, start().await]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_swept_once() {
    let servers = three_servers().await;
    for _ in 0..20 {
        servers[0].admin().await;
    }
    for (days, state) in [(8, "NOT active"), (100, "true")] {
        let before = servers[0].count("SELECT count(*) FROM user_sessions").await;
        let sweeps = servers.each_ref().map(|server| {
            server.clock.advance(Duration::from_hours(24 * days));
            let identity = server.identity.clone();
            tokio::spawn(async move { identity.sweep().await })
        });
        let (mut expired, mut deleted) = (0, 0);
        for sweep in sweeps {
            let swept = sweep.await.expect("ends").expect("swept");
            expired += swept.expired;
            deleted += swept.deleted;
        }
        let left = servers[0].count(&format!("SELECT count(*) FROM user_sessions WHERE {state}")).await;
        let told = i64::try_from(expired + deleted).expect("a number");
        let expected = if state == "true" { before - left } else { left };
        assert_eq!((told, expected), (20, 20), "after {days} days");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_lost_in_the_middle_of_its_work_holds_up_nobody() {
    let [one, ..] = three_servers().await;
    one.admin().await;
    // Another server at work, which will never end it.
    let mut lost = connect_as(&one.database, "voicehive").await;
    lost.execute("BEGIN").await.expect("begun");
    for work in [b"voicesea", b"voicepar"] {
        let lock = i64::from_be_bytes(*work);
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(&mut lost).await.expect("locked");
    }
    one.identity.seal_audit_events().await.expect("left to the other one");
    assert!(one.count(UNSEALED).await > 0, "the other one is at it");
    one.clock.advance(Duration::from_hours(24 * 365));
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_events'::regclass";
    let made = one.count(partitions).await;
    one.identity.keep_audit_partitions().await.expect("left to the other one");
    assert_eq!(one.count(partitions).await, made, "the other one is at it");

    // As PostgreSQL sees it when a machine is gone: its connection ends, and with it the transaction.
    drop(lost);
    eventually("what was not sealed is", async || {
        one.identity.seal_audit_events().await.expect("sealed");
        one.count(UNSEALED).await == 0
    })
    .await;
    one.identity.keep_audit_partitions().await.expect("kept");
    assert!(one.count(partitions).await > made);
}
