//! The program's command line on a test's database.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use sqlx::postgres::PgConnectOptions;

use super::cluster_folder;

/// `voicehive` as an operator runs it on an external database, with no other setting.
pub fn voicehive(options: &PgConnectOptions, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voicehive"));
    command
        .args(arguments)
        .env_clear()
        .env("DATABASE_HOST", options.get_socket().expect("a socket"))
        .env("DATABASE_PORT", options.get_port().to_string())
        .env("DATABASE_NAME", options.get_database().expect("a database"))
        .env("DATABASE_USER", options.get_username())
        .env("VOICEHIVE_LISTEN", "127.0.0.1:0")
        .env("VOICEHIVE_DATA_DIR", cluster_folder())
        .stdin(Stdio::null());
    command
}

/// Runs it with this on its standard input.
pub fn run_with_input(mut command: Command, input: &str) -> Output {
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    process.stdin.take().expect("its input").write_all(input.as_bytes()).expect("reads");
    process.wait_with_output().expect("ends")
}

/// What a command that worked printed.
#[track_caller]
pub fn told(mut command: Command) -> String {
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The same, as JSON.
#[track_caller]
pub fn told_json(command: Command) -> Value {
    serde_json::from_str(&told(command)).expect("JSON")
}

/// The one line, beside the log, of a command that failed as it should.
#[track_caller]
pub fn one_line(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}
