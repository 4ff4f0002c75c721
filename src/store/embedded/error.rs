//! What can keep the embedded database from running. Every message is one line: what is wrong, and how to put it right.

use std::io;
use std::path::PathBuf;

use super::binaries::OLDEST_SUPPORTED;

/// Why the embedded database is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "no PostgreSQL is installed on this machine; install it (apt-get install postgresql, dnf install postgresql-server \
         or brew install postgresql) or configure a database with DATABASE_URL"
    )]
    NotInstalled,
    #[error(
        "PostgreSQL {version} in {} is too old; install version {OLDEST_SUPPORTED} or newer, \
         or configure a database with DATABASE_URL",
        folder.display()
    )]
    TooOld { version: String, folder: PathBuf },
    #[error(
        "{} was made by PostgreSQL {cluster}, and of PostgreSQL only {installed} is installed; install version {cluster} \
         (to move on, dump the database with it and restore the dump), or set VOICEHIVE_DATA_DIR to another folder",
        path.display()
    )]
    OtherVersion { path: PathBuf, cluster: u32, installed: String },
    #[error(
        "{} was made by PostgreSQL {cluster}, which is too old (installed: {installed}; supported: {OLDEST_SUPPORTED} and newer); \
         dump the database with version {cluster} and restore the dump, or set VOICEHIVE_DATA_DIR to another folder",
        path.display()
    )]
    OldCluster { path: PathBuf, cluster: u32, installed: String },
    #[error("{} holds files but no PostgreSQL cluster; move it away, or set VOICEHIVE_DATA_DIR to another folder", .0.display())]
    NotACluster(PathBuf),
    #[error(
        "PostgreSQL does not run as root, and this machine has neither the account postgres nor nobody; \
         start voicehive as an ordinary user"
    )]
    NoAccount,
    #[error(
        "PostgreSQL runs as the account {account}, which cannot enter {}; open that folder (chmod o+x), \
         or set VOICEHIVE_DATA_DIR to a folder that every account can reach",
        folder.display()
    )]
    Closed { folder: PathBuf, account: String },
    #[error(
        "{} belongs to the account {owner}; start voicehive as that account or as root, \
         or set VOICEHIVE_DATA_DIR to another folder",
        path.display()
    )]
    AnotherOwner { path: PathBuf, owner: String },
    #[error(
        "another voicehive{} already uses the data folder {}; stop it, or set VOICEHIVE_DATA_DIR to another folder",
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(),
        path.display()
    )]
    InUse { path: PathBuf, pid: Option<i32> },
    #[error("the data folder cannot be used: {}: {source}; {}", path.display(), advice(&source.to_string()))]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} cannot be run: {source}; install PostgreSQL anew, or configure a database with DATABASE_URL", program.display())]
    Run { program: PathBuf, source: io::Error },
    #[error("PostgreSQL could not be initialised in {}: {complaint}; {}", path.display(), advice(complaint))]
    Initialise { path: PathBuf, complaint: String },
    #[error("PostgreSQL could not be started in {}: {complaint}; {}", path.display(), advice(complaint))]
    Start { path: PathBuf, complaint: String },
    #[error(
        "PostgreSQL in {} was not ready after {seconds} s; see postgres.log beside it, and start again if it was recovering",
        path.display()
    )]
    NotReady { path: PathBuf, seconds: u64 },
    #[error("the PostgreSQL that a killed voicehive left in {} does not end; end the process {pid} yourself", path.display())]
    LeftOver { path: PathBuf, pid: i32 },
    #[error("the role and database voicehive could not be made: {}; see postgres.log in the data folder", one_line(.0))]
    Provision(#[source] sqlx::Error),
}

/// The way out that fits a complaint of PostgreSQL or of the system.
fn advice(complaint: &str) -> &'static str {
    let says = |text: &str| complaint.contains(text);
    if says("No space left") || says("wrote only") || says("quota exceeded") {
        "free some space or set VOICEHIVE_DATA_DIR to another folder"
    } else if says("Read-only file system") || says("ermission denied") || says("not permitted") {
        "make the folder writable or set VOICEHIVE_DATA_DIR to another one"
    } else if says("still in use") || says("already exists") {
        "end the PostgreSQL processes that still work in it, and start again"
    } else {
        "set VOICEHIVE_DATA_DIR to another folder if this one cannot be mended (see postgres.log in it)"
    }
}

fn one_line(error: &sqlx::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
