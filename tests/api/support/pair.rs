//! Two PostgreSQL servers, the second a streaming replica of the first, and a PgBouncer before the first.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};

use super::{cluster_folder, eventually};

static NEXT: AtomicUsize = AtomicUsize::new(0);

pub struct Pair {
    pub folder: PathBuf,
}

/// What each step below begins with: the folder, and the programs as an account that may run them.
const PROGRAMS: &str = r#"
    set -eu
    cd "$1"
    initdb=$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    binaries=$(dirname "$(readlink -f "$initdb")")
    run() { "$@"; }
    if [ "$(id -u)" = 0 ]; then run() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }; fi
    start() {
        run "$binaries/pg_ctl" -D "$1" -w -s -l "$1.log" -o "-c listen_addresses= -c unix_socket_directories=$PWD/$1-socket -c fsync=off" start
    }
"#;

const MAKE: &str = r#"
    mkdir one-socket two-socket pooler
    if [ "$(id -u)" = 0 ]; then chown postgres . one-socket two-socket pooler; fi
    run "$binaries/initdb" -D one -U postgres --auth=trust --encoding=UTF8 >/dev/null
    start one
    run "$binaries/psql" -q -h "$PWD/one-socket" -U postgres -c "CREATE ROLE voicehive LOGIN CREATEROLE" -c "CREATE DATABASE voicehive OWNER voicehive"
    run "$binaries/pg_basebackup" -h "$PWD/one-socket" -U postgres -D two -R -c fast
    start two
    cat >pooler/pgbouncer.ini <<INI
[databases]
voicehive = host=$PWD/one-socket
[pgbouncer]
listen_addr =
unix_socket_dir = $PWD/pooler
listen_port = 6432
auth_type = any
pool_mode = transaction
; Two for everybody, so that each transaction gets what another one has just left.
default_pool_size = 2
ignore_startup_parameters = extra_float_digits
pidfile = $PWD/pooler/pid
logfile = $PWD/pooler/log
INI
    sed -i 's/^voicehive = .*/& user=voicehive/' pooler/pgbouncer.ini
    run "$(command -v pgbouncer || echo /usr/sbin/pgbouncer)" -q -d pooler/pgbouncer.ini
"#;

const END: &str = r#"
    for server in one two; do run "$binaries/pg_ctl" -D "$server" -s -m immediate stop || true; done
    kill "$(cat pooler/pid)" || true
"#;

impl Pair {
    pub async fn start() -> Self {
        let pair = Self { folder: cluster_folder().join(format!("pair-{}", NEXT.fetch_add(1, Ordering::Relaxed))) };
        fs::create_dir_all(&pair.folder).expect("a folder");
        pair.run(MAKE);
        eventually("the replica follows", async || {
            let count = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
            pair.ask(&mut pair.superuser("one").await, count).await == 1
        })
        .await;
        pair
    }

    /// The folder of a server's socket, as DATABASE_HOST takes it.
    pub fn socket(&self, server: &str) -> String {
        self.folder.join(format!("{server}-socket")).display().to_string()
    }

    pub fn pooler(&self) -> String {
        self.folder.join("pooler").display().to_string()
    }

    pub async fn superuser(&self, server: &str) -> PgConnection {
        self.superuser_of(server, "postgres").await
    }

    pub async fn superuser_of(&self, server: &str, database: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass().socket(self.socket(server)).port(5432);
        PgConnection::connect_with(&options.username("postgres").database(database)).await.expect("connects")
    }

    pub async fn ask(&self, connection: &mut PgConnection, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(connection).await.expect(sql)
    }

    pub async fn execute(&self, server: &str, sql: &'static str) {
        self.superuser(server).await.execute(sql).await.expect(sql);
    }

    async fn positions(&self) -> (i64, i64, i64) {
        let (mut one, mut two) = (self.superuser("one").await, self.superuser("two").await);
        let written = self.ask(&mut one, "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint").await;
        let received = self.ask(&mut two, "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint").await;
        (written, received, self.ask(&mut two, "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint").await)
    }

    /// Whether the replica has got all that the primary has written of its log.
    pub async fn replica_received_all(&self) -> bool {
        let (written, received, _) = self.positions().await;
        written == received
    }

    /// Whether it has got all of that, and cannot replay it to the end.
    pub async fn log_ends_within_a_record(&self) -> bool {
        let (written, received, replayed) = self.positions().await;
        written == received && replayed < written
    }

    /// As it goes when a machine is lost.
    pub fn kill(&self, server: &str) {
        self.run(&format!(r#"kill -9 $(head -n 1 {server}/postmaster.pid); run "$binaries/pg_ctl" -D {server} -s -m immediate stop || true"#));
    }

    pub fn restart(&self, server: &str) {
        self.run(&format!("start {server}"));
    }

    pub fn promote(&self, server: &str) {
        self.run(&format!(r#"run "$binaries/pg_ctl" -D {server} -w -s promote"#));
    }

    fn run(&self, script: &str) {
        // To files: a server that is started keeps what it was given open.
        let log = fs::File::create(self.folder.with_extension("log")).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{PROGRAMS}{script}"), "pair"]).arg(&self.folder).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        let status = command.status().expect("runs");
        let told = || fs::read_to_string(self.folder.with_extension("log")).unwrap_or_default();
        assert!(status.success(), "{script}: {}", told());
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.run(END);
    }
}
