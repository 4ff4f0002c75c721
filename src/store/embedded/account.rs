//! The account that PostgreSQL runs as: our own, or an unprivileged one when we are root, which PostgreSQL refuses to be.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, getegid, geteuid};
use tokio::process::Command;

use super::Error;

/// Who PostgreSQL runs as.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) uid: u32,
    gid: u32,
    name: String,
    /// We are root, and children have to leave that behind.
    pub(super) steps_down: bool,
}

impl Account {
    /// As an ordinary user oneself; as root the owner of the cluster that is there, else `postgres`, else `nobody`.
    pub(super) fn choose(cluster: &Path) -> Result<Self, Error> {
        let owner = fs::metadata(cluster).ok().map(|metadata| (metadata.uid(), metadata.gid()));
        let own = geteuid();
        if !own.is_root() {
            return match owner {
                Some((uid, _)) if uid != own.as_raw() => {
                    Err(Error::AnotherOwner { path: cluster.to_owned(), owner: name_of(uid) })
                }
                _ => Ok(Self::new(own, getegid(), false)),
            };
        }
        if let Some((uid, gid)) = owner.filter(|(uid, _)| *uid != 0) {
            return Ok(Self::new(Uid::from_raw(uid), Gid::from_raw(gid), true));
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::new(user.uid, user.gid, true))
            .ok_or(Error::NoAccount)
    }

    fn new(uid: Uid, gid: Gid, steps_down: bool) -> Self {
        Self { uid: uid.as_raw(), gid: gid.as_raw(), name: name_of(uid.as_raw()), steps_down }
    }

    /// A program that will run as this account, in a process group of its own (so that Ctrl-C in a terminal reaches
    /// only us, and requests can finish first), and without our environment, which may hold secrets and PG* settings.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").process_group(0);
        for variable in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(variable) {
                command.env(variable, value);
            }
        }
        // The working folder may be closed to the account.
        command.current_dir("/").stdin(std::process::Stdio::null());
        if self.steps_down {
            // This also drops root's supplementary groups.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Hands a file or folder of ours over to the account.
    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        if self.steps_down { std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// Fails with the outermost folder on the way to `path` that the account may not enter. Only asked as root: an
    /// ordinary user hears it from the system itself.
    pub(super) fn check_reach(&self, path: &Path) -> Result<(), Error> {
        match self.closed_folder(path) {
            Some(folder) if self.steps_down => Err(Error::Closed { folder, account: self.name.clone() }),
            _ => Ok(()),
        }
    }

    pub(super) fn can_reach(&self, path: &Path) -> bool {
        self.check_reach(path).is_ok()
    }

    /// Goes by the mode bits: what does not exist yet will be made reachable.
    fn closed_folder(&self, path: &Path) -> Option<PathBuf> {
        let existing = path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok())?;
        let mut ways: Vec<&Path> = existing.ancestors().collect();
        ways.reverse();
        ways.into_iter().find(|folder| !self.may_enter(folder)).map(Path::to_owned)
    }

    fn may_enter(&self, folder: &Path) -> bool {
        let Ok(metadata) = fs::metadata(folder) else { return false };
        let needed = if metadata.uid() == self.uid {
            0o100
        } else if metadata.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & needed != 0
    }
}

fn name_of(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}
