//! The program serving in a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Client;

/// Dropped, it is killed.
pub struct Program {
    pub process: Child,
    pub client: Client,
    /// Until it served.
    pub took: Duration,
}

impl Program {
    /// Runs `voicehive serve`, and waits until it does.
    pub fn start(mut command: Command) -> Self {
        let began = Instant::now();
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let log = process.stderr.take().expect("its log");
        let log = std::thread::spawn(move || BufReader::new(log).lines().map_while(Result::ok).collect::<Vec<_>>());
        let Some(Ok(first)) = lines.next() else {
            panic!("it did not start: {:?}", log.join());
        };
        let took = began.elapsed();
        let address = first.rsplit("http://").next().expect("an address").parse().expect("an address");
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, client: Client::new(address), took }
    }

    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
