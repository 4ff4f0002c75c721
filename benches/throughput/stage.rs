//! Everything that a measurement needs, started in order: PostgreSQL, a world in it, the server, and people signed in.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::closed_loop::{self, Outcome, Until};
use crate::cpu::{self, Spent};
use crate::floor::Floor;
use crate::postgres::Postgres;
use crate::proxy::Proxy;
use crate::server::{Callers, Server, program};
use crate::workloads::{Target, Workload};
use crate::world::{Names, World};

/// Servers end before the database that they use: fields are dropped in this order.
pub struct Stage {
    pub server: Server,
    /// The least that a server of the same libraries does.
    pub bare: Server,
    pub target: Arc<Target>,
    pub floor: Floor,
    pub postgres: Postgres,
    binary: PathBuf,
    root: PathBuf,
}

/// How large a world, and where.
pub struct Size<'a> {
    pub users: u64,
    pub sessions: u64,
    pub events: u64,
    /// Worlds in here are used again.
    pub keep: Option<&'a Path>,
}

fn open_folder(path: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path).expect("a folder");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("an open folder");
}

impl Stage {
    pub async fn start(size: &Size<'_>, binary: &Path) -> Self {
        let name = format!("{}-{}-{}", size.users, size.sessions, size.events);
        let root = match size.keep {
            Some(folder) => {
                open_folder(folder);
                folder.canonicalize().expect("a folder").join(name)
            }
            None => std::env::temp_dir().join(format!("voicehive-throughput-{}-{name}", std::process::id())),
        };
        let finished = root.join("world.json");
        if !finished.exists() {
            // What was broken off is of no use.
            let _ = fs::remove_dir_all(&root);
        }
        let mut postgres = Postgres::start(&root, size.keep.is_some()).await;
        let files = root.join("server");
        let migrated =
            program(binary, &files, &postgres.options()).args(["database", "migrate"]).output().expect("runs");
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        let names = Names::new();
        let world = if let Ok(text) = fs::read_to_string(&finished) {
            serde_json::from_str(&text).expect("as it was written")
        } else {
            eprintln!("making {} users, {} sessions and {} audit events", size.users, size.sessions, size.events);
            let begun = std::time::Instant::now();
            let world = World::load(size.users, size.sessions, size.events, &names, &postgres).await;
            fs::write(&finished, serde_json::to_string(&world).expect("JSON")).expect("a file");
            eprintln!("made in {:.0} s", begun.elapsed().as_secs_f64());
            world
        };
        let server = Server::start(program(binary, &files, &postgres.options()), &root.join("server.log"));
        postgres.end_with_us(server.pid);
        let callers = Callers::sign_in(&server, &world, &names).await;
        let floor = Floor::new(&root.join("pgbench"), &world, &names, &postgres).await;
        let target = Arc::new(Target { world, names, callers });
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("--bare").arg(&postgres.sockets).stdin(Stdio::null());
        let bare = Server::start(command, &root.join("bare.log"));
        postgres.end_with_us(bare.pid);
        Self { server, bare, target, floor, postgres, binary: binary.to_owned(), root }
    }

    /// One more server, with these settings beside the usual ones.
    pub fn another_server(&mut self, name: &str, settings: &[(&str, &str)]) -> Server {
        let mut command = program(&self.binary, &self.root.join("server"), &self.postgres.options());
        command.envs(settings.iter().copied());
        let server = Server::start(command, &self.root.join(format!("{name}.log")));
        self.postgres.end_with_us(server.pid);
        server
    }

    pub async fn replica(&self) -> Postgres {
        self.postgres.replica(&self.root).await
    }

    pub async fn load(&self, workload: Workload, connections: usize, until: Until) -> Outcome {
        closed_loop::run(self.server.address, &self.target, workload, connections, until).await
    }

    /// Microseconds of processor time that an answer of the bare server takes, PostgreSQL's included; None for what it does
    /// not answer.
    pub async fn bare_cost(&self, workload: Workload, connections: usize, length: Duration) -> Option<f64> {
        if !matches!(workload, Workload::Page | Workload::User | Workload::Staff) {
            return None;
        }
        let before = cpu::spent(self.bare.pid, self.postgres.pid);
        let outcome =
            closed_loop::run(self.bare.address, &self.target, workload, connections, Until::Over(length)).await;
        let spent = cpu::spent(self.bare.pid, self.postgres.pid) - before;
        Some((spent.server + spent.postgres) * 1e6 / cpu::as_f64(outcome.requests))
    }

    pub fn spent(&self) -> Spent {
        cpu::spent(self.server.pid, self.postgres.pid)
    }

    /// How often a second server waits for the database to answer one request, everything about it included: the check of
    /// the caller, the transaction's begin and end, and the look at the connection that comes back.
    pub async fn trips(&mut self, workloads: &[Workload]) -> Vec<f64> {
        const REQUESTS: u64 = 20;
        let proxy = Proxy::before(&self.postgres.options()).await;
        let mut command = program(&self.binary, &self.root.join("server"), &proxy.options(&self.postgres.options()));
        // One connection: whatever is prepared on it stays prepared.
        command.envs([("DATABASE_POOL_SIZE", "1"), ("DATABASE_MAX_OVERFLOW", "0")]);
        let server = Server::start_beside(command, &self.root.join("server-behind-proxy.log")).await;
        self.postgres.end_with_us(server.pid);
        let mut found = Vec::new();
        for workload in workloads {
            let ask = async |answers| {
                closed_loop::run(server.address, &self.target, *workload, 1, Until::Answers(answers)).await;
                // What is done when the answer is out is part of it.
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            ask(REQUESTS).await;
            let mut fewest = u64::MAX;
            // Work in the background takes trips as well, now and then.
            for _ in 0..3 {
                let before = proxy.trips();
                ask(REQUESTS).await;
                fewest = fewest.min(proxy.trips() - before);
            }
            found.push(cpu::as_f64(fewest) / cpu::as_f64(REQUESTS));
        }
        found
    }
}
