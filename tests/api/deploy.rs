//! The files of deploy/: as far as they can be checked without the programs that they are for.

use std::path::Path;
use std::process::Command;

use config::{FileFormat, Format};

use super::support::{TestDatabase, cluster_folder, voicehive};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect("a file")
}

/// The program with a variable set as a deployment sets it: what it says where it does not know it.
async fn refuses_variable(variable: &str) -> bool {
    let database = TestDatabase::create_empty().await;
    let mut command = voicehive(&database.options, &["database", "url"]);
    let output = command.env(variable, "true").output().expect("runs");
    String::from_utf8_lossy(&output.stderr).contains("unknown key")
}

#[test]
fn the_unit_is_well_formed_and_locked_down() {
    let unit = read("deploy/systemd/voicehive.service");
    // The program is looked for where the unit has it; here it stands elsewhere.
    let here = unit.replace("/usr/local/bin/voicehive", env!("CARGO_BIN_EXE_voicehive"));
    let file = cluster_folder().join("voicehive.service");
    std::fs::write(&file, here).expect("written");
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("systemd-analyze is not here: the unit was not checked");
        return;
    }
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output().expect("runs");
    let said = String::from_utf8_lossy(&verified.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("voicehive.service")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
    let exposure = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(&file)
        .output()
        .expect("runs");
    assert!(exposure.status.success(), "exposed more than 2.0: {}", String::from_utf8_lossy(&exposure.stdout));
}

#[test]
fn the_image_copies_what_is_there_and_runs_as_nobody_in_particular() {
    let text = read("deploy/docker/Dockerfile");
    let instructions: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    for copied in instructions.iter().filter_map(|line| line.strip_prefix("COPY ")) {
        let words: Vec<_> = copied.split(' ').filter(|word| !word.starts_with("--")).collect();
        // The front ends have been built here too, in the same place; the server's own build has not.
        let from_front_ends = copied.contains("--from=front-ends");
        let from_build = copied.contains("--from=build");
        for source in words.iter().take(words.len() - 1).filter(|_| !from_build) {
            let source = if from_front_ends { source.strip_prefix("/build/").expect("of its folder") } else { source };
            assert!(root().join(source).exists(), "{source}");
        }
    }
    // Nothing else would tell: without them the server is built all the same.
    for dist in ["frontend-examples/admin-dashboard/dist", "frontend-examples/explorer/dist"] {
        assert!(instructions.contains(&format!("COPY --from=front-ends /build/{dist} {dist}").as_str()), "{dist}");
    }
    for image in instructions.iter().filter_map(|line| line.strip_prefix("FROM ")) {
        assert!(image.contains(':') && !image.contains(":latest"), "{image}");
    }
    assert!(instructions.contains(&"USER 65532:65532"));
    let check = instructions.iter().find(|line| line.starts_with("HEALTHCHECK ")).expect("a health check");
    assert!(check.contains("\"health\"]"), "{check}");
    let help = Command::new(env!("CARGO_BIN_EXE_voicehive")).args(["health", "--help"]).output().expect("runs");
    assert!(help.status.success(), "a command that the program has");
}

#[tokio::test]
async fn variables_of_the_deployments_are_known() {
    let compose = read("deploy/docker/compose.yaml");
    FileFormat::Yaml.parse(None, &compose).expect("YAML");
    let all = [compose, read("deploy/docker/Dockerfile"), read("deploy/systemd/voicehive.service")].concat();
    let words = all.split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_'));
    let mut named: Vec<&str> = words.filter(|word| word.starts_with("VOICEHIVE_")).collect();
    named.sort_unstable();
    named.dedup();
    assert!(named.len() >= 5, "{named:?}");
    assert!(refuses_variable("VOICEHIVE_DATABASE__NO_SUCH_KEY").await, "an unknown key is told");
    for variable in named {
        assert!(!refuses_variable(variable).await, "{variable}");
    }
    let words = all.split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_'));
    for variable in words.filter(|word| word.starts_with("DATABASE_")) {
        let text = read("voicehive.example.yaml");
        assert!(text.contains(variable), "{variable} is one that the example file knows");
    }
}
