//! Black-box tests: they speak HTTP to the real server on a real PostgreSQL. One file a capability; `support` starts
//! what they need.

mod administrators;
mod audit;
mod audit_proof;
mod backups;
mod database;
mod database_commands;
mod deploy;
mod examples;
mod guide;
mod health;
mod hotels_and_roles;
mod isolation;
mod legacy;
mod lockout;
mod monitoring;
mod operator;
mod passwords;
mod processes;
mod reading;
mod redaction;
mod rest;
mod revocation;
mod schema;
mod sessions;
mod sign_in;
mod signing_keys;
mod statements;
mod support;
mod tenants;
mod tls;
mod tokens;
mod traces;
mod transport;
mod user_files;
mod users;
