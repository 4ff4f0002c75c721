//! Where the database is: the address that requests are served by, the one that is the primary's own, and who is the
//! primary among several.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::{Error, Result};

/// How long one of several servers may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Host name, address or socket folder, and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

/// Where the database is reached, beside the address in its connection options.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// A pooler stands at the options' address that gives each transaction another connection of PostgreSQL's.
    pub by_pooler: bool,
    /// Where the servers themselves are, one of them the primary. Empty: at the options' address.
    pub servers: Vec<Address>,
    /// Where a replica is, for reads.
    pub replica: Option<Address>,
}

/// The servers, and which of them is the primary. Clones share what they know.
#[derive(Clone)]
pub(super) struct Servers {
    all: Arc<[Address]>,
    primary: Arc<RwLock<Primary>>,
}

#[derive(Clone, Copy)]
struct Primary {
    /// Among all.
    index: usize,
    since: Instant,
}

impl Servers {
    pub fn new(all: Vec<Address>) -> Self {
        let primary = Primary { index: 0, since: Instant::now() };
        Self { all: all.into(), primary: Arc::new(RwLock::new(primary)) }
    }

    /// Whether there is one to be found among several.
    pub fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    fn primary(&self) -> Primary {
        *self.primary.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the primary has been known as such: connections that are older lead to another one.
    pub fn settled_for(&self) -> Duration {
        self.primary().since.elapsed()
    }

    /// The same connection, to the primary as far as it is known.
    pub fn at_primary(&self, options: PgConnectOptions) -> PgConnectOptions {
        match self.all.get(self.primary().index) {
            Some(address) => at(options, address),
            None => options,
        }
    }

    /// Asks all of them which is the primary; whether it is another one than before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where none is, or none answers.
    pub async fn find_primary(&self, options: &PgConnectOptions) -> Result<bool> {
        let mut asked: FuturesUnordered<_> = (self.all.iter().enumerate())
            .map(|(index, address)| async move {
                let is_primary = tokio::time::timeout(PATIENCE, is_primary(at(options.clone(), address))).await;
                (index, is_primary.unwrap_or_else(|_| Err(none("no server answers"))))
            })
            .collect();
        let mut why_not = none("none of the database's servers is the primary");
        while let Some((index, answer)) = asked.next().await {
            match answer {
                Ok(true) => {
                    let moved = self.primary().index != index;
                    if moved {
                        let primary = Primary { index, since: Instant::now() };
                        *self.primary.write().unwrap_or_else(PoisonError::into_inner) = primary;
                    }
                    return Ok(moved);
                }
                Ok(false) => {}
                Err(error) => why_not = error,
            }
        }
        Err(Error::from(why_not))
    }
}

/// The same connection, to this address.
pub(super) fn at(options: PgConnectOptions, address: &Address) -> PgConnectOptions {
    let options = options.host(&address.host).port(address.port);
    // As the driver itself takes the host of a URL.
    if address.host.starts_with('/') { options.socket(&address.host) } else { options }
}

async fn is_primary(options: PgConnectOptions) -> sqlx::Result<bool> {
    let mut connection = PgConnection::connect_with(&options).await?;
    let is_primary =
        sqlx::query_scalar!(r#"SELECT NOT pg_is_in_recovery() AS "is_primary!""#).fetch_one(&mut connection).await?;
    // What it says is known; how it takes leave is not waited for.
    drop(connection);
    Ok(is_primary)
}

fn none(why: &'static str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other(why))
}
