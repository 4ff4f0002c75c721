//! The cluster, PostgreSQL's own folder: made once, whole or not at all; cleared of what a killed server left; started.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::sleep;
use tracing::info;

use super::Error;
use super::account::Account;
use super::binaries::{Binaries, leading_number};
use super::folders::Folders;
use super::postmaster::{Postmaster, Startup};
use super::server_log::Complaint;

/// Recovery after a crash may take long.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// How long to try again while the last processes of a killed PostgreSQL wind down.
const LEFT_OVER_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// On the command line, so that every cluster has them, old or new. Small in memory, and durable whatever a file says.
/// The log tells of starts, ends and trouble with the server; failed statements are told, without their values, by us.
const SETTINGS: [&str; 17] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "cluster_name=voicehive",
    "max_connections=100",
    "shared_buffers=64MB",
    "max_wal_size=256MB",
    "jit=off",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "ssl=off",
    "log_destination=stderr",
    "logging_collector=off",
    "log_line_prefix=%m [%p] ",
    "log_timezone=UTC",
    "log_min_messages=log",
    "log_checkpoints=off",
];

/// A cluster and all that is needed to run it. Made by whoever holds the lock of its folder.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) folders: Folders,
    pub(super) account: Account,
    pub(super) binaries: Binaries,
}

/// The major version that made the cluster; none if there is no cluster yet.
pub(super) fn major_version(cluster: &Path) -> Result<Option<u32>, Error> {
    let path = cluster.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => leading_number(text.trim()).map(Some).ok_or_else(|| Error::NotACluster(cluster.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Folder { path, source }),
    }
}

impl Cluster {
    pub(super) fn is_initialised(&self) -> Result<bool, Error> {
        let path = self.folders.cluster();
        if major_version(&path)?.is_some() {
            return Ok(true);
        }
        let is_empty = fs::read_dir(&path).map_or(true, |mut entries| entries.next().is_none());
        if is_empty { Ok(false) } else { Err(Error::NotACluster(path)) }
    }

    /// Makes the cluster beside its place and moves it there when it is complete, so that a crash leaves all or nothing.
    pub(super) async fn initialise(&self) -> Result<(), Error> {
        self.remove_unfinished()?;
        // Named after us: an initdb that outlived a killed server must not work in the folder of ours.
        let unfinished = self.folders.root.join(format!("postgres.new-{}", std::process::id()));
        let place = self.folders.cluster();
        let failed = |source| Error::Folder { path: unfinished.clone(), source };
        DirBuilder::new().mode(0o700).create(&unfinished).map_err(failed)?;
        self.account.give(&unfinished).map_err(failed)?;

        let mut outcome = self.initdb(&unfinished, "C.UTF-8").await?;
        if outcome.as_ref().is_err_and(|complaint| complaint.contains("locale")) {
            outcome = self.initdb(&unfinished, "C").await?;
        }
        if let Err(complaint) = outcome {
            let _ = fs::remove_dir_all(&unfinished);
            return Err(Error::Initialise { path: place, complaint });
        }
        fs::rename(&unfinished, &place).map_err(failed)?;
        fs::File::open(&self.folders.root).and_then(|root| root.sync_all()).map_err(failed)
    }

