//! What is asked for: one document a workload, as dashboards, routers and services ask, with other variables each time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::random::Random;
use crate::server::{Callers, LOGIN, data};
use crate::world::{HOTELS, Names, PASSWORD, World, hotel_id};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// 50 users behind a random cursor, with roles and hotels.
    Page,
    /// One user by email address.
    User,
    /// A hotel's first 50 users.
    Staff,
    /// The same by that hotel's own administrator.
    OwnStaff,
    /// Who am I.
    Me,
    Check1,
    Check100,
    /// Three letters of a name.
    Search,
    SignIn,
    Refresh,
    /// 80 % me, check1 and user, 15 % page and staff, 5 % refresh.
    Mix,
}

const PAGE: &str = "query($first:Int!,$after:String){users(first:$first,after:$after){nodes{id email displayName active \
    roles{id name} hotels(first:5){nodes{id name}}} pageInfo{hasNextPage endCursor}}}";
const USER: &str = "query($email:String!){user(by:{email:$email}){id email displayName active hotelScope roles{id name} \
    permissions hotels(first:10){nodes{id name}}}}";
const STAFF: &str = "query($hotel:String!){hotel(by:{pmsHotelId:$hotel}){id name users(first:50){nodes{id email displayName \
    roles{id name}}}}}";
const ME: &str = "{me{id email displayName active hotelScope roles{name} permissions hotels(first:5){nodes{id name}}}}";
const CHECK: &str =
    "query($checks: [AccessCheck!]!) { checkAccess(checks: $checks) { allowed reason grantedBy { name } } }";
const SEARCH: &str = "query($s:String!){users(first:25,filter:{search:$s}){nodes{id email displayName}}}";
const REFRESH: &str = "mutation($input:RefreshInput!){refresh(input:$input){tokens{accessToken refreshToken}}}";

const PERMISSIONS: [&str; 5] = ["call:view", "call:start", "call:end", "hotel:view", "user:update"];

/// Whom and what there is to ask.
pub struct Target {
    pub world: World,
    pub names: Names,
    pub callers: Callers,
}

impl Workload {
    pub fn name(self) -> String {
        self.to_possible_value().expect("none is hidden").get_name().to_owned()
    }

    /// One of those that the mix is made of.
    pub fn drawn(self, random: &mut Random) -> Self {
        if self != Self::Mix {
            return self;
        }
        match random.below(100) {
            0..80 => *random.pick(&[Self::Me, Self::Check1, Self::User]),
            80..95 => *random.pick(&[Self::Page, Self::Staff]),
            _ => Self::Refresh,
        }
    }
}

