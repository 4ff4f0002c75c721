//! What tests start from: one PostgreSQL for the whole run, a database of its own for each test, cloned from a migrated
//! template, and the real server on it, in this process so that its clock can be moved.

mod client;
mod command;
mod external;
mod node;
mod pair;
mod postgres;
mod program;
mod proxy;
mod server;
mod world;

pub use client::{Answer, Client};
pub use command::{one_line, run_with_input, told, told_json, voicehive};
pub use external::ExternalServer;
pub use node::in_node_folder;
pub use pair::Pair;
pub use postgres::{TestDatabase, cluster_folder, connect_as};
pub use program::Program;
pub use proxy::Proxy;
pub use server::{Setup, TestApp, pool_settings};
pub use world::PASSWORD;

use std::time::{Duration, Instant};

/// Waits until `condition` holds; fails with `what` where it does not within ten seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The SHA-256 of a text in hexadecimal.
pub fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
