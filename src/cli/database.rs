//! `voicehive database health`: whether the server would get a connection, and to what.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::anyhow;
use serde_json::json;

use super::system;
use crate::config::Config;
use crate::store::{Database, embedded};

pub async fn health(config: Config, as_json: bool) -> anyhow::Result<ExitCode> {
    let external = system::external_database(&config)?;
    let kind = if external.is_some() { "external" } else { "embedded" };
    let options = match external {
        Some(options) => options,
        None => embedded::running(&system::data_dir(&config))
            .await?
            .ok_or_else(|| anyhow!("the embedded database does not run; it runs while `voicehive serve` does"))?,
    };
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let name = options.get_database().unwrap_or_default().to_owned();
    let database = Database::new(options, system::pool_settings(&config));
    let began = Instant::now();
    let reached = database.ping().await;
    let milliseconds = began.elapsed().as_millis();
    database.close().await;
    if let Err(error) = reached {
        return Err(anyhow!(error).context(format!("the {kind} database {name} at {place} does not answer")));
    }
    tracing::info!("database_connection_test_passed");
    let told = if as_json {
        json!({ "status": "healthy", "kind": kind, "database": name, "place": place, "milliseconds": milliseconds })
            .to_string()
    } else {
        format!("The {kind} database {name} at {place} is healthy: connected and answered in {milliseconds} ms.")
    };
    writeln!(std::io::stdout(), "{told}")?;
    Ok(ExitCode::SUCCESS)
}
