//! `voicehive users import`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use futures_util::{StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::sync::mpsc;

use super::elsewhere::{Source, System, firebase_parameters};
use super::format::{Format, Row};
use super::system;
use crate::config::Config;
use crate::identity::{Identity, Import, Imported, Keep, Wrong};

/// Users written in one transaction: enough that its own cost does not count, and few enough to hold in memory.
const BATCH: usize = 2_000;
/// Batches read ahead while others are written.
const AHEAD: usize = 2;
/// Batches under way at a time: the database works at each on a core of its own.
const AT_ONCE: usize = 4;

pub struct Wanted {
    pub file: PathBuf,
    pub format: Option<Format>,
    pub from: Option<System>,
    pub firebase_hash_config: Option<PathBuf>,
    pub all_or_nothing: bool,
    pub dry_run: bool,
    pub json: bool,
}

pub async fn run(config: Config, wanted: Wanted) -> anyhow::Result<ExitCode> {
    let source = match (wanted.from, &wanted.firebase_hash_config) {
        (None, _) => Source::OwnFile(Format::of(wanted.format, Some(&wanted.file))),
        (Some(System::Keycloak), _) => Source::Keycloak,
        (Some(System::Auth0), _) => Source::Auth0,
        (Some(System::Firebase), Some(file)) => Source::Firebase(firebase_parameters(file)?),
        // Who came without a password would stay so when the file is brought in again.
        (Some(System::Firebase), None) => {
            bail!("--firebase-hash-config is missing: without it no password could be checked")
        }
    };
    let keep = match (wanted.dry_run, wanted.all_or_nothing) {
        (true, _) => Keep::Nothing,
        (false, true) => Keep::AllOrNothing,
        (false, false) => Keep::EachBatch,
    };
    let (input, progress) = open(&wanted.file)?;
    let ((imported, kept), read) = system::with_identity(&config, async |identity| {
        take_in(&identity, keep, source, input, &wanted.file, &progress).await
    })
    .await?;
    progress.finish_and_clear();
    let Imported { added, there_already, wrong, without_password, unknown_hash } = imported;
    let told = if wanted.json {
        json!({ "added": added, "there_already": there_already, "wrong": wrong, "without_password": without_password,
                "unknown_hash": unknown_hash, "kept": kept })
        .to_string()
    } else {
        let verb = if kept { "added" } else { "would be added; nothing was changed" };
        let without = match (without_password, unknown_hash) {
            (0, _) => String::new(),
            (_, 0) => format!(" {without_password} have no password until one is set."),
            _ => format!(
                " {without_password} have no password until one is set, {unknown_hash} of them because theirs came as a hash \
                 of no known scheme, or one that costs too much to check."
            ),
        };
        format!("{added} users {verb}; {there_already} were there already; {wrong} rows are wrong.{without}")
    };
    writeln!(std::io::stdout(), "{told}")?;
    read?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn take_in(
    identity: &Identity,
    keep: Keep,
    source: Source,
    input: Box<dyn Read + Send>,
    file: &Path,
    progress: &ProgressBar,
) -> anyhow::Result<((Imported, bool), anyhow::Result<()>)> {
    let (send, mut batches) = mpsc::channel::<Vec<Row>>(AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        let mut batch = Vec::with_capacity(BATCH);
        let outcome = source.read(input, &mut |row| {
            batch.push(row);
            batch.len() < BATCH || send.blocking_send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_ok()
        });
        // What came before it could not be read any further, too.
        let _ = send.blocking_send(batch);
        outcome
    });
    let import = identity.begin_import(keep).await?;
    {
        let batches = futures_util::stream::poll_fn(|context| batches.poll_recv(context));
        let mut done =
            std::pin::pin!(batches.enumerate().map(|(number, batch)| write(&import, number, batch)).buffered(AT_ONCE));
        while let Some(wrong) = done.try_next().await? {
            for (line, why) in wrong {
                progress.suspend(|| eprintln!("{}:{line}: {why}", file.display()));
            }
            progress.set_message(format!("{} added", import.imported().added));
        }
    }
    let read = reading.await?.with_context(|| format!("{} cannot be read to its end", file.display()));
    match (read, keep) {
        // A file that cannot be read to its end is not taken in whole.
        (Err(problem), Keep::AllOrNothing) => Err(problem),
        (read, _) => Ok((import.finish().await?, read)),
    }
}

/// Writes what of a batch could be read; what is wrong with the rest.
async fn write(import: &Import<'_>, number: usize, batch: Vec<Row>) -> anyhow::Result<Vec<Wrong>> {
    let (mut users, mut wrong) = (Vec::with_capacity(batch.len()), Vec::new());
    for (line, row) in batch {
        match row {
            Ok(user) => users.push((line, user)),
            Err(why) => wrong.push((line, why)),
        }
    }
    import.note_unreadable(wrong.len() as u64);
    wrong.extend(import.add(number, users).await?);
    wrong.sort_unstable();
    Ok(wrong)
}

/// The file, and a bar that follows how much of it was read.
fn open(file: &Path) -> anyhow::Result<(Box<dyn Read + Send>, ProgressBar)> {
    if file == Path::new("-") {
        return Ok((Box::new(std::io::stdin()), ProgressBar::new_spinner()));
    }
    let open = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let style = ProgressStyle::with_template("{bar:40} {percent}% {msg}, {eta} left")?;
    let progress = ProgressBar::new(open.metadata()?.len()).with_style(style);
    Ok((Box::new(progress.wrap_read(open)), progress))
}
