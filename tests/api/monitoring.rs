//! Metrics, alert rules and the dashboard, by the real Prometheus and its checker.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::support::{Client, TestApp, cluster_folder, eventually};

/// A program of Prometheus, to be run in this folder of the project.
fn program(name: &str, folder: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = Command::new(root.join("scripts/install-prometheus")).output().expect("runs");
    assert!(programs.status.success(), "{programs:?}");
    let programs = String::from_utf8(programs.stdout).expect("a path");
    let mut command = Command::new(Path::new(programs.trim()).join(name));
    command.current_dir(root.join(folder));
    command
}

/// Runs promtool in this folder of the project, with this on its standard input.
fn promtool(folder: &str, arguments: &[&str], input: &str) -> Output {
    let mut process = program("promtool", folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    process.stdin.take().expect("its input").write_all(input.as_bytes()).expect("reads");
    process.wait_with_output().expect("ends")
}

/// The text of /metrics after every kind of thing has happened.
async fn metrics() -> String {
    let app = TestApp::start().await;
    let client = app.anonymous();
    client.try_sign_in("manager@hotel1.com", "wrong").await;
    let admin = app.admin().await.refresh().await;
    admin.query("{ users { totalCount } }").await;
    client.query("{ users { totalCount } }").await;
    let operator = admin.query(r#"{ user(by: {email: "operator@voicehive-hotels.eu"}) { id } }"#).await;
    let unlock = json!({ "id": operator.data("/user/id") });
    Client::done(&admin.mutate("unlockUser", unlock, "").await, "unlockUser");
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    app.identity.work_in_background(stop).await;
    app.identity.sweep().await.expect("swept");
    drop(app.identity.database().background().await.expect("a transaction"));
    let divide = sqlx::query("SELECT 1 / 0").execute(&app.database.superuser).await;
    let _ = voicehive_identity::store::Error::from(divide.expect_err("an error"));
    client.get("/metrics").await.body.as_str().expect("text").to_owned()
}

/// Names of our metrics in a text, as they are declared: without what a histogram adds.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let named = words.filter(|word| word.starts_with("voicehive_") && word.len() > "voicehive_".len());
    named.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

/// What alert rules compare labels with: `kind="connection"`, `result=~"failure|locked"`.
fn labels_asked_for(rules: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in rules.lines().filter(|line| line.contains("voicehive_")) {
        for comparison in line.split(['{', ',', '}']).filter(|part| part.contains('"')) {
            let Some((label, value)) = comparison.split_once('=') else { continue };
            let label = label.trim_end_matches('!');
            let values = value.trim_start_matches('~').trim().trim_matches('"');
            // Statuses are a pattern, and the job is the scrape configuration's.
            let fixed = values.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_|/".contains(&byte));
            if label.trim() != "job" && fixed {
                found.extend(values.split('|').map(|value| (label.trim().to_owned(), value.to_owned())));
            }
        }
    }
    assert!(found.len() > 5, "{found:?}");
    found
}

#[tokio::test]
async fn metrics_are_well_formed_and_all_there() {
    let text = metrics().await;
    let checked = promtool(".", &["check", "metrics"], &text);
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    let declared: BTreeSet<String> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned)).collect();
    for file in ["deploy/prometheus/alerts.yaml", "deploy/grafana/voicehive.json", "docs/operations.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let named = names(&std::fs::read_to_string(path).expect("a file"));
        let unknown: Vec<_> = named
            .difference(&declared)
            .filter(|name| !["voicehive_app", "voicehive_all"].contains(&name.as_str()))
            .collect();
        assert!(unknown.is_empty(), "{file} names what /metrics does not have: {unknown:?}");
    }
    let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/alerts.yaml");
    for (label, value) in labels_asked_for(&std::fs::read_to_string(alerts).expect("a file")) {
        assert!(text.contains(&format!("{label}=\"{value}\"")), "no metric has {label}=\"{value}\"");
    }
    let dashboard =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/voicehive.json"));
    let shown = names(&dashboard.expect("a file"));
    let hidden: Vec<_> = declared.difference(&shown).collect();
    assert!(hidden.is_empty(), "the dashboard shows nothing of {hidden:?}");
}

#[test]
fn alert_rules_do_what_they_say() {
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
        let done = promtool("deploy/prometheus", &arguments, "");
        assert!(done.status.success(), "{done:?}");
    }
    let config = promtool("deploy/prometheus", &["check", "config", "prometheus.yaml"], "");
    assert!(config.status.success(), "{config:?}");
}

/// Ends with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn prometheus_loads_the_rules_and_reads_the_metrics() {
    let app = TestApp::start().await;
    let folder = cluster_folder().join("prometheus");
    std::fs::create_dir_all(&folder).expect("a folder");
    let given = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    let configuration = std::fs::read_to_string(given.join("prometheus.yaml")).expect("a file");
    let here = configuration
        .replace("127.0.0.1:8000", &app.address.to_string())
        .replace("[alerts.yaml]", &json!([given.join("alerts.yaml")]).to_string())
        .replace("15s", "1s");
    std::fs::write(folder.join("prometheus.yaml"), here).expect("written");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let running = program("prometheus", ".")
        .arg(format!("--config.file={}", folder.join("prometheus.yaml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("log")).expect("a log"))
        .spawn()
        .expect("starts");
    let _running = Running(running);
    let prometheus = Client::new(([127, 0, 0, 1], port).into());
    eventually("Prometheus listens", async || {
        prometheus.http.get(prometheus.url("/-/ready")).send().await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    eventually("the server is up, by Prometheus", async || {
        let up = prometheus.get("/api/v1/query?query=up%7Bjob%3D%22voicehive%22%7D").await;
        up.body["data"]["result"][0]["value"][1] == "1"
    })
    .await;
    let counted = prometheus.get("/api/v1/query?query=voicehive_database_connections_total").await;
    assert_eq!(counted.body["data"]["result"].as_array().expect("series").len(), 1, "{}", counted.body);
    eventually("every rule was evaluated", async || {
        let rules = prometheus.get("/api/v1/rules").await;
        let rules = rules.body["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok")
    })
    .await;
}

#[test]
fn every_panel_asks_what_prometheus_can_answer() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/voicehive.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    let rules: Vec<Value> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
        .enumerate()
        .map(|(number, target)| {
            let expression = target["expr"].as_str().expect("an expression");
            let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
            json!({ "record": format!("panel:{number}"), "expr": expression })
        })
        .collect();
    assert!(rules.len() > 20);
    let rules = json!({ "groups": [{ "name": "panels", "rules": rules }] }).to_string();
    let file = cluster_folder().join("panels.yaml");
    std::fs::write(&file, rules).expect("written");
    let checked = promtool(".", &["check", "rules", file.to_str().expect("a path")], "");
    assert!(checked.status.success(), "{checked:?}");
}
