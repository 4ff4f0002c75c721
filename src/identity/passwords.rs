//! Password hashes, made and checked on workers of their own, so that a rush of sign-ins keeps no read waiting and takes
//! no more memory than the workers' blocks. Every password passes here, and is hashed in the form that [`prepared`] gives it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::foreign_hashes::{self, Argon2Hash, ForeignHash};
use super::hashing_queue::{Found, Queue, Whose};
use super::throttle::address_of;
use super::{Client, Error, KeyError, Result};
use crate::telemetry::metrics;
use crate::text::{nfc, with_ascii_spaces};

/// The longest password, in bytes: more would only make hashing a stranger's work of ours.
pub const MAX_BYTES: usize = 1024;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// A worker that had nothing to do for this long gives its memory back.
const IDLE: Duration = Duration::from_secs(10);
/// Jobs that may wait, for each worker.
const QUEUE_PER_WORKER: usize = 256;

/// The cost of a hash, and who works at it.
#[derive(Clone, Copy, Debug)]
pub struct HashingSettings {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    pub workers: usize,
    /// How long a sign-in waits for its turn before it is told to come back.
    pub queue_timeout: Duration,
}

/// What comparing a password with a stored hash found.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, but hashed in another way than now; with the hash to store instead.
    RightOutdated(String),
}

/// A password that nobody has chosen: twenty letters and digits, none of them easily taken for another; 100 bits.
pub fn temporary() -> Result<String> {
    const ALPHABET: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x',
        'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9',
    ];
    let mut bytes = [0_u8; 20];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32))).collect())
}

/// A password in the one form in which it is hashed, however its letters and spaces were typed: RFC 8265, `OpaqueString`. NFC and
/// not NFKC, which would let in other passwords than the one that was chosen (CVE-2026-19611).
pub(super) fn prepared(password: &str) -> Zeroizing<String> {
    let spaced = Zeroizing::new(with_ascii_spaces(password).into_owned());
    Zeroizing::new(nfc(&spaced).into_owned())
}

enum Work {
    Hash,
    Verify(String),
}

struct Job {
    password: Zeroizing<String>,
    work: Work,
    asked_at: Instant,
    reply: oneshot::Sender<Result<Done, String>>,
}

enum Done {
    Hashed(String),
    Compared(Verdict),
    /// It had to make room for somebody who has less.
    Displaced,
}

/// Hands passwords to the workers; they end with it.
pub struct Hasher {
    jobs: Arc<Queue<Job>>,
    timeout: Duration,
    /// Of new hashes.
    params: Params,
    /// A hash that no password has, for accounts that do not exist.
    nobody: String,
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.jobs.close();
    }
}

/// The same for one client, whose passwords take turns with those of others.
pub struct HasherOf<'a> {
    hasher: &'a Hasher,
    whose: Whose,
}

impl HasherOf<'_> {
    /// As [`Hasher::hash`].
    pub async fn hash(&self, password: &str) -> Result<String> {
        match self.hasher.work(self.whose, password, Work::Hash).await? {
            Done::Hashed(hash) => Ok(hash),
            _ => Err(Error::Internal("a hashing worker answered another question".to_owned())),
        }
    }

    /// Compares a password with a stored hash; without one, takes as long and finds it wrong.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verdict> {
        let hash = hash.unwrap_or(&self.hasher.nobody).to_owned();
        match self.hasher.work(self.whose, password, Work::Verify(hash)).await? {
            Done::Compared(verdict) => Ok(verdict),
            _ => Err(Error::Internal("a hashing worker answered another question".to_owned())),
        }
    }
}

