//! Floor 5: the command line. One file a command; errors end here, as one line on standard error and exit code 1.

mod audit;
mod database;
#[cfg(fuzzing)]
pub mod fuzzing;
mod health;
mod keys;
mod mock_users;
mod output;
mod schema;
mod serve;
mod sessions;
mod system;
mod users;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// Users, roles, hotels and sessions of a hotel group behind one GraphQL schema, on `PostgreSQL`.
#[derive(Parser)]
#[command(name = "voicehive", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API (the default).
    Serve,
    /// Ask the server that runs on this machine whether it is alive. Exit code 1 where it is not.
    Health,
    /// Look after the database.
    #[command(subcommand)]
    Database(database::Command),
    /// Look after users.
    #[command(subcommand)]
    Users(users::Command),
    /// Look after sessions.
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// Look after the keys that tokens are signed with.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Take in what another system kept.
    #[command(subcommand)]
    Import(Import),
    /// Look after the audit trail.
    #[command(subcommand)]
    Audit(Audit),
    /// Print the GraphQL schema.
    Schema(schema::Arguments),
}

#[derive(Subcommand)]
enum Import {
    /// The users of the old service's dictionary, by email address: all of them, or nobody where one is wrong.
    MockUsers {
        /// JSON or YAML.
        file: std::path::PathBuf,
        /// Take in nobody; only say what would happen.
        #[arg(long)]
        dry_run: bool,
        /// The outcome as one JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum Audit {
    /// Prove that nothing in the audit trail was changed or removed, or say where. Exit code 1 where something was.
    Verify {
        /// The end of the chain as an earlier run told it, number:hash: it must still be there.
        #[arg(long)]
        head: Option<String>,
        /// One JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command.unwrap_or(Command::Serve) {
        Command::Schema(arguments) => schema::print(&arguments),
        Command::Health => with_runtime(|config| async move { health::check(&config) }),
        Command::Serve => with_runtime(|config| async { serve::run(config).await }),
        Command::Import(Import::MockUsers { file, dry_run, json }) => {
            with_runtime(move |config| mock_users::run(config, file, dry_run, json))
        }
        Command::Users(command) => with_runtime(move |config| users::run(config, command)),
        Command::Keys(command) => with_runtime(move |config| keys::run(config, command)),
        Command::Sessions(command) => with_runtime(move |config| sessions::run(config, command)),
        Command::Audit(Audit::Verify { head, json }) => with_runtime(move |config| audit::verify(config, head, json)),
        Command::Database(command) => with_runtime(move |config| database::run(config, command)),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("voicehive: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// How long the last traces may take to be sent.
const TRACES_TIMEOUT: Duration = Duration::from_secs(5);

fn with_runtime<F>(command: impl FnOnce(Config) -> F) -> anyhow::Result<ExitCode>
where
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    let config = Config::load()?;
    let endpoint = config.traces.otlp_endpoint.as_deref();
    let traces = crate::telemetry::logs::install(config.log.format, &config.log.level, endpoint)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(command(config));
    if let Some(traces) = traces
        && let Err(error) = traces.shutdown_with_timeout(TRACES_TIMEOUT)
    {
        tracing::warn!(%error, "traces_lost");
    }
    done
}

/// An error and its causes as one line; a cause that the error already tells is not told again.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Prints the one, or the other.
fn tell(as_json: bool, value: &serde_json::Value, text: impl FnOnce() -> String) -> anyhow::Result<ExitCode> {
    let told = if as_json { value.to_string() } else { text() };
    writeln!(std::io::stdout(), "{told}")?;
    Ok(ExitCode::SUCCESS)
}
