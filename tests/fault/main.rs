//! `make fault-test`: a cluster of real programs on this machine, clients that never stop, and one thing after another that goes
//! wrong. What was acknowledged is there afterwards, once; nothing that was revoked is taken for longer than it may be.

mod cluster;
mod load;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cluster::{Cluster, eventually};
use load::{Client, Ledger, Load, lock};

/// A revocation reaches every server within this time, whatever goes wrong.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);
/// After Patroni has made a new primary, writes are taken again within this time.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// How long the load runs before and after what goes wrong.
const CALM: Duration = Duration::from_secs(3);

const SETTINGS: [(&str, &str); 11] = [
    ("VOICEHIVE_AUTH__ENFORCE_PASSWORD_CHANGE", "false"),
    // Clients here are one address, and as many as a town.
    ("VOICEHIVE_LIMITS__REQUESTS_PER_MINUTE", "1000000"),
    ("VOICEHIVE_LIMITS__REQUEST_BURST", "1000000"),
    ("VOICEHIVE_LIMITS__CHANGES_PER_MINUTE", "1000000"),
    ("VOICEHIVE_LIMITS__SIGN_INS_PER_USER", "1000000"),
    ("VOICEHIVE_LIMITS__SIGN_INS_PER_ADDRESS", "1000000"),
    ("VOICEHIVE_LIMITS__REFRESHES_PER_MINUTE", "1000000"),
    ("VOICEHIVE_LIMITS__NEW_DOCUMENTS_PER_MINUTE", "1000000"),
    ("VOICEHIVE_HTTP__MAX_REQUESTS_PER_ADDRESS", "1000"),
    ("VOICEHIVE_DATABASE__STATEMENT_TIMEOUT", "5s"),
    ("VOICEHIVE_DATABASE__LOCK_TIMEOUT", "3s"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    KillServer,
    RollingRestart,
    KillPrimary,
    StopReplica,
    FreezePostgresql,
    RestartPooler,
    CutServerOff,
    FillDisk,
    JumpClock,
}

const FAULTS: [(Fault, &str); 10] = [
    (Fault::None, "none"),
    (Fault::KillServer, "kill -9 a server"),
    (Fault::RollingRestart, "SIGTERM each server in turn"),
    (Fault::KillPrimary, "kill -9 the primary, fail over"),
    (Fault::StopReplica, "stop the replica"),
    (Fault::FreezePostgresql, "freeze PostgreSQL for 10 s"),
    (Fault::RestartPooler, "kill -9 PgBouncer"),
    (Fault::CutServerOff, "cut a server off its database"),
    (Fault::FillDisk, "fill the disk of the audit trail"),
    (Fault::JumpClock, "a server's clock jumps 2 min"),
];

#[tokio::main]
async fn main() {
    let only = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let cluster = Cluster::up(&SETTINGS);
    let setting_up = Client::new(Arc::default());
    let (admin, ..) = setting_up.sign_in("admin@voicehive-hotels.eu", "admin123").await.expect("signed in");
    let mut users = Vec::new();
    for number in 0..10 {
        let email = format!("clerk-{number}@example.org");
        users.push((email.clone(), admin.add_user(&email).await));
    }
    println!(
        "{:<34} {:>9} {:>13} {:>11} {:>5} {:>8} {:>6} {:>15} {:>16}",
        "fault",
        "requests",
        "acknowledged",
        "unanswered",
        "lost",
        "doubled",
        "wrong",
        "revoked within",
        "without service"
    );
    let mut problems = Vec::new();
    for (fault, name) in FAULTS {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        problems.extend(prove(&cluster, fault, name, &users).await);
    }
    println!("{}", cluster.verify_audit());
    for problem in &problems {
        println!("{problem}");
    }
    assert!(problems.is_empty(), "{} problems", problems.len());
}

/// Runs the load through one fault; what is not as it should be.
async fn prove(cluster: &Cluster, fault: Fault, name: &str, users: &[(String, String)]) -> Vec<String> {
    cluster.is_whole().await;
    let ledger = Arc::new(Ledger::default());
    let stranger = Client::new(ledger.clone());
    let (admin, ..) = stranger.sign_in("admin@voicehive-hotels.eu", "admin123").await.expect("signed in");
    let load = Load::start(&admin, users);
    tokio::time::sleep(CALM).await;
    let promoted_at = happen(cluster, fault).await;
    tokio::time::sleep(CALM).await;
    cluster.is_whole().await;
    tokio::time::sleep(CALM).await;
    load.end().await;

    let mut problems: Vec<String> = lock(&ledger.wrong).iter().map(|wrong| format!("{name}: {wrong}")).collect();
    let wrong = problems.len();
    let (lost, doubled) = compare(cluster, &ledger, &mut problems);
    let (requests, acknowledged) =
        (ledger.requests.load(Ordering::Relaxed), ledger.acknowledged.load(Ordering::Relaxed));
    let (unanswered, honoured, gap) = (requests - acknowledged, *lock(&ledger.honoured), ledger.longest_gap());
    println!(
        "{name:<34} {requests:>9} {acknowledged:>13} {unanswered:>11} {lost:>5} {doubled:>8} {wrong:>6} {:>12} ms {:>14.1} s",
        honoured.as_millis(),
        gap.as_secs_f64()
    );
    if honoured > REVOKED_WITHIN {
        problems.push(format!("{name}: a token was taken {honoured:?} after its revocation"));
    }
    if matches!(fault, Fault::None | Fault::RollingRestart) && unanswered > 0 {
        problems.push(format!("{name}: {unanswered} requests failed"));
    }
    if let Some(promoted_at) = promoted_at {
        let back_at = lock(&ledger.written_at).iter().copied().find(|written_at| *written_at > promoted_at);
        match back_at.map(|back_at| back_at - promoted_at) {
            Some(back) if back <= BACK_WITHIN => println!("{:<34} writes are taken {back:.1?} after the promotion", ""),
            late => problems.push(format!("{name}: writes were taken again {late:?} after the promotion")),
        }
    }
    problems
}

/// Has it happen, and be over. The moment at which a new primary was made, where one was.
async fn happen(cluster: &Cluster, fault: Fault) -> Option<Instant> {
    let seconds = |count| tokio::time::sleep(Duration::from_secs(count));
    match fault {
        Fault::None => seconds(5).await,
        Fault::KillServer => {
            cluster.kill_server("1");
            seconds(3).await;
            cluster.start_server("1");
        }
        Fault::RollingRestart => {
            for number in ["1", "2", "3"] {
                cluster.stop_server(number);
                cluster.start_server(number);
                // As an orchestrator does it: the next one when this one is being used.
                cluster.is_whole().await;
            }
        }
        Fault::KillPrimary => {
            let primary = cluster.primary().await;
            cluster.kill_node(primary);
            eventually("the other one is promoted", Duration::from_secs(60), async || {
                cluster.is(primary.other(), "primary").await
            })
            .await;
            let promoted_at = Instant::now();
            seconds(8).await;
            cluster.start_node(primary);
            return Some(promoted_at);
        }
        Fault::StopReplica => {
            let replica = cluster.primary().await.other();
            cluster.stop_node(replica);
            seconds(5).await;
            cluster.start_node(replica);
        }
        Fault::FreezePostgresql => {
            let primary = cluster.primary().await;
            cluster.signal_postgresql(primary, "STOP");
            seconds(10).await;
            cluster.signal_postgresql(primary, "CONT");
        }
        Fault::RestartPooler => {
            cluster.run("pooler", &["kill"]);
            seconds(2).await;
            cluster.run("pooler", &["start"]);
        }
        Fault::CutServerOff => {
            cluster.shell("ip link set vh-database down");
            seconds(8).await;
            cluster.shell("ip link set vh-database up");
        }
        Fault::FillDisk => fill_disk(cluster).await,
        Fault::JumpClock => {
            cluster.shell("echo +120 >$state/clock2");
            seconds(8).await;
            cluster.shell("echo +0 >$state/clock2");
        }
    }
    None
}

/// The current month of the audit trail lies on a disk of its own, which is then full for a while.
async fn fill_disk(cluster: &Cluster) {
    let month = cluster.ask("SELECT tableoid::regclass FROM audit_events ORDER BY occurred_at DESC LIMIT 1");
    cluster.ask("CREATE TABLESPACE small LOCATION ''");
    let oid = cluster.ask("SELECT oid FROM pg_tablespace WHERE spcname = 'small'");
    let place = cluster.folder(cluster.primary().await).join("pg_tblspc").join(oid);
    let place = place.display();
    cluster.shell(&format!(
        "inside=$(ls {place}); mount -t tmpfs -o size=24m,mode=700,uid=postgres,gid=postgres tmpfs {place}
         install -d -o postgres -g postgres -m 700 {place}/$inside"
    ));
    cluster.ask(&format!("ALTER TABLE {month} SET TABLESPACE small"));
    cluster.shell(&format!("dd if=/dev/zero of={place}/filler bs=8k 2>/dev/null || true"));
    tokio::time::sleep(Duration::from_secs(8)).await;
    cluster.shell(&format!("rm {place}/filler"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.ask(&format!("ALTER TABLE {month} SET TABLESPACE pg_default"));
    cluster.ask("CHECKPOINT");
    // Whoever has still open what was there keeps it until they close it.
    cluster.shell(&format!("umount -l {place}"));
    cluster.ask("DROP TABLESPACE small");
}

/// What was acknowledged beside what is there; how much was lost, and how much was done twice.
fn compare(cluster: &Cluster, ledger: &Ledger, problems: &mut Vec<String>) -> (usize, usize) {
    let (mut lost, mut doubled) = (0, 0);
    let rows = cluster.ask("SELECT name || ' ' || count(*) FROM api_keys WHERE service_name = 'load' GROUP BY name");
    let there: BTreeMap<&str, u64> = rows
        .lines()
        .filter_map(|row| row.split_once(' '))
        .map(|(name, count)| (name, count.parse().expect("a number")))
        .collect();
    for (name, acknowledged) in lock(&ledger.keys).iter() {
        let count = there.get(name.as_str()).copied().unwrap_or(0);
        if count == 0 && *acknowledged {
            lost += 1;
            problems.push(format!("the key {name} is lost"));
        }
        if count > 1 {
            doubled += 1;
            problems.push(format!("the key {name} is there {count} times"));
        }
    }
    // Each has left its trace, once.
    let traces = cluster.ask(
        "SELECT count(*) FROM api_keys FULL JOIN (SELECT subject FROM audit_events WHERE type = 'api_key_created') AS events
             ON subject = 'apikey:' || id WHERE id IS NULL OR subject IS NULL",
    );
    if traces != "0" {
        problems.push(format!("{traces} keys or audit events are without the other"));
    }
    let sessions = cluster.ask("SELECT 'session:' || id FROM user_sessions");
    let sessions: std::collections::BTreeSet<&str> = sessions.lines().collect();
    for session in lock(&ledger.sessions).iter().filter(|session| !sessions.contains(session.as_str())) {
        lost += 1;
        problems.push(format!("{session} is lost"));
    }
    for (user, number) in lock(&ledger.last_names).iter() {
        let id = user.trim_start_matches("user:");
        let now = cluster.ask(&format!("SELECT last_name FROM users WHERE id = '{id}'"));
        // One more may have been done, of which nobody was told.
        if now != number.to_string() && now != (number + 1).to_string() {
            lost += 1;
            problems.push(format!("{user} is called {now}, and {number} was acknowledged last"));
        }
    }
    (lost, doubled)
}
