//! The least that a server made of the same libraries does for the same answers: axum hands over the request, sqlx runs the
//! floor's own statement in a transaction that says who asks, and the answer is written by hand. No GraphQL, no
//! authentication, no limits, no log. What it costs is what the libraries cost, and no server made of them can cost less.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use crate::workloads::cursor_of;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT set_config('role', 'voicehive_all', true), \
    set_config('app.principal', 'user', true), set_config('app.user_id', '01900000-0000-7000-8000-000000000001', true)";
const USER: &str = "u.id, u.email, u.first_name, u.last_name, u.active, u.created_at, \
    ARRAY(SELECT role_id FROM user_roles r WHERE r.user_id = u.id)";

struct Bare {
    pool: PgPool,
    /// What stands for a role and for a hotel in an answer.
    roles: HashMap<Uuid, String>,
    hotels: HashMap<String, String>,
}

/// Serves until the process is ended.
pub async fn serve(sockets: &Path) {
    let options = PgConnectOptions::new_without_pgpass().socket(sockets).port(5432).ssl_mode(PgSslMode::Disable);
    let options = options.username("voicehive").database("voicehive");
    let pool = PgPoolOptions::new().max_connections(10).test_before_acquire(false).connect_lazy_with(options);
    let mut reading = pool.begin_with(BEGIN).await.expect("begun");
    let roles = sqlx::query_as("SELECT id, jsonb_build_object('id', 'role:' || id, 'name', name)::text FROM roles");
    let roles: Vec<(Uuid, String)> = roles.fetch_all(&mut *reading).await.expect("roles");
    let hotels = sqlx::query_as("SELECT id, jsonb_build_object('id', 'hotel:' || id, 'name', name)::text FROM hotels");
    let hotels: Vec<(String, String)> = hotels.fetch_all(&mut *reading).await.expect("hotels");
    drop(reading);
    let bare = Bare { pool, roles: roles.into_iter().collect(), hotels: hotels.into_iter().collect() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("bare on http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().route("/graphql", post(answer)).with_state(Arc::new(bare));
    axum::serve(listener, router).await.expect("serves");
}

async fn answer(State(bare): State<Arc<Bare>>, body: String) -> impl IntoResponse {
    let asked: Value = serde_json::from_str(&body).expect("JSON");
    let text = |name: &str| asked["variables"][name].as_str();
    let answer = if let Some(cursor) = text("after") {
        let (micros, id) = cursor_of(cursor);
        let after = chrono::DateTime::from_timestamp_micros(micros).expect("an instant");
        let sql = format!(
            "SELECT {USER}, {} FROM users u WHERE (u.created_at, u.id) > ($1, $2) ORDER BY u.created_at, u.id LIMIT 51",
            hotels(6)
        );
        let end = "],\"pageInfo\":{\"hasNextPage\":true}}}}";
        bare.list(sqlx::query(AssertSqlSafe(sql)).bind(after).bind(id), "{\"data\":{\"users\":{\"nodes\":[", end).await
    } else if let Some(email) = text("email") {
        let sql = format!("SELECT {USER}, {} FROM users u WHERE u.email = $1", hotels(11));
        bare.list(sqlx::query(AssertSqlSafe(sql)).bind(email.to_owned()), "{\"data\":{\"user\":", "}}").await
    } else if let Some(hotel) = text("hotel") {
        let sql = format!(
            "SELECT {USER}, '{{}}'::text[] FROM (SELECT user_id, user_created_at FROM user_hotels WHERE hotel_id = $1
             ORDER BY user_created_at, user_id LIMIT 51) m JOIN users u ON u.id = m.user_id ORDER BY m.user_created_at, m.user_id"
        );
        let begin = "{\"data\":{\"hotel\":{\"users\":{\"nodes\":[";
        bare.list(sqlx::query(AssertSqlSafe(sql)).bind(hotel.to_owned()), begin, "]}}}}").await
    } else {
        // Who asks is in memory, and so is what they are.
        r#"{"data":{"me":{"email":"a@vh.test","roles":[{"name":"A"}],"hotels":{"nodes":[{"name":"A"}]}}}}"#.to_owned()
    };
    ([(CONTENT_TYPE, "application/json")], answer)
}

fn hotels(limit: u32) -> String {
    format!("ARRAY(SELECT hotel_id FROM user_hotels h WHERE h.user_id = u.id ORDER BY hotel_id LIMIT {limit})")
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

impl Bare {
    async fn list(&self, query: Query<'_>, begin: &str, end: &str) -> String {
        let mut reading = self.pool.begin_with(BEGIN).await.expect("begun");
        let rows = query.fetch_all(&mut *reading).await.expect("rows");
        let mut json = begin.to_owned();
        for (n, row) in rows.iter().take(50).enumerate() {
            if n > 0 {
                json.push(',');
            }
            self.push(row, &mut json).expect("as asked for");
        }
        json.push_str(end);
        json
    }

    fn push(&self, row: &PgRow, json: &mut String) -> sqlx::Result<()> {
        let (id, email, first, last): (Uuid, &str, Option<&str>, Option<&str>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let name = format!("{} {}", first.unwrap_or_default(), last.unwrap_or_default());
        let (active, roles, hotels): (bool, Vec<Uuid>, Vec<String>) =
            (row.try_get(4)?, row.try_get(6)?, row.try_get(7)?);
        // The world's names have nothing to escape.
        json.push_str(&format!(
            "{{\"id\":\"user:{id}\",\"email\":\"{email}\",\"displayName\":\"{name}\",\"active\":{active}"
        ));
        let list = |json: &mut String, name: &str, items: &mut dyn Iterator<Item = Option<&String>>| {
            json.push_str(name);
            for (n, item) in items.flatten().enumerate() {
                json.push_str(if n > 0 { "," } else { "" });
                json.push_str(item);
            }
            json.push(']');
        };
        list(json, ",\"roles\":[", &mut roles.iter().map(|id| self.roles.get(id)));
        list(json, ",\"hotels\":{\"nodes\":[", &mut hotels.iter().map(|id| self.hotels.get(id)));
        json.push_str("}}");
        Ok(())
    }
}
