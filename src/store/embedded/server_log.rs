//! What PostgreSQL says: read from a pipe by a thread, kept in `postgres.log`, and the line that matters remembered.
//!
//! A pipe, not the file itself, for two reasons: the file stays bounded, and on a full disk the complaint still arrives.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tokio::sync::oneshot;

/// A log this long is kept once as `postgres.log.1`, and a new one begun.
const LONGEST: u64 = 4 * 1024 * 1024;
const LONGEST_COMPLAINT: usize = 500;
/// How the system's own refusals read; "wrote only" is a disk that became full in the middle of a block.
const REASONS_OF_SYSTEM: [&str; 6] = [
    "No space left",
    "wrote only",
    "quota exceeded",
    "Read-only file system",
    "ermission denied",
    "Cannot allocate memory",
];

/// Starts the thread. The writer is PostgreSQL's standard error; when its last process has ended, the receiver gets the
/// last complaint.
pub(super) fn keep(path: PathBuf) -> io::Result<(PipeWriter, oneshot::Receiver<Option<String>>)> {
    let (reader, writer) = io::pipe()?;
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new().name("postgres-log".to_owned()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send(copy(reader, &path));
    })?;
    Ok((writer, receiver))
}

/// A log that cannot be written stops nothing: reading on is what matters, or PostgreSQL would block.
fn copy(reader: PipeReader, path: &Path) -> Option<String> {
    let mut reader = BufReader::new(reader);
    let mut log = open(path);
    let mut complaint = Complaint::default();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        complaint.hear(&String::from_utf8_lossy(&line));
        if let Some((file, length)) = &mut log {
            let _ = file.write_all(&line);
            *length += line.len() as u64;
            if *length > LONGEST {
                let _ = fs::rename(path, path.with_extension("log.1"));
                log = open(path);
            }
        }
        line.clear();
    }
    complaint.words
}

fn open(path: &Path) -> Option<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).ok()?;
    let length = file.metadata().ok()?.len();
    Some((file, length))
}

/// Picks from PostgreSQL's words the ones that say why it ended: the last of the most telling kind.
#[derive(Default)]
pub(super) struct Complaint {
    telling: Telling,
    words: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, PartialOrd)]
enum Telling {
    #[default]
    AnyLine,
    Fatal,
    /// The system's own reason, beside which others are consequences.
    System,
}

impl Complaint {
    pub(super) fn of(output: &[u8]) -> Option<String> {
        let mut complaint = Self::default();
        String::from_utf8_lossy(output).lines().for_each(|line| complaint.hear(line));
        complaint.words
    }

    fn hear(&mut self, line: &str) {
        let reason = ["PANIC:", "FATAL:", "initdb: error:"].iter().find_map(|word| line.find(word));
        // Without its time and process; PostgreSQL puts two spaces behind the word.
        let words = line[reason.unwrap_or(0)..].split_whitespace().collect::<Vec<_>>().join(" ");
        // "the database system is starting up" is an answer to somebody who came too early.
        if words.is_empty() || words.starts_with("FATAL: the database system is") {
            return;
        }
        let telling = match reason {
            None => Telling::AnyLine,
            Some(_) if REASONS_OF_SYSTEM.iter().any(|text| words.contains(text)) => Telling::System,
            Some(_) => Telling::Fatal,
        };
        if telling >= self.telling {
            *self = Self { telling, words: Some(words.chars().take(LONGEST_COMPLAINT).collect()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_told_rather_than_its_consequences() {
        let output = b"2026-01-01 00:00:00.000 UTC [7] LOG:  starting PostgreSQL\n\
            2026-01-01 00:00:00.001 UTC [8] FATAL:  could not write to file \"x\": No space left on device\n\
            2026-01-01 00:00:00.001 UTC [8] PANIC:  cannot abort transaction 1\n\
            2026-01-01 00:00:00.002 UTC [9] FATAL:  the database system is shutting down\n\
            2026-01-01 00:00:00.003 UTC [7] LOG:  database system is shut down\n";
        let complaint = Complaint::of(output);
        assert_eq!(complaint.as_deref(), Some("FATAL: could not write to file \"x\": No space left on device"));
    }

    #[test]
    fn without_a_reason_the_last_line_is_told() {
        let output = b"postgres: error while loading shared libraries\n\n";
        assert_eq!(Complaint::of(output).as_deref(), Some("postgres: error while loading shared libraries"));
        assert_eq!(Complaint::of(b"\n"), None);
    }
}