impl Hasher {
    pub fn start(settings: HashingSettings) -> Result<Self, KeyError> {
        let params = Params::new(settings.memory_kib, settings.iterations, settings.parallelism, Some(HASH_BYTES))
            .map_err(|error| KeyError::Hashing(error.to_string()))?;
        let workers = settings.workers.max(1);
        let jobs = Arc::new(Queue::new(workers * QUEUE_PER_WORKER));
        for number in 0..workers {
            let mut worker = Worker { queue: jobs.clone(), params: params.clone(), memory: Vec::new() };
            std::thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || {
                    step_back();
                    worker.run();
                })
                .map_err(|error| KeyError::Hashing(error.to_string()))?;
        }
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|error| KeyError::Hashing(error.to_string()))?;
        // Zeros alone are as unlikely as any other hash, and tell a program that there is no password.
        let nobody = phc(&params, &salt, &[0; HASH_BYTES]).map_err(KeyError::Hashing)?;
        Ok(Self { jobs, timeout: settings.queue_timeout, params, nobody })
    }

    /// What this client asks for.
    pub fn of(&self, client: &Client) -> HasherOf<'_> {
        HasherOf { hasher: self, whose: address_of(client) }
    }

    /// A new hash of this password, for the service itself or its operator.
    pub async fn hash(&self, password: &str) -> Result<String> {
        HasherOf { hasher: self, whose: None }.hash(password).await
    }

    /// A hash that no password has.
    pub fn nobodys_hash(&self) -> &str {
        &self.nobody
    }

    /// Whether any password can be right for this hash.
    pub fn can_check(&self, hash: &str) -> bool {
        match Argon2Hash::read(hash, Some(&self.params)) {
            Some(hash) => !hash.is_nobodys(),
            None => foreign_hashes::is_known(hash),
        }
    }

    async fn work(&self, whose: Whose, password: &str, work: Work) -> Result<Done> {
        let (reply, answer) = oneshot::channel();
        let job = Job { password: Zeroizing::new(password.to_owned()), work, asked_at: Instant::now(), reply };
        let busy = Error::RateLimited { retry_after: self.timeout };
        metrics::hashing_queued();
        if let Some(displaced) = self.jobs.push(whose, job) {
            metrics::hashing_unqueued();
            // Nobody waits for its answer any more: then nobody needs it.
            let _ = displaced.reply.send(Ok(Done::Displaced));
        }
        // Whoever stops waiting drops `answer`, and a worker passes over a job that nobody waits for.
        match tokio::time::timeout(self.timeout, answer).await {
            Err(_) | Ok(Ok(Ok(Done::Displaced))) => Err(busy),
            Ok(Err(_)) => Err(Error::Internal("a hashing worker ended".to_owned())),
            Ok(Ok(done)) => done.map_err(Error::Internal),
        }
    }
}

/// Lets whatever else has work to do go first: a hash takes a hundred times as long as other answers, and whoever waits for
/// one does not notice that these came between.
fn step_back() {
    // Elsewhere it would be the whole process. Where it is not allowed, hashing goes on as it would have.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(10);
}

struct Worker {
    queue: Arc<Queue<Job>>,
    params: Params,
    /// Reused from hash to hash: allocating it anew each time made a small server grow to many times its size.
    memory: Vec<Block>,
}

impl Worker {
    fn run(&mut self) {
        loop {
            match self.queue.pop(IDLE) {
                Found::Next(job) => {
                    metrics::hashing_unqueued();
                    if job.reply.is_closed() {
                        continue;
                    }
                    let began = Instant::now();
                    metrics::hashing_waited(began.duration_since(job.asked_at));
                    let (name, done) = match &job.work {
                        Work::Hash => ("hash", self.hash(&job.password).map(Done::Hashed)),
                        Work::Verify(hash) => ("verify", self.verify(&job.password, hash).map(Done::Compared)),
                    };
                    metrics::hashing_took(name, began.elapsed());
                    // Nobody waits any more: then nobody needs the answer.
                    let _ = job.reply.send(done);
                }
                Found::Nothing => self.memory = Vec::new(),
                Found::Closed => return,
            }
        }
    }

    fn hash(&mut self, password: &str) -> Result<String, String> {
        let password = prepared(password);
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
        let mut hash = [0; HASH_BYTES];
        let params = self.params.clone();
        self.argon2(Algorithm::Argon2id, Version::V0x13, &params, &password, &salt, &mut hash)?;
        phc(&params, &salt, &hash)
    }

    /// As it is hashed now, and as it was typed, where that is another: so were passwords hashed once, and elsewhere still.
    /// How long this takes goes by the password, and not by whose it is.
    fn verify(&mut self, typed: &str, stored: &str) -> Result<Verdict, String> {
        let password = prepared(typed);
        match self.compare(&password, stored)? {
            Verdict::Wrong if *password != *typed => Ok(match self.compare(typed, stored)? {
                Verdict::Right => Verdict::RightOutdated(self.hash(typed)?),
                verdict => verdict,
            }),
            verdict => Ok(verdict),
        }
    }