    async fn initdb(&self, folder: &Path, locale: &str) -> Result<Result<(), String>, Error> {
        let program = self.binaries.initdb();
        let output = self
            .account
            .command(&program)
            .arg("-D")
            .arg(folder)
            // Everyone who reaches the socket is trusted: it lies in a folder that only this account (and root) may
            // enter, and nothing listens on the network.
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--data-checksums", "--no-instructions"])
            .arg(format!("--locale={locale}"))
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|source| Error::Run { program, source })?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        Ok(Err(
            Complaint::of(&output.stderr).unwrap_or_else(|| format!("initdb ended without a word ({})", output.status))
        ))
    }

    fn remove_unfinished(&self) -> Result<(), Error> {
        let failed = |path: &Path, source| Error::Folder { path: path.to_owned(), source };
        let root = &self.folders.root;
        for entry in fs::read_dir(root).map_err(|source| failed(root, source))?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(b"postgres.new") {
                fs::remove_dir_all(entry.path()).map_err(|source| failed(&entry.path(), source))?;
            }
        }
        Ok(())
    }

    /// Starts PostgreSQL and returns when it takes connections, whatever a killed predecessor left behind.
    pub(super) async fn start(&self) -> Result<Postmaster, Error> {
        let begun = Instant::now();
        let left_over = self.pid_file().exists();
        loop {
            self.clear_the_way().await?;
            let mut postmaster = self.spawn()?;
            match postmaster.until_ready(&self.pid_file(), START_PATIENCE).await {
                Startup::Ready => {
                    if left_over {
                        info!(data_dir = %self.folders.root.display(), "embedded_database_recovered");
                    }
                    return Ok(postmaster);
                }
                Startup::Ended(complaint) if winds_down(&complaint) && begun.elapsed() < LEFT_OVER_PATIENCE => {
                    sleep(POLL * 10).await;
                }
                Startup::Ended(complaint) => return Err(Error::Start { path: self.folders.cluster(), complaint }),
                Startup::TimedOut => {
                    postmaster.stop().await;
                    return Err(Error::NotReady { path: self.folders.cluster(), seconds: START_PATIENCE.as_secs() });
                }
            }
        }
    }

    pub(super) fn spawn(&self) -> Result<Postmaster, Error> {
        let command = self.postgres_command();
        Postmaster::spawn(command, &self.folders.log())
            .map_err(|source| Error::Run { program: self.binaries.postgres(), source })
    }

    fn postgres_command(&self) -> Command {
        let mut command = self.account.command(&self.binaries.postgres());
        command.arg("-D").arg(self.folders.cluster());
        command.arg("-p").arg(super::folders::SOCKET_PORT.to_string());
        // The setting is a list of names: in quotes, a folder may have commas and blanks in its name.
        let mut sockets = std::ffi::OsString::from("unix_socket_directories=");
        sockets.push(quoted(&self.folders.sockets()));
        command.arg("-c").arg(sockets);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.folders.cluster().join("postmaster.pid")
    }

    /// Ends a PostgreSQL that a killed server left, and removes a pid file that names a process of today which is none.
    pub(super) async fn clear_the_way(&self) -> Result<(), Error> {
        if let Some(pid) = self.recorded_pid() {
            if self.is_our_postgres(pid) {
                self.end_left_over(pid).await?;
            } else if kill(pid, None) != Err(Errno::ESRCH) {
                // PostgreSQL would take that process for itself. One that is gone it sees through, and the file then
                // tells it which shared memory to look at: leave it.
                let path = self.pid_file();
                fs::remove_file(&path).map_err(|source| Error::Folder { path, source })?;
            }
        }
        self.folders.remove_socket();
        Ok(())
    }

    fn recorded_pid(&self) -> Option<Pid> {
        let text = fs::read(self.pid_file()).ok()?;
        let text = String::from_utf8_lossy(&text);
        let pid: i32 = text.lines().next()?.trim().parse().ok()?;
        // Negative is a stand-alone backend, which we never run; 0 and 1 would address groups and init.
        (pid > 1).then(|| Pid::from_raw(pid))
    }

    /// We hold the folder's lock, so a PostgreSQL that works in it is a left-over of ours.
    fn is_our_postgres(&self, pid: Pid) -> bool {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let cluster = self.folders.cluster();
        if !Path::new("/proc/self").exists() {
            // A system without /proc: whoever answers on the socket in our closed folder is ours.
            return kill(pid, None).is_ok() && UnixStream::connect(self.folders.socket()).is_ok();
        }
        match fs::read_link(process.join("cwd")) {
            Ok(folder) => folder == cluster,
            // Root without CAP_SYS_PTRACE (a container) may not look, but may read the command line. A process that has
            // ended and was not waited for has neither.
            Err(_) => fs::read(process.join("cmdline")).is_ok_and(|line| {
                line.split(|byte| *byte == 0).any(|argument| argument == cluster.as_os_str().as_encoded_bytes())
            }),
        }
    }

    async fn end_left_over(&self, pid: Pid) -> Result<(), Error> {
        for signal in [Signal::SIGINT, Signal::SIGQUIT] {
            let _ = kill(pid, signal);
            let begun = Instant::now();
            while begun.elapsed() < LEFT_OVER_PATIENCE {
                if !self.is_our_postgres(pid) {
                    return Ok(());
                }
                sleep(POLL).await;
            }
        }
        Err(Error::LeftOver { path: self.folders.cluster(), pid: pid.as_raw() })
    }
}

/// The last processes of a killed PostgreSQL, or one that was only just starting, pass by themselves.
fn winds_down(complaint: &str) -> bool {
    complaint.contains("still in use") || complaint.contains("already exists")
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.to_string_lossy().replace('"', "\"\""))
}
