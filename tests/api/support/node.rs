//! Programs for Node.js, with what their lock file names.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// The folder of a program, installed where it was not yet as its lock file says.
pub fn in_node_folder(path: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let installed = std::fs::metadata(folder.join("node_modules/.package-lock.json")).and_then(|file| file.modified());
    let wanted =
        std::fs::metadata(folder.join("package-lock.json")).and_then(|file| file.modified()).expect("a lock file");
    if installed.is_ok_and(|installed| installed >= wanted) {
        return folder;
    }
    let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    let installing = Command::new("npm").args(arguments).current_dir(&folder).output();
    let installing = installing.expect("npm is there: scripts/install-node installs it");
    assert!(installing.status.success(), "{}", String::from_utf8_lossy(&installing.stderr));
    folder
}
