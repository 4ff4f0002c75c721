//! The rounds: each workload right after its floor, so that both meet the same machine, and the medians of what was found.

use std::time::Duration;

use crate::closed_loop::Until;
use crate::cpu::as_f64;
use crate::floor::Cost;
use crate::report::median;
use crate::sign_ins::raw_hashes_per_second;
use crate::stage::Stage;
use crate::workloads::Workload;

/// Connections of a storm of sign-ins.
pub const SIGNING_IN: usize = 8;

/// What one round found of a workload. Costs in microseconds of processor time, latencies in milliseconds.
struct Sample {
    per_second: f64,
    p50: f64,
    p99: f64,
    server: f64,
    postgres: f64,
    floor: Option<Cost>,
    bare: Option<f64>,
    hashes_per_second: Option<f64>,
}

/// The samples of a workload, and what does not vary.
pub struct Measured {
    pub workload: Workload,
    samples: Vec<Sample>,
    pub statements: Option<u64>,
    pub trips: Option<f64>,
}

impl Measured {
    fn of(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(value).collect())
    }

    fn of_some(&self, value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.samples.iter().filter_map(value).collect();
        (!values.is_empty()).then(|| median(values))
    }

    pub fn per_second(&self) -> f64 {
        self.of(|sample| sample.per_second)
    }

    pub fn p50(&self) -> f64 {
        self.of(|sample| sample.p50)
    }

    pub fn p99(&self) -> f64 {
        self.of(|sample| sample.p99)
    }

    pub fn server(&self) -> f64 {
        self.of(|sample| sample.server)
    }

    pub fn postgres(&self) -> f64 {
        self.of(|sample| sample.postgres)
    }

    pub fn floor(&self) -> Option<f64> {
        self.of_some(|sample| Some(sample.floor?.whole))
    }

    pub fn floor_postgres(&self) -> Option<f64> {
        self.of_some(|sample| Some(sample.floor?.postgres))
    }

    pub fn bare_ratio(&self) -> Option<f64> {
        self.of_some(|sample| Some(sample.bare? / sample.floor?.whole))
    }

    /// Of each round to the floor of that round.
    pub fn ratio(&self) -> Option<f64> {
        self.of_some(|sample| Some((sample.server + sample.postgres) / sample.floor?.whole))
    }

    /// Sign-ins to raw hashes.
    pub fn of_raw_hashes(&self) -> Option<f64> {
        self.of_some(|sample| Some(sample.per_second / sample.hashes_per_second?))
    }

    pub fn raw_hashes(&self) -> Option<f64> {
        self.of_some(|sample| sample.hashes_per_second)
    }
}

async fn sample(stage: &Stage, workload: Workload, connections: usize, length: Duration) -> Sample {
    let floor = stage.floor.cost(workload, &stage.postgres, length).await;
    let bare = stage.bare_cost(workload, connections, length).await;
    let hashes_per_second = (workload == Workload::SignIn).then(|| raw_hashes_per_second(length));
    let before = stage.spent();
    // Enough that no hashing worker has to wait for the next password.
    let connections = if workload == Workload::SignIn { connections.max(SIGNING_IN) } else { connections };
    let outcome = stage.load(workload, connections, Until::Over(length)).await;
    let spent = stage.spent() - before;
    let each = 1e6 / as_f64(outcome.requests);
    Sample {
        per_second: outcome.per_second,
        p50: outcome.percentile(50),
        p99: outcome.percentile(99),
        server: spent.server * each,
        postgres: spent.postgres * each,
        floor,
        bare,
        hashes_per_second,
    }
}

pub async fn run(
    stage: &mut Stage,
    workloads: &[Workload],
    rounds: usize,
    connections: usize,
    length: Duration,
) -> Vec<Measured> {
    if workloads.iter().any(|workload| matches!(workload, Workload::Staff | Workload::Mix)) {
        stage.floor.choose_staff_form(&stage.postgres).await;
    }
    let measured =
        |workload: &Workload| Measured { workload: *workload, samples: Vec::new(), statements: None, trips: None };
    let mut all: Vec<Measured> = workloads.iter().map(measured).collect();
    for round in 0..=rounds {
        for one in &mut all {
            let sample = sample(stage, one.workload, connections, length).await;
            // The first round warms up.
            if round > 0 {
                one.samples.push(sample);
            }
        }
        eprintln!("round {round} of {rounds} done");
    }
    let single: Vec<Workload> = workloads.iter().copied().filter(|workload| *workload != Workload::Mix).collect();
    let trips = stage.trips(&single).await;
    for one in &mut all {
        if let Some(at) = single.iter().position(|workload| *workload == one.workload) {
            one.trips = Some(trips[at]);
            one.statements =
                Some(crate::closed_loop::statements(stage.server.address, &stage.target, one.workload).await);
        }
    }
    all
}
