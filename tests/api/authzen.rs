//! Access decisions in the words of the OpenID AuthZEN Authorization API 1.0: the examples of its specification, with our
//! users, permissions and hotels in them, and what its certification looks for.

use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{Answer, Client, Setup, TestApp};

/// Alice works at hotel-001 and at hotel-003, Bob at hotel-001 alone; hotel-002 is neither's.
struct World {
    app: TestApp,
    gateway: Client,
    alice: Uuid,
    bob: Uuid,
}

async fn world() -> World {
    let app = TestApp::start().await;
    for id in ["hotel-002", "hotel-003"] {
        app.hotel(id, "Elsewhere").await;
    }
    let alice = app.user("alice@h.test").role("HOTEL_STAFF").hotel("hotel-001").hotel("hotel-003").create().await;
    let bob = app.user("bob@h.test").role("HOTEL_ADMIN").hotel("hotel-001").create().await;
    let admin = app.admin().await;
    let input =
        json!({ "name": "Gateway", "serviceName": "gateway", "permissions": ["user:view"], "hotelScope": "ALL" });
    let made = admin.mutate("createApiKey", input, "secret").await;
    let key = made.data("/createApiKey/secret").as_str().expect("a key").to_owned();
    let gateway = app.anonymous().with_header("x-api-key", &key);
    World { app, gateway, alice, bob }
}

fn user(id: Uuid) -> Value {
    json!({ "type": "user", "id": id })
}

fn hotel(id: &str) -> Value {
    json!({ "type": "hotel", "id": id })
}

fn decisions(answer: &Answer) -> Vec<bool> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let list = answer.body["evaluations"].as_array().unwrap_or_else(|| panic!("no list in {}", answer.body));
    list.iter().map(|one| one["decision"].as_bool().expect("a decision")).collect()
}

#[tokio::test]
async fn one_question_has_one_answer() {
    let world = world().await;
    let ask = json!({
        "subject": { "type": "user", "id": world.alice, "properties": { "department": "Sales" } },
        "resource": { "type": "hotel", "id": "hotel-001", "properties": { "library_record": { "title": "x" } } },
        "action": { "name": "call:start", "properties": { "method": "GET" } },
        "context": { "time": "1985-10-26T01:22-07:00" }, "foo": "bar"
    });
    let gateway = world.gateway.clone().with_header("x-request-id", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716");
    for _ in 0..2 {
        let answer = gateway.post("/access/v1/evaluation", ask.clone()).await;
        let expected = json!({ "decision": true, "context": { "reason": "GRANTED", "granted_by": ["HOTEL_STAFF"] } });
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &expected));
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["x-request-id"], "bfe9eb29-ab87-4ca3-be83-a1d5d8305716");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let with = |name: &str, value: Value| {
        let mut ask = ask.clone();
        ask[name] = value;
        ask
    };
    for (ask, reason) in [
        (with("action", json!({ "name": "user:create" })), "PERMISSION_MISSING"),
        (with("action", json!({ "name": "can_fly" })), "PERMISSION_MISSING"),
        (with("resource", hotel("hotel-002")), "HOTEL_NOT_ASSIGNED"),
        (with("resource", hotel("hotel-404")), "NO_SUCH_HOTEL"),
        (with("resource", json!({ "type": "account", "id": "123" })), "NO_SUCH_HOTEL"),
        (with("subject", user(Uuid::max())), "NO_SUCH_USER"),
        (with("subject", json!({ "type": "user", "id": "alice@example.com" })), "NO_SUCH_USER"),
        (with("subject", json!({ "type": "robot", "id": world.alice })), "NO_SUCH_USER"),
    ] {
        let answer = gateway.post("/access/v1/evaluation", ask.clone()).await;
        assert_eq!(answer.status, 200, "{ask}");
        assert_eq!(
            (&answer.body["decision"], &answer.body["context"]["reason"]),
            (&json!(false), &json!(reason)),
            "{ask}"
        );
    }
    let by_gid = with("subject", json!({ "type": "user", "id": format!("user:{}", world.alice) }));
    assert_eq!(gateway.post("/access/v1/evaluation", by_gid).await.body["decision"], true);

    let without = |path: &[&str]| {
        let mut ask = ask.clone();
        match path {
            [one] => drop(ask.as_object_mut().expect("an object").remove(*one)),
            [one, two] => drop(ask[*one].as_object_mut().expect("an object").remove(*two)),
            _ => unreachable!(),
        }
        ask
    };
    for wrong in [
        without(&["subject"]),
        without(&["action"]),
        without(&["resource"]),
        without(&["subject", "type"]),
        without(&["subject", "id"]),
        without(&["action", "name"]),
        without(&["resource", "type"]),
        without(&["resource", "id"]),
        with("subject", json!("alice")),
        with("action", json!({ "name": 123 })),
        with("action", json!({ "name": "a\0" })),
        with("action", json!({ "name": "a".repeat(257) })),
        with("resource", json!({ "type": "hotel", "id": "a\0" })),
        json!([ask.clone()]),
    ] {
        let answer = gateway.post("/access/v1/evaluation", wrong.clone()).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.body.as_str().is_some_and(|text| !text.is_empty()), "one line: {}", answer.body);
    }
    for (content_type, body) in
        [("text/plain", ask.to_string()), ("application/json", "{".to_owned()), ("application/json", String::new())]
    {
        let request = gateway.http.post(gateway.url("/access/v1/evaluation")).header("content-type", content_type);
        assert_eq!(gateway.send(request.body(body)).await.status, 400, "{content_type}");
    }
}

