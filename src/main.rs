//! Reads the command line and calls [`voicehive_identity::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    voicehive_identity::cli::main()
}
