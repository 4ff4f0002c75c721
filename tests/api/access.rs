//! Access decisions: in bulk, for each user where, and for each hotel who.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::support::{Answer, Client, TestApp};

const CHECK: &str =
    "query($checks: [AccessCheck!]!) { checkAccess(checks: $checks) { allowed reason grantedBy { name } } }";

async fn check(client: &Client, checks: &[Value]) -> Answer {
    client.graphql(CHECK, json!({ "checks": checks })).await
}

/// A small generator, so that the world is the same each time (Knuth's constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("small") % sides
    }
}

/// What the oracle knows of a user.
struct Person {
    id: String,
    active: bool,
    locked: bool,
    all: bool,
    roles: BTreeSet<usize>,
    hotels: BTreeSet<usize>,
}

struct World {
    people: Vec<Person>,
    /// By the hotel's number, whether it is active.
    hotels: Vec<bool>,
    /// By the role's number, whether it is active, and what it grants.
    roles: Vec<(bool, BTreeSet<&'static str>)>,
}

const PERMISSIONS: [&str; 15] = [
    "call:end",
    "call:manage",
    "call:start",
    "call:view",
    "hotel:create",
    "hotel:delete",
    "hotel:update",
    "hotel:view",
    "system:admin",
    "system:config",
    "system:monitor",
    "user:create",
    "user:delete",
    "user:update",
    "user:view",
];

fn hotel_id(number: usize) -> String {
    format!("h-{number:02}")
}

impl World {
    /// Two hundred people, thirty hotels and twelve roles.
    async fn generate(app: &TestApp) -> Self {
        let mut dice = Dice(42);
        let hotels: Vec<bool> = (0..30).map(|_| dice.roll(5) > 0).collect();
        let roles: Vec<(bool, BTreeSet<&str>)> = (0..12)
            .map(|_| (dice.roll(6) > 0, (0..=dice.roll(4)).map(|_| PERMISSIONS[dice.roll(15)]).collect()))
            .collect();
        let mut people = Vec::new();
        for _ in 0..200 {
            people.push(Person {
                id: app.clock.new_id().to_string(),
                active: dice.roll(8) > 0,
                locked: dice.roll(10) == 0,
                all: dice.roll(10) == 0,
                roles: (0..dice.roll(4)).map(|_| dice.roll(12)).collect(),
                hotels: (0..dice.roll(5)).map(|_| dice.roll(30)).collect(),
            });
        }
        let world = Self { people, hotels, roles };
        world.write(app).await;
        world
    }

    async fn write(&self, app: &TestApp) {
        let mut sql = Vec::new();
        for (number, active) in self.hotels.iter().enumerate() {
            let id = hotel_id(number);
            sql.push(format!(
                "INSERT INTO hotels (id, name, pms_type, active) VALUES ('{id}', 'Hotel {number}', 'mews', {active});"
            ));
        }
        for (number, (active, permissions)) in self.roles.iter().enumerate() {
            let permissions = permissions.iter().copied().collect::<Vec<_>>().join(",");
            sql.push(format!(
                "INSERT INTO roles (id, name, display_name, active, permissions) VALUES (gen_random_uuid(), 'R{number:02}', 'x', {active}, '{{{permissions}}}');"
            ));
        }
        let now = app.clock.now();
        for (number, person) in self.people.iter().enumerate() {
            let Person { id, active, locked, all, roles, hotels } = person;
            // Locks that are over lock nobody.
            let until = now + chrono::TimeDelta::hours(if *locked { 1 } else { -1 });
            let scope = if *all { "ALL" } else { "ASSIGNED" };
            sql.push(format!(
                "INSERT INTO users (id, email, password_hash, active, locked_until, hotel_scope) VALUES ('{id}', 'p{number}@h.test', 'x', {active}, '{until}', '{scope}');"
            ));
            for role in roles {
                sql.push(format!(
                    "INSERT INTO user_roles (user_id, role_id) SELECT '{id}', id FROM roles WHERE name = 'R{role:02}';"
                ));
            }
            for hotel in hotels {
                sql.push(format!(
                    "INSERT INTO user_hotels (user_id, hotel_id) VALUES ('{id}', '{}');",
                    hotel_id(*hotel)
                ));
            }
        }
        app.sql(&sql.concat()).await;
    }