#[tokio::test]
async fn many_questions_are_answered_in_their_order() {
    let world = world().await;
    let (alice, bob) = (user(world.alice), user(world.bob));
    let ask = async |body: Value| world.gateway.post("/access/v1/evaluations", body).await;
    let (view, create) = (json!({ "name": "call:view" }), json!({ "name": "user:create" }));
    let here = [hotel("hotel-001"), hotel("hotel-002"), hotel("hotel-003")];
    let context = json!({ "time": "2024-05-31T15:22-07:00" });

    let whole: Vec<Value> = here
        .iter()
        .map(|hotel| json!({ "subject": alice, "action": view, "resource": hotel, "context": context }))
        .collect();
    assert_eq!(decisions(&ask(json!({ "evaluations": whole })).await), [true, false, true]);
    let parts: Vec<Value> = here.iter().map(|hotel| json!({ "action": view, "resource": hotel })).collect();
    assert_eq!(
        decisions(&ask(json!({ "subject": alice, "context": context, "evaluations": parts })).await),
        [true, false, true]
    );
    let mixed = json!({ "subject": alice, "context": context, "action": view, "evaluations": [
        { "resource": here[0] }, { "resource": here[1] }, { "action": create, "resource": here[2] } ] });
    let answer = ask(mixed).await;
    assert_eq!(decisions(&answer), [true, false, false]);
    assert_eq!(answer.body["evaluations"][2]["context"]["reason"], "PERMISSION_MISSING");
    assert!(answer.body.get("decision").is_none());
    assert!(answer.statements() <= 3);
    let of_two = json!({ "action": view, "resource": here[2], "evaluations": [{ "subject": alice }, { "subject": bob }, { "subject": alice }] });
    assert_eq!(decisions(&ask(of_two).await), [true, false, true], "the same question may stand twice");
    let inherited =
        json!({ "subject": alice, "action": view, "resource": here[0], "evaluations": [{}, { "resource": here[1] }] });
    assert_eq!(decisions(&ask(inherited).await), [true, false]);
    let whole_alone = json!({ "subject": alice, "action": view, "resource": here[0], "evaluations": [{ "resource": { "id": "hotel-002" } }] });
    let answer = ask(whole_alone).await;
    assert_eq!(decisions(&answer), [false], "members are not mixed");
    assert_eq!(answer.body["evaluations"][0]["context"]["error"]["status"], 400);

    for (semantic, expected) in [
        ("execute_all", &[true, false, true][..]),
        ("deny_on_first_deny", &[true, false]),
        ("permit_on_first_permit", &[true]),
    ] {
        let body = json!({ "subject": alice, "action": view, "evaluations": [{ "resource": here[0] }, { "resource": here[1] }, { "resource": here[2] }],
            "options": { "evaluations_semantic": semantic, "another_option": "value" } });
        assert_eq!(decisions(&ask(body).await), expected, "{semantic}");
    }
    let none = json!({ "subject": bob, "action": view, "options": { "evaluations_semantic": "permit_on_first_permit" },
        "evaluations": [{ "resource": here[1] }, { "resource": here[2] }] });
    assert_eq!(decisions(&ask(none).await), [false, false]);
    let broken_first = json!({ "subject": alice, "action": view, "options": { "evaluations_semantic": "deny_on_first_deny" }, "evaluations": [{}, { "resource": here[0] }] });
    assert_eq!(decisions(&ask(broken_first).await), [false], "an error denies");
    let missing = json!({ "subject": alice, "action": view, "evaluations": [{ "resource": here[0] }, {}] });
    assert_eq!(decisions(&ask(missing).await), [true, false]);

    for evaluations in [json!(null), json!([])] {
        let body = json!({ "subject": alice, "action": view, "resource": here[0], "evaluations": evaluations });
        let answer = ask(body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["decision"]), (200, &json!(true)));
        assert!(answer.body.get("evaluations").is_none());
    }
    let one = json!({ "resource": here[0] });
    for wrong in [
        json!({ "subject": alice, "action": view, "evaluations": {} }),
        json!({ "subject": alice, "action": view, "evaluations": [one], "options": { "evaluations_semantic": "first" } }),
        json!({ "subject": alice, "action": view, "evaluations": [one], "options": [] }),
        json!({ "subject": alice, "action": view, "evaluations": vec![one.clone(); 1001] }),
        json!({ "evaluations": [] }),
    ] {
        assert_eq!(ask(wrong.clone()).await.status, 400, "{wrong:.200}");
    }
    assert_eq!(
        decisions(&ask(json!({ "subject": alice, "action": view, "evaluations": vec![one; 1000] })).await).len(),
        1000
    );
}

