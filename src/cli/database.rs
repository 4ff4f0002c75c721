//! `voicehive database ...`: making, bringing up to date and looking at the database.

use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;

use super::{system, tell};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::identity::{email_to_look_up, is_known_hash};
use crate::store::migrations::legacy::{self, TakeOverError, UserRules};
use crate::store::migrations::{self, Drift, Wanted};
use crate::store::{Database, embedded};

/// What makes a user of the old service one of ours.
const OLD_USERS: UserRules = UserRules { email_to_look_up, is_known_hash };

#[derive(Subcommand)]
pub enum Command {
    /// Make everything that a server needs: tables, security, first users. Run again, it changes nothing. Tables of the old
    /// Python service are taken over.
    Init(Init),
    /// Apply the migrations that are missing.
    Migrate {
        /// One JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
    /// Say what is applied, what is pending, and what is not as the migrations made it. Exit code 1 where something is.
    Status {
        /// One JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
    /// Connect as the server would, and say how that went.
    Health {
        /// One JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
    /// Print how to reach the database with psql, without the password.
    Url,
}

#[derive(Args)]
pub struct Init {
    /// Make the database itself where it is not there.
    #[arg(long)]
    create_db: bool,
    /// Make no users, now or at the next start of a server.
    #[arg(long)]
    skip_users: bool,
    /// Leave row-level security switched off: for development.
    #[arg(long)]
    skip_security: bool,
    /// Drop all tables first. Everything in them is lost.
    #[arg(long)]
    reset: bool,
    /// Do not ask before a reset. In production, the name is asked for all the same.
    #[arg(long)]
    yes: bool,
    /// Only say what taking over the old service's tables would do.
    #[arg(long, conflicts_with_all = ["create_db", "reset"])]
    dry_run: bool,
    /// One JSON object instead of text for people.
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(init) => self::init(config, init).await,
        Command::Migrate { json } => migrate(config, json).await,
        Command::Status { json } => status(config, json).await,
        Command::Health { json } => health(config, json).await,
        Command::Url => url(config).await,
    }
}

async fn init(config: Config, wanted: Init) -> anyhow::Result<ExitCode> {
    system::with_database(&config, async |database| {
        let name = database.name().to_owned();
        if wanted.reset {
            confirm_reset(&config, &name, wanted.yes)?;
        }
        let made = wanted.create_db && migrations::create_database(&database).await?;
        let old = !wanted.reset && legacy::found(&database).await?;
        if wanted.dry_run && !old {
            bail!("the database {name} holds no tables of the old Python service; --dry-run shows what taking them over does");
        }
        let report = if old {
            match legacy::take_over(&database, OLD_USERS, Clock::default().new_id(), wanted.dry_run).await {
                // Another one took it over in this moment.
                Err(TakeOverError::NotThere) if !wanted.dry_run => None,
                outcome => Some(outcome?),
            }
        } else {
            None
        };
        if let Some(report) = report.as_ref().filter(|_| wanted.dry_run) {
            return tell(wanted.json, &json!({ "dry_run": true, "taken_over": report }), || taken_over(report, true));
        }
        if report.is_some() {
            tracing::info!("database_taken_over");
        }
        let row_security = Some(!wanted.skip_security);
        let applied = migrations::run(&database, Wanted { reset: wanted.reset, row_security }).await?;
        if applied.now == applied.all {
            tracing::info!(migrations = applied.all, "database_tables_created");
        }
        tracing::info!(row_level_security = !wanted.skip_security, "database_security_configured");
        let identity = system::identity(&config, database).await?;
        identity.decline_demo_users(wanted.skip_users).await?;
        if !wanted.skip_users {
            system::bootstrap(&config, &identity).await?;
        }
        let (users, roles, hotels) = identity.size().await?;
        tracing::info!(migrations_applied = applied.now, users, roles, hotels, "database_initialized");
        let told = json!({
            "database": name, "created": made, "reset": wanted.reset, "migrations_applied": applied.now,
            "row_level_security": !wanted.skip_security, "users": users, "roles": roles, "hotels": hotels,
            "taken_over": report,
        });
        tell(wanted.json, &told, || {
            let before = report.as_ref().map(|report| taken_over(report, false)).unwrap_or_default();
            format!(
                "{before}The database {name} is ready: {} migrations applied now, row-level security {}, {users} users, \
                 {roles} roles, {hotels} hotels.",
                applied.now,
                if wanted.skip_security { "OFF" } else { "on" },
            )
        })
    })
    .await
}

/// Asks for the name of the database that is to be emptied.
fn confirm_reset(config: &Config, name: &str, yes: bool) -> anyhow::Result<()> {
    let production = config.environment == Environment::Production;
    if production && !yes {
        bail!("this is a production system: --reset also needs --yes, and the database's name when it is asked for");
    }
    if yes && !production {
        return Ok(());
    }
    eprint!("Everything in the database {name} will be lost. Type its name to go on: ");
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    if typed.trim() != name {
        bail!("{:?} is not the name of the database; nothing was changed", typed.trim());
    }
    Ok(())
}

fn taken_over(report: &legacy::Report, dry_run: bool) -> String {
    let mut text = String::from(if dry_run {
        "This would take over the old service's tables:\n"
    } else {
        "The old service's tables were taken over:\n"
    });
    for table in &report.tables {
        let _ = writeln!(text, "  {:<14} {:>9} rows, checksum {}", table.table, table.rows, table.checksum);
    }
    for change in &report.changes {
        let _ = writeln!(text, "  {change}");
    }
    if dry_run {
        text.push_str("Nothing was changed.");
    }
    text
}

async fn migrate(config: Config, as_json: bool) -> anyhow::Result<ExitCode> {
    system::with_database(&config, async |database| {
        let applied = migrations::run(&database, Wanted::default()).await?;
        tracing::info!(migrations_applied = applied.now, "database_migrated");
        tell(as_json, &json!({ "applied": applied.now, "migrations": applied.all }), || {
            format!("{} migrations applied now; the schema has {}.", applied.now, applied.all)
        })
    })
    .await
}

async fn status(config: Config, as_json: bool) -> anyhow::Result<ExitCode> {
    system::with_database(&config, async |database| {
        let status = migrations::status(&database).await?;
        let drift: Vec<String> = status.drift.iter().map(in_words).collect();
        let (on, all) = status.row_security;
        let security = match on {
            0 => "off",
            on if on == all => "on",
            _ => "partly on",
        };
        let told = json!({
            "applied": status.applied.iter().map(|migration| json!({
                "version": migration.version, "description": migration.description,
                "installed_on": migration.installed_on,
            })).collect::<Vec<_>>(),
            "pending": status.pending.iter().map(|migration| json!({
                "version": migration.version, "description": migration.description,
            })).collect::<Vec<_>>(),
            "drift": drift,
            "row_level_security": security,
            "legacy": status.legacy,
        });
        tell(as_json, &told, || {
            let mut lines = Vec::new();
            for migration in &status.applied {
                let when = migration.installed_on.format("%F %T UTC");
                lines.push(format!("applied  {:04} {} ({when})", migration.version, migration.description));
            }
            for migration in &status.pending {
                lines.push(format!("pending  {:04} {}", migration.version, migration.description));
            }
            lines.extend(drift.iter().map(|drift| format!("drift    {drift}")));
            if status.legacy {
                lines.push(
                    "the tables are those of the old Python service; `voicehive database init` takes them over".into(),
                );
            }
            lines.push(format!("row-level security is {security}"));
            lines.join("\n")
        })?;
        let well = status.pending.is_empty() && drift.is_empty();
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
    .await
}

fn in_words(drift: &Drift) -> String {
    match drift {
        Drift::Changed(version) => format!("migration {version} was changed after it had been applied"),
        Drift::Unknown(version) => format!("migration {version} is of a newer release"),
        Drift::Missing(line) => format!("missing: {line}"),
        Drift::Added(line) => format!("not ours: {line}"),
    }
}

/// The configured database, or the embedded one where a server runs it; with what kind it is.
async fn reachable(config: &Config) -> anyhow::Result<(&'static str, PgConnectOptions)> {
    match system::external_database(config)? {
        Some(options) => Ok(("external", options)),
        None => match embedded::running(&system::data_dir(config)).await? {
            Some(options) => Ok(("embedded", options)),
            None => bail!("the embedded database does not run; it runs while `voicehive serve` does"),
        },
    }
}

fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

async fn health(config: Config, as_json: bool) -> anyhow::Result<ExitCode> {
    let (kind, options) = reachable(&config).await?;
    let place = place(&options);
    let database: Database = system::database(&config, options).await?;
    let name = database.name().to_owned();
    let began = Instant::now();
    // Not by way of the pool, which would try again and again, and say only that it took too long.
    let reached = database.connect_once().await;
    let milliseconds = began.elapsed().as_millis();
    database.close().await;
    if let Err(error) = reached {
        return Err(anyhow!(error).context(format!("the {kind} database {name} at {place} does not answer")));
    }
    tracing::info!("database_connection_test_passed");
    let told =
        json!({ "status": "healthy", "kind": kind, "database": name, "place": place, "milliseconds": milliseconds });
    tell(as_json, &told, || {
        format!("The {kind} database {name} at {place} is healthy: connected and answered in {milliseconds} ms.")
    })
}

async fn url(config: Config) -> anyhow::Result<ExitCode> {
    let (_, options) = reachable(&config).await?;
    let parameter = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let host = options.get_socket().map_or(options.get_host().to_owned(), |socket| socket.display().to_string());
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let told = format!(
        "host={} port={} dbname={} user={}",
        parameter(&host),
        options.get_port(),
        parameter(database),
        parameter(options.get_username())
    );
    writeln!(std::io::stdout(), "{told}")?;
    Ok(ExitCode::SUCCESS)
}
