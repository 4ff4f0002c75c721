//! What proves the audit trail whole, and how it is kept.

use chrono::Datelike;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};
use voicehive_identity::clock::Clock;

use super::audit::{by_hand, events, world};
use super::support::{Client, Setup, TestApp, connect_as};

#[tokio::test]
async fn the_application_may_append_and_nothing_else() {
    let app = TestApp::start().await;
    world(&app).await;
    app.identity.seal_audit_events().await.expect("sealed");
    let mut connection = connect_as(&app.database, "voicehive_app").await;
    connection.execute("SELECT set_config('app.principal', 'system', false)").await.expect("settings");
    for refused in [
        "UPDATE audit_events SET detail = '{}'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "UPDATE audit_seals SET events = 1",
        "DELETE FROM audit_seals",
        "DELETE FROM audit_event_hotels",
        "INSERT INTO audit_events_unsealed VALUES (gen_random_uuid(), now())",
        "SELECT drop_audit_partitions(now())",
        "SELECT drop_audit_partitions(now() - interval '29 days')",
        "SELECT erase_person_from_audit_events(id) FROM users WHERE email = 'here@h.test'",
    ] {
        assert!(connection.execute(refused).await.is_err(), "{refused}");
    }
    let partitions: Vec<String> = sqlx::query_scalar(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_events'::regclass",
    )
    .fetch_all(&app.database.superuser)
    .await
    .expect("partitions");
    assert_eq!(partitions.len(), 4, "this month, two ahead, and the rest: {partitions:?}");
    for partition in partitions {
        for refused in [format!("SELECT * FROM {partition}"), format!("DELETE FROM {partition}")] {
            assert!(connection.execute(AssertSqlSafe(refused.clone())).await.is_err(), "{refused}");
        }
    }
}

