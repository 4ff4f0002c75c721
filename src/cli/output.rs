//! Files that commands write, secrets all of them: whole or not at all, from the start for nobody else to read, and never
//! in the place of anything that is no regular file. A device, a pipe or a link that a rename puts a file upon is gone, for
//! the whole machine where the command runs as root.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use tempfile::NamedTempFile;

/// What becomes of a regular file that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum There {
    Replaced,
    Kept,
}

/// A file that is being written, beside its place and under a name of its own until it is whole; dropped, it is gone.
pub struct Output {
    aside: NamedTempFile,
    path: PathBuf,
    there: There,
}

impl Output {
    pub fn begin(path: &Path, there: There) -> anyhow::Result<Self> {
        check(path, there)?;
        let name = path.file_name().ok_or_else(|| anyhow!("{} names no file", path.display()))?;
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        // Opened with O_EXCL and mode 0600: it follows no link, and opens nothing that somebody else has put there.
        let aside = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            .tempfile_in(folder_of(path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { aside, path: path.to_owned(), there })
    }

    pub fn file(&mut self) -> &mut File {
        self.aside.as_file_mut()
    }

    /// Puts what was written into its place.
    pub fn finish(self) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", self.path.display());
        self.aside.as_file().sync_all().with_context(cannot)?;
        // Writing may have taken hours.
        check(&self.path, self.there)?;
        let put = match self.there {
            There::Replaced => self.aside.persist(&self.path),
            There::Kept => self.aside.persist_noclobber(&self.path),
        };
        put.map_err(|error| error.error).with_context(cannot)?;
        File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all()).with_context(cannot)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a file may be put there.
fn check(path: &Path, there: There) -> anyhow::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
    };
    let what = if kind.is_file() {
        match there {
            There::Replaced => return Ok(()),
            There::Kept => bail!("{} is there already: name a new file", path.display()),
        }
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let instead = match there {
        There::Replaced => "name a regular file or a new one, or - for standard output",
        There::Kept => "name a new file",
    };
    bail!("{} is {what}, which is not written to: {instead}", path.display())
}
