//! The front ends in a real browser: Chromium, driven by the programs beside this file, each on a server and a database of its own.
//! With `VOICEHIVE_SCREENSHOTS` set to a folder, pictures of all pages are left there; `VOICEHIVE_GUESTS` makes the list of users
//! longer than 3,000.

#[path = "../api/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other black-box tests, which use all of it")]
mod support;

use std::process::Command;

use support::{PASSWORD, Setup, TestApp, in_node_folder};

/// A browser uses both cores as it is.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The demo's hotel and people, others to sign in as, and a list to scroll.
async fn world(setup: Setup) -> TestApp {
    let app = TestApp::start_with(setup).await;
    app.user("admin@example.org").role("SYSTEM_ADMIN").everywhere().create().await;
    for email in ["reader@example.org", "changing@example.org", "clumsy@example.org"] {
        app.user(email).role("HOTEL_ADMIN").everywhere().create().await;
    }
    app.user("colleague@hotel1.com").role("HOTEL_STAFF").hotel("hotel-001").create().await;
    app.sql("UPDATE users SET first_name = 'Rita', last_name = 'Reader' WHERE email = 'reader@example.org'").await;
    #[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the product")]
    let guests = std::env::var("VOICEHIVE_GUESTS").unwrap_or_else(|_| "3000".to_owned());
    app.sql(&format!(
        "INSERT INTO users (id, email, password_hash, first_name, last_name, email_verified) \
         SELECT gen_random_uuid(), 'guest.' || to_char(n, 'FM0000000') || '@example.org', 'none', 'Guest', to_char(n, 'FM0000000'), true \
         FROM generate_series(1, {guests}) AS n; ANALYZE users"
    ))
    .await;
    app
}

/// In the machine's own browser, which `make test` installs as new as it is to be had.
async fn drive(program: &'static str) {
    drive_with(Setup::usual(), program).await;
}

async fn drive_with(setup: Setup, program: &'static str) {
    let path_of = |name| printed(Command::new("sh").args(["-c", "command -v \"$0\"", name]));
    let browser = BROWSERS.into_iter().find_map(path_of);
    drive_in(&browser.expect("a browser: scripts/install-chromium installs one"), setup, program, &[]).await;
}

async fn drive_in(browser: &str, setup: Setup, program: &'static str, more: &'static [(&'static str, &'static str)]) {
    let _one = ONE_AT_A_TIME.lock().await;
    let app = world(setup).await;
    let (url, browser) = (format!("http://{}", app.address), browser.to_owned());
    let driving = tokio::task::spawn_blocking(move || {
        let usual = [("VOICEHIVE_URL", &*url), ("VOICEHIVE_PASSWORD", PASSWORD), ("VOICEHIVE_BROWSER", &*browser)];
        run(program, &[&usual, more].concat());
    });
    driving.await.expect("drives");
}

/// What a command prints; none where it fails.
fn printed(command: &mut Command) -> Option<String> {
    let output = command.output().expect("runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs one of the programs beside this file, which passes where all its tests do.
fn run(program: &str, environment: &[(&str, &str)]) {
    let output = Command::new("node")
        .args(["--test", "--test-reporter=spec", program])
        .current_dir(in_node_folder("tests/browser"))
        .envs(environment.iter().copied())
        .output()
        .expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn lint() {
    in_node_folder("frontend-examples/access-service");
    run("lint.test.mjs", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in() {
    drive("sign-in.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_password() {
    let mut setup = Setup::usual();
    setup.settings.enforce_password_change = true;
    drive_with(setup, "temporary-password.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users() {
    drive("users.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms() {
    drive("forms.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saving() {
    drive("saving.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions() {
    drive("sessions.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages() {
    drive("pages.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_pages() {
    drive("broken.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn speed() {
    drive("speed.test.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explorer() {
    drive("explorer.test.mjs").await;
}

/// What people do most, in the oldest browser that is promised. The rest would take as long again and shows the same parts.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_browser() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install-oldest-chromium");
    let browser = printed(&mut Command::new(script)).expect("it can be fetched");
    if browser.is_empty() {
        println!("There is none for this machine.");
        return;
    }
    for program in ["sign-in.test.mjs", "users.test.mjs", "broken.test.mjs", "explorer.test.mjs"] {
        drive_in(&browser, Setup::usual(), program, &[("VOICEHIVE_OLDEST", "yes")]).await;
    }
}
