//! Administering users: what can be changed, what is refused, and what follows at once.

use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{Client, PASSWORD, TestApp};

const STAFF: &str = "role:01900000-0000-7000-8000-000000000003";
const HOTEL_ADMIN: &str = "role:01900000-0000-7000-8000-000000000002";

const USER: &str = "user { id email firstName lastName displayName active emailVerified locked mustChangePassword hotelScope \
    failedLoginAttempts roles { name } hotels { nodes { pmsHotelId } } createdBy { email } updatedBy { email } }";

fn gid(id: Uuid) -> String {
    format!("user:{id}")
}

#[tokio::test]
async fn a_user_is_added_with_everything_and_signs_in() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let input = json!({
        "email": "  Anna.Berg@Hotel1.COM ", "password": "harbour lamp nine", "firstName": " Anna ", "lastName": "",
        "emailVerified": true, "roles": [STAFF], "hotels": ["hotel:hotel-001"]
    });
    let answer = admin.mutate("createUser", input, &format!("temporaryPassword {USER}")).await;
    Client::done(&answer, "createUser");
    assert_eq!(answer.data("/createUser/temporaryPassword"), &Value::Null);
    let user = answer.data("/createUser/user");
    assert_eq!(user["email"], "anna.berg@hotel1.com");
    assert_eq!(
        (&user["firstName"], &user["lastName"], &user["displayName"]),
        (&json!("Anna"), &Value::Null, &json!("Anna"))
    );
    assert_eq!(
        (&user["hotelScope"], &user["mustChangePassword"]),
        (&json!("ASSIGNED"), &json!(true)),
        "somebody else knows the password"
    );
    assert_eq!(user["roles"], json!([{ "name": "HOTEL_STAFF" }]));
    assert_eq!(user["hotels"]["nodes"], json!([{ "pmsHotelId": "hotel-001" }]));
    assert_eq!(user["createdBy"]["email"], "admin@voicehive-hotels.eu");
    app.anonymous().sign_in("anna.berg@hotel1.com", "harbour lamp nine").await;
}

#[tokio::test]
async fn a_password_that_was_made_is_shown_once_and_must_be_changed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let input = json!({ "email": "new@h.test", "emailVerified": true });
    let answer = admin.mutate("createUser", input, &format!("temporaryPassword {USER}")).await;
    let password = answer.data("/createUser/temporaryPassword").as_str().expect("a password").to_owned();
    assert_eq!(password.len(), 20);
    assert_eq!(answer.data("/createUser/user/mustChangePassword"), true);
    let user = app.anonymous().sign_in("new@h.test", &password).await;
    let change = json!({ "currentPassword": password, "newPassword": "harbour lamp nine" });
    Client::done(&user.mutate("changePassword", change, "").await, "changePassword");
    let logged =
        app.text("SELECT string_agg(detail::text || coalesce(personal::text, ''), ' ') FROM audit_events").await;
    let logged = logged.expect("events");
    assert!(!logged.contains(&password) && !logged.contains("harbour") && !logged.contains("argon2"));
}

#[tokio::test]
async fn left_out_is_kept_and_null_is_cleared() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = gid(app.user("anna.berg@h.test").create().await);
    let update = |mut input: Value| {
        input["id"] = json!(id);
        let admin = admin.clone();
        async move { admin.mutate("updateUser", input, USER).await }
    };
    let answer = update(json!({})).await;
    let names = |answer: &super::support::Answer| {
        let user = answer.data("/updateUser/user").clone();
        (user["firstName"].clone(), user["lastName"].clone())
    };
    assert_eq!(names(&answer), (json!("anna"), json!("berg")), "nothing given, nothing changed");
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE type = 'user_updated'").await, 0);
    assert_eq!(names(&update(json!({ "firstName": null })).await), (Value::Null, json!("berg")));
    assert_eq!(names(&update(json!({ "firstName": "Änne", "lastName": " " })).await), (json!("Änne"), Value::Null));
    let answer = update(json!({ "email": "NEW@h.test", "emailVerified": false, "hotelScope": "ALL" })).await;
    let user = answer.data("/updateUser/user");
    assert_eq!(
        (&user["email"], &user["emailVerified"], &user["hotelScope"]),
        (&json!("new@h.test"), &json!(false), &json!("ALL"))
    );
    assert_eq!(user["updatedBy"]["email"], "admin@voicehive-hotels.eu");
    for field in ["email", "emailVerified", "hotelScope"] {
        assert_eq!(update(json!({ field: null })).await.refusals("updateUser"), [format!("INVALID_VALUE {field}")]);
    }
}

