//! A share of a processor for a process and its children: a control group with a quota, of either version of Linux's.

use std::fs;
use std::path::{Path, PathBuf};

/// How long the kernel counts before it gives a group its share anew: long beside the slices of 5 ms that it hands out.
const PERIOD_MICROS: u64 = 100_000;

/// Dropped, whatever is left in it goes back to where it was.
pub struct Share {
    group: PathBuf,
}

impl Share {
    /// In hundredths of one processor.
    pub fn new(name: &str, percent: u64) -> Self {
        let name = format!("voicehive-throughput-{}-{name}", std::process::id());
        let quota = PERIOD_MICROS * percent / 100;
        let first = Path::new("/sys/fs/cgroup/cpu");
        let group = if first.exists() { first } else { Path::new("/sys/fs/cgroup") }.join(name);
        let write = |file: &str, text: String| fs::write(group.join(file), text);
        let made = fs::create_dir(&group).and_then(|()| {
            if first.exists() {
                write("cpu.cfs_period_us", PERIOD_MICROS.to_string())?;
                write("cpu.cfs_quota_us", quota.to_string())
            } else {
                write("cpu.max", format!("{quota} {PERIOD_MICROS}"))
            }
        });
        made.expect("control groups of processors, and the right to make one");
        Self { group }
    }

    /// Whatever it starts from now on is in the group as well.
    pub fn hold(&self, pid: u32) {
        fs::write(self.group.join("cgroup.procs"), pid.to_string()).expect("the process runs");
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let around = self.group.join("../cgroup.procs");
        for pid in fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default().lines() {
            let _ = fs::write(&around, pid);
        }
        let _ = fs::remove_dir(&self.group);
    }
}
