//! What the GraphQL specification calls invalid is refused before anything of it is run, and what only looks like it is
//! answered. Each counter-example of its section on validation has a row that has the same fault in this schema, and so
//! have its grammar and its rules on requests. A row has one fault where that can be, so that nothing else refuses it.

mod grammar;
mod inputs;
mod requests;
mod selections;
mod valid;

use serde_json::Value;

use self::grammar::GRAMMAR;
use self::inputs::INPUTS;
use self::requests::REQUESTS;
use self::selections::SELECTIONS;
use self::valid::{VALID, VALID_REQUESTS};
use super::support::{Answer, TestApp};

/// What the rows are there for, and documents that are sent alone.
type Documents = &'static [(&'static str, &'static [&'static str])];
/// What the rows are there for, a document, and as JSON what is sent with it, in one request each.
type Requests = &'static [(&'static str, &'static str, &'static [&'static str])];

fn alone(table: Documents) -> Vec<(&'static str, &'static str, &'static str)> {
    table.iter().flat_map(|(rule, documents)| documents.iter().map(|document| (*rule, *document, "{}"))).collect()
}

fn together(table: Requests) -> Vec<(&'static str, &'static str, &'static str)> {
    table.iter().flat_map(|(rule, document, rests)| rests.iter().map(|rest| (*rule, *document, *rest))).collect()
}

fn is_refused(answer: &Answer) -> bool {
    let errors = answer.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let as_a_whole = |error: &Value| error.get("path").is_none() && error["extensions"]["code"] == "BAD_USER_INPUT";
    answer.status == 400 && answer.body.get("data").is_none() && !errors.is_empty() && errors.iter().all(as_a_whole)
}

/// With data, or with what an operation itself says of an argument that is right by its type.
fn is_answered(answer: &Answer) -> bool {
    let errors = answer.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let by_operation = !errors.is_empty()
        && errors.iter().all(|error| error["extensions"]["argument"].is_string() && error.get("path").is_some());
    by_operation || answer.status == 200 && answer.body.get("data").is_some_and(|data| !data.is_null())
}

/// Sends every row, and fails with all those that were not answered as they should have been.
async fn check(rows: Vec<(&str, &str, &str)>, is_right: fn(&Answer) -> bool) {
    let app = TestApp::start().await;
    let admin = app.admin().await.with_header("accept", "application/graphql-response+json");
    let (total, mut wrong) = (rows.len(), Vec::new());
    for (rule, document, rest) in rows {
        let mut body: Value = serde_json::from_str(rest).expect("JSON");
        body["query"] = Value::from(document);
        let answer = admin.post("/graphql", body).await;
        if !is_right(&answer) {
            let told = answer.body.to_string();
            wrong.push(format!("{rule}: {document:?} with {rest}\n    {}: {told:.300}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{} of {total} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn documents_that_are_not_of_the_language_are_refused() {
    check(alone(GRAMMAR), is_refused).await;
}

#[tokio::test]
async fn selections_that_are_not_valid_are_refused() {
    check(alone(SELECTIONS), is_refused).await;
}

#[tokio::test]
async fn values_directives_and_variables_that_are_not_valid_are_refused() {
    check(alone(INPUTS), is_refused).await;
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    check(together(REQUESTS), is_refused).await;
}

#[tokio::test]
async fn valid_documents_are_answered() {
    check(alone(VALID), is_answered).await;
}

#[tokio::test]
async fn valid_requests_are_answered() {
    check(together(VALID_REQUESTS), is_answered).await;
}
