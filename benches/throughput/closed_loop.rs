//! The load: so many connections, each of which asks, waits for the answer and asks again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::cpu::as_f64;
use crate::http::Connection;
use crate::random::Random;
use crate::workloads::{Target, Workload};

/// When a load ends.
#[derive(Clone, Copy)]
pub enum Until {
    Over(Duration),
    Answers(u64),
}

/// What came of a load.
pub struct Outcome {
    pub requests: u64,
    pub per_second: f64,
    /// Sorted.
    times: Vec<Duration>,
}

impl Outcome {
    /// In milliseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.times.len() * percent / 100).min(self.times.len() - 1);
        self.times[at].as_secs_f64() * 1000.0
    }
}

/// How the connections of a run differ from those of others: each run asks for something else.
static RUNS: AtomicU64 = AtomicU64::new(0);

pub async fn run(
    address: SocketAddr,
    target: &Arc<Target>,
    workload: Workload,
    connections: usize,
    until: Until,
) -> Outcome {
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await);
    }
    let begun = Instant::now();
    let left = Arc::new(AtomicU64::new(if let Until::Answers(answers) = until { answers } else { u64::MAX }));
    let deadline = if let Until::Over(length) = until { Some(begun + length) } else { None };
    let mut tasks = JoinSet::new();
    for (chain, connection) in open.into_iter().enumerate() {
        let (target, left) = (target.clone(), left.clone());
        let random = Random::new(run * 1000 + u64::try_from(chain).expect("fits"));
        tasks.spawn(async move { ask(connection, &target, workload, random, chain, deadline, &left).await });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        // Whatever went wrong there has been told.
        times.append(&mut done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    let requests = u64::try_from(times.len()).expect("fits");
    let per_second = as_f64(requests) / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    Outcome { requests, per_second, times }
}

async fn ask(
    mut connection: Connection,
    target: &Target,
    workload: Workload,
    mut random: Random,
    chain: usize,
    deadline: Option<Instant>,
    left: &AtomicU64,
) -> Vec<Duration> {
    let mut times = Vec::new();
    while deadline.is_none_or(|deadline| Instant::now() < deadline)
        && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    {
        let drawn = workload.drawn(&mut random);
        let (caller, body) = target.request(drawn, &mut random, chain);
        let begun = Instant::now();
        let answer = connection.ask(caller, &body).await;
        let took = begun.elapsed();
        let is_fine = answer.status == 200 && !answer.body.contains("\"errors\"");
        // Looking closely takes time: at the first alone.
        let is_whole = !times.is_empty() || (is_fine && Target::is_whole(drawn, &body, answer.body));
        times.push(took);
        assert!(is_fine && is_whole, "{} {body:.500}: {} {:.500}", drawn.name(), answer.status, answer.body);
        target.took(drawn, chain, answer.body);
    }
    times
}

/// How many SQL statements one request takes, once everything is warm.
pub async fn statements(address: SocketAddr, target: &Target, workload: Workload) -> u64 {
    let mut connection = Connection::open(address).await;
    let mut random = Random::new(4711);
    let mut fewest = u64::MAX;
    for _ in 0..5 {
        let (caller, body) = target.request(workload, &mut random, 0);
        let answer = connection.ask(caller, &body).await;
        let told = answer.header("x-sql-statements").and_then(|told| told.parse().ok());
        fewest = fewest.min(told.expect("a development server tells of statements"));
        target.took(workload, 0, answer.body);
    }
    fewest
}
