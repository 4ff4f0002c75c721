//! People and hotels for a test to live in. Written straight into the tables: most of it cannot be done by the API, or
//! must not depend on it.

use std::sync::OnceLock;

use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::{TestApp, eventually};

/// The password of every user that a test makes.
pub const PASSWORD: &str = "correct horse battery";

/// A hash of [`PASSWORD`], made once.
fn password_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        use argon2::PasswordHasher;
        let salt = b"0123456789abcdef";
        argon2::Argon2::default().hash_password_with_salt(PASSWORD.as_bytes(), salt).expect("a hash").to_string()
    })
}

/// A user to make.
pub struct NewUser<'a> {
    app: &'a TestApp,
    email: String,
    roles: Vec<&'static str>,
    hotels: Vec<&'static str>,
    scope: &'static str,
}

impl TestApp {
    pub fn user(&self, email: &str) -> NewUser<'_> {
        NewUser { app: self, email: email.to_owned(), roles: vec![], hotels: vec![], scope: "ASSIGNED" }
    }

    /// Runs this as a superuser. The server hears of it before anything else is done.
    pub async fn sql(&self, sql: &str) {
        self.database.superuser.execute(AssertSqlSafe(sql.to_owned())).await.expect(sql);
        self.identity.database().changes().forget_everything();
    }

    /// The one number that a query finds.
    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.database.superuser).await.expect(sql)
    }

    /// The one text that a query finds.
    pub async fn text(&self, sql: &str) -> Option<String> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.database.superuser).await.expect(sql)
    }

    /// Whether a statement of the server's waits for a lock.
    pub async fn waits_for_a_lock(&self) -> bool {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'voicehive' AND wait_event_type = 'Lock'";
        self.count(waiting).await > 0
    }

    /// Ends the server's connections: PostgreSQL then has counted all that was read over them.
    pub async fn close_database(&self) {
        self.identity.database().close().await;
        let ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'voicehive'";
        eventually("the server's connections have ended", async || self.count(ours).await == 0).await;
    }

    pub async fn hotel(&self, id: &str, name: &str) {
        let sql = format!(
            "INSERT INTO hotels (id, name, country, city, brand, pms_type) VALUES ('{id}', '{name}', 'FR', 'Lyon', 'Azur', 'mews')"
        );
        self.sql(&sql).await;
    }
}

impl NewUser<'_> {
    pub fn role(mut self, name: &'static str) -> Self {
        self.roles.push(name);
        self
    }

    pub fn hotel(mut self, id: &'static str) -> Self {
        self.hotels.push(id);
        self
    }

    pub fn everywhere(mut self) -> Self {
        self.scope = "ALL";
        self
    }

    /// Makes the user; the id.
    pub async fn create(self) -> Uuid {
        let id = self.app.clock.new_id();
        let hash = password_hash();
        let local = self.email.split('@').next().unwrap_or_default();
        let (first, last) = local.split_once('.').unwrap_or((local, ""));
        let pool = &self.app.database.superuser;
        sqlx::query(
            "INSERT INTO users (id, email, password_hash, first_name, last_name, email_verified, hotel_scope, created_at)
             VALUES ($1, $2, $3, $4, NULLIF($5, ''), true, $6, $7)",
        )
        .bind(id)
        .bind(self.email.to_lowercase())
        .bind(hash)
        .bind(first)
        .bind(last)
        .bind(self.scope)
        .bind(self.app.clock.now())
        .execute(pool)
        .await
        .expect("a user");
        for role in self.roles {
            sqlx::query("INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE name = $2")
                .bind(id)
                .bind(role)
                .execute(pool)
                .await
                .expect("a role");
        }
        for hotel in self.hotels {
            sqlx::query("INSERT INTO user_hotels (user_id, hotel_id) VALUES ($1, $2)")
                .bind(id)
                .bind(hotel)
                .execute(pool)
                .await
                .expect("a hotel");
        }
        id
    }
}
