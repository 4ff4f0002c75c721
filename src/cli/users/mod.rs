//! `voicehive users ...`: users in files, and one person's data.

mod export;
mod format;
mod import;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::system;
use crate::config::Config;
use format::Format;

#[derive(Subcommand)]
pub enum Command {
    /// Say how many users there are.
    Count,
    /// Write every user to a file, password hashes included; or everything that is kept about one person.
    Export {
        /// For a subject access request: everything about this person, one JSON object a line, without the password hash.
        /// Whom: user:<uuid>, the bare uuid, or the email address. By id also after the account was deleted.
        #[arg(long, conflicts_with = "format")]
        user: Option<String>,
        /// The file; left out, standard output.
        #[arg(long)]
        output: Option<PathBuf>,
        /// Left out, by the file's name: .csv is CSV, anything else JSON Lines.
        #[arg(long)]
        format: Option<Format>,
    },
    /// Take in users from a file. Who is there already, by id or email address, stays as they are; rows that are wrong are
    /// told and stay out.
    Import {
        /// The file; - is standard input.
        file: PathBuf,
        /// Left out, by the file's name: .csv is CSV, anything else JSON Lines.
        #[arg(long)]
        format: Option<Format>,
        /// Take in nobody where any row is wrong.
        #[arg(long)]
        all_or_nothing: bool,
        /// Take in nobody; only say what would happen.
        #[arg(long)]
        dry_run: bool,
        /// The outcome as one JSON object instead of text for people.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Count => count(config).await,
        Command::Export { user: Some(user), output, .. } => export::person(config, user, output).await,
        Command::Export { user: None, output, format } => export::everyone(config, output, format).await,
        Command::Import { file, format, all_or_nothing, dry_run, json } => {
            import::run(config, import::Wanted { file, format, all_or_nothing, dry_run, json }).await
        }
    }
}

async fn count(config: Config) -> anyhow::Result<ExitCode> {
    let (users, ..) = system::with_identity(&config, async |identity| Ok(identity.size().await?)).await?;
    writeln!(std::io::stdout(), "{users}")?;
    Ok(ExitCode::SUCCESS)
}
