//! What hashing passwords costs, bare and in the server: how fast, how much memory, and what it does to others meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::closed_loop::Until;
use crate::cpu::{self, as_f64};
use crate::report::Goals;
use crate::stage::Stage;
use crate::workloads::Workload;
use crate::world::PASSWORD;

/// As the server's configuration has it.
const MEMORY_KIB: u32 = 19_456;
const STORM: usize = 16;

/// As many threads as there are processors, each with its own memory, which it uses again and again.
pub fn raw_hashes_per_second(length: Duration) -> f64 {
    let threads = std::thread::available_parallelism().expect("a number").get();
    let begun = Instant::now();
    let work = || {
        let params = Params::new(MEMORY_KIB, 2, 1, Some(32)).expect("parameters");
        let mut memory = vec![Block::new(); params.block_count()];
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let (mut done, mut hash) = (0_u64, [0; 32]);
        while begun.elapsed() < length {
            let salt = b"0123456789abcdef";
            hasher.hash_password_into_with_memory(PASSWORD.as_bytes(), salt, &mut hash, &mut memory).expect("a hash");
            std::hint::black_box(&hash);
            done += 1;
        }
        done
    };
    let done: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it hashes")).sum()
    });
    as_f64(done) / begun.elapsed().as_secs_f64()
}

/// Whether the server keeps something of each sign-in.
pub async fn memory(stage: &Stage, connections: usize, sign_ins: u64, goals: &mut Goals) {
    const WARM: u64 = 500;
    let warm = WARM.min(sign_ins);
    stage.load(Workload::SignIn, connections, Until::Answers(warm)).await;
    let before = cpu::resident(stage.server.pid);
    let outcome = stage.load(Workload::SignIn, connections, Until::Answers(sign_ins)).await;
    let after = cpu::resident(stage.server.pid);
    println!(
        "Server's memory after {warm} sign-ins {before:.1} MiB, after {} more {after:.1} MiB ({:.0}/s).",
        outcome.requests, outcome.per_second
    );
    goals.less(&format!("growth of memory over {sign_ins} sign-ins (MiB)"), after - before, 5.0);
}

/// What `me` notices of many who sign in.
pub async fn storm(stage: &Stage, length: Duration, goals: &mut Goals) {
    let idle = stage.load(Workload::Me, 2, Until::Over(length)).await;
    let over = Arc::new(AtomicBool::new(false));
    let storm = async {
        while !over.load(Ordering::Relaxed) {
            stage.load(Workload::SignIn, STORM, Until::Over(Duration::from_millis(500))).await;
        }
    };
    let asking = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let outcome = stage.load(Workload::Me, 2, Until::Over(length)).await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let ((), busy) = tokio::join!(storm, asking);
    let (idle, busy) = (idle.percentile(99), busy.percentile(99));
    println!("`me` at 2 connections: p99 {idle:.2} ms, while {STORM} connections sign in {busy:.2} ms.");
    goals.at_most("p99 of me while many sign in, times idle", busy / idle, 5.0);
}

/// The memory of a busy server, once the hashing workers have given theirs back.
pub async fn resident_at_64(stage: &Stage, length: Duration, goals: &mut Goals) {
    let workers = std::thread::available_parallelism().expect("a number").get();
    let busy = cpu::resident(stage.server.pid);
    // They do so after ten seconds without work.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let idle = cpu::resident(stage.server.pid);
    let over = Arc::new(AtomicBool::new(false));
    let watch = {
        let (over, pid) = (over.clone(), stage.server.pid);
        std::thread::spawn(move || {
            let mut peak = 0.0_f64;
            while !over.load(Ordering::Relaxed) {
                peak = peak.max(cpu::resident(pid));
                std::thread::sleep(Duration::from_millis(50));
            }
            peak
        })
    };
    stage.load(Workload::Mix, 64, Until::Over(length)).await;
    over.store(true, Ordering::Relaxed);
    let peak = watch.join().expect("it watches");
    println!(
        "Server's memory {busy:.1} MiB, idle {idle:.1} MiB, at most {peak:.1} MiB at 64 connections of the mix, apart from the \
         {workers} hashing workers' blocks of {} MiB, which are given back when idle.",
        MEMORY_KIB / 1024
    );
    goals.at_most("resident memory at 64 connections of the mix (MiB)", peak, 60.0);
}
