//! Writes a [`World`] into a migrated database: in sets, past triggers and foreign keys, and then vacuumed, as it would be
//! after a while of use. What the triggers would fill is filled here.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use crate::postgres::Postgres;
use crate::world::{ADMINISTRATORS, EVERYWHERE, HOTELS, Names, PASSWORD, PRIME, SCATTER, SINCE_MICROS, World};

/// Rows of one statement: enough to be quick, few enough to see progress.
const CHUNK: u64 = 250_000;
const DAY_MICROS: u64 = 86_400_000_000;
const SESSIONS_DAYS: u64 = 30;
const EVENTS_DAYS: u64 = 60;

pub fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_micros()).expect("fits")
}

/// The names as an array in SQL, and the place of user `n`'s in it.
pub fn first_name_sql(names: &Names) -> String {
    format!("(ARRAY['{}'])[1 + k % {}]", names.first.join("','"), names.first.len())
}

pub fn last_name_sql(names: &Names) -> String {
    format!("(ARRAY['{}'])[1 + k / {} % {}]", names.last.join("','"), names.first.len(), names.last.len())
}

fn time_sql(micros: &str) -> String {
    format!("('1970-01-01T00:00:00Z'::timestamptz + ({micros}) * interval '1 microsecond')")
}

fn id_sql(micros: &str, n: &str) -> String {
    format!(
        "(lpad(to_hex(({micros}) / 1000), 12, '0') || '7' || lpad(to_hex({n} & 4095), 3, '0') || '8' || lpad(to_hex({n}), 15, '0'))::uuid"
    )
}

pub fn created_sql(world: &World, n: &str) -> String {
    time_sql(&created_micros_sql(world, n))
}

fn created_micros_sql(world: &World, n: &str) -> String {
    format!("{SINCE_MICROS} + {n} * {}", world.step_micros())
}

pub fn user_id_sql(world: &World, n: &str) -> String {
    id_sql(&created_micros_sql(world, n), n)
}

pub fn session_id_sql(world: &World, s: &str) -> String {
    id_sql(&format!("{} + {s} * {}", world.sessions_since_micros, world.sessions_step_micros), s)
}

fn password_hash() -> String {
    use argon2::PasswordHasher;
    let hasher = argon2::Argon2::default();
    hasher.hash_password_with_salt(PASSWORD.as_bytes(), b"0123456789abcdef").expect("a hash").to_string()
}

async fn run(connection: &mut PgConnection, sql: String) {
    let told = sql.clone();
    if let Err(error) = connection.execute(AssertSqlSafe(sql)).await {
        panic!("{error}: {told}");
    }
}

/// Whether a later migration has brought the column.
pub async fn has_column(connection: &mut PgConnection, table: &str, column: &str) -> bool {
    let sql = "SELECT EXISTS (SELECT FROM information_schema.columns
                WHERE table_schema = 'public' AND table_name = $1 AND column_name = $2)";
    sqlx::query_scalar(sql).bind(table).bind(column).fetch_one(connection).await.expect("an answer")
}

/// A connection on which loading is quick; what it writes is made durable by the checkpoint at the end.
async fn loader(postgres: &Postgres) -> PgConnection {
    let mut connection = postgres.connect().await;
    run(&mut connection, "SET session_replication_role = replica; SET synchronous_commit = off".to_owned()).await;
    connection
}

impl World {
    pub async fn load(users: u64, sessions: u64, events: u64, names: &Names, postgres: &Postgres) -> Self {
        let sessions_step_micros = SESSIONS_DAYS * DAY_MICROS / sessions.max(1);
        let sessions_since_micros = now_micros() - sessions * sessions_step_micros;
        let world = Self { users, sessions, events, sessions_since_micros, sessions_step_micros };
        let (mut first, mut second) = (loader(postgres).await, loader(postgres).await);
        world.load_hotels_and_role(&mut first).await;
        let people = async {
            world.load_users(&mut first, names).await;
            world.load_sessions(&mut first).await;
        };
        tokio::join!(people, world.load_events(&mut second));
        for sql in ["VACUUM ANALYZE", "CHECKPOINT"] {
            run(&mut second, sql.to_owned()).await;
        }
        world.compare(&mut first, names).await;
        world
    }

    async fn load_hotels_and_role(&self, connection: &mut PgConnection) {
        run(
            connection,
            format!(
                "INSERT INTO hotels (id, name, country, city, brand, pms_type)
                 SELECT 'hotel-' || lpad(n::text, 3, '0'), 'Hotel ' || n, 'FR', 'Lyon', 'Azur', 'mews' FROM generate_series(0, {HOTELS} - 1) n"
            ),
        )
        .await;
        run(
            connection,
            "INSERT INTO roles (id, name, display_name, description, permissions)
             VALUES ('01900000-0000-7000-8000-0000000000ff', 'NIGHT_AUDITOR', 'Night auditor', 'Closes the day.', '{call:view,hotel:view}')"
                .to_owned(),
        )
        .await;
    }

