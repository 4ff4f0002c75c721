//! A hotel that is closed opens nothing to its own people, from the next request on, and the group alone opens it again.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use super::support::{Client, Setup, TestApp};
use super::tokens::claims_of;

const MINE: &str = "{ me { hotels { nodes { pmsHotelId } } } hotels { nodes { pmsHotelId } } users(orderBy: {field: EMAIL}) { nodes { email } } }";

async fn world(row_security_alone: bool) -> TestApp {
    let app = TestApp::start_with(Setup { row_security_alone, ..Setup::usual() }).await;
    if !row_security_alone {
        app.hears_changes().await;
    }
    app.hotel("h-1", "Grand").await;
    app.hotel("h-2", "Łódź").await;
    app.user("chief@h.test").role("HOTEL_ADMIN").hotel("h-1").hotel("h-2").create().await;
    app.user("özlem@h.test").role("HOTEL_STAFF").hotel("h-2").create().await;
    app.user("both@h.test").role("HOTEL_STAFF").hotel("h-1").hotel("h-2").create().await;
    app.user("one@h.test").role("HOTEL_ADMIN").hotel("h-1").create().await;
    app
}

async fn set_active(client: &Client, hotel: &str, active: bool) -> Vec<String> {
    let input = json!({ "id": format!("hotel:{hotel}"), "active": active });
    client.mutate("updateHotel", input, "hotel { active }").await.refusals("updateHotel")
}

async fn sees(client: &Client) -> (Vec<String>, Vec<String>, Vec<String>) {
    let answer = client.query(MINE).await;
    (
        answer.texts("/me/hotels/nodes", "/pmsHotelId"),
        answer.texts("/hotels/nodes", "/pmsHotelId"),
        answer.texts("/users/nodes", "/email"),
    )
}

#[tokio::test]
async fn a_closed_hotel_leaves_scope_and_tokens_and_is_opened_by_the_group_alone() {
    for row_security_alone in [false, true] {
        let app = world(row_security_alone).await;
        let (admin, chief) = (app.admin().await, app.signed_in("chief@h.test").await);
        let key = json!({ "name": "k", "serviceName": "s", "permissions": ["user:view", "hotel:update"], "hotels": ["hotel:h-2"] });
        let key = admin.mutate("createApiKey", key, "secret").await;
        let key = key.data("/createApiKey/secret").as_str().expect("a key").to_owned();
        let service = app.anonymous().with_header("x-api-key", &key);
        let (mine, there, people) = sees(&chief).await;
        assert_eq!((mine, there), (vec!["h-1".to_owned(), "h-2".to_owned()], vec!["h-1".to_owned(), "h-2".to_owned()]));
        assert_eq!(people.len(), 4, "{people:?}");

        // Closing one is not for its own people either; a form that sends what it has read changes nothing.
        assert_eq!(set_active(&chief, "h-2", false).await, ["PRIVILEGE_ESCALATION active"]);
        assert_eq!(set_active(&service, "h-2", false).await, ["PRIVILEGE_ESCALATION active"]);
        let form = json!({ "id": "hotel:h-2", "active": true, "city": "Łódź" });
        Client::done(&chief.mutate("updateHotel", form, "").await, "updateHotel");
        assert_eq!(set_active(&admin, "h-2", false).await, [] as [&str; 0]);

        // With the very token of before.
        let (mine, there, people) = sees(&chief).await;
        assert_eq!((mine, there), (vec!["h-1".to_owned()], vec!["h-1".to_owned()]));
        assert_eq!(people, ["both@h.test", "chief@h.test", "one@h.test"]);
        for (name, input) in [
            ("updateHotel", json!({ "id": "hotel:h-2", "active": true })),
            ("updateHotel", json!({ "id": "hotel:h-2", "city": "Gdańsk" })),
        ] {
            for client in [&chief, &service] {
                assert_eq!(client.mutate(name, input.clone(), "").await.refusals(name), ["NOT_FOUND id"]);
            }
        }
        assert_eq!(
            service.query("{ hotels { totalCount } users { totalCount } }").await.data(""),
            &json!({ "hotels": { "totalCount": 0 }, "users": { "totalCount": 0 } })
        );
        let me = chief.get("/auth/me").await;
        assert_eq!(me.body["user"]["hotel_ids"], json!(["h-1"]), "{}", me.body);
        for token in [chief.clone().refresh().await, app.signed_in("chief@h.test").await] {
            let claims = claims_of(&token.access_token.expect("a token"));
            assert_eq!(claims["hotel_ids"], json!(["h-1"]));
        }
        let nowhere = claims_of(&app.signed_in("özlem@h.test").await.access_token.expect("a token"));
        assert_eq!(nowhere["hotel_ids"], json!([]));
        // The group sees it, and that people are assigned to it.
        let seen = admin.query("{ hotel(by: {pmsHotelId: \"h-2\"}) { active } user(by: {email: \"chief@h.test\"}) { hotels { nodes { pmsHotelId } } } }").await;
        assert_eq!(seen.data("/hotel/active"), false);
        assert_eq!(seen.texts("/user/hotels/nodes", "/pmsHotelId"), ["h-1", "h-2"]);

        assert_eq!(set_active(&admin, "h-2", true).await, [] as [&str; 0]);
        assert_eq!(sees(&chief).await.1, ["h-1", "h-2"]);
        assert_eq!(service.query("{ hotels { totalCount } }").await.data("/hotels/totalCount"), 1);
    }
}