#[tokio::test]
async fn whatever_is_done_to_the_trail_is_found_and_named() {
    let app = TestApp::start().await;
    let admin = world(&app).await;
    app.identity.seal_audit_events().await.expect("sealed");
    let early = app.identity.verify_audit_trail(None, |_| ()).await.expect("verified").head;
    Client::done(
        &admin.mutate("updateHotel", json!({ "id": "hotel:hotel-001", "city": "Bonn" }), "").await,
        "updateHotel",
    );
    app.identity.seal_audit_events().await.expect("sealed");
    let verify = |head: Option<String>| {
        let identity = app.identity.clone();
        async move { identity.verify_audit_trail(head.as_deref(), |_| ()).await.expect("verified") }
    };
    let whole = verify(Some(early.clone())).await;
    assert_eq!((whole.findings.len(), whole.seals, whole.unsealed), (0, 2, 0), "{whole:?}");
    let event = app
        .text("SELECT 'audit:' || id FROM audit_events WHERE type = 'user_updated' ORDER BY id LIMIT 1")
        .await
        .expect("an event");
    let newest =
        app.text("SELECT 'audit:' || id FROM audit_events WHERE type = 'hotel_updated'").await.expect("an event");
    let id = event.trim_start_matches("audit:").to_owned();

    // What is done, and what is said of it: a place, and words.
    let changed = |what: &str| format!("UPDATE audit_events SET {what} WHERE id = '{id}'");
    let table = [
        (changed("type = 'user_viewed'"), event.clone(), "changed"),
        (changed("detail = jsonb_set(detail, '{changes,last_name}', '1')"), event.clone(), "changed"),
        (changed("actor = NULL"), event.clone(), "changed"),
        (changed("occurred_at = occurred_at + interval '1 microsecond'"), event.clone(), "changed"),
        (changed("hotels = '{}'"), event.clone(), "changed"),
        (changed("personal = '{\"x\": 1}'"), event.clone(), "changed"),
        (changed("ip_address = '10.0.0.1'"), event.clone(), "changed"),
        (changed("personal_digest = sha256('')"), event.clone(), "changed"),
        (format!("DELETE FROM audit_events WHERE id = '{id}'"), event.clone(), "missing"),
        ("DELETE FROM audit_events WHERE type = 'hotel_updated'".to_owned(), newest.clone(), "missing"),
        (
            format!("INSERT INTO audit_events SELECT (e).* FROM (SELECT e #= hstore('occurred_at', '2020-01-01') AS e FROM audit_events e WHERE id = '{id}') x"),
            event.clone(),
            "more than once",
        ),
        ("UPDATE audit_seals SET event_ids = event_ids[2:], event_hashes = substr(event_hashes, 33) WHERE number = 1".to_owned(), "seal 1".to_owned(), "changed"),
        ("UPDATE audit_seals SET event_ids = NULL, event_hashes = NULL WHERE number = 1".to_owned(), "seal 1".to_owned(), "lost the list"),
        ("UPDATE audit_seals SET sealed_at = sealed_at + interval '1 second' WHERE number = 2".to_owned(), "seal 2".to_owned(), "changed"),
        ("UPDATE audit_seals SET key_id = 'other' WHERE number = 2".to_owned(), "seal 2".to_owned(), "key that is not here"),
        (
            "INSERT INTO audit_events (id, occurred_at, type, outcome) VALUES ('00000000-0000-7000-8000-000000000002', now(), 'awaiting', 'SUCCESS');
             DELETE FROM audit_events WHERE type = 'awaiting'"
                .to_owned(),
            "audit:00000000-0000-7000-8000-000000000002".to_owned(),
            "it awaited its seal",
        ),
        ("DELETE FROM audit_seals WHERE number = 1".to_owned(), "seal 2".to_owned(), "seals were removed"),
        ("DELETE FROM audit_seals WHERE number = 2".to_owned(), newest.clone(), "no seal holds it"),
        ("DELETE FROM audit_events WHERE type = 'hotel_updated'; DELETE FROM audit_seals WHERE number = 2".to_owned(), whole.head.clone(), "cut off"),
        (
            "WITH e AS (DELETE FROM audit_events_unsealed) SELECT 1; INSERT INTO audit_events (id, occurred_at, type, outcome) VALUES ('00000000-0000-7000-8000-000000000001', now(), 'forged', 'SUCCESS');
             DELETE FROM audit_events_unsealed".to_owned(),
            "audit:00000000-0000-7000-8000-000000000001".to_owned(),
            "no seal holds it",
        ),
    ];
    app.sql("CREATE EXTENSION hstore").await;
    app.sql("CREATE TABLE kept_events AS TABLE audit_events; CREATE TABLE kept_seals AS TABLE audit_seals").await;
    for (tampering, place, words) in table {
        by_hand(&app, &tampering).await;
        let found = verify(Some(whole.head.clone())).await;
        let told =
            found.findings.iter().any(|finding| finding.place.starts_with(&place) && finding.problem.contains(words));
        assert!(told, "{tampering}: {:?}", found.findings);
        by_hand(&app, "DELETE FROM audit_events; DELETE FROM audit_event_hotels; DELETE FROM audit_seals; DELETE FROM audit_events_unsealed; INSERT INTO audit_events SELECT * FROM kept_events; INSERT INTO audit_seals SELECT * FROM kept_seals; DELETE FROM audit_events_unsealed").await;
        assert_eq!(verify(Some(early.clone())).await.findings.len(), 0, "put back after {tampering}");
    }
}

#[tokio::test]
async fn many_servers_seal_one_chain() {
    let app = TestApp::start().await;
    let admin = world(&app).await;
    for round in 0..3 {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let identity = app.identity.clone();
                tokio::spawn(async move { identity.seal_audit_events().await })
            })
            .collect();
        for task in tasks {
            task.await.expect("ends").expect("seals");
        }
        Client::done(
            &admin.mutate("updateHotel", json!({ "id": "hotel:hotel-001", "city": format!("City {round}") }), "").await,
            "updateHotel",
        );
    }
    app.identity.seal_audit_events().await.expect("sealed");
    let whole = app.identity.verify_audit_trail(None, |_| ()).await.expect("verified");
    assert_eq!((whole.findings.len(), whole.unsealed), (0, 0), "{whole:?}");
    assert_eq!(app.count("SELECT count(*) FROM audit_events").await, i64::try_from(whole.events).expect("a number"));
}

