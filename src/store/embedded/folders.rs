//! The data folder: where it is, what lies in it, whose each part is, and the lock that says who owns it.
//!
//! Closed to other accounts throughout; as root the folder itself may be passed through (0711), because PostgreSQL,
//! as another account, works below it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};
use tracing::info;

use super::Error;
use super::account::Account;

/// Names the socket file; nothing listens on a port.
pub(super) const SOCKET_PORT: u16 = 5432;
/// The longest path that the system takes for a socket.
const LONGEST_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
const LOCK: &str = "voicehive.lock";
static TOLD_OF_MOVE: Once = Once::new();
/// Whoever only asks whether the folder is in use holds its lock for an instant: a start waits that out.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// The folder given by the operator, or the default.
#[derive(Clone, Debug)]
pub enum DataDir {
    Given(PathBuf),
    Default,
}

impl DataDir {
    /// The folder as an absolute path. Makes nothing.
    ///
    /// The default is `.voicehive` in the working folder, or `/var/lib/voicehive` if we are root and the account that
    /// PostgreSQL would run as cannot come through to the former.
    pub fn resolve(&self) -> Result<PathBuf, Error> {
        let folder =
            |path: &Path| std::path::absolute(path).map_err(|source| Error::Folder { path: path.to_owned(), source });
        let here = match self {
            Self::Given(path) => return folder(path),
            Self::Default => folder(Path::new(".voicehive"))?,
        };
        let account = Account::choose(&here.join("postgres"));
        let reachable = match (account, here.parent()) {
            (Ok(account), Some(parent)) => account.can_reach(parent),
            // Whatever is wrong is better said by whoever needs the account.
            _ => true,
        };
        if reachable {
            return Ok(here);
        }
        TOLD_OF_MOVE.call_once(|| {
            info!(closed = %here.display(), data_dir = "/var/lib/voicehive", "data_folder_moved_out_of_closed_folder");
        });
        Ok(PathBuf::from("/var/lib/voicehive"))
    }
}

/// Held while we run: a second `voicehive` on the folder is refused, and a PostgreSQL found in it is a left-over of ours.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    folders: Folders,
}

impl Drop for Lock {
    /// Leaves nothing outside the data folder, and no pid that a later process may have.
    fn drop(&mut self) {
        self.folders.remove_socket();
        let sockets = self.folders.sockets();
        if !sockets.starts_with(&self.folders.root) {
            let _ = fs::remove_dir(sockets);
        }
        let _ = self.file.set_len(0);
    }
}

