//! Reads the command line and calls [`voicehive_identity::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    voicehive_identity::cli::main()
}
