//! What is printed: a table, and each goal with its figure.

use std::process::ExitCode;

use crate::rounds::Measured;
use crate::workloads::Workload;

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

#[derive(Default)]
pub struct Goals {
    lines: Vec<String>,
    missed: bool,
}

impl Goals {
    fn add(&mut self, what: &str, figure: f64, sign: &str, goal: f64, met: bool) {
        let verdict = if met { "ok" } else { "MISSED" };
        self.lines.push(format!("{verdict:<6} {what}: {figure:.2} (goal {sign} {goal})"));
        self.missed |= !met;
    }

    pub fn at_most(&mut self, what: &str, figure: f64, goal: f64) {
        self.add(what, figure, "<=", goal, figure <= goal);
    }

    pub fn less(&mut self, what: &str, figure: f64, goal: f64) {
        self.add(what, figure, "<", goal, figure < goal);
    }

    pub fn at_least(&mut self, what: &str, figure: f64, goal: f64) {
        self.add(what, figure, ">=", goal, figure >= goal);
    }

    pub fn tell(self) -> ExitCode {
        println!();
        for line in &self.lines {
            println!("{line}");
        }
        println!("{}", if self.missed { "FAIL" } else { "PASS" });
        if self.missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

pub fn table(all: &[Measured]) {
    println!();
    println!(
        "| workload | requests/s | p50 ms | p99 ms | CPU µs a request | of it server | PostgreSQL | floor µs | of it PostgreSQL | ratio | bare ratio | statements | round trips |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let or_none = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    for one in all {
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {} | {} | {} | {} | {} | {} |",
            one.workload.name(),
            one.per_second(),
            one.p50(),
            one.p99(),
            one.server() + one.postgres(),
            one.server(),
            one.postgres(),
            or_none(one.floor(), 0),
            or_none(one.floor_postgres(), 0),
            or_none(one.ratio(), 2),
            or_none(one.bare_ratio(), 2),
            one.statements.map_or("-".to_owned(), |statements| statements.to_string()),
            or_none(one.trips, 2),
        );
    }
    println!();
}

/// The goals that the table's figures are held to.
pub fn judge(all: &[Measured], goals: &mut Goals) {
    let of = |workload: Workload| all.iter().find(|one| one.workload == workload);
    for (workload, ratio, statements) in [
        (Workload::Page, 1.4, Some(1.0)),
        (Workload::User, 1.6, Some(1.0)),
        (Workload::Staff, 1.8, None),
        (Workload::Me, 1.0, Some(0.0)),
        (Workload::Mix, 1.7, None),
    ] {
        let Some(measured) = of(workload) else { continue };
        let name = workload.name();
        goals.at_most(&format!("CPU of {name} to its floor"), measured.ratio().expect("it has a floor"), ratio);
        if let (Some(goal), Some(found)) = (statements, measured.statements) {
            goals.at_most(&format!("statements of {name}"), crate::cpu::as_f64(found), goal);
        }
    }
    if let (Some(one), Some(hundred)) = (of(Workload::Check1), of(Workload::Check100)) {
        let times = hundred.per_second() * 100.0 / one.per_second();
        goals.at_least("checks a second by the hundred, times one by one", times, 20.0);
    }
    if let Some(sign_in) = of(Workload::SignIn) {
        println!(
            "Bare argon2id hashes: {:.1}/s; sign-ins {:.1}/s.",
            sign_in.raw_hashes().unwrap_or(0.0),
            sign_in.per_second()
        );
        goals.at_least("sign-ins to bare hashes", sign_in.of_raw_hashes().expect("measured beside"), 0.95);
    }
}