#[tokio::test]
async fn searches_find_who_where_and_what() {
    let world = world().await;
    let (alice, bob) = (user(world.alice), user(world.bob));
    let ask = async |what: &str, body: Value| world.gateway.post(&format!("/access/v1/search/{what}"), body).await;
    let view = json!({ "name": "call:view" });
    let by = |subject: &Value| json!({ "subject": subject, "action": view, "resource": { "type": "hotel" } });

    let found = ask("resource", by(&alice)).await;
    assert_eq!(found.body["results"], json!([hotel("hotel-001"), hotel("hotel-003")]), "{}", found.body);
    assert_eq!(found.body["page"]["next_token"], "");
    let mut named = by(&alice);
    named["resource"]["id"] = json!("hotel-002");
    assert_eq!(ask("resource", named).await.body["results"], found.body["results"], "an id is not looked at");
    // Two pages; the second names no limit.
    let mut page = by(&alice);
    page["page"] = json!({ "limit": 1 });
    let first = ask("resource", page.clone()).await;
    assert_eq!((&first.body["results"], &first.body["page"]["count"]), (&json!([hotel("hotel-001")]), &json!(1)));
    let token = first.body["page"]["next_token"].clone();
    for limit in [json!(null), json!(1)] {
        page["page"] = json!({ "token": token, "limit": limit });
        let second = ask("resource", page.clone()).await;
        assert_eq!(
            (&second.body["results"], &second.body["page"]["next_token"]),
            (&json!([hotel("hotel-003")]), &json!(""))
        );
    }
    page["page"] = json!({ "limit": 0 });
    assert_eq!(ask("resource", page.clone()).await.body["results"], json!([]));
    for (token, limit, subject) in [
        (token.clone(), json!(2), &alice),
        (token.clone(), json!(null), &bob),
        (json!("nonsense"), json!(null), &alice),
        (altered(&token, "a\0"), json!(null), &alice),
        (json!(null), json!(-1), &alice),
        (json!(null), json!("2"), &alice),
    ] {
        let mut page = by(subject);
        page["page"] = json!({ "token": token, "limit": limit });
        assert_eq!(ask("resource", page.clone()).await.status, 400, "{page}");
    }

    let who = |hotel: Value| json!({ "subject": { "type": "user" }, "action": view, "resource": hotel });
    let found = ask("subject", who(hotel("hotel-001"))).await;
    let results = found.body["results"].as_array().expect("a list");
    assert!(results.contains(&alice) && results.contains(&bob), "{}", found.body);
    assert_eq!(
        ask("subject", who(hotel("hotel-003"))).await.body["results"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|one| [&alice, &bob].contains(one))
            .count(),
        1
    );
    let (mut all, mut page) = (Vec::new(), who(hotel("hotel-001")));
    page["page"] = json!({ "limit": 1 });
    let first = ask("subject", page.clone()).await.body["page"]["next_token"].clone();
    for after in ["-8000000000000000000:01900000-0000-7000-8000-000000000001", "nonsense", "1:x"] {
        let mut page = page.clone();
        page["page"] = json!({ "token": altered(&first, after) });
        assert_eq!(ask("subject", page).await.status, 400, "{after}");
    }
    loop {
        let found = ask("subject", page.clone()).await;
        all.extend(found.body["results"].as_array().expect("a list").clone());
        let token = found.body["page"]["next_token"].as_str().expect("a token").to_owned();
        if token.is_empty() {
            break;
        }
        page["page"] = json!({ "token": token });
    }
    assert_eq!(&all, results, "page by page");
    // Each of them is allowed by a decision, too.
    let items: Vec<Value> = all.iter().map(|one| json!({ "subject": one })).collect();
    let check = json!({ "action": view, "resource": hotel("hotel-001"), "evaluations": items });
    assert!(decisions(&world.gateway.post("/access/v1/evaluations", check).await).iter().all(|allowed| *allowed));

    let what = ask("action", json!({ "subject": alice, "resource": hotel("hotel-001"), "context": {} })).await;
    assert_eq!(
        what.body["results"],
        json!([{ "name": "call:start" }, { "name": "call:view" }, { "name": "hotel:view" }])
    );

    for (search, body) in [
        ("subject", who(hotel("hotel-404"))),
        ("subject", who(json!({ "type": "account", "id": "1" }))),
        ("resource", by(&user(Uuid::max()))),
        ("resource", json!({ "subject": alice, "action": view, "resource": { "type": "account" } })),
        ("action", json!({ "subject": { "type": "robot", "id": "1" }, "resource": hotel("hotel-001") })),
    ] {
        let found = ask(search, body.clone()).await;
        assert_eq!((found.status.as_u16(), &found.body["results"]), (200, &json!([])), "{body}");
    }
    let neither = json!({ "subject": { "type": "user" }, "action": view, "resource": { "type": "hotel" } });
    for search in ["subject", "resource", "action"] {
        assert_eq!(ask(search, neither.clone()).await.status, 400, "{search}");
    }
}