#[tokio::test]
async fn everything_wrong_with_an_input_is_told_at_once_and_nothing_is_changed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.user("taken@h.test").create().await;
    let users = app.count("SELECT count(*) FROM users").await;
    let good = || json!({ "email": "new@h.test", "password": "harbour lamp nine" });
    let with = |key: &str, value: Value| {
        let mut input = good();
        input[key] = value;
        input
    };
    let long = "x".repeat(101);
    let many: Vec<String> = (0..101).map(|n| format!("role:{}", Uuid::from_u128(n))).collect();
    let table: Vec<(Value, &[&str])> = vec![
        (with("email", json!("")), &["INVALID_VALUE email"]),
        (with("email", json!("Maria <maria@hotel.com>")), &["INVALID_VALUE email"]),
        (with("email", json!(format!("{}@hotel.com", "a".repeat(65)))), &["INVALID_VALUE email"]),
        (with("email", json!(" TAKEN@h.test")), &["ALREADY_TAKEN email"]),
        (with("firstName", json!("a\nb")), &["INVALID_VALUE firstName"]),
        (with("firstName", json!("a\u{202e}b")), &["INVALID_VALUE firstName"]),
        (with("lastName", json!(long)), &["INVALID_VALUE lastName"]),
        (with("password", json!("short")), &["WEAK_PASSWORD password"]),
        (with("password", json!("new@h.test")), &["WEAK_PASSWORD password"]),
        (with("roles", json!([STAFF, STAFF])), &["INVALID_VALUE roles"]),
        (with("roles", json!(many)), &["INVALID_VALUE roles"]),
        (with("roles", json!([format!("role:{}", Uuid::max())])), &["NOT_FOUND roles"]),
        (with("hotels", json!(["hotel:hotel-001", "hotel:hotel-001"])), &["INVALID_VALUE hotels"]),
        (with("hotels", json!(["hotel:nowhere"])), &["NOT_FOUND hotels"]),
        (
            json!({ "email": "x", "password": "short", "firstName": "\u{7}", "lastName": long, "roles": [STAFF, STAFF] }),
            &[
                "INVALID_VALUE email",
                "INVALID_VALUE firstName",
                "INVALID_VALUE lastName",
                "INVALID_VALUE roles",
                "WEAK_PASSWORD password",
            ],
        ),
    ];
    for (input, expected) in table {
        let answer = admin.mutate("createUser", input.clone(), "user { id }").await;
        assert_eq!(answer.refusals("createUser"), expected, "{input}");
        assert_eq!(answer.data("/createUser/user"), &Value::Null);
    }
    // What only a developer can put right is an error.
    for (argument, value) in [("roles", json!(["role:x"])), ("roles", json!([""])), ("hotels", json!([STAFF]))] {
        let answer = admin.mutate("createUser", with(argument, value), "user { id }").await;
        assert_eq!((answer.code(), answer.argument()), ("BAD_USER_INPUT", format!("input.{argument}").as_str()));
    }
    assert_eq!(app.count("SELECT count(*) FROM users").await, users);
    assert_eq!(
        app.count("SELECT count(*) FROM audit_events WHERE type = 'user_created' AND actor IS NOT NULL").await,
        0
    );
}

#[tokio::test]
async fn an_email_address_is_taken_once_whoever_comes_first() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let admin = admin.clone();
            tokio::spawn(async move {
                let input = json!({ "email": "same@h.test", "password": "harbour lamp nine" });
                admin.mutate("createUser", input, "user { id }").await.refusals("createUser")
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.expect("an answer"));
    }
    assert_eq!(outcomes.iter().filter(|refusals| refusals.is_empty()).count(), 1);
    assert!(outcomes.iter().flatten().all(|refusal| refusal == "ALREADY_TAKEN email"), "{outcomes:?}");
    let id = gid(app.user("other@h.test").create().await);
    let answer = admin.mutate("updateUser", json!({ "id": id, "email": "Same@H.test" }), "user { id }").await;
    assert_eq!(answer.refusals("updateUser"), ["ALREADY_TAKEN email"]);
}

