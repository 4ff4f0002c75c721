//! Whether more users make a request slower: the same questions in worlds of several sizes, in turns.

use std::path::Path;
use std::time::Duration;

use crate::closed_loop::Until;
use crate::report::{Goals, median};
use crate::stage::{Size, Stage};
use crate::workloads::Workload;

const SIZES: [u64; 3] = [100_000, 1_000_000, 10_000_000];
const ASKED: [Workload; 4] = [Workload::Page, Workload::User, Workload::Staff, Workload::Search];

/// Each size up to `largest`, with so many sessions and events.
pub async fn run(
    largest: u64,
    (sessions, events): (u64, u64),
    keep: Option<&Path>,
    binary: &Path,
    rounds: usize,
    length: Duration,
    goals: &mut Goals,
) {
    let mut stages = Vec::new();
    for users in SIZES.into_iter().filter(|size| *size <= largest) {
        stages.push(Stage::start(&Size { users, sessions, events, keep }, binary).await);
    }
    assert!(!stages.is_empty(), "--scale takes 100000 or more");
    println!();
    println!("| workload | users | p50 ms | p99 ms | times the smallest |");
    println!("|---|--:|--:|--:|--:|");
    for workload in ASKED {
        let mut found = vec![(Vec::new(), Vec::new()); stages.len()];
        for round in 0..=rounds {
            for (stage, (p50, p99)) in stages.iter().zip(&mut found) {
                let outcome = stage.load(workload, 1, Until::Over(length)).await;
                // The first round warms up.
                if round > 0 {
                    p50.push(outcome.percentile(50));
                    p99.push(outcome.percentile(99));
                }
            }
        }
        let found: Vec<(f64, f64)> = found.into_iter().map(|(p50, p99)| (median(p50), median(p99))).collect();
        for (stage, (p50, p99)) in stages.iter().zip(&found) {
            let (users, growth) = (stage.target.world.users, p50 / found[0].0);
            println!("| {} | {users} | {p50:.2} | {p99:.2} | {growth:.2} |", workload.name());
            if users > SIZES[0] {
                goals.at_most(
                    &format!("median latency of {} at {users} users, times at {}", workload.name(), SIZES[0]),
                    growth,
                    1.3,
                );
            }
        }
    }
}
