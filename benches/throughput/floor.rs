//! What PostgreSQL itself takes to hand out the same rows, asked by pgbench past row-level security in the cheapest way known:
//! nothing that answers from the database can cost less.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cpu::{self, as_f64};
use crate::load::{created_sql, first_name_sql, has_column, last_name_sql, session_id_sql, user_id_sql};
use crate::postgres::Postgres;
use crate::workloads::Workload;
use crate::world::{HOTELS, Names, PRIME, SCATTER, World};

/// What the documents ask for, and no more.
const USER: &str = "u.id, u.email, u.first_name, u.last_name, u.active, u.hotel_scope, u.created_at";
const ROLES: &str = "ARRAY(SELECT role_id FROM user_roles r WHERE r.user_id = u.id)";

/// Microseconds of processor time of one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// PostgreSQL and pgbench.
    pub whole: f64,
    pub postgres: f64,
}

/// pgbench's scripts, as files.
pub struct Floor {
    folder: PathBuf,
    staff_forms: Vec<(&'static str, PathBuf)>,
    staff: PathBuf,
}

fn hotels(limit: u32) -> String {
    format!("ARRAY(SELECT hotel_id FROM user_hotels h WHERE h.user_id = u.id ORDER BY hotel_id LIMIT {limit})")
}

/// 51 users behind a place: the page, and the one that tells of the next.
pub fn page_sql(created: &str, id: &str) -> String {
    let hotels = hotels(6);
    format!(
        "SELECT {USER}, {ROLES}, {hotels} FROM users u WHERE (u.created_at, u.id) > ({created}, {id}) ORDER BY u.created_at, u.id LIMIT 51"
    )
}

pub fn user_sql(email: &str) -> String {
    format!("SELECT {USER}, {ROLES}, {} FROM users u WHERE u.email = {email}", hotels(11))
}

/// The first 51 of a hotel, off an index in their order.
pub fn staff_sql(hotel: &str) -> String {
    format!(
        "SELECT {USER}, {ROLES}, (SELECT name FROM hotels WHERE id = {hotel}) FROM (SELECT user_id, user_created_at FROM user_hotels WHERE hotel_id = {hotel} ORDER BY user_created_at, user_id LIMIT 51) m JOIN users u ON u.id = m.user_id ORDER BY m.user_created_at, m.user_id"
    )
}

impl Floor {
    pub async fn new(folder: &Path, world: &World, names: &Names, postgres: &Postgres) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a script");
            path
        };
        let (users, n) = (world.users, ":n::bigint");
        let (id, created) = (user_id_sql(world, n), created_sql(world, n));
        let by_id = format!(
            "\\set n random(1, {users})\nSELECT {USER}, {ROLES}, {} FROM users u WHERE u.id = {id};\n",
            hotels(6)
        );
        write("me", &by_id);
        write("page", &format!("\\set n random(1, {})\n{};\n", users - 100, page_sql(&created, &id)));
        let [first, last] = [first_name_sql(names), last_name_sql(names)]
            .map(|sql| sql.to_lowercase().replace("1 + k ", "1 + :k::bigint "));
        write(
            "user",
            &format!(
                "\\set n random(1, {users})\n\\set k :n * {SCATTER} % {PRIME}\n{};\n",
                user_sql(&format!("{first} || '.' || {last} || :n || '@vh.test'"))
            ),
        );
        let hotel = "'hotel-' || lpad(:h::text, 3, '0')";
        let name = format!("(SELECT name FROM hotels WHERE id = {hotel})");
        let draw = format!("\\set h random(0, {HOTELS} - 1)\n");
        let mut staff_forms = vec![
            (
                "joined, sorted by users.created_at",
                write(
                    "staff-joined",
                    &format!(
                        "{draw}SELECT {name}, {USER}, {ROLES} FROM user_hotels m JOIN users u ON u.id = m.user_id WHERE m.hotel_id = {hotel} ORDER BY u.created_at, u.id LIMIT 51;\n"
                    ),
                ),
            ),
            (
                "each of a hotel's users looked up",
                write(
                    "staff-looked-up",
                    // Left to itself, the planner may go through all users in their order, looking for those of the hotel.
                    &format!(
                        "{draw}SELECT {name}, {USER}, {ROLES} FROM user_hotels m CROSS JOIN LATERAL (SELECT * FROM users u WHERE u.id = m.user_id OFFSET 0) u WHERE m.hotel_id = {hotel} ORDER BY u.created_at, u.id LIMIT 51;\n"
                    ),
                ),
            ),
        ];
        if has_column(&mut postgres.connect().await, "user_hotels", "user_created_at").await {
            let path = write("staff-ordered", &format!("{draw}{};\n", staff_sql(hotel)));
            staff_forms.push(("51 in the order of user_hotels.user_created_at", path));
        }
        if world.sessions > 0 {
            write(
                "refresh",
                &format!(
                    "\\set s random(1, {})\nUPDATE user_sessions SET refresh_token_generation = refresh_token_generation + 1, previous_refresh_token_jti = refresh_token_jti, refresh_token_jti = gen_random_uuid(), access_token_jti = gen_random_uuid(), rotated_at = now(), accessed_at = now() WHERE id = {};\n",
                    world.sessions,
                    session_id_sql(world, ":s::bigint")
                ),
            );
        }
        let staff = staff_forms[0].1.clone();
        Self { folder: folder.to_owned(), staff_forms, staff }
    }

    /// Settles for the cheapest way to a hotel's staff.
    pub async fn choose_staff_form(&mut self, postgres: &Postgres) {
        let mut costs = Vec::new();
        for (name, path) in &self.staff_forms {
            let cost = run(postgres, &[(path.clone(), 1)], Duration::from_secs(2)).await;
            eprintln!("staff of a hotel by pgbench, {name}: {:.0} µs", cost.whole);
            costs.push((cost.whole, path.clone()));
        }
        let cheapest = costs.into_iter().min_by(|one, other| one.0.total_cmp(&other.0));
        self.staff = cheapest.expect("there are two at least").1;
    }

    /// None for a workload that has no floor.
    pub async fn cost(&self, workload: Workload, postgres: &Postgres, length: Duration) -> Option<Cost> {
        let script = |name: &str| self.folder.join(name);
        let scripts = match workload {
            Workload::Page => vec![(script("page"), 1)],
            Workload::User => vec![(script("user"), 1)],
            Workload::Staff => vec![(self.staff.clone(), 1)],
            Workload::Me => vec![(script("me"), 1)],
            // A check looks at one user by id, as `me` does; a refresh is one session's update.
            Workload::Mix => vec![
                (script("me"), 533),
                (script("user"), 267),
                (script("page"), 75),
                (self.staff.clone(), 75),
                (script("refresh"), 50),
            ],
            _ => return None,
        };
        Some(run(postgres, &scripts, length).await)
    }
}

async fn run(postgres: &Postgres, scripts: &[(PathBuf, u32)], length: Duration) -> Cost {
    let mut command = postgres.pgbench();
    command.args(["-n", "-M", "prepared", "-c", "2", "-j", "1", "-T", &length.as_secs().max(1).to_string()]);
    for (path, weight) in scripts {
        command.arg("-f").arg(format!("{}@{weight}", path.display()));
    }
    let before = cpu::spent(postgres.pid, postgres.pid);
    let output = command.output().expect("pgbench runs");
    // Until its backends have ended and been counted.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let spent = cpu::spent(postgres.pid, postgres.pid) - before;
    let told = String::from_utf8_lossy(&output.stdout);
    let failed = || panic!("pgbench: {told}{}", String::from_utf8_lossy(&output.stderr));
    let number = told.lines().find_map(|line| line.strip_prefix("number of transactions actually processed: "));
    let transactions: u64 = number.and_then(|number| number.trim().parse().ok()).unwrap_or_else(failed);
    if !output.status.success() || transactions == 0 {
        failed();
    }
    let each = 1e6 / as_f64(transactions);
    Cost { whole: (spent.postgres + spent.children) * each, postgres: spent.postgres * each }
}
