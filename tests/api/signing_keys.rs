//! The keys that all servers share, and their rotation: `voicehive keys generate|rotate|list`.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use jsonwebtoken::decode_header;
use serde_json::Value;

use super::support::{Client, Setup, TestApp, cluster_folder, one_line, told, told_json, voicehive};

fn shared() -> Setup {
    let mut setup = Setup::usual();
    setup.settings.signing_key_file = None;
    setup
}

fn key_id(client: &Client) -> String {
    decode_header(client.access_token.as_deref().expect("a token")).expect("a header").kid.expect("a key id")
}

async fn published(app: &TestApp) -> Vec<Value> {
    let keys = app.anonymous().get("/.well-known/jwks.json").await.body["keys"].clone();
    keys.as_array().expect("keys").iter().map(|key| key["kid"].clone()).collect()
}

#[tokio::test]
async fn servers_share_their_keys_and_their_rotation() {
    let one = TestApp::start_with(shared()).await;
    let two = TestApp::start_on(one.database.clone(), shared()).await;
    let before = one.admin().await;
    let there = async |app: &TestApp, client: &Client| {
        app.anonymous().with_token(client.access_token.as_deref().expect("a token")).is_signed_in().await
    };
    assert!(there(&two, &before).await, "the other server takes the token");
    assert_eq!(published(&two).await, [key_id(&before)]);

    let rotated = told_json(voicehive(&one.database.options, &["keys", "rotate", "--json"]));
    let next = rotated["key_id"].as_str().expect("an id");
    for app in [&one, &two] {
        app.identity.load_keys().await.expect("read");
        assert_eq!(published(app).await.len(), 2, "published before it signs");
        assert_eq!(key_id(&app.admin().await), key_id(&before));
    }
    for app in [&one, &two] {
        app.clock.advance(Duration::from_secs(601));
        app.identity.load_keys().await.expect("read");
    }
    let after = one.admin().await;
    assert_eq!(key_id(&after), next);
    assert!(there(&one, &before).await && there(&two, &before).await && there(&two, &after).await);
    let refreshed = before.clone().refresh().await;
    assert_ne!(key_id(&refreshed), key_id(&before), "a refresh takes the new key");

    // Until the last token of the old one has expired, a remembered session's refresh token.
    one.clock.advance(Duration::from_hours(720));
    one.identity.load_keys().await.expect("read");
    assert_eq!(published(&one).await.len(), 2);
    one.clock.advance(Duration::from_secs(601));
    one.identity.load_keys().await.expect("read");
    assert_eq!(published(&one).await, [next]);
}

#[tokio::test]
async fn a_key_that_another_server_has_just_made_is_looked_for() {
    let one = TestApp::start_with(shared()).await;
    let two = TestApp::start_on(one.database.clone(), shared()).await;
    let old = one.admin().await;
    told(voicehive(&one.database.options, &["keys", "rotate", "--now"]));
    one.identity.load_keys().await.expect("read");
    let new = one.admin().await;
    assert_ne!(key_id(&new), key_id(&old));
    let on_two = two.anonymous().with_token(new.access_token.as_deref().expect("a token"));
    assert!(on_two.is_signed_in().await);

    told(voicehive(&one.database.options, &["keys", "rotate", "--distrust"]));
    for app in [&one, &two] {
        app.identity.load_keys().await.expect("read");
        for client in [&old, &new] {
            let token = client.access_token.as_deref().expect("a token");
            assert!(!app.anonymous().with_token(token).is_signed_in().await, "a distrusted key");
        }
        assert_eq!(published(app).await.len(), 1);
    }
}

#[tokio::test]
async fn a_key_that_was_overtaken_never_signs() {
    let app = TestApp::start_with(shared()).await;
    let options = &app.database.options;
    let overtaken = told_json(voicehive(options, &["keys", "rotate", "--json"]))["key_id"].clone();
    let next = told_json(voicehive(options, &["keys", "rotate", "--now", "--json"]))["key_id"].clone();
    app.clock.advance(Duration::from_secs(601));
    app.identity.load_keys().await.expect("read");
    assert_eq!(key_id(&app.admin().await), next);
    assert!(!published(&app).await.contains(&overtaken));
}

#[tokio::test]
async fn a_key_that_goes_on_signing_is_honoured_as_long_as_its_tokens_live() {
    let app = TestApp::start_with(shared()).await;
    let first = key_id(&app.admin().await);
    // Each takes over from one that has not signed yet.
    for _ in 0..4 {
        app.identity.rotate_keys(voicehive_identity::identity::Rotation::PublishedAhead).await.expect("rotated");
        app.clock.advance(Duration::from_mins(9));
        app.identity.load_keys().await.expect("read");
    }
    let last = app.admin().await;
    assert_eq!(key_id(&last), first);
    app.clock.advance(Duration::from_hours(720) - Duration::from_mins(1));
    app.identity.load_keys().await.expect("read");
    assert!(published(&app).await.contains(&Value::from(first)), "a remembered session's token may still live");
}

#[tokio::test]
async fn a_server_whose_clock_is_behind_signs_with_the_first_key() {
    let ahead = TestApp::start().await;
    let one = TestApp::start_on(ahead.database.clone(), shared()).await;
    sqlx::query("UPDATE signing_keys SET signs_from = signs_from + interval '1 minute'")
        .execute(&one.database.superuser)
        .await
        .expect("as a clock that is ahead would");
    let two = TestApp::start_on(ahead.database.clone(), shared()).await;
    two.admin().await;
}

#[tokio::test]
async fn servers_that_start_at_once_make_one_key() {
    let one = TestApp::start().await;
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let database = one.database.clone();
        starting.spawn(async move {
            let app = TestApp::start_on(database, shared()).await;
            app.admin().await;
            published(&app).await
        });
    }
    let mut seen = starting.join_all().await;
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].len(), 1);
}

#[tokio::test]
async fn keys_are_listed_and_made_for_files() {
    let app = TestApp::start_with(shared()).await;
    let options = &app.database.options;
    let first = key_id(&app.admin().await);
    told(voicehive(options, &["keys", "rotate"]));
    let listed = told_json(voicehive(options, &["keys", "list", "--json"]));
    let keys = listed["keys"].as_array().expect("keys");
    assert_eq!(keys.len(), 2);
    let signs: Vec<_> = keys.iter().filter(|key| key["signs"] == true).map(|key| key["key_id"].clone()).collect();
    assert_eq!(signs, [Value::from(first.clone())]);
    assert!(told(voicehive(options, &["keys", "list"])).contains(&format!("{first}  EdDSA  signs")));

    let file = cluster_folder().join(format!("{}.pem", options.get_database().expect("a name")));
    let path = file.to_str().expect("a path");
    told(voicehive(options, &["keys", "generate", path]));
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let again = voicehive(options, &["keys", "generate", path]).output().expect("runs");
    assert!(one_line(&again).contains("is there already: name a new file"));
    let mut from_file = voicehive(options, &["keys", "rotate"]);
    let refused = from_file.env("VOICEHIVE_JWT__SIGNING_KEY_FILE", path).output().expect("runs");
    assert!(one_line(&refused).starts_with("voicehive: jwt.signing_key_file names the key"));
    let mut listed = voicehive(options, &["keys", "list", "--json"]);
    listed.env("VOICEHIVE_JWT__SIGNING_KEY_FILE", path);
    assert_eq!(told_json(listed)["keys"][0]["signs"], true);
}
