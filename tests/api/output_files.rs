//! Files that commands write: `users export --output`, `keys generate`. Only regular ones, whole or not at all.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use sqlx::Executor;

use super::support::{TestDatabase, eventually, one_line, told, voicehive};

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().into_string().expect("text");
    let mut names: Vec<_> = fs::read_dir(folder).expect("a folder").map(name).collect();
    names.sort();
    names
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
}

#[tokio::test]
async fn what_is_no_regular_file_stays_what_it_is() {
    let database = TestDatabase::create().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    fs::write(path("target"), "target").expect("a file");
    symlink(path("target"), path("link")).expect("a link");
    symlink(path("nowhere"), path("dangling")).expect("a link");
    symlink("/dev/null", path("to-device")).expect("a link");
    fs::create_dir(path("directory")).expect("a folder");
    let _listening = std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");
    assert!(runs("mkfifo", &[&path("pipe")]));
    let mut places = vec![
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("to-device", "a symbolic link"),
        ("directory", "a folder"),
        ("socket", "a socket"),
        ("pipe", "a named pipe"),
    ];
    // A device of the test's own, where it may make one.
    if runs("mknod", &["-m", "666", &path("device"), "c", "1", "3"]) {
        places.push(("device", "a device"));
    }
    let before: Vec<_> = names(folder.path());
    for (name, kind) in &places {
        let place = path(name);
        for arguments in [
            &["users", "export", "--output", &place][..],
            &["users", "export", "--user", "admin@voicehive-hotels.eu", "--output", &place],
            &["keys", "generate", &place],
        ] {
            let line = one_line(&voicehive(&database.options, arguments).output().expect("runs"));
            assert!(line.contains(&format!("{place} is {kind}")), "{arguments:?}: {line}");
            let way_out = if arguments[0] == "keys" { "name a new file" } else { "- for standard output" };
            assert!(line.contains(way_out), "{arguments:?}: {line}");
            let found = fs::symlink_metadata(&place).expect("it is there").file_type();
            assert!(!found.is_file(), "{arguments:?} left a regular file");
        }
    }
    assert!(fs::symlink_metadata(path("pipe")).expect("a pipe").file_type().is_fifo());
    assert_eq!(fs::read_to_string(path("target")).expect("read"), "target");
    assert_eq!(names(folder.path()), before, "nothing came and nothing went");
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_events WHERE type LIKE '%exported%'")
        .fetch_one(&database.superuser)
        .await
        .expect("counted");
    assert_eq!(events, 0, "nothing was given out");
}

#[tokio::test]
async fn regular_files_are_replaced_and_keys_are_not() {
    let database = TestDatabase::create().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users.jsonl");
    let output = path.to_str().expect("text");
    fs::write(&path, "kept").expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    let nobody = voicehive(&database.options, &["users", "export", "--user", "nobody@h.test", "--output", output]);
    assert!(one_line(&{ nobody }.output().expect("runs")).contains("nothing is kept about"));
    assert_eq!(fs::read_to_string(&path).expect("read"), "kept");

    told(voicehive(&database.options, &["users", "export", "--output", output]));
    let written = fs::read_to_string(&path).expect("read");
    assert_eq!(written.lines().count(), 3);
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    // By name alone it would be a file; standard output is what - is everywhere else.
    let mut relative = voicehive(&database.options, &["users", "export", "--output", "-"]);
    assert_eq!(
        told({
            relative.current_dir(folder.path());
            relative
        }),
        written
    );
    let mut relative = voicehive(&database.options, &["users", "export", "--output", "here.jsonl"]);
    told({
        relative.current_dir(folder.path());
        relative
    });
    assert_eq!(fs::read_to_string(folder.path().join("here.jsonl")).expect("read"), written);

    let line = one_line(&voicehive(&database.options, &["keys", "generate", output]).output().expect("runs"));
    assert!(line.contains("is there already"), "{line}");
    assert_eq!(fs::read_to_string(&path).expect("read"), written);
    assert_eq!(names(folder.path()), ["here.jsonl", "users.jsonl"]);
}

#[tokio::test]
async fn an_export_that_is_ended_half_way_leaves_nothing() {
    let database = TestDatabase::create().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users.csv");
    fs::write(&path, "the last export").expect("a file");
    for signal in ["-INT", "-TERM"] {
        // Nobody may be read, so that it cannot come to its end.
        let mut held = database.superuser.begin().await.expect("begun");
        held.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.expect("held");
        let arguments = ["users", "export", "--output", path.to_str().expect("text")];
        let mut process =
            voicehive(&database.options, &arguments).stderr(std::process::Stdio::null()).spawn().expect("starts");
        eventually("it has begun", async || names(folder.path()).len() == 2).await;
        let begun = names(folder.path());
        let part = begun.iter().find(|name| *name != "users.csv").expect("the unfinished file");
        let mode = fs::metadata(folder.path().join(part)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else reads it, from the start");
        assert!(runs("kill", &[signal, &process.id().to_string()]));
        assert!(!process.wait().expect("ended").success());
        assert_eq!(names(folder.path()), ["users.csv"], "{signal}");
        assert_eq!(fs::read_to_string(&path).expect("read"), "the last export");
        held.rollback().await.expect("given back");
    }
}
