//! `voicehive schema`: the GraphQL schema, as `schema.graphql` holds it, or as a subgraph's.

use std::io::Write;
use std::process::ExitCode;

use crate::graphql::{federated_sdl, sdl};

#[derive(clap::Args)]
pub struct Arguments {
    /// As a subgraph of Apollo Federation 2, to be composed with others.
    #[arg(long)]
    federation: bool,
}

pub fn print(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let schema = if arguments.federation { federated_sdl() } else { sdl(false) };
    std::io::stdout().write_all(schema.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