    /// Whatever is stored, broken or of a scheme that nobody knows: what cannot be checked is no password's.
    fn compare(&mut self, password: &str, stored: &str) -> Result<Verdict, String> {
        let right = match Argon2Hash::read(stored, Some(&self.params)) {
            // Nobody's takes as long as where there is no account.
            Some(hash) if hash.is_nobodys() => false,
            Some(hash) => {
                let right = self.verify_argon2(password, &hash);
                if self.is_current(&hash) {
                    return Ok(if right { Verdict::Right } else { Verdict::Wrong });
                }
                right
            }
            None => ForeignHash::read(stored).is_some_and(|hash| hash.verify(password)),
        };
        // Made also where it is not needed: many an old scheme is checked at once, which would tell that there is such an
        // account, and an outdated hash would tell whether the password was right.
        let renewed = self.hash(password)?;
        Ok(if right { Verdict::RightOutdated(renewed) } else { Verdict::Wrong })
    }

    fn verify_argon2(&mut self, password: &str, hash: &Argon2Hash) -> bool {
        let mut found = vec![0; hash.hash.len()];
        let made = self.argon2(hash.algorithm, hash.version, &hash.params, password, &hash.salt, &mut found);
        made.is_ok() && found.as_slice().ct_eq(&hash.hash).into()
    }

    /// Whether a hash is as a new one would be.
    fn is_current(&self, hash: &Argon2Hash) -> bool {
        hash.algorithm == Algorithm::Argon2id
            && hash.version == Version::V0x13
            && (hash.params.m_cost(), hash.params.t_cost(), hash.params.p_cost())
                == (self.params.m_cost(), self.params.t_cost(), self.params.p_cost())
    }

    fn argon2(
        &mut self,
        algorithm: Algorithm,
        version: Version,
        params: &Params,
        password: &str,
        salt: &[u8],
        hash: &mut [u8],
    ) -> Result<(), String> {
        let blocks = params.block_count();
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::new());
        }
        let memory = self.memory.get_mut(..blocks).ok_or("a hashing worker has too little memory")?;
        let outcome = Argon2::new(algorithm, version, params.clone())
            .hash_password_into_with_memory(password.as_bytes(), salt, hash, memory)
            .map_err(|error| error.to_string());
        // Back to what new hashes need: a foreign one that took more must not keep it.
        self.memory.truncate(self.params.block_count());
        self.memory.shrink_to(self.params.block_count());
        outcome
    }
}

