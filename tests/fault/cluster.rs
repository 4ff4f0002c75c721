//! The cluster of `deploy/cluster`, and what can befall it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Where clients come in, and where each server is by itself.
pub const FRONT: &str = "http://127.0.0.1:7000";
pub const SERVERS: [&str; 3] = ["http://127.0.0.1:7101", "http://127.0.0.1:7102", "http://10.231.7.2:7103"];

/// Brought up; dropped, it is taken down.
pub struct Cluster {
    pub state: PathBuf,
}

/// Which of the two PostgreSQL servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    One,
    Two,
}

impl Node {
    pub fn other(self) -> Self {
        if self == Self::One { Self::Two } else { Self::One }
    }

    fn number(self) -> &'static str {
        if self == Self::One { "1" } else { "2" }
    }
}

fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/cluster").join(name));
    command.stdin(Stdio::null());
    command
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Cluster {
    /// `settings` are variables of the three servers.
    pub fn up(settings: &[(&str, &str)]) -> Self {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster.env");
        let lines: String = settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        std::fs::write(&file, lines).expect("written");
        let state = std::env::temp_dir().join("voicehive-cluster");
        let mut up = script("up");
        up.env("VOICEHIVE_BIN", env!("CARGO_BIN_EXE_voicehive")).env("CLUSTER_SERVER_ENV", &file);
        let up = up.env("CLUSTER_DIR", &state).stdout(Stdio::null()).status().expect("runs");
        assert!(up.success(), "the cluster does not come up");
        Self { state }
    }

    pub fn run(&self, name: &str, arguments: &[&str]) {
        let mut command = script(name);
        command.args(arguments).env("CLUSTER_DIR", &self.state);
        // Not kept open by what it starts.
        let status = command.stdout(Stdio::null()).status().expect("runs");
        assert!(status.success(), "{name} {arguments:?}");
    }

    /// What a shell says, with `$state` being the cluster's folder.
    pub fn shell(&self, text: &str) -> String {
        succeeds(&Command::new("sh").args(["-euc", text]).env("state", &self.state).output().expect("runs"))
    }

    pub fn kill_server(&self, number: &str) {
        self.run("server", &["kill", number]);
    }

    pub fn start_server(&self, number: &str) {
        self.run("server", &["start", number]);
    }

    pub fn stop_server(&self, number: &str) {
        self.run("server", &["stop", number]);
    }

    pub fn kill_node(&self, node: Node) {
        self.run("node", &["kill", node.number()]);
    }

    pub fn stop_node(&self, node: Node) {
        self.run("node", &["stop", node.number()]);
    }

    pub fn start_node(&self, node: Node) {
        self.run("node", &["start", node.number()]);
    }

    /// Sends a signal to every process of a node's PostgreSQL, and none of Patroni's.
    pub fn signal_postgresql(&self, node: Node, signal: &str) {
        let number = node.number();
        self.shell(&format!(
            "main=$(head -n 1 $state/pg{number}/postmaster.pid); kill -{signal} $main $(pgrep -P $main | tr '\\n' ' ')"
        ));
    }

    pub fn folder(&self, node: Node) -> PathBuf {
        self.state.join(format!("pg{}", node.number()))
    }

    /// What the primary says to a superuser, past every policy.
    pub fn ask(&self, sql: &str) -> String {
        let psql = r#"psql=$(command -v psql || ls /usr/lib/postgresql/*/bin/psql | sort -V | tail -n 1)
            PGPASSWORD=$(cat $state/password) exec "$psql" -h 127.0.0.1 -p 7132 -U postgres -d voicehive -XAtq -v ON_ERROR_STOP=1 -c "$sql""#;
        let output = Command::new("sh").args(["-euc", psql]).env("state", &self.state).env("sql", sql).output();
        succeeds(&output.expect("runs"))
    }

    /// Asks Patroni whether this node is what the path says.
    pub async fn is(&self, node: Node, path: &str) -> bool {
        let url = format!("http://127.0.0.1:700{}/{path}", node.number());
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build().expect("a client");
        client.get(url).send().await.is_ok_and(|answer| answer.status() == 200)
    }

    pub async fn primary(&self) -> Node {
        if self.is(Node::One, "primary").await { Node::One } else { Node::Two }
    }

    /// Waits until everything is as after `up`: three servers ready, a primary, and a replica that has all of it.
    pub async fn is_whole(&self) {
        eventually("every server is ready, and the replica follows", Duration::from_secs(90), async || {
            let primary = self.primary().await;
            self.is(primary, "primary").await && self.is(primary.other(), "sync").await && all_ready().await
        })
        .await;
    }

    /// Whether the whole of the audit trail is as it was sealed.
    pub fn verify_audit(&self) -> String {
        // With the settings of a server, and the clock of this machine.
        self.shell("set -a; . $state/server1.env; unset LD_PRELOAD; exec $state/voicehive audit verify")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What was written down is looked at first.
            let _ = Command::new("sh")
                .args(["-c", "rm -rf $state.failed; mkdir $state.failed; cp $state/*.log $state.failed/"])
                .env("state", &self.state)
                .status();
        }
        let _ = script("down").env("CLUSTER_DIR", &self.state).status();
    }
}

async fn all_ready() -> bool {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(4)).build().expect("a client");
    for server in SERVERS {
        let answer = client.get(format!("{server}/readyz")).send().await;
        if !answer.is_ok_and(|answer| answer.status() == 200) {
            return false;
        }
    }
    let up = client.get("http://127.0.0.1:7009/;csv").send().await;
    let Ok(up) = up else { return false };
    // And HAProxy sends requests to each of them.
    let text = up.text().await.unwrap_or_default();
    text.lines().filter(|line| line.starts_with("servers,server") && line.contains(",UP,")).count() == SERVERS.len()
}

pub async fn eventually<F: Future<Output = bool>>(what: &str, limit: Duration, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + limit;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What `data` holds under a path such as `login.user.id`.
pub fn text<'a>(data: &'a Value, path: &str) -> &'a str {
    path.split('.').fold(data, |value, name| &value[name]).as_str().unwrap_or_default()
}
