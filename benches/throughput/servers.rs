//! What more machines do, on one: servers that each have the same small share of a processor, one to three of them; and what
//! reads still cost the primary where there is a replica.

use std::time::Duration;

use futures_util::future::join_all;

use crate::closed_loop::{self, Until};
use crate::cpu;
use crate::postgres::Postgres;
use crate::report::{Goals, median};
use crate::server::Server;
use crate::share::Share;
use crate::stage::Stage;
use crate::workloads::Workload;

/// Small enough that three of them, PostgreSQL and the load find room on two processors.
const SERVER_PERCENT: u64 = 15;
const MOST: usize = 3;
/// Of the load to each server: enough that it always has something to do.
const CONNECTIONS: usize = 8;

/// How many requests a second these servers answer together.
async fn rate(stage: &Stage, servers: &[Server], workload: Workload, length: Duration) -> f64 {
    let loads = servers
        .iter()
        .map(|server| closed_loop::run(server.address, &stage.target, workload, CONNECTIONS, Until::Over(length)));
    join_all(loads).await.iter().map(|outcome| outcome.per_second).sum()
}

/// The medians of some rounds, after one that warms up.
async fn rates(stage: &Stage, servers: &[Server], workload: Workload, rounds: usize, length: Duration) -> f64 {
    rate(stage, servers, workload, length).await;
    let mut found = Vec::new();
    for _ in 0..rounds {
        found.push(rate(stage, servers, workload, length).await);
    }
    median(found)
}

pub async fn run(stage: &mut Stage, rounds: usize, length: Duration, goals: &mut Goals) {
    more_servers(stage, rounds, length, goals).await;
    a_replica(stage, rounds, length, goals).await;
}

async fn more_servers(stage: &mut Stage, rounds: usize, length: Duration, goals: &mut Goals) {
    let shares: Vec<Share> = (0..MOST).map(|n| Share::new(&format!("server-{n}"), SERVER_PERCENT)).collect();
    let servers: Vec<Server> = (0..MOST).map(|n| stage.another_server(&format!("server-{n}"), &[])).collect();
    for (share, server) in shares.iter().zip(&servers) {
        share.hold(server.pid);
    }
    println!();
    println!("| servers | workload | requests/s | times one |");
    println!("|--:|---|--:|--:|");
    for workload in [Workload::Me, Workload::User, Workload::Page, Workload::SignIn] {
        let mut first = None;
        for count in 1..=MOST {
            let found = rates(stage, &servers[..count], workload, rounds, length).await;
            let times = found / *first.get_or_insert(found);
            println!("| {count} | {} | {found:.0} | {times:.2} |", workload.name());
            if count == MOST {
                goals.at_least(&format!("{} of {MOST} servers, times one", workload.name()), times, 2.5);
            }
        }
    }
}

/// What a read costs the primary, in microseconds of its processors, and what it costs the replica.
async fn costs(stage: &Stage, server: &Server, replica: &Postgres, workload: Workload, until: Until) -> (f64, f64) {
    let spent = || (cpu::spent(server.pid, stage.postgres.pid).postgres, cpu::spent(server.pid, replica.pid).postgres);
    closed_loop::run(server.address, &stage.target, workload, CONNECTIONS, until).await;
    let before = spent();
    let outcome = closed_loop::run(server.address, &stage.target, workload, CONNECTIONS, until).await;
    let after = spent();
    let each = |seconds: f64| seconds * 1e6 / cpu::as_f64(outcome.requests);
    (each(after.0 - before.0), each(after.1 - before.1))
}

async fn a_replica(stage: &mut Stage, rounds: usize, length: Duration, goals: &mut Goals) {
    let replica = stage.replica().await;
    let socket = replica.sockets.display().to_string();
    let settings =
        [("VOICEHIVE_DATABASE__REPLICA_HOST", socket.as_str()), ("VOICEHIVE_DATABASE__REPLICA_PORT", "5432")];
    let servers = [stage.another_server("server-alone", &[]), stage.another_server("server-with-replica", &settings)];
    println!();
    println!("| read | primary alone | primary beside a replica | replica | primary, times alone |");
    println!("|---|--:|--:|--:|--:|");
    for workload in [Workload::User, Workload::Page, Workload::Search] {
        let [mut alone, mut beside, mut there] = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            let until = Until::Over(length);
            alone.push(costs(stage, &servers[0], &replica, workload, until).await.0);
            let (primary, on_replica) = costs(stage, &servers[1], &replica, workload, until).await;
            beside.push(primary);
            there.push(on_replica);
        }
        let [alone, beside, there] = [alone, beside, there].map(median);
        let times = beside / alone;
        println!("| {} | {alone:.0} | {beside:.0} | {there:.0} | {times:.2} |", workload.name());
        goals.at_most(
            &format!("processor time of the primary for {}, times without a replica", workload.name()),
            times,
            0.5,
        );
    }
}