    async fn load_users(&self, connection: &mut PgConnection, names: &Names) {
        let (hash, first, last) = (password_hash(), first_name_sql(names), last_name_sql(names));
        let (id, created) = (user_id_sql(self, "n"), created_sql(self, "n"));
        let mut owner_times = [("", ""); 2];
        for (table, columns) in ["user_roles", "user_hotels"].into_iter().zip(&mut owner_times) {
            if has_column(connection, table, "user_created_at").await {
                *columns = (", user_created_at", ", u.created");
            }
        }
        let [(roles_column, roles_value), (hotels_column, hotels_value)] = owner_times;
        let (keys, key_values) = if has_column(connection, "users", "search_key").await {
            let address = "lower(first || '.' || last || n || '@vh.test')";
            (
                ", search_key, last_name_key",
                format!(", search_key(concat_ws(' ', {address}, first, last)), order_key(last)"),
            )
        } else {
            ("", String::new())
        };
        for (from, to) in chunks(self.users) {
            let numbers = format!(
                "(SELECT n, k, {id} AS id, {created} AS created
                    FROM (SELECT n, n * {SCATTER} % {PRIME} AS k FROM generate_series({from}::bigint, {to}) n) numbers) u"
            );
            run(connection, format!(
                "INSERT INTO users (id, email, password_hash, first_name, last_name, email_verified, hotel_scope,
                                    created_at, updated_at, password_changed_at, last_login_at{keys})
                 SELECT id, lower(first || '.' || last || n || '@vh.test'), '{hash}', first, last, true,
                        CASE WHEN n <= {EVERYWHERE} THEN 'ALL' ELSE 'ASSIGNED' END, created, created, created, created + interval '1 day'{key_values}
                   FROM (SELECT u.*, {first} AS first, {last} AS last FROM {numbers}) named ORDER BY n"
            )).await;
            run(
                connection,
                format!(
                    "INSERT INTO user_roles (user_id, role_id, created_at{roles_column})
                 SELECT u.id, r.id, u.created{roles_value} FROM {numbers} JOIN roles r ON r.name =
                        CASE WHEN n <= {ADMINISTRATORS} THEN 'SYSTEM_ADMIN' WHEN n <= {EVERYWHERE} THEN 'HOTEL_STAFF'
                             WHEN n % 10 = 0 THEN 'HOTEL_ADMIN' WHEN n % 10 = 5 THEN 'GUEST_USER' ELSE 'HOTEL_STAFF' END
                     OR (n > {ADMINISTRATORS} AND n % 2 = 0 AND r.name = 'NIGHT_AUDITOR') ORDER BY n"
                ),
            )
            .await;
            run(
                connection,
                format!(
                    "INSERT INTO user_hotels (user_id, hotel_id, created_at{hotels_column})
                 SELECT u.id, 'hotel-' || lpad(((k / 7 + j * 101) % {HOTELS})::text, 3, '0'), u.created{hotels_value}
                   FROM {numbers}, generate_series(0, k % 5) j ORDER BY n"
                ),
            )
            .await;
            if to < self.users {
                eprintln!("{to} of {} users", self.users);
            }
        }
    }

    async fn load_sessions(&self, connection: &mut PgConnection) {
        let user = user_id_sql(self, &format!("(1 + s * 7919 % {})", self.users));
        let id = session_id_sql(self, "s");
        let began = time_sql(&format!("{} + s * {}", self.sessions_since_micros, self.sessions_step_micros));
        for (from, to) in chunks(self.sessions) {
            run(connection, format!(
                "INSERT INTO user_sessions (id, session_id, user_id, access_token_jti, refresh_token_jti, rotated_at, ip_address,
                                            user_agent, device_fingerprint, created_at, accessed_at, expires_at, active)
                 SELECT {id}, ({id})::text, {user}, gen_random_uuid(), gen_random_uuid(), began, '10.0.' || s % 256 || '.' || s % 251,
                        'Mozilla/5.0 (X11; Linux x86_64)', md5(s::text), began, began, began + interval '7 days',
                        began + interval '7 days' > now()
                   FROM (SELECT s, {began} AS began FROM generate_series({from}::bigint, {to}) s) numbers ORDER BY s"
            )).await;
        }
    }

    async fn load_events(&self, connection: &mut PgConnection) {
        let step = EVENTS_DAYS * DAY_MICROS / self.events.max(1);
        let micros = format!("{} + e * {step}", now_micros() - self.events * step);
        let (id, user) = (id_sql(&micros, "e"), user_id_sql(self, &format!("(1 + e * 7919 % {})", self.users)));
        let occurred = time_sql(&micros);
        for (from, to) in chunks(self.events) {
            run(connection, format!(
                "INSERT INTO audit_events (id, occurred_at, type, outcome, actor, subject, ip_address, user_agent, request_id, about)
                 SELECT id, occurred, CASE WHEN e % 20 = 0 THEN 'login_failed' ELSE 'login_succeeded' END,
                        CASE WHEN e % 20 = 0 THEN 'FAILURE' ELSE 'SUCCESS' END, 'user:' || person, 'user:' || person,
                        '10.0.' || e % 256 || '.' || e % 251, 'Mozilla/5.0 (X11; Linux x86_64)', md5(e::text), person
                   FROM (SELECT e, {id} AS id, {occurred} AS occurred, {user} AS person
                           FROM generate_series({from}::bigint, {to}) e) numbers ORDER BY e"
            )).await;
        }
    }

    /// What SQL wrote must be what is computed here: every request depends on it.
    async fn compare(&self, connection: &mut PgConnection, names: &Names) {
        for n in [1, EVERYWHERE + 1, self.users / 3, self.users] {
            let sql = "SELECT email, (extract(epoch FROM created_at) * 1000000)::bigint,
                              EXISTS (SELECT FROM user_hotels h WHERE h.user_id = u.id AND h.hotel_id = $2) FROM users u WHERE id = $1";
            let id: Uuid = self.id(n);
            let found: (String, i64, bool) = sqlx::query_as(sql)
                .bind(id)
                .bind(Self::hotel_of(n))
                .fetch_one(&mut *connection)
                .await
                .expect("user by id");
            assert_eq!(found, (names.email(n), i64::try_from(self.created_micros(n)).expect("fits"), true), "user {n}");
        }
    }
}

fn chunks(rows: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..rows.div_ceil(CHUNK)).map(move |chunk| (chunk * CHUNK + 1, ((chunk + 1) * CHUNK).min(rows)))
}
