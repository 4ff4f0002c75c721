//! Who lives in the benchmark's database, by arithmetic: everything of user `n` follows from `n`, here, in SQL and in pgbench
//! alike, so that requests are randomised without asking the database who is there. [`load`](crate::load) writes it down.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::random::Random;

pub const PASSWORD: &str = "correct horse battery";
pub const HOTELS: u64 = 500;
/// The first users: SYSTEM_ADMIN of every hotel.
pub const ADMINISTRATORS: u64 = 20;
/// Users up to here have every hotel.
pub const EVERYWHERE: u64 = 320;
/// 2023-01-01, and three years from then in which users came, evenly.
pub const SINCE_MICROS: u64 = 1_672_531_200_000_000;
const SPAN_MICROS: u64 = 94_608_000_000_000;
/// Scatters numbers: the product with them, modulo a prime above all of them, names each once.
pub const SCATTER: u64 = 48_271;
pub const PRIME: u64 = 2_147_483_647;

const FIRST: ([&str; 13], [&str; 13]) = (
    ["Al", "Ber", "Chri", "Da", "El", "Fre", "Gui", "Ha", "Is", "Jo", "Ka", "Lu", "Mi"],
    ["bert", "dine", "fina", "gor", "hilde", "jana", "kolas", "lena", "mund", "nuel", "pold", "rick", "stan"],
);
const LAST: ([&str; 14], [&str; 12]) = (
    [
        "Acker", "Brand", "Crespo", "Dorn", "Egger", "Falk", "Grim", "Hoff", "Iber", "Kron", "Lind", "Moss", "Nowa",
        "Oster",
    ],
    ["berg", "cek", "dahl", "feld", "gaard", "hausen", "ingen", "kamp", "mann", "quist", "sson", "witz"],
);

#[allow(
    clippy::unsafe_derive_deserialize,
    reason = "the methods in question are the names of columns in macros of sqlx"
)]
/// The size of a world, and when its sessions began; written beside the cluster once it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    pub users: u64,
    pub sessions: u64,
    pub events: u64,
    pub sessions_since_micros: u64,
    pub sessions_step_micros: u64,
}

fn combined<const A: usize, const B: usize>((heads, tails): ([&str; A], [&str; B])) -> Vec<String> {
    heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))).collect()
}

pub struct Names {
    pub first: Vec<String>,
    pub last: Vec<String>,
    /// Three letters that between one in a thousand and one in ten users have in a name.
    pub searches: Vec<String>,
}

impl Names {
    pub fn new() -> Self {
        let (first, last) = (combined(FIRST), combined(LAST));
        let searches = searches(&first, &last);
        Self { first, last, searches }
    }

    pub fn of(&self, n: u64) -> (&str, &str) {
        let scattered = scattered(n);
        (
            &self.first[at(scattered, self.first.len())],
            &self.last[at(scattered / size(self.first.len()), self.last.len())],
        )
    }

    pub fn email(&self, n: u64) -> String {
        let (first, last) = self.of(n);
        format!("{first}.{last}{n}@vh.test").to_lowercase()
    }
}

fn size(length: usize) -> u64 {
    u64::try_from(length).expect("fits")
}

fn at(number: u64, length: usize) -> usize {
    usize::try_from(number % size(length)).expect("fits")
}

/// Every three letters of a name, but for those that too few or too many users have.
fn searches(first: &[String], last: &[String]) -> Vec<String> {
    let windows = |names: &[String]| -> Vec<String> {
        let lower = names.iter().map(|name| name.to_lowercase());
        lower.flat_map(|name| (0..name.len() - 2).map(|at| name[at..at + 3].to_owned()).collect::<Vec<_>>()).collect()
    };
    let share = |names: &[String], letters: &str| {
        let found = names.iter().filter(|name| name.to_lowercase().contains(letters)).count();
        crate::cpu::as_f64(size(found)) / crate::cpu::as_f64(size(names.len()))
    };
    let mut all = windows(first);
    all.extend(windows(last));
    all.sort();
    all.dedup();
    all.retain(|letters| {
        let (first, last) = (share(first, letters), share(last, letters));
        (0.001..=0.1).contains(&(first + last - first * last))
    });
    all
}

/// The number that all that is spread evenly is taken from.
pub fn scattered(n: u64) -> u64 {
    n * SCATTER % PRIME
}

fn uuid(micros: u64, n: u64) -> Uuid {
    let text = format!("{:012x}7{:03x}8{n:015x}", micros / 1000, n & 4095);
    Uuid::parse_str(&text).expect("an id")
}

pub fn hotel_id(number: u64) -> String {
    format!("hotel-{number:03}")
}

impl World {
    pub fn step_micros(&self) -> u64 {
        SPAN_MICROS / self.users
    }

    pub fn created_micros(&self, n: u64) -> u64 {
        SINCE_MICROS + n * self.step_micros()
    }

    pub fn id(&self, n: u64) -> Uuid {
        uuid(self.created_micros(n), n)
    }

    /// The first of user `n`'s hotels.
    pub fn hotel_of(n: u64) -> String {
        hotel_id(scattered(n) / 7 % HOTELS)
    }

    pub fn some_user(&self, random: &mut Random) -> u64 {
        1 + random.below(self.users)
    }

    /// One with at least a page of users behind them.
    pub fn some_user_before_the_last(&self, random: &mut Random) -> u64 {
        1 + random.below(self.users - 100)
    }

    /// The `which`-th of the users with HOTEL_ADMIN at their hotels alone.
    pub fn hotel_administrator(which: u64) -> u64 {
        EVERYWHERE + 10 * (1 + which)
    }

    /// The `which`-th of users without any standing, spread over all.
    pub fn staff_member(&self, which: u64) -> u64 {
        EVERYWHERE + 1 + which * 7919 % (self.users - EVERYWHERE - 1)
    }
}
