//! `VoiceHive` Identity: users, roles, hotels and sessions of a hotel group behind one GraphQL schema, on PostgreSQL.
//!
//! Five floors, imports point down: [`cli`] on [`http`] on [`graphql`] on [`identity`] on [`store`]. [`config`],
//! [`telemetry`], [`text`], [`address`] and [`clock`] are the ground, imported by anyone. `ARCHITECTURE.md` is the map.

// Nothing a user, a file, the network or the database does may end in a panic; printing to a closed pipe would.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::indexing_slicing)]

pub mod address;
pub mod cli;
pub mod clock;
pub mod config;
pub mod graphql;
pub mod http;
pub mod identity;
pub mod store;
pub mod telemetry;
pub mod text;
