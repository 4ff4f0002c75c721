//! `voicehive schema`: the GraphQL schema, as `schema.graphql` holds it.

use std::io::Write;
use std::process::ExitCode;

pub fn print() -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(crate::graphql::sdl().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