#[tokio::test]
async fn months_that_were_kept_long_enough_are_dropped_whole() {
    let mut setup = Setup::usual();
    // Back to the middle of the month before the last one, whatever day it is.
    let today = Clock::default().now().date_naive();
    let this_month = today.with_day(1).expect("each month has one");
    let kept_from = this_month - chrono::Months::new(2) + chrono::Days::new(10);
    let days = u64::try_from((today - kept_from).num_days()).expect("not negative");
    setup.settings.audit_retention = Some(std::time::Duration::from_hours(24 * days));
    let app = TestApp::start_with(setup).await;
    let admin = world(&app).await;
    // Three old months, as they would have come about: partitions first, then events, sealed.
    app.sql("SELECT set_config('app.principal', 'system', false); SELECT prepare_audit_partitions((current_date - interval '6 months')::date, 7)").await;
    let old = "INSERT INTO audit_events (id, occurred_at, type, outcome, hotels)
               SELECT gen_random_uuid(), date_trunc('month', now() - n * interval '1 month') + interval '3 days', 'user_authenticated', 'SUCCESS', '{hotel-001}'
                 FROM generate_series(3, 6) n, generate_series(1, 10)";
    by_hand(&app, old).await;
    app.identity.seal_audit_events().await.expect("sealed");
    let sealed = app.identity.verify_audit_trail(None, |_| ()).await.expect("verified");
    assert_eq!((sealed.findings.len(), sealed.seals), (0, 5), "{sealed:?}");
    let of_hotel = events(&admin, json!({ "hotel": "hotel:hotel-001" })).await.len();

    app.identity.keep_audit_partitions().await.expect("kept");
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE occurred_at < now() - interval '3 months'").await, 0);
    assert_eq!(events(&admin, json!({ "hotel": "hotel:hotel-001" })).await.len(), of_hotel - 40);
    let told = events(&admin, json!({ "types": ["audit_events_expired"] })).await;
    assert_eq!(told[0]["detail"]["months"].as_array().map(Vec::len), Some(4), "{told:?}");
    let after = app.identity.verify_audit_trail(Some(&sealed.head), |_| ()).await.expect("verified");
    assert_eq!(after.findings.len(), 0, "{after:?}");
    app.identity.keep_audit_partitions().await.expect("kept");
    assert_eq!(events(&admin, json!({ "types": ["audit_events_expired"] })).await.len(), 1, "nothing more to drop");
}

#[tokio::test]
async fn events_that_came_before_their_partition_move_into_it() {
    let app = TestApp::start().await;
    by_hand(&app, "INSERT INTO audit_events (id, occurred_at, type, outcome, hotels) VALUES (gen_random_uuid(), date_trunc('month', now()) + interval '5 months 3 days', 'early', 'SUCCESS', '{hotel-001}')").await;
    assert_eq!(app.count("SELECT count(*) FROM audit_events_default").await, 1);
    app.identity.seal_audit_events().await.expect("sealed");
    let until_then = app.count("SELECT extract(epoch FROM max(occurred_at) - now())::bigint FROM audit_events").await;
    app.clock.advance(std::time::Duration::from_secs(u64::try_from(until_then).expect("it is to come")));
    app.identity.keep_audit_partitions().await.expect("kept");
    assert_eq!(app.count("SELECT count(*) FROM audit_events_default").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM audit_event_hotels_default").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'early'").await, 1);
    assert_eq!(app.identity.verify_audit_trail(None, |_| ()).await.expect("verified").findings.len(), 0);
}
