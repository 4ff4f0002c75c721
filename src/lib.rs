//! `VoiceHive` Identity: users, roles, hotels and sessions of a hotel group behind one GraphQL schema, on PostgreSQL.
//!
//! Five floors, imports point down: [`cli`] on [`http`] on [`graphql`] on [`identity`] on [`store`]. [`config`],
//! [`telemetry`] and [`clock`] are the ground, imported by anyone. `ARCHITECTURE.md` is the map.

pub mod cli;
pub mod clock;
pub mod config;
pub mod graphql;
pub mod http;
pub mod identity;
pub mod store;
pub mod telemetry;
