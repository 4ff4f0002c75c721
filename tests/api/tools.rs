//! The tools that clients generate and check their code with take the schema as it is.

use std::process::Command;

use super::support::in_node_folder;

#[tokio::test(flavor = "multi_thread")]
async fn generators_compilers_and_linters_take_the_schema() {
    let run = tokio::task::spawn_blocking(|| {
        Command::new("npm").arg("test").current_dir(in_node_folder("tests/tools")).output().expect("npm runs")
    });
    let output = run.await.expect("runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{errors}");
}