#[tokio::test]
async fn a_closed_hotel_still_counts_for_who_commands_whom() {
    for row_security_alone in [false, true] {
        let app = world(row_security_alone).await;
        app.sql("UPDATE hotels SET active = false WHERE id = 'h-2'").await;
        let both = app.text("SELECT 'user:' || id FROM users WHERE email = 'both@h.test'").await.expect("a user");
        let name = async |who: &str| {
            let input = json!({ "id": both, "firstName": "ΜΑΡΊΑ" });
            app.signed_in(who).await.mutate("updateUser", input, "").await.refusals("updateUser")
        };
        assert_eq!(name("one@h.test").await, ["PRIVILEGE_ESCALATION id"], "it may be open again tomorrow");
        assert_eq!(name("chief@h.test").await, [] as [&str; 0], "and is the chief's as well");
    }
}

/// The second wall by itself, whatever a statement says.
#[tokio::test]
async fn no_statement_opens_a_closed_hotel_for_its_people() {
    let app = world(false).await;
    app.sql("UPDATE hotels SET active = false WHERE id = 'h-2'").await;
    let chief = app.text("SELECT id::text FROM users WHERE email = 'chief@h.test'").await.expect("an id");
    let mut connection = app.database.superuser.acquire().await.expect("a connection");
    for (sql, rows) in [
        ("UPDATE hotels SET active = true", 1),
        ("UPDATE hotels SET city = 'Gdańsk'", 1),
        ("UPDATE hotels SET active = false", 0),
        ("UPDATE hotels SET city = 'Gdańsk' WHERE id = 'h-2'", 0),
    ] {
        let begin = format!(
            "BEGIN; SET LOCAL ROLE voicehive_app; SELECT set_config('app.principal', 'user', true), set_config('app.user_id', '{chief}', true),
             set_config('app.all_hotels', '', true), set_config('app.writes', 'hotels', true)"
        );
        connection.execute(AssertSqlSafe(begin)).await.expect("begun");
        let done = connection.execute(sql).await.map_or(0, |done| done.rows_affected());
        connection.execute("ROLLBACK").await.expect("ended");
        assert_eq!(done, rows, "{sql}");
    }
    assert_eq!(
        app.text("SELECT json_build_array(active)::text FROM hotels WHERE id = 'h-2'").await,
        Some(Value::from(vec![false]).to_string())
    );
}
