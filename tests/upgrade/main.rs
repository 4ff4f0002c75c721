//! A rolling upgrade: the release before this one and this one, side by side on this one's schema. On its own, because the
//! other release is built first: `make upgrade-test`.

#[path = "../api/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other black-box tests, which use all of it")]
mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Client, PASSWORD, Program, TestDatabase, eventually, one_line, voicehive};

const ADMIN: (&str, &str) = ("admin@voicehive-hotels.eu", "admin123");

/// The same command by the release before.
fn before(command: &Command) -> Command {
    let program = std::env::var("VOICEHIVE_PREVIOUS").expect("VOICEHIVE_PREVIOUS: make upgrade-test builds it");
    let mut other = Command::new(program);
    other.args(command.get_args()).env_clear();
    other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    other
}

fn serve(database: &TestDatabase) -> Command {
    let mut command = voicehive(&database.options, &["serve"]);
    command.env("VOICEHIVE_AUTH__ENFORCE_PASSWORD_CHANGE", "false").env("VOICEHIVE_LOG__LEVEL", "warn");
    command.env("VOICEHIVE_LIMITS__REQUESTS_PER_MINUTE", "100000").env("VOICEHIVE_LIMITS__REQUEST_BURST", "100000");
    command.env("VOICEHIVE_LIMITS__CHANGES_PER_MINUTE", "100000");
    command
}

/// Adds users and looks at them again, until it is told to stop; whatever is not as it should be ends it.
async fn work(client: Client, name: &'static str, stop: Arc<AtomicBool>, added: Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let email = format!("{name}-{}@example.org", added.fetch_add(1, Ordering::Relaxed));
        let input = json!({ "email": email, "password": PASSWORD, "hotels": ["hotel:hotel-001"] });
        let answer = client.mutate("createUser", input, "user { id }").await;
        Client::done(&answer, "createUser");
        let found =
            client.graphql("query($by: UserBy!) { user(by: $by) { email } }", json!({ "by": { "email": email } }));
        assert_eq!(found.await.data("/user/email"), &json!(email));
    }
}

async fn users(client: &Client) -> u64 {
    let answer = client.query("{ users(first: 1) { totalCount } }").await;
    answer.data("/users/totalCount").as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_releases_serve_side_by_side() {
    let database = TestDatabase::create_empty().await;
    let old = Program::start(before(&serve(&database)));
    let old_admin = old.client.clone().sign_in(ADMIN.0, ADMIN.1).await;
    let users_before = users(&old_admin).await;
    let (stop, added) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let working = tokio::spawn(work(old_admin.clone(), "old", stop.clone(), added.clone()));
    eventually("the old one is at work", async || added.load(Ordering::Relaxed) > 3).await;

    // It migrates the database while the other one works.
    let new = tokio::task::spawn_blocking({
        let command = serve(&database);
        move || Program::start(command)
    });
    let new = new.await.expect("it serves");
    let migrated = added.load(Ordering::Relaxed);
    let new_admin = new.client.clone().sign_in(ADMIN.0, ADMIN.1).await;
    let also_working = tokio::spawn(work(new_admin.clone(), "new", stop.clone(), added.clone()));

    for (one, other) in [(&old, &new), (&new, &old)] {
        // What one signs the other takes, tokens and all.
        let here = one.client.clone().sign_in(ADMIN.0, ADMIN.1).await;
        let there = Client { access_token: here.access_token.clone(), ..other.client.clone() };
        assert!(there.is_signed_in().await);
        let there = Client { refresh_token: here.refresh_token.clone(), ..there }.refresh().await;
        let session = there.query("{ me { sessions(first: 1) { nodes { id } } } }").await;
        // And takes no longer when one ends it.
        let id = session.data("/me/sessions/nodes/0/id");
        let ended = here.mutate("revokeSession", json!({ "id": id }), "session { status }").await;
        Client::done(&ended, "revokeSession");
        let ended_at = Instant::now();
        while there.is_signed_in().await {
            assert!(ended_at.elapsed() < Duration::from_secs(1), "it is still taken");
        }
    }
    eventually("both have gone on", async || added.load(Ordering::Relaxed) > migrated + 50).await;

    // One that starts now is told which release it needs; and the one that serves goes on.
    let refused = before(&serve(&database)).output().expect("runs");
    assert!(one_line(&refused).contains("newer release"), "{refused:?}");
    assert!(old_admin.is_signed_in().await);

    stop.store(true, Ordering::Relaxed);
    working.await.expect("nothing was amiss");
    also_working.await.expect("nothing was amiss");
    drop(old);
    assert_eq!(users(&new_admin).await, users_before + added.load(Ordering::Relaxed));
    // What both have written to the trail is one chain.
    eventually("the trail is sealed", async || {
        let verified = voicehive(&database.options, &["audit", "verify", "--json"]).output().expect("runs");
        assert!(verified.status.success(), "{verified:?}");
        let told: serde_json::Value = serde_json::from_slice(&verified.stdout).expect("JSON");
        told["unsealed"] == 0
    })
    .await;
}
