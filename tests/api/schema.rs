//! The schema is what the code prints, and tells what each part of it is for.

use std::process::Command;

use serde_json::Value;

use super::support::{Setup, TestApp, in_node_folder};

#[test]
fn schema_graphql_is_what_the_code_prints() {
    let checked_in =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")).expect("schema.graphql");
    let printed = voicehive_identity::graphql::sdl(false);
    assert!(checked_in == printed, "schema.graphql is out of date: run `make schema` and look at the difference");
}

#[tokio::test]
async fn every_type_field_and_value_is_described() {
    let app = TestApp::start().await;
    let answer = app
        .anonymous()
        .query(
            "{ __schema { types { name kind description fields { name description } inputFields { name description }
               enumValues { name description } } } }",
        )
        .await;
    let mut bare = Vec::new();
    for kind in answer.data("/__schema/types").as_array().expect("types") {
        let name = kind["name"].as_str().expect("a name");
        if name.starts_with("__") || kind["kind"] == "SCALAR" && !["DateTime", "JSON"].contains(&name) {
            continue;
        }
        let is_bare = |part: &Value| part["description"].as_str().is_none_or(str::is_empty);
        if is_bare(kind) {
            bare.push(name.to_owned());
        }
        for parts in ["fields", "inputFields", "enumValues"] {
            let parts = kind[parts].as_array().into_iter().flatten();
            bare.extend(
                parts
                    .filter(|part| is_bare(part))
                    .map(|part| format!("{name}.{}", part["name"].as_str().expect("a name"))),
            );
        }
    }
    assert!(bare.is_empty(), "without a description: {bare:?}");
}

#[tokio::test]
async fn introspection_can_be_turned_off() {
    let mut setup = Setup::usual();
    setup.options.schema.introspection = false;
    let app = TestApp::start_with(setup).await;
    let answer = app.anonymous().query("{ __schema { types { name } } }").await;
    assert!(answer.body["data"]["__schema"].is_null(), "{}", answer.body);
    assert_eq!(app.anonymous().query("{ __typename }").await.data("/__typename"), "Query");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_of_itself_whatever_the_specification_lets_one_ask() {
    let app = TestApp::start().await;
    let url = app.anonymous().url("/graphql");
    let run = tokio::task::spawn_blocking(move || {
        Command::new("node")
            .args(["introspection.mjs", &url, concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")])
            .current_dir(in_node_folder("tests/tools"))
            .output()
            .expect("node runs")
    });
    let output = run.await.expect("runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{errors}");
}
