//! The manifests of deploy/kubernetes, beside the program that they are for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use config::{File, FileFormat};
use serde_json::{Value, json};

use super::support::{Client, TestApp, cluster_folder};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes")
}

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(name)).expect("a file");
    let file = config::Config::builder().add_source(File::from_str(&text, FileFormat::Yaml));
    file.build().and_then(config::Config::try_deserialize).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().filter_map(|item| item["name"].as_str()).collect()
}

#[test]
fn the_manifests_are_what_kubernetes_takes() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check-kubernetes");
    let checked = Command::new(script).output().expect("runs");
    assert!(checked.status.success(), "{checked:?}");
    let listed: Vec<_> = read("kustomization.yaml")["resources"].as_array().expect("a list").clone();
    let applied =
        std::fs::read_dir(folder()).expect("a folder").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for name in applied.filter(|name| !["README.md", "kustomization.yaml", "voicehive.yaml"].contains(&name.as_str())) {
        assert!(listed.contains(&json!(name)), "{name} is applied");
    }
}

#[test]
fn the_program_reads_its_configuration() {
    // The secret's files, elsewhere.
    let secrets = cluster_folder().join("kubernetes-secrets");
    std::fs::create_dir_all(&secrets).expect("a folder");
    let deployment = read("deployment.yaml");
    let pod = &deployment["spec"]["template"]["spec"];
    for item in pod["volumes"][1]["secret"]["items"].as_array().expect("a list") {
        std::fs::write(secrets.join(item["path"].as_str().expect("a path")), "correct horse battery").expect("written");
    }
    let mounted = pod["containers"][0]["volumeMounts"][1]["mountPath"].as_str().expect("a path");
    let text = std::fs::read_to_string(folder().join("voicehive.yaml")).expect("a file");
    let file = secrets.join("voicehive.yaml");
    std::fs::write(&file, text.replace(mounted, secrets.to_str().expect("text"))).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_voicehive"));
    command.args(["database", "url"]).env_clear().env("VOICEHIVE_CONFIG", &file);
    for variable in names(&pod["containers"][0]["env"]).iter().filter(|name| **name != "VOICEHIVE_CONFIG") {
        command.env(variable, "secret");
    }
    let output = command.output().expect("runs");
    let url = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(url.contains("host='pgbouncer.databases.svc.cluster.local' port=6432"), "{url}");
}

#[tokio::test]
async fn ports_paths_and_times_are_the_programs() {
    let (deployment, configuration) = (read("deployment.yaml"), read("voicehive.yaml"));
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let port = |name: &str| {
        let ports = container["ports"].as_array().expect("a list");
        ports.iter().find(|port| port["name"] == name).map(|port| port["containerPort"].to_string())
    };
    for (name, listens) in [("http", &configuration["listen"]), ("metrics", &configuration["http"]["metrics_listen"])] {
        let listens = listens.as_str().and_then(|address| address.rsplit(':').next()).map(str::to_owned);
        assert_eq!(port(name), listens, "{name}");
    }
    for (port, asked) in
        read("service.yaml")["spec"]["ports"].as_array().expect("a list").iter().zip(["http", "metrics"])
    {
        assert_eq!(port["targetPort"], asked);
    }
    let app = TestApp::start().await;
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let asked = &container[probe]["httpGet"];
        assert_eq!(asked["port"], "http", "{probe}");
        let answer = Client::new(app.address).get(asked["path"].as_str().expect("a path")).await;
        assert_eq!(answer.status, 200, "{probe}");
    }
    // What comes one after the other when a server stops, with the defaults of what the file does not say.
    let drain = configuration["http"]["drain_timeout"].as_str().and_then(|text| text.strip_suffix('s'));
    let drain = Duration::from_secs(drain.and_then(|text| text.parse().ok()).expect("seconds"));
    let example =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("voicehive.example.yaml")).expect("a file");
    assert!(example.contains("\n  shutdown_timeout: 30s\n"));
    let all = drain + Duration::from_secs(30 + 5 + 5);
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().expect("seconds"));
    assert!(grace > all, "{grace:?} for {all:?}");
    for manifest in ["service.yaml", "disruption-budget.yaml", "network-policy.yaml", "deployment.yaml"] {
        let spec = &read(manifest)["spec"];
        let selects = [&spec["selector"], &spec["selector"]["matchLabels"], &spec["podSelector"]["matchLabels"]];
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert!(selects.contains(&labels), "{manifest} means the pods");
    }
}
