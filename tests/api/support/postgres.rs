//! The PostgreSQL of this test run. It ends with this process, however that ends: a helper shell waits for the end of a
//! pipe that only this process holds, then stops it and removes its folder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor};
use voicehive_identity::clock::Clock;
use voicehive_identity::identity::{Identity, Seeds};
use voicehive_identity::store::embedded::{DataDir, Embedded};
use voicehive_identity::store::migrations::{self, Wanted};
use voicehive_identity::store::{Database, Routes};

use super::server::{identity_settings, pool_settings};

const TEMPLATE: &str = "voicehive_template";

struct Cluster {
    options: PgConnectOptions,
    folder: PathBuf,
    /// Never read: the pipe in it closes when this process ends.
    _watchdog: Mutex<Child>,
}

/// None where it could not be started: then every test fails at once instead of trying again.
static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

fn cluster() -> &'static Cluster {
    let started = CLUSTER.get_or_init(|| {
        // Threads and a runtime of its own: they outlive the test that happens to come first.
        std::thread::spawn(|| {
            let runtime: &'static tokio::runtime::Runtime =
                Box::leak(Box::new(tokio::runtime::Runtime::new().expect("a runtime")));
            runtime.block_on(start())
        })
        .join()
        .ok()
    });
    started.as_ref().expect("the tests' PostgreSQL starts; the first failure says why it did not")
}

async fn start() -> Cluster {
    let name = format!("voicehive-tests-{}", std::process::id());
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
    // PostgreSQL runs as another user where we are root, and may not reach a checkout in a closed folder.
    let (embedded, folder) = if let Ok(embedded) = Embedded::start(&DataDir::Given(beside.clone())).await {
        (embedded, beside)
    } else {
        let _ = std::fs::remove_dir_all(&beside);
        let elsewhere = std::env::temp_dir().join(&name);
        let embedded = Embedded::start(&DataDir::Given(elsewhere.clone())).await.expect("PostgreSQL starts");
        (embedded, elsewhere)
    };
    let options = embedded.connect_options();
    let watchdog = watch(&folder);
    // It supervises its PostgreSQL until the process ends; the watchdog does the stopping.
    std::mem::forget(embedded);

    let mut superuser =
        PgConnection::connect_with(&options.clone().username("postgres").database("postgres")).await.expect("connect");
    // Nothing here needs to outlive a power cut.
    for setting in ["fsync = off", "synchronous_commit = off", "full_page_writes = off", "max_wal_size = '4GB'"] {
        superuser.execute(AssertSqlSafe(format!("ALTER SYSTEM SET {setting}"))).await.expect("settings");
    }
    superuser.execute("SELECT pg_reload_conf()").await.expect("reload");
    superuser.execute(AssertSqlSafe(format!("CREATE DATABASE {TEMPLATE} OWNER voicehive"))).await.expect("template");

    let database = Database::new(options.clone().database(TEMPLATE), pool_settings(), Routes::default());
    migrations::run(&database, Wanted::default()).await.expect("migrations apply");
    let identity = Identity::new(database.clone(), Clock::default(), identity_settings(&folder)).expect("identity");
    identity.bootstrap(&Seeds { demo_users: true, administrator: None }).await.expect("demo users");
    database.close().await;
    Cluster { options, folder, _watchdog: Mutex::new(watchdog) }
}

fn watch(folder: &Path) -> Child {
    let script = r#"
        cat >/dev/null
        pid=$(head -n 1 "$1/postgres/postmaster.pid" 2>/dev/null)
        [ -z "$pid" ] || kill -INT "$pid"
        while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
        rm -rf "$1""#;
    Command::new("sh")
        .args(["-c", script, "watchdog"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the watchdog starts")
}

/// A folder for files of this run; it is removed with the cluster.
pub fn cluster_folder() -> &'static Path {
    &cluster().folder
}

/// A database of one test's own, migrated and with the demo users.
pub struct TestDatabase {
    /// How the server connects: as the owner.
    pub options: PgConnectOptions,
    /// Past every wall: for making the world and for looking what is there.
    pub superuser: PgPool,
}

impl TestDatabase {
    pub async fn create() -> Self {
        let made = Self::create_from(TEMPLATE).await;
        // So that no test depends on what the demo accounts are still to do.
        made.superuser.execute("UPDATE users SET must_change_password = false").await.expect("update");
        made
    }

    /// As `create`, but as it is right after the first start.
    pub async fn create_untouched() -> Self {
        Self::create_from(TEMPLATE).await
    }

    pub async fn create_empty() -> Self {
        Self::create_from("template0").await
    }

    /// An empty one that sorts as people who speak English do, as most databases of the world are.
    pub async fn create_empty_in_language() -> Self {
        Self::create_from("template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' ENCODING 'UTF8'").await
    }

    /// An empty one with this locale, as `CREATE DATABASE` takes it.
    pub async fn create_empty_in(locale: &str) -> Self {
        Self::create_from(&format!("template0 ENCODING 'UTF8' {locale}")).await
    }

    async fn create_from(template: &str) -> Self {
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let options = &cluster().options;
        let mut postgres = PgConnection::connect_with(&options.clone().username("postgres").database("postgres"))
            .await
            .expect("connect");
        postgres
            .execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template} OWNER voicehive")))
            .await
            .expect("a database for the test");
        let superuser = PgPoolOptions::new()
            .max_connections(2)
            .connect_lazy_with(options.clone().username("postgres").database(&name));
        Self { options: options.clone().database(&name), superuser }
    }
}

/// A connection to the test's database as another role.
pub async fn connect_as(database: &TestDatabase, role: &str) -> PgConnection {
    let mut connection = PgConnection::connect_with(&database.options).await.expect("connect");
    connection.execute(AssertSqlSafe(format!("SET ROLE {role}"))).await.expect("the role is ours");
    connection
}
