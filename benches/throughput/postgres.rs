//! A PostgreSQL of the benchmark's own, as durable as a fresh one is and with room for its tables. It ends with this process, however
//! that ends: a helper shell waits for the end of a pipe that only this process holds, then stops what it was told of.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
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

        let watchdog = watch(root, keep);
        let programs = program.parent().expect("a folder").to_owned();
        fs::create_dir_all(&sockets).expect("a folder for the socket");
        let process = spawn(&programs, &cluster, &sockets, &root.join("postgres-throughput.log"));
        let mut postgres = Self { pid: process.id(), programs, sockets, process, watchdog };
        postgres.end_with_us(postgres.pid);
        postgres.takes_connections(root).await;
        postgres
    }

    /// A replica of this one, in a folder of its own that is made anew.
    pub async fn replica(&self, root: &Path) -> Self {
        let (folder, sockets) = (root.join("replica"), root.join("replica-socket"));
        for made in [&folder, &sockets] {
            let _ = fs::remove_dir_all(made);
            fs::DirBuilder::new().mode(0o700).create(made).expect("a folder");
            let owner = fs::metadata(&self.sockets).expect("the primary's folder");
            std::os::unix::fs::chown(made, Some(owner.uid()), Some(owner.gid())).expect("a folder of PostgreSQL's");
        }
        let mut copy = Command::new(self.programs.join("pg_basebackup"));
        copy.args(["-h"])
            .arg(&self.sockets)
            .args(["-p", "5432", "-U", "postgres", "-R", "-c", "fast", "-D"])
            .arg(&folder);
        let copied = as_owner(copy.current_dir("/"), &folder).status().expect("runs");
        assert!(copied.success(), "the primary is copied");
        let process = spawn(&self.programs, &folder, &sockets, &root.join("replica.log"));
        let watchdog = watch(&folder, false);
        let mut replica = Self { pid: process.id(), programs: self.programs.clone(), sockets, process, watchdog };
        replica.end_with_us(replica.pid);
        replica.takes_connections(root).await;
        replica
    }

    async fn takes_connections(&mut self, root: &Path) {
        let deadline = Instant::now() + Duration::from_mins(5);
        while PgConnection::connect_with(&self.superuser()).await.is_err() {
            assert!(self.process.try_wait().expect("a status").is_none(), "PostgreSQL ended; see {}", root.display());
            assert!(Instant::now() < deadline, "PostgreSQL does not take connections");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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

/// As the account that owns the folder.
fn as_owner<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    let owner = fs::metadata(folder).expect("the cluster");
    if owner.uid() == fs::metadata("/proc/self").expect("/proc").uid() {
        return command;
    }
    command.uid(owner.uid()).gid(owner.gid())
}

fn spawn(programs: &Path, cluster: &Path, sockets: &Path, log: &Path) -> Child {
    let mut command = Command::new(programs.join("postgres"));
    command.arg("-D").arg(cluster).args(["-p", "5432"]).current_dir("/").process_group(0);
    command.arg("-c").arg(format!("unix_socket_directories={}", sockets.display()));
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    let log = fs::File::create(log).expect("a log");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    as_owner(&mut command, cluster).spawn().expect("PostgreSQL starts")
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
