//! Lists the files that the front ends' builds left in their `dist` folders, for `src/http/front_ends.rs` to build in.
//! One that was not built has none.

use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

const FRONT_ENDS: [(&str, &str); 2] = [("DASHBOARD", "admin-dashboard"), ("EXPLORER", "explorer")];

fn main() -> io::Result<()> {
    let mut tables = String::new();
    for (name, folder) in FRONT_ENDS {
        let dist = format!("frontend-examples/{folder}/dist");
        // While a folder that it is to watch is not there, cargo builds everything anew each time; and once more where the
        // folder is newer than this run.
        let is_new = !Path::new(&dist).exists() && fs::create_dir_all(&dist).is_ok();
        if is_new && let Ok(folder) = File::open(&dist) {
            let _ = folder.set_modified(SystemTime::UNIX_EPOCH);
        }
        println!("cargo:rerun-if-changed={dist}");
        let mut paths = Vec::new();
        list(Path::new(&dist), "", &mut paths)?;
        paths.sort();
        let _ = writeln!(tables, "static {name}_FILES: &[File] = &[");
        for path in paths.iter().filter(|path| !matches!(path.rsplit('.').next(), Some("br" | "gz"))) {
            let content = |path: &str| {
                format!("include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))", format!("/{dist}/{path}"))
            };
            let packed = |suffix: &str| {
                let path = format!("{path}.{suffix}");
                if paths.contains(&path) { format!("Some({})", content(&path)) } else { "None".to_owned() }
            };
            let (plain, br, gzip) = (content(path), packed("br"), packed("gz"));
            let _ = writeln!(tables, "    File {{ path: {path:?}, plain: {plain}, br: {br}, gzip: {gzip} }},");
        }
        tables.push_str("];\n");
    }
    let folder = std::env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&folder).join("front_ends.rs"), tables)
}

/// Adds the files below a folder, by their paths from the first one.
fn list(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{path}/"), paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}