    /// The oracle: what a decision must be, by the words of the contract alone. `sight` is the caller's hotels; None is every
    /// hotel.
    fn decide(
        &self,
        person: &Person,
        permission: &str,
        hotel: Option<usize>,
        sight: Option<&BTreeSet<usize>>,
    ) -> (&'static str, Vec<String>) {
        let seen = sight.is_none_or(|sight| person.hotels.iter().any(|hotel| sight.contains(hotel)));
        if !seen {
            return ("NO_SUCH_USER", Vec::new());
        }
        let granting: Vec<String> = person
            .roles
            .iter()
            .filter(|role| self.roles[**role].0 && self.roles[**role].1.contains(permission))
            .map(|role| format!("R{role:02}"))
            .collect();
        let in_sight = |hotel: &usize| sight.is_none_or(|sight| sight.contains(hotel));
        let reason = if !person.active {
            "USER_INACTIVE"
        } else if person.locked {
            "USER_LOCKED"
        } else if granting.is_empty() {
            "PERMISSION_MISSING"
        } else {
            match hotel {
                Some(hotel) if !in_sight(&hotel) || hotel >= self.hotels.len() => "NO_SUCH_HOTEL",
                Some(hotel) if !self.hotels[hotel] => "HOTEL_INACTIVE",
                Some(hotel) if person.all || person.hotels.contains(&hotel) => "GRANTED",
                None if person.all => "GRANTED",
                None if person.hotels.iter().any(|hotel| self.hotels[*hotel] && in_sight(hotel)) => "GRANTED",
                _ => "HOTEL_NOT_ASSIGNED",
            }
        };
        (reason, granting)
    }
}

/// Everyone, at every hotel, at one that does not exist and at any, for every permission.
#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_those_of_an_oracle() {
    let app = TestApp::start().await;
    let world = World::generate(&app).await;
    app.sql("INSERT INTO roles (id, name, display_name, permissions) VALUES (gen_random_uuid(), 'ASKER', 'x', '{user:view}')").await;
    let sight: BTreeSet<usize> = [0, 1, 2, 3, 4, 5, 6].into();
    let local = app.user("local@h.test").role("ASKER").create().await;
    for hotel in &sight {
        app.sql(&format!("INSERT INTO user_hotels (user_id, hotel_id) VALUES ('{local}', '{}')", hotel_id(*hotel)))
            .await;
    }
    let (admin, local) = (app.admin().await, app.signed_in("local@h.test").await);
    let places: Vec<Option<usize>> = (0..31).map(Some).chain([None]).collect();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (client, sight, permissions) in [(&admin, None, &PERMISSIONS[..]), (&local, Some(&sight), &PERMISSIONS[1..4])] {
        for permission in permissions {
            let asked: Vec<(&Person, Option<usize>)> =
                world.people.iter().flat_map(|person| places.iter().map(move |place| (person, *place))).collect();
            for some in asked.chunks(1000) {
                let checks: Vec<Value> = some
                    .iter()
                    .map(|(person, hotel)| match hotel {
                        Some(hotel) => json!({ "user": format!("user:{}", person.id), "permission": permission, "hotel": format!("hotel:{}", hotel_id(*hotel)) }),
                        None => json!({ "user": format!("user:{}", person.id), "permission": permission }),
                    })
                    .collect();
                let answer = check(client, &checks).await;
                let decisions = answer.data("/checkAccess").as_array().expect("decisions");
                assert_eq!(decisions.len(), some.len());
                assert!(answer.statements() <= 3, "{}", answer.statements());
                for ((person, hotel), decision) in some.iter().zip(decisions) {
                    let (reason, granting) = world.decide(person, permission, *hotel, sight);
                    let granting: Vec<Value> = granting.iter().map(|name| json!({ "name": name })).collect();
                    let expected = json!({ "allowed": reason == "GRANTED", "reason": reason, "grantedBy": granting });
                    assert_eq!(decision, &expected, "{} {permission} at {hotel:?}", person.id);
                    *reasons.entry(reason.to_owned()).or_default() += 1;
                }
            }
        }
    }
    println!("{reasons:?}");
    assert_eq!(reasons.len(), 8, "every reason comes up: {reasons:?}");

