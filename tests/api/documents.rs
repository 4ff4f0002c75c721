//! Documents that are asked for by their hash, and servers that run no others.

use serde_json::{Value, json};
use voicehive_identity::graphql::documents::Trusted;

use super::support::{Client, Setup, TestApp, cluster_folder, sha256};

#[tokio::test]
async fn documents_can_be_asked_for_by_their_hash() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let document = "query Me { me { email } }";
    let hash = sha256(document);
    let by_hash = |hash: &str| json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } });
    let unknown = admin.post("/graphql", by_hash(&hash)).await;
    assert_eq!(unknown.code(), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(unknown.body["errors"][0]["message"], "PersistedQueryNotFound");
    let mut both = by_hash(&hash);
    both["query"] = Value::from(document);
    assert_eq!(admin.post("/graphql", both.clone()).await.data("/me/email"), "admin@voicehive-hotels.eu");
    assert_eq!(admin.post("/graphql", by_hash(&hash)).await.data("/me/email"), "admin@voicehive-hotels.eu");
    let get = format!(
        "/graphql?extensions={}",
        "%7B%22persistedQuery%22%3A%7B%22version%22%3A1%2C%22sha256Hash%22%3A%22HASH%22%7D%7D".replace("HASH", &hash)
    );
    assert_eq!(admin.get(&get).await.data("/me/email"), "admin@voicehive-hotels.eu");
    both["query"] = Value::from("{ me { id } }");
    assert_eq!(admin.post("/graphql", both).await.code(), "BAD_USER_INPUT", "another document than its hash");
    assert_eq!(admin.post("/graphql", by_hash("abc")).await.code(), "BAD_USER_INPUT");
}

/// Whoever knows all of a sign-in but the password might try hashes until the server knows one.
#[tokio::test]
async fn no_hash_tells_what_was_written_into_a_mutation() {
    let app = TestApp::start().await;
    app.user("özlem@h.test").create().await;
    let stranger = app.anonymous();
    let document = |password: &str| {
        format!(
            "mutation {{ login(input: {{ email: \"özlem@h.test\", password: \"{password}\" }}) {{ user {{ id }} errors {{ code }} }} }}"
        )
    };
    let right = document(super::support::PASSWORD);
    assert!(stranger.query(&right).await.data("/login/user/id").is_string());
    for document in [right, document("wrong")] {
        let by_hash = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": sha256(&document) } } });
        assert_eq!(stranger.post("/graphql", by_hash).await.code(), "PERSISTED_QUERY_NOT_FOUND", "{document}");
    }
    // What has its text in variables is found.
    let document = "mutation($input: LoginInput!) { login(input: $input) { user { id } errors { code } } }";
    let input = json!({ "input": { "email": "özlem@h.test", "password": super::support::PASSWORD } });
    stranger.graphql(document, input.clone()).await;
    let hash = json!({ "persistedQuery": { "version": 1, "sha256Hash": sha256(document) } });
    let by_hash = stranger.post("/graphql", json!({ "extensions": hash, "variables": input })).await;
    assert!(by_hash.data("/login/user/id").is_string());
}

#[tokio::test]
async fn a_trusted_document_is_new_once_whatever_it_says() {
    let trusted = "mutation { changePassword(input: {currentPassword: \"a\", newPassword: \"Özlem goes sailing\"}) { errors { code } } }";
    let file = cluster_folder().join("trusted-mutation.json");
    std::fs::write(&file, json!({ sha256(trusted): trusted }).to_string()).expect("written");
    let mut setup = Setup::usual();
    setup.options.trusted = Trusted::read(&file, false).expect("a manifest");
    setup.settings.throttle.new_documents_per_minute = std::num::NonZeroU32::MIN;
    let app = TestApp::start_with(setup).await;
    for _ in 0..4 {
        let by_hash = json!({ "extensions": { "persistedQuery": { "sha256Hash": sha256(trusted) } } });
        let answer = app.anonymous().post("/graphql", by_hash).await;
        assert_eq!(answer.code(), "UNAUTHENTICATED", "{}", answer.body);
    }
}

#[tokio::test]
async fn where_only_trusted_documents_are_run_nothing_else_is() {
    let (trusted, other) = ("query Me { me { email } }", "{ me { id } }");
    let file = cluster_folder().join("trusted.json");
    for manifest in [
        json!({ sha256(trusted): trusted }),
        json!({ "format": "apollo-persisted-query-manifest", "version": 1,
                "operations": [{ "id": sha256(trusted), "name": "Me", "type": "query", "body": trusted }] }),
    ] {
        std::fs::write(&file, manifest.to_string()).expect("written");
        let mut setup = Setup::usual();
        setup.options.trusted = Trusted::read(&file, true).expect("a manifest");
        let app = TestApp::start_with(setup).await;
        let token = {
            let body = json!({ "email": "admin@voicehive-hotels.eu", "password": "admin123" });
            app.anonymous().post("/auth/login", body).await.body["access_token"].as_str().expect("a token").to_owned()
        };
        let admin: Client = app.anonymous().with_token(&token);
        assert_eq!(admin.query(trusted).await.data("/me/email"), "admin@voicehive-hotels.eu");
        let hash = sha256(trusted);
        let by_hash = json!({ "extensions": { "persistedQuery": { "sha256Hash": hash } } });
        assert_eq!(admin.post("/graphql", by_hash).await.data("/me/email"), "admin@voicehive-hotels.eu");
        let refused = admin.query(other).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT");
        assert!(refused.body.to_string().contains("only the documents that its operators have listed"));
    }
    std::fs::write(&file, json!({ sha256(other): trusted }).to_string()).expect("written");
    assert!(Trusted::read(&file, true).is_err_and(|error| error.to_string().contains("another SHA-256")));
    std::fs::write(&file, "[1]").expect("written");
    assert!(Trusted::read(&file, true).is_err_and(|error| error.to_string().contains("is no manifest")));
}
