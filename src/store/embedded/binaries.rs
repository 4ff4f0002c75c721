//! Finding `initdb` and `postgres`: on PATH, then where the distributions keep them, newest first; for a cluster that
//! exists already, those of its own major version.

use std::fs;
use std::path::{Path, PathBuf};

use super::account::Account;
use super::server_log::Complaint;
use super::{Error, cluster};

/// The oldest major version that we support.
pub(super) const OLDEST_SUPPORTED: u32 = 15;

/// Folders of one PostgreSQL each: what stands before the version, and what after it.
const DISTRIBUTIONS: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", ""),    // Debian, Ubuntu
    ("/usr", "pgsql-"),             // the RPMs of postgresql.org
    ("/usr/lib", "postgresql"),     // SUSE
    ("/usr/libexec", "postgresql"), // Alpine
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// A PostgreSQL that can be run.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
    /// As it says itself, e.g. `17.2`.
    pub(super) version: String,
    major: u32,
}

impl Binaries {
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// The one to use for `cluster`, whether that exists yet or not.
    pub(super) async fn find(account: &Account, cluster: &Path) -> Result<Self, Error> {
        let wanted = cluster::major_version(cluster)?;
        let mut others: Vec<Self> = Vec::new();
        let mut failure = None;
        for folder in candidates(account) {
            match Self::ask(account, folder).await {
                Ok(found) if found.fits(wanted) => return Ok(found),
                Ok(other) => others.push(other),
                Err(error) => failure = Some(error),
            }
        }
        Err(match (wanted, others.into_iter().reduce(Self::newer), failure) {
            (_, None, Some(error)) => error,
            (_, None, None) => Error::NotInstalled,
            (None, Some(other), _) => Error::TooOld { version: other.version, folder: other.folder },
            (Some(major), Some(other), _) => {
                let (path, installed) = (cluster.to_owned(), other.version);
                if major < OLDEST_SUPPORTED {
                    Error::OldCluster { path, cluster: major, installed }
                } else {
                    Error::OtherVersion { path, cluster: major, installed }
                }
            }
        })
    }

    fn newer(self, other: Self) -> Self {
        if other.major > self.major { other } else { self }
    }

    fn fits(&self, wanted: Option<u32>) -> bool {
        self.major >= OLDEST_SUPPORTED && wanted.is_none_or(|major| major == self.major)
    }

    async fn ask(account: &Account, folder: PathBuf) -> Result<Self, Error> {
        let program = folder.join("postgres");
        let failed = |source| Error::Run { program: program.clone(), source };
        let output = account.command(&program).arg("--version").kill_on_drop(true).output().await.map_err(failed)?;
        let said = String::from_utf8_lossy(&output.stdout);
        // "postgres (PostgreSQL) 17.2 (Debian 17.2-1)"
        let version = said.split("(PostgreSQL) ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let Some((version, major)) = version.and_then(|version| Some((version, leading_number(version)?))) else {
            let complaint = Complaint::of(&output.stderr).unwrap_or_else(|| "it does not tell its version".to_owned());
            return Err(failed(std::io::Error::other(complaint)));
        };
        Ok(Self { version: version.to_owned(), major, folder })
    }
}

/// Folders with both programs in them that the account can reach.
fn candidates(account: &Account) -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> =
        std::env::split_paths(&path).filter_map(|entry| std::path::absolute(entry).ok()).collect();
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres"].iter().all(|name| {
            let program = folder.join(name);
            program.is_file() && program.parent().is_some_and(|parent| account.can_reach(parent))
        })
    };
    on_path.into_iter().chain(distribution_folders()).filter(complete)
}

fn distribution_folders() -> Vec<PathBuf> {
    let mut folders = vec![(0, PathBuf::from("/usr/local/pgsql/bin"))];
    for (parent, prefix) in DISTRIBUTIONS {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(leading_number);
            if let Some(version) = version {
                // Alpine alone has no bin below it.
                folders.push((version, entry.path()));
                folders.push((version, entry.path().join("bin")));
            }
        }
    }
    folders.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.into_iter().map(|(_, folder)| folder).collect()
}

/// `17` of `17.2`, `18` of `18beta1`.
pub(super) fn leading_number(text: &str) -> Option<u32> {
    text.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::leading_number;

    #[test]
    fn the_major_version_is_read_from_releases_betas_and_folder_names() {
        assert_eq!(leading_number("15.18"), Some(15));
        assert_eq!(leading_number("18beta1"), Some(18));
        assert_eq!(leading_number("17"), Some(17));
        assert_eq!(leading_number("-common"), None);
    }
}