#[tokio::test]
async fn deactivation_reset_and_deletion_end_sessions_at_once() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (mutation, email) in
        [("deactivateUser", "a@h.test"), ("resetUserPassword", "b@h.test"), ("deleteUser", "c@h.test")]
    {
        let id = gid(app.user(email).role("HOTEL_STAFF").hotel("hotel-001").create().await);
        let (one, other) = (app.signed_in(email).await, app.signed_in(email).await);
        Client::done(&admin.mutate(mutation, json!({ "id": id }), "").await, mutation);
        for client in [&one, &other] {
            assert!(!client.is_signed_in().await, "{mutation}");
            let refreshed = client.try_refresh(&client.refresh_token).await;
            assert_eq!(refreshed.refusals("refresh"), ["INVALID_TOKEN refreshToken"], "{mutation}");
        }
        let again = app.anonymous().try_sign_in(email, PASSWORD).await;
        assert_eq!(again.refusals("login"), ["INVALID_CREDENTIALS"], "{mutation}");
    }
    let answer =
        admin.query("{ user(by: {email: \"a@h.test\"}) { active sessions { nodes { status revokeReason } } } }").await;
    assert_eq!(answer.data("/user/active"), false);
    assert_eq!(answer.texts("/user/sessions/nodes", "/revokeReason"), ["user_deactivated", "user_deactivated"]);
    assert_eq!(admin.query("{ user(by: {email: \"c@h.test\"}) { id } }").await.data("/user"), &Value::Null);

    let id = answer_id(&admin, "a@h.test").await;
    let answer = admin.mutate("reactivateUser", json!({ "id": id }), USER).await;
    assert_eq!(answer.data("/reactivateUser/user/active"), true);
    app.signed_in("a@h.test").await;
}

async fn answer_id(client: &Client, email: &str) -> String {
    let answer =
        client.graphql("query($email: String!) { user(by: {email: $email}) { id } }", json!({ "email": email })).await;
    answer.data("/user/id").as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn roles_and_hotels_taken_are_gone_at_the_next_request() {
    let app = TestApp::start().await;
    app.hotel("hotel-002", "Elsewhere").await;
    let admin = app.admin().await;
    let id = gid(app.user("a@h.test").role("HOTEL_ADMIN").hotel("hotel-001").hotel("hotel-002").create().await);
    app.user("staff@h.test").role("HOTEL_STAFF").hotel("hotel-002").create().await;
    let client = app.signed_in("a@h.test").await;
    let seen =
        "{ hotels { nodes { pmsHotelId } } users { totalCount } hotel(by: {pmsHotelId: \"hotel-001\"}) { pmsConfig } }";
    app.sql("UPDATE hotels SET pms_config = '{}'").await;
    let before = client.query(seen).await;
    assert_eq!(before.texts("/hotels/nodes", "/pmsHotelId"), ["hotel-001", "hotel-002"]);
    assert_eq!((before.data("/users/totalCount"), before.data("/hotel/pmsConfig")), (&json!(3), &json!({})));

    let hotels = json!({ "users": [id], "hotels": ["hotel:hotel-002"] });
    Client::done(&admin.mutate("unassignHotels", hotels, "").await, "unassignHotels");
    let roles = json!({ "users": [id], "roles": [HOTEL_ADMIN] });
    Client::done(&admin.mutate("unassignRoles", roles, "").await, "unassignRoles");
    let after = client.query(seen).await;
    assert_eq!(after.texts("/hotels/nodes", "/pmsHotelId"), ["hotel-001"]);
    assert_eq!((after.data("/users/totalCount"), after.data("/hotel/pmsConfig")), (&json!(2), &Value::Null));
}

#[tokio::test]
async fn an_unlocked_user_signs_in_at_once() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = gid(app.user("a@h.test").create().await);
    // From a device that has signed in before, and from one that has not: each has a counter of its own.
    let known = app.anonymous().with_header("x-device-id", "known");
    known.clone().sign_in("a@h.test", PASSWORD).await;
    let stranger = app.anonymous().with_header("x-device-id", "other");
    for client in [&known, &stranger] {
        for _ in 0..5 {
            client.try_sign_in("a@h.test", "wrong password").await;
        }
        assert_eq!(client.try_sign_in("a@h.test", PASSWORD).await.refusals("login"), ["ACCOUNT_LOCKED"]);
    }
    assert_eq!(
        app.count("SELECT count(*) FROM users WHERE locked_until > now() AND failed_login_attempts >= 5").await,
        1
    );
    let answer = admin.mutate("unlockUser", json!({ "id": id }), USER).await;
    let user = answer.data("/unlockUser/user");
    assert_eq!((&user["locked"], &user["failedLoginAttempts"]), (&json!(false), &json!(0)));
    // What was counted is forgotten, too: one more slip locks nobody.
    for client in [known, stranger] {
        let slip = client.try_sign_in("a@h.test", "wrong password").await;
        assert_eq!(slip.refusals("login"), ["INVALID_CREDENTIALS"]);
        client.sign_in("a@h.test", PASSWORD).await;
    }
}