/// Where things are in a data folder.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    pub(super) root: PathBuf,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Self {
        // One name for one folder, whichever links lead to it: the short socket folder is named after it.
        Self { root: root.canonicalize().unwrap_or(root) }
    }

    pub(super) fn cluster(&self) -> PathBuf {
        self.root.join("postgres")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    /// The folder of the socket: `run`, or a short name in /tmp (always there, so that every process of ours finds the
    /// same one whatever its TMPDIR) where the system could not take the path.
    pub(super) fn sockets(&self) -> PathBuf {
        let run = self.root.join("run");
        let fits = socket_in(&run).as_os_str().len() <= LONGEST_SOCKET_PATH;
        if fits && run.to_str().is_some() {
            return run;
        }
        let digest = Sha256::digest(self.root.as_os_str().as_encoded_bytes());
        let name = digest.iter().take(8).fold(String::from("voicehive-"), |name, byte| format!("{name}{byte:02x}"));
        Path::new("/tmp").join(name)
    }

    /// Makes the folders, for the account, and takes the lock.
    pub(super) fn prepare(self, account: &Account) -> Result<(Self, Lock), Error> {
        // Asked before anything is made: what is closed further up stays untouched.
        account.check_reach(self.root.parent().unwrap_or(&self.root))?;
        let mode = if account.steps_down { 0o711 } else { 0o700 };
        Self::make(&self.root, mode)?;
        let folders = Self::new(self.root);
        if account.steps_down {
            folders.open_own_root(account)?;
        }
        account.check_reach(&folders.root)?;
        let file = folders.lock()?;
        folders.prepare_sockets(account)?;
        // Not before the folder of the socket is known to be ours: the lock cleans up there in the end.
        let lock = Lock { file, folders: folders.clone() };
        Ok((folders, lock))
    }

    /// These folders if a `voicehive` holds their lock, looked at without changing anything.
    pub(super) fn existing_and_locked(self) -> Result<Option<Self>, Error> {
        let path = self.root.join(LOCK);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Folder { path, source }),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(self)),
            Err(TryLockError::Error(source)) => Err(Error::Folder { path, source }),
        }
    }

    /// Removes a socket and its lock file, which may name a process of today.
    pub(super) fn remove_socket(&self) {
        let socket = self.socket();
        let mut lock = socket.clone().into_os_string();
        lock.push(".lock");
        let _ = fs::remove_file(lock);
        let _ = fs::remove_file(socket);
    }

    pub(super) fn socket(&self) -> PathBuf {
        socket_in(&self.sockets())
    }

    fn make(path: &Path, mode: u32) -> Result<(), Error> {
        let failed = |source| Error::Folder { path: path.to_owned(), source };
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        DirBuilder::new().mode(mode).create(path).map_err(failed)?;
        // The umask may have taken from it.
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)
    }

    /// Lets the account through a data folder that was closed, but never through a folder that serves something else.
    fn open_own_root(&self, account: &Account) -> Result<(), Error> {
        let failed = |source| Error::Folder { path: self.root.clone(), source };
        if account.can_reach(&self.root) {
            return Ok(());
        }
        let mut entries = fs::read_dir(&self.root).map_err(failed)?.flatten();
        if entries.all(|entry| entry.file_name().to_str().is_some_and(is_name_of_ours)) {
            let mode = fs::metadata(&self.root).map_err(failed)?.mode();
            fs::set_permissions(&self.root, Permissions::from_mode(mode & 0o7777 | 0o011)).map_err(failed)?;
        }
        Ok(())
    }

    fn lock(&self) -> Result<File, Error> {
        let path = self.root.join(LOCK);
        let failed = |source| Error::Folder { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    let _ = file.read_to_string(&mut pid);
                    return Err(Error::InUse { path: self.root.clone(), pid: pid.trim().parse().ok() });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(file)
    }

    fn prepare_sockets(&self, account: &Account) -> Result<(), Error> {
        let path = self.sockets();
        let failed = |source| Error::Folder { path: path.clone(), source };
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        // In /tmp anybody may have made it first: it must be a folder (no link) and the account's, closed to others, or
        // still our own, which nobody else can replace there.
        let metadata = fs::symlink_metadata(&path).map_err(failed)?;
        if metadata.is_dir() && metadata.uid() == geteuid().as_raw() {
            fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(failed)?;
            return account.give(&path).map_err(failed);
        }
        let mode = metadata.mode() & 0o7777;
        if metadata.is_dir() && metadata.uid() == account.uid && mode == 0o700 {
            return Ok(());
        }
        Err(failed(io::Error::other("it is not a closed folder of ours; remove it")))
    }
}

fn is_name_of_ours(name: &str) -> bool {
    ["keys", "run", LOCK].contains(&name) || name.starts_with("postgres")
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join(format!(".s.PGSQL.{SOCKET_PORT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_that_the_system_would_refuse_is_replaced_by_a_short_and_stable_one() {
        let short = Folders::new(PathBuf::from("/srv/voicehive"));
        assert_eq!(short.sockets(), Path::new("/srv/voicehive/run"));

        let deep = Folders::new(Path::new("/srv").join("x".repeat(100)));
        assert!(deep.socket().as_os_str().len() <= LONGEST_SOCKET_PATH);
        assert_eq!(deep.sockets(), deep.clone().sockets());
        assert_ne!(deep.sockets(), Folders::new(Path::new("/srv").join("y".repeat(100))).sockets());
    }
}