    // The same question the other ways round.
    for (client, sight) in [(&admin, None), (&local, Some(&sight))] {
        for permission in [None, Some("call:view"), Some("user:update")] {
            let ask = |person: &Person| {
                format!(
                    "p{}: accessibleHotels(user: \"user:{}\"{} first: 100) {{ totalCount nodes {{ pmsHotelId }} }} ",
                    person.id.replace('-', ""),
                    person.id,
                    permission.map(|name| format!(", permission: \"{name}\",")).unwrap_or_default()
                )
            };
            let mut statements = BTreeSet::new();
            for some in world.people.chunks(50) {
                let answer = client.query(&format!("{{ {} }}", some.iter().map(ask).collect::<String>())).await;
                statements.insert(answer.statements());
                for person in some {
                    let found = answer.data(&format!("/p{}", person.id.replace('-', "")));
                    let allowed = |hotel: &usize| {
                        let of = |permission: &str| world.decide(person, permission, Some(*hotel), sight).0;
                        match permission {
                            Some(permission) => of(permission) == "GRANTED",
                            // Whatever is granted: what stands in the way must not be anything else.
                            None => {
                                PERMISSIONS.iter().any(|name| of(name) == "GRANTED")
                                    || (person.active
                                        && !person.locked
                                        && world.hotels[*hotel]
                                        && sight.is_none_or(|sight| sight.contains(hotel))
                                        && (person.all || person.hotels.contains(hotel)))
                            }
                        }
                    };
                    let expected: Vec<String> = (0..30).filter(allowed).map(hotel_id).collect();
                    if world.decide(person, "call:view", None, sight).0 == "NO_SUCH_USER" {
                        assert_eq!(found, &Value::Null);
                        continue;
                    }
                    let listed: Vec<&str> = found["nodes"]
                        .as_array()
                        .expect("hotels")
                        .iter()
                        .filter_map(|hotel| hotel["pmsHotelId"].as_str())
                        .filter(|id| *id != "hotel-001")
                        .collect();
                    assert_eq!(listed, expected, "{} {permission:?}", person.id);
                }
            }
            assert!(statements.iter().all(|number| *number <= 4), "{statements:?}");
        }
        let who = "query($permission: String!) { hotels(first: 100) { nodes { pmsHotelId active users(first: 100, filter: {permission: $permission, active: true, locked: false}) { nodes { id } } } } }";
        let answer = client.graphql(who, json!({ "permission": "call:view" })).await;
        assert_eq!(answer.statements(), 2, "hotels, and their people");
        for hotel in answer
            .data("/hotels/nodes")
            .as_array()
            .expect("hotels")
            .iter()
            .filter(|hotel| hotel["active"] == true && hotel["pmsHotelId"] != "hotel-001")
        {
            let number: usize = hotel["pmsHotelId"].as_str().expect("an id")[2..].parse().expect("a number");
            let expected: BTreeSet<String> = world
                .people
                .iter()
                .filter(|person| world.decide(person, "call:view", Some(number), sight).0 == "GRANTED")
                .map(|person| format!("user:{}", person.id))
                .collect();
            let listed: BTreeSet<String> = hotel["users"]["nodes"]
                .as_array()
                .expect("users")
                .iter()
                .filter_map(|user| user["id"].as_str())
                .map(str::to_owned)
                .collect();
            let ours: BTreeSet<String> = world.people.iter().map(|person| format!("user:{}", person.id)).collect();
            assert_eq!(listed.intersection(&ours).cloned().collect::<BTreeSet<_>>(), expected, "{number}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_by_its_name() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let user = app.user("someone@h.test").create().await;
    let one = |n: usize| json!({ "user": format!("user:{user}"), "permission": "call:view", "hotel": format!("hotel:h-{n}") });
    let many: Vec<Value> = (0..1001).map(one).collect();
    for (checks, argument) in [
        (many.clone(), "checks"),
        (vec![one(1), one(2), one(1)], "checks.2"),
        (vec![one(1), json!({ "user": "hotel:hotel-001", "permission": "call:view" })], "checks.1.user"),
        (vec![json!({ "user": "nonsense", "permission": "call:view" })], "checks.0.user"),
        (
            vec![json!({ "user": format!("user:{user}"), "permission": "call:view", "hotel": format!("user:{user}") })],
            "checks.0.hotel",
        ),
    ] {
        let refused = check(&admin, &checks).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code(), refused.argument()),
            (400, "BAD_USER_INPUT", argument),
            "{}",
            refused.body
        );
    }
    app.hears_changes().await;
    let answer = check(&admin, &many[..1000]).await;
    assert_eq!((answer.data("/checkAccess").as_array().map(Vec::len), answer.statements()), (Some(1000), 1));
    assert_eq!(check(&admin, &[]).await.data("/checkAccess"), &json!([]));
    assert_eq!(admin.query("{ accessibleHotels(user: \"role:x\") { totalCount } }").await.argument(), "user");

    let manager = app.signed_in("manager@hotel1.com").await;
    assert_eq!(check(&manager, &[one(1)]).await.code(), "FORBIDDEN");
    let own = "{ accessibleHotels(user: \"USER\") { totalCount } }".replace("USER", &format!("user:{user}"));
    assert_eq!(manager.query(&own).await.code(), "FORBIDDEN");
    assert_eq!(check(&app.anonymous(), &[one(1)]).await.status, 401);
    assert_eq!(admin.query(&own).await.data("/accessibleHotels/totalCount"), 0);
}
