//! One running PostgreSQL: our direct child, from its start until its last process has ended.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::server_log;

const POLL: Duration = Duration::from_millis(10);
/// A fast shutdown writes a checkpoint, which may take long on a slow disk.
const FAST_SHUTDOWN: Duration = Duration::from_secs(30);
const IMMEDIATE_SHUTDOWN: Duration = Duration::from_secs(10);
/// How long the other processes of a PostgreSQL may take to notice that it has ended.
const LAST_PROCESS: Duration = Duration::from_secs(5);

/// Dropped while it runs, it is asked to end: nothing of ours should outlast us, even when we panic.
#[derive(Debug)]
pub(super) struct Postmaster {
    child: Child,
    pid: u32,
    last_words: Option<oneshot::Receiver<Option<String>>>,
}

/// What became of a PostgreSQL that was started.
#[derive(Debug)]
pub(super) enum Startup {
    Ready,
    /// It ended by itself, with these words.
    Ended(String),
    TimedOut,
}

impl Postmaster {
    /// Runs `command`, which is `postgres` with its arguments.
    pub(super) fn spawn(mut command: Command, log: &Path) -> io::Result<Self> {
        let (stderr, last_words) = server_log::keep(log.to_owned())?;
        // The command goes with this function, and our copy of the pipe's end with it: the thread waits for the others.
        let child = command.stdout(Stdio::null()).stderr(stderr).kill_on_drop(false).spawn()?;
        let pid = child.id().unwrap_or_default();
        Ok(Self { child, pid, last_words: Some(last_words) })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until it takes connections. It says so itself in its pid file, which spares its log our failed attempts.
    pub(super) async fn until_ready(&mut self, pid_file: &Path, patience: Duration) -> Startup {
        let begun = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return self.ended(&format!("it ended without a word ({status})")).await,
                Err(error) => return self.ended(&format!("it cannot be watched ({error})")).await,
            }
            if says_ready(pid_file, self.pid) {
                return Startup::Ready;
            }
            if begun.elapsed() > patience {
                return Startup::TimedOut;
            }
            sleep(POLL).await;
        }
    }

    async fn ended(&mut self, otherwise: &str) -> Startup {
        Startup::Ended(self.last_words().await.unwrap_or_else(|| otherwise.to_owned()))
    }

    pub(super) async fn until_ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Fast, then immediate shutdown, then by force; returns when the last of its processes has ended.
    pub(super) async fn stop(mut self) {
        let stages = [
            (Signal::SIGINT, FAST_SHUTDOWN),
            (Signal::SIGQUIT, IMMEDIATE_SHUTDOWN),
            (Signal::SIGKILL, IMMEDIATE_SHUTDOWN),
        ];
        for (signal, patience) in stages {
            self.send(signal);
            if timeout(patience, self.child.wait()).await.is_ok() {
                break;
            }
        }
        self.last_words().await;
    }

    /// What it complained of last. Also the sign that the last process has ended: each of them holds the log's pipe.
    pub(super) async fn last_words(&mut self) -> Option<String> {
        let last_words = self.last_words.take()?;
        timeout(LAST_PROCESS, last_words).await.ok()?.ok()?
    }

    fn send(&self, signal: Signal) {
        // No id once it was waited for: the pid may be somebody else's by then.
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        self.send(Signal::SIGINT);
    }
}

/// Line 1 is the pid, line 8 the state.
fn says_ready(pid_file: &Path, pid: u32) -> bool {
    // In bytes: it also names the folder, in whatever encoding that is.
    let Ok(text) = fs::read(pid_file) else { return false };
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid) && lines.nth(6).map(str::trim) == Some("ready")
}
