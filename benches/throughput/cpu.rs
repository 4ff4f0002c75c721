//! Processor time and memory of other processes, from /proc. The load itself runs in this process and is counted nowhere:
//! what a request costs is what the server and PostgreSQL spend on it.

use std::fs;
use std::ops::Sub;
use std::process::Command;
use std::sync::OnceLock;

/// Processor time so far, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub server: f64,
    pub postgres: f64,
    /// Of children of this process that have ended: pgbench.
    pub children: f64,
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            postgres: self.postgres - before.postgres,
            children: self.children - before.children,
        }
    }
}

struct Stat {
    parent: u32,
    own: u64,
    of_children: u64,
}

/// None for a process that has ended.
fn stat(process: &str) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name, in brackets, may hold anything.
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        of_children: ticks(13)? + ticks(14)?,
    })
}

fn seconds(ticks: u64) -> f64 {
    static PER_SECOND: OnceLock<f64> = OnceLock::new();
    let per_second = PER_SECOND.get_or_init(|| {
        let asked = Command::new("getconf").arg("CLK_TCK").output().ok();
        asked.and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok()).unwrap_or(100.0)
    });
    as_f64(ticks) / per_second
}

/// What the server, and PostgreSQL with all its processes, have spent. A backend that has ended is in the postmaster's
/// account of its children, one that lives in its own.
pub fn spent(server: u32, postmaster: u32) -> Spent {
    let own = |pid: u32| stat(&pid.to_string()).map_or(0, |stat| stat.own);
    let backends: u64 = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| stat(entry.file_name().to_str().filter(|name| name.parse::<u32>().is_ok())?))
        .filter(|stat| stat.parent == postmaster)
        .map(|stat| stat.own)
        .sum();
    let ended = stat(&postmaster.to_string()).map_or(0, |stat| stat.of_children);
    Spent {
        server: seconds(own(server)),
        postgres: seconds(own(postmaster) + backends + ended),
        children: seconds(stat("self").map_or(0, |stat| stat.of_children)),
    }
}

/// Resident memory of a process, in MiB.
pub fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("resident memory");
    let kib: u32 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    f64::from(kib) / 1024.0
}

/// Counts here stay far below the 52 bits that a float holds.
pub fn as_f64(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).expect("half of it");
    let low = u32::try_from(count & u64::from(u32::MAX)).expect("half of it");
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}
