//! The least that a server made of the same libraries does for the same answers: axum hands over the request, sqlx runs the
//! floor's own statement in a transaction that says who asks, and the fields that were asked for are written by hand. No
//! GraphQL, no authentication, no limits, no headers, no log: all that is left is what the libraries themselves cost.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
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

use crate::floor::{page_sql, staff_sql, user_sql};
use crate::workloads::{cursor_of, page_cursor};

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT set_config('role', 'voicehive_all', true), \
    set_config('app.principal', 'user', true), set_config('app.user_id', '01900000-0000-7000-8000-000000000001', true)";

/// A role as it stands in answers, and what it grants.
struct Role {
    json: String,
    permissions: Vec<String>,
}

struct Bare {
    pool: PgPool,
    roles: HashMap<Uuid, Role>,
    /// Hotels as they stand in answers.
    hotels: HashMap<String, String>,
}

/// Serves until the process is ended.
pub async fn serve(sockets: &Path) {
    let options = PgConnectOptions::new_without_pgpass().socket(sockets).port(5432).ssl_mode(PgSslMode::Disable);
    let options = options.username("voicehive").database("voicehive");
    let pool = PgPoolOptions::new().max_connections(10).test_before_acquire(false).connect_lazy_with(options);
    let mut reading = pool.begin_with(BEGIN).await.expect("begun");
    let roles: Vec<(Uuid, String, Vec<String>)> =
        sqlx::query_as("SELECT id, name, permissions FROM roles").fetch_all(&mut *reading).await.expect("roles");
    let hotels: Vec<(String, String)> =
        sqlx::query_as("SELECT id, name FROM hotels").fetch_all(&mut *reading).await.expect("hotels");
    drop(reading);
    // The world's names have nothing to escape.
    let role =
        |(id, name, permissions)| (id, Role { json: format!(r#"{{"id":"role:{id}","name":"{name}"}}"#), permissions });
    let hotel = |(id, name)| {
        let json = format!(r#"{{"id":"hotel:{id}","name":"{name}"}}"#);
        (id, json)
    };
    let bare =
        Bare { pool, roles: roles.into_iter().map(role).collect(), hotels: hotels.into_iter().map(hotel).collect() };
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
        bare.page(sqlx::query(AssertSqlSafe(page_sql("$1", "$2"))).bind(after).bind(id)).await
    } else if let Some(email) = text("email") {
        bare.user(sqlx::query(AssertSqlSafe(user_sql("$1"))).bind(email.to_owned())).await
    } else {
        let hotel = text("hotel").expect("one of three workloads").to_owned();
        bare.staff(sqlx::query(AssertSqlSafe(staff_sql("$1"))).bind(hotel.clone()), &hotel).await
    };
    ([(CONTENT_TYPE, "application/json")], answer.expect("an answer"))
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

impl Bare {
    async fn rows(&self, query: Query<'_>) -> sqlx::Result<Vec<PgRow>> {
        query.fetch_all(&mut *self.pool.begin_with(BEGIN).await?).await
    }

    async fn page(&self, query: Query<'_>) -> sqlx::Result<String> {
        let rows = self.rows(query).await?;
        let mut json = r#"{"data":{"users":{"nodes":["#.to_owned();
        for (n, row) in rows.iter().take(50).enumerate() {
            json.push_str(if n > 0 { "," } else { "" });
            push_person(row, &mut json)?;
            let _ = write!(json, r#","active":{},"#, row.try_get::<bool, _>(4)?);
            self.push_roles(row, &mut json)?;
            json.push(',');
            self.push_hotels(row, 5, &mut json)?;
            json.push('}');
        }
        let end = rows.iter().take(50).next_back().ok_or(sqlx::Error::RowNotFound)?;
        let created: chrono::DateTime<chrono::Utc> = end.try_get(6)?;
        let cursor = page_cursor(created.timestamp_micros(), end.try_get(0)?);
        let more = rows.len() > 50;
        let _ = write!(json, r#"],"pageInfo":{{"hasNextPage":{more},"endCursor":"{cursor}"}}}}}}}}"#);
        Ok(json)
    }

    async fn user(&self, query: Query<'_>) -> sqlx::Result<String> {
        let rows = self.rows(query).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let mut json = r#"{"data":{"user":"#.to_owned();
        push_person(row, &mut json)?;
        let (active, scope): (bool, &str) = (row.try_get(4)?, row.try_get(5)?);
        let _ = write!(json, r#","active":{active},"hotelScope":"{scope}","#);
        self.push_roles(row, &mut json)?;
        let held: Vec<Uuid> = row.try_get(7)?;
        let permissions: BTreeSet<&String> =
            held.iter().filter_map(|id| self.roles.get(id)).flat_map(|role| &role.permissions).collect();
        json.push_str(r#","permissions":["#);
        for (n, permission) in permissions.into_iter().enumerate() {
            let _ = write!(json, r#"{}"{permission}""#, if n > 0 { "," } else { "" });
        }
        json.push_str("],");
        self.push_hotels(row, 10, &mut json)?;
        json.push_str("}}}");
        Ok(json)
    }

    async fn staff(&self, query: Query<'_>, hotel: &str) -> sqlx::Result<String> {
        let rows = self.rows(query).await?;
        let name: &str = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(8)?;
        let mut json = format!(r#"{{"data":{{"hotel":{{"id":"hotel:{hotel}","name":"{name}","users":{{"nodes":["#);
        for (n, row) in rows.iter().take(50).enumerate() {
            json.push_str(if n > 0 { "," } else { "" });
            push_person(row, &mut json)?;
            json.push(',');
            self.push_roles(row, &mut json)?;
            json.push('}');
        }
        json.push_str("]}}}}");
        Ok(json)
    }

    fn push_roles(&self, row: &PgRow, json: &mut String) -> sqlx::Result<()> {
        let held: Vec<Uuid> = row.try_get(7)?;
        json.push_str(r#""roles":["#);
        for (n, role) in held.iter().filter_map(|id| self.roles.get(id)).enumerate() {
            json.push_str(if n > 0 { "," } else { "" });
            json.push_str(&role.json);
        }
        json.push(']');
        Ok(())
    }

    fn push_hotels(&self, row: &PgRow, limit: usize, json: &mut String) -> sqlx::Result<()> {
        let reached: Vec<String> = row.try_get(8)?;
        json.push_str(r#""hotels":{"nodes":["#);
        for (n, hotel) in reached.iter().take(limit).filter_map(|id| self.hotels.get(id)).enumerate() {
            json.push_str(if n > 0 { "," } else { "" });
            json.push_str(hotel);
        }
        json.push_str("]}");
        Ok(())
    }
}

fn push_person(row: &PgRow, json: &mut String) -> sqlx::Result<()> {
    let (id, email): (Uuid, &str) = (row.try_get(0)?, row.try_get(1)?);
    let (first, last): (Option<&str>, Option<&str>) = (row.try_get(2)?, row.try_get(3)?);
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let _ = write!(json, r#"{{"id":"user:{id}","email":"{email}","displayName":"{first} {last}""#);
    Ok(())
}
