//! `voicehive users ...`: administration where no administrator can sign in, users in files, and one person's data.

mod administer;
mod audit_names;
mod csv;
pub(super) mod elsewhere;
mod export;
pub(super) mod format;
mod import;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{system, tell};
use crate::config::Config;
pub use administer::find;
use elsewhere::System;
use format::Format;

#[derive(Subcommand)]
pub enum Command {
    /// Say how many users there are.
    Count,
    /// List users, by email address.
    List(administer::List),
    /// List the accounts whose name or address would be refused today: characters that cannot be seen, letters that look
    /// like those of another alphabet, and addresses that can be taken for another account's. Exit code 1 where there are any.
    AuditNames {
        /// One JSON object an account and line.
        #[arg(long)]
        json: bool,
    },
    /// Add a user. Without a password file a temporary password is made and printed.
    Create(administer::Create),
    /// Forget a user's failed sign-ins, and lift the lock that they brought about.
    Unlock(administer::Who),
    /// Set a password that the user must change at the next sign-in, and end all sessions of theirs. Without a password
    /// file a temporary password is made and printed.
    ResetPassword {
        #[command(flatten)]
        who: administer::Who,
        #[command(flatten)]
        password: administer::Password,
    },
    /// Let a user sign in no more, and end all sessions of theirs.
    Deactivate {
        #[command(flatten)]
        who: administer::Who,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let a deactivated user sign in again.
    Reactivate(administer::Who),
    /// Write every user to a file, password hashes included; or everything that is kept about one person.
    Export {
        /// For a subject access request: everything about this person, one JSON object a line, without the password hash.
        /// Whom: user:<uuid>, the bare uuid, or the email address. By id also after the account was deleted.
        #[arg(long, conflicts_with = "format")]
        user: Option<String>,
        /// The file, a new one or one to be replaced; left out, or -, standard output.
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
        /// The file is another system's export. Roles, groups and second factors do not come along.
        #[arg(long, conflicts_with = "format")]
        from: Option<System>,
        /// For --from firebase: a file with the project's hash parameters as its console shows them (Authentication, Users,
        /// Password hash parameters). They are used while reading, and kept nowhere.
        #[arg(long, value_name = "FILE", required_if_eq("from", "firebase"))]
        firebase_hash_config: Option<PathBuf>,
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
        Command::List(wanted) => administer::list(config, wanted).await,
        Command::AuditNames { json } => audit_names::run(config, json).await,
        Command::Create(new) => administer::create(config, new).await,
        Command::Unlock(who) => administer::unlock(config, who).await,
        Command::ResetPassword { who, password } => administer::reset_password(config, who, password).await,
        Command::Deactivate { who, reason } => administer::deactivate(config, who, reason).await,
        Command::Reactivate(who) => administer::reactivate(config, who).await,
        Command::Export { user: Some(user), output, .. } => export::person(config, user, output).await,
        Command::Export { user: None, output, format } => export::everyone(config, output, format).await,
        Command::Import { file, format, from, firebase_hash_config, all_or_nothing, dry_run, json } => {
            let wanted = import::Wanted { file, format, from, firebase_hash_config, all_or_nothing, dry_run, json };
            import::run(config, wanted).await
        }
    }
}

async fn count(config: Config) -> anyhow::Result<ExitCode> {
    let (users, ..) = system::with_identity(&config, async |identity| Ok(identity.size().await?)).await?;
    writeln!(std::io::stdout(), "{users}")?;
    Ok(ExitCode::SUCCESS)
}
