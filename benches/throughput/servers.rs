//! What more machines do, on one: servers that each have the same small share of a processor, one to three of them; and a
//! primary with such a share, without and with a replica that has the same.

use std::time::Duration;

use futures_util::future::join_all;

use crate::closed_loop::{self, Until};
use crate::report::{Goals, median};
use crate::server::Server;
use crate::share::Share;
use crate::stage::Stage;
use crate::workloads::Workload;

/// Small enough that three of them, PostgreSQL and the load find room on two processors.
const SERVER_PERCENT: u64 = 15;
const POSTGRES_PERCENT: u64 = 25;
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
    println!();
    println!("| what | workload | requests/s | times the first |");
    println!("|---|---|--:|--:|");
    more_servers(stage, rounds, length, goals).await;
    a_replica(stage, rounds, length, goals).await;
}

async fn more_servers(stage: &mut Stage, rounds: usize, length: Duration, goals: &mut Goals) {
    let shares: Vec<Share> = (0..MOST).map(|n| Share::new(&format!("server-{n}"), SERVER_PERCENT)).collect();
    let servers: Vec<Server> = (0..MOST).map(|n| stage.another_server(&format!("server-{n}"), &[])).collect();
    for (share, server) in shares.iter().zip(&servers) {
        share.hold(server.pid);
    }
    for workload in [Workload::Me, Workload::User, Workload::Page, Workload::SignIn] {
        let mut first = None;
        for count in 1..=MOST {
            let found = rates(stage, &servers[..count], workload, rounds, length).await;
            let times = found / *first.get_or_insert(found);
            println!("| {count} servers | {} | {found:.0} | {times:.2} |", workload.name());
            if count == MOST {
                goals.at_least(&format!("{} of {MOST} servers, times one", workload.name()), times, 2.5);
            }
        }
    }
}

async fn a_replica(stage: &mut Stage, rounds: usize, length: Duration, goals: &mut Goals) {
    let shares = ["primary", "replica"].map(|name| Share::new(name, POSTGRES_PERCENT));
    let replica = stage.replica().await;
    let socket = replica.sockets.display().to_string();
    // What is there already stays outside: these servers' own connections are made anew.
    shares[0].hold(stage.postgres.pid);
    shares[1].hold(replica.pid);
    let alone = [stage.another_server("server-alone", &[])];
    let settings =
        [("VOICEHIVE_DATABASE__REPLICA_HOST", socket.as_str()), ("VOICEHIVE_DATABASE__REPLICA_PORT", "5432")];
    let with_replica = [stage.another_server("server-with-replica", &settings)];
    for workload in [Workload::Page, Workload::Search] {
        let first = rates(stage, &alone, workload, rounds, length).await;
        println!("| primary alone | {} | {first:.0} | 1.00 |", workload.name());
        let found = rates(stage, &with_replica, workload, rounds, length).await;
        let times = found / first;
        println!("| and a replica | {} | {found:.0} | {times:.2} |", workload.name());
        goals.at_least(&format!("{} with a replica, times without", workload.name()), times, 1.0);
    }
}