impl Target {
    /// Who asks, as a header line, and what: the body. `chain` is the refreshed session's.
    pub fn request(&self, workload: Workload, random: &mut Random, chain: usize) -> (&str, String) {
        let (world, names) = (&self.world, &self.names);
        let administrator = random.pick(&self.callers.administrators).as_str();
        match workload {
            Workload::Page => {
                let n = world.some_user_before_the_last(random);
                let created = i64::try_from(world.created_micros(n)).expect("fits");
                let cursor = page_cursor(created, world.id(n));
                (administrator, body(PAGE, &json!({ "first": 50, "after": cursor })))
            }
            Workload::User => (administrator, body(USER, &json!({ "email": names.email(world.some_user(random)) }))),
            Workload::Staff => (administrator, body(STAFF, &json!({ "hotel": hotel_id(random.below(HOTELS)) }))),
            Workload::OwnStaff => {
                let (caller, hotel) = random.pick(&self.callers.hotel_administrators);
                (caller, body(STAFF, &json!({ "hotel": hotel })))
            }
            Workload::Me => (random.pick(&self.callers.staff).as_str(), format!(r#"{{"query":"{ME}"}}"#)),
            Workload::Check1 => (&self.callers.service, self.checks(1, random)),
            Workload::Check100 => (&self.callers.service, self.checks(100, random)),
            Workload::Search => (administrator, body(SEARCH, &json!({ "s": random.pick(&names.searches) }))),
            Workload::SignIn => {
                let input = json!({ "email": names.email(world.some_user(random)), "password": PASSWORD });
                ("", body(LOGIN, &json!({ "input": input })))
            }
            Workload::Refresh => {
                let token = self.callers.chains[chain].lock().expect("nobody fails holding it").clone();
                ("", body(REFRESH, &json!({ "input": { "refreshToken": token } })))
            }
            Workload::Mix => unreachable!("it is made of others"),
        }
    }

    /// Half of them at a hotel of the user's.
    fn checks(&self, count: u64, random: &mut Random) -> String {
        // One may not ask the same twice: each is of another user.
        let (first, users) = (self.world.some_user(random), self.world.users);
        let checks: Vec<Value> = (0..count)
            .map(|which| {
                let n = 1 + (first + which * (users / count)) % users;
                let hotel = if random.below(2) == 0 { World::hotel_of(n) } else { hotel_id(random.below(HOTELS)) };
                json!({ "user": format!("user:{}", self.world.id(n)), "permission": random.pick(&PERMISSIONS), "hotel": format!("hotel:{hotel}") })
            })
            .collect();
        body(CHECK, &json!({ "checks": checks }))
    }

    /// Takes what a later request needs out of an answer.
    pub fn took(&self, workload: Workload, chain: usize, answer: &str) {
        if workload == Workload::Refresh {
            let answer: Value = serde_json::from_str(answer).expect("JSON");
            let token = data(&answer, "/data/refresh/tokens/refreshToken").to_owned();
            *self.callers.chains[chain].lock().expect("nobody fails holding it") = token;
        }
    }

    /// Looked at closely, for some: whether this is what was asked for.
    pub fn is_whole(workload: Workload, request: &str, answer: &str) -> bool {
        let answer: Value = serde_json::from_str(answer).expect("JSON");
        let request: Value = serde_json::from_str(request).expect("JSON");
        let data = &answer["data"];
        let people = |list: &Value, count: usize| {
            let whole = |user: &Value| {
                user["roles"].as_array().is_some_and(|roles| !roles.is_empty() && roles[0]["name"].is_string())
            };
            list.as_array().is_some_and(|users| users.len() == count && users.iter().all(whole))
        };
        let one = |user: &Value| {
            user["email"].is_string() && user["hotels"]["nodes"][0]["name"].is_string() && people(&json!([user]), 1)
        };
        match workload {
            Workload::Page => {
                let hotels = |user: &Value| user["hotels"]["nodes"][0]["name"].is_string();
                let users = &data["users"];
                people(&users["nodes"], 50) && users["nodes"].as_array().is_some_and(|users| users.iter().all(hotels))
            }
            Workload::User => one(&data["user"]) && data["user"]["email"] == request["variables"]["email"],
            Workload::Staff | Workload::OwnStaff => people(&data["hotel"]["users"]["nodes"], 50),
            Workload::Me => one(&data["me"]),
            Workload::Check1 | Workload::Check100 => {
                data["checkAccess"].as_array().map(Vec::len) == request["variables"]["checks"].as_array().map(Vec::len)
            }
            Workload::Search => {
                let letters = request["variables"]["s"].as_str().expect("letters");
                let holds = |user: &Value| user["email"].as_str().is_some_and(|email| email.contains(letters));
                data["users"]["nodes"]
                    .as_array()
                    .is_some_and(|users| (1..=25).contains(&users.len()) && users.iter().all(holds))
            }
            Workload::SignIn => data["login"]["tokens"]["refreshToken"].is_string(),
            Workload::Refresh => data["refresh"]["tokens"]["accessToken"].is_string(),
            Workload::Mix => unreachable!("it is made of others"),
        }
    }
}

pub fn page_cursor(created_micros: i64, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(json!(["created", created_micros, id]).to_string())
}

/// The microseconds since 1970 and the id in a page's cursor.
pub fn cursor_of(cursor: &str) -> (i64, Uuid) {
    let place = URL_SAFE_NO_PAD.decode(cursor).expect("base64");
    let (_, micros, id): (String, i64, Uuid) = serde_json::from_slice(&place).expect("a cursor");
    (micros, id)
}

fn body(document: &str, variables: &Value) -> String {
    // None of the documents has anything to escape.
    format!(r#"{{"query":"{document}","variables":{variables}}}"#)
}