/// A page's token with another place to go on from.
fn altered(token: &Value, after: &str) -> Value {
    use base64::Engine;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let read = engine.decode(token.as_str().expect("a token")).expect("base64");
    let mut read: Value = serde_json::from_slice(&read).expect("JSON");
    read["after"] = json!(after);
    json!(engine.encode(read.to_string()))
}

#[tokio::test]
async fn a_large_request_is_bounded_whatever_it_repeats() {
    let world = world().await;
    let items: Vec<Value> =
        (0..1000).map(|n| json!({ "resource": { "type": "hotel", "id": n.to_string() } })).collect();
    for subject in [
        json!({ "type": "user", "id": "A".repeat(900_000) }),
        json!("A".repeat(900_000)),
        json!({ "type": "user", "id": world.alice, "properties": vec![Vec::<u8>::new(); 5000] }),
    ] {
        let body = json!({ "subject": subject, "action": { "name": "call:view" }, "evaluations": items });
        let answer = world.gateway.post("/access/v1/evaluations", body).await;
        assert_eq!(decisions(&answer), vec![false; 1000]);
        assert!(answer.body.to_string().len() < 250_000, "nothing of it comes back");
    }
    let many = json!({ "evaluations": items, "context": vec![Vec::<u8>::new(); 200_000] });
    assert_eq!(world.gateway.post("/access/v1/evaluations", many).await.status, 413);
}

