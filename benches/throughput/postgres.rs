//! A PostgreSQL of the benchmark's own, as durable as a fresh one is and with room for its tables. It ends with this process, however
//! that ends: a helper shell waits for the end of a pipe that only this process holds, then stops what it was told of.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use voicehive_identity::store::embedded::{DataDir, Embedded};

/// The embedded database's own settings but for memory, which is that of a server for millions of users. Nothing is bought
/// by losing what was acknowledged.
const SETTINGS: [&str; 12] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=100",
    "shared_buffers=2GB",
    "max_wal_size=8GB",
    "jit=off",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "ssl=off",
    "shared_preload_libraries=",
    "log_checkpoints=off",
];

pub struct Postgres {
    pub pid: u32,
    /// Beside pgbench.
    programs: PathBuf,
    pub sockets: PathBuf,
    process: Child,
    watchdog: Child,
}

impl Postgres {
    /// In `root`, which is removed in the end unless it is to be kept.
    pub async fn start(root: &Path, keep: bool) -> Self {
        // The library knows how to make a cluster, whoever we are; but it starts it small.
        let made = Embedded::start(&DataDir::Given(root.to_owned())).await.expect("PostgreSQL starts");
        let sockets = made.connect_options().get_socket().expect("a socket").clone();
        let cluster = root.join("postgres");
        let pid = fs::read_to_string(cluster.join("postmaster.pid")).expect("a pid file");
        let program = fs::read_link(format!("/proc/{}/exe", pid.lines().next().expect("a pid"))).expect("a program");
        made.stop().await;

        let owner = fs::metadata(&cluster).expect("the cluster");
        let mut command = Command::new(&program);
        command.arg("-D").arg(&cluster).args(["-p", "5432"]).current_dir("/").process_group(0);
        command.arg("-c").arg(format!("unix_socket_directories={}", sockets.display()));
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if owner.uid() != fs::metadata("/proc/self").expect("/proc").uid() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let log = fs::File::create(root.join("postgres-throughput.log")).expect("a log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        fs::create_dir_all(&sockets).expect("a folder for the socket");
        let process = command.spawn().expect("PostgreSQL starts");
        let watchdog = watch(root, keep);
        let programs = program.parent().expect("a folder").to_owned();
        let mut postgres = Self { pid: process.id(), programs, sockets, process, watchdog };
        postgres.end_with_us(postgres.pid);
        let deadline = Instant::now() + Duration::from_mins(5);
        while PgConnection::connect_with(&postgres.superuser()).await.is_err() {
            assert!(
                postgres.process.try_wait().expect("a status").is_none(),
                "PostgreSQL ended; see {}",
                root.display()
            );
            assert!(Instant::now() < deadline, "PostgreSQL does not take connections");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        postgres
    }

    /// Whatever ends this process ends that one; the last named first.
    pub fn end_with_us(&mut self, pid: u32) {
        let pipe = self.watchdog.stdin.as_mut().expect("a pipe");
        writeln!(pipe, "{pid}").expect("the watchdog listens");
    }

    pub fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.sockets).port(5432);
        options.ssl_mode(PgSslMode::Disable).username("voicehive").database("voicehive")
    }

    fn superuser(&self) -> PgConnectOptions {
        self.options().username("postgres")
    }

    /// Past every wall.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect_with(&self.superuser()).await.expect("connects")
    }

    /// pgbench on the same database and socket, past row-level security.
    pub fn pgbench(&self) -> Command {
        let beside = self.programs.join("pgbench");
        let mut command = Command::new(if beside.exists() { beside } else { PathBuf::from("pgbench") });
        command.arg("-h").arg(&self.sockets).args(["-p", "5432", "-U", "postgres"]);
        command.env("PGDATABASE", "voicehive").stdin(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The end of the pipe is what the watchdog waits for.
        drop(self.watchdog.stdin.take());
        // A postmaster that nobody waits for would look alive to it.
        let _ = self.process.wait();
        let _ = self.watchdog.wait();
    }
}

fn watch(root: &Path, keep: bool) -> Child {
    // Servers go first, so that they take leave of the database; SIGINT is PostgreSQL's fast shutdown.
    // A number that was given to another process since is known by when that began.
    let script = r#"
        began() { cut -d ')' -f 2- "/proc/$1/stat" | cut -d ' ' -f 21; }
        all=
        while read -r pid; do all="$pid:$(began "$pid") $all"; done
        for one in $all; do
            pid=${one%:*}
            [ "$(began "$pid")" = "${one#*:}" ] || continue
            kill -INT "$pid"
            tries=0
            while [ "$tries" -lt 1200 ] && [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status"; do
                sleep 0.05; tries=$((tries + 1))
            done
        done
        [ -n "$2" ] || rm -rf "$1""#;
    Command::new("sh")
        .args(["-c", script, "watchdog"])
        .arg(root)
        .arg(if keep { "keep" } else { "" })
        // Not in the terminal's group: Ctrl-C is for us.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the watchdog starts")
}