#[tokio::test]
async fn a_reset_password_unlocks_and_is_checked_like_any_other() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = gid(app.user("anna.lindqvist@h.test").create().await);
    for _ in 0..5 {
        app.anonymous().try_sign_in("anna.lindqvist@h.test", "wrong password").await;
    }
    for weak in ["short", "password1", "AnnaLindqvist"] {
        let answer = admin.mutate("resetUserPassword", json!({ "id": id, "newPassword": weak }), "").await;
        assert_eq!(answer.refusals("resetUserPassword"), ["WEAK_PASSWORD newPassword"], "{weak}");
    }
    let input = json!({ "id": id, "newPassword": "harbour lamp nine" });
    let answer = admin.mutate("resetUserPassword", input, &format!("temporaryPassword {USER}")).await;
    assert_eq!(answer.data("/resetUserPassword/temporaryPassword"), &Value::Null);
    assert_eq!(answer.data("/resetUserPassword/user/mustChangePassword"), true);
    app.anonymous().sign_in("anna.lindqvist@h.test", "harbour lamp nine").await;
    let answer = admin.mutate("resetUserPassword", json!({ "id": id }), "temporaryPassword").await;
    let made = answer.data("/resetUserPassword/temporaryPassword").as_str().expect("a password").to_owned();
    app.anonymous().sign_in("anna.lindqvist@h.test", &made).await;
}

#[tokio::test]
async fn the_change_and_its_event_or_neither() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = gid(app.user("a@h.test").role("GUEST_USER").hotel("hotel-001").create().await);
    let client = app.signed_in("a@h.test").await;
    let session = client.query("{ currentSession { id } }").await.data("/currentSession/id").clone();
    let input = json!({ "name": "CUSTOM", "displayName": "Custom" });
    let role = admin.mutate("createRole", input, "role { id }").await.data("/createRole/role/id").clone();
    let state = "SELECT concat((SELECT json_agg(u ORDER BY id) FROM users u), (SELECT json_agg(r ORDER BY id) FROM roles r),
        (SELECT json_agg(h ORDER BY id) FROM hotels h), (SELECT json_agg(x ORDER BY x.user_id, x.role_id) FROM user_roles x),
        (SELECT json_agg(x ORDER BY x.user_id, x.hotel_id) FROM user_hotels x), (SELECT json_agg(s ORDER BY id) FROM user_sessions s))";
    let before = app.text(state).await;
    // The trail takes nothing any more.
    app.sql("ALTER TABLE audit_events ADD CONSTRAINT full_up CHECK (false) NOT VALID").await;
    for (mutation, input) in [
        ("createUser", json!({ "email": "b@h.test", "roles": [STAFF], "hotels": ["hotel:hotel-001"] })),
        ("updateUser", json!({ "id": id, "firstName": "X" })),
        ("deactivateUser", json!({ "id": id })),
        ("deleteUser", json!({ "id": id })),
        ("resetUserPassword", json!({ "id": id })),
        ("assignRoles", json!({ "users": [id], "roles": [STAFF] })),
        ("unassignHotels", json!({ "users": [id], "hotels": ["hotel:hotel-001"] })),
        ("createRole", json!({ "name": "OTHER", "displayName": "Other" })),
        ("updateRole", json!({ "id": role, "active": false })),
        ("deleteRole", json!({ "id": role })),
        ("createHotel", json!({ "pmsHotelId": "h-2", "name": "Two", "pmsType": "mews" })),
        ("updateHotel", json!({ "id": "hotel:hotel-001", "city": "Bonn" })),
        ("revokeSession", json!({ "id": session })),
        ("revokeUserSessions", json!({ "user": id })),
    ] {
        let answer = admin.mutate(mutation, input, "").await;
        assert_eq!(answer.code(), "INTERNAL", "{mutation}: {}", answer.body);
        assert_eq!(app.text(state).await, before, "{mutation}");
    }
    assert!(client.is_signed_in().await);
    assert_eq!(
        app.anonymous().try_sign_in("a@h.test", PASSWORD).await.code(),
        "INTERNAL",
        "nor does anybody sign in unseen"
    );
}

#[tokio::test]
async fn several_changes_in_one_document_see_each_other() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = gid(app.user("a@h.test").create().await);
    let document = "mutation($one: UpdateUserInput!, $roles: AssignRolesInput!, $two: UpdateUserInput!) {
        one: updateUser(input: $one) { user { firstName roles { name } } }
        assignRoles(input: $roles) { users { firstName roles { name } } }
        two: updateUser(input: $two) { user { firstName roles { name } } } }";
    let variables = json!({
        "one": { "id": id, "firstName": "One" }, "roles": { "users": [id], "roles": [STAFF] },
        "two": { "id": id, "firstName": "Two" }
    });
    let answer = admin.graphql(document, variables).await;
    assert_eq!(answer.data("/one/user"), &json!({ "firstName": "One", "roles": [] }));
    let staff = json!([{ "name": "HOTEL_STAFF" }]);
    assert_eq!(answer.data("/assignRoles/users/0"), &json!({ "firstName": "One", "roles": staff }));
    assert_eq!(answer.data("/two/user"), &json!({ "firstName": "Two", "roles": staff }));
}