#[tokio::test]
async fn only_those_who_may_look_at_users_may_ask() {
    let world = world().await;
    let ask =
        json!({ "subject": user(world.alice), "action": { "name": "call:view" }, "resource": hotel("hotel-001") });
    let manager = world.app.signed_in("manager@hotel1.com").await;
    let chief = world.app.signed_in("bob@h.test").await;
    for path in ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"] {
        let path = format!("/access/v1/{path}");
        let stranger = world.app.anonymous().post(&path, ask.clone()).await;
        assert_eq!(
            (stranger.status.as_u16(), stranger.headers.contains_key("www-authenticate")),
            (401, true),
            "{path}"
        );
        let nonsense = world.app.anonymous().with_header("x-api-key", "nonsense").post(&path, ask.clone()).await;
        assert_eq!(nonsense.status, 401);
        assert_eq!(manager.post(&path, ask.clone()).await.status, 403, "{path}");
        assert_eq!(chief.post(&path, ask.clone()).await.status, 200, "{path}: a user may ask as well");
        assert_eq!(world.gateway.get(&path).await.status, 405, "{path}");
    }
    // Bob sees nobody of elsewhere, and no hotel there.
    let elsewhere = world.app.user("elsewhere@h.test").role("HOTEL_STAFF").hotel("hotel-002").create().await;
    for (subject, place, reason) in
        [(elsewhere, "hotel-002", "NO_SUCH_USER"), (world.alice, "hotel-003", "NO_SUCH_HOTEL")]
    {
        let ask = json!({ "subject": user(subject), "action": { "name": "call:view" }, "resource": hotel(place) });
        assert_eq!(chief.post("/access/v1/evaluation", ask).await.body["context"]["reason"], reason);
    }
}

#[tokio::test]
async fn the_metadata_says_where_to_ask() {
    let app = TestApp::start().await;
    let told = app.anonymous().get("/.well-known/authzen-configuration").await;
    let base = format!("http://{}", app.address);
    assert_eq!((told.status.as_u16(), &told.body["policy_decision_point"]), (200, &json!(base)));
    for (name, path) in [
        ("access_evaluation_endpoint", "evaluation"),
        ("access_evaluations_endpoint", "evaluations"),
        ("search_subject_endpoint", "search/subject"),
        ("search_resource_endpoint", "search/resource"),
        ("search_action_endpoint", "search/action"),
    ] {
        let url = told.body[name].as_str().expect("a URL");
        assert_eq!(url, format!("{base}/access/v1/{path}"));
        let answer = app.anonymous().post(url.strip_prefix(&base).expect("ours"), json!({})).await;
        assert_eq!(answer.status, 401, "{url} is there");
    }
    assert_eq!(told.headers["cache-control"], "no-store", "the request itself has said where we are");

    let mut setup = Setup::usual();
    setup.options.public_url = Some("https://id.example.com".to_owned());
    let app = TestApp::start_with(setup).await;
    let told = app.anonymous().get("/.well-known/authzen-configuration").await;
    assert_eq!(told.body["access_evaluation_endpoint"], "https://id.example.com/access/v1/evaluation");
    assert_eq!(told.headers["cache-control"], "public, max-age=300");
    let odd =
        app.anonymous().with_header("host", "elsewhere.example").get("/.well-known/oauth-authorization-server").await;
    assert_eq!(odd.body["jwks_uri"], "https://id.example.com/.well-known/jwks.json");
}
