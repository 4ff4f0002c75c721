//! What a request costs beside the least that PostgreSQL could take for the same rows, how sign-ins, memory and access checks
//! fare under load, and (`--scale`) what more users do to latency: `make bench`. Exits with 1 where a goal is missed.

mod bare;
mod closed_loop;
mod cpu;
mod floor;
mod http;
mod load;
mod postgres;
#[path = "../../tests/api/support/proxy.rs"]
#[allow(dead_code, reason = "shared with the black-box tests, which also cut and freeze it")]
mod proxy;
mod random;
mod report;
mod rounds;
mod scale;
mod server;
mod servers;
mod share;
mod sign_ins;
mod stage;
mod workloads;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use report::Goals;
use stage::{Size, Stage};
use workloads::Workload;

/// The server's own, for the bare server that is measured beside it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
struct Options {
    /// Users in the world.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    users: u64,
    /// Sessions in the world.
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u64,
    /// Audit events in the world.
    #[arg(long, default_value_t = 5_000_000)]
    events: u64,
    /// Keep worlds in this folder, and use those that are there.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Measure these workloads alone, and what goes with them.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Option<Vec<Workload>>,
    /// Rounds of which the medians are told; one more warms up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Seconds that each workload, and each floor, runs in a round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Connections of the load: as many as pgbench has.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    connections: u8,
    /// Sign-ins over which the server's memory is watched.
    #[arg(long, default_value_t = 10_000)]
    sign_ins: u64,
    /// Instead of all that: compare latencies at 100,000 users and more, up to so many.
    #[arg(long, num_args = 0..=1, default_missing_value = "1000000")]
    scale: Option<u64>,
    /// Instead of all that: compare one server with two and three, each with the same small share of a processor, and what reads
    /// cost the primary with and without a replica. As root.
    #[arg(long)]
    servers: bool,
    /// The server's program, where it is not the one built with this.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_voicehive"))]
    server: PathBuf,
    /// Serve without measuring, on the database with this socket, as the bare server that is measured beside.
    #[arg(long, hide = true)]
    bare: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(sockets) = &options.bare {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(bare::serve(sockets));
        return ExitCode::SUCCESS;
    }
    // The load takes one thread: the machine is for what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(options))
}

async fn measure(options: Options) -> ExitCode {
    let length = Duration::from_secs(options.seconds);
    let keep = options.keep.as_deref();
    let mut goals = Goals::default();
    if let Some(largest) = options.scale {
        let rest = (options.sessions, options.events);
        scale::run(largest, rest, keep, &options.server, options.rounds.into(), length, &mut goals).await;
        return goals.tell();
    }
    let workloads = options.only.unwrap_or_else(|| Workload::value_variants().to_vec());
    let size = Size { users: options.users, sessions: options.sessions, events: options.events, keep };
    let mut stage = Stage::start(&size, &options.server).await;
    if options.servers {
        servers::run(&mut stage, options.rounds.into(), length, &mut goals).await;
        return goals.tell();
    }
    let connections = options.connections.into();
    let measured = rounds::run(&mut stage, &workloads, options.rounds.into(), connections, length).await;
    report::table(&measured);
    report::judge(&measured, &mut goals);
    if workloads.contains(&Workload::SignIn) {
        sign_ins::memory(&stage, rounds::SIGNING_IN, options.sign_ins, &mut goals).await;
        if workloads.contains(&Workload::Me) {
            sign_ins::storm(&stage, length, &mut goals).await;
        }
    }
    if workloads.contains(&Workload::Mix) {
        sign_ins::resident_at_64(&stage, length, &mut goals).await;
    }
    goals.tell()
}
