//! The examples for front ends run as they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::support::{TestApp, in_node_folder, sha256};

async fn run(app: &TestApp, program: &str, file: &str) -> Option<Output> {
    let path = format!("{}/frontend-examples/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(program);
    command.arg(path).env("VOICEHIVE_URL", format!("http://{}", app.address));
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("runs");
    match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        output => Some(output.expect("runs")),
    }
}

#[tokio::test]
async fn examples_page_through_the_users() {
    let app = TestApp::start().await;
    for (program, file, needs) in [("sh", "curl/list-users.sh", "curl"), ("node", "fetch/session.mjs", "node")] {
        if Command::new(needs).arg("--version").output().is_err() {
            println!("{file} was not run: this machine has no {needs}");
            continue;
        }
        let output = run(&app, program, file).await.expect("the program is there");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{file}: {output:?}");
        for email in ["admin@voicehive-hotels.eu", "operator@voicehive-hotels.eu", "manager@hotel1.com"] {
            assert!(text.contains(email), "{file}: {text}");
        }
    }
    assert_eq!(app.count("SELECT count(*) FROM user_sessions WHERE active").await, 0, "they signed out");
}

#[tokio::test]
async fn an_example_administers_a_user() {
    if Command::new("node").arg("--version").output().is_err() {
        println!("fetch/administer.mjs was not run: this machine has no node");
        return;
    }
    let app = TestApp::start().await;
    let output = run(&app, "node", "fetch/administer.mjs").await.expect("node is there");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for line in [
        "Added Nora; her first password has 20 characters",
        "Now Nora Berg",
        "Refused: INVALID_VALUE at input.email",
        "Refused: WEAK_PASSWORD at input.password",
        "user_deactivated active",
        "Erased true",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line}: {text}");
    }
    assert_eq!(app.count("SELECT count(*) FROM users").await, 3);
}

/// A Python with the packages that the example names, made once for each list of them.
fn python() -> PathBuf {
    let requirements = concat!(env!("CARGO_MANIFEST_DIR"), "/frontend-examples/python/requirements.txt");
    let named = sha256(&std::fs::read_to_string(requirements).expect("a list"));
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{}", &named[..16]));
    let python = environment.join("bin/python");
    let done = environment.join("done");
    if !done.exists() {
        let run = |program: &Path, arguments: &[&str]| {
            let output =
                Command::new(program).args(arguments).output().expect("runs: scripts/install-python installs it");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        run(Path::new("python3"), &["-m", "venv", "--clear", environment.to_str().expect("text")]);
        run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]);
        std::fs::write(done, "").expect("a file");
    }
    python
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_in_python_signs_in_pages_and_signs_out() {
    let app = TestApp::start().await;
    let python = tokio::task::spawn_blocking(python).await.expect("made");
    let output = run(&app, python.to_str().expect("text"), "python/list_users.py").await.expect("python is there");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "Refused: INVALID_CREDENTIALS",
            "admin@voicehive-hotels.eu SYSTEM_ADMIN",
            "operator@voicehive-hotels.eu HOTEL_ADMIN",
            "manager@hotel1.com HOTEL_STAFF",
            "manager@hotel1.com may access hotel:hotel-001",
            "Signed out of 1 session",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_a_service_passes_its_own_tests() {
    let app = TestApp::start().await;
    let url = format!("http://{}", app.address);
    let output = tokio::task::spawn_blocking(move || {
        let folder = in_node_folder("frontend-examples/access-service");
        Command::new("npm").arg("test").current_dir(folder).env("IDENTITY_URL", url).output().expect("npm runs")
    });
    let output = output.await.expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("# pass 7"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