/// The hash in its usual text form, `$argon2id$v=19$m=...,t=...,p=...$salt$hash`.
fn phc(params: &Params, salt: &[u8], hash: &[u8]) -> Result<String, String> {
    let text = |error: &dyn std::fmt::Display| format!("a password hash could not be written: {error}");
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|error| text(&error))?,
        salt: Some(Salt::new(salt).map_err(|error| text(&error))?),
        hash: Some(Output::new(hash).map_err(|error| text(&error))?),
    };
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::identity::foreign_hashes::tests::{HASHES, PASSWORD, broken};

    const SETTINGS: HashingSettings = HashingSettings {
        memory_kib: 19_456,
        iterations: 2,
        parallelism: 1,
        workers: 1,
        queue_timeout: Duration::from_mins(1),
    };

    #[tokio::test]
    async fn hashes_verify_and_old_ones_are_made_anew() {
        let hasher = Hasher::start(SETTINGS).unwrap();
        let current = hasher.hash("correct horse").await.unwrap();
        assert!(current.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{current}");
        let cheaper = Hasher::start(HashingSettings { memory_kib: 8192, iterations: 1, ..SETTINGS }).unwrap();
        let outdated = cheaper.hash("correct horse").await.unwrap();
        let bcrypt = bcrypt::hash("correct horse", 4).unwrap();

        assert_eq!(
            hasher.of(&Client::default()).verify("correct horse", Some(&current)).await.unwrap(),
            Verdict::Right
        );
        for (password, hash) in [("wrong", &current), ("wrong", &outdated), ("wrong", &bcrypt)] {
            assert_eq!(hasher.of(&Client::default()).verify(password, Some(hash)).await.unwrap(), Verdict::Wrong);
        }
        assert_eq!(hasher.of(&Client::default()).verify("correct horse", None).await.unwrap(), Verdict::Wrong);
        for hash in [outdated, bcrypt] {
            let Verdict::RightOutdated(renewed) =
                hasher.of(&Client::default()).verify("correct horse", Some(&hash)).await.unwrap()
            else {
                panic!("{hash} is outdated")
            };
            assert_eq!(
                hasher.of(&Client::default()).verify("correct horse", Some(&renewed)).await.unwrap(),
                Verdict::Right
            );
        }
    }

    #[test]
    fn a_password_is_the_same_however_it_is_typed() {
        let (_jobs, mut worker) = worker(HashingSettings { memory_kib: 8, iterations: 1, ..SETTINGS });
        let ways = ["Cafe\u{301} am\u{a0}Markt", "Café am Markt", "Café\u{3000}am Markt"];
        for stored in ways {
            let hash = worker.hash(stored).unwrap();
            for typed in ways {
                assert_eq!(worker.verify(typed, &hash).unwrap(), Verdict::Right, "{typed:?}, made as {stored:?}");
            }
        }
        let hash = worker.hash("Café 1½ ﬁne").unwrap();
        for other in ["Cafe 1½ ﬁne", "café 1½ ﬁne", "Ｃafé 1½ ﬁne", "Café 11⁄2 ﬁne", "Café 1½ fine"]
        {
            assert_eq!(worker.verify(other, &hash).unwrap(), Verdict::Wrong, "{other}");
        }
    }

    #[test]
    fn a_hash_of_what_was_typed_works_and_is_made_anew() {
        let (_jobs, mut worker) = worker(HashingSettings { memory_kib: 8, iterations: 1, ..SETTINGS });
        let typed = "Cafe\u{301} am Markt";
        let mut raw = [0; HASH_BYTES];
        let (params, salt) = (worker.params.clone(), [7; SALT_BYTES]);
        worker.argon2(Algorithm::Argon2id, Version::V0x13, &params, typed, &salt, &mut raw).unwrap();
        for old in [phc(&params, &salt, &raw).unwrap(), bcrypt::hash(typed, 4).unwrap()] {
            let Verdict::RightOutdated(renewed) = worker.verify(typed, &old).unwrap() else { panic!("right: {old}") };
            assert_eq!(worker.verify("Café am Markt", &renewed).unwrap(), Verdict::Right);
            assert_eq!(
                worker.verify("Café am Markt", &old).unwrap(),
                Verdict::Wrong,
                "nobody can tell how it was typed"
            );
        }
    }

    #[test]
    fn every_stored_text_is_a_right_or_a_wrong_password_and_never_an_error() {
        let (_jobs, mut worker) = worker(HashingSettings { memory_kib: 8, iterations: 1, ..SETTINGS });
        let ours = worker.hash(PASSWORD).unwrap();
        assert_eq!(worker.verify(PASSWORD, &ours).unwrap(), Verdict::Right);
        for (program, text) in HASHES {
            assert!(matches!(worker.verify(PASSWORD, text).unwrap(), Verdict::RightOutdated(_)), "{program}: {text}");
            assert_eq!(worker.verify("harbour lamps", text).unwrap(), Verdict::Wrong, "{program}: {text}");
        }
        let greedy = "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let nobodys = phc(&worker.params, &[7; SALT_BYTES], &[0; HASH_BYTES]).unwrap();
        for stored in ["", " ", "plain", PASSWORD, "$2b$12$short", "$argon2id$v=19$m=8,t=1,p=1$$", greedy, &nobodys] {
            assert_eq!(worker.verify(PASSWORD, stored).unwrap(), Verdict::Wrong, "{stored}");
        }
        for text in HASHES.iter().map(|(_, text)| *text).chain([ours.as_str()]) {
            for text in broken(text) {
                // Some are still hashes, of a digit more or less: none may be dear.
                let began = Instant::now();
                assert!(worker.verify("wrong", &text).unwrap() == Verdict::Wrong, "{text}");
                assert!(began.elapsed() < Duration::from_mins(1), "{text}");
            }
        }
    }

    #[test]
    fn what_cannot_be_checked_costs_what_nobodys_does() {
        let (_jobs, mut worker) = worker(SETTINGS);
        let fastest = |worker: &mut Worker, stored: &str| {
            let took = |worker: &mut Worker| {
                let began = Instant::now();
                assert_eq!(worker.verify("wrong", stored).unwrap(), Verdict::Wrong);
                began.elapsed()
            };
            (0..5).map(|_| took(worker)).min().unwrap()
        };
        let nobodys = phc(&worker.params, &[7; SALT_BYTES], &[0; HASH_BYTES]).unwrap();
        let usual = fastest(&mut worker, &nobodys);
        let ssha = "{SSHA}p+1xXwFKLDiBH/uZ/9I54aLSZMtXilEq";
        let greedy = "$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123.";
        for stored in ["", "broken", ssha, greedy, "$P$6qXH4M7hxbryCKfHWpi6vkLz643iGY/"] {
            let took = fastest(&mut worker, stored);
            assert!(took < usual * 3 && usual < took * 3, "{stored:?}: {took:?}, nobody's {usual:?}");
        }
    }

    #[tokio::test]
    async fn bcrypt_looks_at_72_bytes_and_its_successor_at_all() {
        let hasher = Hasher::start(SETTINGS).unwrap();
        let long = "a".repeat(100);
        let bcrypt = bcrypt::hash(&long, 4).unwrap();
        let Verdict::RightOutdated(renewed) = hasher.of(&Client::default()).verify(&long, Some(&bcrypt)).await.unwrap()
        else {
            panic!("it is right, and outdated")
        };
        assert_eq!(
            hasher.of(&Client::default()).verify(&"a".repeat(99), Some(&renewed)).await.unwrap(),
            Verdict::Wrong
        );
        assert_eq!(hasher.of(&Client::default()).verify(&long, Some(&renewed)).await.unwrap(), Verdict::Right);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let hasher = Hasher::start(HashingSettings { memory_kib: 65_536, ..SETTINGS }).unwrap();
        let mut asked: Vec<_> = (0..QUEUE_PER_WORKER + 2).map(|_| Box::pin(hasher.hash("x"))).collect();
        let answered: Vec<_> = asked.iter_mut().filter_map(FutureExt::now_or_never).collect();
        let refused = answered.iter().filter(|answer| matches!(answer, Err(Error::RateLimited { .. })));
        assert!(refused.count() > 0, "before any of them is done");
    }

    fn worker(settings: HashingSettings) -> (Arc<Queue<Job>>, Worker) {
        let queue = Arc::new(Queue::new(QUEUE_PER_WORKER));
        let params = Params::new(settings.memory_kib, settings.iterations, settings.parallelism, Some(HASH_BYTES));
        (queue.clone(), Worker { queue, params: params.unwrap(), memory: Vec::new() })
    }

    #[test]
    fn a_worker_keeps_the_memory_of_one_hash_whatever_it_hashes() {
        let (_jobs, mut worker) = worker(HashingSettings { iterations: 1, ..SETTINGS });
        let (_others, mut greedy) = self::worker(HashingSettings { memory_kib: 32_768, iterations: 1, ..SETTINGS });
        let large = greedy.hash("x").unwrap();
        let blocks = worker.params.block_count();
        for _ in 0..2 {
            let hash = worker.hash("x").unwrap();
            assert_eq!((worker.memory.len(), worker.memory.capacity()), (blocks, blocks), "kept for the next");
            let kept = worker.memory.as_ptr();
            assert_eq!(worker.verify("x", &hash).unwrap(), Verdict::Right);
            assert_eq!(worker.memory.as_ptr(), kept, "and used by it");
            assert!(matches!(worker.verify("x", &large).unwrap(), Verdict::RightOutdated(_)));
            assert_eq!(
                (worker.memory.len(), worker.memory.capacity()),
                (blocks, blocks),
                "and what took more is given back"
            );
        }
    }

    #[test]
    fn a_hash_that_nobody_waits_for_is_not_made() {
        let (jobs, mut worker) = worker(SETTINGS);
        let (_, mut other) = self::worker(SETTINGS);
        for work in [Work::Hash, Work::Verify(other.hash("x").unwrap())] {
            let (reply, _) = oneshot::channel();
            jobs.push(None, Job { password: "x".to_owned().into(), work, asked_at: Instant::now(), reply });
        }
        jobs.close();
        worker.run();
        assert!(worker.memory.is_empty(), "it never hashed");
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_to_come_back() {
        let hasher = Hasher::start(HashingSettings { queue_timeout: Duration::ZERO, ..SETTINGS }).unwrap();
        assert!(matches!(hasher.hash("x").await, Err(Error::RateLimited { .. })));
    }
}
